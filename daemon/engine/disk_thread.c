/* See disk_thread.h. Three lists of effects: `turn` (loop only), `waiting` (shared), and the one the thread
 * works on. `held` (loop only) remembers the blobs until their result comes. */
#include "daemon/engine/disk_thread.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

struct effect_list {
        struct effect *list;
        size_t count, capacity;
};

/* What the loop keeps alive for the thread. */
struct held {
        uint64_t ticket;
        struct blob *blob; /* may be NULL */
        size_t bytes;
};

struct disk_thread {
        disk_work_fn work;
        disk_result_fn result;
        void *ctx;
        const char *name;
        uv_thread_t thread;

        /* loop only */
        struct effect_list turn;
        struct held *held;
        size_t held_first, held_count, held_capacity; /* entries first..first+count of the array */
        size_t bytes;
        uv_async_t async;
        bool joined;

        uv_mutex_t mutex;
        uv_cond_t wake;
        /* shared, under the mutex */
        struct effect_list waiting;
        struct disk_result *results;
        size_t result_count, result_capacity;
        struct summary sync_us, batch; /* noted, not published */
        bool stopping;
};

/* ---- the thread ---- */

static void thread_main(void *arg)
{
        struct disk_thread *t = arg;
        struct effect_list mine = {0};
        (void)pthread_setname_np(pthread_self(), t->name); /* only shown */
        for (;;) {
                uv_mutex_lock(&t->mutex);
                while (t->waiting.count == 0 && !t->stopping)
                        uv_cond_wait(&t->wake, &t->mutex);
                struct effect_list taken = t->waiting;
                t->waiting = mine;
                uv_mutex_unlock(&t->mutex);
                if (taken.count == 0) {
                        mem_free(taken.list);
                        return; /* the other list is freed with `waiting` */
                }
                t->work(t->ctx, t, taken.list, taken.count);
                taken.count = 0;
                mine = taken;
        }
}

void disk_thread_note(struct disk_thread *t, uint64_t us, uint64_t appends)
{
        uv_mutex_lock(&t->mutex);
        summary_add(&t->sync_us, us);
        summary_add(&t->batch, appends);
        uv_mutex_unlock(&t->mutex);
}

/* Under the mutex. */
static void take_notes(struct disk_thread *t, struct disk_result *r)
{
        summary_merge(&r->sync_us, &t->sync_us);
        summary_merge(&r->batch, &t->batch);
        t->sync_us = t->batch = (struct summary){.count = 0};
}

void disk_thread_publish(struct disk_thread *t, uint64_t ticket, int status, struct recovered *reloaded,
                         const char *why)
{
        uv_mutex_lock(&t->mutex);
        struct disk_result *last = t->result_count > 0 ? &t->results[t->result_count - 1] : NULL;
        bool plain = status == 0 && !reloaded && (!why || !*why);
        if (last && last->status == 0 && !last->reloaded && !last->why[0] && plain) {
                last->ticket = ticket;
        } else {
                t->results = mem_grow(t->results, &t->result_capacity, t->result_count + 1, sizeof *t->results);
                struct disk_result *r = &t->results[t->result_count++];
                *r = (struct disk_result){.ticket = ticket, .status = status, .reloaded = reloaded};
                size_t len = why ? strnlen(why, sizeof r->why - 1) : 0;
                memcpy(r->why, why ? why : "", len);
                r->why[len] = '\0';
                last = r;
        }
        take_notes(t, last);
        uv_mutex_unlock(&t->mutex);
        int r = uv_async_send(&t->async);
        assert(r == 0); /* the handle lives until the thread is joined */
        (void)r;
}

/* ---- the loop ---- */

static void hold(struct disk_thread *t, const struct effect *e, struct blob *b, size_t bytes)
{
        if (t->held_first > 0 && t->held_first + t->held_count == t->held_capacity) {
                memmove(t->held, t->held + t->held_first, t->held_count * sizeof *t->held);
                t->held_first = 0;
        }
        t->held = mem_grow(t->held, &t->held_capacity, t->held_first + t->held_count + 1, sizeof *t->held);
        t->held[t->held_first + t->held_count++] = (struct held){.ticket = e->ticket, .blob = b, .bytes = bytes};
        t->bytes += bytes;
}

/* Lets go of everything up to `ticket`. */
static void release(struct disk_thread *t, uint64_t ticket)
{
        while (t->held_count > 0 && t->held[t->held_first].ticket <= ticket) {
                t->bytes -= t->held[t->held_first].bytes;
                blob_unref(t->held[t->held_first].blob);
                t->held_first++;
                t->held_count--;
        }
        if (t->held_count == 0)
                t->held_first = 0;
}

