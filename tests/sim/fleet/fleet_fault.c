/* What befalls a fleet, drawn from a stream of its own, so that one fault more or less shifts nothing else. A fault
 * that lasts ends when it strikes the same place again, or with fleet_mend(). */
#include "tests/sim/fleet/fleet_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
        [FLEET_AGENT_KILL] = "agent killed",
        [FLEET_AGENT_PAUSE] = "agent stands still",
        [FLEET_CUT] = "machine cut off",
        [FLEET_CUT_AGENT] = "agent cut off",
        [FLEET_DEAF] = "answers wait",
        [FLEET_LATE_ANSWER] = "late last answer",
        [FLEET_POWER] = "power lost",
        [FLEET_SUSPEND] = "machine sleeps",
        [FLEET_VM_PAUSE] = "machine held by its hypervisor",
        [FLEET_STAND] = "all of batond stands still",
        [FLEET_BATOND_KILL] = "batond killed",
        [FLEET_BATOND_STOP] = "batond stopped or restarted",
        [FLEET_RATE] = "clock changes its rate",
        [FLEET_WORKER_KILL] = "worker killed",
        [FLEET_WORKER_STAND] = "worker stands still",
        [FLEET_START_FAILS] = "start fails",
        [FLEET_STOP_FAILS] = "stop fails",
        [FLEET_CALLBACK] = "callback hangs or crashes",
        [FLEET_RECORD_FULL] = "no space for the grant record",
        [FLEET_RESOURCE_DIES] = "resource fails",
        [FLEET_OPERATOR] = "operator starts or ends it by hand",
        [FLEET_ZNODE] = "znode deleted or garbled",
        [FLEET_RELOAD] = "reload",
        [FLEET_NAP] = "machine naps",
        [FLEET_LATE_STAND] = "all of batond stands still near the end of a lease",
        [FLEET_LATE_KILL] = "workers killed near the end of a lease",
        [FLEET_BLIND] = "takers see nothing for a while",
        [FLEET_DEAF_TAKERS] = "takers hear nothing when a holder renews after all",
};
static_assert(sizeof names / sizeof *names == FLEET_FAULT_MAX, "a name for each fault");

const char *fleet_fault_name(enum fleet_fault fault)
{
        return names[fault];
}

static uint32_t below(struct fleet *f, uint32_t n)
{
        return n ? (uint32_t)(prng_next(&f->fault_prng) % n) : 0;
}

/* ---- one by one ---- */

static void znode(struct fleet *f, size_t group)
{
        static const char *const nodes[] = {"active", "holder", "candidates/node1", "candidates/node2", ""};
        static const char *const values[] = {"", "{}", "{\"node\":\"x\",\"state\":\"active\",\"lease_ms\":1}",
                                             "{\"priority\":99,\"healthy\":true}"};
        char path[128];
        uint32_t which = below(f, 5);
        if (which == 4)
                (void)snprintf(path, sizeof path, "/baton/members/node%u", 1 + below(f, (uint32_t)f->o.nodes));
        else
                (void)snprintf(path, sizeof path, "/baton/groups/%s/%s", fleet__group_name(group), nodes[which]);
        bool deletes = below(f, 2);
        const char *value = values[below(f, 4)];
        /* Not awaited: there may be no quorum. */
        if (!client_is_connected(f->admin->c))
                return;
        fleet_say(f, "admin: %s %s %s", deletes ? "deletes" : "sets", path, deletes ? "" : value);
        if (deletes)
                (void)client_delete(f->admin->c, path, -1, NULL);
        else
                (void)client_set(f->admin->c, path, jute_cstr(value), -1, NULL);
}

static void slip(struct fleet *f, struct fleet_worker *w)
{
        static const enum worker_call_kind kinds[] = {CALL_ACTIVATE, CALL_DEACTIVATE, CALL_CHECK,
                                                      CALL_ROLE,     CALL_MEMBERS,    CALL_OPEN};
        static const enum fleet_slip slips[] = {FLEET_SLIP_HANG, FLEET_SLIP_DEAF, FLEET_SLIP_CRASH, FLEET_SLIP_TWICE,
                                                FLEET_SLIP_TWICE};
        w->slip_kind = kinds[below(f, 6)];
        w->slip = slips[below(f, 5)];
        fleet_say(f, "node %d %s: its next %s is to slip (%d)", w->node->number, w->section.name.text,
                  worker_call_name(w->slip_kind), (int)w->slip);
}

