/* Reading `holder` and `active`, and noting when they changed: a taker's half of the lease (docs/failover.md).
 *
 * A round is `exists active, exists holder, get holder, exists active`, sent together. exists sets a watch whether the
 * node is there or not; where a watch stands none is asked for. Any event starts another round. */
#include "daemon/agent/group_internal.h"

#include "election/base/plant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what was seen ---- */

bool group__is_own(const struct group *g, const struct sight *s)
{
        return s->has_holder && !s->broken && s->holder.state == HOLDER_ACTIVE &&
               strcmp(s->holder.instance, g->instance) == 0 && strcmp(s->holder.node.text, g->node.text) == 0 &&
               strcmp(s->holder.boot_id, g->boot_id) == 0;
}

/* The name counts too: machines copied from one image share a machine id, so their instances are equal and their boots
 * differ. A machine that has lost its power renews no session, so that its `active` is gone soon; one that is still
 * there may be such a copy's, alive. */
bool group__is_of_earlier_boot(const struct group *g, const struct sight *s)
{
        return s->has_holder && !s->broken && !s->has_active && s->holder.state == HOLDER_ACTIVE &&
               strcmp(s->holder.instance, g->instance) == 0 && strcmp(s->holder.node.text, g->node.text) == 0 &&
               strcmp(s->holder.boot_id, g->boot_id) != 0;
}

/* Taking and releasing write `holder` and `active` at once: one that does not fit the other was written by another
 * hand. */
static bool is_foreign(const struct sight *s)
{
        return s->has_holder && s->has_active && s->holder_mzxid != s->token;
}

bool group__is_ours(const struct group *g, const struct sight *s)
{
        return s->has_active && g->session && s->owner == g->session;
}

static bool same_active(const struct sight *a, const struct sight *b)
{
        return a->has_active == b->has_active &&
               (!a->has_active || (a->token == b->token && a->active_version == b->active_version));
}

static bool same(const struct sight *a, const struct sight *b)
{
        return same_active(a, b) && a->has_holder == b->has_holder &&
               (!a->has_holder || (a->holder_czxid == b->holder_czxid && a->holder_mzxid == b->holder_mzxid));
}

/* Whether nothing has happened but that `active`, as it was seen last, has vanished: with the end of its session, or by
 * another hand. A watch tells of the first change after it was set, and that was this one; so no renewal lies between
 * that was not seen. Without that (the watch was set anew on another connection) there might have been one. */
static bool only_vanished(const struct group *g, const struct sight *s)
{
        const struct sight *was = &g->sight;
        return g->seen && was->has_active && !s->has_active && was->has_holder && s->has_holder &&
               was->holder_czxid == s->holder_czxid && was->holder_mzxid == s->holder_mzxid &&
               (PLANTED(VANISHED_UNSEEN) || (g->reading.vanished && g->reading.gone_token == was->token &&
                                             g->reading.gone_version == was->active_version));
}

/* How long a grant that was just seen to be alive may last. What is not known is taken as the largest known, and at
 * least as what a grant of this node's own settings would have. */
static uint64_t wait_ms(struct group *g, const struct sight *s)
{
        uint32_t lease = (uint32_t)client_timeout_ms(g->host->client(g->ctx)), budget = group__budget_ms(g);
        uint32_t rate = g->rate_ppm;
        if (lease < g->lease_known_ms)
                lease = g->lease_known_ms;
        if (budget < g->budget_known_ms)
                budget = g->budget_known_ms;
        if (s->has_holder && !s->broken && !is_foreign(s)) {
                lease = s->holder.lease_ms;
                budget = s->holder.budget_ms;
                if (rate < s->holder.rate_ppm && s->holder.rate_ppm < 1000000)
                        rate = s->holder.rate_ppm;
        }
        /* Clocks are read in whole milliseconds, here twice and there once. */
        return lease_taker_ms(lease, PLANTED(M13_BUDGET_IGNORED) ? 0 : budget, rate) + 3;
}

static void tell(struct group *g, const struct sight *s, uint64_t now_ms)
{
        if (s->broken)
                group__log(g, LOG_LEVEL_WARNING, GROUP_EVENT_ODD,
                           "what stands in %s is no holder; it counts as an active one, for %" PRIu64 " ms",
                           g->holder_path, g->rest_end_ms - now_ms);
        else if (is_foreign(s) && g->rest_end_ms > now_ms)
                group__log(g, LOG_LEVEL_WARNING, GROUP_EVENT_ODD,
                           "%s was written by another hand; it counts as an active one, for %" PRIu64 " ms",
                           g->holder_path, g->rest_end_ms - now_ms);
        else if (s->has_holder && s->holder.state == HOLDER_ACTIVE && s->token != g->holder_told && s->has_active &&
                 !group__is_ours(g, s))
                group__log(g, LOG_LEVEL_INFO, GROUP_EVENT_HOLDER, "%s has it, token %" PRId64, s->holder.node.text,
                           s->token);
        if (s->has_active)
                g->holder_told = s->token;
}

