#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vote/channel_bench.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void bench_start(struct bench *b, int64_t sid)
{
        memset(b, 0, sizeof *b);
        for (int64_t i = 1; i <= 4; i++) {
                struct member m = {.sid = i, .observer = i == 4, .quorum_port = 2888};
                m.election_port = (uint16_t)(3880 + i);
                (void)snprintf(m.host, sizeof m.host, "h%d", (int)i);
                assert_int_equal(ensemble_add(&b->ensemble, &m), 0);
        }
        const struct vote_config config = {.sid = sid, .ensemble = &b->ensemble, .seed = 1};
        b->vote = vote_new(&config);
        b->now_ms = T0;
        effects_init(&b->fx);
}

void bench_done(struct bench *b)
{
        vote_free(b->vote);
        effects_done(&b->fx);
}

void bench_look(struct bench *b)
{
        effects_reset(&b->fx);
        vote_look(b->vote, b->now_ms, 0, 0, &b->fx);
        vote__check(b->vote);
}

void bench_tick(struct bench *b, uint64_t now_ms)
{
        effects_reset(&b->fx);
        b->now_ms = now_ms;
        vote_tick(b->vote, now_ms, &b->fx);
        vote__check(b->vote);
}

conn_id bench_accept_one(struct bench *b)
{
        effects_reset(&b->fx);
        b->accepted += 2;
        vote_conn_accepted(b->vote, b->now_ms, b->accepted, &b->fx);
        vote__check(b->vote);
        return b->accepted;
}

bool bench_feed(struct bench *b, conn_id conn, const void *data, size_t len)
{
        uint8_t *exact = mem_dup(data, len); /* reading beyond is noticed */
        effects_reset(&b->fx);
        bool ours = vote_conn_bytes(b->vote, b->now_ms, conn, exact, len, &b->fx);
        mem_free(exact);
        vote__check(b->vote);
        return ours;
}

void bench_dialled(struct bench *b, conn_id conn, int status)
{
        effects_reset(&b->fx);
        assert_true(vote_conn_dialled(b->vote, b->now_ms, conn, status, &b->fx));
        vote__check(b->vote);
}

void bench_sent(struct bench *b, conn_id conn)
{
        effects_reset(&b->fx);
        assert_true(vote_conn_sent(b->vote, b->now_ms, conn, &b->fx));
        vote__check(b->vote);
}

void bench_closed(struct bench *b, conn_id conn)
{
        effects_reset(&b->fx);
        assert_true(vote_conn_closed(b->vote, b->now_ms, conn, -ECONNRESET, &b->fx));
        vote__check(b->vote);
}

void bench_shake_as(struct bench *b, conn_id conn, int64_t sid, const char *host, uint16_t port)
{
        struct blob *h = vote__handshake_encode(sid, host, port);
        assert_true(bench_feed(b, conn, h->data, h->len));
        blob_unref(h);
}

conn_id bench_connect_as(struct bench *b, int64_t sid)
{
        conn_id conn = bench_accept_one(b);
        bench_shake_as(b, conn, sid, "elsewhere", 9999);
        return conn;
}

void bench_say(struct bench *b, conn_id conn, struct vote_notification n)
{
        struct blob *m = vote__notification_encode(&n, "version=0", 9);
        assert_true(bench_feed(b, conn, m->data, m->len));
        blob_unref(m);
}

const struct effect *bench_find(const struct bench *b, enum effect_type type, conn_id conn, size_t n)
{
        for (size_t i = 0; i < b->fx.count; i++) {
                const struct effect *e = &b->fx.list[i];
                if (e->type == type && (conn == 0 || e->conn == conn) && n-- == 0)
                        return e;
        }
        return NULL;
}

conn_id bench_dial_to(const struct bench *b, const char *host, uint16_t port)
{
        for (size_t i = 0; bench_find(b, EFFECT_DIAL, 0, i); i++) {
                const struct effect *e = bench_find(b, EFFECT_DIAL, 0, i);
                if (strcmp(e->peer.host, host) == 0 && e->peer.port == port) {
                        assert_int_equal(e->peer.kind, PORT_ELECTION);
                        return e->conn;
                }
        }
        return 0;
}

bool bench_heard(const struct bench *b, conn_id conn, struct vote_notification *ret)
{
        for (size_t i = 0; bench_find(b, EFFECT_SEND, conn, i); i++) {
                const struct blob *m = bench_find(b, EFFECT_SEND, conn, i)->send.blob;
                if (m->len > 4 && m->data[0] != 0xff) {
                        assert_int_equal(m->data[2] << 8 | m->data[3], (int)m->len - 4);
                        assert_int_equal(vote__notification_decode(m->data + 4, m->len - 4, ret), 0);
                        return true;
                }
        }
        return false;
}

bool bench_is_closed(const struct bench *b, conn_id conn)
{
        return bench_find(b, EFFECT_CLOSE, conn, 0) != NULL;
}

bool bench_away(const struct bench *b, int64_t sid)
{
        return member_set_has(&b->vote->tally.away, &b->ensemble, sid);
}
