/* Watches of this server's connections: a data table and a child table, keyed by path
 * (client-protocol.md 7). A watcher is a connection; several registrations on one path
 * give one event.
 *
 * For one connection and path a table holds up to three kinds of watches (modes) side by side, as ZooKeeper
 * does from 3.9 on: each is added and removed by itself, and an event uses up the one-shot one alone. Together
 * they count as one watch. Cost of a trigger: the watchers concerned, and the length of the path where any
 * recursive watch is set.
 */
#ifndef BATON_TREE_WATCH_H
#define BATON_TREE_WATCH_H

#include "election/base/effect.h"
#include "election/tree/database.h"

enum watch_table {
        WATCH_DATA,
        WATCH_CHILD,
};

/* Modes of watches; as bits, so that several can be asked for at once. A persistent watch stands in both
 * tables, each half added by itself, a recursive one in the data table only. */
enum watch_mode {
        WATCH_ONE_SHOT = 1,
        WATCH_PERSISTENT = 2,
        WATCH_RECURSIVE = 4, /* persistent, and for all nodes below the path too */
        WATCH_ANY = 7,
};

/* What a watch weighs, its path apart. */
#define WATCH_COST_BYTES 192

struct watches;
struct watches *watches_new(void);
/* Keys the table of paths; while it is empty. */
void watches_seed(struct watches *w, uint64_t hash_seed);
void watches_free(struct watches *w);
/* `path` may be null or empty: such a watch can be found and removed, and never fires. */
void watches_add(struct watches *w, enum watch_table table, enum watch_mode mode, struct jute_str path, conn_id conn);
/* Whether the connection has a watch of one of these modes (bits of enum watch_mode). */
bool watches_has(const struct watches *w, enum watch_table table, unsigned modes, struct jute_str path, conn_id conn);
/* Removes those modes. False: there was none of them. */
bool watches_remove(struct watches *w, enum watch_table table, unsigned modes, struct jute_str path, conn_id conn);
/* Drops all of a connection's. Costs by that connection's registrations. */
void watches_drop(struct watches *w, conn_id conn);

/* Fires what one change of the tree concerns, in delivery order (7.3): for CREATED: data watches of the
 * path, child watches of the parent; DELETED: data watches, child watches of the path (not again to a
 * connection that just got it), child watches of the parent; DATA_CHANGED: data watches. Recursive watches of the
 * nodes above stand among the data watches. A connection is told once of each. `fn` must not change the
 * watches. */
void watches_fire(struct watches *w, const struct tree_event *e,
                  void (*fn)(void *ctx, conn_id conn, enum watch_event type, struct jute_str path), void *ctx);

/* ---- figures ---- */
/* Watches in both tables: `watch_count` of mntr. */
size_t watches_count(const struct watches *w);
/* What all of a connection's watches weigh, and everybody's. */
size_t watches_weight_of(const struct watches *w, conn_id conn);
size_t watches_weight(const struct watches *w);

/* What `wchs` prints. It is about the data table alone, and counts a connection for as long as it is there
 * once it has watched data, unless it removed its last such watch itself (observed on 3.9.5). */
struct watches_summary {
        size_t connections, paths, watches;
};
void watches_summary(const struct watches *w, struct watches_summary *ret);

/* Watchers told by one type of event; a trigger that nobody watched is none. */
struct watches_told {
        uint64_t triggers, watchers, most, fewest; /* most and fewest: of one trigger */
};
/* `type`: EVENT_NODE_*. */
void watches_told(const struct watches *w, enum watch_event type, struct watches_told *ret);
void watches_told_reset(struct watches *w);

/* What `wchc` and `wchp` print: the watches of the data table, those of one connection (or path) together,
 * otherwise in no particular order. By connection, one of those without a watch left (see above) comes once,
 * with `has_path` false. Ends early when `fn` returns false; `fn` must not change the watches. */
enum watches_order {
        WATCHES_BY_CONNECTION,
        WATCHES_BY_PATH,
};
typedef bool watches_each_fn(void *ctx, conn_id conn, bool has_path, struct jute_str path);
void watches_each(const struct watches *w, enum watches_order order, watches_each_fn *fn, void *ctx);

#endif
