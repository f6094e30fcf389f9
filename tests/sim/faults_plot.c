/* Faults that take several steps, or wait for their moment: what by chance alone comes once in thousands of lives. */
#include "tests/sim/faults_internal.h"

#include "election/server/server_internal.h"
#include "election/zab/zab_internal.h"
#include "tests/sim/world/world_state.h"

#include <string.h>

/* ---- deaths at a chosen moment ---- */

void faults__in_sync(struct faults *f, int sid)
{
        f->in_sync += 1 + faults__draw(f, 3);
        faults__take_down(f, sid, true, faults__draw(f, 600));
}

void faults_noted(struct faults *f, int sid, const char *text)
{
        if (!strstr(text, "synchronising from leader"))
                return;
        bool snap = strstr(text, "SNAP") != NULL;
        faults__trouble(f, sid)->in_snap = snap;
        if (!f->in_sync || faults__draw_mending(f, 3))
                return;
        f->in_sync--;
        if (faults__draw_mending(f, 2)) { /* between two operations of the learner's disk */
                uint64_t skip = faults__draw_mending(f, snap ? 24 : 16);
                bool after = faults__draw_mending(f, 2), power = faults__draw_mending(f, 3);
                world_die(f->world, sid, skip, after, power);
                return;
        }
        int leader = faults__draw_mending(f, 2) ? world_leader(f->world) : 0;
        faults__trouble(f, leader ? leader : sid)->die_ms =
                faults__now(f) + 1 + faults__draw_mending(f, snap ? 30 : 10);
}

/* Somebody dies among the operations of one piece of work of the disk, wherever such work begins next. */
void faults__in_work(struct faults *f, int sid)
{
        (void)sid;
        f->awaited[faults__draw(f, WORK_MAX)] += 1 + (uint32_t)faults__draw(f, 3);
}

static enum work work_of(const struct effect *e)
{
        switch (e->type) {
        case EFFECT_TRUNCATE:
                return WORK_CUT;
        case EFFECT_SNAPSHOT_END:
                return e->snapshot.received ? WORK_RECEIVED : WORK_SNAPSHOT;
        case EFFECT_EPOCH_WRITE:
                return WORK_EPOCH;
        case EFFECT_LOG_ROLL:
                return WORK_SEGMENT;
        default:
                return WORK_MAX;
        }
}

/* Between two of the next operations; or the disk is slow, and it comes before or among them. */
static void die_in_work(struct faults *f, int sid)
{
        bool power = faults__draw_mending(f, 3);
        if (faults__draw_mending(f, 3)) {
                uint64_t skip = faults__draw_mending(f, 10);
                bool after = faults__draw_mending(f, 2);
                world_die(f->world, sid, skip, after, power);
                return;
        }
        world_slow_disk(f->world, sid, 80, 80);
        faults__trouble(f, sid)->swift_ms = faults__now(f) + 200;
        faults__trouble(f, sid)->die_ms = faults__now(f) + 1 + faults__draw_mending(f, 60);
}

void faults_stepped(struct faults *f, int sid, const struct effects *fx)
{
        for (size_t i = 0; i < fx->count; i++) {
                enum work work = work_of(&fx->list[i]);
                if (work == WORK_CUT)
                        faults__trouble(f, sid)->rot_zxid = 0;
                if (work == WORK_MAX || !f->awaited[work] || faults__is_elsewhere(f, sid))
                        continue;
                f->awaited[work]--;
                die_in_work(f, sid);
                return;
        }
}

/* ---- leaders ---- */

/* Its proposals get nowhere; the others elect another before it comes back with them. */
void faults__tail(struct faults *f, int sid)
{
        (void)sid;
        int leader = world_leader(f->world);
        if (!leader)
                return;
        uint64_t for_ms = 5 + faults__draw(f, 300);
        for (int i = 1; i <= f->world->count; i++)
                if (i != leader)
                        faults__cut(f, leader, i, for_ms + faults__draw(f, 100));
        faults__trouble(f, leader)->die_ms = faults__now(f) + for_ms;
}

/* Others take over meanwhile. When it goes on, its clients' requests are the first it hears (safety S9). */
void faults__pause(struct faults *f, int sid)
{
        (void)sid;
        int leader = world_leader(f->world);
        if (!leader)
                return;
        uint64_t for_ms = 500 + faults__draw(f, 700);
        for (int i = 1; i <= f->world->count; i++)
                if (i != leader)
                        faults__cut(f, i, leader, for_ms + faults__draw(f, 200));
        faults__stand_still(f, leader, (enum world_pause)(WORLD_PAUSE_PROCESS + faults__draw(f, 3)), for_ms);
}

