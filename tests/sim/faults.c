#include "tests/sim/faults_internal.h"

#include "election/server/server_internal.h"
#include "election/zab/zab_internal.h"
#include "tests/sim/world/world_state.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

uint64_t faults__draw(struct faults *f, uint64_t below)
{
        return prng_next(&f->prng) % below;
}

uint64_t faults__draw_mending(struct faults *f, uint64_t below)
{
        return prng_next(&f->mending) % below;
}

uint64_t faults__now(const struct faults *f)
{
        return world_now(f->world);
}

bool faults__is_elsewhere(const struct faults *f, int sid)
{
        if (!f->fleet || sid > f->fleet->o.nodes)
                return false;
        const struct fleet_node *n = fleet_node(f->fleet, sid);
        return n->off || n->asleep || n->vm_paused || n->all_stands || n->batond != FLEET_BATOND_RUNS;
}

struct trouble *faults__trouble(struct faults *f, int sid)
{
        return &f->trouble[sid];
}

bool faults__up(const struct faults *f, int sid)
{
        return f->world->nodes[sid].running;
}

/* ---- ends and starts ---- */

static void note_end(struct faults *f, int sid)
{
        struct trouble *t = faults__trouble(f, sid);
        if (t->in_snap)
                coverage_hit(f->coverage, MARK_SNAP_INTERRUPTED);
        *t = (struct trouble){.start_ms = t->start_ms,
                              .disk_failing = t->disk_failing,
                              .reboot = t->reboot,
                              .rot_zxid = t->rot_zxid,
                              .lost = t->lost,
                              .away = t->away};
        world_hang_disk(f->world, sid, false);
        world_pause(f->world, sid, WORLD_PAUSE_NONE);
}

void faults__take_down(struct faults *f, int sid, bool power, uint64_t away_ms)
{
        if (!faults__up(f, sid) || faults__is_elsewhere(f, sid))
                return;
        trace_line(f->trace, faults__now(f), "*** %s of %d", power ? "power loss" : "kill", sid);
        note_end(f, sid);
        if (power)
                world_crash(f->world, sid);
        else
                world_kill(f->world, sid);
        faults__trouble(f, sid)->start_ms = faults__now(f) + 1 + away_ms;
}

/* Files that a leader has to replace; its mark stays. */
static void wipe(struct faults *f, int sid)
{
        struct trouble *t = faults__trouble(f, sid);
        oracle_disk_damaged(f->oracle, sid);
        world_wipe(f->world, sid);
        t->lost = true;
        t->rot_zxid = 0;
}

/* What recovery refuses must be damage of ours; then somebody moves the files away. */
static void refused(struct faults *f, int sid)
{
        struct trouble *t = faults__trouble(f, sid);
        coverage_hit(f->coverage, MARK_FILES_REFUSED);
        if (!world_rotten(f->world, sid))
                verdict_break(f->verdict, faults__now(f), "D3", "server %d refuses its files: %s", sid,
                              world_refused(f->world, sid));
        wipe(f, sid);
        t->start_ms = faults__now(f) + 1 + (f->mended ? 0 : faults__draw_mending(f, 1000));
}

static void start(struct faults *f, int sid)
{
        struct trouble *t = faults__trouble(f, sid);
        world_fill_disk(f->world, sid, false);
        world_hang_disk(f->world, sid, false);
        world_live(f->world, sid);
        world_fail_snapshots(f->world, sid, 0);
        if (t->reboot)
                world__disk_crash(&f->world->nodes[sid]);
        *t = (struct trouble){.rot_zxid = t->rot_zxid, .lost = t->lost};
        world_start(f->world, sid);
        if (world_refused(f->world, sid))
                refused(f, sid);
}

void faults__cut(struct faults *f, int from, int to, uint64_t for_ms)
{
        world_cut(f->world, from, to, true);
        f->links[from][to].join_ms = faults__now(f) + for_ms;
}

/* ---- the faults ---- */

static void fault_power(struct faults *f, int sid)
{
        faults__take_down(f, sid, true, faults__draw(f, faults__draw(f, 4) ? 1500 : 30));
}

