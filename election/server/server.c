/* The door of the core: one event in, effects out; and the way between looking and a role. */
#include "election/server/server_internal.h"
#include "election/server/words.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void server_make_vote(struct server *s)
{
        s->vote = vote_new(&(struct vote_config){
                .sid = s->config.sid, .ensemble = &s->config.ensemble, .seed = prng_next(&s->prng)});
}

static void server_make_zab(struct server *s, struct recovered *r)
{
        struct zab_host host = *server__zab_host();
        host.ctx = s;
        s->zab = zab_new(&(struct zab_config){.sid = s->config.sid,
                                              .ensemble = &s->config.ensemble,
                                              .tick_ms = s->config.tick_ms,
                                              .init_limit = s->config.init_limit,
                                              .sync_limit = s->config.sync_limit,
                                              .heartbeat_ms = s->config.heartbeat_ms,
                                              .election_timeout_ms = s->config.election_timeout_ms,
                                              .item_max = server_item_max(&s->config),
                                              .history_max = s->config.commit_log_count,
                                              .history_bytes_max = SERVER_COMMIT_LOG_BYTES,
                                              .step_bytes_max = s->config.step_bytes_max ? s->config.step_bytes_max
                                                                                         : ZAB_STEP_BYTES_MAX,
                                              .outstanding_bytes_max = ZAB_OUTSTANDING_BYTES_MAX,
                                              .learner_queue_bytes_max = ZAB_LEARNER_QUEUE_BYTES_MAX},
                         &host, r);
}

struct server *server_new(const struct server_config *config, struct recovered *r)
{
        struct server *s = mem_zalloc(sizeof *s);
        s->config = *config;
        s->prng.state = config->seed;
        s->trace_mask = WORDS_TRACE_MASK_DEFAULT;
        s->db = r->db;
        r->db = NULL;
        s->doubtful = r->digest_mismatches > 0;
        s->txns_since_snapshot = r->replayed > UINT32_MAX ? UINT32_MAX : (uint32_t)r->replayed;
        outcome_init(&s->outcome);
        jute_writer_init(&s->txn, (size_t)config->max_buffer + PREP_SLACK_BYTES);
        server__snapshot_redraw(s);
        server_make_vote(s);
        server_make_zab(s, r);
        return s;
}

void server_free(struct server *s)
{
        if (!s)
                return;
        clients_free(s->clients);
        sweeper_free(s->sweeper);
        prep_free(s->prep);
        session_clock_free(s->clock);
        session_touches_free(s->touches);
        session_clock_free(s->local);
        zab_free(s->zab);
        vote_free(s->vote);
        database_loader_free(s->loader);
        database_free(s->received);
        database_free(s->db);
        outcome_done(&s->outcome);
        jute_writer_done(&s->txn);
        server__quota_done(s);
        mem_free(s);
}

void server_set_facts(struct server *s, const struct server_facts *facts)
{
        s->facts = *facts;
}

uint64_t server_tree_bytes(const struct server *s)
{
        uint64_t received = s->received ? tree_memory_bytes(database_tree(s->received)) : 0;
        return received + tree_memory_bytes(database_tree(s->db));
}

void server_stats_reset(struct server *s)
{
        clients_stats_reset(s->clients);
        zab_stats_reset(s->zab);
        s->digest_mismatches = 0;
        s->figures = (struct server_figures){.looks = 0};
}

void server_connections_reset(struct server *s)
{
        clients_each_reset(s->clients);
}

void server__fail(struct server *s, int status, const char *why)
{
        if (s->failed || s->state == SERVER_HALTED)
                return;
        s->failed = true;
        s->fail_status = status;
        (void)snprintf(s->role_reason, sizeof s->role_reason, "%s", why);
}

/* A server that is alone tells nothing of an ensemble, as a standalone one of ZooKeeper's: what a snapshot has of
 * former times stays. */
void server__install_config(struct server *s, struct database *db)
{
        if (s->config.ensemble.count == 1) {
                database_keep_config(db);
                return;
        }
        size_t len = ensemble_text(&s->config.ensemble, NULL, 0);
        char *text = mem_alloc(len + 1);
        (void)ensemble_text(&s->config.ensemble, text, len + 1);
        database_set_config(db, jute_str_of(text, len), s->config.ensemble.version, s->event->now.wall_ms);
        mem_free(text);
}

static void server_start(struct server *s)
{
        s->started_ms = s->event->now.mono_ms;
        s->unavailable_ms = s->started_ms;
        struct clients_host host = *server__clients_host();
        host.ctx = s;
        s->clients = clients_new(&s->config, &host, session_first_id(s->config.sid, (uint64_t)s->event->now.wall_ms));
        server__install_config(s, s->db);
}

