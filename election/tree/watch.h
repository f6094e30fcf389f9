/* Watches of this server's connections: a data table and a child table, keyed by path
 * (client-protocol.md 7). A watcher is a connection; several registrations of one kind on one path
 * give one event. Cost of a trigger: the watchers concerned. */
#ifndef BATON_TREE_WATCH_H
#define BATON_TREE_WATCH_H

#include "election/base/effect.h"
#include "election/tree/database.h"

enum watch_table {
        WATCH_DATA,
        WATCH_CHILD,
};

struct watches;
struct watches *watches_new(void);
/* Keys the table of paths; while it is empty. */
void watches_seed(struct watches *w, uint64_t hash_seed);
void watches_free(struct watches *w);
/* One-shot. */
void watches_add(struct watches *w, enum watch_table table, struct jute_str path, conn_id conn);
/* Drops all of a connection's. Costs by that connection's registrations. */
void watches_drop(struct watches *w, conn_id conn);
/* Fires what one change of the tree concerns, in delivery order (7.3): for CREATED: data watches of the
 * path, child watches of the parent; DELETED: data watches, child watches of the path (not again to a
 * connection that just got it), child watches of the parent; DATA_CHANGED: data watches. `fn` must not change
 * the watches. */
void watches_fire(struct watches *w, const struct tree_event *e,
                  void (*fn)(void *ctx, conn_id conn, enum watch_event type, struct jute_str path), void *ctx);
/* Registrations in both tables. */
size_t watches_count(const struct watches *w);

#endif
