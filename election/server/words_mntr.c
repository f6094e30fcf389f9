/* mntr: what monitoring reads, one key a line. The keys are ZooKeeper 3.9's wherever what they count exists here;
 * those it has no name for are called as this program calls them. docs/compatibility.md lists what is left out. */
#include "election/server/words.h"

#include <inttypes.h>
#include <string.h>

/* What is measured in microseconds is shown in milliseconds. */
#define US 1000

/* ---- summaries ---- */

static void put_summary(struct jute_writer *w, const char *name, const struct summary *s, uint64_t divisor)
{
        words__put(w, "zk_avg_%s\t", name);
        words__average(w, s->sum, s->count, divisor);
        words__put(w,
                   "\nzk_min_%s\t%" PRIu64 "\nzk_max_%s\t%" PRIu64 "\nzk_cnt_%s\t%" PRIu64 "\nzk_sum_%s\t%" PRIu64 "\n",
                   name, s->min / divisor, name, s->max / divisor, name, s->count, name, s->sum / divisor);
}

static void put_histogram(struct jute_writer *w, const char *name, const struct histogram *h, uint64_t divisor)
{
        static const struct {
                const char *name;
                uint32_t per_mille;
        } quantiles[] = {{"p50", 500}, {"p95", 950}, {"p99", 990}, {"p999", 999}};
        put_summary(w, name, &h->summary, divisor);
        for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
                words__put(w, "zk_%s_%s\t%" PRIu64 "\n", quantiles[i].name, name,
                           histogram_quantile(h, quantiles[i].per_mille) / divisor);
}

/* Of what happens once, when the server starts. */
static struct summary once(uint64_t value)
{
        return (struct summary){.count = 1, .sum = value, .min = value, .max = value};
}

/* ---- clients ---- */

static void mntr_latencies(const struct clients_stats *c, struct jute_writer *w)
{
        words__put(w, "zk_avg_latency\t");
        words__average(w, c->latency_us.sum, c->latency_us.count, US);
        words__put(w, "\n");
        words__key(w, "max_latency", (int64_t)(c->latency_us.max / US));
        words__key(w, "min_latency", (int64_t)(c->latency_us.min / US));
        put_histogram(w, "readlatency", &c->read_us, US);
        put_histogram(w, "updatelatency", &c->update_us, US);
}

static void mntr_packets(const struct server *s, const struct clients_stats *c, struct jute_writer *w)
{
        words__key(w, "packets_received", (int64_t)c->received);
        words__key(w, "packets_sent", (int64_t)c->sent);
        words__key(w, "bytes_received_count", (int64_t)c->received_bytes);
        words__key(w, "response_bytes", (int64_t)c->sent_bytes);
        words__key(w, "outstanding_requests", (int64_t)c->outstanding);
        words__key(w, "last_client_response_size", c->reply_size_last);
        words__key(w, "max_client_response_size", c->reply_size_max);
        words__key(w, "min_client_response_size", c->reply_size_min);
        words__key(w, "queued_client_bytes", (int64_t)s->facts.queued_client_bytes);
}

static void mntr_connections(const struct clients_stats *c, struct jute_writer *w)
{
        words__key(w, "num_alive_connections", (int64_t)c->connections);
        words__put(w, "zk_connection_drop_probability\t0.0\n");
        words__key(w, "connection_request_count", (int64_t)c->connects);
        words__key(w, "connection_revalidate_count", (int64_t)c->resumes);
        words__key(w, "connection_drop_count", (int64_t)c->closed);
        words__key(w, "connection_rejected", (int64_t)c->rejected);
        words__key(w, "cnxn_closed_without_zk_server_running", (int64_t)c->not_serving);
        words__key(w, "sessionless_connections_expired", (int64_t)c->sessionless_expired);
        words__key(w, "large_requests_rejected", (int64_t)c->dropped_input);
        words__key(w, "auth_failed_count", (int64_t)c->auth_failed);
        words__key(w, "outstanding_tls_handshake", 0); /* clients can't speak TLS to this server yet */
        words__key(w, "non_mtls_remote_conn_count", 0);
        words__key(w, "non_mtls_local_conn_count", 0);
        words__key(w, "slow_clients_dropped", (int64_t)c->dropped_slow);
        words__key(w, "idle_clients_dropped", (int64_t)c->dropped_idle);
        words__key(w, "watching_clients_dropped", (int64_t)c->dropped_watches);
        words__key(w, "bad_input_client", (int64_t)c->bad_input);
}

