#include "tests/unit/zab/world.h"

#include "election/base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last reports kept for a failure's print-out. */
#define STORY_BYTES 16384
/* More steps than this without time passing is a livelock. */
#define STEPS_MAX 200000

/* ---- small things ---- */

void items_push(struct items *l, struct item i)
{
        l->v = mem_grow(l->v, &l->capacity, l->n + 1, sizeof *l->v);
        l->v[l->n++] = i;
}

void items_done(struct items *l)
{
        mem_free(l->v);
        memset(l, 0, sizeof *l);
}

void items_copy(struct items *to, const struct items *from)
{
        items_done(to);
        for (size_t i = 0; i < from->n; i++)
                items_push(to, from->v[i]);
}

struct item item_of(const uint8_t *payload, size_t len, int64_t zxid)
{
        return (struct item){.zxid = zxid, .hash = hash_bytes(payload, len, 7)};
}

uint64_t world_random(struct world *w, uint64_t below)
{
        return prng_next(&w->prng) % below;
}

struct node *world_node(struct world *w, int64_t sid)
{
        return &w->nodes[sid - 1];
}

static void tell(struct world *w, const char *text)
{
        size_t len = strlen(text);
        if (w->story_len + len + 1 >= STORY_BYTES) {
                size_t half = w->story_len / 2;
                memmove(w->story, w->story + half, w->story_len - half);
                w->story_len -= half;
        }
        memcpy(w->story + w->story_len, text, len + 1);
        w->story_len += len;
}

static void note(struct world *w, int64_t sid, const char *text)
{
        char line[EFFECT_TEXT_MAX + 64];
        (void)snprintf(line, sizeof line, "[%llu] %lld %s\n", (unsigned long long)w->now_ms, (long long)sid, text);
        tell(w, line);
}

void world_fail(struct world *w, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        (void)fprintf(stderr, "%s\nseed %llu, %zu servers: ", w->story, (unsigned long long)w->seed, w->count);
        (void)vfprintf(stderr, format, ap);
        (void)fprintf(stderr, "\n");
        va_end(ap);
        abort();
}

/* ---- effects ---- */

static void carry_out(struct node *n, const struct effect *e)
{
        switch (e->type) {
        case EFFECT_DIAL:
                pipes_dial(n, e);
                break;
        case EFFECT_SEND:
                pipes_send(n, e->conn, e->send.blob);
                break;
        case EFFECT_CLOSE:
                pipes_close(n, e->conn, e->close.flush);
                break;
        case EFFECT_NOTIFY_SENT:
                pipes_notify(n, e->conn);
                break;
        case EFFECT_READ_STOP:
        case EFFECT_READ_START:
                pipes_read(n, e->conn, e->type == EFFECT_READ_START);
                break;
        case EFFECT_LOG_APPEND:
        case EFFECT_LOG_ROLL:
        case EFFECT_EPOCH_WRITE:
        case EFFECT_TRUNCATE:
                disk_take(n, e);
                break;
        case EFFECT_REPORT:
                note(n->world, (int64_t)n->index + 1, e->report.text);
                break;
        default:
                world_fail(n->world, "an effect zab has no business with: %d", (int)e->type);
        }
}

void node_flush(struct node *n)
{
        for (size_t i = 0; i < n->fx.count; i++)
                carry_out(n, &n->fx.list[i]);
        effects_reset(&n->fx);
        check_node(n);
}

/* ---- servers ---- */

static struct zab_config config_of(struct world *w, int64_t sid)
{
        return (struct zab_config){
                .sid = sid,
                .ensemble = &w->ensemble,
                .tick_ms = WORLD_TICK_MS,
                .init_limit = WORLD_INIT,
                .sync_limit = WORLD_SYNC,
                .item_max = 1 << 16,
                .history_max = w->history_max,
                .history_bytes_max = 1 << 20,
                .heartbeat_ms = w->heartbeat_ms,
                .election_timeout_ms = w->election_timeout_ms,
                .step_bytes_max = w->step_bytes_max ? w->step_bytes_max : ZAB_STEP_BYTES_MAX,
                .outstanding_bytes_max = WORLD_OUTSTANDING_BYTES_MAX,
                .learner_queue_bytes_max = WORLD_LEARNER_QUEUE_BYTES_MAX,
        };
}

