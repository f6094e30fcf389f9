/* See log_writer.h. */
#include "daemon/engine/log_writer.h"

#include "election/base/alloc.h"

#include <assert.h>

struct log_writer {
        struct disk_thread *thread;
        struct store *store; /* thread only, while it runs */
        disk_result_fn result;
        void *ctx;
        bool dead;         /* thread only */
        uint64_t appended; /* thread only: transactions since the last sync */
};

/* Makes durable what was appended. */
static int sync_log(struct log_writer *w, struct disk_thread *t, char why[STORE_WHY_MAX])
{
        const uint64_t since_ns = uv_hrtime();
        int r = store_sync(w->store, why);
        disk_thread_note(t, (uv_hrtime() - since_ns) / 1000, w->appended);
        w->appended = 0;
        return r;
}

/* Carries out one effect and reports it when it is durable by itself. Returns whether a sync is owed. */
static bool perform(struct log_writer *w, struct disk_thread *t, const struct effect *e, bool owed)
{
        char why[STORE_WHY_MAX] = "";
        bool cuts = e->type == EFFECT_TRUNCATE;
        struct recovered *reloaded = cuts && e->truncate.reload ? mem_zalloc(sizeof *reloaded) : NULL;
        int r = store_perform(w->store, e, reloaded, why);
        if (r <= 0 && reloaded) { /* failed, or nothing was reached */
                mem_free(reloaded);
                reloaded = NULL;
        }
        if (r < 0) {
                w->dead = true;
                disk_thread_publish(t, e->ticket, r, NULL, why);
                return false;
        }
        w->appended += e->type == EFFECT_LOG_APPEND;
        if (!cuts && e->type != EFFECT_EPOCH_WRITE)
                return true;
        /* Truncation without effect (r == 0) has synced nothing: what was appended before is still owed. */
        if (owed && cuts && r == 0) {
                r = sync_log(w, t, why);
                if (r < 0) {
                        w->dead = true;
                        disk_thread_publish(t, e->ticket, r, NULL, why);
                        return false;
                }
        }
        disk_thread_publish(t, e->ticket, 0, reloaded, NULL);
        return false;
}

static void work(void *ctx, struct disk_thread *t, const struct effect *list, size_t count)
{
        struct log_writer *w = ctx;
        bool owed = false;
        for (size_t i = 0; i < count && !w->dead; i++)
                owed = perform(w, t, &list[i], owed);
        if (w->dead || !owed)
                return;
        char why[STORE_WHY_MAX] = "";
        int r = sync_log(w, t, why);
        w->dead = r < 0;
        disk_thread_publish(t, list[count - 1].ticket, r, NULL, why);
        if (!w->dead)
                store_uncache(w->store);
}

static void on_result(void *ctx, struct disk_result *result)
{
        struct log_writer *w = ctx;
        w->result(w->ctx, result);
}

int log_writer_new(uv_loop_t *loop, struct store *store, disk_result_fn result, void *ctx, struct log_writer **ret)
{
        struct log_writer *w = mem_zalloc(sizeof *w);
        w->store = store;
        w->result = result;
        w->ctx = ctx;
        *ret = w;
        return disk_thread_new(loop, "log-writer", work, on_result, w, &w->thread);
}

void log_writer_add(struct log_writer *w, const struct effect *e)
{
        assert(e->type == EFFECT_LOG_APPEND || e->type == EFFECT_LOG_ROLL || e->type == EFFECT_EPOCH_WRITE ||
               e->type == EFFECT_TRUNCATE);
        disk_thread_add(w->thread, e);
}

void log_writer_submit(struct log_writer *w)
{
        disk_thread_submit(w->thread);
}

size_t log_writer_bytes(const struct log_writer *w)
{
        return disk_thread_bytes(w->thread);
}

void log_writer_stop(struct log_writer *w)
{
        if (w && w->thread)
                disk_thread_stop(w->thread);
}

void log_writer_free(struct log_writer *w)
{
        if (!w)
                return;
        disk_thread_free(w->thread);
        mem_free(w);
}
