/* What the facts of a unit mean: whether it can be managed, how it is, how long its stop may take. Pure. */
#include "plugins/unit_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static bool is(const char *a, const char *b)
{
        return !strcmp(a, b);
}

static bool is_any(const char *a, const char *const *words, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (is(a, words[i]))
                        return true;
        return false;
}

#define IS_ANY(a, ...)                                                                                                 \
        is_any(a, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* ---- names ---- */

#define BLANKS     " \t,"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.\\@-"

/* Judges one name of `length` bytes; *ret is freed with free(). */
static int parse_name(const char *at, size_t length, char **ret, char why[UNIT_WHY_MAX])
{
        static const char *const known[] = {".service", ".socket", ".timer", ".path", ".mount"};
        static const char *const others[] = {".target", ".slice", ".scope", ".device", ".swap", ".automount"};
        char name[UNIT_NAME_MAX + 1];
        if (length > UNIT_NAME_MAX - strlen(".service")) {
                (void)snprintf(why, UNIT_WHY_MAX, "a unit's name is longer than %d bytes", UNIT_NAME_MAX);
                return -EINVAL;
        }
        (void)snprintf(name, sizeof name, "%.*s", (int)length, at);
        if (strspn(name, NAME_CHARS) != length || name[0] == '@') {
                (void)snprintf(why, UNIT_WHY_MAX, "'%.80s' is no name of a unit", name);
                return -EINVAL;
        }
        const char *suffix = strrchr(name, '.');
        if (suffix && is_any(suffix, others, sizeof others / sizeof *others)) {
                (void)snprintf(
                        why, UNIT_WHY_MAX,
                        "'%.80s' can't be managed, since stopping a %s does not surely stop what it started; name "
                        "the services themselves",
                        name, suffix + 1);
                return -EINVAL;
        }
        if (!suffix || !is_any(suffix, known, sizeof known / sizeof *known)) { /* as systemctl completes it */
                (void)snprintf(name + length, sizeof name - length, ".service");
                suffix = name + length;
        }
        if (suffix > name && suffix[-1] == '@') {
                (void)snprintf(why, UNIT_WHY_MAX, "'%.80s' is a template; name an instance of it, as in %.*sNAME%s",
                               name, (int)(suffix - name > 80 ? 80 : suffix - name), name, suffix);
                return -EINVAL;
        }
        *ret = unit__copy(name);
        return 0;
}

static int drop_names(char *names[UNIT_UNITS_MAX], int count)
{
        for (int i = 0; i < count; i++)
                free(names[i]);
        return -EINVAL;
}

int unit__names_parse(const char *text, char *names[UNIT_UNITS_MAX], char why[UNIT_WHY_MAX])
{
        int count = 0;
        for (const char *at = text + strspn(text, BLANKS); *at; at += strspn(at, BLANKS)) {
                size_t length = strcspn(at, BLANKS);
                if (count == UNIT_UNITS_MAX) {
                        (void)snprintf(why, UNIT_WHY_MAX, "names more than %d units", UNIT_UNITS_MAX);
                        return drop_names(names, count);
                }
                if (parse_name(at, length, &names[count], why) < 0)
                        return drop_names(names, count);
                for (int i = 0; i < count; i++) {
                        if (!is(names[i], names[count]))
                                continue;
                        (void)snprintf(why, UNIT_WHY_MAX, "names %.80s twice", names[count]);
                        return drop_names(names, count + 1);
                }
                count++;
                at += length;
        }
        if (count == 0) {
                (void)snprintf(why, UNIT_WHY_MAX, "names no unit");
                return -EINVAL;
        }
        return count;
}

/* ---- what can't be managed ---- */

static bool refuse_unloaded(const char *name, const struct unit_facts *f, char why[UNIT_WHY_MAX])
{
        if (is(f->load_state, "loaded"))
                return false;
        if (is(f->load_state, "not-found"))
                (void)snprintf(why, UNIT_WHY_MAX,
                               "%s does not exist; install it, or see `systemctl list-unit-files` for its name", name);
        else if (is(f->load_state, "masked"))
                (void)snprintf(why, UNIT_WHY_MAX, "%s is masked; `systemctl unmask %s` lets it be started", name, name);
        else
                (void)snprintf(why, UNIT_WHY_MAX, "%s can't be loaded (%s)%s%.150s; see `systemd-analyze verify %s`",
                               name, f->load_state, f->load_error[0] ? ": " : "", f->load_error, name);
        return true;
}

bool unit__rules_refuse(const char *name, const struct unit_facts *f, char why[UNIT_WHY_MAX])
{
        if (refuse_unloaded(name, f, why))
                return true;
        if (f->refuse_start || f->refuse_stop) {
                (void)snprintf(why, UNIT_WHY_MAX, "%s has RefuseManual%s=yes; `systemctl edit %s` can take it away",
                               name, f->refuse_stop ? "Stop" : "Start", name);
                return true;
        }
        if (f->has_kill && !f->send_sigkill) {
                (void)snprintf(why, UNIT_WHY_MAX,
                               "%s has SendSIGKILL=no, so that systemd might never end it; set SendSIGKILL=yes with "
                               "`systemctl edit %s`",
                               name, name);
                return true;
        }
        if (f->has_kill && !IS_ANY(f->kill_mode, "control-group", "mixed")) {
                (void)snprintf(
                        why, UNIT_WHY_MAX,
                        "%s has KillMode=%s, which leaves processes behind when it is stopped; set KillMode=mixed or "
                        "control-group with `systemctl edit %s`",
                        name, f->kill_mode, name);
                return true;
        }
        return false;
}

/* A oneshot service that is over once it has been started is never active, so it can't be seen to fail. */
static bool never_active(const struct unit_facts *f)
{
        return is(f->type, "oneshot") && !f->remain_after_exit;
}

static bool among(const char *name, char *const managed[], size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (is(name, managed[i]))
                        return true;
        return false;
}

bool unit__rules_started_elsewhere(const struct unit_facts *f, char *const managed[], size_t managed_count,
                                   char why[UNIT_WHY_MAX])
{
        if (IS_ANY(f->file_state, "enabled", "enabled-runtime")) {
                (void)snprintf(
                        why, UNIT_WHY_MAX,
                        "%s is enabled, so that systemd starts it at every boot, on every node; `systemctl disable %s` "
                        "leaves the start to baton",
                        f->id, f->id);
                return true;
        }
        for (size_t i = 0; i < f->wanted_by.count; i++) {
                if (among(f->wanted_by.names[i], managed, managed_count))
                        continue;
                (void)snprintf(
                        why, UNIT_WHY_MAX,
                        "%s is started together with %s, which wants it; `systemctl disable %s`, or take it out of "
                        "that unit's Wants=, Requires=, Upholds= or BindsTo=",
                        f->id, f->wanted_by.names[i], f->id);
                return true;
        }
        return false;
}

/* ---- how it is ---- */

bool unit__rules_at_rest(const struct unit_facts *f)
{
        return IS_ANY(f->active_state, "inactive", "failed") && f->job == 0;
}

bool unit__rules_runs(const struct unit_facts *f)
{
        return IS_ANY(f->active_state, "active", "reloading", "refreshing");
}

/* ", main process exited with status 3", or how else it ended; nothing when it did well or there is none. */
static void say_exit(const struct unit_facts *f, char *at, size_t size)
{
        *at = '\0';
        if (f->exit_code == CLD_EXITED && f->exit_status != 0)
                (void)snprintf(at, size, ", its main process exited with status %d", f->exit_status);
        else if (f->exit_code == CLD_KILLED || f->exit_code == CLD_DUMPED)
                (void)snprintf(at, size, ", its main process was killed by SIG%s%s",
                               sigabbrev_np(f->exit_status) ? sigabbrev_np(f->exit_status) : "?",
                               f->exit_code == CLD_DUMPED ? " and dumped core" : "");
}

static enum baton_health health_at_rest(const struct unit_facts *f, char why[UNIT_WHY_MAX])
{
        char how[UNIT_WHY_MAX / 4];
        say_exit(f, how, sizeof how);
        if (!is(f->load_state, "loaded"))
                (void)refuse_unloaded(f->id, f, why);
        else if (is(f->active_state, "failed"))
                (void)snprintf(why, UNIT_WHY_MAX, "%s has failed: %s%s", f->id,
                               f->result[0] ? f->result : "no reason given", how);
        else if (f->condition_us && !f->condition_result)
                (void)snprintf(why, UNIT_WHY_MAX, "%s does not run: one of its conditions is not met", f->id);
        else
                (void)snprintf(why, UNIT_WHY_MAX, "%s does not run: it ended or was stopped from outside%s", f->id,
                               how);
        return BATON_HEALTH_BAD;
}

enum baton_health unit__rules_health(const struct unit_facts *f, char why[UNIT_WHY_MAX])
{
        *why = '\0';
        if (unit__rules_runs(f))
                return BATON_HEALTH_GOOD;
        if (unit__rules_at_rest(f))
                return health_at_rest(f, why);
        if (is(f->sub_state, "auto-restart"))
                (void)snprintf(why, UNIT_WHY_MAX, "%s has failed (%s) and is restarted by systemd (%u times by now)",
                               f->id, f->result, f->restarts);
        else if (f->job && IS_ANY(f->active_state, "inactive", "failed"))
                (void)snprintf(why, UNIT_WHY_MAX, "%s is %s, and a job of it is queued", f->id, f->active_state);
        else
                (void)snprintf(why, UNIT_WHY_MAX, "%s is %s (%s)", f->id, f->active_state, f->sub_state);
        return BATON_HEALTH_DEGRADED;
}

bool unit__rules_refuse_start(const char *name, const struct unit_facts *f, char why[UNIT_WHY_MAX])
{
        if (!never_active(f))
                return false;
        (void)snprintf(
                why, UNIT_WHY_MAX,
                "%s is Type=oneshot without RemainAfterExit=yes, so it is never active; set RemainAfterExit=yes, or "
                "manage the timer that starts it",
                name);
        return true;
}

/* ---- how long its stop takes ---- */

/* systemd.service(5), and service.c of systemd: each command, then SIGTERM and SIGKILL, and both again at the end, may
 * take the timeout each. */
#define OWN_STOP_PHASES 4

uint64_t unit__rules_own_stop_ms(const struct unit_facts *f)
{
        uint64_t timeout_us = f->timeout_stop_us > f->timeout_us ? f->timeout_stop_us : f->timeout_us;
        if (f->timeout_abort_us != UINT64_MAX && f->timeout_abort_us > timeout_us)
                timeout_us = f->timeout_abort_us; /* infinite only matters where there is a watchdog */
        uint64_t phases = (uint64_t)f->stop_commands + OWN_STOP_PHASES;
        if (timeout_us > UINT64_MAX / phases / 2)
                return UINT64_MAX;
        return (timeout_us * phases + 999) / 1000;
}

/* The least that a stop with SIGKILL takes: as long again for asking as for killing, and a few calls for each unit. */
#define STOP_LEAST_MS      400
#define STOP_LEAST_UNIT_MS 20
/* SIGKILL needs no more than this of a longer budget. */
#define KILL_SHARE_MAX_MS 5000

uint32_t unit__rules_stop_least_ms(size_t unit_count)
{
        return STOP_LEAST_MS + STOP_LEAST_UNIT_MS * (uint32_t)unit_count;
}

uint32_t unit__rules_stop_ms(uint64_t own_ms, size_t unit_count)
{
        uint32_t least = unit__rules_stop_least_ms(unit_count);
        if (own_ms >= UNIT_STOP_DEFAULT_MS)
                return UNIT_STOP_DEFAULT_MS;
        return own_ms < least ? least : (uint32_t)own_ms;
}

uint32_t unit__rules_kill_share_ms(uint32_t budget_ms)
{
        return budget_ms / 2 < KILL_SHARE_MAX_MS ? budget_ms / 2 : KILL_SHARE_MAX_MS;
}
