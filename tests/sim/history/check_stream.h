/* The changes that a watch which stays has to tell of, one after the other. */
#ifndef BATON_TESTS_SIM_HISTORY_CHECK_STREAM_H
#define BATON_TESTS_SIM_HISTORY_CHECK_STREAM_H

#include "tests/sim/history/check_internal.h"

enum table { TABLE_DATA, TABLE_CHILD };

/* Whether a watch in this table is told of such a change. */
bool check__fires(enum table table, enum change change);
/* Whether `path` is `above` or lies below it. */
bool check__is_within(const struct check *c, text_id above, text_id path);

struct watched_change {
        int64_t zxid;
        uint32_t by; /* entry: an operation of the log; changes of one have no order */
        text_id path;
        enum change change;
};

struct stream {
        text_id path;
        enum table table;
        bool below; /* of all nodes below the path too */
        struct watched_change *changes;
        size_t count, capacity;
};

struct streams {
        struct check *c;
        struct stream **all;
        size_t count, capacity;
};

/* Made when it is asked for first, and shared by all who watch the same. */
const struct stream *streams_get(struct streams *s, text_id path, enum table table, bool below);
void streams_done(struct streams *s);

/* How far a watch has told of its stream. Operations that changed several nodes at once (the end of a session) may be
 * told of in any order. */
struct stream_cursor {
        const struct stream *stream;
        size_t at;      /* the first change that has not been told */
        uint64_t taken; /* of those from there on: told already; the first is not */
};

/* Stands before the first change after `zxid`. */
void cursor_start(struct stream_cursor *k, const struct stream *s, int64_t zxid);
/* The change that is to be told next, NULL at the end. */
const struct watched_change *cursor_next(const struct stream_cursor *k);
/* Tells of this change, `zxid` 0 where that is not said. False: another one is next. */
bool cursor_tell(struct stream_cursor *k, text_id path, enum change change, int64_t zxid);

#endif
