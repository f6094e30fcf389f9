/* Gathers facts from the world and hands them to the checkers, in the order that makes each judge what was so at its
 * instant: what became durable before a step, then what the step has decided, what it appends, what it says, and last
 * what it shows. */
#include "tests/sim/oracle/oracle_internal.h"

#include "election/base/alloc.h"
#include "election/server/server_internal.h"
#include "election/vote/vote_internal.h"
#include "election/zab/zab_internal.h"
#include "tests/sim/world/world_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool oracle__is_quorum(const struct oracle *o, uint64_t sids)
{
        size_t voters = 0, have = 0;
        for (int sid = 1; sid <= o->count; sid++) {
                voters += o->servers[sid].voter;
                have += o->servers[sid].voter && (sids & oracle__bit(sid));
        }
        return have > voters / 2;
}

bool oracle__excused(const struct oracle *o, const struct oracle_server *s)
{
        return s->lost || s->damaged || (o->world && world_rotten(o->world, s->sid));
}

/* ---- a step ---- */

static struct zab *zab_of(const struct oracle *o, int sid)
{
        return o->world->nodes[sid].server->zab;
}

static void note_accepted(struct oracle *o, struct oracle_server *s, const struct event *e)
{
        if (e->accepted.port == PORT_CLIENT) {
                map_put(&s->clients, e->conn, CLIENT_NEW);
                return;
        }
        struct world_endpoint *other = NULL;
        (void)world__end_find(&o->world->nodes[s->sid], e->conn, &other);
        /* Who has dialled may be dead: the name belongs to another of its connections by now. */
        if (other && other->open && !other->vanished)
                oracle__accepted(o, s, e->conn, other->sid, other->conn, e->accepted.port);
}

static void before(struct oracle *o, struct oracle_server *s, const struct event *e)
{
        switch (e->type) {
        case EVENT_CONN_ACCEPTED:
                note_accepted(o, s, e);
                break;
        case EVENT_DISK_DONE:
                oracle__cut_done(o, s, e->disk.reloaded != NULL);
                break;
        case EVENT_DISK_FAILED:
                s->disk_failed = true;
                break;
        default:
                break;
        }
}

/* A leader that has left its role in this step may have committed before: what it has sent says so. */
static void last_commits(struct oracle *o, struct oracle_server *s, const struct effects *fx)
{
        int64_t last = 0;
        for (size_t i = 0; i < fx->count; i++) {
                const struct effect *e = &fx->list[i];
                if (e->type != EFFECT_SEND)
                        continue;
                int64_t zxid = oracle__commit_in(o, s, e->conn, e->send.blob->data, e->send.blob->len);
                last = zxid > last ? zxid : last;
        }
        if (last)
                oracle__commit_to(o, s, s->leads, last);
}

static bool reports(const struct effects *fx, const char *text)
{
        for (size_t i = 0; i < fx->count; i++)
                if (fx->list[i].type == EFFECT_REPORT && !strcmp(fx->list[i].report.text, text))
                        return true;
        return false;
}

static void role_begins(struct oracle_server *s)
{
        s->candidate = true;
        s->leads = 0;
        s->established = false;
        s->led_zxid = oracle__log_end(s);
        s->led_epoch = s->current;
}

static void role_ends(struct oracle *o, struct oracle_server *s, const struct effects *fx)
{
        if (s->established && reports(fx, "left the ensemble: stopped")) /* cleanly: with nothing left to commit */
                oracle__commit_to(o, s, s->leads, oracle__log_end(s));
        else if (s->established)
                last_commits(o, s, fx);
        s->candidate = s->established = false;
        s->leads = 0;
}

