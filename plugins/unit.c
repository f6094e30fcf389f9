/* unit: one or more systemd units, running on the one node that holds the group.
 *
 *   [plugin web]
 *   module = unit
 *   group  = web
 *   unit   = nginx.service
 *
 * What is in `unit` is started in this order and stopped in reverse. Services, sockets, timers, paths and mounts can be
 * managed (a name without suffix is a service's). A timer, socket or path is stopped together with what it triggers;
 * that is not started by the plugin.
 *
 * Nothing else may start them. They must not be enabled (`systemctl disable nginx`), nor wanted by another unit; the
 * plugin refuses to start otherwise. Whoever starts one on a standby node, by hand or by a dependency, sees it stopped
 * again, with a warning in the log. On the active node a unit that has failed or was stopped is reported at once. It is
 * no failure when systemd restarts it (Restart=), reloads it, or answers slowly: that is shown as degraded. So is a
 * start, a stop or a restart by hand; but only for `start_timeout`, and only `restart_limit` restarts in a row.
 *
 * The stop. The plugin does not wait for what a unit's own settings allow, which by default are minutes. Of the budget
 * that baton gives, the last half (at most 5 s) is kept for SIGKILL to all processes of all units; before that they
 * are asked to stop. A stop is over when systemd says inactive or failed *and* the control group has no process left.
 * What the plugin asks for as stop budget is `stop_timeout`; without it what stop_budget gives, and where that is not
 * given
 *
 *     (ExecStop= and ExecStopPost= lines + 4) x TimeoutStopSec, summed up over the units, but at most 5 s,
 *
 * which is the most that systemd needs, cut at what a failover may reasonably cost; at least 400 ms and 20 ms for
 * each unit, which is what asking, killing and looking take. Set stop_timeout for a database that needs a minute to
 * write its checkpoint, or to 500 for a service that may be killed at once. Units that can't be stopped in this
 * manner are refused: SendSIGKILL=no, KillMode=process or none, RefuseManualStop=yes.
 *
 * Rights. As root nothing is needed. Another user needs a polkit rule that allows org.freedesktop.systemd1.manage-units
 * for these units and the verbs start, stop, kill, reset-failed and ref (details "unit" and "verb"); reading is free to
 * all. Without root, the last resort (killing the control group when systemd does not answer) fails, as said in the
 * log. */
#include "plugins/unit_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Restarts by systemd with less than this between them are one series. */
#define RESTART_SERIES_MS 60000
/* Between two looks at the least: a unit that changes all the time must not keep us busy all the time. */
#define BREATH_MS 10
/* How long `open` and check_settings wait for a bus. */
#define OPEN_BUS_MS 3000
/* What one look between callbacks may take. */
#define READY_MS 500
/* What a check may take before it says that systemd is slow. */
#define CHECK_MS 2000
/* All is looked at this often although nothing was told. */
#define LOOK_EVERY_MS 10000
/* The same while something is on its way, or the bus is away. */
#define LOOK_SOON_MS 500

static const struct baton_setting settings[] = {
        {.name = "unit",
         .type = BATON_SETTING_TEXT,
         .required = true,
         .help = "systemd units, separated by blanks or commas; started in this order, stopped in reverse"},
        {.name = "start_timeout",
         .type = BATON_SETTING_NUMBER,
         .fallback = "60000",
         .min = 100,
         .max = 3600000,
         .help = "milliseconds that one unit may take to become active"},
        {.name = "stop_timeout",
         .type = BATON_SETTING_NUMBER,
         .min = 400,
         .max = 3600000,
         .help = "milliseconds for stopping all of them, the last half (at most 5000) by SIGKILL; default: from the "
                 "units, "
                 "at most 5000"},
        {.name = "restart_limit",
         .type = BATON_SETTING_NUMBER,
         .fallback = "5",
         .min = 0,
         .max = 1000000,
         .help = "restarts by systemd itself (Restart=), less than a minute apart, after which a unit counts as "
                 "failed; 0: "
                 "never"},
        {.name = "allow_enabled",
         .type = BATON_SETTING_BOOL,
         .fallback = "no",
         .help = "yes: manage units although something else starts them too, at boot for example; they are stopped "
                 "where the group is not"},
};

/* ---- what is said ---- */

void unit__tell(struct unit_set *s, enum baton_health health, const char *why)
{
        if (s->health == health && !strcmp(s->health_why, why))
                return;
        s->health = health;
        (void)snprintf(s->health_why, sizeof s->health_why, "%s", why);
        s->host->report(s->host->context, health, s->health_why);
}