static void mntr_watches(const struct server *s, const struct clients_stats *c, struct jute_writer *w)
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
        words__key(w, "watch_count", (int64_t)c->watches);
        words__key(w, "watch_bytes", (int64_t)c->watch_bytes);
        for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
                struct watches_told t;
                watches_told(clients_watches(s->clients), told[i].type, &t);
                put_summary(w, told[i].name,
                            &(struct summary){.count = t.triggers, .sum = t.watchers, .min = t.fewest, .max = t.most},
                            1);
        }
}

/* ---- data ---- */

static void mntr_data(const struct server *s, struct jute_writer *w)
{
        const struct tree *t = database_tree(s->db);
        const struct server_figures *f = &s->figures;
        words__key(w, "znode_count", (int64_t)tree_count(t));
        words__key(w, "ephemerals_count", (int64_t)tree_ephemeral_count(t));
        words__key(w, "approximate_data_size", (int64_t)tree_data_size(t));
        words__key(w, "global_sessions", (int64_t)session_table_count(database_sessions(s->db)));
        words__key(w, "local_sessions", 0); /* every session is known to the whole ensemble */
        words__key(w, "stale_sessions_expired", (int64_t)f->sessions_expired);
        words__key(w, "digest_mismatches_count", (int64_t)s->digest_mismatches);
        words__key(w, "outstanding_changes", s->prep ? (int64_t)prep_pending(s->prep) : 0);
}

static void mntr_disk(const struct server *s, const struct zab_stats *z, struct jute_writer *w)
{
        const struct server_figures *f = &s->figures;
        const struct summary recovery = once(s->facts.recovery_ms), replayed = once(s->facts.recovered_txns);
        words__key(w, "open_file_descriptor_count", s->facts.open_files);
        words__key(w, "max_file_descriptor_count", s->facts.max_files);
        words__key(w, "snapshots_written", (int64_t)f->snapshots);
        words__key(w, "snapshot_error_count", (int64_t)f->snapshot_errors);
        words__key(w, "sync_processor_request_queued", (int64_t)z->logged);
        put_summary(w, "fsynctime", &f->fsync_us, US);
        put_summary(w, "sync_processor_batch_size", &f->batch, 1);
        put_summary(w, "sync_processor_queue_size", &z->log_queue, 1);
        put_histogram(w, "sync_processor_queue_and_flush_time_ms", &z->log_ms, 1);
        put_summary(w, "snapshottime", &f->snapshot, 1);
        put_summary(w, "dbinittime", &recovery, 1);
        put_summary(w, "startup_txns_loaded", &replayed, 1);
}

/* ---- the ensemble ---- */

static void mntr_roles(const struct server *s, struct jute_writer *w)
{
        const struct server_figures *f = &s->figures;
        words__key(w, "looking_count", (int64_t)f->looks);
        put_summary(w, "election_time", &f->election, 1);
        put_summary(w, "unavailable_time", &f->unavailable, 1);
        put_summary(w, "leader_unavailable_time", &f->leader_unavailable, 1);
        put_summary(w, "follower_sync_time", &f->follower_sync, 1);
        put_summary(w, "observer_sync_time", &f->observer_sync, 1);
        words__key(w, "bad_input_election", (int64_t)vote_bad_input_count(s->vote));
}