static void fault_kill(struct faults *f, int sid)
{
        faults__take_down(f, sid, false, faults__draw(f, faults__draw(f, 4) ? 1500 : 30));
}

static void fault_stop(struct faults *f, int sid)
{
        if (!f->world->nodes[sid].frozen)
                world_stop_begin(f->world, sid);
}

void faults__stand_still(struct faults *f, int sid, enum world_pause how, uint64_t for_ms)
{
        world_pause(f->world, sid, how);
        faults__trouble(f, sid)->thaw_ms = faults__now(f) + for_ms;
}

static void fault_freeze(struct faults *f, int sid)
{
        faults__stand_still(f, sid, WORLD_PAUSE_PROCESS, 10 + faults__draw(f, 1500));
}

static void fault_suspend(struct faults *f, int sid)
{
        faults__stand_still(f, sid, WORLD_PAUSE_SUSPEND, 10 + faults__draw(f, 3000));
}

static void fault_vm_pause(struct faults *f, int sid)
{
        faults__stand_still(f, sid, WORLD_PAUSE_VM, 10 + faults__draw(f, 3000));
}

/* Within what is allowed, preferably at its ends. */
static void fault_clock_rate(struct faults *f, int sid)
{
        int32_t ppm = faults__draw(f, 3) ? f->rate_ppm : (int32_t)faults__draw(f, (uint64_t)f->rate_ppm + 1);
        world_set_rate(f->world, sid, faults__draw(f, 2) ? ppm : -ppm);
}

static void fault_wall_clock(struct faults *f, int sid)
{
        int64_t by_ms = (int64_t)faults__draw(f, faults__draw(f, 2) ? 5000 : 86400000);
        world_step_wall(f->world, sid, faults__draw(f, 2) ? by_ms : -by_ms);
}

/* A pair, or one server from all; one way or both. */
static void fault_cut(struct faults *f, int sid)
{
        uint64_t for_ms = 20 + faults__draw(f, 1500), how = faults__draw(f, 4);
        int other = 1 + (int)faults__draw(f, (uint64_t)f->world->count);
        for (int i = 1; i <= f->world->count; i++) {
                if (i == sid || (how < 2 && i != other))
                        continue;
                if (how % 2)
                        faults__cut(f, i, sid, for_ms);
                faults__cut(f, sid, i, for_ms);
        }
}

/* Two halves, both with servers that see each other. */
static void fault_split(struct faults *f, int sid)
{
        (void)sid;
        uint64_t for_ms = 200 + faults__draw(f, 4000), side = faults__draw(f, 1u << f->world->count);
        for (int i = 1; i <= f->world->count; i++)
                for (int j = 1; j <= f->world->count; j++)
                        if ((side >> (i - 1) & 1) != (side >> (j - 1) & 1))
                                faults__cut(f, i, j, for_ms + faults__draw(f, 100));
}

static void fault_clients_cut(struct faults *f, int sid)
{
        uint64_t for_ms = 20 + faults__draw(f, 2000), how = faults__draw(f, 3);
        if (how != 1)
                faults__cut(f, 0, sid, for_ms);
        if (how != 2)
                faults__cut(f, sid, 0, for_ms);
}

static void fault_blackhole(struct faults *f, int sid)
{
        uint64_t for_ms = 200 + faults__draw(f, 3000);
        for (int i = 1; i <= f->world->count; i++)
                if (i != sid && faults__draw(f, 2)) {
                        if (faults__draw(f, 2))
                                world_blackhole(f->world, i, sid, true);
                        else
                                world_slow_dials(f->world, i, sid, 1 + (uint32_t)faults__draw(f, 1000));
                        f->links[i][sid].clear_ms = faults__now(f) + for_ms;
                }
}

static void fault_slow_link(struct faults *f, int sid)
{
        int other = (int)faults__draw(f, (uint64_t)f->world->count + 1);
        uint32_t delay_ms = 1 + (uint32_t)faults__draw(f, faults__draw(f, 2) ? 100 : 1000);
        uint32_t bytes_per_ms = faults__draw(f, 2) ? 0 : f->bulk ? 20000 : 200 + (uint32_t)faults__draw(f, 4000);
        uint64_t clear_ms = faults__now(f) + 200 + faults__draw(f, 4000);
        bool back = faults__draw(f, 2);
        int from = back ? other : sid, to = back ? sid : other;
        if (other == sid)
                return;
        world_slow_link(f->world, from, to, delay_ms, bytes_per_ms);
        f->links[from][to].clear_ms = clear_ms;
}

