/* See guard.h. A loop of its own and no libuv: one descriptor for signals, one for the clock, and few states. */
#include "daemon/supervisor/guard.h"

#include "daemon/common/clock.h"
#include "daemon/common/events.h"
#include "daemon/common/log.h"
#include "daemon/supervisor/grants.h"
#include "daemon/supervisor/runtime.h"
#include "daemon/supervisor/spawn.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct ward {
        struct name name;
        uint64_t due_ms; /* UINT64_MAX: nothing to do */
        uint64_t end_ms; /* of the budget */
        /* When the last resort is due, a try having been made by then; UINT64_MAX: none was made yet. */
        uint64_t resort_ms;
        pid_t pid; /* of the stop under way; 0: none */
        uint64_t kill_ms;
        int record_fd;               /* locked while it is */
        struct identity_known known; /* looked up before its instant has come */
        bool resorted;               /* the last resort was taken */
        bool failed;                 /* given up */
};

struct guard {
        const char *dir;
        char boot_id[37];
        struct ward wards[RUNTIME_RECORDS_MAX];
        size_t count;
        bool now; /* asked to end: deadlines are not waited for */
};

/* ---- one record ---- */

static void let_go(struct ward *w)
{
        if (w->record_fd >= 0)
                (void)close(w->record_fd);
        w->record_fd = -1;
}

static void say_guarded(const struct ward *w)
{
        char plugin[NAME_BYTES_MAX + 16];
        const char *const fields[] = {plugin, NULL};
        (void)snprintf(plugin, sizeof plugin, "BATON_PLUGIN=%s", w->name.text);
        log_event(LOG_LEVEL_WARNING, log_event_id(LOG_EVENT_RESOURCE_GUARDED), fields,
                  "%s was not taken up again by its deadline: it is stopped, process %ld", w->name.text, (long)w->pid);
}

static void begin_stop(struct guard *g, struct ward *w, uint64_t now_ms)
{
        struct runtime_worker how;
        const struct identity_ids *ids = NULL;
        char why[SPAWN_WHY_MAX] = "", budget[24], record[16];
        uint64_t left_ms = w->end_ms > now_ms + GUARD_TRY_MIN_MS ? w->end_ms - now_ms : GUARD_TRY_MIN_MS;
        int r = runtime_worker_load(g->dir, w->name.text, &how);
        if (r == 0)
                r = identity_find(&w->known, &how.identity, &ids, why);
        char *text = r == 0 ? runtime_worker_config(g->dir, w->name.text) : NULL;
        if (r == 0 && !text)
                r = -ENOENT;
        /* As text in memory: the file is root's alone, and /proc/self/fd opens it anew, as the worker's user. */
        int config = r == 0 ? spawn_text_fd(w->name.text, text) : -1;
        if (r == 0 && config < 0)
                r = config;
        free(text);
        if (r == 0) {
                (void)snprintf(budget, sizeof budget, "%" PRIu64, left_ms);
                (void)snprintf(record, sizeof record, "%d", SPAWN_FD_CONTROL + 1);
                /* With the record it knows when the resource has to be stopped; the budget is only for the try. */
                const char *argv[] = {
                        "baton-worker", "--config", "/proc/self/fd/3", "--plugin", w->name.text, "--ensure-stopped",
                        "--budget",     budget,     "--record-fd",     record,     NULL};
                const struct spawn spawn = {.program = how.program,
                                            .argv = argv,
                                            .identity = ids,
                                            .fds = {config, w->record_fd},
                                            .fd_count = 2,
                                            .output = -1};
                r = spawn_process(&spawn, &w->pid, why);
        }
        if (config >= 0)
                (void)close(config);
        /* Who comes too late (the machine slept) has one try first, as in grants.h. */
        if (w->resort_ms == UINT64_MAX)
                w->resort_ms = now_ms < w->end_ms ? w->end_ms : now_ms + GUARD_TRY_MIN_MS;
        if (r == 0) {
                w->kill_ms = now_ms + left_ms + GUARD_TRY_MIN_MS;
                say_guarded(w);
                return;
        }
        let_go(w);
        w->due_ms = now_ms + GUARD_RETRY_MS;
        log_error("%s cannot be stopped: %s; it is tried again", w->name.text, why[0] ? why : strerror(-r));
}

/* At the end of the budget, and for ever after. */
static void judge_failure(const struct guard *g, struct ward *w, uint64_t now_ms)
{
        struct runtime_worker how = {.last_resort = LAST_RESORT_LOG};
        if (now_ms >= (w->resort_ms != UINT64_MAX ? w->resort_ms : w->end_ms) && !w->resorted) {
                w->resorted = true;
                (void)runtime_worker_load(g->dir, w->name.text, &how); /* the default stands where it cannot be read */
                last_resort_do(how.last_resort < LAST_RESORT_MAX ? how.last_resort : LAST_RESORT_LOG, w->name.text);
        }
        if (now_ms >= w->end_ms + GUARD_GIVE_UP_MS) {
                w->failed = true;
                w->due_ms = UINT64_MAX;
                log_error("%s is given up: nothing stops it", w->name.text);
        }
}

/* Now that there is time. What is wrong with it is said when it is needed. */
static void look_up(const struct guard *g, struct ward *w)
{
        struct runtime_worker how;
        const struct identity_ids *ids;
        char why[SPAWN_WHY_MAX];
        if (runtime_worker_load(g->dir, w->name.text, &how) == 0)
                (void)identity_find(&w->known, &how.identity, &ids, why);
}