/* ---- between looking and a role ---- */

/* Back to the leader it has just left, for a snapshot. Each attempt counts, also one that does not get that far. */
static void server_resync(struct server *s)
{
        if (s->resyncs++ >= SERVER_RESYNCS_MAX)
                server__fail(s, SERVER_STATUS_DATA,
                             "this server's tree differs from the leader's again and again, though it asked for "
                             "snapshots: compare its data with the others'; if those are right, move version-2 away "
                             "and start again; if not, look for the server that differs");
}

/* Nothing is voted before all that was logged is durable: the vote must name what a crash would leave. One that
 * lost its disk has no vote (-1: safety: E5). One that distrusts its tree votes for whoever else is there. */
static void server_look(struct server *s, struct effects *fx)
{
        if (s->stopping || !zab_disk_dry(s->zab))
                return;
        s->state = SERVER_LOOKING;
        if (zab_again(s->zab)) { /* the election's outcome stands */
                if (zab_distrusts(s->zab))
                        server_resync(s);
                return;
        }
        bool humble = zab_distrusts(s->zab);
        int64_t zxid = zab_lost(s->zab) ? -1 : humble ? 0 : zab_last_logged(s->zab);
        s->figures.looks++;
        s->looking_ms = s->event->now.mono_ms;
        effect_role(fx, "looking");
        if (zab_lost(s->zab))
                effect_report(fx, REPORT_WARNING,
                              "this server's disk was lost: without a vote until a leader has synchronised it");
        vote_look(s->vote, s->event->now.mono_ms, zxid, humble ? 0 : zab_current_epoch(s->zab), fx);
}

static void server_take_role(struct server *s, struct effects *fx)
{
        int64_t leader;
        enum vote_state state;
        if (!vote_decided(s->vote, &leader, &state))
                return;
        uint64_t now_ms = s->event->now.mono_ms;
        server__read_only_end(s, fx);
        s->state = SERVER_IN_ROLE;
        summary_add(&s->figures.election, now_ms - s->looking_ms);
        s->sync_ms = now_ms;
        if (state == VOTE_LEADING)
                zab_lead(s->zab, now_ms, fx);
        else
                zab_follow(s->zab, now_ms, leader, fx);
}

static void server_halt(struct server *s, struct effects *fx)
{
        server__read_only_end(s, fx);
        s->state = SERVER_HALTED;
        clients_end(s->clients, fx);
        if (s->failed)
                effect_halt(fx, s->fail_status, "%s", s->role_reason);
        else
                effect_halt(fx, 0, "stopped");
}

/* Follows what the event has left behind until nothing more happens by itself. */
static void server_settle(struct server *s, struct effects *fx)
{
        for (;;) {
                clients_settle(s->clients, s->event, fx);
                if (s->role_over)
                        server__rest(s, fx);
                enum server_state before = s->state;
                if (s->failed || (s->stopping && s->state != SERVER_IN_ROLE)) {
                        server_halt(s, fx);
                        return;
                }
                if (s->state == SERVER_RESTING)
                        server_look(s, fx);
                if (s->state == SERVER_LOOKING && !s->failed)
                        server_take_role(s, fx);
                if (s->state == before)
                        return;
        }
}

/* ---- events ---- */

static void server_accepted(struct server *s, const struct event *e, struct effects *fx)
{
        switch (e->accepted.port) {
        case PORT_ELECTION:
                vote_conn_accepted(s->vote, e->now.mono_ms, e->conn, fx);
                break;
        case PORT_QUORUM:
                zab_conn_accepted(s->zab, e->now.mono_ms, e->conn, fx);
                break;
        default:
                clients_accepted(s->clients, e, fx);
                break;
        }
}

static void server_expire(struct server *s, struct effects *fx)
{
        int64_t session;
        while (s->clock && session_clock_expire(s->clock, s->event->now.mono_ms, &session)) {
                s->figures.sessions_expired++;
                effect_report(fx, REPORT_INFO, "session 0x%" PRIx64 " expired", (uint64_t)session);
                struct prep_request r = {.session = session,
                                         .opcode = OP_CLOSE_SESSION,
                                         .body = jute_str_of(NULL, 0),
                                         .ids = {.count = -1},
                                         .from_sid = s->config.sid};
                if (!server__propose(s, &r, fx))
                        return;
        }
}

