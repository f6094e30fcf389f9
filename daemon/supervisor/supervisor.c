/* See supervisor.h. Begin, signals, the order of the end, and the turn of the loop: after all events of a turn, what is
 * due is done, what has changed is told, and the one alarm is set for what comes next. */
#include "daemon/supervisor/supervisor.h"

#include "daemon/common/clock.h"
#include "daemon/common/log.h"
#include "daemon/supervisor/supervisor_internal.h"
#include "daemon/supervisor/systemd_job.h"
#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Milliseconds spent on a lock that others have for a moment only. */
#define CHARGE_TRIES 20

/* ---- the end ---- */

static void stop_kind(struct supervisor *s, enum kid_kind kind)
{
        for (size_t i = s->kid_count; i-- > 0;) /* workers in reverse, as they were begun */
                if (s->kids[i]->kind == kind)
                        kid_event(s->kids[i], CHILD_STOP, s->how);
}

static bool is_off(const struct supervisor *s, enum kid_kind kind)
{
        for (size_t i = 0; i < s->kid_count; i++)
                if (s->kids[i]->kind == kind && s->kids[i]->child.state != CHILD_OFF)
                        return false;
        return true;
}

/* With RELEASE one after the other: the agent revokes its workers and releases the groups, which needs an engine. With
 * KEEP all at once: nothing is to be done but to be quick. */
static void advance(struct supervisor *s)
{
        if (s->phase == END_AGENT && is_off(s, KID_AGENT)) {
                s->phase = END_WORKERS;
                stop_kind(s, KID_WORKER);
        }
        if (s->phase == END_WORKERS && is_off(s, KID_WORKER)) {
                s->phase = END_ENGINE;
                stop_kind(s, KID_ENGINE);
        }
        if ((s->phase == END_ENGINE && is_off(s, KID_ENGINE)) ||
            (s->phase == END_ALL && is_off(s, KID_AGENT) && is_off(s, KID_WORKER) && is_off(s, KID_ENGINE))) {
                s->phase = END_DONE;
                uv_stop(&s->loop);
        }
}

static uint64_t end_limit_ms(const struct supervisor *s)
{
        uint64_t most[KID_KIND_MAX] = {0}, sum = 5000; /* and a little for killing and reaping */
        for (size_t i = 0; i < s->kid_count; i++) {
                const struct kid *k = s->kids[i];
                uint64_t limit = s->how == STOP_KEEP ? k->child.limits.keep_ms : k->child.limits.release_ms;
                limit += 2 * (uint64_t)k->child.limits.ensure_ms; /* with KEEP for what is overdue */
                if (limit > most[k->kind])
                        most[k->kind] = limit;
        }
        for (size_t i = 0; i < KID_KIND_MAX; i++)
                sum += most[i];
        return sum;
}

void supervisor_end(struct supervisor *s, enum stop_how how)
{
        if (s->phase == END_DONE || (s->phase != END_NONE && !(s->how == STOP_KEEP && how == STOP_RELEASE)))
                return; /* it is under way, and nothing weaker is asked for */
        s->how = how;
        s->dirty_status = true;
        notify_stopping(end_limit_ms(s));
        if (!s->begun) { /* nothing was started yet */
                s->phase = END_DONE;
                uv_stop(&s->loop);
                return;
        }
        log_info(how == STOP_KEEP ? "ending; services stay as they are for a successor" : "stopping");
        if (how == STOP_KEEP) {
                s->phase = END_ALL;
                stop_kind(s, KID_AGENT);
                stop_kind(s, KID_WORKER);
                stop_kind(s, KID_ENGINE);
        } else {
                s->phase = END_AGENT;
                stop_kind(s, KID_AGENT);
        }
}

/* ---- signals ---- */

static void on_terminate(uv_signal_t *h, int number)
{
        struct supervisor *s = h->data;
        /* A manager that restarts us wants services to stay; nobody to ask means a person, or a shutdown. */
        int r = getenv("INVOCATION_ID") && s->phase == END_NONE && number == SIGTERM ? systemd_job_is_restart() : 0;
        if (r < 0)
                log_warning("systemd cannot be asked whether this is a restart (%s): services are stopped",
                            strerror(-r));
        supervisor_end(s, r > 0 ? STOP_KEEP : STOP_RELEASE);
}

