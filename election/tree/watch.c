/* Watches of this server's connections.
 *
 * A registration is what one connection watches at one path in one table, of whatever modes. It hangs in two
 * rings: its path's (recursive ones first, the others in order of registration: who is told by an event below
 * the path is found without a look at the rest) and its connection's. A third way to it is by (path,
 * connection), so that registering the same again is found out without a search. Paths are kept while
 * something hangs on them, connections until they are dropped: memory is bounded by registrations, and those by
 * what clients may ask (one or two per request). */
#include "election/tree/watch_internal.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"

#include <assert.h>
#include <string.h>

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

uint64_t watches__table_seed(const struct watches *w, enum watch_table table)
{
        return w->hash_seed + (uint64_t)table;
}

size_t watches__path_bytes(struct jute_str path)
{
        return path.len > 0 ? (size_t)path.len : 0;
}

static uint64_t target_hash(const struct watches *w, enum watch_table table, struct jute_str path)
{
        return hash_bytes(path.data, watches__path_bytes(path), watches__table_seed(w, table));
}

struct target *watches__target_hashed(const struct watches *w, enum watch_table table, struct jute_str path,
                                      uint64_t hash)
{
        for (struct index_link *l = index_first(&w->targets, hash); l; l = index_next(l)) {
                struct target *t = INDEX_ENTRY(l, struct target, link);
                if (t->table == table && t->path_len == path.len &&
                    (path.len <= 0 || memcmp(t->path, path.data, (size_t)path.len) == 0))
                        return t;
        }
        return NULL;
}

