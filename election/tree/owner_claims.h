/* What a leader of ZooKeeper's claims wrongly of owners.
 *
 * The digest that goes with a transaction is foretold from the flags of the request, while the transaction is of the
 * request's kind: where a client sends createContainer with flags of another kind of znode, or create with those of a
 * container, the digest is of a znode with another owner than all servers give it (seen on 3.8 and 3.9.5, whose servers
 * only log it). Transactions prepared before that one was applied carry the error on. Such a digest says nothing of
 * the trees: whoever took it for a difference could be sent for snapshots by any client, again and again.
 *
 * Only what is explained to the bit passes: a tree that differs in anything else is found as ever. */
#ifndef BATON_TREE_OWNER_CLAIMS_H
#define BATON_TREE_OWNER_CLAIMS_H

#include "election/tree/database.h"

/* Znodes whose wrong owner is remembered, the newest: a leader prepares no more requests than so many ahead. */
#define OWNER_CLAIMS_MAX 1024
/* Znodes of one transaction that may be claimed wrongly: each makes the tries two or three times as many. */
#define OWNER_CLAIMS_TRIED_MAX 8

struct owner_claim {
        char *path;
        int64_t owner;
        uint64_t more; /* what the last digest had more for it */
};

struct owner_claims {
        struct owner_claim *list; /* the oldest first */
        size_t count, capacity;
        uint64_t apart; /* the last digest explained, less the tree's */
};

/* Takes a zeroed one. Forgets all: the digests agree, or the database ends. */
void owner_claims_clear(struct owner_claims *c);
/* Whether `claimed`, which is not the tree's digest after the transaction of `o`, differs by such owners alone. */
bool owner_claims_explain(struct owner_claims *c, const struct tree *t, const struct outcome *o, uint64_t claimed);

#endif