static void publish(struct unit_set *s)
{
        char text[2 * UNIT_WHY_MAX] = "";
        size_t used = 0;
        for (size_t i = 0; i < s->count && used < sizeof text - 1; i++) {
                const struct unit *u = &s->units[i];
                int n = snprintf(text + used, sizeof text - used, "%s%s %s (%s)", i ? ", " : "", u->name,
                                 u->facts.active_state, u->facts.sub_state);
                used += n > 0 ? (size_t)n : 0;
        }
        if (!strcmp(text, s->published))
                return;
        (void)snprintf(s->published, sizeof s->published, "%s", text);
        s->host->publish(s->host->context, s->published);
}

/* Between callbacks: what to be woken for. */
static void arm(struct unit_set *s)
{
        short events;
        uint64_t when;
        int fd = unit__bus_poll(s->bus, &events, &when);
        if (s->watched_fd >= 0 && s->watched_fd != fd)
                (void)s->host->watch(s->host->context, s->watched_fd, 0); /* it is closed: nothing else can be done */
        s->watched_fd = -1;
        if (fd >= 0 && s->host->watch(s->host->context, fd, events) == 0)
                s->watched_fd = fd;
        /* What has changed while something else was read is told by no descriptor any more. */
        for (size_t i = 0; i < s->count && unit__bus_ready(s->bus); i++)
                if (s->units[i].dirty)
                        when = 0;
        uint64_t soon = unit__now_ms() + BREATH_MS;
        when = when < s->look_at_ms ? when : s->look_at_ms;
        s->host->wake_at(s->host->context, when > soon ? when : soon);
}

struct unit_wait unit__within(const struct unit_set *s, uint64_t ms)
{
        return (struct unit_wait){.until_ms = unit__now_ms() + ms, .cancel_fd = s->host->cancel_fd};
}

/* ---- while active ---- */

/* Whether systemd restarts the unit over and over. */
static bool restarts_on_and_on(const struct unit_set *s, struct unit *u, uint64_t now)
{
        if (u->facts.restarts > u->restarts_seen) {
                if (now > u->restarted_ms + RESTART_SERIES_MS)
                        u->restarts_base = u->restarts_seen;
                u->restarted_ms = now;
        } else if (u->facts.restarts < u->restarts_seen) {
                u->restarts_base = u->facts.restarts; /* started by hand, or reset */
        }
        u->restarts_seen = u->facts.restarts;
        return s->restart_limit && now <= u->restarted_ms + RESTART_SERIES_MS &&
               u->facts.restarts - u->restarts_base >= s->restart_limit;
}

/* The worst of all units. What is neither up nor down for longer than a start may take is bad. */
static enum baton_health judge(struct unit_set *s, char why[UNIT_WHY_MAX])
{
        enum baton_health worst = BATON_HEALTH_GOOD;
        uint64_t now = unit__now_ms();
        *why = '\0';
        for (size_t i = 0; i < s->count; i++) {
                struct unit *u = &s->units[i];
                char one[UNIT_WHY_MAX];
                if (u->triggered || !u->known)
                        continue;
                enum baton_health health = unit__rules_health(&u->facts, one);
                u->unsettled_ms = health != BATON_HEALTH_DEGRADED ? 0 : u->unsettled_ms ? u->unsettled_ms : now;
                if (u->unsettled_ms && now >= u->unsettled_ms + s->start_timeout_ms)
                        health = BATON_HEALTH_BAD;
                if (restarts_on_and_on(s, u, now)) {
                        health = BATON_HEALTH_BAD;
                        (void)snprintf(one, sizeof one, "%s fails again and again: systemd has restarted it %u times",
                                       u->name, u->facts.restarts - u->restarts_base);
                }
                if (health <= worst)
                        continue;
                worst = health;
                memcpy(why, one, UNIT_WHY_MAX);
        }
        return worst;
}

static void look_active(struct unit_set *s)
{
        char why[UNIT_WHY_MAX];
        enum baton_health health = judge(s, why);
        unit__tell(s, health, why);
        if (health != BATON_HEALTH_GOOD)
                s->look_at_ms = unit__now_ms() + LOOK_SOON_MS;
}

/* ---- while another node has it ---- */

static bool intruder(const struct unit_set *s, const struct unit *u)
{
        return u->known && (!unit__rules_at_rest(&u->facts) ||
                            (u->cgroup[0] && unit__cgroup_populated(&s->cgroups, u->cgroup) == 1));
}

