/* The units of one instance, read and judged together. */
#include "plugins/unit_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void unit__say(const struct unit_set *s, enum baton_log_level level, const char *format, ...)
{
        char text[2 * UNIT_WHY_MAX];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        s->host->log(s->host->context, level, "%s", text);
}

static void on_changed(void *ctx, const char *path)
{
        struct unit_set *s = ctx;
        for (size_t i = 0; i < s->count; i++)
                if (!path || (s->units[i].path && !strcmp(s->units[i].path, path)))
                        s->units[i].dirty = true;
}

static void on_job_removed(void *ctx, const char *job, const char *id, const char *result)
{
        struct unit_set *s = ctx;
        for (size_t i = 0; i < s->count; i++) {
                struct unit *u = &s->units[i];
                if (strcmp(u->name, id) != 0 && strcmp(u->facts.id, id) != 0)
                        continue;
                free(u->ended_job);
                u->ended_job = unit__copy(job);
                (void)snprintf(u->ended_result, sizeof u->ended_result, "%s", result);
                u->dirty = true;
        }
}

static struct unit *add_unit(struct unit_set *s, size_t at, char *name, bool triggered)
{
        memmove(&s->units[at + 1], &s->units[at], (s->count++ - at) * sizeof s->units[0]);
        struct unit *u = &s->units[at];
        *u = (struct unit){.name = name, .triggered = triggered, .dirty = true};
        return u;
}

static bool has_unit(const struct unit_set *s, const char *name)
{
        for (size_t i = 0; i < s->count; i++)
                if (!strcmp(s->units[i].name, name) || !strcmp(s->units[i].facts.id, name))
                        return true;
        return false;
}

/* What a timer, socket or path starts stands before it, so that it is stopped after it. */
void unit__set_add_triggered(struct unit_set *s)
{
        for (size_t i = 0; i < s->count; i++) {
                for (size_t k = 0; k < s->units[i].facts.triggers.count; k++) {
                        const char *name = s->units[i].facts.triggers.names[k];
                        if (has_unit(s, name))
                                continue;
                        if (s->count == UNIT_UNITS_MAX) {
                                unit__say(s, BATON_LOG_WARNING,
                                          "%s, which %s triggers, is one unit too many: not managed", name,
                                          s->units[i].name);
                                return;
                        }
                        (void)add_unit(s, i, unit__copy(name), true);
                        i++;
                }
        }
}

int unit__set_read(struct unit_set *s, struct unit *u, const struct unit_wait *w)
{
        if (!u->path) {
                int r = unit__bus_load(s->bus, w, u->name, &u->path);
                if (r < 0)
                        return r;
        }
        u->dirty = false; /* before the call: what changes meanwhile makes it dirty again */
        int r = unit__facts_read(s->bus, w, u->path, &u->facts);
        if (r < 0) {
                u->dirty = true;
                return r;
        }
        u->known = true;
        if (unit__cgroup_is_of(u->facts.control_group, u->facts.id) && strcmp(u->cgroup, u->facts.control_group) != 0) {
                (void)snprintf(u->cgroup, sizeof u->cgroup, "%s", u->facts.control_group);
                unit__memory_save(s);
        }
        return 0;
}

int unit__set_ensure(struct unit_set *s, const struct unit_wait *w)
{
        bool fresh = !unit__bus_ready(s->bus);
        int r = unit__bus_ensure(s->bus, w);
        if (r < 0 && !s->bus_lost_said && !s->checking && r != -ECANCELED) {
                unit__say(s, BATON_LOG_WARNING,
                          "systemd can't be reached (%s); trying again, nothing is changed meanwhile",
                          unit__bus_why(s->bus));
                s->bus_lost_said = true;
        }
        if (r < 0)
                return r;
        if (s->bus_lost_said && !s->checking)
                unit__say(s, BATON_LOG_INFO, "systemd answers again");
        s->bus_lost_said = false;
        if (fresh) { /* a new connection knows no matches; systemd itself may be another */
                for (size_t i = 0; i < s->count; i++) {
                        free(s->units[i].path);
                        s->units[i].path = NULL;
                        s->units[i].known = false;
                        s->units[i].dirty = true;
                }
        }
        return 0;
}

int unit__set_read_all(struct unit_set *s, const struct unit_wait *w, bool all)
{
        int r = unit__set_ensure(s, w);
        for (size_t i = 0; r == 0 && i < s->count; i++)
                if (all || s->units[i].dirty || !s->units[i].known)
                        r = unit__set_read(s, &s->units[i], w);
        if (r == -ETIMEDOUT)
                unit__bus_distrust(s->bus); /* slow or stuck; a new connection loses nothing */
        return r;
}

