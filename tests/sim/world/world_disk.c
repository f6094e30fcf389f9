/* The disks of the small world: the production store over storage in memory, a group at a time. */
#include "tests/sim/world/world_state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct store_config world__store_config = {
        .item_max = JUTE_MAXBUFFER_DEFAULT + JUTE_EXTRA_DEFAULT,
        .preallocate_bytes = 4096,
        .history_max = 5000,
        .history_bytes_max = 16u << 20,
        .retain_snapshots = 3,
};

/* Every second time what was pending survives up to some moment, its last write in part; else in any of the
 * ways a journal allows. */
void world__disk_crash(struct world_node *n)
{
        uint64_t seed = world__draw(n->world, WORLD_DRAW_CRASH);
        if (world__draw(n->world, WORLD_DRAW_CRASH) % 2)
                memory_storage_crash_as(n->disk, MEMORY_CRASH_PREFIX, seed);
        else
                memory_storage_crash(n->disk, seed);
}

void world__disk_revive(struct world_node *n)
{
        if (n->dies_by_power)
                world__disk_crash(n);
        else
                memory_storage_revive(n->disk);
}

int world__disk_open(struct world_node *n, struct recovered *ret)
{
        struct store_config config = world__store_config;
        struct member_set self = {0};
        int r;
        member_set_add(&self, &n->world->config.ensemble, n->sid);
        config.alone = ensemble_is_quorum(&n->world->config.ensemble, &self);
        config.history_max = n->world->config.commit_log_count;
        config.hash_seed = hash_u64(n->world->seed ^ hash_u64(~(n->starts << 8 | (uint64_t)n->sid)));
        for (;;) {
                n->store = store_new(n->storage, &config);
                memset(ret, 0, sizeof *ret);
                r = store_recover(n->store, ret, n->refusal);
                if (r >= 0)
                        break;
                recovered_done(ret);
                store_free(n->store);
                n->store = NULL;
                if (!memory_storage_dead(n->disk))
                        return r;
                /* It died in the middle of it: once more, with what that has left. */
                world__disk_revive(n);
        }
        n->snapstore = snapstore_new(n->storage, &world__store_config);
        effects_init(&n->log_queue);
        effects_init(&n->snapshot_queue);
        n->log_dead = false;
        n->snapshot_due = 0;
        if (ret->note[0])
                world__note(n, ret->note);
        return 0;
}

bool world__disk_interrupt(struct world_node *n)
{
        char why[STORE_WHY_MAX];
        struct recovered reloaded = {0};
        if (!n->log_queue.count || n->log_dead || memory_storage_dead(n->disk))
                return false;
        uint64_t skip = world__draw(n->world, WORLD_DRAW_CRASH) % 4;
        memory_storage_die(n->disk, skip, world__draw(n->world, WORLD_DRAW_CRASH) % 2);
        int r = 0;
        for (size_t i = 0; i < n->log_queue.count && r == 0; i++)
                r = store_perform(n->store, &n->log_queue.list[i], &reloaded, why);
        if (r == 0)
                (void)store_sync(n->store, why);
        recovered_done(&reloaded);
        return true;
}

void world__disk_close(struct world_node *n)
{
        store_free(n->store);
        snapstore_free(n->snapstore);
        n->store = NULL;
        n->snapstore = NULL;
        effects_done(&n->log_queue);
        effects_done(&n->snapshot_queue);
}

static void log_failed(struct world_node *n, int status, const char *why)
{
        if (memory_storage_dead(n->disk)) {
                n->disk_died = true;
                return;
        }
        n->log_dead = true;
        effects_reset(&n->log_queue);
        world__event(n, &(struct event){.type = EVENT_DISK_FAILED, .status = status, .disk = {.why = why}});
}

/* Carries out the queue up to and with the first cut, whose outcome is told by itself. */
static void run_log(struct world_node *n)
{
        char why[STORE_WHY_MAX] = "";
        struct recovered reloaded = {0};
        bool has_reloaded = false, cut = false;
        uint64_t ticket = 0;
        size_t done = 0;
        while (done < n->log_queue.count && !cut) {
                const struct effect *e = &n->log_queue.list[done];
                int r = store_perform(n->store, e, &reloaded, why);
                if (r < 0) {
                        log_failed(n, r, why);
                        return;
                }
                has_reloaded |= r > 0;
                cut = e->type == EFFECT_TRUNCATE;
                ticket = e->ticket;
                done++;
        }
        int r = store_sync(n->store, why);
        if (r < 0) {
                log_failed(n, r, why);
                return;
        }
        for (size_t i = 0; i < done; i++)
                if (n->log_queue.list[i].type == EFFECT_LOG_APPEND)
                        blob_unref(n->log_queue.list[i].log.blob);
        WORLD_TELL(n->world, durable, n->sid, ticket);
        n->log_queue.count -= done;
        memmove(n->log_queue.list, n->log_queue.list + done, n->log_queue.count * sizeof *n->log_queue.list);
        world__event(n, &(struct event){.type = EVENT_DISK_DONE,
                                        .disk = {.ticket = ticket, .reloaded = has_reloaded ? &reloaded : NULL}});
        recovered_done(&reloaded);
}

static void run_snapshots(struct world_node *n)
{
        char why[STORE_WHY_MAX] = "";
        struct effect *e = &n->snapshot_queue.list[0];
        uint64_t ticket = e->ticket;
        if (n->snapshot_failures)
                memory_storage_fail(n->disk, MEMORY_OP_ANY, 0, UINT64_MAX, -ENOSPC);
        int r = snapstore_perform(n->snapstore, e, why);
        if (n->snapshot_failures) {
                memory_storage_fail(n->disk, MEMORY_OP_ANY, 0, 0, -ENOSPC);
                n->snapshot_failures--;
        }
        if (memory_storage_dead(n->disk)) {
                n->disk_died = true;
                return;
        }
        n->snapshot_due =
                n->world->now + (n->snapshot_ms ? world__draw(n->world, WORLD_DRAW_DISK) % n->snapshot_ms : 0);
        if (e->type == EFFECT_SNAPSHOT_CHUNK)
                blob_unref(e->snapshot.blob);
        n->snapshot_queue.count--;
        memmove(e, e + 1, n->snapshot_queue.count * sizeof *e);
        world__event(n,
                     &(struct event){.type = EVENT_SNAPSHOT_DONE, .status = r, .disk = {.ticket = ticket, .why = why}});
}

/* Whether something of a queue is to be done now. */
static bool due(struct world *w, size_t count, uint64_t at)
{
        if (count && w->now < at)
                world__soon(w, at);
        return count && w->now >= at;
}

bool world__disk_run(struct world_node *n)
{
        bool acted = false;
        if (n->disk_hangs)
                return false;
        if (n->running && !n->log_dead && due(n->world, n->log_queue.count, n->log_due)) {
                run_log(n);
                acted = true;
        }
        if (n->running && !n->disk_died && due(n->world, n->snapshot_queue.count, n->snapshot_due)) {
                run_snapshots(n);
                acted = true;
        }
        return acted;
}
