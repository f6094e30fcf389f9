#include "tests/sim/oracle/oracle_bench.h"

#include "election/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

int bench_set_up(void **state)
{
        struct bench *b = mem_zalloc(sizeof *b);
        for (int sid = 1; sid <= BENCH_OBSERVER; sid++) {
                struct member m;
                char text[96], why[256];
                (void)snprintf(text, sizeof text, "10.0.0.%d:2888:3888:%s;10.0.0.%d:2181", sid,
                               sid <= BENCH_VOTERS ? "participant" : "observer", sid);
                assert_int_equal(ensemble_parse_member(sid, text, &m, why, sizeof why), 0);
                assert_int_equal(ensemble_add(&b->ensemble, &m), 0);
        }
        b->o = oracle__new(&b->ensemble, &b->verdict, &b->coverage, 7);
        *state = b;
        return 0;
}

int bench_tear_down(void **state)
{
        struct bench *b = *state;
        oracle_free(b->o);
        mem_free(b);
        return 0;
}

void bench_caught(const struct bench *b, const char *checker)
{
        if (strcmp(b->verdict.checker, checker) != 0)
                print_error("%s: %s\n", b->verdict.checker, b->verdict.text);
        assert_string_equal(b->verdict.checker, checker);
        assert_true(strlen(b->verdict.text) > 0);
}

void bench_clean(const struct bench *b)
{
        if (verdict_broken(&b->verdict))
                fail_msg("%s: %s", b->verdict.checker, b->verdict.text);
}

struct oracle_server *bench_server(struct bench *b, int sid)
{
        return &b->o->servers[sid];
}

int64_t bench_zxid(int64_t epoch, int64_t counter)
{
        return epoch * (INT64_C(1) << 32) + counter;
}

/* ---- disks ---- */

void bench_append(struct bench *b, int sid, int64_t zxid, int32_t code)
{
        struct oracle_server *s = bench_server(b, sid);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_txn_header(&w, &(struct jute_txn_header){.zxid = zxid, .type = OP_ERROR});
        jute_put_int(&w, code);
        oracle__append(b->o, s, zxid, w.data, w.len, ++b->tickets[sid], s->established ? s->leads : 0);
        jute_writer_done(&w);
}

void bench_sync(struct bench *b, int sid)
{
        oracle__durable(b->o, bench_server(b, sid), b->tickets[sid]);
}

void bench_log(struct bench *b, int sid, int64_t zxid)
{
        bench_append(b, sid, zxid, -1);
        bench_sync(b, sid);
}

void bench_epoch(struct bench *b, int sid, enum oracle_ask_kind kind, int64_t value)
{
        oracle__ask(b->o, bench_server(b, sid), kind, value, ++b->tickets[sid]);
        bench_sync(b, sid);
}

/* ---- words ---- */

void bench_connect(struct bench *b, int follower, int leader)
{
        conn_id from = b->next_conn += 2, to = b->next_conn + 1;
        b->conns[follower] = from;
        oracle__dial(b->o, bench_server(b, follower), from, PORT_QUORUM, leader);
        oracle__accepted(b->o, bench_server(b, leader), to, follower, from, PORT_QUORUM);
}

static void say(struct bench *b, int sid, conn_id conn, int32_t type, int64_t zxid, const void *data, size_t len)
{
        struct blob *p = jute_quorum_packet_blob(type, zxid, data, len);
        oracle__send(b->o, bench_server(b, sid), conn, p->data, p->len);
        blob_unref(p);
}

void bench_from_follower(struct bench *b, int follower, int32_t type, int64_t zxid, const void *data, size_t len)
{
        say(b, follower, b->conns[follower], type, zxid, data, len);
}

void bench_from_leader(struct bench *b, int follower, int32_t type, int64_t zxid)
{
        const struct oracle_link *l = map_get(&bench_server(b, follower)->conns, b->conns[follower]);
        const struct oracle_txn *t = type == QP_PROPOSAL ? oracle__txn(b->o, zxid) : NULL;
        say(b, l->acceptor, l->accepted, type, zxid, t ? t->bytes : NULL, t ? t->len : 0);
}

void bench_ack_epoch(struct bench *b, int follower, int32_t current, int64_t zxid)
{
        uint8_t data[4];
        for (int i = 0; i < 4; i++)
                data[i] = (uint8_t)((uint32_t)current >> (24 - 8 * i));
        bench_from_follower(b, follower, QP_ACKEPOCH, zxid, data, sizeof data);
}

/* ---- a lawful way to an epoch ---- */

void bench_candidate(struct bench *b, int sid, int64_t epoch)
{
        struct oracle_server *s = bench_server(b, sid);
        s->running = s->candidate = true;
        s->established = false;
        s->leads = epoch;
        s->led_zxid = oracle__log_end(s);
        s->led_epoch = s->current;
}

void bench_depose(struct bench *b, int sid)
{
        struct oracle_server *s = bench_server(b, sid);
        s->candidate = s->established = false;
        s->leads = 0;
}

void bench_promise(struct bench *b, int follower, int leader, int64_t epoch)
{
        struct oracle_server *f = bench_server(b, follower), *l = bench_server(b, leader);
        bool observes = follower == BENCH_OBSERVER;
        bench_connect(b, follower, leader);
        bench_from_follower(b, follower, observes ? QP_OBSERVERINFO : QP_FOLLOWERINFO, bench_zxid(f->accepted, 0), "",
                            0);
        if (l->accepted < epoch)
                bench_epoch(b, leader, ASK_ACCEPTED, epoch);
        bench_from_leader(b, follower, QP_LEADERINFO, bench_zxid(epoch, 0));
        int32_t says = f->accepted < epoch ? (int32_t)f->current : -1;
        if (f->accepted < epoch)
                bench_epoch(b, follower, ASK_ACCEPTED, epoch);
        bench_ack_epoch(b, follower, says, oracle__durable_end(f));
}

void bench_join(struct bench *b, int follower, int64_t epoch)
{
        const struct oracle_server *f = bench_server(b, follower);
        bench_from_leader(b, follower, QP_DIFF, oracle__log_end(f));
        bench_from_leader(b, follower, QP_NEWLEADER, bench_zxid(epoch, 0));
        if (f->current < epoch)
                bench_epoch(b, follower, ASK_CURRENT, epoch);
        bench_from_follower(b, follower, QP_ACK, bench_zxid(epoch, 0), NULL, 0);
}

void bench_lead(struct bench *b, int leader, int follower, int64_t epoch)
{
        bench_candidate(b, leader, epoch);
        bench_promise(b, follower, leader, epoch);
        bench_epoch(b, leader, ASK_CURRENT, epoch);
        oracle__leads(b->o, bench_server(b, leader), epoch);
        bench_join(b, follower, epoch);
        oracle__established(b->o, bench_server(b, leader), epoch);
        bench_from_leader(b, follower, QP_UPTODATE, -1);
}

void bench_commit(struct bench *b, int leader, int follower, int64_t zxid)
{
        bench_log(b, leader, zxid);
        bench_from_leader(b, follower, QP_PROPOSAL, zxid);
        bench_log(b, follower, zxid);
        bench_from_follower(b, follower, QP_ACK, zxid, NULL, 0);
        oracle__commit_to(b->o, bench_server(b, leader), bench_server(b, leader)->leads, zxid);
}
