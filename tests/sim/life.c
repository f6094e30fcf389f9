#include "tests/sim/life.h"

#include "election/base/alloc.h"
#include "election/server/server_internal.h"
#include "tests/sim/world/world_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* From the moment everything is mended until every server serves, in ticks: one barrier that still runs into the
 * init limit, the election's longest wait, a synchronisation, and then twice the sync limit without a change. */
#define HEAL_TICKS 80
/* Until clients have their answers, and until sessions of clients that are gone have expired. */
#define SETTLE_MS 8000
#define EXPIRE_MS 3500
/* So long a fleet is looked at when nothing is wrong with it. */
#define FLEET_QUIET_MS 15000
/* How far from true a clock may go: ρ of docs/failover.md. */
#define CLOCK_RATE_PPM 100000

/* What was last seen of a server. */
struct seen {
        uint64_t snapshots; /* written since it started */
        size_t outstanding; /* proposals, when it was last seen leading */
};

struct life {
        const struct life_plan *plan;
        struct life_result *result;
        struct trace trace;
        struct prng prng;
        struct world *world;
        struct scene scene;  /* the same world, for the fleet's clients */
        struct fleet *fleet; /* NULL: there is none */
        struct oracle *oracle;
        struct faults faults;
        struct chronicle chronicle;
        struct random_tally tally;
        struct random_client *clients[LIFE_CLIENTS_MAX];
        uint32_t healed;    /* servers that must serve, a bit for each sid; 0 while things go wrong */
        bool serves;        /* they have */
        uint64_t steady_ms; /* since then all of them have served */
        struct seen seen[WORLD_SERVERS_MAX + 1];
};

static uint64_t draw(struct life *l, uint64_t below)
{
        return prng_next(&l->prng) % below;
}

static bool broken(struct life *l)
{
        if (l->chronicle.failure[0])
                verdict_break(&l->result->verdict, world_now(l->world), "HISTORY", "%s", l->chronicle.failure);
        return verdict_broken(&l->result->verdict);
}

static bool up(const struct life *l, int sid)
{
        return l->world->nodes[sid].running;
}

static bool is_in(uint32_t set, int sid)
{
        return set >> sid & 1;
}

static bool is_healed(const struct life *l, int sid)
{
        return is_in(l->healed, sid);
}

static struct coverage *coverage(struct life *l)
{
        return &l->result->coverage;
}

/* ---- looking on ---- */

static void on_note(void *ctx, struct world *w, int sid, const char *text)
{
        struct life *l = ctx;
        (void)w;
        if (strstr(text, "synchronising from leader")) {
                if (strstr(text, "DIFF"))
                        coverage_hit(coverage(l), MARK_DIFF);
                if (strstr(text, "TRUNC"))
                        coverage_hit(coverage(l), MARK_TRUNC);
                if (strstr(text, "SNAP"))
                        coverage_hit(coverage(l), MARK_SNAP);
        }
        if (strstr(text, "was torn"))
                coverage_hit(coverage(l), MARK_TORN_TAIL);
        if (strstr(text, "can't be written") && strstr(text, "snapshot"))
                coverage_hit(coverage(l), MARK_SNAPSHOT_FAILED);
        if (strstr(text, "session") && strstr(text, "expired"))
                coverage_hit(coverage(l), MARK_SESSION_EXPIRED);
        faults_noted(&l->faults, sid, text);
}

static void look_at(struct life *l, int sid)
{
        const struct world_node *n = &l->world->nodes[sid];
        struct seen *s = &l->seen[sid];
        bool leads = n->running && zab_role(n->server->zab) == ZAB_LEADING;
        if (!leads && s->outstanding)
                coverage_hit(coverage(l), MARK_LEADER_LEFT_PROPOSALS);
        s->outstanding = leads ? zab_outstanding(n->server->zab) : 0;
        if (!n->running || !n->server->serving)
                return;
        l->faults.trouble[sid].in_snap = false;
        const struct snapshot_job *j = &n->server->job;
        coverage(l)->counts[MARK_SNAPSHOT_UNDER_LOAD] +=
                j->kind == JOB_ROUTINE && j->zxid < database_zxid(n->server->db);
        if (n->server->snapshots > s->snapshots)
                coverage(l)->counts[MARK_SNAPSHOT_WRITTEN] += n->server->snapshots - s->snapshots;
        s->snapshots = n->server->snapshots;
        if (n->server->digest_mismatches)
                verdict_break(&l->result->verdict, world_now(l->world), "D4", "server %d counts digest mismatches",
                              sid);
}

/* ---- time ---- */