/* Connections are made anew while bytes of the old ones are still under way. */
static void fault_late(struct faults *f, int sid)
{
        int other = (int)faults__draw(f, (uint64_t)f->world->count + 1);
        if (other == sid)
                return;
        world_age(f->world, sid, other, 10 + (uint32_t)faults__draw(f, FAULT_LATE_MAX_MS - 10));
        if (faults__draw(f, 2))
                world_reset(f->world, sid, other);
}

static void fault_hanging_disk(struct faults *f, int sid)
{
        world_hang_disk(f->world, sid, true);
        faults__trouble(f, sid)->unhang_ms = faults__now(f) + 50 + faults__draw(f, faults__draw(f, 2) ? 500 : 5000);
}

static void fault_slow_disk(struct faults *f, int sid)
{
        uint32_t log_ms = 5 + (uint32_t)faults__draw(f, 150), snapshot_ms = (uint32_t)faults__draw(f, 300);
        world_slow_disk(f->world, sid, log_ms, snapshot_ms);
        faults__trouble(f, sid)->swift_ms = faults__now(f) + faults__draw(f, 3000);
}

static void fault_full_disk(struct faults *f, int sid)
{
        world_fill_disk(f->world, sid, true);
        faults__trouble(f, sid)->disk_failing = true;
        faults__trouble(f, sid)->mend_ms = faults__now(f) + faults__draw(f, 2000);
}

static void fault_bad_disk(struct faults *f, int sid)
{
        static const enum memory_op ops[] = {MEMORY_OP_WRITE,  MEMORY_OP_SYNC,   MEMORY_OP_CREATE,  MEMORY_OP_ALLOCATE,
                                             MEMORY_OP_RENAME, MEMORY_OP_REMOVE, MEMORY_OP_SYNC_DIR};
        enum memory_op op = ops[faults__draw(f, sizeof ops / sizeof *ops)];
        int error = faults__draw(f, 3) ? -EIO : -ENOSPC;
        world_fail_disk(f->world, sid, op, faults__draw(f, 20), 1, error);
        faults__trouble(f, sid)->disk_failing = true;
        faults__trouble(f, sid)->reboot = true;
}

/* Found when it is read, at the next start: there is one soon. */
static void fault_rot(struct faults *f, int sid)
{
        enum world_file file = (enum world_file)faults__draw(f, WORLD_FILE_MAX);
        f->bit_rotted = false;
        if (!world_rot(f->world, sid, file, faults__draw(f, UINT64_MAX)))
                return;
        oracle_disk_damaged(f->oracle, sid);
        /* A whole sector that is another's may look like one that was never written. An end that is lost is one that
         * the server has written down. */
        const struct world_node *n = &f->world->nodes[sid];
        if (file == WORLD_FILE_LOG && f->bit_rotted && !faults__trouble(f, sid)->lost)
                faults__trouble(f, sid)->rot_zxid = n->server->zab->durable_zxid;
        else if (file == WORLD_FILE_LOG && n->rot_zxid && !faults__trouble(f, sid)->lost &&
                 !faults__trouble(f, sid)->rot_zxid)
                faults__trouble(f, sid)->rot_zxid = n->rot_zxid;
        faults__trouble(f, sid)->disk_failing = true;
        faults__trouble(f, sid)->die_ms = faults__now(f) + 1 + faults__draw(f, 1000);
}

static void fault_lost_disk(struct faults *f, int sid)
{
        if (!world_may_lose(f->world, sid))
                return;
        faults__take_down(f, sid, true, faults__draw(f, 1500));
        wipe(f, sid);
}

static void fault_snapshot(struct faults *f, int sid)
{
        world_fail_snapshots(f->world, sid, 1 + (uint32_t)faults__draw(f, 3));
        faults__trouble(f, sid)->disk_failing = true;
}

static void fault_reset(struct faults *f, int sid)
{
        world_reset(f->world, sid, (int)faults__draw(f, (uint64_t)f->world->count + 1));
}

