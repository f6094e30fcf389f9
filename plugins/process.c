/* The plugin `process`: one program as the group's resource, for hosts without systemd and for the demo.
 *
 * The user's view:
 *     [plugin web]
 *     module = process
 *     group = web
 *     command = /usr/bin/python3 -m http.server 8080
 *     stop_signal = TERM
 *     stop_timeout = 2000
 *
 * The program runs while the grant is held, in a process group of its own; its output goes to the log. When it ends by
 * itself it is started again, at once and then after growing rests; after `restart_limit` ends in a row, each within
 * `restart_window` of its start, its health is bad, and baton does what it does then. The stop sends
 * stop_signal, after stop_timeout SIGKILL, to the whole group, and is done when no process is in it.
 * A program that makes a process group or session of its own (a daemon) escapes: use the plugin `unit` for such.
 *
 * What a killed worker has left is found by its record in the state directory and ended first. The program does
 * not outlive its worker, so a restart of baton restarts it. */
#include "plugins/baton/plugin.h"
#include "plugins/child.h"
#include "plugins/words.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The first rest after an end that came too soon; it doubles. */
#define REST_FIRST_MS 100
/* The longest rest. */
#define REST_MAX_MS 5000
/* Of the stop budget, what is kept for SIGKILL to do its work. */
#define KILL_RESERVE_MS 200

struct process {
        const struct baton_host *host;
        char **command;
        int stop_signal;
        char record[512];
        struct child *child;
        bool wanted; /* between activate and deactivate */
        bool output_watched;
        uint64_t started_ms;
        uint64_t restart_at_ms; /* 0: no restart is due */
        unsigned failures;      /* ends in a row that came too soon */
};

static const struct baton_setting settings[] = {
        {.name = "command",
         .type = BATON_SETTING_TEXT,
         .required = true,
         .help = "program and arguments; quotes as in a shell"},
        {.name = "directory", .type = BATON_SETTING_TEXT, .fallback = "/", .help = "where it runs"},
        {.name = "stop_signal",
         .type = BATON_SETTING_TEXT,
         .fallback = "TERM",
         .help = "TERM, INT, QUIT, HUP, USR1 or USR2"},
        {.name = "stop_timeout",
         .type = BATON_SETTING_NUMBER,
         .fallback = "2000",
         .min = 0,
         .max = 3600000,
         .help = "milliseconds from stop_signal to SIGKILL"},
        {.name = "restart_limit",
         .type = BATON_SETTING_NUMBER,
         .fallback = "5",
         .min = 0,
         .max = 1000,
         .help = "ends in a row after which it counts as failed"},
        {.name = "restart_window",
         .type = BATON_SETTING_NUMBER,
         .fallback = "10000",
         .min = 1,
         .max = 3600000,
         .help = "milliseconds; an end later than this after its start begins a new row"},
};

static uint64_t now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_BOOTTIME, &t); /* fails for clocks that do not exist */
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int signal_number(const char *name)
{
        static const struct {
                const char *name;
                int number;
        } known[] = {{"TERM", SIGTERM}, {"INT", SIGINT},   {"QUIT", SIGQUIT},
                     {"HUP", SIGHUP},   {"USR1", SIGUSR1}, {"USR2", SIGUSR2}};
        if (strncmp(name, "SIG", 3) == 0)
                name += 3;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                if (strcmp(known[i].name, name) == 0)
                        return known[i].number;
        return 0;
}

/* What the stop takes at most; a stop budget that is given shortens the time before SIGKILL. */
static uint32_t stop_need_ms(const struct baton_host *host)
{
        uint32_t want = (uint32_t)host->setting_number(host->context, "stop_timeout") + KILL_RESERVE_MS;
        uint32_t given = host->stop_budget_ms;
        if (given == 0 || given >= want)
                return want;
        return given < KILL_RESERVE_MS ? KILL_RESERVE_MS : given;
}

