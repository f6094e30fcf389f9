/* The tree's dumb twin: nodes and sessions in plain arrays, searched from end to end. It knows the
 * effects of transactions from storage-format.md 3 and 5.3 and nothing of the tree's own code. */
#ifndef BATON_TEST_TREE_TWIN_H
#define BATON_TEST_TREE_TWIN_H

#include "fixture.h"

#define TWIN_NODES_MAX 2000
#define TWIN_SESSIONS  8
#define TWIN_PATH_MAX  64
#define TWIN_DATA_MAX  32

struct twin_node {
        bool used;
        char path[TWIN_PATH_MAX]; /* root: "" */
        char data[TWIN_DATA_MAX];
        bool null_data;
        unsigned acl; /* acl_choice */
        struct jute_stat_persisted stat;
};

struct twin {
        struct twin_node nodes[TWIN_NODES_MAX];
        int32_t timeouts[TWIN_SESSIONS + 1]; /* of session i; -1: none */
};

void twin_init(struct twin *t);
void twin_apply(struct twin *t, int64_t session, int64_t zxid, const struct make *m);
/* A session closed, with these paths listed. */
void twin_close(struct twin *t, int64_t session, int64_t zxid, const char *const *paths, size_t count);
struct twin_node *twin_find(struct twin *t, const char *path);
/* Compares everything, the digest recomputed from scratch. */
void twin_compare(struct twin *t, const struct database *db);

#endif
