/* Sessions: the replicated table, identity and password, the leader's expiry clock, and a learner's
 * table of touches. Sources: zookeeper/client-protocol.md 2.5 and 3, quorum-protocol.md 5.3. */
#ifndef BATON_SESSION_SESSION_H
#define BATON_SESSION_SESSION_H

#include "election/jute/jute.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_PASSWD_SIZE 16

/* java.util.Random(id ^ 0xB3415C00).nextBytes(16), identical on all servers. */
void session_passwd(int64_t id, uint8_t ret[SESSION_PASSWD_SIZE]);
/* False for id 0 and for any password of another length. */
bool session_passwd_ok(int64_t id, struct jute_str passwd);
/* The first id of a server process: high byte the server id, then 40 bits of `clock_ms`, then 16 zero
 * bits; the one value that marks containers is skipped. Later ids are +1 each. `clock_ms` must differ
 * between any two starts of one server (safety: S1): the shell passes wall-clock milliseconds. */
int64_t session_first_id(int64_t sid, uint64_t clock_ms);

/* ---- the replicated table: id -> timeout. Part of the database; changed by transactions only. ---- */
struct session_table;
struct session_table *session_table_new(void);
void session_table_free(struct session_table *t);
/* Adds, or changes the timeout of one already there. */
void session_table_add(struct session_table *t, int64_t id, int32_t timeout_ms);
/* Returns whether it was there. */
bool session_table_remove(struct session_table *t, int64_t id);
/* Returns whether it is there; `ret_timeout_ms` may be NULL. */
bool session_table_find(const struct session_table *t, int64_t id, int32_t *ret_timeout_ms);
size_t session_table_count(const struct session_table *t);
/* Calls `fn` for each, in no particular order; the table must not change meanwhile. */
void session_table_each(const struct session_table *t, void (*fn)(void *ctx, int64_t id, int32_t timeout_ms),
                        void *ctx);

/* ---- the leader's expiry clock ----
 * Deadlines are rounded up to the next multiple of the tick: ((now + timeout) / tick + 1) * tick
 * (client-protocol.md 3.2). Touching costs O(1), expiring costs by sessions expired. */
#define SESSION_NO_OWNER (-1)
struct session_clock;
struct session_clock *session_clock_new(uint32_t tick_ms);
void session_clock_free(struct session_clock *c);
/* Starts tracking a session, or re-times one already there (also to an earlier deadline); owner
 * SESSION_NO_OWNER = adopted on first use, an owner already there stays. A closing one stays closing. */
void session_clock_add(struct session_clock *c, uint64_t now_ms, int64_t id, int32_t timeout_ms, int64_t owner_sid);
void session_clock_remove(struct session_clock *c, int64_t id);
/* False if unknown or closing. A touch that is older than the present deadline never shortens it. */
bool session_clock_touch(struct session_clock *c, uint64_t now_ms, int64_t id, int32_t timeout_ms);
/* The same with the timeout that the session had when it was last added or touched: for who heard from it without
 * being told of one. */
bool session_clock_touch_again(struct session_clock *c, uint64_t now_ms, int64_t id);
/* Marks as closing: no touch and no request is valid from now on. False if unknown. */
bool session_clock_close(struct session_clock *c, int64_t id);
enum session_check {
        SESSION_VALID,
        SESSION_EXPIRED, /* unknown or closing */
        SESSION_MOVED,   /* owned by another server */
};
/* Checks that `sid` may act for the session; adopts an unset owner. */
enum session_check session_clock_check(struct session_clock *c, int64_t id, int64_t sid);
/* False if unknown or closing. */
bool session_clock_set_owner(struct session_clock *c, int64_t id, int64_t sid);
/* Earliest deadline, UINT64_MAX if none. */
uint64_t session_clock_deadline(const struct session_clock *c);
/* Yields one session whose deadline has passed and marks it closing; false when there is none left. */
bool session_clock_expire(struct session_clock *c, uint64_t now_ms, int64_t *ret_id);
/* Shows every session that is not closing, deadline by deadline, the earliest first: `bucket` begins one with the
 * number of its sessions, `session` tells each; either returns false to end. Nothing may be changed meanwhile. */
struct session_clock_visitor {
        bool (*bucket)(void *ctx, uint64_t deadline_ms, size_t sessions);
        bool (*session)(void *ctx, int64_t id);
        void *ctx;
};
void session_clock_show(const struct session_clock *c, const struct session_clock_visitor *v);
/* Deadlines that sessions have. */
size_t session_clock_buckets(const struct session_clock *c);
size_t session_clock_count(const struct session_clock *c);

/* ---- a learner's touches since its last report to the leader ---- */
struct session_touches;
struct session_touches *session_touches_new(void);
void session_touches_free(struct session_touches *t);
void session_touches_add(struct session_touches *t, int64_t id, int32_t timeout_ms);
void session_touches_remove(struct session_touches *t, int64_t id);
/* Writes (long id, int timeout)* and empties the table; at most `max` entries, the rest stay. */
void session_touches_drain(struct session_touches *t, struct jute_writer *w, size_t max);

#endif
