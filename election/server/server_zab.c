/* What zab asks of the server: applying, serving, the leader's requests and sessions, snapshots that go
 * to and come from other servers. */
#include "election/server/server_internal.h"

#include "election/base/plant.h"
#include "election/server/audit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- transactions ---- */

/* The digest says what tree the leader of the transaction's epoch had. A learner with another one shows it to
 * nobody any more and asks for the leader's; a server that leads can only say so. */
static void server_compare(struct server *s, struct effects *fx)
{
        const struct outcome *o = &s->outcome;
        if (o->digest_agrees && !zab_distrusts(s->zab))
                s->resyncs = 0;
        if (!o->digest_mismatch || zab_fuzzy(s->zab))
                return;
        s->digest_mismatches++;
        bool leads = zab_role(s->zab) == ZAB_LEADING;
        if (leads ? s->digest_mismatches > 1 : zab_distrusts(s->zab))
                return;
        effect_report(fx, REPORT_ERROR,
                      "the tree's digest differs from the leader's after transaction 0x%" PRIx64 ": %s",
                      (uint64_t)o->header.zxid,
                      leads ? "compare this server's data with the others'"
                            : "it is served no more, and replaced by a leader's snapshot");
        if (leads)
                return;
        s->unavailable_ms = s->event->now.mono_ms;
        s->serving = false;
        clients_mute(s->clients);
        zab_distrust(s->zab);
}

/* By two clocks, which may differ. */
static void note_propagation(struct server *s, struct histogram *h, int64_t made_ms)
{
        const int64_t ms = s->event->now.wall_ms - made_ms;
        if (s->serving && ms >= 0)
                histogram_add(h, (uint64_t)ms);
}

static void server_applied(struct server *s, struct effects *fx)
{
        const struct outcome *o = &s->outcome;
        note_propagation(s, &s->figures.propagation, o->header.time);
        if (zab_role(s->zab) != ZAB_LEADING)
                note_propagation(s, &s->figures.commit_propagation, o->header.time);
        server_compare(s, fx);
        if (s->prep && s->serving)
                prep_applied(s->prep, o->header.zxid);
        if (o->header.type == OP_CLOSE_SESSION) {
                if (s->clock)
                        session_clock_remove(s->clock, o->header.session_id);
                if (s->touches)
                        session_touches_remove(s->touches, o->header.session_id);
        }
        if (s->config.audit && s->clock && s->serving && o->header.type == OP_CLOSE_SESSION)
                audit_session_end(o, fx);
        if (s->serving)
                clients_applied(s->clients, s->event, o, fx);
        server__snapshot_counted(s, fx);
}

static void host_deliver(void *ctx, const struct store_txn *txn, struct effects *fx)
{
        struct server *s = ctx;
        if (s->failed)
                return;
        if (database_apply(s->db, txn->blob->data + txn->offset, txn->len, &s->outcome) < 0) {
                char why[EFFECT_TEXT_MAX];
                (void)snprintf(why, sizeof why, "transaction 0x%" PRIx64 " can't be read; this server can't go on",
                               (uint64_t)txn->zxid);
                server__fail(s, SERVER_STATUS_DISK, why);
                return;
        }
        server_applied(s, fx);
}

int64_t server__propose(struct server *s, const struct prep_request *r, struct effects *fx)
{
        uint64_t now_ms = s->event->now.mono_ms;
        int64_t zxid = s->prep ? zab_next_zxid(s->zab, now_ms, fx) : 0;
        if (!zxid)
                return 0;
        jute_writer_reset(&s->txn);
        s->figures.prepared++;
        if (s->sweeper)
                sweeper_stamp(s->sweeper, &s->event->now, zxid);
        (void)prep_make(s->prep, now_ms, r, zxid, s->event->now.wall_ms, &s->txn);
        server__quota_excess(s, fx);
        assert(!s->txn.error);
        zab_propose(s->zab, now_ms, s->txn.data, s->txn.len, fx);
        return zxid;
}

static bool host_readable(void *ctx, const uint8_t *payload, size_t len)
{
        struct server *s = ctx;
        struct jute_reader r;
        struct jute_txn_header h;
        jute_reader_init(&r, payload, len, INT32_MAX);
        jute_get_txn_header(&r, &h);
        if (!r.error)
                note_propagation(s, &s->figures.proposal, h.time);
        return database_reads(payload, len);
}

/* ---- roles ---- */

static void clock_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        struct server *s = ctx;
        uint64_t now_ms = PLANTED(M15_OLD_TIMERS_GO_ON) ? s->serving_since_ms : s->event->now.mono_ms;
        session_clock_add(s->clock, now_ms, id, timeout_ms, SESSION_NO_OWNER);
}

static bool has_ttl(const struct tree *tree)
{
        for (size_t i = 0; i < tree_special_count(tree); i++)
                if (sweeper_is_ttl(tree_special(tree, i)))
                        return true;
        return false;
}

