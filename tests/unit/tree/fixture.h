/* What the tree's tests share: transactions made by hand, and a database told in canonical bytes. */
#ifndef BATON_TEST_TREE_FIXTURE_H
#define BATON_TEST_TREE_FIXTURE_H

#include "election/base/hash.h"
#include "election/tree/database_internal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ITEM_MAX (2 << 20)

/* ACL lists to choose from; 0 is null, 1 the open one spelled out, 2 empty. */
#define ACL_CHOICES 6
struct jute_vec acl_choice(unsigned which);

/* A transaction body; fields that a type does not have are left alone. */
struct make {
        int32_t type;
        const char *path;
        const char *data; /* NULL: null */
        unsigned acl;     /* acl_choice */
        bool ephemeral;
        int32_t number; /* parentCVersion, version, timeout, error */
        int64_t ttl;
};
void put_body(struct jute_writer *w, const struct make *m);

/* Whole payloads: header, then the caller adds a body. */
void begin_txn(struct jute_writer *w, int64_t session, int64_t zxid, int32_t type);
/* The time that begin_txn() puts into a transaction. */
int64_t time_of(int64_t zxid);
/* Adds a digest. */
void put_digest(struct jute_writer *w, uint64_t digest);
/* Adds a multi's operations. */
void put_multi(struct jute_writer *w, const struct make *ops, size_t count);
/* Adds closeSession's paths. */
void put_paths(struct jute_writer *w, const char *const *paths, size_t count);

/* Applies what is in `w`, which must be well-formed, empties it, and checks the tree. */
void apply(struct database *db, struct jute_writer *w, struct outcome *out);
/* One operation as a transaction of its own; what `out` points at lives until the next. */
void apply_one(struct database *db, int64_t session, int64_t zxid, struct make m, struct outcome *out);

/* Everything a snapshot has, nodes by path and sessions by id, ACLs as lists: equal bytes, equal states. */
void dump(const struct database *db, struct jute_writer *w);
void assert_same(const struct jute_writer *a, const struct jute_writer *b);
void assert_same_state(const struct database *a, const struct database *b);

/* Feeds bytes in random portions (one by one if `p` is NULL) and returns the feeder's last answer. */
int feed_randomly(struct database_loader *l, struct prng *p, const uint8_t *data, size_t len, size_t *ret_consumed);
/* Loads a whole stream that must be well-formed. */
struct database *load(const struct jute_writer *stream, int64_t zxid);
/* Reads a whole snapshot. */
void read_snapshot(struct database *db, struct jute_writer *w);

const struct znode *node(const struct database *db, const char *path);
unsigned below(struct prng *p, unsigned n);

#endif
