/* The figures and settings of a server, told to a visitor (status.h). The keys are ZooKeeper 3.9's wherever what they
 * count exists here; those it has no name for are called as this program calls them. docs/compatibility.md lists
 * what is left out. */
#include "election/server/status.h"
#include "election/server/words.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is measured in microseconds is shown in milliseconds. */
#define US 1000
/* Texts put together here, but for the list of members. */
#define STATUS_TEXT_MAX 512

/* Of what happens once, when the server starts. */
static struct summary once(uint64_t value)
{
        return (struct summary){.count = 1, .sum = value, .min = value, .max = value};
}

/* ---- clients ---- */

static void mntr_latency(const struct clients_stats *c, const struct status_visitor *v)
{
        v->real(v->ctx, "avg_latency", c->latency_us.sum, c->latency_us.count, US);
        v->number(v->ctx, "max_latency", (int64_t)(c->latency_us.max / US));
        v->number(v->ctx, "min_latency", (int64_t)(c->latency_us.min / US));
}

static void mntr_latencies(const struct clients_stats *c, const struct status_visitor *v)
{
        v->histogram(v->ctx, "readlatency", &c->read_us, US);
        v->histogram(v->ctx, "updatelatency", &c->update_us, US);
}

static void mntr_packets(const struct server *s, const struct clients_stats *c, const struct status_visitor *v)
{
        v->number(v->ctx, "packets_received", (int64_t)c->received);
        v->number(v->ctx, "packets_sent", (int64_t)c->sent);
        v->number(v->ctx, "bytes_received_count", (int64_t)c->received_bytes);
        v->number(v->ctx, "response_bytes", (int64_t)c->sent_bytes);
        v->number(v->ctx, "outstanding_requests", (int64_t)c->outstanding);
        v->number(v->ctx, "last_client_response_size", c->reply_size_last);
        v->number(v->ctx, "max_client_response_size", c->reply_size_max);
        v->number(v->ctx, "min_client_response_size", c->reply_size_min);
        v->number(v->ctx, "queued_client_bytes", (int64_t)s->facts.queued_client_bytes);
}

static void mntr_connections(const struct clients_stats *c, const struct status_visitor *v)
{
        v->number(v->ctx, "num_alive_connections", (int64_t)c->connections);
        v->real(v->ctx, "connection_drop_probability", 0, 1, 1);
        v->number(v->ctx, "connection_request_count", (int64_t)c->connects);
        v->number(v->ctx, "connection_revalidate_count", (int64_t)c->resumes);
        v->number(v->ctx, "connection_drop_count", (int64_t)c->left);
        v->number(v->ctx, "connection_rejected", (int64_t)c->rejected);
        v->number(v->ctx, "cnxn_closed_without_zk_server_running", (int64_t)c->not_serving);
        v->number(v->ctx, "sessionless_connections_expired", (int64_t)c->sessionless_expired);
        v->number(v->ctx, "large_requests_rejected", (int64_t)c->dropped_input);
        v->number(v->ctx, "auth_failed_count", (int64_t)c->auth_failed);
        v->number(v->ctx, "outstanding_tls_handshake", 0); /* clients can't speak TLS to this server yet */
        v->number(v->ctx, "non_mtls_remote_conn_count", 0);
        v->number(v->ctx, "non_mtls_local_conn_count", 0);
        v->number(v->ctx, "slow_clients_dropped", (int64_t)c->dropped_slow);
        v->number(v->ctx, "idle_clients_dropped", (int64_t)c->dropped_idle);
        v->number(v->ctx, "watching_clients_dropped", (int64_t)c->dropped_watches);
        v->number(v->ctx, "bad_input_client", (int64_t)c->bad_input);
}

static void mntr_watches(const struct clients_stats *c, const struct status_visitor *v)
{
        v->number(v->ctx, "watch_count", (int64_t)c->watches);
        v->number(v->ctx, "watch_bytes", (int64_t)c->watch_bytes);
}