/* Without extended types a ZooKeeper takes nodes with a time to live for ephemerals of sessions that aren't there, and
 * deletes them when it begins to lead. Nobody has asked for that: here they stay. */
static void lead_sweeping(struct server *s, struct effects *fx)
{
        const struct server_config *c = &s->config;
        const struct sweeper_config config = {.ttl = c->extended_types,
                                              .check_interval_ms = c->container_check_interval_ms,
                                              .max_per_minute = c->container_max_per_minute,
                                              .max_never_used_ms = c->container_max_never_used_ms};
        prep_allow_ttl(s->prep, c->extended_types);
        if (c->container_check_interval_ms && c->container_max_per_minute)
                s->sweeper = sweeper_new(&config, &s->event->now);
        if (!c->extended_types && has_ttl(database_tree(s->db)))
                effect_report(fx, REPORT_WARNING,
                              "there are nodes with a time to live, and extended_types is off: they stay for good");
}

/* Every session gets its full timeout again: its last touch may have been heard by the leader before. */
static void server_lead(struct server *s, int64_t epoch, struct effects *fx)
{
        database_set_zxid(s->db, (int64_t)((uint64_t)epoch << 32));
        s->clock = session_clock_new(s->config.tick_ms);
        session_table_each(database_sessions(s->db), clock_session, s);
        s->prep = prep_new(s->db, s->clock, server_item_max(&s->config), (size_t)s->config.max_buffer);
        prep_enforce_quota(s->prep, s->config.enforce_quota);
        prep_set_acl_policy(s->prep, &s->config.acl);
        lead_sweeping(s, fx);
}

/* How long it took to be there again. */
static void note_serving(struct server *s)
{
        struct server_figures *f = &s->figures;
        const uint64_t now_ms = s->event->now.mono_ms;
        const enum zab_role role = zab_role(s->zab);
        summary_add(&f->unavailable, now_ms - s->unavailable_ms);
        if (role == ZAB_LEADING)
                summary_add(&f->leader_unavailable, now_ms - s->unavailable_ms);
        else
                summary_add(role == ZAB_OBSERVING ? &f->observer_sync : &f->follower_sync, now_ms - s->sync_ms);
}

static void host_serving(void *ctx, int64_t epoch, struct effects *fx)
{
        struct server *s = ctx;
        if (zab_role(s->zab) == ZAB_LEADING)
                server_lead(s, epoch, fx);
        else
                s->touches = session_touches_new();
        s->serving = true;
        s->serving_since_ms = s->event->now.mono_ms;
        note_serving(s);
        vote_set_epoch(s->vote, epoch);
        clients_serve(s->clients, (int64_t)((uint64_t)epoch << 32));
        effect_role(fx, "%s, epoch %" PRId64, zab_role_name(zab_role(s->zab)), epoch);
}

/* This may come from inside a client's request: what the role owned is cleared away by server__rest() once
 * the step is back at the door. From now on nothing is answered. */
static void host_ended(void *ctx, const char *reason, struct effects *fx)
{
        struct server *s = ctx;
        if (s->serving)
                s->unavailable_ms = s->event->now.mono_ms;
        s->serving = false;
        s->role_over = true;
        clients_mute(s->clients);
        effect_report(fx, REPORT_INFO, "left the ensemble: %s", reason);
}

void server__rest(struct server *s, struct effects *fx)
{
        s->role_over = false;
        s->state = SERVER_RESTING;
        clients_end(s->clients, fx);
        sweeper_free(s->sweeper);
        prep_free(s->prep);
        session_clock_free(s->clock);
        session_touches_free(s->touches);
        s->sweeper = NULL;
        s->prep = NULL;
        s->clock = NULL;
        s->touches = NULL;
}

/* ---- leader ---- */

static void host_request(void *ctx, int64_t from_sid, int64_t session, int32_t cxid, int32_t opcode,
                         struct jute_str body, struct jute_vec authinfo, struct effects *fx)
{
        struct server *s = ctx;
        if (!prep_handles(opcode)) {
                effect_report(fx, REPORT_WARNING,
                              "server %" PRId64 " forwarded a request of unknown type %" PRId32 ", ignored", from_sid,
                              opcode);
                return;
        }
        struct prep_request r = {.session = session,
                                 .cxid = cxid,
                                 .opcode = opcode,
                                 .body = body,
                                 .ids = authinfo,
                                 .from_sid = from_sid};
        (void)server__propose(s, &r, fx); /* a leader about to leave drops it: the learner's clients are disconnected */
}

static void host_synced(void *ctx, struct effects *fx)
{
        struct server *s = ctx;
        clients_sync_done(s->clients, s->event, fx);
}

