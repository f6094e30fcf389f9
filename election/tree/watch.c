/* Watches of this server's connections.
 *
 * A registration hangs in two rings: its path's (in order of registration, which is the order of
 * delivery) and its connection's. A third way to it is by (path, connection), so that registering the
 * same again is found out without a search. Paths and connections are kept while something hangs on
 * them: memory is bounded by registrations, and those by what clients may ask (one per request). */
#include "election/tree/watch.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"
#include "election/base/list.h"
#include "election/session/index.h"

#include <assert.h>
#include <string.h>

/* A path in one of the tables. */
struct target {
        struct index_link link; /* in watches.targets */
        struct list watchers;   /* never empty */
        uint64_t number;        /* of its own, for hashing (path, connection) */
        enum watch_table table;
        uint32_t path_len;
        char path[];
};

/* A connection that watches something. */
struct watcher {
        struct index_link link; /* in watches.watchers */
        struct list targets;    /* never empty */
        conn_id conn;
        uint64_t told; /* number of the last deletion that it was told of */
};

struct registration {
        struct index_link link; /* in watches.registrations */
        struct list of_target, of_watcher;
        struct target *target;
        struct watcher *watcher;
};

struct watches {
        uint64_t hash_seed;
        struct index targets, watchers, registrations;
        uint64_t target_number; /* last given */
        uint64_t deletions;     /* fired so far */
};

struct watches *watches_new(void)
{
        return mem_zalloc(sizeof(struct watches));
}

void watches_seed(struct watches *w, uint64_t hash_seed)
{
        assert(w->targets.count == 0);
        w->hash_seed = hash_seed;
}

static void target_free(void *ctx, struct index_link *l)
{
        (void)ctx;
        mem_free(INDEX_ENTRY(l, struct target, link));
}

static void watcher_free(void *ctx, struct index_link *l)
{
        (void)ctx;
        mem_free(INDEX_ENTRY(l, struct watcher, link));
}

static void registration_free(void *ctx, struct index_link *l)
{
        (void)ctx;
        mem_free(INDEX_ENTRY(l, struct registration, link));
}

void watches_free(struct watches *w)
{
        if (!w)
                return;
        index_each(&w->registrations, registration_free, NULL);
        index_each(&w->targets, target_free, NULL);
        index_each(&w->watchers, watcher_free, NULL);
        index_done(&w->registrations);
        index_done(&w->targets);
        index_done(&w->watchers);
        mem_free(w);
}

/* ---- finding ---- */

static uint64_t target_hash(const struct watches *w, enum watch_table table, struct jute_str path)
{
        return hash_bytes(path.data, (size_t)path.len, w->hash_seed + (uint64_t)table);
}

static struct target *target_find(const struct watches *w, enum watch_table table, struct jute_str path)
{
        struct index_link *l = index_first(&w->targets, target_hash(w, table, path));
        for (; l; l = index_next(l)) {
                struct target *t = INDEX_ENTRY(l, struct target, link);
                if (t->table == table && t->path_len == (uint32_t)path.len &&
                    memcmp(t->path, path.data, t->path_len) == 0)
                        return t;
        }
        return NULL;
}

static struct watcher *watcher_find(const struct watches *w, conn_id conn)
{
        for (struct index_link *l = index_first(&w->watchers, hash_u64(conn)); l; l = index_next(l)) {
                struct watcher *watcher = INDEX_ENTRY(l, struct watcher, link);
                if (watcher->conn == conn)
                        return watcher;
        }
        return NULL;
}

static uint64_t registration_hash(const struct target *t, const struct watcher *watcher)
{
        return hash_u64(hash_u64(t->number) ^ watcher->conn);
}

static bool is_registered(const struct watches *w, const struct target *t, const struct watcher *watcher)
{
        struct index_link *l = index_first(&w->registrations, registration_hash(t, watcher));
        for (; l; l = index_next(l)) {
                const struct registration *r = INDEX_ENTRY(l, struct registration, link);
                if (r->target == t && r->watcher == watcher)
                        return true;
        }
        return false;
}

/* ---- adding and dropping ---- */

