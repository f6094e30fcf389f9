/* Events told to the watches that they concern: those of the path in its tables, and the recursive ones above. */
#include "election/tree/watch_internal.h"

#include "election/base/hash.h"
#include "election/base/plant.h"

#include <string.h>

struct fire {
        struct watches *w;
        enum watch_event type;
        struct jute_str path;
        uint64_t number; /* of the trigger: nobody is told twice of one */
        uint64_t reached;
        void (*fn)(void *ctx, conn_id conn, enum watch_event type, struct jute_str path);
        void *ctx;
};

/* False: it knows already. */
static bool tell(const struct fire *f, struct watcher *to)
{
        if (to->told == f->number)
                return false;
        to->told = f->number;
        f->fn(f->ctx, to->conn, f->type, f->path);
        return true;
}

/* Tells all who watch f->path itself, and uses up what is one-shot. */
static void fire_here(struct fire *f, enum watch_table table)
{
        const unsigned used = PLANTED(PERSISTENT_FIRES_ONCE) ? WATCH_ONE_SHOT | WATCH_PERSISTENT : WATCH_ONE_SHOT;
        struct target *t = watches__target(f->w, table, f->path);
        for (struct list *l = t ? t->watchers.next : NULL, *next; l; l = next) {
                struct registration *r = LIST_ENTRY(l, struct registration, of_target);
                next = l->next == &t->watchers ? NULL : l->next;
                (void)tell(f, r->watcher); /* of one deletion it may know from the data table */
                f->reached++;
                watches__reduce(f->w, r, used); /* with the last one the target goes */
        }
}

/* Tells the recursive watches of one node above. */
static void fire_at(struct fire *f, size_t len, uint64_t hash)
{
        const struct jute_str above = {.data = f->path.data, .len = (int32_t)len};
        const struct target *t = watches__target_hashed(f->w, WATCH_DATA, above, hash);
        for (const struct list *l = t ? t->watchers.next : NULL; l && l != &t->watchers; l = l->next) {
                const struct registration *r = LIST_ENTRY(l, const struct registration, of_target);
                if (!(r->modes & WATCH_RECURSIVE))
                        return;
                f->reached += tell(f, r->watcher);
        }
}

/* All nodes above, from the root on. One pass over the path gives the hash of each. */
static void fire_above(struct fire *f)
{
        const size_t len = watches__path_bytes(f->path);
        struct hash_stream h;
        if (f->w->recursive == 0)
                return;
        hash_stream_init(&h, watches__table_seed(f->w, WATCH_DATA));
        for (size_t i = 0; i < len; i++) {
                const size_t end = i ? i : 1; /* the root keeps its slash */
                if (f->path.data[i] != '/' || end == len)
                        continue;
                hash_stream_add(&h, f->path.data + h.len, end - h.len);
                fire_at(f, end, hash_stream_value(&h));
        }
}

static void note_told(struct watches_told *told, uint64_t watchers)
{
        if (watchers == 0)
                return;
        if (told->triggers++ == 0 || watchers < told->fewest)
                told->fewest = watchers;
        if (watchers > told->most)
                told->most = watchers;
        told->watchers += watchers;
}

static void fire(struct fire *f, enum watch_table table)
{
        f->reached = 0;
        fire_here(f, table);
        if (table == WATCH_DATA || PLANTED(RECURSIVE_TOLD_OF_CHILDREN))
                fire_above(f);
        note_told(&f->w->told[f->type], f->reached);
}

static void fire_parent(struct fire f)
{
        f.path = path_parent(f.path);
        if (f.path.len == 0)
                f.path = jute_str_of("/", 1);
        f.type = EVENT_NODE_CHILDREN_CHANGED;
        f.number = ++f.w->triggers;
        fire(&f, WATCH_CHILD);
}

void watches_fire(struct watches *w, const struct tree_event *e,
                  void (*fn)(void *ctx, conn_id conn, enum watch_event type, struct jute_str path), void *ctx)
{
        if (w->registrations.count == 0)
                return;
        struct fire f = {.w = w, .type = e->type, .path = e->path, .number = ++w->triggers, .fn = fn, .ctx = ctx};
        fire(&f, WATCH_DATA);
        if (e->type == EVENT_NODE_DELETED)
                fire(&f, WATCH_CHILD);
        if (e->type == EVENT_NODE_CREATED || e->type == EVENT_NODE_DELETED)
                fire_parent(f);
}

void watches_told(const struct watches *w, enum watch_event type, struct watches_told *ret)
{
        *ret = w->told[type];
}

void watches_told_reset(struct watches *w)
{
        memset(w->told, 0, sizeof w->told);
}