static void check_settings(const struct baton_host *host)
{
        const char *why;
        char **words = NULL;
        if (words_split(host->setting(host->context, "command"), &words, &why) == -EINVAL)
                host->problem(host->context, "command", "%s", why);
        words_free(words);
        if (!signal_number(host->setting(host->context, "stop_signal")))
                host->problem(host->context, "stop_signal", "must be TERM, INT, QUIT, HUP, USR1 or USR2");
        if (!*host->group)
                host->problem(host->context, NULL, "a process belongs to a group: group = NAME");
        host->need_stop_budget(host->context, stop_need_ms(host));
}

static void process_close(void *instance)
{
        struct process *p = instance;
        if (p->child) {
                (void)p->host->watch(p->host->context, child_end_fd(p->child), 0);
                if (p->output_watched)
                        (void)p->host->watch(p->host->context, child_output_fd(p->child), 0);
        }
        child_free(p->child);
        words_free(p->command);
        free(p);
}

static int process_open(const struct baton_host *host, void **ret)
{
        struct process *p = calloc(1, sizeof *p);
        const char *why = "";
        if (!p)
                return -ENOMEM;
        p->host = host;
        p->stop_signal = signal_number(host->setting(host->context, "stop_signal"));
        int r = words_split(host->setting(host->context, "command"), &p->command, &why);
        if (r < 0) {
                process_close(p);
                return r;
        }
        int len = snprintf(p->record, sizeof p->record, "%s/process", host->state_dir);
        if (len < 0 || (size_t)len >= sizeof p->record || !p->stop_signal) {
                process_close(p);
                return -EINVAL;
        }
        host->need_stop_budget(host->context, stop_need_ms(host));
        *ret = p;
        return 0;
}

/* ---- running ---- */

static int start(struct process *p)
{
        char token[48];
        (void)snprintf(token, sizeof token, "BATON_TOKEN=%lld", (long long)p->host->token(p->host->context));
        char *env[] = {token, NULL};
        const struct child_spec spec = {.host = p->host,
                                        .argv = p->command,
                                        .env = env,
                                        .directory = p->host->setting(p->host->context, "directory"),
                                        .record = p->record};
        /* Whoever has no right to run it any more does not start it either. */
        if (now_ms() >= p->host->deadline(p->host->context))
                return -ETIMEDOUT;
        int r = child_start(&spec, &p->child);
        if (r < 0) {
                p->host->log(p->host->context, BATON_LOG_ERROR, "%s can't be run: %s", p->command[0], strerror(-r));
                return r;
        }
        p->started_ms = now_ms();
        p->restart_at_ms = 0;
        p->output_watched = true;
        (void)p->host->watch(p->host->context, child_end_fd(p->child), POLLIN);
        (void)p->host->watch(p->host->context, child_output_fd(p->child), POLLIN);
        p->host->publish(p->host->context, "running");
        return 0;
}

/* Forgets the present child. What is left of its group is killed. */
static void drop(struct process *p)
{
        (void)p->host->watch(p->host->context, child_end_fd(p->child), 0);
        if (p->output_watched)
                (void)p->host->watch(p->host->context, child_output_fd(p->child), 0);
        p->output_watched = false;
        child_free(p->child);
        p->child = NULL;
}

static void plan_restart(struct process *p)
{
        uint64_t rest = 0;
        for (unsigned i = 1; i < p->failures && rest < REST_MAX_MS; i++)
                rest = rest ? rest * 2 : REST_FIRST_MS;
        p->restart_at_ms = now_ms() + (rest < REST_MAX_MS ? rest : REST_MAX_MS);
        p->host->wake_at(p->host->context, p->restart_at_ms);
}

