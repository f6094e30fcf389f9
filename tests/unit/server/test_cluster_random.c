/* Whole ensembles under random faults: production servers and production stores in the small world, clients
 * that write, read, watch and move about; then everything is mended, and what clients were told is held
 * against what there is (safety.md 3.5-3.7).
 *
 * Each seed draws the size of the ensemble, the limits, what clients do, and which faults exist and how often
 * (swarm testing). BATON_SEED=n repeats one seed with everything it says; BATON_SEEDS=n runs so many from
 * BATON_SEED_FIRST on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "election/base/alloc.h"
#include "election/server/server_internal.h"
#include "tests/sim/oracle/oracle.h"
#include "tests/sim/world/world_state.h"
#include "tests/unit/server/random_client.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef BATON_SANITIZED
#define SEEDS_DEFAULT 40
#else
#define SEEDS_DEFAULT 70
#endif
#define CLIENTS_MAX   10
#define FAULTY_MS_MAX 6000
/* From the moment everything is mended until every server serves: one barrier that still runs into the init
 * limit, the election's longest wait, and a sync. */
#define HEAL_MS 6000
/* Until clients have their answers, and until sessions of clients that are gone have expired. */
#define SETTLE_MS   8000
#define DIGESTS_MAX (1u << 16)

enum fault {
        FAULT_CRASH, /* power */
        FAULT_KILL,  /* process */
        FAULT_STOP,  /* clean */
        FAULT_FREEZE,
        FAULT_CUT, /* a pair, or one server from all, one way or both */
        FAULT_SLOW_DISK,
        FAULT_FULL_DISK,
        FAULT_BAD_DISK, /* one operation fails */
        FAULT_SNAPSHOT, /* files of snapshots can't be written */
        FAULT_RESET,    /* connections */
        FAULT_ALL_DOWN, /* everybody at once */
        FAULT_IN_SYNC,  /* learner or leader dies while the one synchronises the other */
        FAULT_TAIL,     /* a leader is cut off, goes on writing, and dies */
        FAULT_PAUSE,    /* a leader stands still, and is the last to hear that there is another */
        FAULT_MIDWRITE, /* power or process, between two operations of the disk */
        FAULT_MAX,
};
static const char *const fault_name[] = {
        [FAULT_CRASH] = "power loss",
        [FAULT_KILL] = "kill",
        [FAULT_STOP] = "clean stop",
        [FAULT_FREEZE] = "freeze",
        [FAULT_CUT] = "cut",
        [FAULT_SLOW_DISK] = "slow disk",
        [FAULT_FULL_DISK] = "full disk",
        [FAULT_BAD_DISK] = "bad disk",
        [FAULT_SNAPSHOT] = "snapshot file",
        [FAULT_RESET] = "resets",
        [FAULT_ALL_DOWN] = "all down",
        [FAULT_IN_SYNC] = "death in sync",
        [FAULT_TAIL] = "leader with a tail",
        [FAULT_PAUSE] = "paused leader",
        [FAULT_MIDWRITE] = "death in a write",
};

/* What must happen in some seed, lest the test be about nothing. */
enum sight {
        SEEN_DIFF,
        SEEN_TRUNC,
        SEEN_SNAP,
        SEEN_SNAPSHOT_WRITTEN,
        SEEN_SNAPSHOT_UNDER_LOAD,
        SEEN_SNAPSHOT_FAILED,
        SEEN_SNAP_INTERRUPTED,
        SEEN_TORN_TAIL,
        SEEN_LEADER_LEFT_PROPOSALS,
        SEEN_DISK_FAILURE,
        SEEN_SESSION_MOVED,
        SEEN_SESSION_EXPIRED,
        SEEN_WATCH_FIRED,
        SEEN_WATCHES_RESTORED,
        SEEN_LEFT_CONNECTION_SPOKE,
        SEEN_UNKNOWN_OUTCOME,
        SEEN_MAX,
};
static const char *const seen_name[] = {
        [SEEN_DIFF] = "sync by DIFF",
        [SEEN_TRUNC] = "sync by TRUNC",
        [SEEN_SNAP] = "sync by SNAP",
        [SEEN_SNAPSHOT_WRITTEN] = "snapshot written",
        [SEEN_SNAPSHOT_UNDER_LOAD] = "snapshot while transactions were applied",
        [SEEN_SNAPSHOT_FAILED] = "snapshot file failed",
        [SEEN_SNAP_INTERRUPTED] = "learner died during SNAP",
        [SEEN_TORN_TAIL] = "torn tail cut",
        [SEEN_LEADER_LEFT_PROPOSALS] = "leader ended with proposals outstanding",
        [SEEN_DISK_FAILURE] = "server halted by its disk",
        [SEEN_SESSION_MOVED] = "session moved",
        [SEEN_SESSION_EXPIRED] = "session expired",
        [SEEN_WATCH_FIRED] = "watch fired",
        [SEEN_WATCHES_RESTORED] = "watches restored",
        [SEEN_LEFT_CONNECTION_SPOKE] = "write on a connection its session had left",
        [SEEN_UNKNOWN_OUTCOME] = "write without an answer",
};
static_assert(sizeof seen_name / sizeof *seen_name == SEEN_MAX, "a name for each mark");
static_assert(sizeof fault_name / sizeof *fault_name == FAULT_MAX, "a name for each fault");

