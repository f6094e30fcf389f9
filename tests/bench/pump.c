#include "tests/bench/pump.h"

#include "tests/bench/fail.h"

#include <assert.h>

#define SECOND_NS 1e9

static uint64_t random_next(struct load *l)
{
        l->random ^= l->random << 13;
        l->random ^= l->random >> 7;
        l->random ^= l->random << 17;
        return l->random;
}

/* ---- which, and when ---- */

static uint64_t due_ns(const struct pump *p, uint64_t n)
{
        return p->begins_ns + (uint64_t)((double)n * SECOND_NS / p->rate);
}

/* Whether there is another one to send now, or, at a rate, later. */
static bool has_next(const struct pump *p, uint64_t now)
{
        if (p->operations)
                return p->issued < p->operations;
        return (p->rate > 0 ? due_ns(p, p->issued) : now) < p->ends_ns;
}

static void issue(struct load *l, struct pump *p, struct conn *c, uint64_t began)
{
        bool other = p->other_percent && random_next(l) % 100 < p->other_percent;
        uint64_t key = p->at_random ? random_next(l) >> 11 : p->issued;
        p->issued++;
        request_put(l, c, other ? p->other : p->op, (uint32_t)(key % p->keys), began);
}

static uint32_t outstanding_of(const struct load *l, const struct pump *p)
{
        return p->outstanding ? p->outstanding : l->o->outstanding;
}

static uint32_t connections_of(const struct load *l, const struct pump *p)
{
        return p->connections ? p->connections : l->o->connections;
}

/* Without a rate: as much as the connection may have under way. */
static void fill(struct load *l, struct pump *p, struct conn *c, uint64_t now)
{
        while (c->count < outstanding_of(l, p) && has_next(p, now))
                issue(l, p, c, now);
}

static struct conn *with_room(struct load *l, struct pump *p)
{
        uint32_t n = connections_of(l, p);
        for (uint32_t i = 0; i < n; i++) {
                struct conn *c = &l->conns[p->next_conn];
                p->next_conn = (p->next_conn + 1) % n;
                if (c->count < outstanding_of(l, p))
                        return c;
        }
        return NULL;
}

/* At a rate: all that is due and finds room. Returns when to come again. */
static uint64_t issue_due(struct load *l, struct pump *p)
{
        uint64_t now = now_ns();
        while (has_next(p, now)) {
                uint64_t due = due_ns(p, p->issued);
                if (due > now)
                        return due;
                struct conn *c = with_room(l, p);
                if (!c)
                        break; /* a reply makes room */
                issue(l, p, c, due);
        }
        return now + (uint64_t)SECOND_NS;
}

/* ---- what comes back ---- */

static void on_reply(struct load *l, struct conn *c, const struct conn_request *what)
{
        struct pump *p = l->context;
        uint64_t now = now_ns();
        p->done++;
        p->last_ns = now;
        if (what->op == DO_CLOSE) {
                load_drop(l, c);
                return;
        }
        if (p->measured && what->began_ns >= p->measures_ns)
                histogram_add(&l->latency, now - what->began_ns);
        if (p->measured && now >= p->measures_ns && !p->over)
                l->measured++;
        if (p->rate == 0)
                fill(l, p, c, now);
}

/* The measured time begins and ends by the clock, whatever is under way then. */
static void look_at_clock(struct load *l, struct pump *p, bool *begun)
{
        uint64_t now = now_ns();
        if (!*begun && now >= p->measures_ns) {
                *begun = true;
                if (p->measured)
                        load_mark(l, &l->from);
        }
        bool over = p->operations ? p->done == p->operations : now >= p->ends_ns;
        if (!p->over && over) {
                p->over = true;
                if (p->measured)
                        load_mark(l, &l->to);
        }
}

static uint64_t next_moment(const struct pump *p, bool begun, uint64_t until)
{
        if (!begun && p->measures_ns < until)
                return p->measures_ns;
        return !p->over && !p->operations && p->ends_ns < until ? p->ends_ns : until;
}

void pump_run(struct load *l, struct pump *p)
{
        assert(p->keys > 0 && connections_of(l, p) <= l->o->connections);
        bool begun = false;
        p->issued = p->done = 0;
        p->next_conn = 0;
        p->over = false;
        p->begins_ns = p->last_ns = now_ns();
        p->measures_ns = p->begins_ns + (uint64_t)(p->operations ? 0 : p->warmup_seconds * SECOND_NS);
        p->ends_ns = p->measures_ns + (uint64_t)(p->seconds * SECOND_NS);
        l->context = p;
        l->on_reply = on_reply;
        look_at_clock(l, p, &begun);
        for (uint32_t i = 0; p->rate == 0 && i < connections_of(l, p); i++)
                fill(l, p, &l->conns[i], p->begins_ns);
        while (!p->over || p->done < p->issued || has_next(p, now_ns())) {
                uint64_t until = p->rate > 0 ? issue_due(l, p) : now_ns() + (uint64_t)SECOND_NS;
                load_turn(l, next_moment(p, begun, until));
                look_at_clock(l, p, &begun);
                if (p->done < p->issued)
                        load_check_progress(l, p->last_ns, "requests");
        }
        l->on_reply = NULL;
        l->context = NULL;
}
