#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vote/mesh.h"

#include "election/base/alloc.h"
#include "election/vote/vote_internal.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESH_PORT 3888
/* Steps without the clock moving: more is a loop that feeds itself. */
#define STEPS_AT_ONCE_MAX 20000
/* A leader that does not lead is given up at the next check. */
#define ZAB_CHECK_MS 250
/* What a follower needs to find out that its leader's quorum port refuses. */
#define ZAB_REFUSED_MS 400
#define STORY_LINES    150
#define STORY_WIDTH    120

enum happening {
        DIALLED,  /* the dial's fate, at the dialler */
        ACCEPTED, /* at the other end */
        DELIVER,  /* a portion of what is queued for this end, or the end of it */
        SENT,
        ZAB_CHECK,
        ZAB_LOST,
};

struct occurrence {
        uint64_t at_ms, order; /* order is random: ties fall any way */
        enum happening what;
        size_t node;
        uint64_t life; /* of the node: older ones don't matter any more */
        size_t pipe, end;
};

/* One end of a connection, and the bytes on their way to it. */
struct end {
        size_t node;
        uint64_t life;
        conn_id conn; /* 0: not accepted yet */
        bool open;
        uint8_t *bytes;
        size_t len, capacity;
        bool eof; /* nothing follows the bytes */
        int reason;
        bool due; /* a DELIVER is under way */
};

struct pipe {
        struct end ends[2]; /* dialler, acceptor */
        bool established;
};

struct proposal {
        int64_t round;
        struct vote_ballot ballot;
};

struct node {
        struct vote *vote;
        struct effects fx;
        bool alive, stopped;
        uint64_t life;
        conn_id accepted;
        int64_t epoch, zxid;
        unsigned looks;
        int64_t round_seen; /* E2 */
        bool decided;
        uint64_t decided_at_ms;
        struct occurrence *held; /* while stopped */
        size_t held_count, held_capacity;
        struct proposal *proposals; /* all it ever had, E1 */
        size_t proposal_count, proposal_capacity;
        bool led; /* was ever settled as leader */
        bool established;
        uint64_t reign; /* of the leader it is or has joined; 0: none yet */
};

struct mesh {
        struct ensemble ensemble;
        struct mesh_options options;
        struct prng prng;
        uint64_t now_ms;
        struct node nodes[MESH_NODES_MAX];
        struct pipe *pipes;
        size_t pipe_count, pipe_capacity;
        struct occurrence *queue;
        size_t queue_count, queue_capacity;
        bool cut[MESH_NODES_MAX][MESH_NODES_MAX];
        uint64_t bytes, dials, reigns;
        unsigned steps_at_once;
        char story[STORY_LINES][STORY_WIDTH];
        size_t story_count;
};

static void run_step(struct mesh *m, size_t node);

/* ---- telling the story ---- */

/* Formatted beforehand: a signal handler may only write it. */
static char seed_text[64];
static size_t seed_text_len;

static void seed_note(uint64_t seed)
{
        int n = snprintf(seed_text, sizeof seed_text, "aborted in seed %llu\n", (unsigned long long)seed);
        seed_text_len = (size_t)n;
}

static void on_abort(int signal_number)
{
        (void)!write(STDERR_FILENO, seed_text, seed_text_len);
        (void)signal(signal_number, SIG_DFL);
}

static void tell(struct mesh *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct mesh *m, const char *format, ...)
{
        char *line = m->story[m->story_count++ % STORY_LINES];
        int n = snprintf(line, STORY_WIDTH, "%6llu  ", (unsigned long long)m->now_ms);
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(line + n, (size_t)(STORY_WIDTH - n), format, ap);
        va_end(ap);
}

void mesh_fail(const struct mesh *m, const char *format, ...)
{
        char why[256];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(why, sizeof why, format, ap);
        va_end(ap);
        size_t first = m->story_count > STORY_LINES ? m->story_count - STORY_LINES : 0;
        for (size_t i = first; i < m->story_count; i++)
                print_error("%s\n", m->story[i % STORY_LINES]);
        print_error("seed %llu, at %llu ms: %s\n", (unsigned long long)m->options.seed, (unsigned long long)m->now_ms,
                    why);
        fail();
        abort();
}

/* ---- small things ---- */

uint64_t mesh_random(struct mesh *m, uint64_t below)
{
        return prng_next(&m->prng) % below;
}