/* What is going on at one server; times 0: nothing. */
struct trouble {
        uint64_t start_ms, thaw_ms, mend_ms, swift_ms, die_ms;
        bool disk_failing;  /* it may halt because of its disk */
        bool reboot;        /* the machine starts anew with it: its page cache is gone */
        bool in_snap;       /* is being sent a snapshot */
        uint64_t snapshots; /* written since it started */
        size_t outstanding; /* proposals, when it was last seen leading */
};

struct digest {
        int64_t zxid;
        uint64_t digest;
};

struct run {
        uint64_t seed;
        bool loud;
        bool bulk;   /* the tree is larger than a portion of a snapshot */
        bool mended; /* everybody serves, nothing goes wrong any more */
        struct world *world;
        struct verdict verdict;
        struct oracle *oracle;
        struct chronicle chronicle;
        struct random_habits habits;
        struct random_tally tally;
        struct random_client *clients[CLIENTS_MAX];
        int client_count;
        struct prng prng;
        uint32_t weights[FAULT_MAX];
        uint64_t fault_pause_ms, next_fault_ms;
        struct trouble trouble[WORLD_SERVERS_MAX + 1];
        uint64_t join_ms[WORLD_SERVERS_MAX + 1][WORLD_SERVERS_MAX + 1];
        uint64_t deaths_in_sync; /* still to come */
        struct digest *digests;  /* by zxid, what some serving server had: a table with linear probing */
        size_t digest_count;
        int64_t epochs[4096]; /* leader of each epoch */
};

static uint64_t seen[SEEN_MAX];
static struct coverage coverage;
/* Ready for a signal handler. */
static char seed_text[64];
static size_t seed_text_len;

static uint64_t draw(struct run *r, uint64_t below)
{
        return prng_next(&r->prng) % below;
}

static void say(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct run *r, const char *format, ...)
{
        if (!r->loud)
                return;
        va_list args;
        va_start(args, format);
        (void)fprintf(stderr, "[%" PRIu64 "] ", world_now(r->world));
        (void)vfprintf(stderr, format, args);
        (void)fputc('\n', stderr);
        va_end(args);
}

/* ---- what servers say ---- */

static void on_note(void *ctx, struct world *w, int sid, const char *text)
{
        (void)w;
        struct run *r = ctx;
        struct trouble *t = &r->trouble[sid];
        say(r, "%d: %s", sid, text);
        seen[SEEN_DIFF] += strstr(text, "synchronising from leader") && strstr(text, "DIFF");
        seen[SEEN_TRUNC] += strstr(text, "synchronising from leader") && strstr(text, "TRUNC");
        seen[SEEN_TORN_TAIL] += strstr(text, "was torn") != NULL;
        seen[SEEN_SNAPSHOT_FAILED] += strstr(text, "can't be written") && strstr(text, "snapshot");
        seen[SEEN_SESSION_EXPIRED] += strstr(text, "session") && strstr(text, "expired");
        if (!strstr(text, "synchronising from leader"))
                return;
        bool snap = strstr(text, "SNAP") != NULL;
        seen[SEEN_SNAP] += snap;
        t->in_snap = snap;
        if (!r->deaths_in_sync || draw(r, 3))
                return;
        r->deaths_in_sync--;
        int leader = draw(r, 2) ? world_leader(r->world) : 0;
        r->trouble[leader ? leader : sid].die_ms = world_now(r->world) + 1 + draw(r, snap ? 30 : 10);
}

/* ---- checks while it runs ---- */