/* Its instant has come, or it is looked at for the first time. */
static void look(struct guard *g, struct ward *w, uint64_t now_ms)
{
        struct grant_record r;
        int e = runtime_record_read(g->dir, w->name.text, &r);
        if (e < 0 || !grant_may_run(&r, g->boot_id)) {
                if (e < 0 && e != -ENOENT)
                        log_error("grant record of %s: %s", w->name.text, strerror(-e));
                w->due_ms = UINT64_MAX;
                return;
        }
        w->end_ms = r.deadline_ms + r.budget_ms;
        if (runtime_is_in_charge(g->dir)) {
                log_info("%s is the new supervisor's", w->name.text);
                w->due_ms = UINT64_MAX;
                return;
        }
        if (!g->now && now_ms < r.deadline_ms) {
                w->due_ms = r.deadline_ms;
                look_up(g, w);
                return;
        }
        w->record_fd = runtime_record_take(g->dir, w->name.text);
        if (w->record_fd < 0) {
                w->due_ms = now_ms + GUARD_BUSY_MS;
                judge_failure(g, w, now_ms);
                return;
        }
        /* Again, now that nobody else can write. */
        if (grant_record_read(w->record_fd, &r) == 0 && grant_may_run(&r, g->boot_id) &&
            (g->now || now_ms >= r.deadline_ms)) {
                begin_stop(g, w, now_ms);
                return;
        }
        let_go(w);
        w->due_ms = now_ms;
}

static void stopped(const struct guard *g, struct ward *w, int status, uint64_t now_ms)
{
        w->pid = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                int r = runtime_record_stopped(w->record_fd);
                if (r < 0)
                        log_error("grant record of %s: %s", w->name.text, strerror(-r));
                log_info("%s is stopped", w->name.text);
                w->due_ms = UINT64_MAX;
        } else {
                w->due_ms = now_ms + GUARD_RETRY_MS;
                log_error("%s was not stopped (%s %d); it is tried again", w->name.text,
                          WIFEXITED(status) ? "status" : "signal",
                          WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
                judge_failure(g, w, now_ms);
        }
        let_go(w);
}

/* ---- all of them ---- */

static void reap(struct guard *g, uint64_t now_ms)
{
        for (size_t i = 0; i < g->count; i++) {
                struct ward *w = &g->wards[i];
                int status = 0;
                if (w->pid > 0 && waitpid(w->pid, &status, WNOHANG) == w->pid)
                        stopped(g, w, status, now_ms);
        }
}

/* Does what is due; returns when the next thing is. */
static uint64_t step(struct guard *g)
{
        uint64_t now_ms = clock_boottime_ms(), next_ms = UINT64_MAX;
        reap(g, now_ms);
        for (size_t i = 0; i < g->count; i++) {
                struct ward *w = &g->wards[i];
                if (w->pid > 0 && now_ms >= w->kill_ms) {
                        (void)kill(w->pid, SIGKILL);
                        w->kill_ms = now_ms + GUARD_TRY_MIN_MS;
                }
                /* Whether a try is under way or the next one is waited for. */
                if (w->due_ms != UINT64_MAX && !w->resorted && w->resort_ms <= now_ms)
                        judge_failure(g, w, now_ms);
                if (w->pid == 0 && w->due_ms <= now_ms)
                        look(g, w, now_ms);
                uint64_t at = w->pid > 0 ? w->kill_ms : w->due_ms;
                if (w->due_ms != UINT64_MAX && !w->resorted && w->resort_ms < at)
                        at = w->resort_ms;
                next_ms = at < next_ms ? at : next_ms;
        }
        return next_ms;
}

static void find_wards(struct guard *g)
{
        static struct name names[RUNTIME_RECORDS_MAX];
        g->count = runtime_records(g->dir, names);
        for (size_t i = 0; i < g->count; i++)
                g->wards[i] = (struct ward){.name = names[i], .resort_ms = UINT64_MAX, .record_fd = -1};
}

static void await(struct guard *g, int signals, int timer, uint64_t next_ms)
{
        struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = timer, .events = POLLIN}};
        const struct itimerspec at = {
                .it_value = {.tv_sec = (time_t)(next_ms / 1000), .tv_nsec = (long)(next_ms % 1000) * 1000000 + 1}};
        struct signalfd_siginfo info;
        (void)timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL); /* a valid time cannot be refused */
        if (poll(fds, 2, -1) < 0)
                return;
        while (read(signals, &info, sizeof info) == (ssize_t)sizeof info)
                if (info.ssi_signo != SIGCHLD && !g->now) {
                        log_info("told to end: what may be running is stopped now");
                        g->now = true;
                        for (size_t i = 0; i < g->count; i++)
                                if (g->wards[i].due_ms != UINT64_MAX)
                                        g->wards[i].due_ms = 0;
                }
}

int guard_run(const char *runtime_dir)
{
        static struct guard g; /* too large for a stack that should stay small */
        sigset_t set;
        g = (struct guard){.dir = runtime_dir};
        runtime_boot_id(runtime_dir, g.boot_id);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        (void)sigprocmask(SIG_BLOCK, &set, NULL); /* cannot fail for this set */
        int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (signals < 0 || timer < 0) {
                log_error("no guard: %s", strerror(errno));
                return 1;
        }
        find_wards(&g);
        uint64_t first_ms = step(&g);
        if (first_ms != UINT64_MAX)
                log_info("guards what is held in %s", runtime_dir);
        for (uint64_t next_ms = first_ms; next_ms != UINT64_MAX; next_ms = step(&g))
                await(&g, signals, timer, next_ms);
        int status = 0;
        for (size_t i = 0; i < g.count; i++)
                status |= g.wards[i].failed;
        (void)close(signals);
        (void)close(timer);
        return status;
}