uint64_t mesh_now(const struct mesh *m)
{
        return m->now_ms;
}

static size_t index_of(const struct mesh *m, int64_t sid)
{
        assert(sid >= 1 && (size_t)sid <= m->options.voters + m->options.observers);
        return (size_t)sid - 1;
}

static size_t node_count(const struct mesh *m)
{
        return m->options.voters + m->options.observers;
}

static const struct node *node_of(const struct mesh *m, int64_t sid)
{
        return &m->nodes[index_of(m, sid)];
}

static void push(struct mesh *m, uint64_t delay_ms, struct occurrence o)
{
        o.at_ms = m->now_ms + delay_ms;
        o.order = prng_next(&m->prng);
        o.life = m->nodes[o.node].life;
        m->queue = mem_grow(m->queue, &m->queue_capacity, m->queue_count + 1, sizeof *m->queue);
        m->queue[m->queue_count++] = o;
}

static uint64_t latency(struct mesh *m)
{
        return m->options.latency_max_ms ? mesh_random(m, m->options.latency_max_ms + 1) : 0;
}

/* ---- pipes ---- */

static void deliver_soon(struct mesh *m, size_t pipe, size_t end)
{
        struct end *e = &m->pipes[pipe].ends[end];
        if (e->due || !e->open)
                return;
        e->due = true;
        push(m, latency(m), (struct occurrence){.what = DELIVER, .node = e->node, .pipe = pipe, .end = end});
}

static void queue_bytes(struct mesh *m, size_t pipe, size_t to, const struct blob *b)
{
        struct end *e = &m->pipes[pipe].ends[to];
        if (!e->open || e->eof)
                return;
        e->bytes = mem_grow(e->bytes, &e->capacity, e->len + b->len, 1);
        memcpy(e->bytes + e->len, b->data, b->len);
        e->len += b->len;
        deliver_soon(m, pipe, to);
}

/* Ends what flows towards `to`; without `flush` a random part of what is under way is lost. */
static void end_flow(struct mesh *m, size_t pipe, size_t to, bool flush, int reason)
{
        struct end *e = &m->pipes[pipe].ends[to];
        if (!e->open || e->eof)
                return;
        if (!flush && e->len > 0)
                e->len = (size_t)mesh_random(m, e->len + 1);
        e->eof = true;
        e->reason = reason;
        deliver_soon(m, pipe, to);
}

static void close_end(struct end *e)
{
        e->open = false;
        mem_free(e->bytes);
        e->bytes = NULL;
        e->len = e->capacity = 0;
}

/* Which end of an open pipe `conn` is at `node`. */
static bool find_end(const struct mesh *m, size_t node, conn_id conn, size_t *ret_pipe, size_t *ret_end)
{
        for (size_t i = m->pipe_count; i-- > 0;) {
                for (size_t k = 0; k < 2; k++) {
                        const struct end *e = &m->pipes[i].ends[k];
                        if (e->open && e->node == node && e->conn == conn && e->life == m->nodes[node].life) {
                                *ret_pipe = i;
                                *ret_end = k;
                                return true;
                        }
                }
        }
        return false;
}

static void carry_dial(struct mesh *m, size_t node, const struct effect *e)
{
        size_t target = (size_t)strtoul(e->peer.host + 1, NULL, 10) - 1;
        if (e->peer.host[0] != 'n' || target >= node_count(m) || e->peer.port != MESH_PORT)
                mesh_fail(m, "server %zu dials nobody's address %s:%u", node + 1, e->peer.host, e->peer.port);
        m->dials++;
        tell(m, "%zu dials %zu", node + 1, target + 1);
        m->pipes = mem_grow(m->pipes, &m->pipe_capacity, m->pipe_count + 1, sizeof *m->pipes);
        struct pipe *p = &m->pipes[m->pipe_count];
        memset(p, 0, sizeof *p);
        p->ends[0] = (struct end){.node = node, .life = m->nodes[node].life, .conn = e->conn, .open = true};
        p->ends[1] = (struct end){.node = target};
        push(m, latency(m), (struct occurrence){.what = DIALLED, .node = node, .pipe = m->pipe_count});
        m->pipe_count++;
}

static void tell_message(struct mesh *m, size_t from, size_t to, const struct blob *b)
{
        struct vote_notification n;
        if (b->len > sizeof(int32_t) && vote__notification_decode(b->data + 4, b->len - 4, &n) == 0)
                tell(m, "%zu to %zu: state %d leader %lld zxid %llx round %lld epoch %lld", from + 1, to + 1,
                     (int)n.state, (long long)n.leader, (unsigned long long)n.zxid, (long long)n.round,
                     (long long)n.epoch);
}

