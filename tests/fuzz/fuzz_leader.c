/* A leader and what a learner may say to it: server 3 of three leads; 1 follows as it should; 2 is the fuzzer, on up
 * to four connections to the quorum port.
 *
 * The input begins with a byte: whether server 1 follows before the fuzzer speaks, how many transactions there are by
 * then, and how far the fuzzer's first connection has got by proper means (nothing said, hello, promised, serving).
 * Then steps, a byte each with what belongs to it: low half what, high half which connection.
 *
 *   say       a piece, as it is              write, sync   a client of the leader
 *   packet    type, zxid (see zxid_of) and   hang up       the fuzzer closes
 *             a piece: as a quorum packet    pass          time, 2 bytes of ms
 *   hello     a proper one, epoch a byte     join          as far as serving */
#include "tests/fuzz/peers.h"

#define SLOTS 4
/* Less than a follower may be silent; and a time in which all that times out has done so. */
#define SLICE_MS    100
#define PASS_MS_MAX 5000

enum { SAY, PACKET, HELLO, JOIN, WRITE, SYNC, HANG_UP, PASS, STEP_MAX };

struct play {
        struct one_server *s;
        struct one_conn *honest, *client;
        struct one_conn *slots[SLOTS];
};

static struct one_conn *slot(struct play *p, size_t i)
{
        if (!p->slots[i] || !p->slots[i]->open)
                p->slots[i] = one_server_accept(p->s, PORT_QUORUM);
        return p->slots[i];
}

/* Two bytes: an epoch near the present one and a small counter; or one that is far from all others. */
static int64_t zxid_of(struct fuzz_input *in)
{
        uint8_t epoch = fuzz_byte(in), counter = fuzz_byte(in);
        if (epoch >= 0xf0)
                return (int64_t)fuzz_u64(in);
        return PEERS_ZXID(epoch % 8, counter);
}

static void say_packet(struct play *p, struct one_conn *c, struct fuzz_input *in)
{
        int32_t type = fuzz_byte(in);
        int64_t zxid = zxid_of(in);
        struct fuzz_bytes b = fuzz_piece(in);
        peers_packet(p->s, c, type, zxid, b.len ? b.data : NULL, b.len);
        mem_free(b.data);
}

static void join(struct play *p, struct one_conn *c)
{
        if (!c)
                return;
        peers_hello(p->s, c, QP_FOLLOWERINFO, 2, 0);
        peers_answer(p->s, c);
}

/* The one that follows goes on answering. */
static void pass(struct play *p, uint64_t ms)
{
        for (uint64_t left = ms; left > 0;) {
                uint64_t slice = left < SLICE_MS ? left : SLICE_MS;
                one_server_pass(p->s, slice);
                if (p->honest)
                        peers_answer(p->s, p->honest);
                left -= slice;
        }
}

static void step(struct play *p, struct fuzz_input *in)
{
        uint8_t op = fuzz_byte(in);
        size_t i = (op >> 4) % SLOTS;
        struct fuzz_bytes b = {.len = 0};
        switch (op % 16 % STEP_MAX) {
        case SAY:
                b = fuzz_piece(in);
                one_server_say(p->s, slot(p, i), b.data, b.len);
                break;
        case PACKET:
                say_packet(p, slot(p, i), in);
                break;
        case HELLO:
                if (slot(p, i))
                        peers_hello(p->s, p->slots[i], op & 0x80 ? QP_OBSERVERINFO : QP_FOLLOWERINFO, 2, fuzz_byte(in));
                break;
        case JOIN:
                join(p, slot(p, i));
                break;
        case WRITE:
                peers_write(p->s, &p->client, OP_CREATE);
                break;
        case SYNC:
                peers_write(p->s, &p->client, OP_SYNC);
                break;
        case HANG_UP:
                one_server_hang_up(p->s, p->slots[i], 0);
                break;
        default:
                pass(p, fuzz_u16(in) % PASS_MS_MAX);
                break;
        }
        mem_free(b.data);
        if (p->honest)
                peers_answer(p->s, p->honest);
}

/* What has happened before the fuzzer speaks. */
static void begin(struct play *p, uint8_t how)
{
        size_t stage = how >> 6;
        if (how & 1) {
                p->honest = peers_follow(p->s, 1);
                for (int i = 0; i < (how >> 1) % 8; i++) {
                        peers_write(p->s, &p->client, OP_CREATE);
                        peers_answer(p->s, p->honest);
                }
        }
        if (stage == 0)
                return;
        struct one_conn *c = slot(p, 0);
        if (stage >= 1)
                peers_hello(p->s, c, QP_FOLLOWERINFO, 2, 0);
        if (stage == 2)
                peers_ack_epoch(p->s, c);
        if (stage == 3)
                peers_answer(p->s, c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        struct play p = {.s = peers_leader()};
        begin(&p, fuzz_byte(&in));
        while (fuzz_left(&in))
                step(&p, &in);
        assert(p.s->halted < 0);
        one_server_end(p.s);
        return 0;
}
