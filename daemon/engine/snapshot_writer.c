/* See snapshot_writer.h. */
#include "daemon/engine/snapshot_writer.h"

#include "election/base/alloc.h"

#include <assert.h>

struct snapshot_writer {
        struct disk_thread *thread;
        struct snapstore *store; /* thread only, while it runs */
        disk_result_fn result;
        void *ctx;
        bool given_up; /* thread only: the snapshot under way has failed */
};

static void perform(struct snapshot_writer *w, struct disk_thread *t, const struct effect *e)
{
        char why[STORE_WHY_MAX] = "";
        if (e->type == EFFECT_SNAPSHOT_BEGIN)
                w->given_up = false;
        if (w->given_up && e->type != EFFECT_SNAPSHOT_ABORT)
                return;
        int r = snapstore_perform(w->store, e, why);
        if (e->type == EFFECT_SNAPSHOT_ABORT)
                r = 0; /* whatever is left of the file is removed with the next one: retention */
        w->given_up = r < 0;
        disk_thread_publish(t, e->ticket, r < 0 ? r : 0, NULL, why);
}

static void work(void *ctx, struct disk_thread *t, const struct effect *list, size_t count)
{
        struct snapshot_writer *w = ctx;
        for (size_t i = 0; i < count; i++)
                perform(w, t, &list[i]);
}

static void on_result(void *ctx, struct disk_result *result)
{
        struct snapshot_writer *w = ctx;
        w->result(w->ctx, result);
}

int snapshot_writer_new(uv_loop_t *loop, struct snapstore *store, disk_result_fn result, void *ctx,
                        struct snapshot_writer **ret)
{
        struct snapshot_writer *w = mem_zalloc(sizeof *w);
        w->store = store;
        w->result = result;
        w->ctx = ctx;
        *ret = w;
        return disk_thread_new(loop, "snapshot-writer", work, on_result, w, &w->thread);
}

void snapshot_writer_add(struct snapshot_writer *w, const struct effect *e)
{
        assert(e->type == EFFECT_SNAPSHOT_BEGIN || e->type == EFFECT_SNAPSHOT_CHUNK || e->type == EFFECT_SNAPSHOT_END ||
               e->type == EFFECT_SNAPSHOT_ABORT);
        disk_thread_add(w->thread, e);
}

void snapshot_writer_submit(struct snapshot_writer *w)
{
        disk_thread_submit(w->thread);
}

void snapshot_writer_stop(struct snapshot_writer *w)
{
        if (w && w->thread)
                disk_thread_stop(w->thread);
}

void snapshot_writer_free(struct snapshot_writer *w)
{
        if (!w)
                return;
        disk_thread_free(w->thread);
        mem_free(w);
}