void world_boot(struct world *w, int64_t sid)
{
        struct node *n = world_node(w, sid);
        struct recovered r;
        disk_recover(n, INT64_MAX, &r, &n->db);
        effects_init(&n->fx);
        struct zab_config config = config_of(w, sid);
        struct zab_host host = *world_host();
        host.ctx = n;
        n->zab = zab_new(&config, &host, &r);
        mem_free(r.history);
        n->up = true;
        note(w, sid, "boots");
        check_node(n);
}

struct world *world_new_history(size_t voters, size_t observers, uint64_t seed, size_t history_max)
{
        struct world *w = mem_zalloc(sizeof *w);
        w->count = voters + observers;
        w->seed = seed;
        w->prng.state = seed * 2654435761u + 1;
        w->now_ms = 1000;
        w->history_max = history_max;
        w->story = mem_zalloc(STORY_BYTES);
        for (size_t i = 0; i < w->count; i++) {
                struct member m = {.sid = (int64_t)i + 1,
                                   .observer = i >= voters,
                                   .host = "node",
                                   .quorum_port = (uint16_t)(i + 1),
                                   .election_port = (uint16_t)(i + 101)};
                if (ensemble_add(&w->ensemble, &m) < 0)
                        abort();
        }
        for (size_t i = 0; i < w->count; i++) {
                struct node *n = &w->nodes[i];
                n->world = w;
                n->index = i;
                n->disk.snapshots = mem_grow(NULL, &n->disk.snapshot_capacity, 1, sizeof *n->disk.snapshots);
                memset(&n->disk.snapshots[0], 0, sizeof n->disk.snapshots[0]);
                n->disk.snapshot_count = 1;
                world_boot(w, (int64_t)i + 1);
        }
        return w;
}

struct world *world_new(size_t voters, size_t observers, uint64_t seed)
{
        return world_new_history(voters, observers, seed, 500);
}

struct world *world_of_puppets(size_t voters, size_t observers)
{
        struct world *w = world_new(voters, observers, 1);
        for (size_t i = 2; i <= voters + observers; i++)
                world_make_puppet(w, (int64_t)i);
        return w;
}

struct zab *world_machine(struct world *w)
{
        return world_node(w, 1)->zab;
}

uint64_t world_bad_input(struct world *w)
{
        struct zab_stats s;
        zab_stats(world_machine(w), &s);
        return s.bad_input;
}

void world_free(struct world *w)
{
        for (size_t i = 0; i < w->count; i++) {
                if (w->nodes[i].up)
                        world_crash(w, (int64_t)i + 1, 0);
                disk_done(&w->nodes[i].disk);
        }
        for (size_t i = 0; i < w->pipe_count; i++) {
                mem_free(w->pipes[i]->e[0].in.data);
                mem_free(w->pipes[i]->e[1].in.data);
                mem_free(w->pipes[i]);
        }
        mem_free(w->pipes);
        items_done(&w->committed);
        items_done(&w->logged);
        mem_free(w->leaders);
        mem_free(w->promises);
        mem_free(w->story);
        mem_free(w);
}

void world_lead(struct world *w, int64_t sid)
{
        struct node *n = world_node(w, sid);
        zab_lead(n->zab, w->now_ms, &n->fx);
        node_flush(n);
}

void world_follow(struct world *w, int64_t sid, int64_t leader)
{
        struct node *n = world_node(w, sid);
        zab_follow(n->zab, w->now_ms, leader, &n->fx);
        node_flush(n);
}

void world_leave(struct world *w, int64_t sid)
{
        struct node *n = world_node(w, sid);
        zab_leave(n->zab, w->now_ms, "told to", &n->fx);
        node_flush(n);
}

