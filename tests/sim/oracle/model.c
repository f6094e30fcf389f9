/* The model's tree: nodes in one array, found by halving it. */
#include "tests/sim/oracle/model_internal.h"

#include "election/base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* vector<ACL> of one: world:anyone with all permissions. */
static const uint8_t acl_open[] = {0,   0,   0,   1, 0, 0, 0, 31,  0,   0,   0,   5,   'w', 'o',
                                   'r', 'l', 'd', 0, 0, 0, 6, 'a', 'n', 'y', 'o', 'n', 'e'};

/* ---- order ---- */

static int rank(uint8_t c)
{
        return c == '/' ? 0 : c;
}

/* With '/' before all else a node is followed by everything below it, and then by the next sibling. */
static int compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
        const uint8_t *x = a, *y = b;
        for (size_t i = 0; i < a_len && i < b_len; i++)
                if (x[i] != y[i])
                        return rank(x[i]) - rank(y[i]);
        return a_len < b_len ? -1 : a_len > b_len;
}

/* The place of the first node that does not stand before `path`. */
static size_t place(const struct model *m, const void *path, size_t len)
{
        size_t low = 0, high = m->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const struct model_node *n = m->nodes[middle];
                if (compare(n->path, n->path_len, path, len) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

struct model_node *model__find(const struct model *m, const void *path, size_t len)
{
        if (len == 1 && *(const char *)path == '/')
                len = 0;
        size_t i = place(m, path, len);
        if (i == m->count || compare(m->nodes[i]->path, m->nodes[i]->path_len, path, len) != 0)
                return NULL;
        return m->nodes[i];
}

struct model_node *model__parent(const struct model *m, const void *path, size_t len)
{
        const char *text = path;
        while (len > 0 && text[len - 1] != '/')
                len--;
        return len > 0 ? model__find(m, path, len - 1) : NULL;
}

const struct model_node *model_find(const struct model *m, const char *path)
{
        return model__find(m, path, strlen(path));
}

static bool is_below(const struct model_node *n, const struct model_node *top)
{
        return n->path_len > top->path_len && n->path[top->path_len] == '/' &&
               memcmp(n->path, top->path, top->path_len) == 0;
}

/* The place behind the last node below the one at `i`. */
static size_t after_subtree(const struct model *m, size_t i)
{
        const struct model_node *top = m->nodes[i];
        size_t low = i + 1, high = m->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (is_below(m->nodes[middle], top))
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

size_t model_children(const struct model *m, const struct model_node *n,
                      void (*fn)(void *ctx, const struct model_node *child), void *ctx)
{
        size_t count = 0;
        size_t i = place(m, n->path, n->path_len) + 1;
        while (i < m->count && is_below(m->nodes[i], n)) {
                if (fn)
                        fn(ctx, m->nodes[i]);
                count++;
                i = after_subtree(m, i);
        }
        return count;
}

size_t model_count(const struct model *m)
{
        return m->count;
}

const struct model_node *model_at(const struct model *m, size_t i)
{
        return m->nodes[i];
}

/* ---- Stat and digest ---- */

bool model_owner_is_session(int64_t owner)
{
        return owner != 0 && owner != INT64_MIN && (uint64_t)owner >> 40 != 0xFF0000;
}

void model_stat(const struct model_node *n, struct jute_stat *ret)
{
        *ret = (struct jute_stat){
                .czxid = n->czxid,
                .mzxid = n->mzxid,
                .ctime = n->ctime,
                .mtime = n->mtime,
                .version = n->version,
                /* Each child that was made and each that went counts: 2 x made - there. Wraps as Java's int. */
                .cversion = (int32_t)(2 * (uint32_t)n->creations - n->children),
                .aversion = n->aversion,
                .ephemeral_owner = model_owner_is_session(n->owner) ? n->owner : 0,
                .data_length = n->data_len > 0 ? n->data_len : 0,
                .num_children = (int32_t)n->children,
                .pzxid = n->pzxid,
        };
}

static size_t put(uint8_t *to, size_t at, uint64_t v, size_t size)
{
        for (size_t i = 0; i < size; i++)
                to[at + i] = (uint8_t)(v >> (8 * (size - 1 - i)));
        return at + size;
}

static uint32_t node_digest(const struct model_node *n)
{
        uint8_t stat[60];
        size_t at = 0;
        uLong crc = crc32(0, NULL, 0);
        if (strncmp(n->path, "/zookeeper/", 11) == 0)
                return 0;
        crc = crc32_z(crc, (const uint8_t *)n->path, n->path_len);
        if (n->data_len > 0)
                crc = crc32_z(crc, n->data, (size_t)n->data_len);
        const int64_t longs[] = {n->czxid, n->mzxid, n->pzxid, n->ctime, n->mtime};
        const int32_t ints[] = {n->version, n->creations, n->aversion};
        for (size_t i = 0; i < sizeof longs / sizeof *longs; i++)
                at = put(stat, at, (uint64_t)longs[i], 8);
        for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
                at = put(stat, at, (uint32_t)ints[i], 4);
        at = put(stat, at, (uint64_t)n->owner, 8);
        return (uint32_t)crc32_z(crc, stat, at);
}

void model__changed(struct model *m, struct model_node *n)
{
        m->digest -= n->digest;
        n->digest = node_digest(n);
        m->digest += n->digest;
}

uint64_t model_digest(const struct model *m)
{
        return m->digest;
}

enum model_sweep model_swept(const struct model *m, int64_t *ret_czxid)
{
        if (ret_czxid)
                *ret_czxid = m->swept_czxid;
        return m->swept;
}

int64_t model_zxid(const struct model *m)
{
        return m->zxid;
}

/* ---- changing ---- */

void model__set_data(struct model_node *n, struct model_bytes data)
{
        mem_free(n->data);
        n->data = data.len > 0 ? mem_dup(data.data, (size_t)data.len) : NULL;
        n->data_len = data.len;
}

void model__set_acl(struct model_node *n, const uint8_t *acl, size_t len)
{
        mem_free(n->acl);
        n->acl = mem_dup(acl, len);
        n->acl_len = len;
}

struct model_node *model__insert(struct model *m, struct model_bytes path, struct model_bytes data)
{
        struct model_node *n = mem_zalloc(sizeof *n);
        n->path_len = (size_t)path.len;
        n->path = mem_zalloc(n->path_len + 1);
        if (n->path_len)
                memcpy(n->path, path.data, n->path_len);
        n->data_len = -1;
        model__set_data(n, data);
        struct model_node *parent = model__parent(m, n->path, n->path_len);
        if (parent)
                parent->children++;
        size_t i = place(m, n->path, n->path_len);
        m->nodes = mem_grow(m->nodes, &m->capacity, m->count + 1, sizeof *m->nodes);
        memmove(m->nodes + i + 1, m->nodes + i, (m->count - i) * sizeof *m->nodes);
        m->nodes[i] = n;
        m->count++;
        return n;
}

static void node_free(struct model_node *n)
{
        mem_free(n->path);
        mem_free(n->data);
        mem_free(n->acl);
        mem_free(n);
}

void model__remove(struct model *m, struct model_node *n)
{
        size_t i = place(m, n->path, n->path_len);
        struct model_node *parent = model__parent(m, n->path, n->path_len);
        if (parent)
                parent->children--;
        m->digest -= n->digest;
        m->count--;
        memmove(m->nodes + i, m->nodes + i + 1, (m->count - i) * sizeof *m->nodes);
        node_free(n);
}

/* ---- sessions ---- */

static size_t session_place(const struct model *m, int64_t id)
{
        size_t low = 0, high = m->session_count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (m->sessions[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

struct model_session *model__session(const struct model *m, int64_t id)
{
        size_t i = session_place(m, id);
        return i < m->session_count && m->sessions[i].id == id ? &m->sessions[i] : NULL;
}

struct model_session *model__session_add(struct model *m, int64_t id)
{
        size_t i = session_place(m, id);
        m->sessions = mem_grow(m->sessions, &m->session_capacity, m->session_count + 1, sizeof *m->sessions);
        memmove(m->sessions + i + 1, m->sessions + i, (m->session_count - i) * sizeof *m->sessions);
        m->sessions[i] = (struct model_session){.id = id};
        m->session_count++;
        return &m->sessions[i];
}

bool model_session(const struct model *m, int64_t id, int32_t *ret_timeout_ms)
{
        const struct model_session *s = model__session(m, id);
        if (!s || !s->open)
                return false;
        if (ret_timeout_ms)
                *ret_timeout_ms = s->timeout_ms;
        return true;
}

size_t model_session_count(const struct model *m)
{
        return m->open_count;
}

/* ---- life ---- */

void model__complain(struct model *m, const char *checker, const char *format, ...)
{
        if (m->checker[0])
                return;
        va_list args;
        va_start(args, format);
        (void)snprintf(m->checker, sizeof m->checker, "%s", checker);
        (void)vsnprintf(m->complaint, sizeof m->complaint, format, args);
        va_end(args);
}

const char *model_complaint(const struct model *m, const char **ret_checker)
{
        if (ret_checker)
                *ret_checker = m->checker;
        return m->complaint;
}

struct model *model_new(void)
{
        static const char *const paths[] = {"", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"};
        struct model *m = mem_zalloc(sizeof *m);
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
                struct model_bytes path = {.data = (const uint8_t *)paths[i], .len = (int32_t)strlen(paths[i])};
                struct model_node *n = model__insert(m, path, (struct model_bytes){.len = 0});
                model__set_acl(n, acl_open, sizeof acl_open);
                model__changed(m, n);
        }
        return m;
}

void model_free(struct model *m)
{
        if (!m)
                return;
        for (size_t i = 0; i < m->count; i++)
                node_free(m->nodes[i]);
        mem_free(m->nodes);
        mem_free(m->sessions);
        mem_free(m);
}