static void fault_all_down(struct faults *f, int sid)
{
        (void)sid;
        for (int i = 1; i <= f->world->count; i++) {
                bool power = faults__draw(f, 3) != 0;
                faults__take_down(f, i, power, faults__draw(f, 200));
        }
}

static void fault_midwrite(struct faults *f, int sid)
{
        uint64_t skip = faults__draw(f, faults__draw(f, 2) ? 6 : 40);
        bool after = faults__draw(f, 2) != 0, power = faults__draw(f, 3) != 0;
        if (faults__draw(f, 3))
                world_die(f->world, sid, skip, after, power);
        else /* between a promise that is on the disk and the word of it, or two followers that are told */
                world_die_in_step(f->world, sid, skip, power);
}

/* A kind without ON_DOWN needs its server to run. */
static const struct fault_kind {
        const char *name, *text;
        void (*strike)(struct faults *f, int sid);
        bool on_down;
} kinds[] = {
        [FAULT_POWER] = {"power", "power loss", fault_power, false},
        [FAULT_KILL] = {"kill", "a server's process dies", fault_kill, false},
        [FAULT_STOP] = {"stop", "clean stop", fault_stop, false},
        [FAULT_FREEZE] = {"freeze", "a server stands still", fault_freeze, false},
        [FAULT_SUSPEND] = {"suspend", "a machine is suspended: one of its clocks stands", fault_suspend, false},
        [FAULT_VM_PAUSE] = {"vm-pause", "a virtual machine is paused: its clocks stand", fault_vm_pause, false},
        [FAULT_CLOCK_RATE] = {"clock-rate", "a clock goes too fast or too slow", fault_clock_rate, true},
        [FAULT_WALL_CLOCK] = {"wall-clock", "a wall clock is set", fault_wall_clock, true},
        [FAULT_SPLIT] = {"split", "two halves that don't see each other", fault_split, true},
        [FAULT_CLIENTS_CUT] = {"clients-cut", "links to the clients cut, one way or both", fault_clients_cut, true},
        [FAULT_BLACKHOLE] = {"blackhole", "dials without an answer, or slow", fault_blackhole, true},
        [FAULT_SLOW_LINK] = {"slow-link", "one way between two is slow", fault_slow_link, true},
        [FAULT_LATE] = {"late", "bytes of old connections arrive among those of new ones", fault_late, true},
        [FAULT_HANGING_DISK] = {"hanging-disk", "a disk hangs", fault_hanging_disk, false},
        [FAULT_ROT] = {"rot", "a log is damaged: a bit, a sector, its end", fault_rot, false},
        [FAULT_LOST_DISK] = {"lost-disk", "the files of a server are gone", fault_lost_disk, false},
        [FAULT_CUT] = {"cut", "links cut, one way or both", fault_cut, true},
        [FAULT_SLOW_DISK] = {"slow-disk", "slow disk", fault_slow_disk, false},
        [FAULT_FULL_DISK] = {"full-disk", "full disk", fault_full_disk, false},
        [FAULT_BAD_DISK] = {"bad-disk", "one operation of a disk fails", fault_bad_disk, false},
        [FAULT_SNAPSHOT] = {"snapshot-file", "files of snapshots can't be written", fault_snapshot, false},
        [FAULT_RESET] = {"reset", "connections reset", fault_reset, false},
        [FAULT_ALL_DOWN] = {"all-down", "everybody down at once", fault_all_down, true},
        [FAULT_IN_SYNC] = {"death-in-sync", "learner or leader dies in a synchronisation", faults__in_sync, false},
        [FAULT_IN_WORK] = {"death-in-work", "death in a cut, a snapshot or another piece of work of a disk",
                           faults__in_work, true},
        [FAULT_TAIL] = {"leader-tail", "a leader is cut off, goes on writing, and dies", faults__tail, false},
        [FAULT_PAUSE] = {"paused-leader", "a leader stands still while another takes over", faults__pause, false},
        [FAULT_DEAF] = {"deaf-leader", "a leader does not hear that another is elected", faults__deaf, true},
        [FAULT_OUTAGE] = {"outage", "no server sees another, for longer than a lease", faults__outage, true},
        [FAULT_RIVALS] = {"rivals", "candidates whose epochs are promised by themselves alone", faults__rivals, false},
        [FAULT_MIDWRITE] = {"death-in-write", "death between two effects of a step, or operations of a disk",
                            fault_midwrite, false},
        [FAULT_COMEBACK] = {"comeback", "a follower that is ahead of the others' disks loses its leader, and returns",
                            faults__comeback, false},
};
static_assert(sizeof kinds / sizeof *kinds == FAULT_FLEET, "a row for each fault");