void world_stop(struct world *w, int64_t sid)
{
        struct node *n = world_node(w, sid);
        zab_stop(n->zab, w->now_ms, &n->fx);
        node_flush(n);
}

static bool idle(const struct node *n)
{
        return n->up && !n->puppet && zab_role(n->zab) == ZAB_IDLE && zab_disk_dry(n->zab);
}

void world_form(struct world *w, int64_t leader)
{
        if (idle(world_node(w, leader)))
                world_lead(w, leader);
        for (size_t i = 0; i < w->count; i++)
                if ((int64_t)i + 1 != leader && idle(&w->nodes[i]))
                        world_follow(w, (int64_t)i + 1, leader);
}

bool world_propose(struct world *w, int64_t sid)
{
        struct node *n = world_node(w, sid);
        int64_t zxid = zab_next_zxid(n->zab, w->now_ms, &n->fx);
        if (zxid != 0) {
                uint8_t payload[64];
                size_t len = puppet_txn(zxid, ++w->next_value, payload);
                zab_propose(n->zab, w->now_ms, payload, len, &n->fx);
        }
        node_flush(n);
        return zxid != 0;
}

void world_proposals(struct world *w, int64_t sid, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (!world_propose(w, sid))
                        world_fail(w, "%lld doesn't propose", (long long)sid);
}

void world_sync(struct world *w, int64_t sid)
{
        struct node *n = world_node(w, sid);
        if (zab_role(n->zab) == ZAB_LEADING)
                zab_sync(n->zab, w->now_ms, &n->fx);
        else if (!zab_forward(n->zab, 1, 1, OP_SYNC, jute_cstr("/"), (struct jute_vec){.count = -1}, &n->fx))
                world_fail(w, "%lld doesn't forward", (long long)sid);
        node_flush(n);
}

void world_block(struct world *w, int64_t a, int64_t b, bool blocked)
{
        w->blocked[a - 1][b - 1] = blocked;
        w->blocked[b - 1][a - 1] = blocked;
}

void world_snapshot(struct world *w, int64_t sid)
{
        struct node *n = world_node(w, sid);
        (void)w;
        if (!n->up || n->saving != SAVING_NONE || !n->serving)
                return;
        n->saving = SAVING_OWN;
        n->saving_snapshot.zxid = zab_last_committed(n->zab);
        items_copy(&n->saving_snapshot.items, &n->db);
}

void world_purge(struct world *w, int64_t sid)
{
        struct disk *d = &world_node(w, sid)->disk;
        for (size_t i = 0; i + 1 < d->snapshot_count; i++)
                items_done(&d->snapshots[i].items);
        d->snapshots[0] = d->snapshots[d->snapshot_count - 1];
        d->snapshot_count = 1;
}

/* ---- stepping ---- */

bool world_disk_step(struct world *w, int64_t sid)
{
        struct node *n = world_node(w, sid);
        bool did = disk_perform(n);
        if (did)
                disk_report(n);
        return did;
}

void world_disk_report(struct world *w, int64_t sid)
{
        struct node *n = world_node(w, sid);
        if (n->up && disk_can_report(n))
                disk_report(n);
}

static bool node_step(struct node *n)
{
        struct world *w = n->world;
        if (!n->up || n->puppet)
                return false;
        for (uint64_t from = world_random(w, 3), k = 0; k < 3; k++) {
                switch ((from + k) % 3) {
                case 0:
                        if (disk_perform(n))
                                return true;
                        break;
                case 1:
                        if (!w->hold_reports && disk_can_report(n)) {
                                disk_report(n);
                                return true;
                        }
                        break;
                default:
                        if (disk_saving_step(n))
                                return true;
                }
        }
        return false;
}

bool world_step(struct world *w)
{
        size_t kinds = w->count + 2; /* the network gets its share */
        size_t from = (size_t)world_random(w, kinds);
        for (size_t k = 0; k < kinds; k++) {
                size_t at = (from + k) % kinds;
                if (at < w->count ? node_step(&w->nodes[at]) : pipes_step(w))
                        return true;
        }
        return false;
}

