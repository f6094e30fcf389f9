/* Byte pipes between machines, and puppets at their ends. */
#include "tests/unit/zab/world.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <string.h>

static void bytes_add(struct bytes *b, const void *data, size_t len)
{
        b->data = mem_grow(b->data, &b->capacity, b->len + len, 1);
        if (len > 0)
                memcpy(b->data + b->len, data, len);
        b->len += len;
}

static void bytes_clear(struct bytes *b)
{
        b->at = 0;
        b->len = 0;
}

static struct end *end_find(struct node *n, conn_id conn, struct pipe **ret)
{
        struct world *w = n->world;
        for (size_t i = 0; i < w->pipe_count; i++) {
                for (int k = 0; k < 2; k++) {
                        struct end *e = &w->pipes[i]->e[k];
                        if (e->node == (int)n->index && e->conn == conn && (e->open || w->pipes[i]->dialling)) {
                                *ret = w->pipes[i];
                                return e;
                        }
                }
        }
        return NULL;
}

static struct end *other(struct pipe *p, struct end *e)
{
        return e == &p->e[0] ? &p->e[1] : &p->e[0];
}

static struct pipe *pipe_new(struct world *w)
{
        struct pipe *p = mem_zalloc(sizeof *p);
        p->e[0].node = -1;
        p->e[1].node = -1;
        w->pipes = mem_grow(w->pipes, &w->pipe_capacity, w->pipe_count + 1, sizeof *w->pipes);
        w->pipes[w->pipe_count++] = p;
        return p;
}

void pipes_dial(struct node *n, const struct effect *e)
{
        struct pipe *p = pipe_new(n->world);
        p->dialling = true;
        p->e[0].node = (int)n->index;
        p->e[0].conn = e->conn;
        p->e[1].node = (int)e->peer.port - 1;
}

void pipes_send(struct node *n, conn_id conn, const struct blob *b)
{
        struct pipe *p;
        struct end *e = end_find(n, conn, &p);
        if (!e)
                return; /* the far side is gone; this side has not been told yet */
        check_send(n, conn, b);
        if (other(p, e)->open && !e->eof)
                bytes_add(&other(p, e)->in, b->data, b->len);
}

/* A random part of what is under way still arrives. */
static void shorten(struct world *w, struct bytes *b)
{
        size_t left = b->len - b->at;
        b->len = b->at + (size_t)world_random(w, left + 1);
}

void pipes_close(struct node *n, conn_id conn, bool flush)
{
        struct pipe *p;
        struct end *e = end_find(n, conn, &p);
        if (!e)
                return;
        if (p->dialling) {
                p->dialling = false;
                return;
        }
        e->open = false;
        bytes_clear(&e->in);
        struct end *o = other(p, e);
        if (!flush && !o->eof)
                shorten(n->world, &o->in);
        o->eof = true;
}

void pipes_read(struct node *n, conn_id conn, bool start)
{
        struct pipe *p;
        struct end *e = end_find(n, conn, &p);
        if (e)
                e->paused = !start;
}

void pipes_notify(struct node *n, conn_id conn)
{
        struct pipe *p;
        struct end *e = end_find(n, conn, &p);
        if (e)
                e->notify = true;
}

void pipes_crash(struct node *n)
{
        struct world *w = n->world;
        for (size_t i = 0; i < w->pipe_count; i++) {
                struct pipe *p = w->pipes[i];
                for (int k = 0; k < 2; k++) {
                        if (p->e[k].node != (int)n->index || !(p->e[k].open || (p->dialling && k == 0)))
                                continue;
                        if (p->dialling)
                                p->dialling = false;
                        else
                                pipes_close(n, p->e[k].conn, false);
                }
        }
}

void world_cut(struct world *w, int64_t a, int64_t b)
{
        for (size_t i = 0; i < w->pipe_count; i++) {
                struct pipe *p = w->pipes[i];
                int64_t x = p->e[0].node + 1;
                int64_t y = p->e[1].node + 1;
                if (p->dialling || !((x == a && y == b) || (x == b && y == a)))
                        continue;
                for (int k = 0; k < 2; k++) {
                        if (!p->e[k].open)
                                continue;
                        shorten(w, &p->e[k].in);
                        p->e[k].eof = true;
                }
        }
}

/* ---- one thing happening ---- */

static bool blocked(const struct world *w, const struct pipe *p)
{
        int a = p->e[0].node;
        int b = p->e[1].node;
        return a >= 0 && b >= 0 && w->blocked[a][b];
}

