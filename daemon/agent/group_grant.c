/* Taking, renewing and releasing: the holder's half of the lease (docs/failover.md, safety.md 2.2).
 *
 * What was answered counts, nothing else. When the outcome of a write is unknown, what stands in the ensemble is read
 * again: `active` owned by this session is this node's grant, however it came about. Its deadline is unknown then,
 * until a renewal of it is confirmed. */
#include "daemon/agent/group_internal.h"

#include "election/base/plant.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- beginning to stop ---- */

static void stop(struct group *g, uint64_t now_ms, enum revoke_reason why, const char *format, va_list args)
        __attribute__((format(printf, 4, 0)));
static void stop(struct group *g, uint64_t now_ms, enum revoke_reason why, const char *format, va_list args)
{
        struct grant *grant = &g->grant;
        grant->stopping = true;
        grant->why = why;
        grant->stop_ms = now_ms;
        (void)vsnprintf(grant->reason, sizeof grant->reason, format, args);
        value_text_clean(grant->reason);
        group__log(g, why == REVOKE_LOST || why == REVOKE_FAILED ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
                   why == REVOKE_LOST ? GROUP_EVENT_LOST : GROUP_EVENT_STOPPING, "stopping: %s", grant->reason);
}

static void rest(struct group *g, uint64_t now_ms)
{
        uint64_t ms = g->settings.backoff_ms;
        if (g->grant.active_ms && now_ms - g->grant.active_ms >= GROUP_PROVEN_MS)
                g->failures = 0;
        for (uint32_t i = 0; i < g->failures && ms < GROUP_BACKOFF_MAX_MS; i++)
                ms *= 2;
        if (ms > GROUP_BACKOFF_MAX_MS)
                ms = GROUP_BACKOFF_MAX_MS;
        g->failures++;
        g->rest_until_ms = now_ms + ms;
        (void)snprintf(g->failure, sizeof g->failure, "%s", g->grant.reason);
        group__log(g, LOG_LEVEL_WARNING, GROUP_EVENT_FAILED, "given up here for %" PRIu64 " ms: %s", ms, g->failure);
}

void group__give_up(struct group *g, uint64_t now_ms, enum revoke_reason why, const char *format, ...)
{
        va_list args;
        if (!g->grant.held || g->grant.stopping)
                return; /* stopping already; the first reason stays */
        va_start(args, format);
        stop(g, now_ms, why, format, args);
        va_end(args);
        if (why == REVOKE_FAILED)
                rest(g, now_ms);
}

void group__lose(struct group *g, uint64_t now_ms, const char *format, ...)
{
        va_list args;
        if (!g->grant.held || g->grant.lost)
                return;
        g->grant.lost = true;
        if (g->grant.stopping)
                return;
        va_start(args, format);
        stop(g, now_ms, REVOKE_LOST, format, args);
        va_end(args);
}

/* ---- renewing ---- */

static void on_renewed(struct group *g, struct group_call *call, const struct client_result *r)
{
        struct grant *grant = &g->grant;
        uint64_t now_ms = group__now(g);
        if (!grant->held || (uint64_t)grant->token != call->serial)
                return;
        grant->renewing = false;
        if (r->outcome != CLIENT_ANSWERED || r->error != ZK_OK) {
                /* Nothing is known, or it was refused: what stands there now decides. */
                group__read_want(g);
                if (r->outcome == CLIENT_ANSWERED && r->error != ZK_NO_NODE && r->error != ZK_BAD_VERSION)
                        group__trouble(g, "a renewal", r->error);
                return;
        }
        if (r->op_count != 2 || !r->ops[1].has_stat || r->ops[1].stat.czxid != grant->token) {
                group__lose(g, now_ms, "another grant has taken its place");
                group__read_want(g);
                return;
        }
        uint64_t counted_ms = PLANTED(M13_LEASE_FROM_REPLY) ? now_ms : r->sent_ms;
        uint64_t deadline_ms =
                counted_ms + lease_holder_ms(grant->lease_ms, PLANTED(M13_WHOLE_LEASE) ? 0 : grant->rate_ppm);
        grant->renewed++;
        g->troubles = 0;
        /* A deadline that has passed is not moved: the workers have begun to stop. */
        if (grant->deadline_ms && grant->deadline_ms <= now_ms)
                return;
        if (grant->deadline_ms < deadline_ms)
                grant->deadline_ms = deadline_ms;
}

