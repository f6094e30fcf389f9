/* What is known of nodes without the log: facts, each at its zxid. */
#ifndef BATON_TESTS_SIM_HISTORY_CHECK_FACTS_H
#define BATON_TESTS_SIM_HISTORY_CHECK_FACTS_H

#include "tests/sim/history/check_internal.h"

enum fact_kind { /* at one zxid in this order: writes, then what was seen */
                 FACT_WRITE,
                 FACT_ENDED, /* its session was closed: it is gone if it was that session's */
                 FACT_SEEN,  /* with its Stat */
                 FACT_THERE, /* in a list of children */
                 FACT_OWNED, /* in a list of the ephemerals of whoever asked */
                 FACT_GONE,
                 FACT_NOT_OWNED, /* not in such a list, though it had made one here */
};

struct fact {
        text_id path;
        int64_t zxid;
        enum fact_kind kind;
        uint32_t entry; /* the operation, sub, or node of a final tree */
        text_id got;    /* data that was seen */
};

/* A write whose outcome is not known, nor shown by any read: it may have happened at any time since, once. */
struct doubt {
        text_id path;
        enum history_verb verb;
        uint32_t entry;
        bool sequential;
};

struct facts {
        struct check *c;
        struct fact *facts;
        size_t count, capacity;
        struct doubt *doubts; /* by path */
        size_t doubt_count, doubt_capacity;
};

void facts__add(struct facts *f, enum fact_kind kind, text_id path, int64_t zxid, uint32_t entry, text_id got);
/* How many doubts could explain that this happened to the path before `entry` did; in all, and of deletions those that
 * a node would heed whose version is one of these. */
size_t facts__doubts(const struct facts *f, text_id path, enum history_verb verb, uint32_t entry);
size_t facts__deletions(const struct facts *f, text_id path, uint32_t entry, int32_t least, int32_t most);
/* Whether one of them may have made a node with one of these flags. */
bool facts__fleeting(const struct facts *f, text_id path, uint32_t entry, uint8_t flags);
/* check_facts_node.c: the facts of one path, in their order. */
void facts__judge(struct facts *f, const uint32_t *order, size_t count);

#endif
