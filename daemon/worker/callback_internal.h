/* The inside of the callback thread: callback_thread.c is the thread and its two queues, host_table.c the functions
 * that the plugin may call. */
#ifndef BATON_WORKER_CALLBACK_INTERNAL_H
#define BATON_WORKER_CALLBACK_INTERNAL_H

#include "daemon/worker/callback_thread.h"
#include "daemon/worker/config_cache.h"

#include <poll.h>
#include <stdatomic.h>

struct callback_thread {
        struct callback_setup setup;
        uv_thread_t thread;
        uv_async_t async;
        int cancel_fd; /* eventfd: readable while cancelled; the loop writes and reads it */
        int wake_fd;   /* eventfd: the loop has something for the thread */
        int timer_fd;  /* timerfd on CLOCK_BOOTTIME: the plugin's wake-up */

        /* the thread's own */
        struct baton_host host;
        void *instance;
        bool open, synced;
        struct config_cache *cache;
        struct pollfd watches[CALLBACK_WATCHES_MAX];
        size_t watch_count;
        bool wake_set;

        /* the loop's own */
        bool cancelled;

        _Atomic int64_t token;
        _Atomic uint64_t deadline_ms;

        uv_mutex_t mutex;
        uv_cond_t room;   /* events have been taken */
        uv_cond_t answer; /* to config_set() */
        /* shared, under the mutex */
        const struct worker_call *call; /* NULL: none waits */
        bool busy, instance_open, ending;
        struct callback_event *events;
        size_t event_count, event_capacity;
        bool asking, answered;
        int answer_status;
};

/* Fills in t->host. */
void callback__table(struct callback_thread *t);
/* Copies the event and tells the loop; waits when there are too many. Takes e->path and e->data. The thread only. */
void callback__post(struct callback_thread *t, const struct callback_event *e);
/* Copies a text of the plugin's: cut, no control characters, valid UTF-8. */
void callback__text(char ret[MESSAGE_TEXT_MAX], const char *text, size_t size);
enum health callback__health(enum baton_health health);

#endif
