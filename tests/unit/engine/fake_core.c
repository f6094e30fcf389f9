/* See fake_core.h. */
#include "tests/unit/engine/fake_core.h"

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

void server_set_facts(struct server *s, const struct server_facts *facts)
{
        s->facts = *facts;
        s->facts_set++;
}