/* Two servers that have applied the same transactions have the same tree (safety Z3, D4). */
static void check_digest(struct run *r, int sid)
{
        const struct database *db = r->world->nodes[sid].server->db;
        int64_t zxid = database_zxid(db);
        uint64_t digest = tree_digest(database_tree(db));
        if (!(zxid & 0xffffffff))
                return;
        size_t i = hash_u64((uint64_t)zxid) % DIGESTS_MAX;
        while (r->digests[i].zxid && r->digests[i].zxid != zxid)
                i = (i + 1) % DIGESTS_MAX;
        if (r->digests[i].zxid && r->digests[i].digest != digest)
                chronicle_fail(&r->chronicle, "server %d has another tree at %" PRIx64 " than one before", sid,
                               (uint64_t)zxid);
        if (!r->digests[i].zxid && ++r->digest_count < DIGESTS_MAX / 2)
                r->digests[i] = (struct digest){.zxid = zxid, .digest = digest};
}

static void watch_server(struct run *r, int sid)
{
        struct world_node *n = &r->world->nodes[sid];
        struct trouble *t = &r->trouble[sid];
        bool leads = n->running && zab_role(n->server->zab) == ZAB_LEADING;
        if (!leads && t->outstanding)
                seen[SEEN_LEADER_LEFT_PROPOSALS]++;
        t->outstanding = leads ? zab_outstanding(n->server->zab) : 0;
        if (!n->running || !n->server->serving)
                return;
        t->in_snap = false;
        check_digest(r, sid);
        const struct snapshot_job *j = &n->server->job;
        seen[SEEN_SNAPSHOT_UNDER_LOAD] += j->kind == JOB_ROUTINE && j->zxid < database_zxid(n->server->db);
        seen[SEEN_SNAPSHOT_WRITTEN] += n->server->snapshots - t->snapshots;
        t->snapshots = n->server->snapshots;
        if (n->server->digest_mismatches)
                chronicle_fail(&r->chronicle, "server %d counts digest mismatches", sid);
        int64_t epoch = zab_current_epoch(n->server->zab);
        if (!leads || epoch >= (int64_t)(sizeof r->epochs / sizeof *r->epochs))
                return;
        if (r->epochs[epoch] && r->epochs[epoch] != sid)
                chronicle_fail(&r->chronicle, "epoch %" PRId64 " has two leaders", epoch);
        r->epochs[epoch] = sid;
}

/* ---- faults ---- */

static bool up(const struct run *r, int sid)
{
        return r->world->nodes[sid].running;
}

static void note_end(struct run *r, int sid)
{
        struct trouble *t = &r->trouble[sid];
        seen[SEEN_SNAP_INTERRUPTED] += t->in_snap;
        *t = (struct trouble){.start_ms = t->start_ms,
                              .disk_failing = t->disk_failing,
                              .reboot = t->reboot,
                              .outstanding = t->outstanding};
        r->world->nodes[sid].frozen = false;
}

static void take_down(struct run *r, int sid, bool power, uint64_t away_ms)
{
        if (!up(r, sid))
                return;
        say(r, "*** %s of %d", power ? "power loss" : "kill", sid);
        note_end(r, sid);
        if (power)
                world_crash(r->world, sid);
        else
                world_kill(r->world, sid);
        r->trouble[sid].start_ms = world_now(r->world) + 1 + draw(r, away_ms);
}

static void start(struct run *r, int sid)
{
        struct trouble *t = &r->trouble[sid];
        struct world_node *n = &r->world->nodes[sid];
        world_fill_disk(r->world, sid, false);
        for (int op = 0; op < MEMORY_OP_MAX; op++)
                memory_storage_fail(n->disk, (enum memory_op)op, 0, 0, -EIO);
        world_fail_snapshots(r->world, sid, 0);
        if (t->reboot)
                world__disk_crash(n);
        *t = (struct trouble){.outstanding = 0};
        world_start(r->world, sid);
}

static void cut(struct run *r, int from, int to, uint64_t for_ms)
{
        world_cut(r->world, from, to, true);
        r->join_ms[from][to] = world_now(r->world) + for_ms;
}

static void cut_somehow(struct run *r, int sid)
{
        uint64_t for_ms = 20 + draw(r, 1500);
        uint64_t how = draw(r, 4);
        int other = 1 + (int)draw(r, (uint64_t)r->world->count);
        for (int i = 1; i <= r->world->count; i++) {
                if (i == sid || (how < 2 && i != other))
                        continue;
                if (how % 2)
                        cut(r, i, sid, for_ms);
                cut(r, sid, i, for_ms);
        }
}

/* Its proposals get nowhere; the others elect another before it comes back with them. */
static void leave_tail(struct run *r)
{
        int leader = world_leader(r->world);
        if (!leader)
                return;
        uint64_t for_ms = 5 + draw(r, 300);
        for (int i = 1; i <= r->world->count; i++)
                if (i != leader)
                        cut(r, leader, i, for_ms + draw(r, 100));
        r->trouble[leader].die_ms = world_now(r->world) + for_ms;
}