/* A worker that ends in the second half of its stop budget may leave none for the next one: then only a last resort
 * ends the resource in time. */
static bool has_no_time_left(const struct fleet_worker *w)
{
        return w->node->last_resort != LAST_RESORT_REBOOT && w->recorded && w->resource.occupied &&
               fleet_node_now(w->node) >= w->record.deadline_ms + w->record.budget_ms / 2;
}

static void stop_fails(struct fleet *f, struct fleet_worker *w)
{
        /* What does not stop at all is promised to be fenced only where a last resort does so. */
        uint32_t what = below(f, 3), ms = below(f, 8000);
        bool under_way = w->recorded && w->resource.occupied && fleet_node_now(w->node) >= w->record.deadline_ms;
        /* It leaves no time for another try: then only a last resort ends it. */
        if (under_way && w->node->last_resort != LAST_RESORT_REBOOT)
                return;
        if (what == 0 && w->node->last_resort == LAST_RESORT_REBOOT)
                w->resource.stuck_ms = fleet_now(f) + ms;
        else
                w->stop_fails = 1;
        fleet_say(f, "node %d %s: its stop is to fail%s", w->node->number, w->section.name.text,
                  w->stop_fails ? " once" : "");
}

static void operate(struct fleet *f, struct fleet_worker *w)
{
        if (w->resource.occupied)
                fleet_operator_stop(f, w->node->number, w->group, w->index);
        else
                fleet_operator_start(f, w->node->number, w->group, w->index);
}

static void reload(struct fleet *f, int number, size_t group)
{
        static const uint32_t leases[] = {1000, 1500, 2000};
        struct fleet_node *n = fleet_node(f, number);
        uint32_t what = below(f, 3), lease = leases[below(f, 3)], budget = 200 + below(f, 3000);
        if (what == 0)
                fleet_reload(f, number, FLEET_CHANGE_LEASE, lease);
        else if (what == 1)
                fleet_reload(f, number, FLEET_CHANGE_BUDGET, budget);
        else
                fleet_reload(f, number, n->groups[group].configured ? FLEET_CHANGE_REMOVE : FLEET_CHANGE_ADD,
                             (uint32_t)group);
}

static void rate(struct fleet *f, int number)
{
        static const int32_t rates[] = {-100000, 100000, 0};
        fleet_set_rate(f, number, rates[below(f, 3)]);
}

static void strike_batond(struct fleet *f, struct fleet_node *n)
{
        enum stop_how how = below(f, 2) ? STOP_KEEP : STOP_RELEASE;
        if (n->batond == FLEET_BATOND_GONE && !n->batond_ms)
                fleet_batond_start(f, n->number);
        else
                fleet_batond_stop(f, n->number, how);
}

static void strike_agent(struct fleet *f, struct fleet_node *n, enum fleet_fault fault)
{
        if (!n->agent)
                return;
        switch (fault) {
        case FLEET_AGENT_KILL:
                fleet_agent_kill(f, n->number);
                break;
        case FLEET_AGENT_PAUSE:
                fleet_agent_pause(f, n->number, !n->paused);
                break;
        case FLEET_DEAF:
                fleet_deafen(f, n->number, !n->agent->deaf);
                break;
        default: /* what it says from now on is lost, and what it is told waits: for its next strike */
                if (n->agent->deaf) {
                        fleet_mute(f, n->number);
                        fleet_deafen(f, n->number, false);
                } else {
                        fleet_deafen(f, n->number, true);
                }
                break;
        }
}

/* Renewals that nobody else sees; then, in one moment, `active` is deleted, its holder is cut off and the others come
 * back. What they saw last is long ago, and the holder's lease is not. */