static void step(struct life *l, bool busy)
{
        for (int i = 0; i < l->plan->clients; i++)
                random_client_step(l->clients[i], busy);
        scene_run(&l->scene, 1);
        if (l->fleet)
                fleet_turn(l->fleet);
        for (int sid = 1; sid <= l->world->count; sid++) {
                look_at(l, sid);
                if (l->serves && !l->fleet && is_healed(l, sid) && !up(l, sid))
                        verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                      "server %d has ended with nothing amiss", sid);
        }
}

static void live_with_faults(struct life *l)
{
        uint64_t end = world_now(l->world) + l->plan->faulty_ms;
        while (world_now(l->world) < end && !broken(l)) {
                faults_turn(&l->faults);
                step(l, true);
        }
}

/* ---- the healing ---- */

static uint32_t everybody(const struct life *l)
{
        return (2u << l->world->count) - 2;
}

/* A majority of the voters, no more than needed, and any observers. Who lost its disk, or will when it starts again,
 * does not count. */
static uint32_t draw_core(struct life *l)
{
        uint32_t core = 0;
        for (int need = l->plan->voters / 2 + 1; need > 0;) {
                int sid = 1 + (int)draw(l, (uint64_t)l->plan->voters);
                need -= !is_in(core, sid) && !l->faults.trouble[sid].lost && !world_rotten(l->world, sid);
                core |= 1u << sid;
        }
        for (int i = 0; i < l->plan->observers; i++)
                if (draw(l, 2))
                        core |= 2u << (l->plan->voters + i);
        return core;
}

/* Under one leader; who has not noticed yet that it was left behind serves under another, or leads alone. */
static bool all_serving(struct life *l)
{
        int leader = world_leader(l->world);
        for (int sid = 1; sid <= l->world->count; sid++) {
                const struct world_node *n = &l->world->nodes[sid];
                if (is_healed(l, sid) &&
                    (!n->running || !n->server->serving || n->server->stopping || zab_leader(n->server->zab) != leader))
                        return false;
        }
        return leader != 0;
}

/* For longer than a peer that is gone can stay unnoticed. */
static bool all_serve_steadily(struct life *l)
{
        uint64_t now = world_now(l->world);
        if (!all_serving(l))
                l->steady_ms = now;
        return now >= l->steady_ms + (uint64_t)2 * l->plan->sync_limit * l->plan->tick_ms;
}

static void heal(struct life *l, uint32_t set)
{
        l->serves = false;
        l->healed = set;
        if (l->fleet)
                fleet_mend(l->fleet);
        faults_heal(&l->faults, set, l->plan->rest);
        uint64_t bound = (uint64_t)HEAL_TICKS * l->plan->tick_ms, end = world_now(l->world) + bound;
        l->steady_ms = world_now(l->world);
        while (!all_serve_steadily(l) && !broken(l)) {
                if (world_now(l->world) > end)
                        verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                      "not every healed server serves within %" PRIu64 " ms of the mend", bound);
                faults_restart_ended(&l->faults, set);
                step(l, true);
        }
        l->serves = true;
        trace_line(&l->trace, world_now(l->world), "*** serves again");
        for (int i = 0; i < 300 && !broken(l); i++)
                step(l, true);
}

static bool all_idle(const struct life *l)
{
        bool idle = true;
        for (int i = 0; i < l->plan->clients; i++)
                idle &= random_client_idle(l->clients[i]);
        return idle;
}

static void await_idle(struct life *l)
{
        uint64_t end = world_now(l->world) + SETTLE_MS;
        while (!all_idle(l) && !broken(l)) {
                if (world_now(l->world) > end)
                        verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                      "clients are without answers after %d ms", SETTLE_MS);
                step(l, false);
        }
}

static void settle(struct life *l)
{
        await_idle(l);
        /* Sessions nobody keeps alive end: the longest timeout, rounded up to a tick. */
        for (int i = 0; i < EXPIRE_MS && !broken(l); i++)
                step(l, false);
        await_idle(l);
        for (int i = 0; i < l->plan->clients; i++)
                random_client_look(l->clients[i]);
        await_idle(l);
        for (int i = 0; i < 300 && !broken(l); i++)
                step(l, false);
}

/* Each group is active on one node, and stays there: nothing moves, but for failback and what is still to be counted
 * against a node. */