static void renew(struct group *g, uint64_t now_ms)
{
        struct grant *grant = &g->grant;
        char *json = active_value_write(g->node.text, grant->renewed + 1);
        const struct client_op ops[] = {
                {.type = OP_CHECK, .path = g->holder_path, .version = grant->holder_version},
                {.type = OP_SET_DATA, .path = g->active_path, .data = jute_cstr(json), .version = -1},
        };
        struct client_call call = group__call(g, on_renewed, NULL, (uint64_t)grant->token, "");
        grant->renewing = group__asked(g, &call, client_multi(g->host->client(g->ctx), ops, 2, &call)) == 0;
        grant->renew_ms = now_ms + grant->lease_ms / 6;
        if (PLANTED(M14_RENEWED_WHEN_SENT) && grant->renewing && grant->deadline_ms)
                grant->deadline_ms = now_ms + lease_holder_ms(grant->lease_ms, grant->rate_ppm);
        free(json);
}

/* An orderly stop is renewed while it goes on, so that the order of the workers is kept; not for ever. */
static uint64_t stop_end_ms(const struct group *g)
{
        return g->grant.stop_ms + (uint64_t)g->grant.budget_ms * g->worker_count + GROUP_WORKER_AWAY_MS;
}

static void renew_due(struct group *g, uint64_t now_ms)
{
        struct grant *grant = &g->grant;
        if (grant->deadline_ms && now_ms >= grant->deadline_ms)
                group__lose(g, now_ms, "the lease has run out: no renewal was confirmed in time");
        if (grant->stopping && !grant->lost && now_ms >= stop_end_ms(g))
                grant->lost = true; /* whatever still runs is to stop at the deadline; then the others may take it */
        if (grant->lost || (grant->stopping && group__workers_stopped(g)))
                return;
        if (grant->deadline_ms)
                group__wake(g, grant->deadline_ms);
        if (grant->stopping)
                group__wake(g, stop_end_ms(g));
        if (grant->renewing || g->releasing || !g->connected)
                return;
        /* A rest after a refusal does not hold a renewal back: a lease has no time for it. */
        if (now_ms >= grant->renew_ms)
                renew(g, now_ms);
        group__wake(g, grant->renew_ms);
}

/* ---- taking ---- */

static struct holder_value own_holder(const struct group *g, const struct grant *grant, enum holder_state state)
{
        struct holder_value v = {.node = g->node,
                                 .state = state,
                                 .lease_ms = grant->lease_ms,
                                 .budget_ms = grant->budget_ms,
                                 .rate_ppm = grant->rate_ppm,
                                 .token = grant->token};
        (void)snprintf(v.instance, sizeof v.instance, "%s", g->instance);
        (void)snprintf(v.boot_id, sizeof v.boot_id, "%s", g->boot_id);
        (void)snprintf(v.reason, sizeof v.reason, "%s", grant->reason);
        return v;
}

static void begin(struct group *g, const struct grant *grant, int64_t token, int32_t holder_version)
{
        g->grant = *grant;
        g->grant.held = true;
        g->grant.token = token;
        g->grant.holder_version = holder_version;
}

static void on_taken(struct group *g, struct group_call *call, const struct client_result *r)
{
        uint64_t now_ms = group__now(g);
        (void)call;
        g->taking = false;
        group__read_want(g);
        if (r->outcome != CLIENT_ANSWERED)
                return;
        if (r->error != ZK_OK) {
                if (r->error == ZK_NO_NODE)
                        g->field.list_wanted = true;
                else if (r->error != ZK_BAD_VERSION && r->error != ZK_NODE_EXISTS)
                        group__trouble(g, "taking the group", r->error);
                return;
        }
        const struct client_op_result *holder = &r->ops[1], *active = &r->ops[r->op_count - 1];
        /* Whatever else it may be, it is not to be guessed: reading finds the grant. What was created without a Stat in
         * the answer (ZooKeeper 3.8.0) is of this transaction, and of version 0. */
        if ((active->has_stat && active->stat.czxid != r->zxid) || g->grant.held)
                return;
        begin(g, &g->wanted, r->zxid, holder->has_stat ? holder->stat.version : 0);
        g->grant.deadline_ms = r->sent_ms + lease_holder_ms(g->grant.lease_ms, g->grant.rate_ppm);
        g->grant.renew_ms = r->sent_ms + g->grant.lease_ms / 6;
        group__log(g, LOG_LEVEL_INFO, GROUP_EVENT_TAKEN,
                   "taken, token %" PRId64 ", lease %" PRIu32 " ms, stop budget %" PRIu32 " ms", g->grant.token,
                   g->grant.lease_ms, g->grant.budget_ms);
        if (g->grant.deadline_ms <= now_ms)
                group__lose(g, now_ms, "the answer to taking it came after the lease");
}