static void role(struct oracle *o, struct oracle_server *s, const struct effects *fx)
{
        const struct zab *z = zab_of(o, s->sid);
        bool leads = zab_role(z) == ZAB_LEADING;
        int64_t epoch = leads ? z->leader.epoch : 0;
        if (s->candidate && (!leads || (s->leads && epoch != s->leads)))
                role_ends(o, s, fx);
        if (!leads)
                return;
        if (!s->candidate)
                role_begins(s);
        s->leads = epoch;
        if (epoch && s->current == epoch)
                oracle__leads(o, s, epoch);
        if (zab_phase(z) != ZAB_BROADCAST)
                return;
        if (!s->established)
                oracle__established(o, s, epoch);
        oracle__commit_to(o, s, epoch, zab_last_committed(z));
}

static int sid_of(const char *host)
{
        return (int)strtol(host + strlen("10.0.0."), NULL, 10);
}

static void asked(struct oracle *o, struct oracle_server *s, const struct effect *e)
{
        static const enum oracle_ask_kind kinds[] = {
                [EPOCH_ACCEPTED] = ASK_ACCEPTED, [EPOCH_CURRENT_PREPARE] = ASK_PREPARE, [EPOCH_CURRENT] = ASK_CURRENT};
        switch (e->type) {
        case EFFECT_LOG_APPEND:
                oracle__append(o, s, e->log.zxid, e->log.blob->data + e->log.offset, e->log.len, e->ticket,
                               s->established ? s->leads : 0);
                break;
        case EFFECT_EPOCH_WRITE:
                oracle__ask(o, s, kinds[e->epoch.kind], e->epoch.value, e->ticket);
                break;
        case EFFECT_TRUNCATE:
                oracle__ask(o, s, e->truncate.reload ? ASK_CUT : ASK_REPLACE, e->truncate.zxid, e->ticket);
                break;
        case EFFECT_SNAPSHOT_END:
                if (e->snapshot.received)
                        s->saving = e->snapshot.zxid;
                break;
        case EFFECT_DIAL:
                oracle__dial(o, s, e->conn, e->peer.kind, sid_of(e->peer.host));
                break;
        default:
                break;
        }
}

static void says(struct oracle *o, struct oracle_server *s, const struct effect *e)
{
        if (e->type == EFFECT_SEND)
                oracle__send(o, s, e->conn, e->send.blob->data, e->send.blob->len);
        else if (e->type == EFFECT_CLOSE)
                oracle__closed(s, e->conn);
}

static void election(struct oracle *o, struct oracle_server *s)
{
        const struct vote_tally *t = &o->world->nodes[s->sid].server->vote->tally;
        bool decided = s->looking && !t->looking && t->current.present;
        oracle__rounds(o, s, t->round);
        s->looking = t->looking;
        if (decided)
                oracle__decided(o, s,
                                &(struct oracle_vote){.state = (int32_t)t->current.state,
                                                      .leader = t->current.ballot.leader,
                                                      .zxid = t->current.ballot.zxid,
                                                      .round = t->current.round,
                                                      .epoch = t->current.ballot.epoch});
}

static void shows(struct oracle *o, struct oracle_server *s)
{
        const struct server *server = o->world->nodes[s->sid].server;
        const int64_t zxid = database_zxid(server->db);
        if (!server->serving)
                s->shown = -1;
        if (!server__read_only(server))
                s->shown_alone = -1;
        else if (zxid != s->shown_alone)
                oracle__shows_alone(o, s, zxid, tree_digest(database_tree(server->db)));
        if (server->serving && zxid != s->shown)
                oracle__shows(o, s, zxid, tree_digest(database_tree(server->db)),
                              session_table_count(database_sessions(server->db)));
}

/* E7: a leader whose log does not answer must not go on pinging for ever (M23). Only a tick says what time it is. */
static void log_answers(struct oracle *o, const struct oracle_server *s, const struct event *e)
{
        const struct server_config *c = &o->world->config;
        const struct zab *z = zab_of(o, s->sid);
        if (e->type != EVENT_TICK || z->role != ZAB_LEADING || z->disk.count == 0)
                return;
        const struct disk_item *oldest = zab__ring_at(&z->disk, 0);
        if (e->now.mono_ms > oldest->since_ms + (uint64_t)(c->sync_limit + 1) * c->tick_ms)
                ORACLE_BREAK(o, "E7", "server %d leads though its log has not answered for %" PRIu64 " ms", s->sid,
                             e->now.mono_ms - oldest->since_ms);
}