/* A follower alone has the leader's proposals on its disk, for all others' disks hang. Then it loses its connection,
 * comes back, and may have to cut them: what it acknowledged before must not count while they are gone (M7). */
void faults__comeback(struct faults *f, int sid)
{
        int leader = world_leader(f->world);
        if (!leader || f->world->count < 3)
                return;
        if (sid == leader)
                sid = 1 + leader % f->world->count;
        uint64_t reset_ms = faults__now(f) + 20 + faults__draw(f, 60);
        faults__trouble(f, sid)->reset_ms = reset_ms;
        for (int i = 1; i <= f->world->count; i++) {
                uint64_t after_ms = 10 + faults__draw(f, i == leader ? 80 : 250);
                if (i == sid)
                        continue;
                world_hang_disk(f->world, i, true);
                faults__trouble(f, i)->unhang_ms = reset_ms + after_ms;
        }
}

/* All others hear that their connections are gone and elect another, while it hears nothing at all; nor does the one
 * that may have stayed with it. Until it misses them it answers its clients as before (safety S9). */
void faults__deaf(struct faults *f, int sid)
{
        int leader = world_leader(f->world);
        uint64_t for_ms = 300 + faults__draw(f, 2500);
        bool together = sid != leader && faults__draw(f, 2);
        for (int i = 1; i <= f->world->count && leader; i++) {
                if (i == leader || (together && i == sid))
                        continue;
                faults__cut(f, i, leader, for_ms);
                if (together) {
                        faults__cut(f, i, sid, for_ms);
                        faults__cut(f, sid, i, for_ms);
                }
                world_reset(f->world, i, leader);
        }
}

static bool is_any_active(const struct fleet *f)
{
        bool any = false;
        for (size_t g = 0; g < f->o.groups; g++)
                any |= fleet_active(f, g) != 0;
        return any;
}

/* No server sees another, for longer than a lease and what a taker waits besides. Sessions outlive it: then a holder
 * may renew what another takes in the same moment. A fleet in which nobody holds anything has nothing to lose. */
void faults__outage(struct faults *f, int sid)
{
        (void)sid;
        if (f->fleet && !is_any_active(f->fleet))
                return;
        uint64_t for_ms = (f->fleet ? 2500 : 1000) + faults__draw(f, 5000);
        for (int i = 1; i <= f->world->count; i++)
                for (int j = 1; j <= f->world->count; j++)
                        if (i != j)
                                faults__cut(f, i, j, for_ms);
}

static void hold_all(struct faults *f, int32_t packet)
{
        for (int i = 1; i <= f->world->count; i++)
                for (int j = 1; j <= f->world->count; j++)
                        if (i != j)
                                world_hold(f->world, i, j, packet);
}

/* No candidate gets its epoch through, and each promises it to itself; so they go on, one after the other. */
void faults__rivals(struct faults *f, int sid)
{
        int leader = world_leader(f->world);
        if (f->rivals_ms || f->world->count < 2)
                return;
        f->rivals_ms = faults__now(f) + 1000 + faults__draw(f, 3000);
        hold_all(f, QP_LEADERINFO);
        bool power = faults__draw(f, 3) != 0;
        if (leader)
                faults__take_down(f, leader, power, faults__draw(f, 300));
        else
                faults__take_down(f, sid, power, faults__draw(f, 300));
}

/* Then the one that has promised most is away for a while, and comes back to a leader of an epoch that it can't
 * promise. */
static void rivals_end(struct faults *f)
{
        int64_t most = -1;
        int who = 0;
        for (int i = 1; i <= f->world->count; i++) {
                if (!faults__up(f, i) || zab_accepted_epoch(f->world->nodes[i].server->zab) <= most)
                        continue;
                most = zab_accepted_epoch(f->world->nodes[i].server->zab);
                who = i;
        }
        uint64_t for_ms = 600 + faults__draw_mending(f, 1500);
        for (int i = 1; i <= f->world->count && who; i++) {
                if (i == who)
                        continue;
                faults__cut(f, who, i, for_ms);
                faults__cut(f, i, who, for_ms);
                world_reset(f->world, who, i);
        }
        hold_all(f, 0);
}

void faults__plot(struct faults *f)
{
        if (faults__due(f, &f->rivals_ms))
                rivals_end(f);
}

void faults__plot_end(struct faults *f)
{
        f->in_sync = 0;
        f->rivals_ms = 0;
        memset(f->awaited, 0, sizeof f->awaited);
        hold_all(f, 0);
}