/* Others take over meanwhile. When it goes on, its clients' requests are the first it hears (safety S9). */
static void pause_leader(struct run *r)
{
        int leader = world_leader(r->world);
        if (!leader)
                return;
        uint64_t for_ms = 500 + draw(r, 700);
        for (int i = 1; i <= r->world->count; i++)
                if (i != leader)
                        cut(r, i, leader, for_ms + draw(r, 200));
        world_freeze(r->world, leader, true);
        r->trouble[leader].thaw_ms = world_now(r->world) + for_ms;
}

static void fail_disk(struct run *r, int sid)
{
        static const enum memory_op ops[] = {MEMORY_OP_WRITE,  MEMORY_OP_SYNC,   MEMORY_OP_CREATE,  MEMORY_OP_ALLOCATE,
                                             MEMORY_OP_RENAME, MEMORY_OP_REMOVE, MEMORY_OP_SYNC_DIR};
        memory_storage_fail(r->world->nodes[sid].disk, ops[draw(r, sizeof ops / sizeof *ops)], draw(r, 20), 1, -EIO);
        r->trouble[sid].disk_failing = true;
        r->trouble[sid].reboot = true;
}

static void inflict(struct run *r, enum fault fault)
{
        struct world *w = r->world;
        uint64_t now = world_now(w);
        int sid = 1 + (int)draw(r, (uint64_t)w->count);
        int leader = draw(r, 3) ? 0 : world_leader(w); /* it is worth more */
        if (leader)
                sid = leader;
        struct trouble *t = &r->trouble[sid];
        if (!up(r, sid) && fault != FAULT_CUT && fault != FAULT_ALL_DOWN)
                return;
        say(r, "*** %s at %d", fault_name[fault], sid);
        switch (fault) {
        case FAULT_CRASH:
        case FAULT_KILL:
                take_down(r, sid, fault == FAULT_CRASH, draw(r, 4) ? 1500 : 30);
                break;
        case FAULT_STOP:
                if (!w->nodes[sid].frozen)
                        world_stop_begin(w, sid);
                break;
        case FAULT_FREEZE:
                world_freeze(w, sid, true);
                t->thaw_ms = now + 10 + draw(r, 1500);
                break;
        case FAULT_CUT:
                cut_somehow(r, sid);
                break;
        case FAULT_SLOW_DISK:
                world_slow_disk(w, sid, 5 + (uint32_t)draw(r, 150), (uint32_t)draw(r, 300));
                t->swift_ms = now + draw(r, 3000);
                break;
        case FAULT_FULL_DISK:
                world_fill_disk(w, sid, true);
                t->disk_failing = true;
                t->mend_ms = now + draw(r, 2000);
                break;
        case FAULT_BAD_DISK:
                fail_disk(r, sid);
                break;
        case FAULT_SNAPSHOT:
                world_fail_snapshots(w, sid, 1 + (uint32_t)draw(r, 3));
                t->disk_failing = true;
                break;
        case FAULT_RESET:
                world_reset(w, sid, (int)draw(r, (uint64_t)w->count + 1));
                break;
        case FAULT_ALL_DOWN:
                for (int i = 1; i <= w->count; i++)
                        take_down(r, i, draw(r, 3) != 0, 200);
                break;
        case FAULT_IN_SYNC:
                r->deaths_in_sync += 1 + draw(r, 3);
                take_down(r, sid, true, 600);
                break;
        case FAULT_TAIL:
                leave_tail(r);
                break;
        case FAULT_PAUSE:
                pause_leader(r);
                break;
        case FAULT_MIDWRITE:
                world_die(w, sid, draw(r, draw(r, 2) ? 6 : 40), draw(r, 2) != 0, draw(r, 3) != 0);
                break;
        case FAULT_MAX:
                break;
        }
}

static void inflict_somehow(struct run *r)
{
        uint64_t now = world_now(r->world), sum = 0;
        if (now < r->next_fault_ms)
                return;
        r->next_fault_ms = now + 1 + draw(r, 2 * r->fault_pause_ms);
        for (int i = 0; i < FAULT_MAX; i++)
                sum += r->weights[i];
        uint64_t at = draw(r, sum);
        int fault = 0;
        while (at >= r->weights[fault])
                at -= r->weights[fault++];
        inflict(r, (enum fault)fault);
}

/* ---- mending ---- */