static void strike_blind(struct fleet *f, size_t group, uint32_t ms)
{
        int holder = fleet_active(f, group);
        for (int i = 1; i <= f->o.nodes && holder && !f->blind; i++) {
                if (i == holder || fleet_node(f, i)->cut)
                        continue;
                fleet_cut_agent(f, i, true);
                f->blind |= 1u << i;
        }
        f->blind_group = group;
        f->blind_end_ms = fleet_now(f) + 1000 + ms;
}

/* A holder that could not renew for most of its lease does so again, in the moment from which on the
 * others hear nothing. What they saw last is as good as over. */
static void strike_deaf_takers(struct fleet *f, size_t group)
{
        int holder = fleet_active(f, group);
        uint32_t after_ms = 900 + below(f, 400), for_ms = 1200 + below(f, 600);
        if (!holder || f->returner || fleet_node(f, holder)->cut)
                return;
        f->returner = holder;
        f->returns_ms = fleet_now(f) + after_ms;
        f->hear_ms = f->returns_ms + for_ms;
        fleet_cut_agent(f, holder, true);
}

static void deafen_takers(struct fleet *f, bool deaf)
{
        for (int i = 1; i <= f->o.nodes; i++)
                if (i != f->returner && fleet_node(f, i)->agent)
                        fleet_deafen(f, i, deaf);
}

static void go_on_returning(struct fleet *f)
{
        if (f->returns_ms && fleet_now(f) >= f->returns_ms) {
                f->returns_ms = 0;
                deafen_takers(f, true);
                fleet_cut_agent(f, f->returner, false);
        }
        if (fleet_now(f) >= f->hear_ms) {
                deafen_takers(f, false);
                f->returner = 0;
        }
}

static void see_again(struct fleet *f)
{
        int holder = fleet_active(f, f->blind_group);
        char path[64];
        for (int i = 1; i <= f->o.nodes; i++)
                if (f->blind >> i & 1)
                        fleet_cut_agent(f, i, false);
        f->blind = 0;
        (void)snprintf(path, sizeof path, "/baton/groups/%s/active", fleet__group_name(f->blind_group));
        if (!holder || !client_is_connected(f->admin->c))
                return;
        fleet_say(f, "admin: deletes %s", path);
        fleet_cut_agent(f, holder, true);
        (void)client_delete(f->admin->c, path, -1, NULL);
}

/* Of a machine that wakes within its lease all is promised: what it has slept counts. */
static void strike_nap(struct fleet *f, size_t group, uint32_t ms)
{
        int holder = fleet_active(f, group);
        bool cuts = below(f, 2);
        if (!holder || f->napper || fleet_node(f, holder)->cut || fleet__is_dark(fleet_node(f, holder)))
                return;
        f->napper = holder;
        f->nap_cuts = cuts;
        f->nap_end_ms = fleet_now(f) + 100 + ms % 1000;
        fleet_suspend(f, holder, true);
}

static void wake(struct fleet *f)
{
        fleet_suspend(f, f->napper, false);
        if (f->nap_cuts)
                fleet_cut_agent(f, f->napper, true);
        f->napper = 0;
}

/* Who sleeps is woken rather than that another falls asleep, and who has something to lose falls asleep first. */
static struct fleet_node *sleeper(struct fleet *f, struct fleet_node *any, size_t group)
{
        int holder = fleet_active(f, group);
        for (int i = 1; i <= f->o.nodes; i++) {
                struct fleet_node *n = fleet_node(f, i);
                if ((n->asleep || n->vm_paused) && below(f, 2))
                        return n;
        }
        return holder && below(f, 3) ? fleet_node(f, holder) : any;
}

/* The holder hears nothing any more, and the moment is chosen. */
static void strike_late(struct fleet *f, size_t group, bool kills, uint32_t ms)
{
        int holder = fleet_active(f, group);
        uint32_t early_ms = below(f, kills ? 60 : below(f, 2) ? 900 : 2000);
        bool batond = below(f, 3) == 0, fills = below(f, 2);
        if (!holder || f->late || fleet_node(f, holder)->cut || fleet__is_dark(fleet_node(f, holder)))
                return;
        f->late = holder;
        f->late_what = !kills ? LATE_STANDS : batond ? LATE_BATOND_KILLED : LATE_WORKERS_KILLED;
        f->late_fills = fills;
        f->late_ms = early_ms;
        f->late_for_ms = (kills ? 1500 : 200) + ms;
        f->late_end_ms = 0;
        fleet_cut_agent(f, holder, true);
}

