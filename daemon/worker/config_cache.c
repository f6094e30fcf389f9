/* See config_cache.h. Entries in a map by the hash of their path, equal hashes in a chain. */
#include "daemon/worker/config_cache.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/base/list.h"
#include "election/base/map.h"

#include <errno.h>
#include <string.h>

struct entry {
        struct list link;   /* of all */
        struct entry *next; /* with the same hash */
        uint64_t hash;
        char *path;
        void *data; /* NULL: not kept */
        size_t size;
        int32_t version;
        int64_t zxid;
        uint64_t generation;
};

struct config_cache {
        struct map map;
        struct list all;
        size_t count, bytes;
        int64_t complete_zxid; /* whatever is older and not here is gone; 0: not known yet */
};

struct config_cache *config_cache_new(void)
{
        struct config_cache *c = mem_zalloc(sizeof *c);
        map_init(&c->map);
        list_init(&c->all);
        return c;
}

static struct entry *find(const struct config_cache *c, const char *path)
{
        struct entry *e = map_get(&c->map, hash_bytes(path, strlen(path), 0));
        while (e && strcmp(e->path, path) != 0)
                e = e->next;
        return e;
}

static void drop_data(struct config_cache *c, struct entry *e)
{
        if (e->data)
                c->bytes -= e->size;
        mem_free(e->data);
        e->data = NULL;
}

static void remove_entry(struct config_cache *c, struct entry *e)
{
        struct entry *first = map_get(&c->map, e->hash);
        if (first == e) {
                if (e->next)
                        map_put(&c->map, e->hash, e->next);
                else
                        (void)map_remove(&c->map, e->hash);
        } else {
                while (first->next != e)
                        first = first->next;
                first->next = e->next;
        }
        drop_data(c, e);
        list_remove(&e->link);
        c->count--;
        mem_free(e->path);
        mem_free(e);
}

void config_cache_free(struct config_cache *c)
{
        if (!c)
                return;
        while (!list_empty(&c->all))
                remove_entry(c, LIST_ENTRY(c->all.next, struct entry, link));
        map_done(&c->map);
        mem_free(c);
}

static struct entry *add_entry(struct config_cache *c, const char *path)
{
        struct entry *e = mem_zalloc(sizeof *e);
        e->path = mem_strdup(path);
        e->hash = hash_bytes(path, strlen(path), 0);
        e->next = map_get(&c->map, e->hash);
        map_put(&c->map, e->hash, e);
        list_push(&c->all, &e->link);
        c->count++;
        return e;
}

bool config_cache_put(struct config_cache *c, const char *path, const void *data, size_t size, int32_t version,
                      int64_t zxid, uint64_t generation)
{
        struct entry *e = find(c, path);
        if (e)
                e->generation = generation;
        if (e ? zxid <= e->zxid : zxid <= c->complete_zxid)
                return false;
        if (c->complete_zxid > 0 && zxid > c->complete_zxid)
                c->complete_zxid = zxid;
        if (!data) {
                if (e)
                        remove_entry(c, e);
                return e != NULL;
        }
        if (!e)
                e = add_entry(c, path);
        drop_data(c, e);
        e->size = size;
        e->version = version;
        e->zxid = zxid;
        e->generation = generation;
        if (c->bytes + size <= CONFIG_CACHE_BYTES_MAX) {
                e->data = size > 0 ? mem_dup(data, size) : mem_alloc(1);
                c->bytes += size;
        }
        return true;
}

void config_cache_synced(struct config_cache *c, int64_t zxid, uint64_t generation, config_cache_gone_fn *on_gone,
                         void *ctx)
{
        struct list *next = NULL;
        for (struct list *l = c->all.next; l != &c->all; l = next) {
                struct entry *e = LIST_ENTRY(l, struct entry, link);
                next = l->next;
                if (e->generation == generation || e->zxid > zxid)
                        continue;
                char *path = mem_strdup(e->path);
                remove_entry(c, e);
                on_gone(ctx, path, zxid);
                mem_free(path);
        }
        if (zxid > c->complete_zxid)
                c->complete_zxid = zxid;
}

int config_cache_get(const struct config_cache *c, const char *path, const void **ret, size_t *ret_size,
                     int32_t *ret_version)
{
        const struct entry *e = find(c, path);
        if (!e)
                return -ENOENT;
        if (!e->data)
                return -ENOBUFS;
        *ret = e->data;
        *ret_size = e->size;
        *ret_version = e->version;
        return 0;
}

size_t config_cache_count(const struct config_cache *c)
{
        return c->count;
}