static bool due(uint64_t *at, uint64_t now)
{
        if (!*at || now < *at)
                return false;
        *at = 0;
        return true;
}

static void join(struct run *r, int from, int to)
{
        world_cut(r->world, from, to, false);
        r->join_ms[from][to] = 0;
        if (draw(r, 2))
                world_reset(r->world, from, to); /* else all that waited goes on */
}

/* A server that has ended by itself must have had a reason, and comes back. */
static void mend_ended(struct run *r, int sid)
{
        struct world_node *n = &r->world->nodes[sid];
        struct trouble *t = &r->trouble[sid];
        if (n->running || t->start_ms)
                return;
        if (n->halted > 0) {
                seen[SEEN_DISK_FAILURE]++;
                if (n->halted != SERVER_STATUS_DISK || !t->disk_failing)
                        chronicle_fail(&r->chronicle, "server %d ended by itself with status %d", sid, n->halted);
        }
        note_end(r, sid);
        t->start_ms = world_now(r->world) + 1 + draw(r, 1000);
}

static void mend(struct run *r, int sid)
{
        struct trouble *t = &r->trouble[sid];
        uint64_t now = world_now(r->world);
        mend_ended(r, sid);
        if (due(&t->start_ms, now))
                start(r, sid);
        if (due(&t->thaw_ms, now))
                world_freeze(r->world, sid, false);
        if (due(&t->mend_ms, now))
                world_fill_disk(r->world, sid, false);
        if (due(&t->swift_ms, now))
                world_slow_disk(r->world, sid, 0, 0);
        if (due(&t->die_ms, now))
                take_down(r, sid, draw(r, 3) != 0, 1200);
        for (int to = 1; to <= r->world->count; to++)
                if (r->join_ms[sid][to] && now >= r->join_ms[sid][to])
                        join(r, sid, to);
}

/* From here on nothing fails any more. */
static void mend_all(struct run *r)
{
        say(r, "*** all is mended");
        r->deaths_in_sync = 0;
        world_slow_net(r->world, 0, 0);
        for (int sid = 1; sid <= r->world->count; sid++) {
                struct trouble *t = &r->trouble[sid];
                for (int to = 1; to <= r->world->count; to++)
                        if (r->join_ms[sid][to])
                                join(r, sid, to);
                world_slow_disk(r->world, sid, 0, 0);
                world_freeze(r->world, sid, false);
                t->die_ms = 0;
                /* What was to fail and has not yet: the machine is looked after. */
                world_live(r->world, sid);
                if (up(r, sid) && (t->disk_failing || t->reboot))
                        take_down(r, sid, true, 1);
                if (!up(r, sid))
                        start(r, sid);
        }
}

/* ---- time ---- */

static bool failed(const struct run *r)
{
        return r->chronicle.failure[0] != 0;
}

static void step(struct run *r, bool busy)
{
        for (int i = 0; i < r->client_count; i++)
                random_client_step(r->clients[i], busy);
        world_run(r->world, 1);
        if (verdict_broken(&r->verdict))
                chronicle_fail(&r->chronicle, "%s: %s", r->verdict.checker, r->verdict.text);
        for (int sid = 1; sid <= r->world->count; sid++) {
                watch_server(r, sid);
                if (r->mended && !up(r, sid))
                        chronicle_fail(&r->chronicle, "server %d has ended with nothing amiss", sid);
        }
}

static void live_with_faults(struct run *r)
{
        uint64_t end = world_now(r->world) + 1500 + draw(r, FAULTY_MS_MAX - 1500);
        while (world_now(r->world) < end && !failed(r)) {
                inflict_somehow(r);
                for (int sid = 1; sid <= r->world->count; sid++)
                        mend(r, sid);
                step(r, true);
        }
}

static bool all_serving(struct run *r)
{
        for (int sid = 1; sid <= r->world->count; sid++)
                if (!up(r, sid) || !r->world->nodes[sid].server->serving || r->world->nodes[sid].server->stopping)
                        return false;
        return world_leader(r->world) != 0;
}

static void heal(struct run *r)
{
        mend_all(r);
        uint64_t end = world_now(r->world) + HEAL_MS;
        while (!all_serving(r) && !failed(r)) {
                if (world_now(r->world) > end)
                        chronicle_fail(&r->chronicle, "not everybody serves within %d ms of the mend", HEAL_MS);
                for (int sid = 1; sid <= r->world->count; sid++)
                        if (!up(r, sid)) { /* it was about to stop */
                                mend_ended(r, sid);
                                start(r, sid);
                        }
                step(r, true);
        }
        r->mended = true;
        for (int i = 0; i < 300 && !failed(r); i++)
                step(r, true);
}