static void settle_fleet(struct life *l)
{
        const struct fleet *f = l->fleet;
        int takes[FLEET_GROUPS_MAX] = {0}, at[FLEET_GROUPS_MAX] = {0};
        uint64_t end = world_now(l->world) + FLEET_MENDED_MS;
        for (size_t g = 0; g < f->o.groups; g++)
                while (!fleet_active(f, g) && !broken(l)) {
                        if (world_now(l->world) > end)
                                verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                              "group %zu is active nowhere, %d ms after the mend", g, FLEET_MENDED_MS);
                        step(l, true);
                }
        for (int i = 0; i < FLEET_QUIET_MS && !broken(l); i++)
                step(l, true);
        for (size_t g = 0; g < f->o.groups; g++) {
                takes[g] = f->takes[g];
                at[g] = fleet_active(f, g);
        }
        for (int i = 0; i < FLEET_QUIET_MS && !broken(l); i++)
                step(l, false);
        for (size_t g = 0; g < f->o.groups && !broken(l); g++)
                if (f->o.policy != POLICY_PRIORITY && (fleet_active(f, g) != at[g] || f->takes[g] != takes[g]))
                        verdict_break(&l->result->verdict, world_now(l->world), "LIVE",
                                      "group %zu moves though nothing is wrong", g);
        if (!broken(l))
                coverage_hit(coverage(l), MARK_FLEET_SETTLED);
}

static void recover(struct life *l)
{
        if (l->plan->recovery != RECOVERY_ALL) {
                heal(l, draw_core(l));
                if (!broken(l))
                        coverage_hit(coverage(l), MARK_CORE_SERVES);
        }
        if (l->plan->recovery != RECOVERY_CORE && !broken(l)) {
                heal(l, everybody(l));
                if (l->plan->recovery == RECOVERY_BOTH && !broken(l))
                        coverage_hit(coverage(l), MARK_REST_RETURNS);
        }
        if (l->fleet && !broken(l))
                settle_fleet(l);
        if (!broken(l))
                settle(l);
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

static int first_healed(const struct life *l)
{
        int sid = 1;
        while (!is_healed(l, sid))
                sid++;
        return sid;
}

static bool session_lives(void *ctx, int64_t session)
{
        const struct life *l = ctx;
        return session_table_find(database_sessions(l->world->nodes[first_healed(l)].server->db), session, NULL);
}

static void check_tree(struct life *l, const char *text)
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
        chronicle_check(&l->chronicle, nodes, count, session_lives, l);
        mem_free(nodes);
}

static void compare_trees(struct life *l)
{
        int one = first_healed(l);
        char *first = world_dump(l->world, one);
        for (int sid = one + 1; sid <= l->world->count; sid++) {
                if (!is_healed(l, sid))
                        continue;
                char *text = world_dump(l->world, sid);
                size_t i = 0;
                while (text[i] && text[i] == first[i])
                        i++;
                while (i > 0 && text[i - 1] != '\n')
                        i--;
                if (strcmp(first, text) != 0)
                        verdict_break(&l->result->verdict, world_now(l->world), "Z5",
                                      "server %d differs from server %d: \"%.100s\", not \"%.100s\"", sid, one,
                                      text + i, first + i);
                mem_free(text);
        }
        check_tree(l, first);
        mem_free(first);
}

/* ---- the beginning ---- */

