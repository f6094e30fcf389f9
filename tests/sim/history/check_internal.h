/* What the checker's files share: an index of the history, made once, and how a finding is told. */
#ifndef BATON_TESTS_SIM_HISTORY_CHECK_INTERNAL_H
#define BATON_TESTS_SIM_HISTORY_CHECK_INTERNAL_H

#include "election/base/map.h"
#include "tests/sim/history/history_check.h"
#include "tests/sim/history/history_internal.h"

#define ENTRY_NONE UINT32_MAX

/* What a change of a node means to those who watch: the protocol's numbers (enum watch_event). */
enum change {
        CHANGE_NONE,
        CHANGE_CREATED,
        CHANGE_DELETED,
        CHANGE_DATA,
        CHANGE_CHILDREN,
};

/* One state of a node, from a zxid on. Without the log only what is known of it: change, zxid and who said so. */
struct version {
        int64_t zxid;
        uint32_t by; /* entry */
        enum change change;
        bool exists;
        bool container; /* or with a ttl: may go by itself */
        text_id data, acl;
        uint64_t kids_sum; /* of the children's hashes */
        int32_t creations; /* of children; without the log: known changes of children so far, */
        uint32_t child_by; /* and the last of them */
        struct history_stat stat;
        uint32_t next[2]; /* index of the first one from here on that fires a watch on data, on children */
};

/* A path's states, oldest first. */
struct timeline {
        struct version *versions;
        size_t count, capacity;
        text_id path, parent; /* TEXT_ABSENT for the root */
};

struct conn {
        uint32_t number, client;
        int64_t session;
        uint32_t opened, lost; /* entries, ENTRY_NONE */
        bool resumed;
        uint32_t reset; /* its setWatches, ENTRY_NONE */
        bool read_only; /* served by a server without a leader; */
        bool unjudged;  /* and what it shows may never have been committed */
};

struct session {
        int64_t id;
        /* Entries, ENTRY_NONE. closed: by an acknowledged closeSession; refused: where it was told first that it is
         * over. */
        uint32_t opened, closed, refused;
        bool close_asked;
        bool read_only;      /* was begun in read-only mode: one server's alone */
        uint32_t begun;      /* its `open`, as `opened`; known from the beginning */
        int64_t closed_zxid; /* 0: not known */
        int64_t alive_zxid;  /* the newest it was seen alive at */
        int32_t timeout_ms;
        int64_t gone_zxid; /* from the log: of its closeSession, 0 if there is none */
};

struct check {
        struct history *h;
        void (*report)(void *ctx, const struct history_finding *f);
        void *ctx;
        size_t found;
        const struct history_entry *entries;
        uint32_t count;
        bool log_known;
        int64_t log_first, log_last;
        /* Entry by entry. */
        int64_t *zxid;      /* of writes and multis: acknowledged, or revealed by a read; 0 not known */
        int64_t *shown;     /* newest zxid anybody had been shown before the call */
        uint32_t *shown_by; /* entry, ENTRY_NONE */
        uint32_t *conn_of;  /* index, ENTRY_NONE */
        struct conn *conns;
        size_t conn_count, conn_capacity;
        struct map conn_map, session_map; /* index + 1 as pointer */
        struct map requests;              /* check__request_key() to entry + 1, with the log only */
        struct session *sessions;
        size_t session_count, session_capacity;
        struct timeline *timelines;
        size_t timeline_count, timeline_capacity;
        uint32_t *timeline_of; /* by text, index + 1 */
        size_t timeline_texts;
        uint32_t *writer_of; /* by text: the one entry that wrote this data + 1; UINT32_MAX when several did */
        size_t writer_texts;
};

void check__find(struct check *c, const char *checker, uint32_t a, uint32_t b, const char *format, ...)
        __attribute__((format(printf, 5, 6)));