static bool all_idle(const struct run *r)
{
        bool idle = true;
        for (int i = 0; i < r->client_count; i++)
                idle &= random_client_idle(r->clients[i]);
        return idle;
}

static void await_idle(struct run *r)
{
        uint64_t end = world_now(r->world) + SETTLE_MS;
        while (!all_idle(r) && !failed(r)) {
                if (world_now(r->world) > end)
                        chronicle_fail(&r->chronicle, "clients are without answers after %d ms", SETTLE_MS);
                step(r, false);
        }
}

static void settle(struct run *r)
{
        await_idle(r);
        /* Sessions nobody keeps alive end: the longest timeout, rounded up to a tick. */
        for (int i = 0; i < 3500 && !failed(r); i++)
                step(r, false);
        await_idle(r);
        for (int i = 0; i < r->client_count; i++)
                random_client_look(r->clients[i]);
        await_idle(r);
        if (!failed(r))
                world_run(r->world, 300);
}

/* ---- the final tree ---- */

static bool parse_node(const char *line, struct final_node *n)
{
        const char *c = strstr(line, " c="), *m = strstr(line, " m="), *v = strstr(line, " v="),
                   *o = strstr(line, " o="), *d = strstr(line, " d="), *end = strchr(line, '\n');
        if (!c || !m || !v || !o || !d || !end || line[0] != '/')
                return false;
        *n = (struct final_node){.czxid = (int64_t)strtoull(c + 3, NULL, 16),
                                 .mzxid = (int64_t)strtoull(m + 3, NULL, 16),
                                 .version = (int32_t)strtol(v + 3, NULL, 10),
                                 .owner = (int64_t)strtoull(o + 3, NULL, 16)};
        (void)snprintf(n->path, sizeof n->path, "%.*s", (int)(c - line), line);
        (void)snprintf(n->data, sizeof n->data, "%.*s", (int)(end - d - 3), d + 3);
        return true;
}

static bool session_lives(void *ctx, int64_t session)
{
        const struct run *r = ctx;
        return session_table_find(database_sessions(r->world->nodes[1].server->db), session, NULL);
}

static void check_tree(struct run *r, const char *text)
{
        struct final_node *nodes = NULL;
        size_t count = 0, capacity = 0;
        for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
                struct final_node n;
                if (!strncmp(line, "/zookeeper", 10) || !parse_node(line, &n))
                        continue;
                nodes = mem_grow(nodes, &capacity, count + 1, sizeof *nodes);
                nodes[count++] = n;
        }
        chronicle_check(&r->chronicle, nodes, count, session_lives, r);
        mem_free(nodes);
}

static void compare_trees(struct run *r)
{
        char *first = world_dump(r->world, 1);
        for (int sid = 2; sid <= r->world->count; sid++) {
                char *text = world_dump(r->world, sid);
                size_t i = 0;
                while (text[i] && text[i] == first[i])
                        i++;
                while (i > 0 && text[i - 1] != '\n')
                        i--;
                if (strcmp(first, text) != 0)
                        chronicle_fail(&r->chronicle, "server %d differs from server 1: \"%.100s\", not \"%.100s\"",
                                       sid, text + i, first + i);
                mem_free(text);
        }
        for (int sid = 1; sid <= r->world->count; sid++)
                if (!strstr(world_word(r->world, sid, "mntr"), "zk_digest_mismatches_count\t0\n"))
                        chronicle_fail(&r->chronicle, "server %d counts digest mismatches", sid);
        check_tree(r, first);
        mem_free(first);
}

/* ---- one seed ---- */

static void draw_habits(struct run *r)
{
        static const uint32_t pauses[] = {4, 10, 30, 80};
        struct random_habits *h = &r->habits;
        h->pause_ms = pauses[draw(r, 4)];
        h->depth = 1 + (uint32_t)draw(r, 8);
        h->restores_watches = draw(r, 2);
        h->keeps_ghosts = draw(r, 2);
        for (int i = 0; i < RANDOM_ACTIONS; i++)
                h->weights[i] = draw(r, 4) ? 10 + (uint32_t)draw(r, 90) : 0;
        h->weights[3] += 20; /* sets, and something to read */
        h->weights[8] += 10;
        r->bulk = !draw(r, 6);
        h->weights[13] = r->bulk ? 2 : 0;
        for (int i = 14; i < RANDOM_ACTIONS; i++) /* connections come to an end less often */
                h->weights[i] = h->weights[i] ? 1 + (uint32_t)draw(r, 10) : 0;
}

