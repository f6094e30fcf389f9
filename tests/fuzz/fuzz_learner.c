/* A learner and what a leader may say to it: server 1 of three follows 3, which is the fuzzer.
 *
 * The input begins with a byte: how far the two have got by proper means (nothing said, epoch 1 proposed, synchronised
 * with an empty DIFF, serving). Then steps, a byte each with what belongs to it:
 *
 *   say        a piece, as it is              write, sync   a client of the learner
 *   packet     type, zxid (see zxid_of) and   hang up       the leader closes; it is followed again
 *              a piece: as a quorum packet    pass          time, 2 bytes of ms
 *   proposal   a proper one that creates a    serve         from wherever it is to serving, as far as that goes
 *              znode, zxid as above */
#include "tests/fuzz/peers.h"

#include <errno.h>
#include <stdio.h>

enum { SAY, PACKET, PROPOSAL, SERVE, WRITE, SYNC, HANG_UP, PASS, STEP_MAX };

struct play {
        struct one_server *s;
        struct one_conn *leader, *client;
};

static int64_t zxid_of(struct fuzz_input *in)
{
        uint8_t epoch = fuzz_byte(in), counter = fuzz_byte(in);
        if (epoch >= 0xf0)
                return (int64_t)fuzz_u64(in);
        return PEERS_ZXID(epoch % 8, counter);
}

static void say_packet(struct play *p, struct fuzz_input *in)
{
        int32_t type = fuzz_byte(in);
        int64_t zxid = zxid_of(in);
        struct fuzz_bytes b = fuzz_piece(in);
        peers_packet(p->s, p->leader, type, zxid, b.len ? b.data : NULL, b.len);
        mem_free(b.data);
}

static void say_proposal(struct play *p, struct fuzz_input *in, int32_t type)
{
        static const uint8_t acl[] = {0,   0, 0, 31, 0, 0,   0,   5,   'w', 'o', 'r', 'l',
                                      'd', 0, 0, 0,  6, 'a', 'n', 'y', 'o', 'n', 'e'};
        int64_t zxid = zxid_of(in);
        char path[32];
        struct jute_writer w;
        (void)snprintf(path, sizeof path, "/z%llx", (unsigned long long)zxid);
        jute_writer_init(&w, 1024);
        jute_put_txn_header(&w, &(struct jute_txn_header){.session_id = 1, .cxid = 1, .zxid = zxid, .type = OP_CREATE});
        jute_put_create_txn(&w, &(struct jute_create_txn){.path = jute_cstr(path),
                                                          .data = jute_cstr("data"),
                                                          .acl = {acl, sizeof acl, 1},
                                                          .parent_cversion = (int32_t)zxid});
        peers_packet(p->s, p->leader, type, zxid, w.data, w.len);
        jute_writer_done(&w);
}

/* The steps of a leader's beginning, up to so many. */
static void advance(struct play *p, int stage)
{
        static const uint8_t version[4] = {0, 1, 0, 0};
        if (stage >= 1)
                peers_packet(p->s, p->leader, QP_LEADERINFO, PEERS_ZXID(1, 0), version, sizeof version);
        if (stage >= 2)
                peers_packet(p->s, p->leader, QP_DIFF, 0, NULL, 0);
        if (stage >= 2)
                peers_packet(p->s, p->leader, QP_NEWLEADER, PEERS_ZXID(1, 0), NULL, 0);
        if (stage >= 3)
                peers_packet(p->s, p->leader, QP_UPTODATE, -1, NULL, 0);
}

/* Once the connection is gone the server looks again, and finds the same leader. */
static void reconnect(struct play *p)
{
        if (p->leader->open)
                return;
        struct one_conn *c = peers_elect_3(p->s);
        if (c)
                p->leader = c;
}

static void step(struct play *p, struct fuzz_input *in)
{
        uint8_t op = fuzz_byte(in);
        struct fuzz_bytes b = {.len = 0};
        switch (op % 16 % STEP_MAX) {
        case SAY:
                b = fuzz_piece(in);
                one_server_say(p->s, p->leader, b.data, b.len);
                break;
        case PACKET:
                say_packet(p, in);
                break;
        case PROPOSAL:
                say_proposal(p, in, op & 0x80 ? QP_INFORM : QP_PROPOSAL);
                break;
        case SERVE:
                advance(p, 3);
                break;
        case WRITE:
                peers_write(p->s, &p->client, OP_CREATE);
                break;
        case SYNC:
                peers_write(p->s, &p->client, OP_SYNC);
                break;
        case HANG_UP:
                one_server_hang_up(p->s, p->leader, op & 0x80 ? -ECONNRESET : 0);
                reconnect(p);
                break;
        default:
                one_server_pass(p->s, fuzz_u16(in));
                break;
        }
        mem_free(b.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        struct play p = {.s = NULL};
        p.s = peers_learner(&p.leader);
        advance(&p, fuzz_byte(&in) % 4);
        while (fuzz_left(&in)) {
                reconnect(&p);
                step(&p, &in);
        }
        one_server_end(p.s);
        return 0;
}