static void take(struct group *g)
{
        const struct sight *s = &g->sight;
        struct client *c = g->host->client(g->ctx);
        struct client_op ops[4];
        size_t n = 0;
        g->wanted = (struct grant){
                .lease_ms = (uint32_t)client_timeout_ms(c), .budget_ms = group__budget_ms(g), .rate_ppm = g->rate_ppm};
        struct holder_value v = own_holder(g, &g->wanted, HOLDER_ACTIVE);
        char *holder = holder_value_write(&v), *active = active_value_write(g->node.text, 0);
        /* Who was struck from the candidates, or whose whole group was deleted, does not take. */
        ops[n++] = (struct client_op){.type = OP_CHECK, .path = g->own_path, .version = -1};
        if (s->has_holder)
                ops[n++] = (struct client_op){.type = OP_SET_DATA,
                                              .path = g->holder_path,
                                              .data = jute_cstr(holder),
                                              .version = s->holder_version};
        else
                ops[n++] = (struct client_op){.type = OP_CREATE2, .path = g->holder_path, .data = jute_cstr(holder)};
        if (s->has_active)
                ops[n++] = (struct client_op){.type = OP_DELETE,
                                              .path = g->active_path,
                                              .version = PLANTED(TAKE_OVERLOOKS_RENEWAL) ? -1 : s->active_version};
        ops[n++] = (struct client_op){
                .type = OP_CREATE2, .path = g->active_path, .data = jute_cstr(active), .flags = CLIENT_EPHEMERAL};
        struct client_call call = group__call(g, on_taken, NULL, 0, "");
        g->taking = group__asked(g, &call, client_multi(c, ops, n, &call)) == 0;
        free(holder);
        free(active);
}

/* Whether whoever had it has surely stopped; from when on, if not. */
static bool is_free(struct group *g, uint64_t now_ms, uint64_t *ret_when)
{
        const struct sight *s = &g->sight;
        struct group_member m;
        *ret_when = g->rest_end_ms;
        if (now_ms >= g->rest_end_ms)
                return true;
        /* Nothing of an earlier boot of this machine runs. */
        if (group__is_of_earlier_boot(g, s))
                return true;
        /* Nor of another one. A member znode that is older than the grant speaks of a boot before it. While `active` is
         * there it may be renewed: the member may be another machine with a copied machine id. */
        if (s->has_holder && !s->broken && !s->has_active && g->host->member(g->ctx, s->holder.node.text, &m) &&
            strcmp(m.instance, s->holder.instance) == 0 && strcmp(m.boot_id, s->holder.boot_id) != 0 &&
            m.czxid > s->holder_mzxid)
                return true;
        return false;
}

static void take_due(struct group *g, uint64_t now_ms)
{
        uint64_t when_ms;
        if (g->taking || g->releasing || !g->fresh || g->ending || group__is_ours(g, &g->sight))
                return;
        if (!is_free(g, now_ms, &when_ms)) {
                g->free_since_ms = 0;
                group__wake(g, when_ms);
                return;
        }
        if (!g->free_since_ms)
                g->free_since_ms = now_ms;
        if (!group__workers_ready(g) || now_ms < g->rest_until_ms || !group__can_ask(g, now_ms))
                return;
        int rank = group__rank(g);
        if (rank < 0)
                return;
        when_ms = g->free_since_ms + (uint64_t)rank * GROUP_TURN_MS;
        if (now_ms >= when_ms)
                take(g);
        else
                group__wake(g, when_ms);
}

/* ---- what was read decides ---- */

/* `active` is this session's, and nobody here knows of it: an earlier agent took it, or the answer to taking it was
 * lost. */
static void take_up(struct group *g, uint64_t now_ms)
{
        const struct sight *s = &g->sight;
        struct grant found = {.lease_ms = s->holder.lease_ms,
                              .budget_ms = s->holder.budget_ms,
                              .rate_ppm = s->holder.rate_ppm > g->rate_ppm ? s->holder.rate_ppm : g->rate_ppm};
        begin(g, &found, s->token, s->holder_version);
        group__log(g, LOG_LEVEL_INFO, GROUP_EVENT_TAKEN_UP, "taken up, token %" PRId64, s->token);
        if (!group__is_own(g, s) || s->holder_mzxid != s->token)
                group__lose(g, now_ms, "the holder written down is not this grant's");
}