static void dial_done(struct world *w, struct pipe *p)
{
        struct node *from = &w->nodes[p->e[0].node];
        struct node *to = &w->nodes[p->e[1].node];
        p->dialling = false;
        if ((!to->up && !to->puppet) || blocked(w, p)) {
                zab_conn_dialled(from->zab, w->now_ms, p->e[0].conn, -ECONNREFUSED, &from->fx);
                node_flush(from);
                return;
        }
        p->e[0].open = true;
        p->e[1].open = true;
        p->e[1].conn = w->next_even += 2;
        zab_conn_dialled(from->zab, w->now_ms, p->e[0].conn, 0, &from->fx);
        node_flush(from);
        if (!to->puppet && p->e[1].open) {
                zab_conn_accepted(to->zab, w->now_ms, p->e[1].conn, &to->fx);
                node_flush(to);
        }
}

static bool end_can(const struct world *w, const struct pipe *p, const struct end *e)
{
        if (!e->open || e->node < 0 || w->nodes[e->node].puppet || !w->nodes[e->node].up)
                return false;
        if (e->notify && !w->hold_sent)
                return true;
        if (e->eof && e->in.at == e->in.len)
                return true;
        return !e->paused && e->in.at < e->in.len && !blocked(w, p);
}

static void end_do(struct world *w, struct end *e)
{
        struct node *n = &w->nodes[e->node];
        if (e->notify && !w->hold_sent && (world_random(w, 2) == 0 || e->paused || e->in.at == e->in.len)) {
                e->notify = false;
                zab_conn_sent(n->zab, w->now_ms, e->conn, &n->fx);
        } else if (e->in.at == e->in.len) {
                if (!e->eof)
                        return;
                e->open = false;
                zab_conn_closed(n->zab, w->now_ms, e->conn, world_random(w, 2) ? 0 : -ECONNRESET, &n->fx);
        } else if (!e->paused) {
                size_t left = e->in.len - e->in.at;
                size_t len = w->whole_chunks || world_random(w, 2) ? left : 1 + (size_t)world_random(w, left);
                uint8_t *chunk = mem_dup(e->in.data + e->in.at, len); /* exactly as long, so that ASan sees overruns */
                e->in.at += len;
                zab_conn_bytes(n->zab, w->now_ms, e->conn, chunk, len, &n->fx);
                mem_free(chunk);
        }
        node_flush(n);
}

static bool pipe_dead(const struct pipe *p)
{
        bool puppet_side = p->e[0].node < 0;
        return !puppet_side && !p->dialling && !p->e[0].open && !p->e[1].open;
}

static void pipes_sweep(struct world *w)
{
        size_t kept = 0;
        for (size_t i = 0; i < w->pipe_count; i++) {
                struct pipe *p = w->pipes[i];
                bool held = p->e[1].node >= 0 && w->nodes[p->e[1].node].puppet;
                if (pipe_dead(p) && !held) {
                        mem_free(p->e[0].in.data);
                        mem_free(p->e[1].in.data);
                        mem_free(p);
                } else {
                        w->pipes[kept++] = p;
                }
        }
        w->pipe_count = kept;
}

bool pipes_step(struct world *w)
{
        pipes_sweep(w);
        size_t n = w->pipe_count * 2;
        if (n == 0)
                return false;
        size_t from = (size_t)world_random(w, n);
        for (size_t i = 0; i < n; i++) {
                size_t at = (from + i) % n;
                struct pipe *p = w->pipes[at / 2];
                if (p->dialling) {
                        dial_done(w, p);
                        return true;
                }
                if (end_can(w, p, &p->e[at % 2])) {
                        end_do(w, &p->e[at % 2]);
                        return true;
                }
        }
        return false;
}

/* ---- puppets ---- */

struct pipe *puppet_dial(struct world *w, int64_t target)
{
        struct node *n = world_node(w, target);
        struct pipe *p = pipe_new(w);
        p->e[0].open = true;
        p->e[1].open = true;
        p->e[1].node = (int)n->index;
        p->e[1].conn = w->next_even += 2;
        zab_conn_accepted(n->zab, w->now_ms, p->e[1].conn, &n->fx);
        node_flush(n);
        return p;
}

struct pipe *puppet_accept(struct world *w, int64_t puppet)
{
        world_settle(w);
        for (size_t i = w->pipe_count; i > 0; i--) {
                struct pipe *p = w->pipes[i - 1];
                if (p->e[1].node == (int)puppet - 1 && p->e[1].open && !p->e[1].eof)
                        return p;
        }
        return NULL;
}

static struct end *puppet_end(const struct pipe *p)
{
        struct pipe *mine = (struct pipe *)(uintptr_t)p;
        return p->e[0].node < 0 ? &mine->e[0] : &mine->e[1];
}

