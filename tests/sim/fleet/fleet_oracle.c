/* The checkers of leases (safety.md 2.1), outside of what they check: they see the resources, the real time and every
 * machine's clock, and know what is promised.
 *
 *   F1  No group occupies two nodes in one and the same millisecond: one that ends in the millisecond in which another
 *       begins counts as overlapping, for their order within it is not known. Not asked of a machine that was held by
 *       its hypervisor, nor of one that has slept over its lease and still has to stop; of these the order of tokens
 * is. F2  An active worker is within its grant by its own clock. The deadline it is told is not later than what the
 * lease gives from now on: the renewal was sent before. F3  Starts have greater tokens than all before. A store that
 * remembers the greatest token takes none that is smaller F4  A start under another grant finds every earlier one over:
 * stopped, run out with its whole stop budget, or switched off. F6  A stop has begun by the deadline, and is over by
 * the end of the budget. F8  A resource runs under the token that its worker holds.
 *
 * F5 (what a grant says of itself does not change) is part of F4: the deadlines are those of the grant. F7 (what is not
 * known counts as active) is how `occupied` is defined. */
#include "tests/sim/fleet/fleet_internal.h"

#include "tests/sim/fleet/fleet_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How late a worker may notice a deadline: a turn, and its clock is read in whole milliseconds. */
#define LATE_MS 3

/* Whether F1 is promised of this machine now. */
static bool is_promised(const struct fleet_node *n)
{
        return !n->vm_paused && fleet_now(n->f) >= n->uncovered_ms;
}

static bool occupies(const struct fleet_node *n, size_t group)
{
        for (size_t k = 0; k < n->f->o.workers; k++) {
                const struct fleet_resource *r = &n->groups[group].workers[k].resource;
                /* Also in the millisecond in which it ended. */
                if (r->occupied ? !r->foreign : r->ended_ms && r->ended_ms == fleet_now(n->f))
                        return true;
        }
        return false;
}

/* A machine that sleeps or is held does nothing, until it goes on. */
static bool does_something(const struct fleet_node *n)
{
        return !fleet__is_dark(n);
}

static void look_for_two(struct fleet *f, size_t group)
{
        int first = 0;
        bool any = false;
        for (int i = 0; i < f->o.nodes; i++) {
                struct fleet_node *n = &f->nodes[i];
                if (!does_something(n) || !occupies(n, group))
                        continue;
                any = true;
                if (!is_promised(n))
                        continue;
                if (first)
                        fleet_break(f, "F1", "group %s runs on node %d and on node %d", fleet__group_name(group), first,
                                    n->number);
                first = n->number;
        }
        f->down_ms[group] += !any;
}

/* ---- a store ---- */

/* Every running resource writes once a millisecond to a store that remembers the greatest token it has seen. */
static void write_to_store(struct fleet_worker *w)
{
        struct fleet *f = w->node->f;
        struct fleet_truth *t = &f->truth[w->group];
        if (w->resource.token >= t->store_token) {
                t->store_token = w->resource.token;
        } else if (!w->resource.refused) {
                w->resource.refused = true;
                fleet__hit(f, MARK_TOKEN_REFUSED);
                fleet_say(f, "node %d %s: the store refuses token %" PRId64, w->node->number, w->section.name.text,
                          w->resource.token);
                if (is_promised(w->node))
                        fleet_break(f, "F3", "%s on node %d uses token %" PRId64 " after %" PRId64,
                                    w->section.name.text, w->node->number, w->resource.token, t->store_token);
        }
}

/* ---- each worker ---- */

static void look_at_worker(struct fleet_worker *w)
{
        struct fleet_node *n = w->node;
        const struct fleet_resource *r = &w->resource;
        if (!r->occupied || r->foreign)
                return;
        write_to_store(w);
        if (!is_promised(n))
                return;
        uint64_t now = fleet_node_now(n);
        if (!w->recorded || w->record.state == WORKER_STOPPED) {
                fleet_break(n->f, "F7", "%s on node %d runs, and its record does not say so", w->section.name.text,
                            n->number);
                return;
        }
        if (r->token != w->record.token)
                fleet_break(n->f, "F8", "%s on node %d runs under token %" PRId64 ", its record says %" PRId64,
                            w->section.name.text, n->number, r->token, w->record.token);
        if (w->state == WORKER_ACTIVE && w->core && !w->stands && !n->all_stands && n->woken_ms != fleet_now(n->f) &&
            now > worker_core_deadline_ms(w->core) + LATE_MS)
                fleet_break(n->f, "F2", "%s on node %d is active %" PRIu64 " ms after its deadline",
                            w->section.name.text, n->number, now - worker_core_deadline_ms(w->core));
        if (now > w->record.deadline_ms + w->record.budget_ms + LATE_MS)
                fleet_break(n->f, "F6", "%s on node %d still runs %" PRIu64 " ms after the end of its stop budget",
                            w->section.name.text, n->number, now - w->record.deadline_ms - w->record.budget_ms);
}

/* ---- leases ---- */

/* The last write to `active` that any server has in its tree, and every machine's clock when it was seen first. Where
 * one step commits several transactions and the last of them removes it, one that no tree has shown may be among
 * them. */
