/* The election port: server 3 of three voters and an observer (4), and anybody at the other end of its connections.
 *
 * The first byte chooses: a handshake alone; a notification alone; or the channel, the rest being steps, a byte each
 * with what belongs to it: low half what, high half which connection of the eight youngest.
 *
 *   accept     somebody connects                  vote      a proper notification: state, leader, round (a byte
 *   hello      somebody does and says who it is             each) and zxid (8 bytes)
 *              (a byte)                           sent      what was queued is in the socket
 *   say        a piece, as it is                  closed    the other side closes
 *   dialled    an answer to the oldest dial,      pass      time, 2 bytes of ms
 *              (a byte: 0 yes)                    look      the server looks again
 *
 * vote__check() holds after every step, nothing is asked of a connection that is gone, and what is kept of a
 * connection's input is bounded (vote__channel_check()). */
#include "election/vote/vote_internal.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>

#define CONNS     64
#define YOUNGEST  8
#define TICKS_MAX 10000

enum { ACCEPT, HELLO, SAY, DIALLED, VOTE, SENT, CLOSED, PASS, LOOK, STEP_MAX };

struct conn {
        conn_id conn;
        bool open, dialling, notify;
};

struct play {
        struct ensemble ensemble;
        struct vote *vote;
        struct effects fx;
        uint64_t now_ms;
        conn_id accepted;
        struct conn conns[CONNS];
        size_t count;
};

/* ---- the codecs ---- */

static void check_handshake(struct fuzz_input *in)
{
        struct vote_handshake h, again;
        struct fuzz_bytes b = fuzz_take(in, SIZE_MAX);
        int r = vote__handshake_decode(b.data, b.len, &h);
        assert(r == -EPROTO || (r >= 0 && (size_t)r <= b.len && r <= VOTE_HANDSHAKE_MAX));
        assert(r != 0 || b.len < VOTE_HANDSHAKE_MAX);
        if (r > 0) {
                assert(h.sid >= 0 && h.address_count <= VOTE_ADDRESSES_MAX);
                /* Fewer bytes are never judged otherwise, but as too few. */
                for (size_t len = 0; len < (size_t)r; len++) {
                        int shorter = vote__handshake_decode(b.data, len, &again);
                        assert(shorter == 0);
                }
        }
        for (size_t i = 0; r > 0 && i < h.address_count; i++) {
                struct blob *e = vote__handshake_encode(h.sid, h.addresses[i].host, h.addresses[i].port);
                int n = vote__handshake_decode(e->data, e->len, &again);
                assert(n == (int)e->len && again.sid == h.sid && again.address_count == 1);
                assert(strcmp(again.addresses[0].host, h.addresses[i].host) == 0);
                assert(again.addresses[0].port == h.addresses[i].port);
                blob_unref(e);
        }
        mem_free(b.data);
}

static void check_notification(struct fuzz_input *in)
{
        struct vote_notification n, again;
        struct fuzz_bytes b = fuzz_take(in, SIZE_MAX);
        int r = vote__notification_decode(b.data, b.len, &n);
        assert(r == 0 || r == -EPROTO);
        if (r == 0) {
                struct blob *e = vote__notification_encode(&n, "version=0", 9);
                r = vote__notification_decode(e->data + 4, e->len - 4, &again);
                assert(r == 0);
                assert(n.state == again.state && n.leader == again.leader && n.zxid == again.zxid);
                assert(n.round == again.round && n.epoch == again.epoch);
                blob_unref(e);
        }
        mem_free(b.data);
}

/* ---- the channel ---- */

static struct conn *find(struct play *p, conn_id conn)
{
        for (size_t i = 0; i < p->count; i++)
                if (p->conns[i].conn == conn)
                        return &p->conns[i];
        return NULL;
}

/* The oldest that is over makes room, or the oldest of all. */
static struct conn *add(struct play *p, conn_id conn)
{
        size_t at = 0;
        if (p->count == CONNS) {
                while (at < CONNS && (p->conns[at].open || p->conns[at].dialling))
                        at++;
                assert(at < CONNS);
                memmove(&p->conns[at], &p->conns[at + 1], (CONNS - at - 1) * sizeof *p->conns);
                p->count--;
        }
        p->conns[p->count] = (struct conn){.conn = conn};
        return &p->conns[p->count++];
}

static void settle(struct play *p)
{
        for (size_t i = 0; i < p->fx.count; i++) {
                const struct effect *e = &p->fx.list[i];
                struct conn *c = e->type == EFFECT_DIAL ? NULL : find(p, e->conn);
                switch (e->type) {
                case EFFECT_DIAL:
                        add(p, e->conn)->dialling = true;
                        break;
                case EFFECT_SEND:
                        assert(c && c->open);
                        break;
                case EFFECT_NOTIFY_SENT:
                        assert(c && c->open);
                        c->notify = true;
                        break;
                case EFFECT_CLOSE:
                        assert(c && (c->open || c->dialling));
                        c->open = c->dialling = false;
                        break;
                default:
                        assert(e->type == EFFECT_REPORT || e->type == EFFECT_ROLE);
                        break;
                }
        }
        effects_reset(&p->fx);
        vote__check(p->vote);
}