static void on_stepped(void *ctx, struct world *w, int sid, const struct event *e, const struct effects *fx)
{
        struct oracle *o = ctx;
        struct oracle_server *s = &o->servers[sid];
        o->now = w->now;
        if (verdict_broken(o->verdict))
                return; /* what is broken once breaks more */
        before(o, s, e);
        role(o, s, fx);
        for (size_t i = 0; i < fx->count; i++)
                asked(o, s, &fx->list[i]);
        for (size_t i = 0; i < fx->count; i++)
                says(o, s, &fx->list[i]);
        election(o, s);
        shows(o, s);
        log_answers(o, s, e);
}

/* ---- the rest of a server's life ---- */

static void on_durable(void *ctx, struct world *w, int sid, uint64_t ticket)
{
        struct oracle *o = ctx;
        o->now = w->now;
        if (!verdict_broken(o->verdict))
                oracle__durable(o, &o->servers[sid], ticket);
}

/* Records that recovery has read again are those that were proposed. */
static void check_history(struct oracle *o, const struct oracle_server *s)
{
        const struct history *h = &zab_of(o, s->sid)->history;
        for (size_t i = 0; i < h->txns.count; i++) {
                const struct store_txn *t = zab__history_at(h, i);
                const struct oracle_txn *known = oracle__txn(o, t->zxid);
                if (!known || known->len != t->len || memcmp(t->blob->data + t->offset, known->bytes, t->len) != 0)
                        ORACLE_BREAK(o, known ? "Z10" : "D3",
                                     "server %d recovers " ZX " with %u bytes that nobody proposed", s->sid,
                                     (uint64_t)t->zxid, t->len);
        }
}

static void on_started(void *ctx, struct world *w, int sid, const struct recovered *r)
{
        struct oracle *o = ctx;
        struct oracle_server *s = &o->servers[sid];
        const struct database *db = w->nodes[sid].server->db;
        o->now = w->now;
        s->running = true;
        s->disk_failed = s->candidate = s->established = s->looking = false;
        s->leads = s->round = 0;
        s->shown = s->shown_alone = -1;
        if (verdict_broken(o->verdict))
                return;
        oracle__recovered(o, s,
                          &(struct oracle_found){.last_zxid = r->last_zxid,
                                                 .accepted = r->accepted_epoch,
                                                 .current = r->current_epoch,
                                                 .lost = r->lost,
                                                 .digest = tree_digest(database_tree(db))});
        check_history(o, s);
}

static void on_ended(void *ctx, struct world *w, int sid, enum world_end how)
{
        struct oracle *o = ctx;
        struct oracle_server *s = &o->servers[sid];
        (void)how;
        o->now = w->now;
        for (size_t i = 0; i < s->ask_count; i++)
                if (s->asks[i].kind == ASK_CUT)
                        oracle__mark(o, MARK_TRUNC_INTERRUPTED);
        for (struct oracle_link *l = o->links; l; l = l->next) {
                l->dialler_gone |= l->dialler == sid;
                l->acceptor_gone |= l->acceptor == sid && l->accepted;
        }
        map_done(&s->conns);
        map_done(&s->clients);
        s->running = s->candidate = s->established = false;
        s->leads = 0;
        s->shown = s->shown_alone = -1;
}

/* Whose files are removed has not failed to keep them. */
static void on_fault(void *ctx, struct world *w, const char *text)
{
        struct oracle *o = ctx;
        int sid;
        (void)w;
        if (sscanf(text, "the files of %d are removed", &sid) == 1)
                o->servers[sid].lost = true;
}

/* ---- life ---- */