void puppet_raw(struct world *w, struct pipe *p, const void *data, size_t len)
{
        struct end *e = other(p, puppet_end(p));
        if (e->open)
                bytes_add(&e->in, data, len);
        world_settle(w);
}

void puppet_send(struct world *w, struct pipe *p, int32_t type, int64_t zxid, const void *data, size_t len)
{
        struct blob *b = jute_quorum_packet_blob(type, zxid, data, len);
        puppet_raw(w, p, b->data, b->len);
        blob_unref(b);
}

size_t puppet_peek(const struct pipe *p, const uint8_t **ret)
{
        const struct bytes *b = &puppet_end(p)->in;
        *ret = b->data ? b->data + b->at : NULL;
        return b->len - b->at;
}

void puppet_skip(struct pipe *p, size_t len)
{
        puppet_end(p)->in.at += len;
}

bool puppet_next(struct world *w, struct pipe *p, struct jute_quorum_packet *ret)
{
        world_settle(w);
        const uint8_t *data;
        size_t len = puppet_peek(p, &data);
        if (len == 0)
                return false;
        struct jute_reader r;
        jute_reader_init(&r, data, len, 1 << 20);
        jute_get_quorum_packet(&r, ret);
        if (r.error != 0)
                return false;
        puppet_skip(p, (size_t)(r.at - data));
        return true;
}

int64_t puppet_expect(struct world *w, struct pipe *p, int32_t type)
{
        struct jute_quorum_packet q;
        do {
                if (!puppet_next(w, p, &q))
                        world_fail(w, "packet %d expected, none came", type);
        } while (q.type == QP_PING && type != QP_PING);
        if (q.type != type)
                world_fail(w, "packet %d expected, %d (0x%llx) came", type, q.type, (unsigned long long)q.zxid);
        return q.zxid;
}

bool puppet_closed(const struct pipe *p)
{
        return puppet_end(p)->eof;
}

void puppet_hello(struct world *w, struct pipe *p, int32_t type, int64_t sid, int64_t accepted)
{
        struct jute_writer o;
        jute_writer_init(&o, 20);
        jute_put_learner_info(&o, &(struct jute_learner_info){.sid = sid, .protocol_version = 0x10000});
        puppet_send(w, p, type, accepted << 32, o.data, o.len);
        jute_writer_done(&o);
}

void puppet_ack_epoch(struct world *w, struct pipe *p, int64_t zxid, int32_t epoch)
{
        struct jute_writer o;
        jute_writer_init(&o, 4);
        jute_put_int(&o, epoch);
        puppet_send(w, p, QP_ACKEPOCH, zxid, o.data, o.len);
        jute_writer_done(&o);
}

size_t puppet_txn(int64_t zxid, uint64_t value, uint8_t buffer[64])
{
        struct jute_writer o;
        jute_writer_init(&o, 64);
        jute_put_txn_header(&o, &(struct jute_txn_header){.zxid = zxid, .type = OP_SET_DATA});
        jute_put_long(&o, (int64_t)value);
        size_t len = o.len;
        memcpy(buffer, o.data, len);
        jute_writer_done(&o);
        return len;
}

void world_make_puppet(struct world *w, int64_t sid)
{
        world_crash(w, sid, 0);
        world_node(w, sid)->puppet = true;
}

void puppet_propose(struct world *w, struct pipe *p, int32_t type, int64_t zxid)
{
        uint8_t payload[64];
        size_t len = puppet_txn(zxid, (uint64_t)zxid * 31, payload);
        puppet_send(w, p, type, zxid, payload, len);
}

void puppet_plain(struct world *w, struct pipe *p, int32_t type, int64_t zxid)
{
        puppet_send(w, p, type, zxid, NULL, 0);
}

void puppet_expect_nothing(struct world *w, struct pipe *p)
{
        struct jute_quorum_packet q;
        while (puppet_next(w, p, &q))
                if (q.type != QP_PING)
                        world_fail(w, "nothing expected, %d (0x%llx) came", q.type, (unsigned long long)q.zxid);
}

struct pipe *puppet_join(struct world *w, int64_t target, int64_t sid, int64_t accepted, int64_t zxid, int32_t epoch)
{
        struct pipe *p = puppet_dial(w, target);
        puppet_hello(w, p, QP_FOLLOWERINFO, sid, accepted);
        int64_t e = puppet_expect(w, p, QP_LEADERINFO);
        puppet_ack_epoch(w, p, zxid, epoch);
        (void)puppet_expect(w, p, QP_DIFF);
        if (puppet_expect(w, p, QP_NEWLEADER) != e)
                world_fail(w, "NEWLEADER of another epoch");
        puppet_plain(w, p, QP_ACK, e);
        (void)puppet_expect(w, p, QP_UPTODATE);
        return p;
}