static const char *const fleet_kinds[] = {
        [FLEET_AGENT_KILL] = "agent-kill",
        [FLEET_AGENT_PAUSE] = "agent-pause",
        [FLEET_CUT] = "machine-cut",
        [FLEET_CUT_AGENT] = "agent-cut",
        [FLEET_DEAF] = "agent-deaf",
        [FLEET_LATE_ANSWER] = "late-answer",
        [FLEET_POWER] = "machine-power",
        [FLEET_SUSPEND] = "machine-sleep",
        [FLEET_VM_PAUSE] = "machine-vm-pause",
        [FLEET_STAND] = "batond-stands",
        [FLEET_BATOND_KILL] = "batond-kill",
        [FLEET_BATOND_STOP] = "batond-stop",
        [FLEET_RATE] = "machine-clock-rate",
        [FLEET_WORKER_KILL] = "worker-kill",
        [FLEET_WORKER_STAND] = "worker-stands",
        [FLEET_START_FAILS] = "start-fails",
        [FLEET_STOP_FAILS] = "stop-fails",
        [FLEET_CALLBACK] = "callback-slips",
        [FLEET_RECORD_FULL] = "record-full",
        [FLEET_RESOURCE_DIES] = "resource-dies",
        [FLEET_OPERATOR] = "operator",
        [FLEET_ZNODE] = "znode",
        [FLEET_RELOAD] = "reload",
        [FLEET_NAP] = "nap",
        [FLEET_LATE_STAND] = "late-stand",
        [FLEET_LATE_KILL] = "late-kill",
        [FLEET_BLIND] = "takers-blind",
        [FLEET_DEAF_TAKERS] = "takers-deaf",
};
static_assert(sizeof fleet_kinds / sizeof *fleet_kinds == FLEET_FAULT_MAX, "a name for each fault of a fleet");

const char *fault_name(enum fault fault)
{
        return fault < FAULT_FLEET ? kinds[fault].name : fleet_kinds[fault - FAULT_FLEET];
}

const char *fault_text(enum fault fault)
{
        return fault < FAULT_FLEET ? kinds[fault].text : fleet_fault_name((enum fleet_fault)(fault - FAULT_FLEET));
}

enum fault fault_by_name(const char *name, size_t len)
{
        int i = 0;
        while (i < FAULT_MAX &&
               (strlen(fault_name((enum fault)i)) != len || memcmp(fault_name((enum fault)i), name, len) != 0))
                i++;
        return (enum fault)i;
}

/* ---- striking ---- */

static enum fault draw_kind(struct faults *f)
{
        uint64_t sum = 0;
        for (int i = 0; i < FAULT_MAX; i++)
                sum += f->plan.weights[i];
        uint64_t at = faults__draw(f, sum);
        int fault = 0;
        while (at >= f->plan.weights[fault])
                at -= f->plan.weights[fault++];
        return (enum fault)fault;
}

static void strike_fleet(struct faults *f, enum fault fault)
{
        trace_line(f->trace, faults__now(f), "*** fault %" PRIu32 ": %s", f->turns, fault_name(fault));
        f->counts[fault]++;
        f->fleet->fault_prng.state = faults__draw(f, UINT64_MAX);
        fleet_strike(f->fleet, (enum fleet_fault)(fault - FAULT_FLEET));
}

static void strike_server(struct faults *f, enum fault fault)
{
        int sid = 1 + (int)faults__draw(f, (uint64_t)f->world->count);
        int leader = faults__draw(f, 3) ? 0 : world_leader(f->world); /* it is worth more */
        if (leader)
                sid = leader;
        if ((!faults__up(f, sid) && !kinds[fault].on_down) || faults__is_elsewhere(f, sid))
                return;
        trace_line(f->trace, faults__now(f), "*** fault %" PRIu32 ": %s at %d", f->turns, kinds[fault].name, sid);
        f->counts[fault]++;
        kinds[fault].strike(f, sid);
}