/* One and the same instant's `holder` and `active` are known. */
static void take_in(struct group *g, const struct sight *s)
{
        uint64_t now_ms = group__now(g);
        /* Where nothing stands now as before, a whole grant may have come and been removed meanwhile. */
        bool nothing = !s->has_holder && !s->has_active;
        bool changed = !g->seen || !same(&g->sight, s) || (nothing && g->reading.stirred);
        g->reading.stirred = false;
        g->seen = true;
        g->troubles = 0;
        if (!changed)
                return;
        if (s->has_holder) {
                if (g->lease_known_ms < s->holder.lease_ms)
                        g->lease_known_ms = s->holder.lease_ms;
                if (g->budget_known_ms < s->holder.budget_ms)
                        g->budget_known_ms = s->holder.budget_ms;
        }
        bool vanished = only_vanished(g, s);
        if (vanished && PLANTED(M16_DELETION_GRANTS))
                g->rest_end_ms = now_ms;
        g->sight = *s;
        g->dirty = true;
        if (vanished)
                return; /* deleting it shortens no wait, and lengthens none */
        g->change_ms = now_ms;
        g->free_since_ms = 0;
        /* The holder's last confirmed renewal was sent before its effect was seen, hence before now. */
        bool free = s->has_holder && !s->broken &&
                    (s->holder.state == HOLDER_FENCED || (s->holder.state == HOLDER_RELEASED && !is_foreign(s)));
        g->rest_end_ms = free ? now_ms : now_ms + wait_ms(g, s);
        tell(g, s, now_ms);
}

/* ---- a round ---- */

static void read_active(struct sight *s, const struct client_result *r)
{
        s->has_active = r->error == ZK_OK && r->has_stat;
        s->token = s->has_active ? r->stat.czxid : 0;
        s->active_version = s->has_active ? r->stat.version : 0;
        s->owner = s->has_active ? r->stat.ephemeral_owner : 0;
}

/* False: this answer is of no use, the round has failed. */
static bool answered(struct group *g, const struct group_call *call, const struct client_result *r)
{
        if (call->serial != g->reading.round || !g->reading.under_way)
                return false;
        if (r->outcome == CLIENT_ANSWERED && (r->error == ZK_OK || r->error == ZK_NO_NODE))
                return !g->reading.failed;
        if (r->outcome == CLIENT_ANSWERED && !g->reading.failed)
                group__trouble(g, "reading the group", r->error);
        g->reading.failed = true;
        return false;
}

static void on_active_event(struct group *g, struct group_call *call, enum client_event event)
{
        group__read_want(g);
        g->reading.stirred = true;
        if (call->serial != g->reading.watch_round)
                return; /* one of an earlier connection; the newer tells more */
        g->reading.active_watched = false;
        g->reading.vanished = event == CLIENT_EVENT_DELETED && g->reading.watched_token != 0;
        g->reading.gone_token = g->reading.watched_token;
        g->reading.gone_version = g->reading.watched_version;
}

static void on_holder_event(struct group *g, struct group_call *call, enum client_event event)
{
        (void)call;
        (void)event;
        g->reading.holder_watched = false;
        g->reading.stirred = true;
        group__read_want(g);
}

static void on_active_before(struct group *g, struct group_call *call, const struct client_result *r)
{
        struct reading *rd = &g->reading;
        struct sight now = {.has_active = false};
        if (r->watching && r->outcome == CLIENT_ANSWERED) {
                read_active(&now, r);
                rd->active_watched = true;
                rd->watch_round = call->serial;
                rd->watched_token = now.token;
                rd->watched_version = now.active_version;
                rd->vanished = rd->vanished && !now.has_active;
        }
        if (answered(g, call, r))
                read_active(&rd->before, r);
}

static void on_holder_watch(struct group *g, struct group_call *call, const struct client_result *r)
{
        g->reading.holder_watched = g->reading.holder_watched || r->watching;
        (void)answered(g, call, r);
}

static void on_holder(struct group *g, struct group_call *call, const struct client_result *r)
{
        struct sight *s = &g->reading.after;
        if (!answered(g, call, r))
                return;
        s->has_holder = r->error == ZK_OK && r->has_stat;
        if (!s->has_holder)
                return;
        s->holder_version = r->stat.version;
        s->holder_czxid = r->stat.czxid;
        s->holder_mzxid = r->stat.mzxid;
        s->broken = holder_value_read(r->data, &s->holder) < 0;
}

static void on_active_after(struct group *g, struct group_call *call, const struct client_result *r)
{
        struct reading *rd = &g->reading;
        bool good = answered(g, call, r);
        if (call->serial != rd->round || !rd->under_way)
                return;
        rd->under_way = false;
        if (good) {
                read_active(&rd->after, r);
                good = same_active(&rd->before, &rd->after);
        }
        /* A change came between: what was read is not of one instant; or while it was under way: it is old. */
        if (!good || !rd->active_watched || !rd->holder_watched)
                rd->wanted = true;
        if (good) {
                take_in(g, &rd->after);
                g->fresh = !rd->wanted;
        }
}

void group__read_want(struct group *g)
{
        g->reading.wanted = true;
        g->fresh = false;
}

void group__read_due(struct group *g, uint64_t now_ms)
{
        struct reading *rd = &g->reading;
        struct client *c = g->host->client(g->ctx);
        if (!rd->wanted || rd->under_way || !group__can_ask(g, now_ms))
                return;
        rd->wanted = rd->failed = false;
        rd->under_way = true;
        rd->round++;
        rd->before = rd->after = (struct sight){.has_holder = false};

        struct client_call call =
                group__call(g, on_active_before, rd->active_watched ? NULL : on_active_event, rd->round, "");
        int r = group__asked(g, &call, client_exists(c, g->active_path, &call));
        if (r == 0) {
                call = group__call(g, on_holder_watch, rd->holder_watched ? NULL : on_holder_event, rd->round, "");
                r = group__asked(g, &call, client_exists(c, g->holder_path, &call));
        }
        if (r == 0) {
                call = group__call(g, on_holder, NULL, rd->round, "");
                r = group__asked(g, &call, client_get(c, g->holder_path, &call));
        }
        if (r == 0) {
                call = group__call(g, on_active_after, NULL, rd->round, "");
                r = group__asked(g, &call, client_exists(c, g->active_path, &call));
        }
        if (r < 0) {
                rd->under_way = false;
                rd->wanted = true;
        }
}
