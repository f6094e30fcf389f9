/* mntr: what monitoring reads, one key a line. */
#include "election/server/words.h"

#include <inttypes.h>

static void mntr_clients(const struct server *s, struct jute_writer *w)
{
        struct clients_stats c;
        clients_stats(s->clients, &c);
        words__put(w, "zk_avg_latency\t");
        words__average(w, c.latency_sum_us, c.latency_count, 1000);
        words__put(w, "\n");
        words__key(w, "max_latency", (int64_t)(c.latency_max_us / 1000));
        words__key(w, "min_latency", (int64_t)(c.latency_min_us / 1000));
        words__key(w, "packets_received", (int64_t)c.received);
        words__key(w, "packets_sent", (int64_t)c.sent);
        words__key(w, "num_alive_connections", (int64_t)c.connections);
        words__key(w, "outstanding_requests", (int64_t)c.outstanding);
        words__key(w, "watch_count", (int64_t)c.watches);
        words__key(w, "last_client_response_size", c.reply_size_last);
        words__key(w, "max_client_response_size", c.reply_size_max);
        words__key(w, "min_client_response_size", c.reply_size_min);
        words__put(w, "zk_connection_drop_probability\t0.0\n");
        words__key(w, "bytes_received_count", (int64_t)c.received_bytes);
        words__key(w, "response_bytes", (int64_t)c.sent_bytes);
        words__key(w, "connection_request_count", (int64_t)c.connects);
        words__key(w, "connection_revalidate_count", (int64_t)c.resumes);
        words__key(w, "connection_drop_count", (int64_t)c.closed);
        words__key(w, "connection_rejected", (int64_t)c.rejected);
        words__key(w, "cnxn_closed_without_zk_server_running", (int64_t)c.not_serving);
        words__key(w, "sessionless_connections_expired", (int64_t)c.sessionless_expired);
        words__key(w, "large_requests_rejected", (int64_t)c.dropped_input);
        words__key(w, "auth_failed_count", 0);
        words__key(w, "outstanding_tls_handshake", 0);
        words__key(w, "slow_clients_dropped", (int64_t)c.dropped_slow);
        words__key(w, "idle_clients_dropped", (int64_t)c.dropped_idle);
        words__key(w, "watching_clients_dropped", (int64_t)c.dropped_watches);
        words__key(w, "queued_client_bytes", (int64_t)s->facts.queued_client_bytes);
        words__key(w, "bad_input_client", (int64_t)c.bad_input);
}

static void mntr_data(const struct server *s, struct jute_writer *w)
{
        const struct tree *t = database_tree(s->db);
        words__key(w, "znode_count", (int64_t)tree_count(t));
        words__key(w, "ephemerals_count", (int64_t)tree_ephemeral_count(t));
        words__key(w, "approximate_data_size", (int64_t)tree_data_size(t));
        words__key(w, "global_sessions", (int64_t)session_table_count(database_sessions(s->db)));
        words__key(w, "local_sessions", 0);
        words__key(w, "open_file_descriptor_count", s->facts.open_files);
        words__key(w, "max_file_descriptor_count", s->facts.max_files);
        words__key(w, "snap_count", (int64_t)s->snapshots);
        words__key(w, "digest_mismatches_count", (int64_t)s->digest_mismatches);
        words__key(w, "outstanding_changes", s->prep ? (int64_t)prep_pending(s->prep) : 0);
}

static void mntr_leader(const struct server *s, const struct zab_stats *z, struct jute_writer *w)
{
        words__key(w, "learners", (int64_t)z->learners);
        words__key(w, "synced_followers", (int64_t)z->synced_followers);
        words__key(w, "synced_observers", (int64_t)z->synced_observers);
        words__key(w, "synced_non_voting_followers", 0);
        words__key(w, "pending_syncs", (int64_t)z->pending_syncs);
        words__key(w, "leader_uptime", (int64_t)(s->event->now.mono_ms - s->serving_since_ms));
        words__key(w, "last_proposal_size", z->proposal_size_last);
        words__key(w, "max_proposal_size", z->proposal_size_max);
        words__key(w, "min_proposal_size", z->proposal_size_min);
        words__key(w, "sync_diff_count", (int64_t)z->sync_diff);
        words__key(w, "sync_trunc_count", (int64_t)z->sync_trunc);
        words__key(w, "sync_snap_count", (int64_t)z->sync_snap);
}

void words__mntr(struct server *s, struct jute_writer *w)
{
        struct zab_stats z;
        zab_stats(s->zab, &z);
        words__put(w, "zk_version\t%s, built on %s\nzk_server_state\t%s\n", s->config.version, s->config.built_on,
                   words__mode(s));
        words__put(w, "zk_peer_state\t%s - %s\n", zab_role_name(zab_role(s->zab)), zab_phase_name(zab_phase(s->zab)));
        words__key(w, "uptime", (int64_t)(s->event->now.mono_ms - s->started_ms));
        mntr_clients(s, w);
        mntr_data(s, w);
        words__key(w, "quorum_size", (int64_t)ensemble_voters(&s->config.ensemble));
        words__key(w, "proposal_count", (int64_t)z.proposals);
        words__key(w, "commit_count", (int64_t)z.commits);
        words__key(w, "bad_input_election", (int64_t)vote_bad_input_count(s->vote));
        words__key(w, "bad_input_quorum", (int64_t)z.bad_input);
        words__key(w, "looking_count", (int64_t)s->looks);
        if (zab_role(s->zab) == ZAB_LEADING)
                mntr_leader(s, &z, w);
        else
                words__key(w, "synced_observers", 0);
        if (zab_role(s->zab) == ZAB_OBSERVING)
                words__key(w, "observer_master_id", zab_leader(s->zab));
        server__mntr_quota(s, w);
}