static void mntr_watches_told(const struct server *s, const struct status_visitor *v)
{
        static const struct {
                enum watch_event type;
                const char *name;
        } told[] = {
                {EVENT_NODE_CREATED, "node_created_watch_count"},
                {EVENT_NODE_DELETED, "node_deleted_watch_count"},
                {EVENT_NODE_DATA_CHANGED, "node_changed_watch_count"},
                {EVENT_NODE_CHILDREN_CHANGED, "node_children_watch_count"},
        };
        for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
                struct watches_told t;
                watches_told(clients_watches(s->clients), told[i].type, &t);
                v->summary(v->ctx, told[i].name,
                           &(struct summary){.count = t.triggers, .sum = t.watchers, .min = t.fewest, .max = t.most},
                           1);
        }
}

/* ---- data ---- */

static void mntr_data(const struct server *s, const struct status_visitor *v)
{
        const struct tree *t = database_tree(s->db);
        const struct server_figures *f = &s->figures;
        v->number(v->ctx, "znode_count", (int64_t)tree_count(t));
        v->number(v->ctx, "ephemerals_count", (int64_t)tree_ephemeral_count(t));
        v->number(v->ctx, "approximate_data_size", (int64_t)tree_data_size(t));
        v->number(v->ctx, "global_sessions", (int64_t)session_table_count(database_sessions(s->db)));
        /* But in read-only mode every session is known to the whole ensemble. */
        v->number(v->ctx, "local_sessions", server__read_only(s) ? (int64_t)session_clock_count(s->local) : 0);
        v->number(v->ctx, "stale_sessions_expired", (int64_t)f->sessions_expired);
        v->number(v->ctx, "digest_mismatches_count", (int64_t)s->digest_mismatches);
        v->number(v->ctx, "outstanding_changes", s->prep ? (int64_t)prep_pending(s->prep) : 0);
        v->number(v->ctx, "open_file_descriptor_count", s->facts.open_files);
        v->number(v->ctx, "max_file_descriptor_count", s->facts.max_files);
}

static void mntr_disk(const struct server *s, const struct zab_stats *z, const struct status_visitor *v)
{
        const struct server_figures *f = &s->figures;
        const struct summary recovery = once(s->facts.recovery_ms), replayed = once(s->facts.recovered_txns);
        v->number(v->ctx, "snapshots_written", (int64_t)f->snapshots);
        v->number(v->ctx, "snapshot_error_count", (int64_t)f->snapshot_errors);
        v->number(v->ctx, "sync_processor_request_queued", (int64_t)z->logged);
        v->summary(v->ctx, "fsynctime", &f->fsync_us, US);
        v->summary(v->ctx, "sync_processor_batch_size", &f->batch, 1);
        v->summary(v->ctx, "sync_processor_queue_size", &z->log_queue, 1);
        v->histogram(v->ctx, "sync_processor_queue_and_flush_time_ms", &z->log_ms, 1);
        v->summary(v->ctx, "snapshottime", &f->snapshot, 1);
        v->summary(v->ctx, "dbinittime", &recovery, 1);
        v->summary(v->ctx, "startup_txns_loaded", &replayed, 1);
}

/* ---- the ensemble ---- */

static void mntr_roles(const struct server *s, const struct status_visitor *v)
{
        const struct server_figures *f = &s->figures;
        v->number(v->ctx, "looking_count", (int64_t)f->looks);
        v->summary(v->ctx, "election_time", &f->election, 1);
        v->summary(v->ctx, "unavailable_time", &f->unavailable, 1);
        v->summary(v->ctx, "leader_unavailable_time", &f->leader_unavailable, 1);
        v->summary(v->ctx, "follower_sync_time", &f->follower_sync, 1);
        v->summary(v->ctx, "observer_sync_time", &f->observer_sync, 1);
        v->number(v->ctx, "bad_input_election", (int64_t)vote_bad_input_count(s->vote));
}

