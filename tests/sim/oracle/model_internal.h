/* What model.c (the tree) and model_txn.c (transactions) share. */
#ifndef BATON_TESTS_SIM_ORACLE_MODEL_INTERNAL_H
#define BATON_TESTS_SIM_ORACLE_MODEL_INTERNAL_H

#include "tests/sim/oracle/model.h"

struct model_session {
        int64_t id;
        int32_t timeout_ms;
        bool open;
};

struct model {
        struct model_node **nodes; /* in order of their paths, '/' before everything else */
        size_t count, capacity;
        struct model_session *sessions; /* all that ever were, in order of their ids */
        size_t session_count, session_capacity, open_count;
        int64_t zxid;
        uint64_t digest;
        enum model_sweep swept; /* by the last transaction */
        int64_t swept_czxid;
        char checker[16]; /* "" when the last transaction was well */
        char complaint[MODEL_COMPLAINT_BYTES];
};

/* A string or buffer of a transaction; len -1 is null. */
struct model_bytes {
        const uint8_t *data;
        int32_t len;
};

struct model_node *model__find(const struct model *m, const void *path, size_t len);
/* The node that would hold it, NULL when absent. */
struct model_node *model__parent(const struct model *m, const void *path, size_t len);
/* Adds a node whose path must not be there; its parent's count of children rises, nothing else of it. */
struct model_node *model__insert(struct model *m, struct model_bytes path, struct model_bytes data);
/* Removes a node without children. */
void model__remove(struct model *m, struct model_node *n);
void model__set_data(struct model_node *n, struct model_bytes data);
void model__set_acl(struct model_node *n, const uint8_t *acl, size_t len);
/* Any change of a node ends with this: its digest, and the tree's, are made anew. */
void model__changed(struct model *m, struct model_node *n);
struct model_session *model__session(const struct model *m, int64_t id);
struct model_session *model__session_add(struct model *m, int64_t id);
/* model_quota.c: a change by so much at this path, in the stats of its innermost quota. */
void model__charge(struct model *m, const char *path, size_t len, int64_t count, int64_t bytes);
/* A node has been made: if it is a quota's stats, all that it stands for is counted. */
void model__recount(struct model *m, struct model_node *made);
/* Keeps the first one. */
void model__complain(struct model *m, const char *checker, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#endif