static struct conn *young(struct play *p, size_t back)
{
        return back < p->count ? &p->conns[p->count - 1 - back] : NULL;
}

static struct conn *accept_one(struct play *p)
{
        size_t open = 0;
        for (size_t i = 0; i < p->count; i++)
                open += p->conns[i].open || p->conns[i].dialling;
        if (open > CONNS / 2)
                return NULL;
        struct conn *c = add(p, p->accepted += 2);
        c->open = true;
        vote_conn_accepted(p->vote, p->now_ms, c->conn, &p->fx);
        settle(p);
        return find(p, p->accepted);
}

static void say(struct play *p, struct conn *c, const uint8_t *data, size_t len)
{
        if (!c || !c->open || !len)
                return;
        uint8_t *exact = mem_dup(data, len);
        bool ours = vote_conn_bytes(p->vote, p->now_ms, c->conn, exact, len, &p->fx);
        assert(ours);
        mem_free(exact);
        settle(p);
}

static void say_blob(struct play *p, struct conn *c, struct blob *b)
{
        say(p, c, b->data, b->len);
        blob_unref(b);
}

static void answer_dial(struct play *p, bool up)
{
        for (size_t i = 0; i < p->count; i++) {
                struct conn *c = &p->conns[i];
                if (!c->dialling)
                        continue;
                c->dialling = false;
                c->open = up;
                bool ours = vote_conn_dialled(p->vote, p->now_ms, c->conn, up ? 0 : -ECONNREFUSED, &p->fx);
                assert(ours);
                settle(p);
                return;
        }
}

static void pass(struct play *p, uint64_t ms)
{
        uint64_t end = p->now_ms + ms;
        for (size_t ticks = 0; vote_deadline(p->vote) <= end; ticks++) {
                assert(ticks < TICKS_MAX);
                if (vote_deadline(p->vote) > p->now_ms)
                        p->now_ms = vote_deadline(p->vote);
                vote_tick(p->vote, p->now_ms, &p->fx);
                settle(p);
                if (ticks % 2)
                        answer_dial(p, false);
        }
        p->now_ms = end;
}

static struct vote_notification any_vote(struct fuzz_input *in)
{
        struct vote_notification n = {.state = (enum vote_state)(fuzz_byte(in) % 4)};
        n.leader = fuzz_byte(in);
        n.round = fuzz_byte(in);
        n.zxid = (int64_t)fuzz_u64(in);
        n.epoch = (int64_t)((uint64_t)n.zxid >> 32);
        return n;
}

static void step(struct play *p, struct fuzz_input *in)
{
        uint8_t op = fuzz_byte(in);
        struct conn *c = young(p, (op >> 4) % YOUNGEST);
        struct fuzz_bytes b = {.len = 0};
        struct vote_notification n;
        switch (op % 16 % STEP_MAX) {
        case ACCEPT:
                (void)accept_one(p);
                break;
        case HELLO:
                say_blob(p, accept_one(p), vote__handshake_encode(fuzz_byte(in), "h", 3888));
                break;
        case SAY:
                b = fuzz_piece(in);
                say(p, c, b.data, b.len);
                break;
        case DIALLED:
                answer_dial(p, fuzz_byte(in) % 2 == 0);
                break;
        case VOTE:
                n = any_vote(in);
                say_blob(p, c, vote__notification_encode(&n, "version=0", 9));
                break;
        case SENT:
                if (c && c->open && c->notify) {
                        c->notify = false;
                        bool ours = vote_conn_sent(p->vote, p->now_ms, c->conn, &p->fx);
                        assert(ours);
                }
                break;
        case CLOSED:
                if (c && c->open) {
                        c->open = false;
                        bool ours = vote_conn_closed(p->vote, p->now_ms, c->conn, -ECONNRESET, &p->fx);
                        assert(ours);
                }
                break;
        case PASS:
                pass(p, fuzz_u16(in));
                break;
        default:
                vote_look(p->vote, p->now_ms, 0, 0, &p->fx);
                break;
        }
        mem_free(b.data);
        settle(p);
}

static void channel(struct fuzz_input *in)
{
        struct play p = {.now_ms = 1000};
        for (int64_t i = 1; i <= 4; i++) {
                struct member m = {.sid = i, .observer = i == 4, .quorum_port = 2888, .election_port = 3888};
                (void)snprintf(m.host, sizeof m.host, "h%d", (int)i);
                int r = ensemble_add(&p.ensemble, &m);
                assert(r == 0);
        }
        const struct vote_config config = {.sid = 3, .ensemble = &p.ensemble, .seed = 1};
        p.vote = vote_new(&config);
        effects_init(&p.fx);
        vote_look(p.vote, p.now_ms, 0, 0, &p.fx);
        settle(&p);
        while (fuzz_left(in))
                step(&p, in);
        vote_free(p.vote);
        effects_done(&p.fx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        int which = fuzz_byte(&in) % 3;
        if (which == 0)
                check_handshake(&in);
        else if (which == 1)
                check_notification(&in);
        else
                channel(&in);
        return 0;
}