static void carry_out(struct mesh *m, size_t node, const struct effect *e)
{
        size_t pipe, end;
        switch (e->type) {
        case EFFECT_DIAL:
                carry_dial(m, node, e);
                return;
        case EFFECT_SEND:
                if (!find_end(m, node, e->conn, &pipe, &end))
                        mesh_fail(m, "server %zu sends on a connection it has not got", node + 1);
                queue_bytes(m, pipe, 1 - end, e->send.blob);
                tell_message(m, node, m->pipes[pipe].ends[1 - end].node, e->send.blob);
                return;
        case EFFECT_NOTIFY_SENT:
                if (!find_end(m, node, e->conn, &pipe, &end))
                        mesh_fail(m, "server %zu waits for a connection it has not got", node + 1);
                push(m, 0, (struct occurrence){.what = SENT, .node = node, .pipe = pipe, .end = end});
                return;
        case EFFECT_CLOSE:
                if (!find_end(m, node, e->conn, &pipe, &end))
                        mesh_fail(m, "server %zu closes a connection it has not got", node + 1);
                close_end(&m->pipes[pipe].ends[end]);
                end_flow(m, pipe, 1 - end, e->close.flush, 0);
                return;
        case EFFECT_REPORT:
                tell(m, "%zu: %s", node + 1, e->report.text);
                return;
        default:
                mesh_fail(m, "server %zu asks for effect %d", node + 1, (int)e->type);
        }
}

/* ---- the double of Zab ---- */

static void look(struct mesh *m, size_t node)
{
        struct node *n = &m->nodes[node];
        n->decided = false;
        n->reign = 0;
        n->established = false;
        n->looks++;
        tell(m, "%zu looks (epoch %lld, zxid %llx)", node + 1, (long long)n->epoch, (unsigned long long)n->zxid);
        vote_look(n->vote, m->now_ms, n->zxid, n->epoch, &n->fx);
}

static bool leads(const struct mesh *m, int64_t sid)
{
        const struct node *n = node_of(m, sid);
        return n->alive && !n->stopped && n->decided && n->vote->tally.current.state == VOTE_LEADING;
}

/* Those who follow the leader in its present reign: a follower of an earlier one has lost its connection. */
static struct member_set behind(const struct mesh *m, int64_t leader)
{
        struct member_set s = {0};
        uint64_t reign = node_of(m, leader)->reign;
        for (size_t i = 0; i < node_count(m); i++) {
                const struct node *n = &m->nodes[i];
                if (n->alive && !n->stopped && n->decided && n->vote->tally.current.ballot.leader == leader &&
                    (n->reign == 0 || n->reign == reign))
                        member_set_add(&s, &m->ensemble, (int64_t)i + 1);
        }
        return s;
}

/* A leader with a quorum: a new epoch for all behind it. */
static void establish(struct mesh *m, int64_t leader)
{
        struct member_set s = behind(m, leader);
        struct node *l = &m->nodes[index_of(m, leader)];
        if (!leads(m, leader) || !ensemble_is_quorum(&m->ensemble, &s))
                return;
        if (!l->established) {
                for (size_t i = 0; i < node_count(m); i++)
                        l->epoch = m->nodes[i].epoch > l->epoch ? m->nodes[i].epoch : l->epoch;
                l->epoch++;
                l->zxid = l->epoch << 32;
                l->established = true;
        }
        for (size_t i = 0; i < node_count(m); i++) {
                struct node *n = &m->nodes[i];
                if (!member_set_has(&s, &m->ensemble, (int64_t)i + 1))
                        continue;
                n->epoch = l->epoch;
                n->zxid = l->zxid;
                n->reign = l->reign;
                vote_set_epoch(n->vote, l->epoch);
        }
}

static void zab_check(struct mesh *m, size_t node)
{
        struct node *n = &m->nodes[node];
        if (!n->decided)
                return;
        int64_t leader = n->vote->tally.current.ballot.leader;
        establish(m, leader); /* whoever could not be reached then, or came later */
        struct member_set s = behind(m, leader);
        uint64_t patience = node_of(m, leader)->alive ? MESH_INIT_LIMIT_MS : ZAB_REFUSED_MS;
        bool cut = m->cut[node][index_of(m, leader)];
        if (m->now_ms - n->decided_at_ms >= patience &&
            (cut || !leads(m, leader) || !ensemble_is_quorum(&m->ensemble, &s) ||
             !member_set_has(&s, &m->ensemble, (int64_t)node + 1)))
                look(m, node);
        else
                push(m, ZAB_CHECK_MS, (struct occurrence){.what = ZAB_CHECK, .node = node});
}

