/* One vote machine on a bench: what is done to its connections, and what its last step asked for. */
#ifndef BATON_TESTS_VOTE_CHANNEL_BENCH_H
#define BATON_TESTS_VOTE_CHANNEL_BENCH_H

#include "election/vote/vote_internal.h"

#define T0 5000

/* Server `sid` of three voters and an observer (4), hosts h1 to h4, election port 388<sid>. */
struct bench {
        struct ensemble ensemble;
        struct vote *vote;
        struct effects fx;
        uint64_t now_ms;
        conn_id accepted;
};

void bench_start(struct bench *b, int64_t sid);
void bench_done(struct bench *b);
void bench_look(struct bench *b);
/* Time has come to `now_ms`. */
void bench_tick(struct bench *b, uint64_t now_ms);
conn_id bench_accept_one(struct bench *b);
/* Whether the bytes were taken for the channel's. */
bool bench_feed(struct bench *b, conn_id conn, const void *data, size_t len);
void bench_dialled(struct bench *b, conn_id conn, int status);
void bench_sent(struct bench *b, conn_id conn);
void bench_closed(struct bench *b, conn_id conn);
void bench_shake_as(struct bench *b, conn_id conn, int64_t sid, const char *host, uint16_t port);
/* A connection from `sid`, its handshake taken. */
conn_id bench_connect_as(struct bench *b, int64_t sid);
void bench_say(struct bench *b, conn_id conn, struct vote_notification n);
/* The n-th effect of a kind on a connection (0: on any) of the last step, or NULL. */
const struct effect *bench_find(const struct bench *b, enum effect_type type, conn_id conn, size_t n);
/* The dial that the last step asked for, 0 for none. */
conn_id bench_dial_to(const struct bench *b, const char *host, uint16_t port);
/* The notification sent on `conn` by the last step, past a handshake. */
bool bench_heard(const struct bench *b, conn_id conn, struct vote_notification *ret);
bool bench_is_closed(const struct bench *b, conn_id conn);
/* Whether it is known to be away. */
bool bench_away(const struct bench *b, int64_t sid);

#endif