static void ended(struct process *p, int status)
{
        char how[64], why[128];
        int64_t limit = p->host->setting_number(p->host->context, "restart_limit");
        bool soon = now_ms() - p->started_ms < (uint64_t)p->host->setting_number(p->host->context, "restart_window");
        p->failures = soon ? p->failures + 1 : 1;
        (void)snprintf(why, sizeof why, "the process ended with %s", child_status_text(status, how));
        drop(p);
        p->host->publish(p->host->context, why);
        if ((int64_t)p->failures > limit) {
                p->host->report(p->host->context, BATON_HEALTH_BAD, why);
                return;
        }
        p->host->log(p->host->context, BATON_LOG_WARNING, "%s; it is started again", why);
        p->host->report(p->host->context, BATON_HEALTH_DEGRADED, why);
        plan_restart(p);
}

static void restart(struct process *p)
{
        int r = start(p);
        if (r == 0) {
                p->host->report(p->host->context, BATON_HEALTH_GOOD, "");
                return;
        }
        p->failures++;
        if ((int64_t)p->failures > p->host->setting_number(p->host->context, "restart_limit"))
                p->host->report(p->host->context, BATON_HEALTH_BAD, strerror(-r));
        else
                plan_restart(p);
}

static void ready(void *instance, int fd)
{
        struct process *p = instance;
        int status;
        (void)fd;
        if (p->child && p->output_watched && !child_log_output(p->child)) {
                (void)p->host->watch(p->host->context, child_output_fd(p->child), 0);
                p->output_watched = false;
        }
        if (p->child && child_ended(p->child, &status))
                ended(p, status);
        if (p->wanted && !p->child && p->restart_at_ms && now_ms() >= p->restart_at_ms)
                restart(p);
}

/* ---- the grant ---- */

static int activate(void *instance, const struct baton_grant *grant)
{
        struct process *p = instance;
        int status;
        (void)grant;
        p->wanted = true;
        p->failures = 0;
        if (p->child && !child_ended(p->child, &status))
                return 0;
        if (p->child)
                drop(p);
        int r = child_end_leftover(p->host, p->record, p->stop_signal, 0, KILL_RESERVE_MS);
        return r < 0 ? r : start(p);
}

static int deactivate(void *instance, enum baton_reason reason, uint32_t budget_ms)
{
        struct process *p = instance;
        uint32_t gentle = (uint32_t)p->host->setting_number(p->host->context, "stop_timeout");
        uint32_t most = budget_ms > KILL_RESERVE_MS ? budget_ms - KILL_RESERVE_MS : 0;
        (void)reason;
        p->wanted = false;
        p->restart_at_ms = 0;
        p->host->wake_at(p->host->context, UINT64_MAX);
        if (gentle > most)
                gentle = most;
        int r = p->child ? child_stop(p->child, p->stop_signal, gentle, budget_ms)
                         : child_end_leftover(p->host, p->record, p->stop_signal, gentle, budget_ms);
        if (r < 0)
                return r;
        if (p->child)
                drop(p);
        p->host->publish(p->host->context, "stopped");
        return 0;
}

static int check(void *instance, enum baton_health *ret, char *why, size_t why_size)
{
        struct process *p = instance;
        int status;
        *ret = p->child && !child_ended(p->child, &status) ? BATON_HEALTH_GOOD
               : p->restart_at_ms                          ? BATON_HEALTH_DEGRADED
                                                           : BATON_HEALTH_BAD;
        (void)snprintf(why, why_size, "%s", *ret == BATON_HEALTH_GOOD ? "" : "the process is not running");
        return 0;
}

const struct baton_plugin baton_plugin_v1 = {
        .abi = BATON_PLUGIN_ABI,
        .size = sizeof(struct baton_plugin),
        .name = "process",
        .description = "runs a program while this node has the group",
        .settings = settings,
        .setting_count = sizeof settings / sizeof *settings,
        .check_settings = check_settings,
        .open = process_open,
        .close = process_close,
        .activate = activate,
        .deactivate = deactivate,
        .check = check,
        .ready = ready,
};