struct oracle *oracle__new(const struct ensemble *e, struct verdict *v, struct coverage *c, uint64_t seed)
{
        struct oracle *o = mem_zalloc(sizeof *o);
        o->verdict = v;
        o->coverage = c ? c : &o->unasked;
        o->prng.state = hash_u64(seed);
        o->image_period = ORACLE_IMAGE_PERIOD;
        o->model = model_new();
        o->fresh_digest = model_digest(o->model);
        assert(e->count <= WORLD_SERVERS_MAX);
        o->count = (int)e->count;
        for (int sid = 1; sid <= o->count; sid++)
                o->servers[sid] = (struct oracle_server){.sid = sid,
                                                         .voter = ensemble_is_voter(e, sid),
                                                         .cut_asked = -1,
                                                         .saving = -1,
                                                         .prepared = -1,
                                                         .shown = -1,
                                                         .shown_alone = -1};
        return o;
}

struct oracle *oracle_new(struct world *w, struct verdict *v, struct coverage *c)
{
        struct oracle *o = oracle__new(&w->config.ensemble, v, c, w->seed);
        o->world = w;
        world_add_witness(w, &(struct world_witness){.started = on_started,
                                                     .stepped = on_stepped,
                                                     .ended = on_ended,
                                                     .durable = on_durable,
                                                     .noted = oracle__noted,
                                                     .fault = on_fault,
                                                     .ctx = o});
        return o;
}

void oracle_free(struct oracle *o)
{
        if (!o)
                return;
        while (o->links) {
                struct oracle_link *l = o->links;
                o->links = l->next;
                mem_free(l);
        }
        for (size_t i = 0; i < o->txn_count; i++) {
                mem_free(o->txn_list[i]->bytes);
                mem_free(o->txn_list[i]);
        }
        for (int sid = 1; sid <= o->count; sid++) {
                mem_free(o->servers[sid].log);
                map_done(&o->servers[sid].conns);
                map_done(&o->servers[sid].clients);
        }
        struct map *maps[] = {&o->txns, &o->leaders, &o->promises, &o->counted, &o->votes, &o->followers};
        for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
                map_done(maps[i]);
        mem_free(o->txn_list);
        mem_free(o->commits);
        model_free(o->model);
        mem_free(o);
}

void oracle_disk_damaged(struct oracle *o, int sid)
{
        o->servers[sid].damaged = true;
}

void oracle_set_image_period(struct oracle *o, uint32_t commits)
{
        o->image_period = commits;
}

static void finish_server(struct oracle *o, int sid)
{
        const struct server *server = o->world->nodes[sid].server;
        size_t place = oracle__floor(o, database_zxid(server->db));
        int64_t stands = place == SIZE_MAX ? 0 : o->commits[place].txn->zxid;
        if (stands != oracle__committed_end(o))
                ORACLE_BREAK(o, "Z5", "server %d stands at " ZX " at the end; " ZX " was committed", sid,
                             (uint64_t)database_zxid(server->db), (uint64_t)oracle__committed_end(o));
        oracle__compare_tree(o, sid, server->db);
        oracle__test_memory(o, sid);
}

void oracle_finish(struct oracle *o)
{
        o->now = o->world->now;
        for (int sid = 1; sid <= o->count && !verdict_broken(o->verdict); sid++)
                if (world_running(o->world, sid) && o->world->nodes[sid].server->serving)
                        finish_server(o, sid);
        if (!verdict_broken(o->verdict))
                oracle__test_images(o);
}

const struct model *oracle_model(const struct oracle *o)
{
        return o->model;
}

size_t oracle_commits(const struct oracle *o)
{
        return o->commit_count;
}

int64_t oracle_commit(const struct oracle *o, size_t i, const uint8_t **ret_txn, size_t *ret_len)
{
        const struct oracle_txn *t = o->commits[i].txn;
        *ret_txn = t->bytes;
        *ret_len = t->len;
        return t->zxid;
}