static void on_keep(uv_signal_t *h, int number)
{
        (void)number;
        supervisor_end(h->data, STOP_KEEP);
}

static void on_hangup(uv_signal_t *h, int number)
{
        struct supervisor *s = h->data;
        (void)number;
        if (s->phase == END_NONE)
                reload_begin(s);
}

static void on_child(uv_signal_t *h, int number)
{
        struct supervisor *s = h->data;
        int status = 0;
        (void)number;
        /* Each by its number: there are no others to wait for, and libuv has none. Kids come and go only in
         * turn(), not here. */
        for (size_t i = 0; i < s->kid_count; i++)
                if (s->kids[i]->pid > 0 && waitpid(s->kids[i]->pid, &status, WNOHANG) == s->kids[i]->pid)
                        kid_ended(s->kids[i], status);
        if (s->check.pid > 0 && waitpid(s->check.pid, &status, WNOHANG) == s->check.pid)
                check_ended(s, status);
}

/* ---- time ---- */

/* At once when something is held: whoever stops all of us the moment after must find the shorter time in force. */
static void tell_watchdog(struct supervisor *s)
{
        uint64_t limit_ms = UINT64_MAX;
        bool well = true;
        for (size_t i = 0; i < s->kid_count; i++) {
                uint64_t kid_ms = kid_watchdog_ms(s->kids[i]);
                limit_ms = kid_ms < limit_ms ? kid_ms : limit_ms;
                well = well && kid_is_well(s->kids[i]);
        }
        notify_watchdog_limit(&s->notify, limit_ms, well);
}

static void on_tick(uv_timer_t *t)
{
        struct supervisor *s = t->data;
        bool well = true;
        for (size_t i = 0; i < s->kid_count; i++) {
                kid_tick(s->kids[i]);
                well = well && kid_is_well(s->kids[i]);
        }
        if (well)
                notify_watchdog(&s->notify, clock_boottime_ms());
}

static void on_alarm(uv_poll_t *p, int status, int events)
{
        struct supervisor *s = p->data;
        uint64_t times = 0;
        (void)status;
        (void)events;
        ssize_t n = read(s->timer_fd, &times, sizeof times);
        (void)n; /* it only wakes the loop; turn() looks at the clock */
}

static void set_alarm(const struct supervisor *s, uint64_t at_ms)
{
        struct itimerspec spec = {.it_value = {0}}; /* never */
        if (at_ms != UINT64_MAX) {
                spec.it_value.tv_sec = (time_t)(at_ms / 1000);
                spec.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000;
        }
        int r = timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
        assert(r == 0);
        (void)r;
}

/* Before the loop waits. What is done here may make other things due, so it goes round until nothing is. */
static void turn(uv_prepare_t *p)
{
        struct supervisor *s = p->data;
        uint64_t next_ms, now_ms;
        do {
                now_ms = clock_boottime_ms();
                next_ms = UINT64_MAX;
                for (size_t i = 0; i < s->kid_count; i++) {
                        if (kid_next_ms(s->kids[i]) <= now_ms)
                                kid_alarm(s->kids[i], now_ms);
                        uint64_t kid_ms = kid_next_ms(s->kids[i]);
                        next_ms = kid_ms < next_ms ? kid_ms : next_ms;
                }
                reload_continue(s);
                advance(s);
        } while (next_ms <= now_ms);
        set_alarm(s, next_ms);
        tell_watchdog(s);
        if (s->dirty_status && s->begun) {
                family_status(s);
                family_write_status(s);
        }
}

/* ---- begin ---- */

static void watch_signal(struct supervisor *s, uv_signal_t *h, uv_signal_cb cb, int number)
{
        h->data = s;
        if (uv_signal_init(&s->loop, h) < 0 || uv_signal_start(h, cb, number) < 0)
                abort(); /* memory, or a signal that does not exist */
}