static struct target *target_get(struct watches *w, enum watch_table table, struct jute_str path)
{
        struct target *t = target_find(w, table, path);
        if (t)
                return t;
        t = mem_zalloc(sizeof *t + (size_t)path.len);
        t->table = table;
        t->number = ++w->target_number;
        t->path_len = (uint32_t)path.len;
        memcpy(t->path, path.data, t->path_len);
        list_init(&t->watchers);
        index_insert(&w->targets, &t->link, target_hash(w, table, path));
        return t;
}

static struct watcher *watcher_get(struct watches *w, conn_id conn)
{
        struct watcher *watcher = watcher_find(w, conn);
        if (watcher)
                return watcher;
        watcher = mem_zalloc(sizeof *watcher);
        watcher->conn = conn;
        list_init(&watcher->targets);
        index_insert(&w->watchers, &watcher->link, hash_u64(conn));
        return watcher;
}

void watches_add(struct watches *w, enum watch_table table, struct jute_str path, conn_id conn)
{
        assert(conn != 0);
        if (path.len <= 0)
                path = jute_str_of("", 0); /* null or empty: never triggers */
        struct target *t = target_get(w, table, path);
        struct watcher *watcher = watcher_get(w, conn);
        if (is_registered(w, t, watcher))
                return;
        struct registration *r = mem_zalloc(sizeof *r);
        r->target = t;
        r->watcher = watcher;
        list_push(&t->watchers, &r->of_target);
        list_push(&watcher->targets, &r->of_watcher);
        index_insert(&w->registrations, &r->link, registration_hash(t, watcher));
}

static void registration_drop(struct watches *w, struct registration *r)
{
        struct target *t = r->target;
        struct watcher *watcher = r->watcher;
        index_remove(&w->registrations, &r->link);
        list_remove(&r->of_target);
        list_remove(&r->of_watcher);
        mem_free(r);
        if (list_empty(&t->watchers)) {
                index_remove(&w->targets, &t->link);
                mem_free(t);
        }
        if (list_empty(&watcher->targets)) {
                index_remove(&w->watchers, &watcher->link);
                mem_free(watcher);
        }
}

void watches_drop(struct watches *w, conn_id conn)
{
        /* Looked up each time: the watcher goes with its last registration. */
        for (struct watcher *watcher; (watcher = watcher_find(w, conn));)
                registration_drop(w, LIST_ENTRY(watcher->targets.next, struct registration, of_watcher));
}

/* ---- firing ---- */

struct fire {
        struct watches *w;
        enum watch_event type;
        struct jute_str path;
        uint64_t deletion; /* number of the deletion; 0: connections may be told twice */
        void (*fn)(void *ctx, conn_id conn, enum watch_event type, struct jute_str path);
        void *ctx;
};

/* Tells all watchers of f->path in one table, each once, and forgets their registrations. */
static void fire(const struct fire *f, enum watch_table table)
{
        for (struct target *t = target_find(f->w, table, f->path); t;) {
                struct registration *r = LIST_ENTRY(t->watchers.next, struct registration, of_target);
                const bool last = r->of_target.next == &t->watchers;
                const conn_id conn = r->watcher->conn;
                const bool told = f->deletion != 0 && r->watcher->told == f->deletion;
                r->watcher->told = f->deletion;
                registration_drop(f->w, r);
                if (last)
                        t = NULL; /* it went with its last registration */
                if (!told)
                        f->fn(f->ctx, conn, f->type, f->path);
        }
}

static void fire_parent(struct fire f)
{
        f.path = path_parent(f.path);
        if (f.path.len == 0)
                f.path = jute_str_of("/", 1);
        f.type = EVENT_NODE_CHILDREN_CHANGED;
        f.deletion = 0;
        fire(&f, WATCH_CHILD);
}

void watches_fire(struct watches *w, const struct tree_event *e,
                  void (*fn)(void *ctx, conn_id conn, enum watch_event type, struct jute_str path), void *ctx)
{
        struct fire f = {.w = w, .type = e->type, .path = e->path, .fn = fn, .ctx = ctx};
        if (w->registrations.count == 0)
                return;
        if (e->type == EVENT_NODE_DELETED)
                f.deletion = ++w->deletions;
        fire(&f, WATCH_DATA);
        if (e->type == EVENT_NODE_DELETED)
                fire(&f, WATCH_CHILD);
        if (e->type == EVENT_NODE_CREATED || e->type == EVENT_NODE_DELETED)
                fire_parent(f);
}

size_t watches_count(const struct watches *w)
{
        return w->registrations.count;
}