static void server_sweep(struct server *s, struct effects *fx)
{
        struct jute_str path;
        while (s->sweeper &&
               (path = sweeper_next(s->sweeper, database_tree(s->db), s->prep, &s->event->now)).len >= 0) {
                struct jute_writer body;
                jute_writer_init(&body, (size_t)path.len + 4);
                jute_put_str(&body, path);
                struct prep_request r = {.opcode = OP_DELETE_CONTAINER,
                                         .body = jute_str_of(body.data, body.len),
                                         .ids = {.count = -1},
                                         .sweep = true,
                                         .from_sid = s->config.sid};
                bool proposed = server__propose(s, &r, fx) != 0;
                jute_writer_done(&body);
                if (!proposed)
                        return;
        }
}

static void server_tick(struct server *s, uint64_t now_ms, struct effects *fx)
{
        vote_tick(s->vote, now_ms, fx);
        zab_tick(s->zab, now_ms, fx);
        if (s->serving)
                server_expire(s, fx);
        if (s->serving)
                server_sweep(s, fx);
        clients_tick(s->clients, now_ms, fx);
}

static void server_stop(struct server *s, struct effects *fx)
{
        if (s->stopping)
                return;
        s->stopping = true;
        effect_unlisten(fx);
        if (s->state == SERVER_IN_ROLE)
                zab_stop(s->zab, s->event->now.mono_ms, fx);
}

static void server_disk_failed(struct server *s, const struct event *e)
{
        char why[EFFECT_TEXT_MAX];
        (void)snprintf(
                why, sizeof why,
                "the transaction log can't be written: %s. Nothing more is acknowledged; mend the disk and start again",
                e->disk.why ? e->disk.why : "unknown reason");
        server__fail(s, SERVER_STATUS_DISK, why);
}

static void server_dispatch(struct server *s, const struct event *e, struct effects *fx)
{
        uint64_t now_ms = e->now.mono_ms;
        switch (e->type) {
        case EVENT_START:
                server_start(s);
                break;
        case EVENT_CONN_ACCEPTED:
                server_accepted(s, e, fx);
                break;
        case EVENT_CONN_DIALLED:
                (void)(zab_conn_dialled(s->zab, now_ms, e->conn, e->status, fx) ||
                       vote_conn_dialled(s->vote, now_ms, e->conn, e->status, fx));
                break;
        case EVENT_CONN_BYTES:
                (void)(clients_bytes(s->clients, e, fx) ||
                       zab_conn_bytes(s->zab, now_ms, e->conn, e->bytes.data, e->bytes.len, fx) ||
                       vote_conn_bytes(s->vote, now_ms, e->conn, e->bytes.data, e->bytes.len, fx));
                break;
        case EVENT_CONN_CLOSED:
                (void)(clients_closed(s->clients, e, fx) || zab_conn_closed(s->zab, now_ms, e->conn, e->status, fx) ||
                       vote_conn_closed(s->vote, now_ms, e->conn, e->status, fx));
                break;
        case EVENT_CONN_SENT:
                (void)(clients_sent(s->clients, e, fx) || zab_conn_sent(s->zab, now_ms, e->conn, fx) ||
                       vote_conn_sent(s->vote, now_ms, e->conn, fx));
                break;
        case EVENT_DISK_DONE:
                summary_merge(&s->figures.fsync_us, &e->disk.fsync_us);
                summary_merge(&s->figures.batch, &e->disk.batch);
                zab_disk_done(s->zab, now_ms, e->disk.ticket, e->disk.reloaded, fx);
                break;
        case EVENT_DISK_FAILED:
                server_disk_failed(s, e);
                break;
        case EVENT_SNAPSHOT_DONE:
                server__snapshot_done(s, e, fx);
                break;
        case EVENT_SNAPSHOT_WANTED:
                server__snapshot_wanted(s, fx);
                break;
        case EVENT_TICK:
                server_tick(s, now_ms, fx);
                break;
        case EVENT_STOP:
                server_stop(s, fx);
                break;
        case EVENT_MAX:
                break;
        }
}

void server_step(struct server *s, const struct event *e, struct effects *fx)
{
        if (s->state == SERVER_HALTED)
                return;
        s->event = e;
        server_dispatch(s, e, fx);
        server_settle(s, fx);
        server__read_only_turn(s, fx);
        s->event = NULL;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

uint64_t server_deadline(const struct server *s)
{
        if (s->state == SERVER_HALTED)
                return UINT64_MAX;
        uint64_t at = earlier(vote_deadline(s->vote), zab_deadline(s->zab));
        at = earlier(at, clients_deadline(s->clients));
        at = earlier(at, server__read_only_deadline(s));
        if (s->sweeper && s->serving)
                at = earlier(at, sweeper_deadline(s->sweeper, database_tree(s->db)));
        return s->clock ? earlier(at, session_clock_deadline(s->clock)) : at;
}
