/* What clients asked, when, and what they were told; optionally the final trees and the committed log. Written by the
 * simulator's clients (tests/sim/load) or read from text (README.md in this folder says the format and, with it, what
 * each field means); judged by history_check().
 *
 * A history is a row of entries. Order matters within one connection only: what came on it stands in the order of its
 * arrival. An operation is added when its answer has come, or when hope was given up.
 *
 * Text is interned: equal strings have equal numbers, so entries are small and comparing them is cheap. */
#ifndef BATON_TESTS_SIM_HISTORY_H
#define BATON_TESTS_SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum history_kind {
        HISTORY_OPEN,
        HISTORY_RESUME,
        HISTORY_REFUSE,
        HISTORY_LOST,
        HISTORY_OP,
        HISTORY_SUB, /* of the multi before it: HISTORY_OP or HISTORY_TXN */
        HISTORY_EVENT,
        HISTORY_FINAL,
        HISTORY_NODE,    /* of the final tree before it */
        HISTORY_SESSION, /* likewise */
        HISTORY_TXN,
        HISTORY_KIND_MAX,
};

enum history_verb {
        VERB_NONE,
        VERB_CREATE,
        VERB_DELETE,
        VERB_SET,
        VERB_SET_ACL,
        VERB_CHECK,
        VERB_MULTI,
        VERB_GET,
        VERB_EXISTS,
        VERB_CHILDREN,
        VERB_GET_ACL,
        VERB_DESCENDANTS, /* getAllChildrenNumber */
        VERB_EPHEMERALS,  /* those of its own session, below a prefix */
        VERB_WHO,         /* whoAmI */
        VERB_SYNC,
        VERB_PING,
        VERB_SET_WATCHES,
        VERB_ADD_WATCH,
        VERB_REMOVE_WATCHES,
        VERB_CHECK_WATCHES,
        VERB_CLOSE,
        VERB_OPEN,  /* transactions only: createSession */
        VERB_ERROR, /* transactions only */
        VERB_MAX,
};

/* Flags of a create. */
enum {
        CREATE_EPHEMERAL = 1,
        CREATE_SEQUENTIAL = 2,
        CREATE_CONTAINER = 4,
        CREATE_TTL = 8,
};

/* Kinds of watches: the protocol's types of removeWatches. */
enum history_watch {
        HISTORY_WATCH_NONE,
        HISTORY_WATCH_CHILDREN,
        HISTORY_WATCH_DATA,
        HISTORY_WATCH_ANY,
        HISTORY_WATCH_PERSISTENT,
        HISTORY_WATCH_RECURSIVE,
        HISTORY_WATCH_MAX,
};

/* Outcome of an operation that was never answered. */
#define HISTORY_UNKNOWN INT32_MAX

/* A string's number; TEXT_ABSENT is none at all (null data). */
typedef uint32_t text_id;
#define TEXT_ABSENT 0u

/* A list of strings, within the history. */
struct history_list {
        uint32_t first, count;
        bool known;
};

/* Lists of setWatches. */
#define HISTORY_WATCHED_MAX 5

struct history_stat {
        int64_t czxid, mzxid, pzxid, owner;
        int32_t version, cversion, aversion, data_length, children;
};

struct history_entry {
        enum history_kind kind;
        enum history_verb verb;
        uint32_t line; /* of the text, or the entry's number + 1 */
        uint32_t client, conn;
        int32_t server;
        int64_t session;
        uint64_t call_us, return_us; /* return_us is `at` for what is no operation */
        int32_t cxid;
        int32_t err;             /* 0, the protocol's, or HISTORY_UNKNOWN */
        int64_t zxid;            /* 0: none was said; an event's: of the change it tells of */
        text_id path, data, acl; /* as asked; of an answer to getACL, acl */
        text_id who;             /* whom the connection had authenticated as when it asked; absent: not said */
        text_id name;            /* the path that was made */
        text_id got;             /* data that was read; of whoAmI whom the server named */
        int32_t version;         /* -1: any; of transactions, the new one */
        uint8_t flags;           /* of a create */
        bool watch;
        uint8_t mode;   /* enum history_watch: what is added, removed or asked for */
        bool wrong;     /* a refusal that was asked for: the password was not the session's */
        bool has_seen;  /* `seen` was said */
        bool read_only; /* of a connection: served in read-only mode */
        uint8_t event;  /* enum watch_event's number: 1 created, 2 deleted, 3 data changed, 4 children changed */
        bool has_stat;
        struct history_stat stat;
        int32_t timeout_ms;
        int32_t parent_cversion;                          /* transactions; -1: not said */
        int32_t number;                                   /* of nodes below */
        uint32_t subs;                                    /* entries behind a multi that belong to it */
        int64_t seen;                                     /* lastZxidSeen, or relativeZxid of setWatches */
        struct history_list kids;                         /* names; of an answer to getEphemerals, paths */
        struct history_list watched[HISTORY_WATCHED_MAX]; /* setWatches: data, exist, child, persistent, recursive */
};

struct history;

struct history *history_new(void);
void history_free(struct history *h);

/* ---- writing ---- */
/* An entry of this kind with nothing said, to be filled in and added. */
struct history_entry history_blank(enum history_kind kind);
/* Copies it; a multi's HISTORY_SUB entries are to be added right behind it, as many as `subs` says. */
void history_add(struct history *h, const struct history_entry *e);
text_id history_text(struct history *h, const void *bytes, size_t len);
text_id history_cstr(struct history *h, const char *text);
/* Like history_text(), shortened when it is long: equal data stays equal, different data different. */
text_id history_data(struct history *h, const void *bytes, size_t len);
/* A list is written item by item; nothing else may be listed in between. */
struct history_list history_list_begin(struct history *h);
void history_list_add(struct history *h, struct history_list *list, text_id item);

/* ---- reading ---- */
size_t history_count(const struct history *h);
const struct history_entry *history_at(const struct history *h, size_t index);
/* The string, NUL behind it; NULL for TEXT_ABSENT. */
const char *history_string(const struct history *h, text_id text);
size_t history_string_len(const struct history *h, text_id text);
/* One more than the highest number given. */
text_id history_text_end(const struct history *h);
text_id history_list_at(const struct history *h, const struct history_list *list, uint32_t index);

/* ---- as text (history_text.c) ---- */
/* Adds what is in `from`. Returns 0, or -EINVAL with "line N: why" in `ret`. */
int history_read(struct history *h, FILE *from, char *ret, size_t size);
void history_write(const struct history *h, FILE *to);
/* One entry as its line, without the newline; cut at `size`. Returns `ret`. */
const char *history_line(const struct history *h, const struct history_entry *e, char *ret, size_t size);

#endif