static void strike(struct faults *f)
{
        f->prng.state = hash_u64(f->seed ^ hash_u64(f->turns++));
        f->next_ms = faults__now(f) + 1 + faults__draw(f, 2 * f->plan.pause_ms);
        enum fault fault = draw_kind(f);
        if (f->plan.without[fault] || f->turns > f->plan.most)
                return;
        if (fault >= FAULT_FLEET)
                strike_fleet(f, fault);
        else
                strike_server(f, fault);
}

void faults_told(struct faults *f, const char *text)
{
        f->bit_rotted |= strstr(text, " a bit ") != NULL;
}

void faults_recovered(struct faults *f, int sid, const struct recovered *r)
{
        struct trouble *t = faults__trouble(f, sid);
        if (t->rot_zxid && !r->lost && r->last_zxid < t->rot_zxid)
                verdict_break(f->verdict, faults__now(f), "D5",
                              "server %d passes over damage: it recovers up to 0x%" PRIx64 ", and had 0x%" PRIx64, sid,
                              (uint64_t)r->last_zxid, (uint64_t)t->rot_zxid);
        t->rot_zxid = 0;
        t->lost |= r->lost;
}

/* ---- mending ---- */

bool faults__due(const struct faults *f, uint64_t *at)
{
        if (!*at || faults__now(f) < *at)
                return false;
        *at = 0;
        return true;
}

static void join(struct faults *f, int from, int to)
{
        world_cut(f->world, from, to, false);
        f->links[from][to].join_ms = 0;
        if (faults__draw_mending(f, 2))
                world_reset(f->world, from, to); /* else all that waited goes on */
}

static void clear(struct faults *f, int from, int to)
{
        world_blackhole(f->world, from, to, false);
        world_slow_dials(f->world, from, to, 0);
        world_slow_link(f->world, from, to, 0, 0);
        f->links[from][to].clear_ms = 0;
}

static void mend_links(struct faults *f, int from)
{
        for (int to = 0; to <= f->world->count; to++) {
                if (faults__due(f, &f->links[from][to].join_ms))
                        join(f, from, to);
                if (faults__due(f, &f->links[from][to].clear_ms))
                        clear(f, from, to);
        }
}

/* A server that has ended by itself must have had a reason, and comes back. */
static void mend_ended(struct faults *f, int sid)
{
        const struct world_node *n = &f->world->nodes[sid];
        struct trouble *t = faults__trouble(f, sid);
        if (n->running || t->start_ms)
                return;
        if (world_refused(f->world, sid)) { /* not started by us */
                refused(f, sid);
                return;
        }
        if (n->halted > 0) {
                coverage_hit(f->coverage, MARK_DISK_FAILURE);
                if (n->halted != SERVER_STATUS_DISK || !t->disk_failing)
                        verdict_break(f->verdict, faults__now(f), "D6", "server %d ended by itself with status %d", sid,
                                      n->halted);
        }
        note_end(f, sid);
        t->start_ms = faults__now(f) + 1 + faults__draw_mending(f, 1000);
}

static void mend(struct faults *f, int sid)
{
        struct trouble *t = faults__trouble(f, sid);
        if (t->away || faults__is_elsewhere(f, sid))
                return;
        mend_ended(f, sid);
        if (faults__due(f, &t->start_ms) && !faults__up(f, sid))
                start(f, sid);
        if (faults__due(f, &t->thaw_ms))
                world_pause(f->world, sid, WORLD_PAUSE_NONE);
        if (faults__due(f, &t->unhang_ms))
                world_hang_disk(f->world, sid, false);
        if (faults__due(f, &t->reset_ms) && world_leader(f->world)) {
                world_reset(f->world, sid, world_leader(f->world));
                world_slow_disk(f->world, sid, 20 + (uint32_t)faults__draw_mending(f, 130), 0);
                t->swift_ms = faults__now(f) + 600;
        }
        if (faults__due(f, &t->mend_ms))
                world_fill_disk(f->world, sid, false);
        if (faults__due(f, &t->swift_ms))
                world_slow_disk(f->world, sid, 0, 0);
        if (faults__due(f, &t->die_ms)) {
                bool power = faults__draw_mending(f, 3) != 0;
                faults__take_down(f, sid, power, faults__draw_mending(f, 1200));
        }
        if (t->lost && faults__up(f, sid) && !zab_lost(f->world->nodes[sid].server->zab)) {
                t->lost = false;
                coverage_hit(f->coverage, MARK_LOST_DISK_REPLACED);
        }
}