void world_settle(struct world *w)
{
        for (size_t steps = 0; world_step(w); steps++)
                if (steps > STEPS_MAX)
                        world_fail(w, "livelock: no end without time passing");
}

/* ---- time ---- */

static uint64_t next_deadline(const struct world *w)
{
        uint64_t at = UINT64_MAX;
        for (size_t i = 0; i < w->count; i++) {
                const struct node *n = &w->nodes[i];
                if (!n->up || n->puppet)
                        continue;
                uint64_t mine = zab_deadline(n->zab);
                at = mine < at ? mine : at;
        }
        return at;
}

static void tick_due(struct world *w)
{
        for (size_t i = 0; i < w->count; i++) {
                struct node *n = &w->nodes[i];
                if (!n->up || n->puppet || zab_deadline(n->zab) > w->now_ms)
                        continue;
                zab_tick(n->zab, w->now_ms, &n->fx);
                node_flush(n);
                if (zab_deadline(n->zab) <= w->now_ms)
                        world_fail(w, "deadline of %zu stands still", i + 1);
        }
}

static void advance(struct world *w, uint64_t until)
{
        if (until > w->now_ms)
                w->now_ms = until;
        tick_due(w);
}

void world_skip(struct world *w)
{
        uint64_t at = next_deadline(w);
        if (at != UINT64_MAX)
                advance(w, at);
}

static bool better(const struct node *a, const struct node *b)
{
        if (zab_current_epoch(a->zab) != zab_current_epoch(b->zab))
                return zab_current_epoch(a->zab) > zab_current_epoch(b->zab);
        if (zab_last_logged(a->zab) != zab_last_logged(b->zab))
                return zab_last_logged(a->zab) > zab_last_logged(b->zab);
        return a->index > b->index;
}

/* What an election would say: follow the newest leader there is, or let the best of a quorum lead. */
static void elect(struct world *w)
{
        struct node *leader = NULL;
        struct node *best = NULL;
        struct member_set quorum = {0};
        for (size_t i = 0; i < w->count; i++) {
                struct node *n = &w->nodes[i];
                if (!n->up || n->puppet)
                        continue;
                if (zab_role(n->zab) == ZAB_LEADING &&
                    (!leader || zab_accepted_epoch(n->zab) > zab_accepted_epoch(leader->zab)))
                        leader = n;
                if (!idle(n) || w->ensemble.members[i].observer)
                        continue;
                member_set_add(&quorum, &w->ensemble, (int64_t)i + 1);
                if (!best || better(n, best))
                        best = n;
        }
        if (leader || (best && ensemble_is_quorum(&w->ensemble, &quorum)))
                world_form(w, (int64_t)(leader ? leader : best)->index + 1);
}

void world_run(struct world *w, uint64_t ms)
{
        uint64_t end = w->now_ms + ms;
        while (true) {
                world_settle(w);
                if (w->elects) {
                        elect(w);
                        world_settle(w);
                }
                if (w->now_ms >= end)
                        return;
                uint64_t at = next_deadline(w);
                if (w->elects && at > w->now_ms + 5)
                        at = w->now_ms + 5;
                advance(w, at < end ? at : end);
        }
}

/* ---- looking ---- */

bool world_all_serve(struct world *w)
{
        for (size_t i = 0; i < w->count; i++)
                if (!w->nodes[i].up || !w->nodes[i].serving)
                        return false;
        return true;
}

void world_assert_equal(struct world *w)
{
        for (size_t i = 0; i < w->count; i++) {
                const struct items *db = &w->nodes[i].db;
                if (db->n != w->committed.n)
                        world_fail(w, "%zu has %zu transactions of %zu", i + 1, db->n, w->committed.n);
                for (size_t k = 0; k < db->n; k++)
                        if (db->v[k].zxid != w->committed.v[k].zxid || db->v[k].hash != w->committed.v[k].hash)
                                world_fail(w, "%zu differs at place %zu", i + 1, k);
        }
}