static void mntr_broadcast(const struct server *s, const struct zab_stats *z, struct jute_writer *w)
{
        const struct server_figures *f = &s->figures;
        words__key(w, "proposal_count", (int64_t)z->proposals);
        words__key(w, "commit_count", (int64_t)z->commits);
        words__key(w, "prep_processor_request_queued", (int64_t)f->prepared);
        words__key(w, "learner_proposal_received_count", (int64_t)z->learner_proposals);
        words__key(w, "learner_commit_received_count", (int64_t)z->learner_commits);
        words__key(w, "revalidate_count", (int64_t)f->revalidations);
        words__key(w, "diff_count", (int64_t)(z->sync_diff + z->sync_trunc));
        words__key(w, "snap_count", (int64_t)z->sync_snap);
        words__key(w, "bad_input_quorum", (int64_t)z->bad_input);
        put_summary(w, "inflight_diff_count", &z->inflight_diff, 1);
        put_summary(w, "inflight_snap_count", &z->inflight_snap, 1);
        put_histogram(w, "quorum_ack_latency", &z->quorum_ms, 1);
        put_histogram(w, "propagation_latency", &f->propagation, 1);
        put_histogram(w, "commit_propagation_latency", &f->commit_propagation, 1);
        put_histogram(w, "proposal_latency", &f->proposal, 1);
}

static void mntr_leader(const struct server *s, const struct zab_stats *z, struct jute_writer *w)
{
        words__key(w, "learners", (int64_t)z->learners);
        words__key(w, "synced_followers", (int64_t)z->synced_followers);
        words__key(w, "synced_observers", (int64_t)z->synced_observers);
        words__key(w, "synced_non_voting_followers", (int64_t)z->synced_non_voting);
        words__key(w, "pending_syncs", (int64_t)z->pending_syncs);
        words__key(w, "leader_uptime", (int64_t)(s->event->now.mono_ms - s->serving_since_ms));
        words__key(w, "last_proposal_size", z->proposal_size_last);
        words__key(w, "max_proposal_size", z->proposal_size_max);
        words__key(w, "min_proposal_size", z->proposal_size_min);
        words__key(w, "sync_diff_count", (int64_t)z->sync_diff);
        words__key(w, "sync_trunc_count", (int64_t)z->sync_trunc);
        words__key(w, "sync_snap_count", (int64_t)z->sync_snap);
}

/* A lone server is no leader to ZooKeeper. */
static void mntr_quorum(const struct server *s, const struct zab_stats *z, struct jute_writer *w)
{
        words__key(w, "quorum_size", (int64_t)ensemble_voters(&s->config.ensemble));
        if (zab_role(s->zab) == ZAB_LEADING)
                mntr_leader(s, z, w);
        if (zab_role(s->zab) == ZAB_OBSERVING)
                words__key(w, "observer_master_id", zab_leader(s->zab));
        server__mntr_quota(s, w);
}

void words__mntr(struct server *s, struct jute_writer *w)
{
        const bool standalone = strcmp(words__mode(s), "standalone") == 0;
        struct clients_stats c;
        struct zab_stats z;
        clients_stats(s->clients, &c);
        zab_stats(s->zab, &z);
        words__put(w, "zk_version\t%s, built on %s\nzk_server_state\t%s\n", s->config.version, s->config.built_on,
                   words__mode(s));
        if (!standalone)
                words__put(w, "zk_peer_state\t%s - %s\n", zab_role_name(zab_role(s->zab)),
                           zab_phase_name(zab_phase(s->zab)));
        words__key(w, "uptime", (int64_t)(s->event->now.mono_ms - s->started_ms));
        mntr_latencies(&c, w);
        mntr_packets(s, &c, w);
        mntr_connections(&c, w);
        mntr_watches(s, &c, w);
        mntr_data(s, w);
        mntr_disk(s, &z, w);
        mntr_roles(s, w);
        mntr_broadcast(s, &z, w);
        if (!standalone)
                mntr_quorum(s, &z, w);
}
