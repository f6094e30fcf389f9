/* Four-letter words: ruok srvr stat mntr conf isro, in ZooKeeper's own layout, since tools parse it
 * (zookeeper/client-protocol.md 10). */
#include "election/server/server_internal.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Longest single piece of text below. */
#define WORD_LINE_MAX 1024

static void put(struct jute_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct jute_writer *w, const char *format, ...)
{
        char line[WORD_LINE_MAX];
        va_list ap;
        va_start(ap, format);
        int len = vsnprintf(line, sizeof line, format, ap);
        va_end(ap);
        if (len > 0)
                jute_put_raw(w, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

static bool word_allowed(const struct server *s, const char word[4])
{
        if (!memcmp(word, "srvr", 4))
                return true;
        for (size_t i = 0; i < s->config.word_count; i++)
                if (!strcmp(s->config.words[i], "*") || !memcmp(s->config.words[i], word, 4))
                        return true;
        return false;
}

static const char *mode(const struct server *s)
{
        if (ensemble_voters(&s->config.ensemble) == 1 && s->config.ensemble.count == 1)
                return "standalone";
        switch (zab_role(s->zab)) {
        case ZAB_LEADING:
                return "leader";
        case ZAB_FOLLOWING:
                return "follower";
        case ZAB_OBSERVING:
                return "observer";
        default:
                return "looking";
        }
}

/* Milliseconds with at most four decimals and at least one, as Java prints a double. */
static void put_average(struct jute_writer *w, const struct clients_stats *c)
{
        double ms = c->latency_count ? (double)c->latency_sum_us / 1000.0 / (double)c->latency_count : 0;
        char text[64];
        int len = snprintf(text, sizeof text, "%.4f", ms);
        while (len > 1 && text[len - 1] == '0' && text[len - 2] != '.')
                len--;
        jute_put_raw(w, text, (size_t)len);
}

static void word_srvr_tail(const struct server *s, struct jute_writer *w)
{
        struct clients_stats c;
        struct zab_stats z;
        clients_stats(s->clients, &c);
        zab_stats(s->zab, &z);
        put(w, "Latency min/avg/max: %" PRIu64 "/", c.latency_min_us / 1000);
        put_average(w, &c);
        put(w, "/%" PRIu64 "\nReceived: %" PRIu64 "\nSent: %" PRIu64 "\nConnections: %zu\nOutstanding: %zu\n",
            c.latency_max_us / 1000, c.received, c.sent, c.connections, c.outstanding);
        put(w, "Zxid: 0x%" PRIx64 "\nMode: %s\nNode count: %zu\n", (uint64_t)database_zxid(s->db), mode(s),
            tree_count(database_tree(s->db)));
        if (zab_role(s->zab) == ZAB_LEADING && strcmp(mode(s), "standalone") != 0)
                put(w, "Proposal sizes last/min/max: %" PRId64 "/%" PRId64 "/%" PRId64 "\n", z.proposal_size_last,
                    z.proposal_size_min, z.proposal_size_max);
}

static void word_version(const struct server *s, struct jute_writer *w)
{
        put(w, "Zookeeper version: %s, built on 2026-01-01 00:00 UTC\n", s->config.version);
}

static void word_srvr(const struct server *s, struct jute_writer *w)
{
        word_version(s, w);
        word_srvr_tail(s, w);
}

static void word_stat(const struct server *s, struct jute_writer *w)
{
        word_version(s, w);
        put(w, "Clients:\n");
        clients_list(s->clients, w);
        put(w, "\n");
        word_srvr_tail(s, w);
}

static void word_conf(const struct server *s, struct jute_writer *w)
{
        const struct server_config *f = &s->config;
        const struct member *me = ensemble_find(&f->ensemble, f->sid);
        put(w, "clientPort=%u\nsecureClientPort=-1\n", me ? me->client_port : 0);
        put(w, "dataDir=%s/version-2\ndataDirSize=%" PRId64 "\n", f->data_dir, s->facts.data_dir_size);
        put(w, "dataLogDir=%s/version-2\ndataLogSize=%" PRId64 "\n", f->data_dir, s->facts.log_dir_size);
        put(w, "tickTime=%" PRIu32 "\nmaxClientCnxns=%" PRIu32 "\n", f->tick_ms, f->max_client_cnxns);
        put(w, "minSessionTimeout=%" PRId32 "\nmaxSessionTimeout=%" PRId32 "\n", f->min_session_timeout_ms,
            f->max_session_timeout_ms);
        put(w, "clientPortListenBacklog=-1\nserverId=%" PRId64 "\n", f->sid);
        put(w, "initLimit=%" PRIu32 "\nsyncLimit=%" PRIu32 "\nelectionAlg=3\n", f->init_limit, f->sync_limit);
        put(w, "electionPort=%u\nquorumPort=%u\npeerType=%d\nmembership: \n", me ? me->election_port : 0,
            me ? me->quorum_port : 0, me && me->observer ? 1 : 0);
        size_t len = ensemble_text(&f->ensemble, NULL, 0);
        char *text = mem_alloc(len + 1);
        (void)ensemble_text(&f->ensemble, text, len + 1);
        jute_put_raw(w, text, len);
        mem_free(text);
}

/* ---- mntr ---- */

static void key(struct jute_writer *w, const char *name, int64_t value)
{
        put(w, "zk_%s\t%" PRId64 "\n", name, value);
}

static void mntr_clients(const struct server *s, struct jute_writer *w)
{
        struct clients_stats c;
        clients_stats(s->clients, &c);
        put(w, "zk_avg_latency\t");
        put_average(w, &c);
        put(w, "\n");
        key(w, "max_latency", (int64_t)(c.latency_max_us / 1000));
        key(w, "min_latency", (int64_t)(c.latency_min_us / 1000));
        key(w, "packets_received", (int64_t)c.received);
        key(w, "packets_sent", (int64_t)c.sent);
        key(w, "num_alive_connections", (int64_t)c.connections);
        key(w, "outstanding_requests", (int64_t)c.outstanding);
        key(w, "watch_count", (int64_t)c.watches);
        key(w, "last_client_response_size", c.reply_size_last);
        key(w, "max_client_response_size", c.reply_size_max);
        key(w, "min_client_response_size", c.reply_size_min);
        put(w, "zk_connection_drop_probability\t0.0\n");
        key(w, "bytes_received_count", (int64_t)c.received_bytes);
        key(w, "response_bytes", (int64_t)c.sent_bytes);
        key(w, "connection_request_count", (int64_t)c.connects);
        key(w, "connection_revalidate_count", (int64_t)c.resumes);
        key(w, "connection_drop_count", (int64_t)c.closed);
        key(w, "connection_rejected", (int64_t)c.rejected);
        key(w, "cnxn_closed_without_zk_server_running", (int64_t)c.not_serving);
        key(w, "sessionless_connections_expired", (int64_t)c.sessionless_expired);
        key(w, "large_requests_rejected", (int64_t)c.dropped_input);
        key(w, "auth_failed_count", 0);
        key(w, "outstanding_tls_handshake", 0);
        key(w, "slow_clients_dropped", (int64_t)c.dropped_slow);
        key(w, "idle_clients_dropped", (int64_t)c.dropped_idle);
        key(w, "watching_clients_dropped", (int64_t)c.dropped_watches);
        key(w, "queued_client_bytes", (int64_t)s->facts.queued_client_bytes);
        key(w, "bad_input_client", (int64_t)c.bad_input);
}

static void mntr_data(const struct server *s, struct jute_writer *w)
{
        const struct tree *t = database_tree(s->db);
        key(w, "znode_count", (int64_t)tree_count(t));
        key(w, "ephemerals_count", (int64_t)tree_ephemeral_count(t));
        key(w, "approximate_data_size", (int64_t)tree_data_size(t));
        key(w, "global_sessions", (int64_t)session_table_count(database_sessions(s->db)));
        key(w, "local_sessions", 0);
        key(w, "open_file_descriptor_count", s->facts.open_files);
        key(w, "max_file_descriptor_count", s->facts.max_files);
        key(w, "snap_count", (int64_t)s->snapshots);
        key(w, "digest_mismatches_count", (int64_t)s->digest_mismatches);
        key(w, "outstanding_changes", s->prep ? (int64_t)prep_pending(s->prep) : 0);
}

static void mntr_leader(const struct server *s, const struct zab_stats *z, struct jute_writer *w)
{
        key(w, "learners", (int64_t)z->learners);
        key(w, "synced_followers", (int64_t)z->synced_followers);
        key(w, "synced_observers", (int64_t)z->synced_observers);
        key(w, "synced_non_voting_followers", 0);
        key(w, "pending_syncs", (int64_t)z->pending_syncs);
        key(w, "leader_uptime", (int64_t)(s->event->now.mono_ms - s->serving_since_ms));
        key(w, "last_proposal_size", z->proposal_size_last);
        key(w, "max_proposal_size", z->proposal_size_max);
        key(w, "min_proposal_size", z->proposal_size_min);
        key(w, "sync_diff_count", (int64_t)z->sync_diff);
        key(w, "sync_trunc_count", (int64_t)z->sync_trunc);
        key(w, "sync_snap_count", (int64_t)z->sync_snap);
}

static void word_mntr(const struct server *s, struct jute_writer *w)
{
        struct zab_stats z;
        zab_stats(s->zab, &z);
        put(w, "zk_version\t%s, built on 2026-01-01 00:00 UTC\nzk_server_state\t%s\n", s->config.version, mode(s));
        put(w, "zk_peer_state\t%s - %s\n", zab_role_name(zab_role(s->zab)), zab_phase_name(zab_phase(s->zab)));
        key(w, "uptime", (int64_t)(s->event->now.mono_ms - s->started_ms));
        mntr_clients(s, w);
        mntr_data(s, w);
        key(w, "quorum_size", (int64_t)ensemble_voters(&s->config.ensemble));
        key(w, "proposal_count", (int64_t)z.proposals);
        key(w, "commit_count", (int64_t)z.commits);
        key(w, "bad_input_election", (int64_t)vote_bad_input_count(s->vote));
        key(w, "bad_input_quorum", (int64_t)z.bad_input);
        key(w, "looking_count", (int64_t)s->looks);
        if (zab_role(s->zab) == ZAB_LEADING)
                mntr_leader(s, &z, w);
        else
                key(w, "synced_observers", 0);
        if (zab_role(s->zab) == ZAB_OBSERVING)
                key(w, "observer_master_id", zab_leader(s->zab));
        server__mntr_quota(s, w);
}

/* Also said of words that are known and not there: whoever allows them can't have them executed. */
static void word_refused(const char word[4], struct jute_writer *w)
{
        static const char telnet[4] = {'\377', '\364', '\377', '\375'};
        const bool close = !memcmp(word, telnet, 4);
        put(w, "%.*s is not executed because it is not in the whitelist.\n", close ? 12 : 4,
            close ? "telnet close" : word);
}

void server__word(void *ctx, const struct event *e, const char word[4], struct jute_writer *w)
{
        static const struct {
                char word[5];
                void (*answer)(const struct server *s, struct jute_writer *w);
        } words[] = {
                {"srvr", word_srvr},
                {"stat", word_stat},
                {"conf", word_conf},
                {"mntr", word_mntr},
        };
        const struct server *s = ctx;
        (void)e;
        if (!word_allowed(s, word)) {
                word_refused(word, w);
                return;
        }
        if (!memcmp(word, "ruok", 4)) {
                put(w, "imok");
                return;
        }
        if (!memcmp(word, "isro", 4)) {
                put(w, "%s", s->serving ? "rw" : "null");
                return;
        }
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
                if (memcmp(word, words[i].word, 4) != 0)
                        continue;
                if (s->serving)
                        words[i].answer(s, w);
                else
                        put(w, "This ZooKeeper instance is not currently serving requests\n");
                return;
        }
        word_refused(word, w);
}
