/* What clients of a random run asked for and were told, and whether that can be true: the outside checkers
 * (safety.md 3.6). Every value written is "w<number of the write>", so that whatever is read names its write.
 *
 * Paths: hot nodes that everybody sets; RANDOM_PARENTS parents each for nodes written once ("/u"), sequential
 * ones ("/s") and ephemeral ones ("/e"). */
#ifndef BATON_TESTS_SERVER_RANDOM_CHRONICLE_H
#define BATON_TESTS_SERVER_RANDOM_CHRONICLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANDOM_HOT      4
#define RANDOM_PARENTS  4
#define RANDOM_PATH_MAX 48
#define RANDOM_NONE     SIZE_MAX

enum write_kind {
        WRITE_CREATE,     /* below /u */
        WRITE_SEQUENTIAL, /* below /s; the path is known from the reply */
        WRITE_EPHEMERAL,  /* below /e, or /e and sequential */
        WRITE_SET,        /* of a hot node */
        WRITE_MULTI,      /* of a hot node, with two nodes below /u: both or none */
        WRITE_BROKEN,     /* a multi whose last check can't hold */
        WRITE_DELETE,     /* of `target` */
};

enum write_state {
        WRITE_UNKNOWN, /* no answer (yet): it may have happened or not */
        WRITE_ACKED,
        WRITE_REFUSED,
};

struct write {
        enum write_kind kind;
        enum write_state state;
        int64_t zxid;    /* when acknowledged, or learnt from a read; 0 not known */
        int64_t floor;   /* highest zxid that anybody had been shown as written when this was sent */
        int64_t session; /* that asked */
        int32_t version; /* of a hot node, as acknowledged */
        size_t target;   /* of a delete */
        bool deleted;    /* somebody has tried to delete it */
        char path[RANDOM_PATH_MAX];
};

/* A hot node as somebody has read it. */
struct hot_read {
        int hot;
        int64_t zxid; /* of the reply */
        int64_t mzxid;
};

struct known_session {
        int64_t id;
        bool gone; /* closed, or told to be expired */
};

struct chronicle {
        struct write *writes;
        size_t write_count, write_capacity;
        struct hot_read *reads;
        size_t read_count, read_capacity;
        struct known_session *sessions;
        size_t session_count, session_capacity;
        int64_t shown;                       /* highest zxid of a write that anybody has been shown */
        int32_t version_refused[RANDOM_HOT]; /* highest version that was refused as not being the present one */
        char failure[512];                   /* the first contradiction, "" if none */
};

/* A node of the final tree. */
struct final_node {
        char path[RANDOM_PATH_MAX], data[RANDOM_PATH_MAX];
        int64_t czxid, mzxid, owner;
        int32_t version;
};

void chronicle_init(struct chronicle *c);
void chronicle_done(struct chronicle *c);
/* Keeps the first one. */
void chronicle_fail(struct chronicle *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

size_t chronicle_write(struct chronicle *c, enum write_kind kind, int64_t session, const char *path);
/* `path` of a sequential one, `version` of a hot node's; else NULL and 0. */
void chronicle_acked(struct chronicle *c, size_t write, int64_t zxid, const char *path, int32_t version);
void chronicle_refused(struct chronicle *c, size_t write, int64_t zxid);
void chronicle_read(struct chronicle *c, int hot, int64_t zxid, int64_t mzxid, int32_t version, const char *data);
void chronicle_version_refused(struct chronicle *c, int hot, int32_t version);
/* An id handed out for the first time (safety S1). */
void chronicle_session(struct chronicle *c, int64_t id);
void chronicle_session_gone(struct chronicle *c, int64_t id);

/* Everything against the final tree and the sessions in it. `nodes` are put in order of their paths. */
void chronicle_check(struct chronicle *c, struct final_node *nodes, size_t count,
                     bool (*lives)(void *ctx, int64_t session), void *ctx);

#endif