static void look_standby(struct unit_set *s)
{
        bool any = false;
        for (size_t i = 0; i < s->count; i++) {
                if (!intruder(s, &s->units[i]))
                        continue;
                any = true;
                unit__say(s, BATON_LOG_WARNING,
                          "%s was started on this node (it is %s) while the group is not here: stopping it",
                          s->units[i].name, s->units[i].facts.active_state);
        }
        if (!any)
                return;
        int r = unit__stop(s, unit__set_stop_budget(s));
        s->mode = UNIT_STANDBY;
        if (r == 0) {
                if (s->health == BATON_HEALTH_BAD)
                        unit__tell(s, BATON_HEALTH_GOOD, "");
                return;
        }
        unit__tell(s, BATON_HEALTH_BAD, "a unit was started on this node from outside and can't be stopped");
        s->look_at_ms = unit__now_ms() + LOOK_SOON_MS;
}

static void ready(void *instance, int fd)
{
        struct unit_set *s = instance;
        struct unit_wait w = unit__within(s, READY_MS), none = {.until_ms = 0, .cancel_fd = -1};
        bool all = fd < 0 && unit__now_ms() >= s->look_at_ms;
        while (unit__bus_wait(s->bus, &none) > 0)
                ;
        s->look_at_ms = unit__now_ms() + LOOK_EVERY_MS;
        int r = unit__set_read_all(s, &w, all);
        if (r < 0) { /* slow or away is no failure: what was seen last holds */
                s->look_at_ms = unit__now_ms() + LOOK_SOON_MS;
        } else if (s->mode == UNIT_ACTIVE) {
                look_active(s);
        } else if (s->mode == UNIT_STANDBY) {
                look_standby(s);
        }
        publish(s);
        arm(s);
}

static int check(void *instance, enum baton_health *ret, char *why, size_t why_size)
{
        struct unit_set *s = instance;
        struct unit_wait w = unit__within(s, CHECK_MS);
        char text[UNIT_WHY_MAX];
        int r = unit__set_read_all(s, &w, true);
        *ret = judge(s, text);
        if (r < 0 && *ret == BATON_HEALTH_GOOD) {
                *ret = BATON_HEALTH_DEGRADED;
                (void)snprintf(text, sizeof text, "systemd does not answer; the units ran when it did");
        }
        (void)snprintf(why, why_size, "%s", text);
        s->health = *ret;
        (void)snprintf(s->health_why, sizeof s->health_why, "%s", text);
        publish(s);
        arm(s);
        return 0;
}

static void warn_of_short_budget(struct unit_set *s, uint32_t budget_ms)
{
        uint32_t asking_ms = budget_ms - unit__rules_kill_share_ms(budget_ms);
        for (size_t i = 0; i < s->count && !s->budget_told; i++) {
                uint64_t own_ms = unit__rules_own_stop_ms(&s->units[i].facts);
                if (own_ms > asking_ms)
                        unit__say(s, BATON_LOG_INFO,
                                  "%s may take longer to stop by its own settings than the %u ms it gets; it is killed "
                                  "then "
                                  "(stop_timeout)",
                                  s->units[i].name, asking_ms);
        }
        s->budget_told = true;
}

static int activate(void *instance, const struct baton_grant *grant)
{
        struct unit_set *s = instance;
        s->mode = UNIT_UNSURE;
        s->health = BATON_HEALTH_UNKNOWN;
        struct unit_wait w = unit__within(s, s->start_timeout_ms);
        int r = unit__set_read_all(s, &w, true);
        if (r == -ENOTCONN || r == -ETIMEDOUT)
                unit__say(s, BATON_LOG_ERROR, "nothing is started: systemd can't be reached (%s)",
                          unit__bus_why(s->bus));
        for (size_t i = 0; r == 0 && i < s->count; i++) {
                struct unit *u = &s->units[i];
                if (!u->triggered)
                        r = unit__start(s, u);
                if (r == 0 && !u->triggered && grant->taken_up)
                        unit__say(s, BATON_LOG_INFO, "%s runs, and goes on", u->name);
        }
        if (r == 0) {
                s->mode = UNIT_ACTIVE;
                warn_of_short_budget(s, grant->budget_ms);
                look_active(s); /* the first may have failed while the last was starting */
                if (s->health == BATON_HEALTH_BAD)
                        r = -EIO;
        }
        s->look_at_ms = unit__now_ms() + LOOK_SOON_MS;
        publish(s);
        arm(s);
        return r;
}

static int deactivate(void *instance, enum baton_reason reason, uint32_t budget_ms)
{
        struct unit_set *s = instance;
        if (reason == BATON_REASON_START && s->mode == UNIT_UNSURE)
                for (size_t i = 0; i < s->count; i++)
                        if (intruder(s, &s->units[i]))
                                unit__say(s, BATON_LOG_WARNING,
                                          "%s runs although the group is not here (it is %s): stopping it",
                                          s->units[i].name, s->units[i].facts.active_state);
        int r = unit__stop(s, budget_ms);
        if (r == 0)
                s->mode = UNIT_STANDBY;
        s->health = BATON_HEALTH_UNKNOWN;
        s->look_at_ms = unit__now_ms() + LOOK_EVERY_MS;
        publish(s);
        arm(s);
        return r;
}