static void draw_faults(struct run *r)
{
        static const uint64_t pauses[] = {60, 200, 500, 1000};
        r->fault_pause_ms = pauses[draw(r, 4)];
        for (int i = 0; i < FAULT_MAX; i++)
                r->weights[i] = draw(r, 3) ? 0 : 1 + (uint32_t)draw(r, 10);
        r->weights[draw(r, FAULT_MAX)] += 3; /* at least one */
        /* What tears and forks logs is worth more seeds. */
        r->weights[FAULT_MIDWRITE] += draw(r, 2) ? 6 : 0;
        r->weights[FAULT_TAIL] += draw(r, 2) ? 3 : 0;
        r->weights[FAULT_PAUSE] += draw(r, 3) ? 0 : 3;
}

static void draw_world(struct run *r)
{
        static const uint32_t snap_counts[] = {20, 60, 200, 1000};
        static const uint32_t log_counts[] = {10, 50, 500}, delays[] = {0, 1, 4, 15, 50};
        int voters = draw(r, 3) ? 3 : 5, observers = (int)draw(r, 3);
        r->world = world_new(voters, observers, r->seed);
        r->world->config.snap_count = snap_counts[draw(r, 4)];
        r->world->config.commit_log_count = log_counts[draw(r, 3)];
        if (r->bulk && r->world->config.snap_count < 200)
                r->world->config.snap_count = 200;
        world_slow_net(r->world, delays[draw(r, 5)], draw(r, 2) ? 0 : r->bulk ? 30000 : 4000);
        world_add_witness(r->world, &(struct world_witness){.noted = on_note, .ctx = r});
        r->oracle = oracle_new(r->world, &r->verdict, &coverage);
        say(r, "seed %" PRIu64 ": %d voters, %d observers, snap_count %u, commit_log_count %u", r->seed, voters,
            observers, r->world->config.snap_count, r->world->config.commit_log_count);
}

static void make_node(struct run *r, struct world_client *c, const char *path, bool hot)
{
        char data[RANDOM_PATH_MAX] = "";
        size_t n = 0;
        if (hot) {
                n = chronicle_write(&r->chronicle, WRITE_SET, world_session(c), path);
                (void)snprintf(data, sizeof data, "w%zu", n);
        }
        struct jute_writer acl, body;
        struct jute_acl open = {.perms = 31, .id = {.scheme = jute_cstr("world"), .id = jute_cstr("anyone")}};
        jute_writer_init(&acl, SIZE_MAX);
        jute_writer_init(&body, SIZE_MAX);
        jute_put_acl(&acl, &open);
        struct jute_create_request q = {.path = jute_cstr(path),
                                        .data = jute_cstr(data),
                                        .acl = {.data = acl.data, .size = acl.len, .count = 1}};
        jute_put_create_request(&body, &q);
        int64_t zxid = 0;
        if (world_reply(c, world_send(c, OP_CREATE, &body), &zxid, NULL) != ZK_OK)
                chronicle_fail(&r->chronicle, "%s can't be created", path);
        else if (hot)
                chronicle_acked(&r->chronicle, n, zxid, NULL, 0);
        jute_writer_done(&acl);
        jute_writer_done(&body);
}

static void make_bulk(struct run *r, struct world_client *c, const char *path)
{
        char *data = mem_zalloc(RANDOM_BULK_BYTES + 1);
        memset(data, 'b', RANDOM_BULK_BYTES);
        if (world_create(c, path, data, 0, NULL, 0) != ZK_OK)
                chronicle_fail(&r->chronicle, "%s can't be created", path);
        mem_free(data);
}

static void begin(struct run *r)
{
        char path[RANDOM_PATH_MAX];
        for (int sid = 1; sid <= r->world->count; sid++)
                world_start(r->world, sid);
        if (!world_serving(r->world, 0, HEAL_MS)) {
                chronicle_fail(&r->chronicle, "does not serve at the start");
                return;
        }
        struct world_client *c = world_connect(r->world, 1, NULL);
        for (int i = 0; r->bulk && i < RANDOM_BULK_NODES; i++) { /* first: what changes stands behind them */
                (void)snprintf(path, sizeof path, "/b%d", i);
                make_bulk(r, c, path);
        }
        for (int i = 0; i < RANDOM_HOT; i++) {
                (void)snprintf(path, sizeof path, "/h%d", i);
                make_node(r, c, path, true);
        }
        for (int i = 0; i < 3 * RANDOM_PARENTS; i++) {
                (void)snprintf(path, sizeof path, "/%c%d", "use"[i % 3], i / 3);
                make_node(r, c, path, false);
        }
        world_disconnect(c);
        r->client_count = 2 + (int)draw(r, CLIENTS_MAX - 1);
        for (int i = 0; i < r->client_count; i++)
                r->clients[i] = random_client_new(r->world, &r->chronicle, &r->habits, &r->tally, draw(r, UINT64_MAX));
}