/* ---- what must hold ---- */

static bool had_proposal(const struct node *n, int64_t round, const struct vote_ballot *b)
{
        for (size_t i = n->proposal_count; i-- > 0;) {
                const struct proposal *p = &n->proposals[i];
                if (p->round == round && p->ballot.leader == b->leader && p->ballot.zxid == b->zxid &&
                    p->ballot.epoch == b->epoch)
                        return true;
        }
        return false;
}

static void remember_proposal(struct node *n)
{
        const struct vote_tally *t = &n->vote->tally;
        bool voted = t->looking || (t->current.round == t->round && t->current.ballot.leader == t->proposal.leader);
        if (!voted || had_proposal(n, t->round, &t->proposal))
                return;
        n->proposals = mem_grow(n->proposals, &n->proposal_capacity, n->proposal_count + 1, sizeof *n->proposals);
        n->proposals[n->proposal_count++] = (struct proposal){t->round, t->proposal};
}

/* E1: a quorum has voted so in that round; or E3: an established leader is joined. */
static void check_decision(const struct mesh *m, size_t node)
{
        const struct vote_said *c = &m->nodes[node].vote->tally.current;
        struct member_set s = {0};
        for (size_t i = 0; i < m->options.voters; i++) {
                if (had_proposal(&m->nodes[i], c->round, &c->ballot))
                        member_set_add(&s, &m->ensemble, (int64_t)i + 1);
        }
        if (ensemble_is_quorum(&m->ensemble, &s) || node_of(m, c->ballot.leader)->led)
                return;
        mesh_fail(m, "E1: server %zu decided for %lld in round %lld, which no quorum voted for", node + 1,
                  (long long)c->ballot.leader, (long long)c->round);
}

static void check_node(struct mesh *m, size_t node)
{
        struct node *n = &m->nodes[node];
        vote__check(n->vote);
        if (n->vote->tally.round < n->round_seen)
                mesh_fail(m, "E2: the round of server %zu went back", node + 1);
        n->round_seen = n->vote->tally.round;
        remember_proposal(n);
        int64_t leader;
        enum vote_state state;
        bool decided = vote_decided(n->vote, &leader, &state) == 1;
        if (!decided || n->decided)
                return;
        n->decided = true;
        n->decided_at_ms = m->now_ms;
        if (!ensemble_is_voter(&m->ensemble, leader))
                mesh_fail(m, "E4: server %zu decided for %lld, who is no voter", node + 1, (long long)leader);
        if ((state == VOTE_LEADING) != (leader == (int64_t)node + 1) ||
            (state == VOTE_OBSERVING) != (node >= m->options.voters))
                mesh_fail(m, "server %zu is in state %d under leader %lld", node + 1, (int)state, (long long)leader);
        check_decision(m, node);
        if (state == VOTE_LEADING) {
                n->led = true;
                n->reign = ++m->reigns;
        }
        establish(m, leader);
        push(m, ZAB_CHECK_MS, (struct occurrence){.what = ZAB_CHECK, .node = node});
}

/* After anything was done to a machine: its effects, its rules. */
static void run_step(struct mesh *m, size_t node)
{
        struct node *n = &m->nodes[node];
        if (++m->steps_at_once > STEPS_AT_ONCE_MAX)
                mesh_fail(m, "%u steps without the clock moving", m->steps_at_once);
        for (size_t i = 0; i < n->fx.count; i++)
                carry_out(m, node, &n->fx.list[i]);
        effects_reset(&n->fx);
        check_node(m, node);
}

/* ---- occurrences ---- */