static int open_loop(struct supervisor *s)
{
        int r = uv_loop_init(&s->loop);
        if (r < 0)
                return r;
        s->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (s->timer_fd < 0)
                return -errno;
        s->alarm.data = s->ticker.data = s->prepare.data = s;
        r = uv_poll_init(&s->loop, &s->alarm, s->timer_fd);
        if (r == 0)
                r = uv_poll_start(&s->alarm, UV_READABLE, on_alarm);
        if (r < 0)
                return r;
        (void)uv_timer_init(&s->loop, &s->ticker); /* these cannot fail */
        (void)uv_timer_init(&s->loop, &s->check.timer);
        (void)uv_prepare_init(&s->loop, &s->prepare);
        watch_signal(s, &s->sig_term, on_terminate, SIGTERM);
        watch_signal(s, &s->sig_int, on_terminate, SIGINT);
        watch_signal(s, &s->sig_hup, on_hangup, SIGHUP);
        watch_signal(s, &s->sig_usr2, on_keep, SIGUSR2);
        watch_signal(s, &s->sig_child, on_child, SIGCHLD);
        return 0;
}

static void close_handle(uv_handle_t *h, void *ctx)
{
        (void)ctx;
        if (!uv_is_closing(h))
                uv_close(h, NULL);
}

static void close_loop(struct supervisor *s)
{
        /* The loop turns on until all is closed: nothing may look for children any more. */
        (void)uv_prepare_stop(&s->prepare);
        (void)uv_timer_stop(&s->ticker);
        for (size_t i = 0; i < s->kid_count; i++)
                kid_free(s->kids[i]);
        mem_free(s->kids);
        s->kids = NULL;
        s->kid_count = s->kid_capacity = 0;
        (void)uv_run(&s->loop, UV_RUN_NOWAIT); /* closed conversations free themselves */
        uv_walk(&s->loop, close_handle, NULL);
        (void)uv_run(&s->loop, UV_RUN_DEFAULT);
        int r = uv_loop_close(&s->loop);
        assert(r == 0);
        (void)r;
        (void)close(s->timer_fd);
}

/* A guard that looks at this very moment has it for as long as it takes to look. */
static void take_charge(struct supervisor *s)
{
        for (int i = 0; i < CHARGE_TRIES; i++) {
                s->charge_fd = runtime_take_charge(s->config->runtime_dir);
                if (s->charge_fd != -EWOULDBLOCK)
                        break;
                (void)poll(NULL, 0, 1);
        }
        if (s->charge_fd < 0)
                log_error("%s/charge: %s; a guard of an earlier batond may stop services at their deadlines",
                          s->config->runtime_dir, strerror(-s->charge_fd));
}

/* What a plugin objects to in the state of this machine is no reason to stay away: the server's vote is needed, and
 * what should not run can only be stopped by a worker. Its plugin refuses to start anything by itself. */
static void begin_checked(struct supervisor *s, enum check_verdict verdict)
{
        if (s->phase != END_NONE)
                return;
        if (verdict == CHECK_BAD) {
                s->exit_status = SUPERVISOR_EXIT_CONFIG;
                uv_stop(&s->loop);
                return;
        }
        if (verdict == CHECK_OBJECTED)
                log_error("%s: this node goes on; what was named above is not started here until it is mended",
                          s->config_path);
        struct node_config *config = s->candidate;
        s->candidate = NULL;
        log_standing("BATON_NODE", config->node.text);
        family_become(s, config);
        family_adopt_left(s);
        (void)uv_prepare_start(&s->prepare, turn);
        (void)uv_timer_start(&s->ticker, on_tick, PLAN_PING_MS, PLAN_PING_MS);
        family_start(s);
        take_charge(s);
        log_info("node %s: %zu children", config->node.text, s->kid_count);
}

/* A restart has no time for a check of what was checked before, while leases run. Each worker judges its own settings
 * when it begins, so a plugin that has changed its mind is found then. */