static void make_node(struct life *l, struct world_client *c, const char *path, bool hot)
{
        char data[RANDOM_PATH_MAX] = "";
        size_t n = 0;
        if (hot) {
                n = chronicle_write(&l->chronicle, WRITE_SET, world_session(c), path);
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
                verdict_break(&l->result->verdict, world_now(l->world), "LIVE", "%s can't be created", path);
        else if (hot)
                chronicle_acked(&l->chronicle, n, zxid, NULL, 0);
        jute_writer_done(&acl);
        jute_writer_done(&body);
}

static void make_bulk(struct life *l, struct world_client *c, const char *path)
{
        char *data = mem_zalloc(RANDOM_BULK_BYTES + 1);
        memset(data, 'b', RANDOM_BULK_BYTES);
        if (world_create(c, path, data, 0, NULL, 0) != ZK_OK)
                verdict_break(&l->result->verdict, world_now(l->world), "LIVE", "%s can't be created", path);
        mem_free(data);
}

static void begin_fleet(struct life *l)
{
        l->fleet = mem_zalloc(sizeof *l->fleet);
        fleet_init_in(l->fleet, &l->plan->fleet_options, &l->scene);
        fleet_watch(l->fleet, &l->result->verdict, &l->trace, coverage(l));
        l->faults.fleet = l->fleet;
}

static void begin(struct life *l)
{
        char path[RANDOM_PATH_MAX];
        for (int sid = 1; sid <= l->world->count; sid++)
                world_start(l->world, sid);
        if (!world_serving(l->world, 0, (uint64_t)HEAL_TICKS * l->plan->tick_ms)) {
                verdict_break(&l->result->verdict, world_now(l->world), "LIVE", "does not serve at the start");
                return;
        }
        struct world_client *c = world_connect(l->world, 1, NULL);
        for (int i = 0; l->plan->bulk && i < RANDOM_BULK_NODES; i++) { /* first: what changes stands behind them */
                (void)snprintf(path, sizeof path, "/b%d", i);
                make_bulk(l, c, path);
        }
        for (int i = 0; i < RANDOM_HOT; i++) {
                (void)snprintf(path, sizeof path, "/h%d", i);
                make_node(l, c, path, true);
        }
        for (int i = 0; i < 3 * RANDOM_PARENTS; i++) {
                (void)snprintf(path, sizeof path, "/%c%d", "use"[i % 3], i / 3);
                make_node(l, c, path, false);
        }
        world_disconnect(c);
        if (l->plan->fleet)
                begin_fleet(l);
        world_slow_net(l->world, l->plan->net_delay_ms, l->plan->net_bytes_per_ms);
        for (int i = 0; i < l->plan->clients; i++)
                l->clients[i] =
                        random_client_new(l->world, &l->chronicle, &l->plan->habits, &l->tally, draw(l, UINT64_MAX));
}

static void make_world(struct life *l)
{
        const struct life_plan *p = l->plan;
        l->world = world_new(p->voters, p->observers, hash_u64(p->seed ^ 0x3031d));
        l->scene = (struct scene){.w = l->world, .servers = p->voters, .timeout_ms = 2000};
        struct server_config *c = &l->world->config;
        c->snap_count = p->snap_count;
        c->commit_log_count = p->commit_log_count;
        c->tick_ms = p->tick_ms;
        c->init_limit = p->init_limit;
        c->sync_limit = p->sync_limit;
        l->oracle = oracle_new(l->world, &l->result->verdict, coverage(l));
        faults_init(&l->faults, l->world, &p->faults, p->seed);
        l->faults.oracle = l->oracle;
        l->faults.bulk = p->bulk;
        l->faults.rate_ppm = CLOCK_RATE_PPM;
        l->faults.trace = &l->trace;
        l->faults.verdict = &l->result->verdict;
        l->faults.coverage = coverage(l);
        struct world_witness tracer = world_trace_witness(&l->trace);
        world_add_witness(l->world, &tracer);
        world_add_witness(l->world, &(struct world_witness){.noted = on_note, .ctx = l});
}

static void count(struct life *l)
{
        struct life_result *r = l->result;
        r->coverage.counts[MARK_SESSION_MOVED] += l->tally.moved;
        r->coverage.counts[MARK_WATCH_FIRED] += l->tally.events;
        r->coverage.counts[MARK_WATCHES_RESTORED] += l->tally.restored;
        r->coverage.counts[MARK_LEFT_CONNECTION_SPOKE] += l->tally.ghosts;
        r->coverage.counts[MARK_UNKNOWN_OUTCOME] += l->tally.unknown;
        r->simulated_ms = world_now(l->world);
        r->transactions = oracle_commits(l->oracle);
        r->operations = l->chronicle.write_count + l->chronicle.read_count;
        r->fault_turns = l->faults.turns;
        memcpy(r->faults, l->faults.counts, sizeof r->faults);
        trace_line(&l->trace, r->simulated_ms, "%" PRIu64 " writes acknowledged, %" PRIu64 " without an answer",
                   l->tally.acked, l->tally.unknown);
        if (verdict_broken(&r->verdict))
                trace_line(&l->trace, r->verdict.at_ms, "%s is broken: %s", r->verdict.checker, r->verdict.text);
        r->digest = l->trace.digest;
}

void life_live(const struct life_plan *plan, FILE *trace, struct life_result *ret)
{
        struct life *l = mem_zalloc(sizeof *l);
        *ret = (struct life_result){.digest = 0};
        l->plan = plan;
        l->result = ret;
        l->prng.state = hash_u64(plan->seed ^ 0x11fe);
        trace_init(&l->trace, trace);
        life_plan_say(plan, &l->trace);
        chronicle_init(&l->chronicle);
        make_world(l);
        begin(l);
        if (!broken(l))
                live_with_faults(l);
        if (!broken(l))
                recover(l);
        if (!broken(l))
                oracle_finish(l->oracle);
        if (!broken(l))
                compare_trees(l);
        (void)broken(l); /* the chronicle may have its word */
        count(l);
        for (int i = 0; i < plan->clients; i++)
                if (l->clients[i])
                        random_client_free(l->clients[i]);
        if (l->fleet)
                fleet_done(l->fleet);
        mem_free(l->fleet);
        scene_done(&l->scene); /* the world with it */
        oracle_free(l->oracle);
        chronicle_done(&l->chronicle);
        mem_free(l);
}