static void at_dialled(struct mesh *m, const struct occurrence *o)
{
        struct pipe *p = &m->pipes[o->pipe];
        struct node *n = &m->nodes[o->node];
        size_t target = p->ends[1].node;
        if (!p->ends[0].open)
                return;
        if (m->cut[o->node][target]) { /* swallowed: asked again when the link is mended, or given up */
                push(m, 50, (struct occurrence){.what = DIALLED, .node = o->node, .pipe = o->pipe});
                return;
        }
        int status = m->nodes[target].alive ? 0 : -ECONNREFUSED;
        tell(m, "%zu's dial of %zu: %s", o->node + 1, target + 1, status ? "refused" : "connected");
        if (status == 0) {
                p->established = true;
                p->ends[1].open = true;
                p->ends[1].life = m->nodes[target].life;
                push(m, latency(m), (struct occurrence){.what = ACCEPTED, .node = target, .pipe = o->pipe, .end = 1});
        }
        conn_id conn = p->ends[0].conn;
        if (status)
                close_end(&p->ends[0]);
        if (!vote_conn_dialled(n->vote, m->now_ms, conn, status, &n->fx))
                mesh_fail(m, "server %zu does not know its own dial", o->node + 1);
        run_step(m, o->node);
}

static void at_accepted(struct mesh *m, const struct occurrence *o)
{
        struct end *e = &m->pipes[o->pipe].ends[1];
        struct node *n = &m->nodes[o->node];
        if (!e->open)
                return;
        n->accepted += 2;
        e->conn = n->accepted;
        vote_conn_accepted(n->vote, m->now_ms, e->conn, &n->fx);
        run_step(m, o->node);
        deliver_soon(m, o->pipe, 1);
}

static void at_deliver(struct mesh *m, const struct occurrence *o)
{
        struct end *e = &m->pipes[o->pipe].ends[o->end];
        struct node *n = &m->nodes[o->node];
        e->due = false;
        if (!e->open || !e->conn)
                return;
        if (m->cut[o->node][m->pipes[o->pipe].ends[1 - o->end].node]) {
                e->due = true;
                push(m, 50, (struct occurrence){.what = DELIVER, .node = o->node, .pipe = o->pipe, .end = o->end});
                return;
        }
        if (e->len > 0) {
                size_t portion = mesh_random(m, 2) ? e->len : 1 + (size_t)mesh_random(m, e->len);
                uint8_t *copy = mem_dup(e->bytes, portion); /* of its exact size: reading beyond is noticed */
                memmove(e->bytes, e->bytes + portion, e->len - portion);
                e->len -= portion;
                m->bytes += portion;
                if (!vote_conn_bytes(n->vote, m->now_ms, e->conn, copy, portion, &n->fx))
                        mesh_fail(m, "server %zu does not know its connection", o->node + 1);
                mem_free(copy);
                run_step(m, o->node);
                deliver_soon(m, o->pipe, o->end);
                return;
        }
        if (!e->eof)
                return;
        conn_id conn = e->conn;
        int reason = e->reason;
        size_t other = m->pipes[o->pipe].ends[1 - o->end].node;
        close_end(e);
        end_flow(m, o->pipe, 1 - o->end, true, 0);
        tell(m, "%zu's connection with %zu ends", o->node + 1, other + 1);
        if (!vote_conn_closed(n->vote, m->now_ms, conn, reason, &n->fx))
                mesh_fail(m, "server %zu does not know the connection that ended", o->node + 1);
        run_step(m, o->node);
}

static void happen(struct mesh *m, const struct occurrence *o)
{
        struct node *n = &m->nodes[o->node];
        if (!n->alive || o->life != n->life)
                return;
        if (n->stopped) {
                n->held = mem_grow(n->held, &n->held_capacity, n->held_count + 1, sizeof *n->held);
                n->held[n->held_count++] = *o;
                return;
        }
        switch (o->what) {
        case DIALLED:
                at_dialled(m, o);
                break;
        case ACCEPTED:
                at_accepted(m, o);
                break;
        case DELIVER:
                at_deliver(m, o);
                break;
        case SENT:
                if (m->pipes[o->pipe].ends[o->end].open) {
                        (void)vote_conn_sent(n->vote, m->now_ms, m->pipes[o->pipe].ends[o->end].conn, &n->fx);
                        run_step(m, o->node);
                }
                break;
        case ZAB_CHECK:
                zab_check(m, o->node);
                run_step(m, o->node);
                break;
        case ZAB_LOST:
                if (n->decided) {
                        vote_peer_lost(n->vote, m->now_ms, n->vote->tally.current.ballot.leader, &n->fx);
                        look(m, o->node);
                        run_step(m, o->node);
                }
                break;
        }
}