struct target *watches__target(const struct watches *w, enum watch_table table, struct jute_str path)
{
        return watches__target_hashed(w, table, path, target_hash(w, table, path));
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

static struct registration *registration_find(const struct watches *w, const struct target *t,
                                              const struct watcher *watcher)
{
        if (!t || !watcher)
                return NULL;
        struct index_link *l = index_first(&w->registrations, registration_hash(t, watcher));
        for (; l; l = index_next(l)) {
                struct registration *r = INDEX_ENTRY(l, struct registration, link);
                if (r->target == t && r->watcher == watcher)
                        return r;
        }
        return NULL;
}

/* ---- adding ---- */

static struct target *target_get(struct watches *w, enum watch_table table, struct jute_str path)
{
        const uint64_t hash = target_hash(w, table, path);
        const size_t len = watches__path_bytes(path);
        struct target *t = watches__target_hashed(w, table, path, hash);
        if (t)
                return t;
        t = mem_zalloc(sizeof *t + len);
        t->table = table;
        t->number = ++w->target_number;
        t->path_len = path.len;
        if (len)
                memcpy(t->path, path.data, len);
        list_init(&t->watchers);
        index_insert(&w->targets, &t->link, hash);
        w->data.paths += table == WATCH_DATA;
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

static size_t registration_weight(const struct registration *r)
{
        return WATCH_COST_BYTES + (r->target->path_len > 0 ? (size_t)r->target->path_len : 0);
}

static void watcher_list(struct watches *w, struct watcher *watcher, bool listed)
{
        w->data.connections += listed;
        w->data.connections -= watcher->listed;
        watcher->listed = listed;
}

static struct registration *registration_add(struct watches *w, struct target *t, struct watcher *watcher)
{
        struct registration *r = mem_zalloc(sizeof *r);
        r->target = t;
        r->watcher = watcher;
        list_push(&t->watchers, &r->of_target);
        list_push(&watcher->targets, &r->of_watcher);
        index_insert(&w->registrations, &r->link, registration_hash(t, watcher));
        watcher->weight += registration_weight(r);
        w->weight += registration_weight(r);
        if (t->table != WATCH_DATA)
                return r;
        w->data.watches++;
        watcher->data_count++;
        if (!watcher->listed)
                watcher_list(w, watcher, true);
        return r;
}

void watches_add(struct watches *w, enum watch_table table, enum watch_mode mode, struct jute_str path, conn_id conn)
{
        assert(conn != 0);
        assert(mode != WATCH_RECURSIVE || table == WATCH_DATA);
        struct target *t = target_get(w, table, path);
        struct watcher *watcher = watcher_get(w, conn);
        struct registration *r = registration_find(w, t, watcher);
        if (!r)
                r = registration_add(w, t, watcher);
        if (mode == WATCH_RECURSIVE && !(r->modes & WATCH_RECURSIVE)) {
                w->recursive++;
                list_remove(&r->of_target);
                list_push(t->watchers.next, &r->of_target); /* before the first */
        }
        r->modes |= (unsigned)mode;
}

/* ---- removing and dropping ---- */

static void watcher_forget(struct watches *w, struct watcher *watcher)
{
        watcher_list(w, watcher, false);
        index_remove(&w->watchers, &watcher->link);
        mem_free(watcher);
}

/* The watcher stays, perhaps with nothing. */
static void registration_drop(struct watches *w, struct registration *r)
{
        struct target *t = r->target;
        struct watcher *watcher = r->watcher;
        watcher->weight -= registration_weight(r);
        w->weight -= registration_weight(r);
        w->recursive -= (r->modes & WATCH_RECURSIVE) != 0;
        index_remove(&w->registrations, &r->link);
        list_remove(&r->of_target);
        list_remove(&r->of_watcher);
        mem_free(r);
        if (t->table == WATCH_DATA) {
                w->data.watches--;
                watcher->data_count--;
        }
        if (list_empty(&t->watchers)) {
                w->data.paths -= t->table == WATCH_DATA;
                index_remove(&w->targets, &t->link);
                mem_free(t);
        }
}

void watches__reduce(struct watches *w, struct registration *r, unsigned modes)
{
        if ((r->modes & ~modes) == 0) {
                registration_drop(w, r);
                return;
        }
        if (r->modes & modes & WATCH_RECURSIVE) {
                w->recursive--;
                list_remove(&r->of_target);
                list_push(&r->target->watchers, &r->of_target);
        }
        r->modes &= ~modes;
}

bool watches_has(const struct watches *w, enum watch_table table, unsigned modes, struct jute_str path, conn_id conn)
{
        const struct registration *r = registration_find(w, watches__target(w, table, path), watcher_find(w, conn));
        return r && (r->modes & modes);
}

bool watches_remove(struct watches *w, enum watch_table table, unsigned modes, struct jute_str path, conn_id conn)
{
        struct watcher *watcher = watcher_find(w, conn);
        struct registration *r = registration_find(w, watches__target(w, table, path), watcher);
        if (!r || !(r->modes & modes))
                return false;
        watches__reduce(w, r, modes);
        if (table == WATCH_DATA && watcher->data_count == 0)
                watcher_list(w, watcher, false);
        if (list_empty(&watcher->targets) && !watcher->listed)
                watcher_forget(w, watcher);
        return true;
}

void watches_drop(struct watches *w, conn_id conn)
{
        struct watcher *watcher = watcher_find(w, conn);
        if (!watcher)
                return;
        while (!list_empty(&watcher->targets))
                registration_drop(w, LIST_ENTRY(watcher->targets.next, struct registration, of_watcher));
        watcher_forget(w, watcher);
}

/* ---- figures ---- */

size_t watches_count(const struct watches *w)
{
        return w->registrations.count;
}

size_t watches_weight_of(const struct watches *w, conn_id conn)
{
        const struct watcher *watcher = watcher_find(w, conn);
        return watcher ? watcher->weight : 0;
}

size_t watches_weight(const struct watches *w)
{
        return w->weight;
}

void watches_summary(const struct watches *w, struct watches_summary *ret)
{
        *ret = w->data;
}

struct each {
        watches_each_fn *fn;
        void *ctx;
        bool ended;
};

static void each_pair(struct each *e, const struct registration *r)
{
        const struct target *t = r->target;
        const struct jute_str path = {.data = (const uint8_t *)t->path, .len = t->path_len};
        if (!e->ended && t->table == WATCH_DATA)
                e->ended = !e->fn(e->ctx, r->watcher->conn, true, path);
}

static void each_of_target(void *ctx, struct index_link *link)
{
        struct each *e = ctx;
        const struct target *t = INDEX_ENTRY(link, const struct target, link);
        for (const struct list *l = t->watchers.next; l != &t->watchers && !e->ended; l = l->next)
                each_pair(e, LIST_ENTRY(l, const struct registration, of_target));
}

static void each_of_watcher(void *ctx, struct index_link *link)
{
        struct each *e = ctx;
        const struct watcher *watcher = INDEX_ENTRY(link, const struct watcher, link);
        const struct jute_str none = {.data = NULL, .len = -1};
        for (const struct list *l = watcher->targets.next; l != &watcher->targets && !e->ended; l = l->next)
                each_pair(e, LIST_ENTRY(l, const struct registration, of_watcher));
        if (!e->ended && watcher->listed && watcher->data_count == 0)
                e->ended = !e->fn(e->ctx, watcher->conn, false, none);
}

void watches_each(const struct watches *w, enum watches_order order, watches_each_fn *fn, void *ctx)
{
        struct each e = {.fn = fn, .ctx = ctx};
        if (order == WATCHES_BY_PATH)
                index_each(&w->targets, each_of_target, &e);
        else
                index_each(&w->watchers, each_of_watcher, &e);
}