/* A kill comes so long before the end of a lease at the earliest: a fresh process begins about then. */
#define LATE_KILL_MS 50

static bool runs_for_us(const struct fleet_worker *w)
{
        return w->resource.occupied && !w->resource.foreign && w->recorded;
}

/* Its workers or all of batond are killed and find records that have run out; or all stands still and systemd's
 * watchdog has just enough time left, or too little. */
static void late_moment(struct fleet *f, struct fleet_node *n)
{
        bool now = false;
        FLEET_EACH_WORKER(n, w)
        {
                uint64_t deadline_ms = w->record.deadline_ms;
                bool kills = f->late_what != LATE_STANDS;
                if (!runs_for_us(w) || (kills ? fleet_node_now(n) + LATE_KILL_MS < deadline_ms + f->late_ms
                                              : fleet_node_now(n) + f->late_ms < deadline_ms + w->record.budget_ms))
                        continue;
                now = true;
                if (f->late_what != LATE_WORKERS_KILLED)
                        continue;
                fleet_worker_kill(f, n->number, w->group, w->index, f->late_for_ms);
                w->record_full |= f->late_fills;
        }
        if (!now)
                return;
        f->late_end_ms = fleet_now(f) + f->late_for_ms;
        if (f->late_what == LATE_STANDS)
                fleet_stand(f, n->number, true);
        else if (f->late_what == LATE_BATOND_KILLED)
                fleet_batond_kill(f, n->number);
}

static void be_late(struct fleet *f)
{
        struct fleet_node *n = fleet_node(f, f->late);
        bool runs = false;
        FLEET_EACH_WORKER(n, w)
        runs |= runs_for_us(w);
        if (!f->late_end_ms && runs && !fleet__is_dark(n))
                late_moment(f, n);
        if (f->late_end_ms ? fleet_now(f) < f->late_end_ms : runs)
                return;
        if (f->late_end_ms && f->late_what == LATE_STANDS)
                fleet_stand(f, f->late, false);
        FLEET_EACH_WORKER(n, w)
        w->record_full = w->record_full && !f->late_fills;
        fleet_cut_agent(f, f->late, false);
        f->late = 0;
}

/* Those that are about a holder wait until there is one. */
static void strike_holder(struct fleet *f, enum fleet_fault fault, size_t group, uint32_t ms)
{
        struct fleet_await *await = &f->awaits[fault];
        await->on = !fleet_active(f, group);
        await->group = group;
        await->ms = ms;
        if (await->on)
                return;
        switch (fault) {
        case FLEET_NAP:
                strike_nap(f, group, ms);
                break;
        case FLEET_BLIND:
                strike_blind(f, group, ms);
                break;
        case FLEET_DEAF_TAKERS:
                strike_deaf_takers(f, group);
                break;
        default:
                strike_late(f, group, fault == FLEET_LATE_KILL, ms);
                break;
        }
}

void fleet__faults_turn(struct fleet *f)
{
        for (int i = 0; i < FLEET_FAULT_MAX; i++)
                if (f->awaits[i].on && fleet_active(f, f->awaits[i].group))
                        strike_holder(f, (enum fleet_fault)i, f->awaits[i].group, f->awaits[i].ms);
        if (f->late)
                be_late(f);
        if (f->napper && fleet_now(f) >= f->nap_end_ms)
                wake(f);
        if (f->returner)
                go_on_returning(f);
        if (f->blind && fleet_now(f) >= f->blind_end_ms)
                see_again(f);
}