void faults_init(struct faults *f, struct world *w, const struct fault_plan *plan, uint64_t seed)
{
        *f = (struct faults){.world = w, .plan = *plan, .seed = hash_u64(seed ^ 0xfa17)};
        f->mending.state = hash_u64(f->seed);
        f->next_ms = faults__now(f) + 1;
}

void faults_turn(struct faults *f)
{
        if (faults__now(f) >= f->next_ms)
                strike(f);
        faults__plot(f);
        for (int sid = 1; sid <= f->world->count; sid++)
                mend(f, sid);
        for (int from = 0; from <= f->world->count; from++)
                mend_links(f, from);
}

/* ---- the end of all faults ---- */

static void lose(struct faults *f, int sid, enum heal how)
{
        faults__trouble(f, sid)->away = true;
        faults__trouble(f, sid)->die_ms = faults__trouble(f, sid)->reset_ms = 0;
        if (how == HEAL_DEAD)
                faults__take_down(f, sid, true, 0);
        for (int i = 1; i <= f->world->count; i++)
                if (i != sid) {
                        f->links[sid][i].join_ms = f->links[i][sid].join_ms = 0;
                        world_cut(f->world, sid, i, true);
                        world_cut(f->world, i, sid, true);
                }
        if (how == HEAL_CUT && faults__up(f, sid))
                world_pause(f->world, sid, WORLD_PAUSE_NONE);
}

static void heal_links(struct faults *f, int from, uint32_t set)
{
        for (int to = 0; to <= f->world->count; to++)
                if (set >> to & 1) { /* bit 0: the clients */
                        if (f->links[from][to].clear_ms)
                                clear(f, from, to);
                        if (f->world->links[from][to].cut)
                                join(f, from, to);
                        world_age(f->world, from, to, 0);
                }
}

static void heal(struct faults *f, int sid)
{
        struct trouble *t = faults__trouble(f, sid);
        world_slow_disk(f->world, sid, 0, 0);
        world_hang_disk(f->world, sid, false);
        world_pause(f->world, sid, WORLD_PAUSE_NONE);
        t->die_ms = t->reset_ms = 0;
        t->away = false;
        /* What was to fail and has not yet: the machine is looked after. */
        world_live(f->world, sid);
        if (faults__up(f, sid) && (t->disk_failing || t->reboot))
                faults__take_down(f, sid, true, 0);
        if (!faults__up(f, sid))
                start(f, sid);
}

void faults_heal(struct faults *f, uint32_t set, enum heal rest)
{
        trace_line(f->trace, faults__now(f), "*** all is mended");
        f->mended = true;
        faults__plot_end(f);
        world_slow_net(f->world, 0, 0);
        for (int sid = 1; sid <= f->world->count; sid++)
                if (!(set >> sid & 1)) {
                        trace_line(f->trace, faults__now(f), "*** %d stays %s", sid,
                                   rest == HEAL_DEAD ? "down" : "cut off");
                        lose(f, sid, rest);
                }
        for (int from = 0; from <= f->world->count; from++)
                if ((set | 1) >> from & 1)
                        heal_links(f, from, set | 1);
        for (int sid = 1; sid <= f->world->count; sid++)
                if (set >> sid & 1)
                        heal(f, sid);
}

void faults_restart_ended(struct faults *f, uint32_t set)
{
        for (int sid = 1; sid <= f->world->count; sid++)
                if (set >> sid & 1 && !faults__up(f, sid) && !faults__is_elsewhere(f, sid)) {
                        mend_ended(f, sid);
                        start(f, sid);
                }
}
