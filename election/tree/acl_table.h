/* ACL lists by key: nodes with equal lists share one row, a row lives while a node refers to it.
 *
 * Keys are this server's own affair: they appear in its snapshots and nowhere else (storage-format.md
 * 4.1). A snapshot may refer to keys that its map lacks (ZOOKEEPER-4846): such a key stays what it is,
 * has no list, and is never given to another list. */
#ifndef BATON_TREE_ACL_TABLE_H
#define BATON_TREE_ACL_TABLE_H

#include "election/jute/jute.h"
#include "election/session/index.h"

#include <stdbool.h>

struct acl_row;

struct acl_table {
        struct index by_key;
        struct index by_content;
        struct acl_row *dead; /* dropped since the last acl_table_bury() */
        int64_t next_key;
        uint64_t hash_seed;
};

void acl_table_init(struct acl_table *a, uint64_t hash_seed);
void acl_table_done(struct acl_table *a);
/* The key of a list, which is added if it is new; takes one reference. Null yields ACL_KEY_OPEN. */
int64_t acl_table_intern(struct acl_table *a, struct jute_vec acl);
/* Does nothing for ACL_KEY_OPEN; sets an unknown key aside for good. */
void acl_table_ref(struct acl_table *a, int64_t key);
/* Drops the row with its last reference; whoever holds it by acl_table_row() may read it until
 * acl_table_bury(). Does nothing for keys without a row. */
void acl_table_unref(struct acl_table *a, int64_t key);
void acl_table_bury(struct acl_table *a);
/* Whether `key` names a list: ACL_KEY_OPEN or a row. */
bool acl_table_has(const struct acl_table *a, int64_t key);
/* The list; null for an unknown key. */
struct jute_vec acl_table_get(const struct acl_table *a, int64_t key);
/* The row itself, for those who look at a list after the transaction that dropped it: NULL for the open list.
 * It lives until the first acl_table_bury() after its last reference went. */
const struct acl_row *acl_table_row(const struct acl_table *a, int64_t key);
struct jute_vec acl_row_list(const struct acl_row *row);
/* Adds a row of a snapshot, not referred to yet. False for a key that is below 1 or there already. */
bool acl_table_load(struct acl_table *a, int64_t key, struct jute_vec acl);
/* Drops rows that no node refers to. */
void acl_table_sweep(struct acl_table *a);
size_t acl_table_count(const struct acl_table *a);
/* Writes the map as a snapshot has it: count, then key and list of each. */
void acl_table_put(const struct acl_table *a, struct jute_writer *w);

#endif