void fleet_strike(struct fleet *f, enum fleet_fault fault)
{
        int number = 1 + (int)below(f, (uint32_t)f->o.nodes);
        size_t group = below(f, (uint32_t)f->o.groups), worker = below(f, (uint32_t)f->o.workers);
        uint32_t ms = below(f, 2) ? below(f, 400) : below(f, 5000);
        struct fleet_node *n = fleet_node(f, number);
        struct fleet_worker *w = &n->groups[group].workers[worker];
        switch (fault) {
        case FLEET_AGENT_KILL:
        case FLEET_AGENT_PAUSE:
        case FLEET_DEAF:
        case FLEET_LATE_ANSWER:
                strike_agent(f, n, fault);
                break;
        case FLEET_CUT:
                fleet_cut(f, number, !n->cut);
                break;
        case FLEET_CUT_AGENT:
                fleet_cut_agent(f, number, !n->cut);
                break;
        case FLEET_POWER:
                if (n->off)
                        fleet_machine_on(f, number);
                else
                        fleet_machine_off(f, number);
                break;
        case FLEET_SUSPEND:
                n = sleeper(f, n, group);
                fleet_suspend(f, n->number, !n->asleep);
                break;
        case FLEET_VM_PAUSE:
                n = sleeper(f, n, group);
                fleet_vm_pause(f, n->number, !n->vm_paused);
                break;
        case FLEET_STAND:
                if (!fleet__is_dark(n))
                        fleet_stand(f, number, !n->all_stands);
                break;
        case FLEET_BATOND_KILL:
                if (fleet__guard_has_time(n))
                        fleet_batond_kill(f, number);
                break;
        case FLEET_BATOND_STOP:
                strike_batond(f, n);
                break;
        case FLEET_RATE:
                if (!fleet__is_dark(n))
                        rate(f, number);
                break;
        case FLEET_WORKER_KILL:
                if (!has_no_time_left(w))
                        fleet_worker_kill(f, number, group, worker, ms);
                break;
        case FLEET_WORKER_STAND:
                if (!fleet__is_dark(n) && (w->stands || fleet__may_hang(w)))
                        fleet_worker_stand(f, number, group, worker, !w->stands);
                break;
        case FLEET_START_FAILS:
                w->failures = ms % 3;
                break;
        case FLEET_STOP_FAILS:
                stop_fails(f, w);
                break;
        case FLEET_CALLBACK:
                slip(f, w);
                break;
        case FLEET_RECORD_FULL:
                w->record_full = !w->record_full;
                break;
        case FLEET_RESOURCE_DIES:
                w->resource.works = false;
                break;
        case FLEET_OPERATOR:
                operate(f, w);
                break;
        case FLEET_ZNODE:
                znode(f, group);
                break;
        case FLEET_RELOAD:
                reload(f, number, group);
                break;
        case FLEET_NAP:
        case FLEET_LATE_STAND:
        case FLEET_LATE_KILL:
        case FLEET_BLIND:
        case FLEET_DEAF_TAKERS:
                strike_holder(f, fault, group, ms);
                break;
        case FLEET_FAULT_MAX:
                break;
        }
}

/* ---- the end of it ---- */

static void mend_node(struct fleet *f, struct fleet_node *n)
{
        fleet_suspend(f, n->number, false);
        fleet_vm_pause(f, n->number, false);
        fleet_stand(f, n->number, false);
        fleet_cut(f, n->number, false);
        if (n->agent)
                n->agent->deaf = false;
        if (n->paused)
                fleet_agent_pause(f, n->number, false);
        if (n->off)
                fleet_machine_on(f, n->number);
        FLEET_EACH_WORKER(n, w)
        {
                w->failures = w->stop_fails = 0;
                w->slip = FLEET_SLIP_NONE;
                w->stands = w->record_full = false;
                w->link_ms = w->link_ms ? fleet_now(f) : 0;
                w->resource.stuck_ms = 0;
        }
        n->mends = true;
}

void fleet_mend(struct fleet *f)
{
        fleet_say(f, "all is mended");
        f->blind = 0;
        f->napper = f->late = f->returner = 0;
        memset(f->awaits, 0, sizeof f->awaits);
        f->mended = true;
        for (int i = 0; i < f->o.nodes; i++)
                mend_node(f, &f->nodes[i]);
}