static bool host_revalidate(void *ctx, int64_t from_sid, int64_t session, int32_t timeout_ms)
{
        struct server *s = ctx;
        s->figures.revalidations++;
        if (PLANTED(REFUSES_LIVING_SESSION) && s->clock &&
            session_clock_check(s->clock, session, from_sid) == SESSION_MOVED)
                return false;
        return s->clock && session_clock_touch(s->clock, s->event->now.mono_ms, session, timeout_ms) &&
               (PLANTED(OWNER_NOT_TAKEN) || session_clock_set_owner(s->clock, session, from_sid));
}

static void host_touch(void *ctx, int64_t session, int32_t timeout_ms)
{
        struct server *s = ctx;
        if (s->clock)
                (void)session_clock_touch(s->clock, s->event->now.mono_ms, session, timeout_ms);
}

/* ZooKeeper learns of it with the next answer to a ping only: up to half a tick later, and never where the
 * learner dies before. What is built on sessions is the safer for each moment the leader knows of. */
static void host_heard(void *ctx, int64_t session)
{
        struct server *s = ctx;
        if (s->clock)
                (void)session_clock_touch_again(s->clock, s->event->now.mono_ms, session);
}

static int host_snapshot_begin(void *ctx, int64_t *ret_zxid)
{
        struct server *s = ctx;
        int r = database_snapshot_begin(s->db);
        if (!r)
                *ret_zxid = database_snapshot_zxid(s->db);
        return r;
}

static int host_snapshot_read(void *ctx, struct jute_writer *w, size_t max_bytes)
{
        struct server *s = ctx;
        return database_snapshot_read(s->db, w, max_bytes);
}

static void host_snapshot_end(void *ctx)
{
        struct server *s = ctx;
        database_snapshot_end(s->db);
}

/* ---- learner ---- */

static void host_revalidated(void *ctx, int64_t session, bool valid, struct effects *fx)
{
        struct server *s = ctx;
        clients_revalidated(s->clients, s->event, session, valid, fx);
}

static void host_touches(void *ctx, struct jute_writer *w)
{
        struct server *s = ctx;
        if (s->touches)
                session_touches_drain(s->touches, w, SERVER_TOUCHES_MAX);
}

static void host_load_begin(void *ctx)
{
        struct server *s = ctx;
        database_loader_free(s->loader);
        s->loader = database_loader_new_hashed(server_item_max(&s->config), tree_hash_seed(database_tree(s->db)));
}

static int host_load_feed(void *ctx, const uint8_t *data, size_t len, size_t *ret_consumed)
{
        struct server *s = ctx;
        return database_loader_feed(s->loader, data, len, ret_consumed);
}

static void host_load_save(void *ctx, int64_t zxid, struct effects *fx)
{
        struct server *s = ctx;
        assert(!s->received);
        s->received = database_loader_take(s->loader, zxid);
        database_loader_free(s->loader);
        s->loader = NULL;
        server__snapshot_received(s, s->received, zxid, fx);
}

static void host_load_adopt(void *ctx, int64_t zxid)
{
        struct server *s = ctx;
        assert(s->received && database_zxid(s->received) == zxid);
        assert(s->job.kind == JOB_NONE || s->job.db != s->db);
        database_free(s->db);
        s->db = s->received;
        s->received = NULL;
        s->doubtful = false;
        s->txns_since_snapshot = 0;
        server__install_config(s, s->db);
}

static void host_load_drop(void *ctx, struct effects *fx)
{
        struct server *s = ctx;
        if (s->job.kind == JOB_RECEIVED)
                server__snapshot_abort(s, fx);
        database_loader_free(s->loader);
        database_free(s->received);
        s->loader = NULL;
        s->received = NULL;
}

static void host_reloaded(void *ctx, struct recovered *r)
{
        struct server *s = ctx;
        assert(s->job.kind == JOB_NONE);
        database_free(s->db);
        s->db = r->db;
        r->db = NULL;
        s->doubtful = r->digest_mismatches > 0;
        server__install_config(s, s->db);
}

static bool host_snapshot_writing(void *ctx, struct effects *fx)
{
        struct server *s = ctx;
        if (s->job.kind == JOB_NONE)
                return false;
        server__snapshot_yield(s, "cutting the log", fx);
        return true;
}

const struct zab_host *server__zab_host(void)
{
        static const struct zab_host host = {
                .deliver = host_deliver,
                .serving = host_serving,
                .ended = host_ended,
                .request = host_request,
                .synced = host_synced,
                .revalidate = host_revalidate,
                .touch = host_touch,
                .heard = host_heard,
                .snapshot_begin = host_snapshot_begin,
                .snapshot_read = host_snapshot_read,
                .snapshot_end = host_snapshot_end,
                .readable = host_readable,
                .sync_reply = host_synced,
                .revalidated = host_revalidated,
                .touches = host_touches,
                .load_begin = host_load_begin,
                .load_feed = host_load_feed,
                .load_save = host_load_save,
                .load_adopt = host_load_adopt,
                .load_drop = host_load_drop,
                .reloaded = host_reloaded,
                .snapshot_writing = host_snapshot_writing,
        };
        return &host;
}
