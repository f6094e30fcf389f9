/* Forecasts: what each path will be once everything proposed has been applied, the digest included. */
#include "election/server/prep_internal.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/base/plant.h"
#include "election/base/pool.h"

#include <assert.h>
#include <string.h>

#define PREP_BUCKETS_MIN 256

/* Ephemerals of one session among the forecasts. */
struct owner {
        struct list nodes;
};

/* ---- digest ---- */

static uint32_t forecast_digest(const struct pending *n)
{
        if (!n->now.exists)
                return 0;
        return tree_node_digest(jute_str_of(n->path, n->path_len), n->now.content_crc, &n->now.stat);
}

/* ---- owners ---- */

bool prep__owner_is_session(int64_t owner)
{
        /* Neither a container's mark nor a TTL's (client-protocol.md 6.1), judged as the tree does: FF alone
         * may also be a session of server 255. */
        return owner && owner != ZNODE_OWNER_CONTAINER && (uint64_t)owner >> 40 != 0xff0000;
}

static void owner_unlink(struct prep *p, struct pending *n)
{
        if (list_empty(&n->owned))
                return;
        /* The last one takes the session's entry with it: then its link's neighbours are the head alone. */
        struct list *rest = n->owned.next;
        list_remove(&n->owned);
        if (!list_empty(rest))
                return;
        struct owner *o = LIST_ENTRY(rest, struct owner, nodes);
        (void)map_remove(&p->owners, (uint64_t)n->now.stat.ephemeral_owner);
        pool_free(o);
}

static void owner_link(struct prep *p, struct pending *n)
{
        int64_t session = n->now.stat.ephemeral_owner;
        if (!n->now.exists || !prep__owner_is_session(session))
                return;
        struct owner *o = map_get(&p->owners, (uint64_t)session);
        if (!o) {
                o = pool_alloc(sizeof *o);
                list_init(&o->nodes);
                map_put(&p->owners, (uint64_t)session, o);
        }
        list_push(&o->nodes, &n->owned);
}

/* ---- the table ---- */

void prep__pending_init(struct prep *p)
{
        p->bucket_count = PREP_BUCKETS_MIN;
        p->buckets = mem_zalloc(p->bucket_count * sizeof(struct pending *));
        list_init(&p->order);
        list_init(&p->undo);
        map_init(&p->owners);
}

static void pending_grow(struct prep *p)
{
        size_t count = p->bucket_count * 2;
        struct pending **buckets = mem_zalloc(count * sizeof(struct pending *));
        for (size_t i = 0; i < p->bucket_count; i++)
                for (struct pending *n = p->buckets[i], *next; n; n = next) {
                        next = n->hash_next;
                        n->hash_next = buckets[n->hash & (count - 1)];
                        buckets[n->hash & (count - 1)] = n;
                }
        mem_free(p->buckets);
        p->buckets = buckets;
        p->bucket_count = count;
}

static void pending_drop(struct prep *p, struct pending *n)
{
        struct pending **at = &p->buckets[n->hash & (p->bucket_count - 1)];
        while (*at != n)
                at = &(*at)->hash_next;
        *at = n->hash_next;
        owner_unlink(p, n);
        list_remove(&n->order);
        blob_unref(n->now.acl);
        p->count--;
        pool_free(n);
}

void prep__pending_done(struct prep *p)
{
        while (!list_empty(&p->order))
                pending_drop(p, LIST_ENTRY(p->order.next, struct pending, order));
        map_done(&p->owners);
        mem_free(p->buckets);
}

static void forecast_from_tree(struct prep *p, struct pending *n)
{
        const struct tree *tree = database_tree(p->db);
        const struct znode *z = tree_find(tree, jute_str_of(n->path, n->path_len));
        if (!z)
                return;
        struct jute_vec acl = tree_acl(tree, z);
        n->now.exists = true;
        znode_stat_persisted(z, &n->now.stat);
        n->now.children = znode_children(z);
        n->now.data_len = znode_data(z).len;
        n->now.content_crc = znode_content_crc(z);
        if (acl.count >= 0)
                prep__set_acl(n, acl.data, acl.size, acl.count);
}

static struct pending *pending_find(const struct prep *p, struct jute_str path, uint32_t hash)
{
        struct pending *n = p->buckets[hash & (p->bucket_count - 1)];
        while (n &&
               (n->hash != hash || n->path_len != (uint32_t)path.len || memcmp(n->path, path.data, n->path_len) != 0))
                n = n->hash_next;
        return n;
}

/* Keeps it until this transaction has been applied. */
static void pending_hold(struct prep_txn *t, struct pending *n)
{
        n->zxid = t->zxid;
        list_remove(&n->order);
        list_push(&t->prep->order, &n->order);
}