/* ---- opening ---- */

static void tell_budget(struct unit_set *s)
{
        s->host->need_stop_budget(s->host->context, unit__set_stop_budget(s));
}

/* Reads all units and what their triggers start. 1: one can't be managed, and why; 0; -errno. */
static int examine(struct unit_set *s, const struct unit_wait *w, char why[UNIT_WHY_MAX])
{
        int r = unit__set_read_all(s, w, true);
        if (r == 0) {
                unit__set_add_triggered(s);
                r = unit__set_read_all(s, w, false);
        }
        for (size_t i = 0; r == 0 && i < s->count; i++)
                r = unit__set_refuse(s, &s->units[i], w, why);
        return r;
}

static bool anything_runs(const struct unit_set *s)
{
        for (size_t i = 0; i < s->count; i++)
                if (intruder(s, &s->units[i]))
                        return true;
        return false;
}

static bool anything_remembered(const struct unit_set *s)
{
        for (size_t i = 0; i < s->count; i++)
                if (s->units[i].cgroup[0])
                        return true;
        return false;
}

/* A unit that may not be managed is refused, unless it runs: then it has to be stopped first (or goes on, when it was
 * ours before), so the instance is made, and refuses to start it. */
int unit__open(const struct baton_host *host, const char *cgroup_mount, void **ret)
{
        char why[UNIT_WHY_MAX] = "";
        const char *setting;
        struct unit_set *s = unit__set_new(host, cgroup_mount, &setting, why);
        if (!s) {
                host->log(host->context, BATON_LOG_ERROR, "%s: %s", setting, why);
                return -EINVAL;
        }
        unit__memory_load(s);
        struct unit_wait w = unit__within(s, OPEN_BUS_MS);
        int r = examine(s, &w, why);
        if (r == 1 && anything_runs(s))
                unit__say(s, BATON_LOG_WARNING, "%s", why);
        else if (r == 1)
                unit__say(s, BATON_LOG_ERROR, "%s", why);
        else if (r < 0)
                unit__say(s, BATON_LOG_ERROR,
                          "systemd can't be reached (%s); this plugin manages units of systemd only",
                          unit__bus_why(s->bus));
        if ((r == 1 && !anything_runs(s)) || (r < 0 && !anything_remembered(s))) {
                unit__set_free(s);
                return r == 1 ? -EPERM : r;
        }
        if (!s->cgroups.root[0])
                unit__say(s, BATON_LOG_WARNING,
                          "no control groups of systemd are to be seen below %s: no stop can be verified",
                          cgroup_mount);
        tell_budget(s);
        s->look_at_ms = unit__now_ms() + LOOK_EVERY_MS;
        publish(s);
        arm(s);
        *ret = s;
        return 0;
}

static int open_unit(const struct baton_host *host, void **ret)
{
        return unit__open(host, "/sys/fs/cgroup", ret);
}

static void check_settings(const struct baton_host *host)
{
        char why[UNIT_WHY_MAX] = "";
        const char *setting;
        struct unit_set *s = unit__set_new(host, "/sys/fs/cgroup", &setting, why);
        if (!s) {
                host->problem(host->context, setting, "%s", why);
                return;
        }
        struct unit_wait w = {.until_ms = unit__now_ms() + OPEN_BUS_MS, .cancel_fd = -1};
        s->checking = true; /* not reaching a bus is no fault of the settings; the daemon may run elsewhere */
        int r = unit__set_read_all(s, &w, true);
        if (r == 0) {
                unit__set_add_triggered(s);
                r = unit__set_read_all(s, &w, false);
        }
        for (size_t i = 0; r == 0 && i < s->count; i++)
                if (unit__set_refuse(s, &s->units[i], &w, why) == 1)
                        host->problem(host->context, "unit", "%s", why);
        if (r == 0 || s->stop_ms)
                tell_budget(s);
        unit__set_free(s);
}

static void close_unit(void *instance)
{
        struct unit_set *s = instance;
        if (s->watched_fd >= 0)
                (void)s->host->watch(s->host->context, s->watched_fd, 0); /* nothing can be done about it */
        unit__set_free(s);
}

const struct baton_plugin baton_plugin_v1 = {
        .abi = BATON_PLUGIN_ABI,
        .size = sizeof(struct baton_plugin),
        .name = "unit",
        .description = "systemd units, running where the group is",
        .settings = settings,
        .setting_count = sizeof settings / sizeof *settings,
        .check_settings = check_settings,
        .open = open_unit,
        .close = close_unit,
        .activate = activate,
        .deactivate = deactivate,
        .check = check,
        .ready = ready,
};