/* ---- history_check.c ---- */
struct session *check__session(struct check *c, int64_t id);
/* NULL when nothing is known of the path. */
struct timeline *check__timeline(const struct check *c, text_id path);
struct timeline *check__timeline_make(struct check *c, text_id path);
struct version *check__push(struct timeline *t);
/* The last state up to this zxid, NULL before the first. */
const struct version *check__at(const struct timeline *t, int64_t zxid);
/* TEXT_ABSENT for the root; adds it to the strings. */
text_id check__parent(struct check *c, text_id path);
/* As getEphemerals compares them: byte by byte, "/" is all. */
bool check__has_prefix(const struct check *c, text_id path, text_id prefix);
uint64_t check__request_key(int64_t session, int32_t cxid);
/* The entry of kind HISTORY_OP that asked for this, ENTRY_NONE. */
uint32_t check__request(const struct check *c, int64_t session, int32_t cxid);
/* Whether this operation changes the tree when it is done. A multi does by its subs. */
bool check__writes(enum history_verb verb);
/* Whether it reads one node. */
static inline bool check__reads(enum history_verb verb)
{
        return verb >= VERB_GET && verb <= VERB_DESCENDANTS;
}
/* Whether it came about on a connection to a server in read-only mode. */
bool check__is_read_only(const struct check *c, uint32_t entry);
/* Likewise, and nothing can be said of the state that was shown. */
bool check__is_unjudged(const struct check *c, uint32_t entry);
/* The operation a sub belongs to, else itself. */
uint32_t check__whole(const struct check *c, uint32_t entry);
/* The path a write changes: of an acknowledged create that which was made. */
text_id check__subject(const struct history_entry *e);
/* Has an answer, done or refused, which the ensemble gave. */
static inline bool check__answered(const struct history_entry *e)
{
        return e->kind == HISTORY_OP && e->err != HISTORY_UNKNOWN;
}
/* Sorts indices of entries by a key. */
void check__sort(uint32_t *entries, size_t count, const void *ctx,
                 int (*compare)(const void *ctx, uint32_t a, uint32_t b));

/* ---- check_answer.c ---- */
bool check__same_stat(const struct version *v, const struct history_stat *s);
/* Every server has its own /zookeeper/config. */
bool check__is_comparable(const struct check *c, text_id path);

/* ---- check_rights.c ---- */
/* Whether getACL shows a list so to `who` (absent: not known): without hashes to whoever may not administer it. */
bool check__acl_is_shown_so(const struct check *c, text_id acl, text_id who, text_id shown);

/* ---- check_many.c: of several nodes at a time, with the log ---- */
struct many;
struct many *many_new(struct check *c);
void many_free(struct many *m);
/* How many nodes are below the path at this zxid. */
int32_t many_below(struct many *m, text_id path, int64_t zxid);
/* An answer to getEphemerals. */
void many_check_ephemerals(struct many *m, uint32_t i);

/* ---- the checks, in their order ---- */
void check__read_only(struct check *c); /* check_read_only.c: R1, R2, R3 */
void check__sessions(struct check *c);  /* check_session.c: S1, S2, S5, S7, S8, S9 */
void check__log(struct check *c);       /* check_log.c: makes the timelines from the log */
void check__answers(struct check *c);   /* check_answer.c: every answer against the timelines */
void check__rights(struct check *c);    /* check_rights.c: A1 */
void check__who(struct check *c);       /* likewise: whoAmI */
void check__facts(struct check *c);     /* check_facts.c: without the log */
void check__refusals(struct check *c);  /* check_refusal.c: S4, S6 */
/* check_quota.c: whether a create at this zxid may have been refused by a quota, see there. */
bool check__quota_may_refuse(struct check *c, uint32_t i);
void check__expiry(struct check *c);  /* check_session.c: S4 */
void check__order(struct check *c);   /* check_order.c: zxids against real time */
void check__watches(struct check *c); /* check_watch.c: W1 to W6 */
void check__finals(struct check *c);  /* check_final.c */

#endif