struct pending *prep__look(struct prep_txn *t, struct jute_str path)
{
        struct prep *p = t->prep;
        if (jute_str_is(path, "/"))
                path = jute_str_of("", 0);
        uint32_t hash = (uint32_t)hash_bytes(path.data, (size_t)path.len, p->hash_seed);
        struct pending *n = pending_find(p, path, hash);
        if (n) {
                pending_hold(t, n);
                return n;
        }
        if (p->count >= p->bucket_count)
                pending_grow(p);
        n = pool_zalloc(sizeof *n + (size_t)path.len);
        n->hash = hash;
        n->zxid = t->zxid;
        n->path_len = (uint32_t)path.len;
        if (path.len)
                memcpy(n->path, path.data, n->path_len);
        list_init(&n->owned);
        list_init(&n->undo);
        list_push(&p->order, &n->order);
        n->hash_next = p->buckets[hash & (p->bucket_count - 1)];
        p->buckets[hash & (p->bucket_count - 1)] = n;
        p->count++;
        forecast_from_tree(p, n);
        owner_link(p, n);
        return n;
}

bool prep_peek(const struct prep *p, struct jute_str path, struct jute_stat_persisted *ret_stat, int32_t *ret_children)
{
        uint32_t hash = (uint32_t)hash_bytes(path.data, (size_t)path.len, p->hash_seed);
        const struct pending *n = pending_find(p, path, hash);
        if (n) {
                *ret_stat = n->now.stat;
                *ret_children = n->now.children;
                return n->now.exists;
        }
        const struct znode *z = tree_find(database_tree(p->db), path);
        if (!z)
                return false;
        znode_stat_persisted(z, ret_stat);
        *ret_children = znode_children(z);
        return true;
}

void prep_applied(struct prep *p, int64_t zxid)
{
        while (!list_empty(&p->order)) {
                struct pending *n = LIST_ENTRY(p->order.next, struct pending, order);
                if (n->zxid > zxid)
                        return;
                pending_drop(p, n);
        }
        p->digest = tree_digest(database_tree(p->db));
}

size_t prep_pending(const struct prep *p)
{
        return p->count;
}

/* ---- changes, and the way back ---- */

static void forecast_copy(struct forecast *to, const struct forecast *from)
{
        *to = *from;
        if (to->acl)
                (void)blob_ref(to->acl);
}

void prep__change_begin(struct prep_txn *t, struct pending *n)
{
        struct prep *p = t->prep;
        pending_hold(t, n); /* it may have been come by otherwise than by looking: in an owner's list */
        if (p->in_multi && !n->saved) {
                n->saved = true;
                forecast_copy(&n->before, &n->now);
                list_push(&p->undo, &n->undo);
        }
        p->digest -= forecast_digest(n);
        owner_unlink(p, n);
}

void prep__change_end(struct prep_txn *t, struct pending *n)
{
        t->prep->digest += forecast_digest(n);
        owner_link(t->prep, n);
}

void prep__undo_begin(struct prep *p)
{
        assert(!p->in_multi && list_empty(&p->undo));
        p->in_multi = true;
        p->undo_digest = p->digest;
}

void prep__undo_end(struct prep *p, bool keep)
{
        while (!list_empty(&p->undo)) {
                struct pending *n = LIST_ENTRY(p->undo.next, struct pending, undo);
                list_remove(&n->undo);
                n->saved = false;
                if (keep) {
                        blob_unref(n->before.acl);
                        continue;
                }
                owner_unlink(p, n);
                blob_unref(n->now.acl);
                n->now = n->before;
                owner_link(p, n);
        }
        if (!keep)
                p->digest = p->undo_digest;
        p->in_multi = false;
}

struct jute_vec prep__acl(const struct pending *n)
{
        if (!n->now.acl)
                return (struct jute_vec){.count = -1};
        return (struct jute_vec){.data = n->now.acl->data, .size = n->now.acl->len, .count = n->now.acl_count};
}

void prep__set_acl(struct pending *n, const uint8_t *data, size_t size, int32_t count)
{
        blob_unref(n->now.acl);
        n->now.acl = blob_copy(data, size);
        n->now.acl_count = count;
}

/* ---- a session's ephemerals ---- */

struct gather {
        struct prep_txn *t;
        int64_t session;
        struct jute_writer *w;
        size_t max;
        int32_t written;
};

/* A forecast is made for each, so that the owner's list holds them all afterwards. */
static void gather_node(void *ctx, const struct znode *z)
{
        struct gather *g = ctx;
        (void)prep__look(g->t, znode_path(z));
}

static void gather_remove(struct gather *g, struct pending *n)
{
        if (g->w->len + 4 + n->path_len <= g->max) {
                jute_put_str(g->w, jute_str_of(n->path, n->path_len));
                g->written++;
        }
        prep__remove(g->t, n);
}

void prep__remove_ephemerals(struct prep_txn *t, int64_t session, struct jute_writer *w, size_t max)
{
        struct gather g = {.t = t, .session = session, .w = w, .max = max};
        struct owner *o;
        size_t count_at = w->len;
        jute_put_int(w, 0);
        (void)tree_ephemerals(database_tree(t->prep->db), session, gather_node, &g);
        while ((o = map_get(&t->prep->owners, (uint64_t)session))) {
                struct pending *n = LIST_ENTRY(o->nodes.next, struct pending, owned);
                if (PLANTED(M20_EPHEMERAL_LEFT) && n->now.stat.czxid > database_zxid(t->prep->db))
                        owner_unlink(t->prep, n);
                else
                        gather_remove(&g, n);
        }
        jute_patch_int(w, count_at, g.written);
}