/* The grant against what was read. */
void group__judge(struct group *g, uint64_t now_ms)
{
        const struct sight *s = &g->sight;
        struct grant *grant = &g->grant;
        if (!g->fresh || g->taking || g->releasing)
                return;
        if (!grant->held) {
                if (group__is_ours(g, s))
                        take_up(g, now_ms);
                return;
        }
        if (!group__is_ours(g, s) || s->token != grant->token)
                group__lose(g, now_ms, "%s", s->has_active ? "another node has taken it" : "the grant was deleted");
        else if (!s->has_holder || s->holder_mzxid != grant->token)
                group__lose(g, now_ms, "the holder was changed by another hand");
}

/* ---- releasing ---- */

static void on_released(struct group *g, struct group_call *call, const struct client_result *r)
{
        (void)call;
        g->releasing = false;
        group__read_want(g);
        if (r->outcome == CLIENT_ANSWERED && r->error == ZK_OK)
                group__log(g, LOG_LEVEL_INFO, GROUP_EVENT_RELEASED, "released: %s",
                           g->grant.reason[0] ? g->grant.reason : "nothing of it runs here");
        else if (r->outcome == CLIENT_ANSWERED && r->error != ZK_BAD_VERSION && r->error != ZK_NO_NODE &&
                 r->error != ZK_NODE_EXISTS)
                group__trouble(g, "releasing the group", r->error);
}

static void release(struct group *g)
{
        const struct sight *s = &g->sight;
        struct client *c = g->host->client(g->ctx);
        struct client_op ops[2];
        size_t n = 0;
        struct grant last = g->grant;
        if (!last.held) {
                last = (struct grant){.lease_ms = s->holder.lease_ms,
                                      .budget_ms = s->holder.budget_ms,
                                      .rate_ppm = s->holder.rate_ppm,
                                      .token = s->holder_mzxid};
                (void)snprintf(last.reason, sizeof last.reason, "nothing of it runs on the node that had it");
        }
        struct holder_value v = own_holder(g, &last, HOLDER_RELEASED);
        char *holder = holder_value_write(&v);
        ops[n++] = (struct client_op){.type = s->has_holder ? OP_SET_DATA : OP_CREATE,
                                      .path = g->holder_path,
                                      .data = jute_cstr(holder),
                                      .version = s->has_holder ? s->holder_version : 0};
        if (s->has_active)
                ops[n++] = (struct client_op){.type = OP_DELETE, .path = g->active_path, .version = s->active_version};
        struct client_call call = group__call(g, on_released, NULL, 0, "");
        g->releasing = group__asked(g, &call, client_multi(c, ops, n, &call)) == 0;
        free(holder);
}

/* Whether what stands there is this node's to release: its `active`; or, when that is gone with an earlier session, the
 * holder's record of this boot. An `active` of an earlier session of this node has its end first. */
bool group__to_release(const struct group *g)
{
        const struct sight *s = &g->sight;
        return group__is_ours(g, s) || (group__is_own(g, s) && !s->has_active);
}

static void release_due(struct group *g, uint64_t now_ms)
{
        struct grant *grant = &g->grant;
        if (g->taking || g->releasing || grant->renewing || (grant->held && !grant->stopping) ||
            (!group__workers_stopped(g) && !(PLANTED(RELEASED_UNVERIFIED) && grant->held)) || !g->fresh)
                return;
        if (group__to_release(g)) {
                if (group__can_ask(g, now_ms))
                        release(g);
        } else if (grant->held) {
                *grant = (struct grant){.held = false};
        }
}

/* ---- letting a better one have it ---- */

static void failback_due(struct group *g, uint64_t now_ms)
{
        struct grant *grant = &g->grant;
        const struct group_candidate *better = g->settings.policy == POLICY_PRIORITY ? group__better(g) : NULL;
        if (grant->stopping || !grant->active_ms || !better) {
                grant->better_ms = 0;
                return;
        }
        if (!grant->better_ms)
                grant->better_ms = now_ms;
        if (now_ms >= grant->better_ms + g->settings.failback_ms)
                group__give_up(g, now_ms, REVOKE_SWITCHOVER, "%s has a higher priority", better->who.name.text);
        else
                group__wake(g, grant->better_ms + g->settings.failback_ms);
}

void group__grant_due(struct group *g, uint64_t now_ms)
{
        if (g->grant.held) {
                if (g->ending)
                        group__give_up(g, now_ms, REVOKE_ENDING, "%s stops", g->node.text);
                failback_due(g, now_ms);
                renew_due(g, now_ms);
        }
        release_due(g, now_ms);
        if (!g->grant.held)
                take_due(g, now_ms);
}