static void see_renewals(struct fleet *f)
{
        int64_t committed = fleet__tree_zxid(f->s->w), before = f->committed_seen;
        if (committed == before)
                return;
        f->committed_seen = committed;
        for (size_t g = 0; g < f->o.groups; g++) {
                struct fleet_truth *t = &f->truth[g];
                char path[64];
                (void)snprintf(path, sizeof path, "/baton/groups/%s/active", fleet__group_name(g));
                int64_t mzxid = fleet__tree_mzxid(f->s->w, path);
                if (committed > before + 1 && fleet__tree_lacks(f->s->w, path))
                        mzxid = committed - 1;
                if (mzxid <= t->renewed_zxid)
                        continue;
                t->renewed_zxid = mzxid;
                for (int i = 0; i < f->o.nodes; i++)
                        t->renewed_ms[i] = fleet_node_now(&f->nodes[i]);
        }
}

/* At the very step: who committed it may end in the same millisecond, having answered. */
static void on_step(void *ctx, struct world *w, int sid, const struct event *e, const struct effects *fx)
{
        (void)w;
        (void)sid;
        (void)e;
        (void)fx;
        see_renewals(ctx);
}

void fleet__oracle_init(struct fleet *f)
{
        world_add_witness(f->s->w, &(struct world_witness){.stepped = on_step, .lazy = true, .ctx = f});
}

/* ---- a millisecond ---- */

void fleet__look(struct fleet *f)
{
        see_renewals(f);
        for (int i = 0; i < f->o.nodes; i++)
                if (does_something(&f->nodes[i]))
                        FLEET_EACH_WORKER(&f->nodes[i], w)
        look_at_worker(w);
        for (size_t group = 0; group < f->o.groups; group++)
                look_for_two(f, group);
}

/* ---- what happens ---- */

/* F4: it runs, or it or a fresh process may start it, and by its own clock its grant is not over. */
static bool may_run(const struct fleet_worker *w)
{
        const struct fleet_node *n = w->node;
        uint64_t now = fleet_node_now(n);
        bool runs = w->resource.occupied && !w->resource.foreign;
        if (n->off || !w->recorded || now >= w->record.deadline_ms + w->record.budget_ms)
                return false;
        return runs || grant_record_holds(&w->record, w->record.boot_id, now);
}

void fleet__see_start(struct fleet_worker *w, int64_t token)
{
        struct fleet_node *n = w->node;
        struct fleet *f = n->f;
        struct fleet_truth *t = &f->truth[w->group];
        bool promised = is_promised(n);
        if (token < t->token_max && promised)
                fleet_break(f, "F3", "%s on node %d starts under token %" PRId64 ", there was %" PRId64,
                            w->section.name.text, n->number, token, t->token_max);
        if (token == t->token_max && t->token_node != n->number)
                fleet_break(f, "F3", "%s on node %d starts under token %" PRId64 " of node %d", w->section.name.text,
                            n->number, token, t->token_node);
        if (token > t->token_max) {
                t->token_max = token;
                t->token_node = n->number;
        }
        for (int i = 0; i < f->o.nodes; i++) {
                struct fleet_node *other = &f->nodes[i];
                if (other == n || !promised || !is_promised(other) || other->asleep)
                        continue;
                FLEET_EACH_WORKER(other, o)
                if (o->group == w->group && may_run(o))
                        fleet_break(f, "F4",
                                    "%s on node %d starts while %s on node %d may still run, for %" PRIu64 " ms",
                                    w->section.name.text, n->number, o->section.name.text, other->number,
                                    o->record.deadline_ms + o->record.budget_ms - fleet_node_now(other));
        }
}

void fleet__see_taken(struct fleet_node *n, size_t group, int64_t token)
{
        struct fleet *f = n->f;
        struct fleet_truth *t = &f->truth[group];
        int leader = world_leader(f->s->w);
        f->takes[group]++;
        if (t->taken_token)
                fleet__hit(f, t->released ? MARK_RELEASED_TAKEOVER : MARK_UNCLEAN_TAKEOVER);
        if (t->leader && leader && t->leader != leader)
                fleet__hit(f, MARK_GRANT_AFTER_LEADER_CHANGE);
        if (leader)
                t->leader = leader;
        t->taken_token = token;
        t->taken_by = n->number;
        t->released = false;
}

void fleet__see_released(struct fleet_node *n, size_t group)
{
        struct fleet *f = n->f;
        f->truth[group].released = true;
        for (size_t k = 0; k < f->o.workers; k++) {
                const struct fleet_worker *w = &n->groups[group].workers[k];
                if (w->resource.occupied && !w->resource.foreign && is_promised(n))
                        fleet_break(f, "F4", "node %d has released group %s, and %s runs there", n->number,
                                    fleet__group_name(group), w->section.name.text);
        }
}

void fleet__see_grant(struct fleet_worker *w, const struct message *m)
{
        struct fleet_node *n = w->node;
        struct fleet *f = n->f;
        see_renewals(f);
        uint64_t seen_ms = f->truth[w->group].renewed_ms[n->number - 1];
        if (m->token > f->token_seen)
                f->token_seen = m->token;
        if (m->deadline_ms > seen_ms + lease_holder_ms(m->lease_ms, n->config.clock_rate_ppm))
                fleet_break(f, "F2",
                            "%s on node %d is told a deadline %" PRIu64 " ms after its renewal, of a lease of %u ms",
                            w->section.name.text, n->number, m->deadline_ms - seen_ms, m->lease_ms);
}
