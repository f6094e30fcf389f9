/* The worker's second thread: runs the plugin's callbacks, one at a time, and between them watches the plugin's
 * descriptors and its wake-up. It may be stuck in the plugin for ever; the loop's thread never waits for it.
 *
 *   loop -> thread   one call at a time (worker_core.h), the facts of the grant, cancel, answers to config_set()
 *   thread -> loop   callback_event, in the order in which things happened */
#ifndef BATON_WORKER_CALLBACK_THREAD_H
#define BATON_WORKER_CALLBACK_THREAD_H

#include "daemon/worker/plugin_settings.h"
#include "daemon/worker/worker_core.h"

#include <uv.h>

/* Descriptors a plugin may watch. */
#define CALLBACK_WATCHES_MAX 64
/* Events on their way to the loop; the thread waits when there are more. */
#define CALLBACK_EVENTS_MAX 256
/* How long config_set() waits for its answer. */
#define CALLBACK_CONFIG_SET_MS 10000
/* Bytes of a configuration value and of its path. */
#define CALLBACK_VALUE_BYTES_MAX JUTE_MAXBUFFER_DEFAULT
#define CALLBACK_PATH_BYTES_MAX  1024

enum callback_event_kind {
        CALLBACK_BEGUN,
        CALLBACK_FINISHED,
        CALLBACK_REPORT,
        CALLBACK_PUBLISH,
        CALLBACK_NEED_BUDGET,
        CALLBACK_CONFIG_SET, /* to be answered with callback_thread_answer() */
};

struct callback_event {
        enum callback_event_kind kind;
        uint64_t id;                 /* BEGUN, FINISHED: of the call */
        int status;                  /* FINISHED */
        enum health health;          /* FINISHED of a check, REPORT */
        uint32_t budget_ms;          /* NEED_BUDGET */
        char text[MESSAGE_TEXT_MAX]; /* printable, valid UTF-8 */
        char *path;                  /* CONFIG_SET */
        void *data;
        size_t size;
        int32_t version;
};

struct callback_setup {
        const struct baton_plugin *plugin;
        const struct plugin_settings *settings;
        const struct node_plugin *section;
        const char *node, *state_dir;
        uv_loop_t *loop;
        void (*on_event)(void *ctx, const struct callback_event *e); /* on the loop; borrowed */
        void *ctx;
};

struct callback_thread;

/* What `setup` points at is borrowed for the thread's life. 0 or -errno. */
int callback_thread_new(const struct callback_setup *setup, struct callback_thread **ret);
/* Ends the thread, which must be idle; the plugin's instance is not closed. on_event is called no more. The memory of
 * its handle goes with the loop's next turn. */
void callback_thread_free(struct callback_thread *t);

/* The rest is for the loop's thread. */

/* One at a time; borrowed until it has finished. */
void callback_thread_call(struct callback_thread *t, const struct worker_call *call);
/* What host->held(), token() and deadline() say; token 0: nothing is held. */
void callback_thread_facts(struct callback_thread *t, int64_t token, uint64_t deadline_ms);
void callback_thread_cancel(struct callback_thread *t, bool raised);
/* Answers the CONFIG_SET under way; harmless when there is none (it waited too long, or was cancelled). */
void callback_thread_answer(struct callback_thread *t, int status);
/* Whether the thread is between callbacks, and no instance is open. */
bool callback_thread_at_rest(struct callback_thread *t);

#endif