static void count_seen(const struct run *r)
{
        seen[SEEN_SESSION_MOVED] += r->tally.moved;
        seen[SEEN_WATCH_FIRED] += r->tally.events;
        seen[SEEN_WATCHES_RESTORED] += r->tally.restored;
        seen[SEEN_LEFT_CONNECTION_SPOKE] += r->tally.ghosts;
        seen[SEEN_UNKNOWN_OUTCOME] += r->tally.unknown;
}

/* Returns whether all was well. */
static bool run_seed(uint64_t seed, bool loud)
{
        struct run *r = mem_zalloc(sizeof *r);
        seed_text_len = (size_t)snprintf(seed_text, sizeof seed_text, "\nBATON_SEED=%" PRIu64 " repeats it\n", seed);
        r->seed = seed;
        r->prng.state = hash_u64(seed);
        r->digests = mem_zalloc(DIGESTS_MAX * sizeof *r->digests);
        chronicle_init(&r->chronicle);
        r->loud = false;
        draw_habits(r);
        draw_faults(r);
        r->loud = loud;
        draw_world(r);
        for (int i = 0; i < FAULT_MAX; i++)
                if (r->weights[i])
                        say(r, "%s: %u", fault_name[i], r->weights[i]);
        begin(r);
        if (!failed(r))
                live_with_faults(r);
        if (!failed(r))
                heal(r);
        if (!failed(r))
                settle(r);
        if (!failed(r))
                compare_trees(r);
        if (!failed(r))
                oracle_finish(r->oracle);
        if (verdict_broken(&r->verdict))
                chronicle_fail(&r->chronicle, "%s: %s", r->verdict.checker, r->verdict.text);
        count_seen(r);
        say(r, "%" PRIu64 " writes acknowledged, %" PRIu64 " without an answer, %zu reads", r->tally.acked,
            r->tally.unknown, r->chronicle.read_count);
        bool ok = !failed(r);
        if (!ok)
                (void)fprintf(stderr, "[%" PRIu64 "] %s\nBATON_SEED=%" PRIu64 " repeats it\n", world_now(r->world),
                              r->chronicle.failure, seed);
        for (int i = 0; i < r->client_count; i++)
                random_client_free(r->clients[i]);
        world_free(r->world);
        oracle_free(r->oracle);
        chronicle_done(&r->chronicle);
        mem_free(r->digests);
        mem_free(r);
        return ok;
}

/* ---- tests ---- */

static uint64_t number_from(const char *name, uint64_t otherwise)
{
        const char *text = getenv(name);
        return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_random_faults_leave_every_promise_kept(void **state)
{
        (void)state;
        if (getenv("BATON_SEED")) {
                assert_true(run_seed(number_from("BATON_SEED", 1), true));
                return;
        }
        uint64_t first = number_from("BATON_SEED_FIRST", 1), count = number_from("BATON_SEEDS", SEEDS_DEFAULT);
        uint64_t bad = 0;
        for (uint64_t seed = first; seed < first + count; seed++)
                bad += !run_seed(seed, false);
        assert_int_equal(bad, 0);
        for (int i = 0; i < MARK_MAX; i++)
                if (coverage.counts[i])
                        print_message("%8" PRIu64 " %s\n", coverage.counts[i], mark_name((enum mark)i));
        for (int i = 0; i < SEEN_MAX; i++) {
                print_message("%8" PRIu64 " %s\n", seen[i], seen_name[i]);
                if (!seen[i] && count >= SEEDS_DEFAULT)
                        fail_msg("%s: never", seen_name[i]);
        }
}

/* An assertion of the core, or a sanitizer, ends the program: say where. */
static void say_seed(void)
{
        ssize_t n = write(STDERR_FILENO, seed_text, seed_text_len);
        (void)n;
}

static void on_abort(int number)
{
        say_seed();
        (void)signal(number, SIG_DFL);
        (void)raise(number);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

int main(void)
{
        (void)signal(SIGABRT, on_abort);
        (void)signal(SIGALRM, on_abort);
        if (__sanitizer_set_death_callback)
                __sanitizer_set_death_callback(say_seed);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_random_faults_leave_every_promise_kept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