static void mntr_broadcast(const struct server *s, const struct zab_stats *z, const struct status_visitor *v)
{
        const struct server_figures *f = &s->figures;
        v->number(v->ctx, "proposal_count", (int64_t)z->proposals);
        v->number(v->ctx, "commit_count", (int64_t)z->commits);
        v->number(v->ctx, "prep_processor_request_queued", (int64_t)f->prepared);
        v->number(v->ctx, "learner_proposal_received_count", (int64_t)z->learner_proposals);
        v->number(v->ctx, "learner_commit_received_count", (int64_t)z->learner_commits);
        v->number(v->ctx, "revalidate_count", (int64_t)f->revalidations);
        v->number(v->ctx, "diff_count", (int64_t)(z->sync_diff + z->sync_trunc));
        v->number(v->ctx, "snap_count", (int64_t)z->sync_snap);
        v->number(v->ctx, "bad_input_quorum", (int64_t)z->bad_input);
        v->summary(v->ctx, "inflight_diff_count", &z->inflight_diff, 1);
        v->summary(v->ctx, "inflight_snap_count", &z->inflight_snap, 1);
        v->histogram(v->ctx, "quorum_ack_latency", &z->quorum_ms, 1);
        v->histogram(v->ctx, "propagation_latency", &f->propagation, 1);
        v->histogram(v->ctx, "commit_propagation_latency", &f->commit_propagation, 1);
        v->histogram(v->ctx, "proposal_latency", &f->proposal, 1);
}

static void mntr_leader(const struct server *s, const struct moment *now, const struct zab_stats *z,
                        const struct status_visitor *v)
{
        v->number(v->ctx, "learners", (int64_t)z->learners);
        v->number(v->ctx, "synced_followers", (int64_t)z->synced_followers);
        v->number(v->ctx, "synced_observers", (int64_t)z->synced_observers);
        v->number(v->ctx, "synced_non_voting_followers", (int64_t)z->synced_non_voting);
        v->number(v->ctx, "pending_syncs", (int64_t)z->pending_syncs);
        v->number(v->ctx, "leader_uptime", (int64_t)(now->mono_ms - s->serving_since_ms));
        v->number(v->ctx, "last_proposal_size", z->proposal_size_last);
        v->number(v->ctx, "max_proposal_size", z->proposal_size_max);
        v->number(v->ctx, "min_proposal_size", z->proposal_size_min);
        v->number(v->ctx, "sync_diff_count", (int64_t)z->sync_diff);
        v->number(v->ctx, "sync_trunc_count", (int64_t)z->sync_trunc);
        v->number(v->ctx, "sync_snap_count", (int64_t)z->sync_snap);
}

/* A lone server is no leader to ZooKeeper. */
static void mntr_quorum(const struct server *s, const struct moment *now, const struct zab_stats *z,
                        const struct status_visitor *v)
{
        v->number(v->ctx, "quorum_size", (int64_t)ensemble_voters(&s->config.ensemble));
        if (zab_role(s->zab) == ZAB_LEADING)
                mntr_leader(s, now, z, v);
        if (zab_role(s->zab) == ZAB_OBSERVING)
                v->number(v->ctx, "observer_master_id", zab_leader(s->zab));
}

static void put_names(const struct server *s, bool lone, const struct status_visitor *v)
{
        char text[STATUS_TEXT_MAX];
        (void)snprintf(text, sizeof text, "%s, built on %s", s->config.version, s->config.built_on);
        v->text(v->ctx, "version", text);
        v->text(v->ctx, "server_state", words__mode(s));
        if (lone)
                return;
        (void)snprintf(text, sizeof text, "%s - %s", zab_role_name(zab_role(s->zab)),
                       zab_phase_name(zab_phase(s->zab)));
        v->text(v->ctx, "peer_state", text);
}

/* What there is at this moment comes first, as from ZooKeeper: there are readers that take the first 4095 bytes of mntr
 * (collectd's plugin). */
void server_monitor(const struct server *s, const struct moment *now, const struct status_visitor *v)
{
        /* In read-only mode ZooKeeper's says nothing of an ensemble either. */
        const bool lone = strcmp(words__mode(s), "standalone") == 0 || server__read_only(s);
        struct clients_stats c;
        struct zab_stats z;
        clients_stats(s->clients, &c);
        zab_stats(s->zab, &z);
        put_names(s, lone, v);
        v->number(v->ctx, "uptime", (int64_t)(now->mono_ms - s->started_ms));
        mntr_latency(&c, v);
        mntr_packets(s, &c, v);
        mntr_watches(&c, v);
        mntr_data(s, v);
        if (!lone)
                mntr_quorum(s, now, &z, v);
        mntr_connections(&c, v);
        mntr_latencies(&c, v);
        mntr_watches_told(s, v);
        mntr_disk(s, &z, v);
        mntr_roles(s, v);
        mntr_broadcast(s, &z, v);
        server__quota_figures(s, v);
}

