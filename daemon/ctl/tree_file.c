/* See tree_file.h. */
#include "daemon/ctl/tree_file.h"

#include "daemon/ctl/base64.h"
#include "daemon/ctl/control_text.h"
#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/base/map.h"
#include "election/client/client.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define FORMAT  "baton-tree"
#define VERSION 1

static const char *const kind_names[] = {
        [TREE_PERSISTENT] = "persistent",
        [TREE_EPHEMERAL] = "ephemeral",
        [TREE_CONTAINER] = "container",
        [TREE_TTL] = "ttl",
};
_Static_assert(sizeof kind_names / sizeof *kind_names == TREE_KIND_MAX, "every kind has its name");

static int bad(char *why, size_t why_size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int bad(char *why, size_t why_size, const char *format, ...)
{
        va_list list;
        va_start(list, format);
        (void)vsnprintf(why, why_size, format, list);
        va_end(list);
        control_text_mask(why);
        return -EINVAL;
}

/* ---- the tree ---- */

void tree_node_done(struct tree_node *node)
{
        mem_free(node->path);
        mem_free(node->data);
        acl_done(&node->acl);
}

void tree_done(struct tree *t)
{
        for (size_t i = 0; i < t->count; i++)
                tree_node_done(&t->nodes[i]);
        mem_free(t->nodes);
        *t = (struct tree){.nodes = NULL};
}

void tree_add(struct tree *t, const struct tree_node *node)
{
        t->nodes = mem_grow(t->nodes, &t->capacity, t->count + 1, sizeof *t->nodes);
        t->nodes[t->count++] = *node;
}

/* ---- reading ---- */

/* Absolute, without empty parts, "." or "..", not ending in a slash. */
static bool path_ok(const char *path)
{
        if (path[0] != '/' || strlen(path) > CLIENT_PATH_MAX || control_text_has(path))
                return false;
        for (const char *name = path + 1; path[1];) {
                size_t len = strcspn(name, "/");
                if (len == 0 || (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
                        return false;
                if (!name[len])
                        break;
                name += len + 1;
        }
        return true;
}

static int get_data(const json_t *entry, struct tree_node *node, char *why, size_t why_size)
{
        const json_t *text = json_object_get(entry, "data"), *binary = json_object_get(entry, "data_base64");
        if (!text == !binary)
                return bad(why, why_size, "%s has not one of \"data\" and \"data_base64\"", node->path);
        if (json_is_string(text)) {
                node->size = json_string_length(text);
                node->data = mem_dup(json_string_value(text), node->size + 1);
                return 0;
        }
        if (text)
                return json_is_null(text) ? 0
                                          : bad(why, why_size, "\"data\" of %s is neither text nor null", node->path);
        if (json_is_string(binary) &&
            base64_decode(json_string_value(binary), json_string_length(binary), &node->data, &node->size) == 0)
                return 0;
        return bad(why, why_size, "\"data_base64\" of %s is no base64", node->path);
}

static int get_kind(const json_t *entry, struct tree_node *node, char *why, size_t why_size)
{
        const json_t *kind = json_object_get(entry, "kind"), *ttl = json_object_get(entry, "ttl_ms");
        if (!kind)
                return 0;
        int k = 0;
        while (json_is_string(kind) && k < TREE_KIND_MAX && strcmp(kind_names[k], json_string_value(kind)) != 0)
                k++;
        if (!json_is_string(kind) || k == TREE_KIND_MAX)
                return bad(why, why_size, "\"kind\" of %s is none of persistent, ephemeral, container, ttl",
                           node->path);
        node->kind = (enum tree_kind)k;
        if (node->kind != TREE_TTL)
                return 0;
        node->ttl_ms = json_integer_value(ttl);
        return node->ttl_ms >= 1 && node->ttl_ms <= CLIENT_TTL_MAX_MS
                       ? 0
                       : bad(why, why_size, "\"ttl_ms\" of %s is not in 1..%lld", node->path,
                             (long long)CLIENT_TTL_MAX_MS);
}

static int get_acl(const json_t *entry, struct tree_node *node, char *why, size_t why_size)
{
        char what[160];
        const json_t *acl = json_object_get(entry, "acl");
        if (!acl || acl_from_json(acl, &node->acl, what, sizeof what) == 0)
                return 0;
        return bad(why, why_size, "%s: %s", node->path, what);
}

static int get_node(const json_t *entry, struct tree_node *node, char *why, size_t why_size)
{
        const json_t *path = json_object_get(entry, "path");
        const char *text = json_string_value(path);
        if (!text || strlen(text) != json_string_length(path) || !path_ok(text))
                return bad(why, why_size,
                           "a node without a \"path\", or it is none: absolute, without empty parts and "
                           "control characters");
        node->path = mem_strdup(text);
        int r = get_data(entry, node, why, why_size);
        if (r == 0)
                r = get_kind(entry, node, why, why_size);
        return r < 0 ? r : get_acl(entry, node, why, why_size);
}

/* Paths seen so far, by their hash: paths of one hash are compared. */
struct known {
        struct map map;  /* hash -> index of the last such node, plus 1 */
        size_t *earlier; /* of a node, the one before it of the same hash, plus 1 */
        size_t capacity;
};

static bool is_known(const struct known *k, const struct tree *t, const char *path, size_t len)
{
        size_t at = (size_t)(uintptr_t)map_get(&k->map, hash_bytes(path, len, 0));
        assert(!at || (t->nodes && at <= t->count)); /* only what is there was remembered */
        while (at && (strncmp(t->nodes[at - 1].path, path, len) != 0 || t->nodes[at - 1].path[len]))
                at = k->earlier[at - 1];
        return at != 0;
}

static void remember(struct known *k, const struct tree *t)
{
        assert(t->nodes && t->count);
        const char *path = t->nodes[t->count - 1].path;
        assert(path);
        uint64_t hash = hash_bytes(path, strlen(path), 0);
        k->earlier = mem_grow(k->earlier, &k->capacity, t->count, sizeof *k->earlier);
        k->earlier[t->count - 1] = (size_t)(uintptr_t)map_get(&k->map, hash);
        map_put(&k->map, hash, (void *)(uintptr_t)t->count);
}

/* Each once, after its parent; the first is the root. */
static int place_check(const struct known *k, const struct tree *t, const char *root, const char *path, char *why,
                       size_t why_size)
{
        assert(path && path[0] == '/');
        size_t parent_len = (size_t)(strrchr(path, '/') - path);
        if (!t->count)
                return strcmp(path, root) == 0 ? 0 : bad(why, why_size, "the first node is not the root, %s", root);
        if (is_known(k, t, path, strlen(path)))
                return bad(why, why_size, "%s stands twice", path);
        if (!is_known(k, t, path, parent_len ? parent_len : 1))
                return bad(why, why_size, "%s does not come after its parent", path);
        return 0;
}

static int get_nodes(const json_t *nodes, const char *root, struct tree *ret, char *why, size_t why_size)
{
        struct known known = {.earlier = NULL};
        int r = 0;
        map_init(&known.map);
        for (size_t i = 0; r == 0 && i < json_array_size(nodes); i++) {
                struct tree_node node = {.path = NULL};
                r = get_node(json_array_get(nodes, i), &node, why, why_size);
                if (r == 0)
                        r = place_check(&known, ret, root, node.path, why, why_size);
                if (r < 0) {
                        tree_node_done(&node);
                        break;
                }
                tree_add(ret, &node);
                remember(&known, ret);
        }
        map_done(&known.map);
        mem_free(known.earlier);
        return r;
}

int tree_from_json(const json_t *value, struct tree *ret, char *why, size_t why_size)
{
        const char *format = json_string_value(json_object_get(value, "format"));
        const json_t *version = json_object_get(value, "version"), *nodes = json_object_get(value, "nodes");
        const char *root = json_string_value(json_object_get(value, "root"));
        *ret = (struct tree){.nodes = NULL};
        if (!format || strcmp(format, FORMAT) != 0)
                return bad(why, why_size, "no tree: \"format\" is not \"" FORMAT "\"");
        if (!json_is_integer(version) || json_integer_value(version) != VERSION)
                return bad(why, why_size, "a tree of another version than %d", VERSION);
        if (!root || !json_is_array(nodes) || json_array_size(nodes) < 1)
                return bad(why, why_size, "a tree without \"root\" or \"nodes\"");
        if (json_array_size(nodes) > TREE_NODES_MAX)
                return bad(why, why_size, "more than %d nodes", TREE_NODES_MAX);
        return get_nodes(nodes, root, ret, why, why_size);
}

/* ---- writing ---- */

void tree_write_begin(FILE *out, const char *root)
{
        json_t *text = json_string(root);
        (void)fprintf(out, "{\"format\": \"" FORMAT "\", \"version\": %d, \"root\": ", VERSION);
        (void)json_dumpf(text, out, JSON_ENCODE_ANY);
        (void)fprintf(out, ", \"nodes\": [\n");
        json_decref(text);
}

static void put_data(json_t *object, const struct tree_node *node)
{
        json_t *text = node->data ? json_stringn(node->data, node->size) : json_null();
        if (text) {
                (void)json_object_set_new(object, "data", text);
                return;
        }
        char *binary = base64_encode(node->data, node->size);
        (void)json_object_set_new(object, "data_base64", json_string(binary));
        mem_free(binary);
}

bool tree_write_node(FILE *out, const struct tree_node *node, bool first)
{
        json_t *object = json_object();
        (void)json_object_set_new(object, "path", json_string(node->path));
        put_data(object, node);
        if (node->acl.count && !acl_is_open(&node->acl)) {
                json_t *acl = acl_json(&node->acl);
                if (!acl) {
                        json_decref(object);
                        return false;
                }
                (void)json_object_set_new(object, "acl", acl);
        }
        if (node->kind != TREE_PERSISTENT)
                (void)json_object_set_new(object, "kind", json_string(kind_names[node->kind]));
        if (node->kind == TREE_TTL)
                (void)json_object_set_new(object, "ttl_ms", json_integer((json_int_t)node->ttl_ms));
        if (!first)
                (void)fputs(",\n", out);
        (void)json_dumpf(object, out, 0);
        json_decref(object);
        return true;
}

void tree_write_end(FILE *out)
{
        (void)fputs("\n]}\n", out);
}