/* ---- what may be managed ---- */

/* A unit that is started by what a socket, timer or path of another unit sees. */
static bool refuse_trigger(struct unit_set *s, const struct unit *u, const struct unit_wait *w, char why[UNIT_WHY_MAX])
{
        for (size_t i = 0; i < u->facts.triggered_by.count; i++) {
                const char *name = u->facts.triggered_by.names[i];
                char state[UNIT_WORD_MAX];
                if (has_unit(s, name) || unit__facts_file_state(s->bus, w, name, state, sizeof state) < 0 ||
                    strncmp(state, "enabled", strlen("enabled")) != 0)
                        continue;
                (void)snprintf(
                        why, UNIT_WHY_MAX,
                        "%s is started by %s, which is enabled; name that one too, in front, or `systemctl disable "
                        "--now %s`",
                        u->name, name, name);
                return true;
        }
        return false;
}

/* Whether the unit, which was read, may be started by us. 1: no, and why; 0: yes; -errno. */
int unit__set_refuse(struct unit_set *s, struct unit *u, const struct unit_wait *w, char why[UNIT_WHY_MAX])
{
        if (unit__rules_refuse(u->name, &u->facts, why) ||
            (!u->triggered && unit__rules_refuse_start(u->name, &u->facts, why)))
                return 1;
        if (s->allow_enabled)
                return 0;
        int r = unit__facts_file_state(s->bus, w, u->facts.id, u->facts.file_state, sizeof u->facts.file_state);
        if (r < 0)
                return r;
        char *managed[UNIT_UNITS_MAX];
        for (size_t i = 0; i < s->count; i++)
                managed[i] = s->units[i].facts.id;
        return unit__rules_started_elsewhere(&u->facts, managed, s->count, why) || refuse_trigger(s, u, w, why);
}

uint32_t unit__set_stop_budget(const struct unit_set *s)
{
        if (s->stop_ms)
                return s->stop_ms;
        uint64_t own_ms = 0;
        for (size_t i = 0; i < s->count; i++) {
                const struct unit *u = &s->units[i];
                uint64_t one = u->known ? unit__rules_own_stop_ms(&u->facts) : UNIT_STOP_DEFAULT_MS;
                own_ms = one > UINT64_MAX - own_ms ? UINT64_MAX : own_ms + one;
        }
        uint32_t want = unit__rules_stop_ms(own_ms, s->count), least = unit__rules_stop_least_ms(s->count);
        uint32_t given = s->host->stop_budget_ms;
        if (given == 0 || given >= want)
                return want;
        return given < least ? least : given; /* the sooner SIGKILL */
}

/* Reads the settings into a set. NULL with a sentence when they are wrong. */
struct unit_set *unit__set_new(const struct baton_host *host, const char *cgroup_mount, const char **ret_setting,
                               char why[UNIT_WHY_MAX])
{
        char *names[UNIT_UNITS_MAX];
        const char *text = host->setting(host->context, "unit");
        *ret_setting = "unit";
        int count = unit__names_parse(text ? text : "", names, why);
        if (count < 0)
                return NULL;
        struct unit_set *s = unit__alloc(sizeof *s);
        s->host = host;
        s->watched_fd = -1;
        s->start_timeout_ms = (uint32_t)host->setting_number(host->context, "start_timeout");
        if (host->setting(host->context, "stop_timeout"))
                s->stop_ms = (uint32_t)host->setting_number(host->context, "stop_timeout");
        s->restart_limit = (uint32_t)host->setting_number(host->context, "restart_limit");
        s->allow_enabled = host->setting_bool(host->context, "allow_enabled");
        for (int i = 0; i < count; i++)
                (void)add_unit(s, (size_t)i, names[i], false);
        s->bus = unit__bus_new(&(struct unit_bus_events){on_changed, on_job_removed, s});
        (void)unit__cgroups_find(cgroup_mount, &s->cgroups); /* without one, every group that is seen counts as alive */
        uint32_t least = unit__rules_stop_least_ms(s->count);
        if (s->stop_ms && s->stop_ms < least) {
                *ret_setting = "stop_timeout";
                (void)snprintf(why, UNIT_WHY_MAX, "%u units can't be stopped within %u ms; give at least %u",
                               (unsigned)s->count, s->stop_ms, least);
                unit__set_free(s);
                return NULL;
        }
        return s;
}

void unit__set_free(struct unit_set *s)
{
        unit__bus_free(s->bus);
        for (size_t i = 0; i < s->count; i++) {
                unit__facts_done(&s->units[i].facts);
                free(s->units[i].name);
                free(s->units[i].path);
                free(s->units[i].ended_job);
        }
        free(s);
}