void disk_thread_add(struct disk_thread *t, const struct effect *e)
{
        struct blob *b = NULL;
        size_t bytes = 0;
        if (e->type == EFFECT_LOG_APPEND) {
                b = blob_ref(e->log.blob);
                bytes = e->log.len;
        } else if (e->type == EFFECT_SNAPSHOT_CHUNK) {
                b = blob_ref(e->snapshot.blob);
                bytes = b->len;
        }
        hold(t, e, b, bytes);
        t->turn.list = mem_grow(t->turn.list, &t->turn.capacity, t->turn.count + 1, sizeof *t->turn.list);
        t->turn.list[t->turn.count++] = *e;
}

void disk_thread_submit(struct disk_thread *t)
{
        if (t->turn.count == 0)
                return;
        uv_mutex_lock(&t->mutex);
        if (t->waiting.count == 0) {
                struct effect_list empty = t->waiting;
                t->waiting = t->turn;
                t->turn = empty;
        } else {
                struct effect_list *w = &t->waiting;
                w->list = mem_grow(w->list, &w->capacity, w->count + t->turn.count, sizeof *w->list);
                memcpy(w->list + w->count, t->turn.list, t->turn.count * sizeof *w->list);
                w->count += t->turn.count;
        }
        uv_cond_signal(&t->wake);
        uv_mutex_unlock(&t->mutex);
        t->turn.count = 0;
}

size_t disk_thread_bytes(const struct disk_thread *t)
{
        return t->bytes;
}

size_t disk_thread_count(const struct disk_thread *t)
{
        return t->held_count;
}

static struct disk_result *take_results(struct disk_thread *t, size_t *ret_count)
{
        uv_mutex_lock(&t->mutex);
        struct disk_result *list = t->results;
        *ret_count = t->result_count;
        t->results = NULL;
        t->result_count = t->result_capacity = 0;
        uv_mutex_unlock(&t->mutex);
        return list;
}

static void on_async(uv_async_t *async)
{
        struct disk_thread *t = async->data;
        size_t count = 0;
        struct disk_result *list = take_results(t, &count);
        for (size_t i = 0; i < count; i++) {
                release(t, list[i].ticket);
                t->result(t->ctx, &list[i]);
        }
        mem_free(list);
}

/* ---- beginning and end ---- */

/* Signals are the loop's business: the thread begins with all of them blocked. */
static int start(struct disk_thread *t)
{
        static const uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE,
                                                    .stack_size = DISK_THREAD_STACK_BYTES};
        sigset_t all, before;
        (void)sigfillset(&all);                            /* cannot fail */
        (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* cannot fail with these arguments */
        int r = uv_thread_create_ex(&t->thread, &options, thread_main, t);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r;
}

int disk_thread_new(uv_loop_t *loop, const char *name, disk_work_fn work, disk_result_fn result, void *ctx,
                    struct disk_thread **ret)
{
        struct disk_thread *t = mem_zalloc(sizeof *t);
        t->work = work;
        t->result = result;
        t->ctx = ctx;
        t->name = name;
        int r = uv_mutex_init(&t->mutex);
        assert(r == 0); /* fails without memory only, which ends the process elsewhere too */
        r = uv_cond_init(&t->wake);
        assert(r == 0);
        r = uv_async_init(loop, &t->async, on_async);
        if (r < 0) {
                t->joined = true;
                disk_thread_free(t);
                return r;
        }
        t->async.data = t;
        *ret = t;
        r = start(t);
        if (r < 0)
                t->joined = true; /* nothing runs: disk_thread_stop() only closes */
        return r;
}

void disk_thread_stop(struct disk_thread *t)
{
        if (!t->joined) {
                uv_mutex_lock(&t->mutex);
                t->stopping = true;
                uv_cond_signal(&t->wake);
                uv_mutex_unlock(&t->mutex);
                int r = uv_thread_join(&t->thread);
                assert(r == 0);
                (void)r;
                t->joined = true;
        }
        size_t count = 0;
        struct disk_result *list = take_results(t, &count);
        for (size_t i = 0; i < count; i++) {
                if (!list[i].reloaded)
                        continue;
                recovered_done(list[i].reloaded);
                mem_free(list[i].reloaded);
        }
        mem_free(list);
        release(t, UINT64_MAX);
        uv_close((uv_handle_t *)&t->async, NULL);
}

void disk_thread_free(struct disk_thread *t)
{
        if (!t)
                return;
        assert(t->joined && t->held_count == 0);
        uv_cond_destroy(&t->wake);
        uv_mutex_destroy(&t->mutex);
        mem_free(t->turn.list);
        mem_free(t->waiting.list);
        mem_free(t->held);
        mem_free(t);
}