static bool before(const struct occurrence *a, const struct occurrence *b)
{
        return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

/* Advances to the next thing that happens, at most to `until_ms`. */
static bool advance(struct mesh *m, uint64_t until_ms)
{
        size_t next = SIZE_MAX;
        for (size_t i = 0; i < m->queue_count; i++) {
                if (next == SIZE_MAX || before(&m->queue[i], &m->queue[next]))
                        next = i;
        }
        uint64_t at = next == SIZE_MAX ? UINT64_MAX : m->queue[next].at_ms;
        size_t tick = SIZE_MAX;
        for (size_t i = 0; i < node_count(m); i++) {
                const struct node *n = &m->nodes[i];
                if (!n->alive || n->stopped)
                        continue;
                uint64_t due = vote_deadline(n->vote);
                if (due < at) {
                        at = due;
                        tick = i;
                }
        }
        if (at > until_ms)
                return false;
        if (at > m->now_ms) {
                m->now_ms = at;
                m->steps_at_once = 0;
        }
        if (tick != SIZE_MAX) {
                vote_tick(m->nodes[tick].vote, m->now_ms, &m->nodes[tick].fx);
                run_step(m, tick);
                return true;
        }
        struct occurrence o = m->queue[next];
        m->queue[next] = m->queue[--m->queue_count];
        happen(m, &o);
        return true;
}

void mesh_run(struct mesh *m, uint64_t ms)
{
        uint64_t until = m->now_ms + ms;
        while (advance(m, until))
                ;
        m->now_ms = until;
        m->steps_at_once = 0;
}

static bool all_decided(const struct mesh *m, const int64_t *sids)
{
        for (; *sids; sids++) {
                const struct node *n = node_of(m, *sids);
                if (n->alive && !n->stopped && !n->decided)
                        return false;
        }
        return true;
}

uint64_t mesh_run_until_decided(struct mesh *m, const int64_t *sids, uint64_t ms_max)
{
        uint64_t start = m->now_ms;
        while (!all_decided(m, sids)) {
                if (!advance(m, start + ms_max))
                        mesh_fail(m, "E7: no decision within %llu ms", (unsigned long long)ms_max);
        }
        return m->now_ms - start;
}

/* ---- processes and links ---- */

void mesh_set_data(struct mesh *m, int64_t sid, int64_t epoch, int64_t zxid)
{
        m->nodes[index_of(m, sid)].epoch = epoch;
        m->nodes[index_of(m, sid)].zxid = zxid;
}

void mesh_start(struct mesh *m, int64_t sid)
{
        struct node *n = &m->nodes[index_of(m, sid)];
        assert(!n->alive);
        const struct vote_config config = {.sid = sid, .ensemble = &m->ensemble, .seed = prng_next(&m->prng)};
        n->vote = vote_new(&config);
        effects_init(&n->fx);
        n->alive = true;
        n->stopped = false;
        n->life++;
        n->accepted = 0;
        n->looks = 0;
        n->round_seen = 0;
        tell(m, "%lld starts", (long long)sid);
        look(m, index_of(m, sid));
        run_step(m, index_of(m, sid));
}

static void drop_machine(struct node *n)
{
        vote_free(n->vote);
        n->vote = NULL;
        effects_done(&n->fx);
        n->alive = n->stopped = n->decided = false;
        n->held_count = 0;
}

void mesh_kill(struct mesh *m, int64_t sid)
{
        size_t dead = index_of(m, sid);
        if (!m->nodes[dead].alive)
                return;
        tell(m, "%lld is killed", (long long)sid);
        drop_machine(&m->nodes[dead]);
        for (size_t i = 0; i < m->pipe_count; i++) {
                for (size_t k = 0; k < 2; k++) {
                        if (m->pipes[i].ends[k].node != dead || !m->pipes[i].ends[k].open)
                                continue;
                        close_end(&m->pipes[i].ends[k]);
                        if (m->pipes[i].established)
                                end_flow(m, i, 1 - k, false, -ECONNRESET);
                }
        }
        for (size_t i = 0; i < node_count(m); i++) {
                const struct node *n = &m->nodes[i];
                if (n->alive && n->decided && n->vote->tally.current.ballot.leader == sid)
                        push(m, latency(m), (struct occurrence){.what = ZAB_LOST, .node = i});
        }
}

void mesh_lose(struct mesh *m, int64_t sid)
{
        push(m, 0, (struct occurrence){.what = ZAB_LOST, .node = index_of(m, sid)});
}

void mesh_stop(struct mesh *m, int64_t sid)
{
        struct node *n = &m->nodes[index_of(m, sid)];
        if (!n->alive || n->stopped)
                return;
        tell(m, "%lld is stopped", (long long)sid);
        n->stopped = true;
}

void mesh_continue(struct mesh *m, int64_t sid)
{
        struct node *n = &m->nodes[index_of(m, sid)];
        if (!n->alive || !n->stopped)
                return;
        tell(m, "%lld continues", (long long)sid);
        n->stopped = false;
        for (size_t i = 0; i < n->held_count; i++) {
                m->queue = mem_grow(m->queue, &m->queue_capacity, m->queue_count + 1, sizeof *m->queue);
                m->queue[m->queue_count] = n->held[i];
                m->queue[m->queue_count++].at_ms = m->now_ms;
        }
        n->held_count = 0;
}

void mesh_cut(struct mesh *m, int64_t a, int64_t b, bool cut)
{
        tell(m, "the link %lld-%lld is %s", (long long)a, (long long)b, cut ? "cut" : "mended");
        m->cut[index_of(m, a)][index_of(m, b)] = m->cut[index_of(m, b)][index_of(m, a)] = cut;
}

void mesh_reset(struct mesh *m, int64_t a, int64_t b)
{
        size_t na = index_of(m, a), nb = index_of(m, b);
        tell(m, "connections %lld-%lld are reset", (long long)a, (long long)b);
        for (size_t i = 0; i < m->pipe_count; i++) {
                struct pipe *p = &m->pipes[i];
                bool between = (p->ends[0].node == na && p->ends[1].node == nb) ||
                               (p->ends[0].node == nb && p->ends[1].node == na);
                if (!between || !p->established)
                        continue;
                end_flow(m, i, 0, false, -ECONNRESET);
                end_flow(m, i, 1, false, -ECONNRESET);
        }
}

/* ---- looking in ---- */

bool mesh_alive(const struct mesh *m, int64_t sid)
{
        return node_of(m, sid)->alive;
}

bool mesh_stopped(const struct mesh *m, int64_t sid)
{
        return node_of(m, sid)->stopped;
}

int64_t mesh_leader(const struct mesh *m, int64_t sid)
{
        const struct node *n = node_of(m, sid);
        return n->alive && n->decided ? n->vote->tally.current.ballot.leader : 0;
}

enum vote_state mesh_state(const struct mesh *m, int64_t sid)
{
        const struct node *n = node_of(m, sid);
        return n->alive && n->decided ? n->vote->tally.current.state : VOTE_LOOKING;
}

struct vote *mesh_vote(struct mesh *m, int64_t sid)
{
        return m->nodes[index_of(m, sid)].vote;
}

unsigned mesh_looks(const struct mesh *m, int64_t sid)
{
        return node_of(m, sid)->looks;
}

uint64_t mesh_bytes(const struct mesh *m)
{
        return m->bytes;
}

uint64_t mesh_dials(const struct mesh *m)
{
        return m->dials;
}

/* ---- life ---- */

struct mesh *mesh_new(const struct mesh_options *options)
{
        assert(options->voters + options->observers <= MESH_NODES_MAX);
        struct mesh *m = mem_zalloc(sizeof *m);
        m->options = *options;
        m->prng.state = options->seed;
        m->now_ms = 1000; /* not 0: a time of 0 must not mean anything */
        seed_note(options->seed);
        (void)signal(SIGABRT, on_abort);
        for (size_t i = 0; i < node_count(m); i++) {
                struct member member = {
                        .sid = (int64_t)i + 1,
                        .observer = i >= options->voters,
                        .quorum_port = 2888,
                        .election_port = MESH_PORT,
                };
                (void)snprintf(member.host, sizeof member.host, "n%zu", i + 1);
                assert_int_equal(ensemble_add(&m->ensemble, &member), 0);
        }
        return m;
}

void mesh_free(struct mesh *m)
{
        for (size_t i = 0; i < node_count(m); i++) {
                if (m->nodes[i].alive)
                        drop_machine(&m->nodes[i]);
                mem_free(m->nodes[i].held);
                mem_free(m->nodes[i].proposals);
        }
        for (size_t i = 0; i < m->pipe_count; i++) {
                mem_free(m->pipes[i].ends[0].bytes);
                mem_free(m->pipes[i].ends[1].bytes);
        }
        mem_free(m->pipes);
        mem_free(m->queue);
        mem_free(m);
}