static bool was_judged(const struct node_config *config)
{
        struct plan *p = plan_new(config);
        bool all = true;
        for (size_t i = 0; i < p->count && all; i++)
                all = p->list[i].kind != KID_WORKER || runtime_worker_is_saved(config->runtime_dir, &p->list[i]);
        plan_free(p);
        return all;
}

static int take_runtime(struct supervisor *s)
{
        const char *dir = s->candidate->runtime_dir;
        if (runtime_prepare(dir) < 0)
                return SUPERVISOR_EXIT_RUNTIME;
        s->lock_fd = runtime_lock(dir);
        if (s->lock_fd == -EWOULDBLOCK)
                log_error("%s: another batond has it. One node is one batond; for a second node on this machine set "
                          "another runtime_dir in [node]",
                          dir);
        else if (s->lock_fd < 0)
                log_error("%s/lock: %s", dir, strerror(-s->lock_fd));
        int r = s->lock_fd < 0 ? 0 : runtime_write_file(dir, "boot", s->boot_id, strlen(s->boot_id), 0644);
        if (r < 0) {
                log_error("%s/boot: %s", dir, strerror(-r));
                return SUPERVISOR_EXIT_RUNTIME;
        }
        return s->lock_fd < 0 ? SUPERVISOR_EXIT_RUNTIME : SUPERVISOR_EXIT_CLEAN;
}

int supervisor_run(const char *config_path)
{
        struct supervisor *s = mem_zalloc(sizeof *s);
        s->config_path = config_path;
        s->lock_fd = s->charge_fd = s->timer_fd = -1;
        clock_boot_id(s->boot_id);
        notify_init(&s->notify);
        s->exit_status = SUPERVISOR_EXIT_CONFIG;
        s->candidate = config_load(config_path);
        if (s->candidate)
                s->exit_status = take_runtime(s);
        if (s->exit_status == SUPERVISOR_EXIT_CLEAN) {
                int r = open_loop(s);
                if (r < 0) {
                        log_error("no event loop: %s", strerror(-r));
                        s->exit_status = SUPERVISOR_EXIT_AT_ONCE;
                } else {
                        if (was_judged(s->candidate))
                                begin_checked(s, CHECK_GOOD);
                        else
                                check_start(s, s->candidate, begin_checked);
                        /* Once children have begun, what the status says already is for the end. */
                        if (s->exit_status == SUPERVISOR_EXIT_CLEAN || s->begun)
                                (void)uv_run(&s->loop, UV_RUN_DEFAULT);
                        if (s->check.pid > 0) { /* asked to end while it ran */
                                (void)kill(s->check.pid, SIGKILL);
                                (void)waitpid(s->check.pid, NULL, 0);
                        }
                        if (s->config && s->begun)
                                family_write_status(s);
                        close_loop(s);
                }
        }
        int status = s->exit_status;
        node_config_free(s->candidate);
        node_config_free(s->config);
        if (s->charge_fd >= 0)
                (void)close(s->charge_fd);
        if (s->lock_fd >= 0)
                (void)close(s->lock_fd);
        mem_free(s);
        return status;
}

static void end_check(struct supervisor *s, enum check_verdict verdict)
{
        s->exit_status = verdict == CHECK_GOOD ? SUPERVISOR_EXIT_CLEAN : SUPERVISOR_EXIT_CONFIG;
        uv_stop(&s->loop);
}

int supervisor_check(const char *config_path)
{
        struct supervisor *s = mem_zalloc(sizeof *s);
        int status = SUPERVISOR_EXIT_CONFIG;
        s->config_path = config_path;
        s->timer_fd = -1;
        s->candidate = config_load(config_path);
        if (s->candidate) {
                if (open_loop(s) < 0) {
                        status = SUPERVISOR_EXIT_AT_ONCE;
                } else {
                        check_start(s, s->candidate, end_check);
                        if (s->check.running)
                                (void)uv_run(&s->loop, UV_RUN_DEFAULT);
                        close_loop(s);
                        status = s->exit_status;
                }
        }
        node_config_free(s->candidate);
        mem_free(s);
        return status;
}
