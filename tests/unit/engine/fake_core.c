/* See fake_core.h. */
#include "tests/unit/engine/fake_core.h"

#include "election/server/status.h"

#include <assert.h>
#include <stdio.h>

void server_step(struct server *s, const struct event *e, struct effects *fx)
{
        unsigned before = 0;
        for (int i = 0; i < EVENT_MAX; i++)
                before += s->events[i];
        if (before == 0)
                s->first = e->type;
        s->events[e->type]++;
        assert(e->now.mono_ns >= s->last_mono_ns && e->now.mono_ms == e->now.mono_ns / 1000000);
        s->last_mono_ns = e->now.mono_ns;
        if (e->type == EVENT_CONN_ACCEPTED) {
                s->client = e->conn;
                (void)snprintf(s->address, sizeof s->address, "%s", e->accepted.address);
        }
        if (e->type == EVENT_TICK)
                s->tick_ms = e->now.mono_ms;
        if (e->type == EVENT_DISK_DONE || e->type == EVENT_DISK_FAILED)
                s->status = e->status;
        s->step(s, e, fx);
}

uint64_t server_deadline(const struct server *s)
{
        return s->deadline;
}

uint64_t server_tree_bytes(const struct server *s)
{
        if (s->tree_looks)
                ++*s->tree_looks;
        return 0;
}

void server_set_facts(struct server *s, const struct server_facts *facts)
{
        s->facts = *facts;
        s->facts_set++;
}

/* ---- what the status call asks ---- */

void server_monitor(const struct server *s, const struct moment *now, const struct status_visitor *v)
{
        static const struct summary some = {.count = 2, .sum = 3000, .min = 1000, .max = 2000};
        static const struct histogram none;
        (void)now;
        v->text(v->ctx, "server_state", "fake");
        v->number(v->ctx, "facts_set", s->facts_set);
        v->real(v->ctx, "avg_latency", 3, 2, 1);
        v->summary(v->ctx, "fsynctime", &some, 1000);
        v->histogram(v->ctx, "readlatency", &none, 1000);
}

void server_settings(const struct server *s, const struct status_visitor *v)
{
        (void)s;
        v->number(v->ctx, "tickTime", 2000);
}

void server_standing(const struct server *s, struct server_standing *ret)
{
        (void)s;
        *ret = (struct server_standing){.mode = "leader",
                                        .role = "leading",
                                        .phase = "broadcast",
                                        .serving = true,
                                        .leader_sid = 1,
                                        .last_logged = INT64_C(0x500000007)};
}

void server_learners(const struct server *s, void (*fn)(void *ctx, const struct zab_learner_info *info), void *ctx)
{
        (void)s;
        fn(ctx, &(struct zab_learner_info){.sid = 2,
                                           .voter = true,
                                           .state = "active",
                                           .sync = 1,
                                           .acked_zxid = INT64_C(0x500000005),
                                           .sent_zxid = INT64_C(0x500000007)});
}

const char *zab_sync_name(enum zab_sync sync)
{
        return sync == ZAB_SYNC_DIFF ? "DIFF" : "?";
}

void server_connections(const struct server *s, conn_id after, bool (*fn)(void *ctx, const struct client_info *info),
                        void *ctx)
{
        (void)s;
        for (conn_id conn = 2; conn <= 20; conn += 2)
                if (conn > after && !fn(ctx, &(struct client_info){.conn = conn,
                                                                   .address = "10.0.0.1",
                                                                   .session = (int64_t)conn % 4,
                                                                   .last_operation = "NA"}))
                        return;
}

void server_snapshots(const struct server *s, struct server_snapshots *ret)
{
        *ret = s->snapshots;
}

void server_stats_reset(struct server *s)
{
        s->resets++;
}

void server_connections_reset(struct server *s)
{
        s->resets++;
}