/* ---- settings ---- */

static void put_dir(const struct server *s, const char *name, const struct status_visitor *v)
{
        char text[STATUS_TEXT_MAX];
        (void)snprintf(text, sizeof text, "%s/version-2", s->config.data_dir);
        v->text(v->ctx, name, text);
}

static void put_membership(const struct server *s, const struct status_visitor *v)
{
        size_t len = ensemble_text(&s->config.ensemble, NULL, 0);
        char *text = mem_alloc(len + 1);
        (void)ensemble_text(&s->config.ensemble, text, len + 1);
        v->text(v->ctx, "membership", text);
        mem_free(text);
}

static void put_quorum_settings(const struct server *s, const struct status_visitor *v)
{
        const struct server_config *f = &s->config;
        const struct member *me = ensemble_find(&f->ensemble, f->sid);
        v->number(v->ctx, "initLimit", f->init_limit);
        v->number(v->ctx, "syncLimit", f->sync_limit);
        v->number(v->ctx, "electionAlg", 3);
        v->number(v->ctx, "electionPort", me ? me->election_port : 0);
        v->number(v->ctx, "quorumPort", me ? me->quorum_port : 0);
        v->number(v->ctx, "peerType", me && me->observer ? 1 : 0);
        if (!server__read_only(s)) /* as there */
                put_membership(s, v);
}

void server_settings(const struct server *s, const struct status_visitor *v)
{
        const struct server_config *f = &s->config;
        const struct member *me = ensemble_find(&f->ensemble, f->sid);
        v->number(v->ctx, "clientPort", f->client_port || !me ? f->client_port : me->client_port);
        v->number(v->ctx, "secureClientPort", -1);
        put_dir(s, "dataDir", v);
        v->number(v->ctx, "dataDirSize", s->facts.data_dir_size);
        put_dir(s, "dataLogDir", v);
        v->number(v->ctx, "dataLogSize", s->facts.log_dir_size);
        v->number(v->ctx, "tickTime", f->tick_ms);
        v->number(v->ctx, "maxClientCnxns", f->max_client_cnxns);
        v->number(v->ctx, "minSessionTimeout", f->min_session_timeout_ms);
        v->number(v->ctx, "maxSessionTimeout", f->max_session_timeout_ms);
        v->number(v->ctx, "clientPortListenBacklog", f->listen_backlog);
        v->number(v->ctx, "serverId", f->sid);
        if (strcmp(words__mode(s), "standalone") != 0)
                put_quorum_settings(s, v);
}

/* ---- the rest ---- */

void server_standing(const struct server *s, struct server_standing *ret)
{
        *ret = (struct server_standing){
                .mode = words__mode(s),
                .role = zab_role_name(zab_role(s->zab)),
                .phase = zab_phase_name(zab_phase(s->zab)),
                .serving = s->serving,
                .halted = s->state == SERVER_HALTED,
                .sid = s->config.sid,
                .leader_sid = zab_leader(s->zab),
                .zxid = database_zxid(s->db),
                .last_logged = zab_last_logged(s->zab),
                .last_committed = zab_last_committed(s->zab),
                .current_epoch = zab_current_epoch(s->zab),
                .accepted_epoch = zab_accepted_epoch(s->zab),
                .tree_digest = tree_digest(database_tree(s->db)),
                .started_ms = s->started_ms,
        };
}

void server_learners(const struct server *s, void (*fn)(void *ctx, const struct zab_learner_info *info), void *ctx)
{
        zab_learners(s->zab, fn, ctx);
}

void server_connections(const struct server *s, conn_id after, bool (*fn)(void *ctx, const struct client_info *info),
                        void *ctx)
{
        clients_each(s->clients, after, fn, ctx);
}
