/* The paths that have a quota: a trie of names, all in one table. */
#include "election/tree/quota_internal.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"

#include <assert.h>
#include <string.h>

#define ROOT_LEN   (sizeof QUOTA_ROOT - 1)
#define STATS_TAIL "/" QUOTA_STATS_NAME
#define TAIL_LEN   (sizeof STATS_TAIL - 1)

void quota_paths__init(struct quotas *q, uint64_t hash_seed)
{
        *q = (struct quotas){.hash_seed = hash_seed};
        index_init(&q->paths);
}

static void free_path(void *ctx, struct index_link *l)
{
        (void)ctx;
        mem_free(INDEX_ENTRY(l, struct quota_path, link));
}

void quota_paths__done(struct quotas *q)
{
        index_each(&q->paths, free_path, NULL);
        index_done(&q->paths);
}

/* ---- names ---- */

/* Java's trim() takes away everything up to the space. */
static bool is_blank(const uint8_t *name, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (name[i] > ' ')
                        return false;
        return true;
}

/* Takes the next name that is not blank off `rest`; null when there is none. */
static struct jute_str next_name(struct jute_str *rest)
{
        while (rest->len > 0) {
                const uint8_t *slash = memchr(rest->data, '/', (size_t)rest->len);
                const size_t len = slash ? (size_t)(slash - rest->data) : (size_t)rest->len;
                const struct jute_str name = jute_str_of(rest->data, len);
                const size_t used = slash ? len + 1 : len;
                *rest = jute_str_of(rest->data + used, (size_t)rest->len - used);
                if (!is_blank(name.data, len))
                        return name;
        }
        return (struct jute_str){.data = NULL, .len = -1};
}

bool quota_paths__has_name(struct jute_str path)
{
        return next_name(&path).data != NULL;
}

/* ---- the table ---- */

static uint64_t hash_of(const struct quotas *q, const struct quota_path *parent, struct jute_str name)
{
        return hash_bytes(name.data, (size_t)name.len, q->hash_seed + (parent ? parent->link.hash : 0));
}

static struct jute_str name_of(const struct quota_path *p)
{
        return jute_str_of(p->path + p->name_at, p->path_len - p->name_at);
}

static struct quota_path *find(const struct quotas *q, const struct quota_path *parent, struct jute_str name)
{
        for (struct index_link *l = index_first(&q->paths, hash_of(q, parent, name)); l; l = index_next(l)) {
                struct quota_path *p = INDEX_ENTRY(l, struct quota_path, link);
                if (p->parent == parent && jute_str_equal(name_of(p), name))
                        return p;
        }
        return NULL;
}

static struct quota_path *append(struct quotas *q, struct quota_path *parent, struct jute_str name)
{
        const size_t before = parent ? parent->path_len : ROOT_LEN;
        const size_t len = before + 1 + (size_t)name.len;
        struct quota_path *p = mem_zalloc(sizeof *p + len + TAIL_LEN);
        memcpy(p->path, parent ? parent->path : QUOTA_ROOT, before);
        p->path[before] = '/';
        memcpy(p->path + before + 1, name.data, (size_t)name.len);
        memcpy(p->path + len, STATS_TAIL, TAIL_LEN);
        p->name_at = (uint32_t)before + 1;
        p->path_len = (uint32_t)len;
        p->stats_len = (uint32_t)(len + TAIL_LEN);
        p->parent = parent;
        if (parent)
                parent->children++;
        index_insert(&q->paths, &p->link, hash_of(q, parent, name));
        return p;
}

void quota_paths__add(struct quotas *q, struct jute_str path)
{
        struct quota_path *at = NULL, *p;
        for (struct jute_str name; (name = next_name(&path)).data; at = p) {
                p = find(q, at, name);
                if (!p)
                        p = append(q, at, name);
        }
        if (!at || at->registered)
                return;
        at->registered = true;
        q->registered++;
}

/* What leads to no quota any more goes. */
static void prune(struct quotas *q, struct quota_path *p)
{
        while (p && !p->registered && p->children == 0) {
                struct quota_path *parent = p->parent;
                index_remove(&q->paths, &p->link);
                mem_free(p);
                if (parent)
                        parent->children--;
                p = parent;
        }
}

void quota_paths__remove(struct quotas *q, struct jute_str path)
{
        struct quota_path *at = NULL;
        for (struct jute_str name; (name = next_name(&path)).data;) {
                at = find(q, at, name);
                if (!at)
                        return;
        }
        if (!at || !at->registered)
                return;
        at->registered = false;
        q->registered--;
        prune(q, at);
}

const struct quota_path *quota_paths__innermost(const struct quotas *q, struct jute_str path)
{
        const struct quota_path *at = NULL, *found = NULL;
        if (q->registered == 0)
                return NULL;
        for (struct jute_str name; (name = next_name(&path)).data;) {
                at = find(q, at, name);
                if (!at)
                        break;
                if (at->registered)
                        found = at;
        }
        return found;
}

struct jute_str quota_paths__subtree(const struct quota_path *p)
{
        return jute_str_of(p->path + ROOT_LEN, p->path_len - ROOT_LEN);
}

struct jute_str quota_paths__stats(const struct quota_path *p)
{
        return jute_str_of(p->path, p->stats_len);
}
