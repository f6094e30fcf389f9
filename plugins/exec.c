/* The plugin `exec`: programs of the administrator's that do what is to be done.
 *
 * The user's view:
 *     [plugin vip]
 *     module = exec
 *     group = web
 *     program = /usr/local/sbin/vip          ; called as: vip EVENT
 *     check = /usr/local/sbin/vip-check      ; or one command for one event
 *
 * Events: activate, deactivate, check, config, members, role. A program is told the facts in its environment and, as
 * one JSON object, on stdin; it is ended when it takes longer than `timeout`, with all that is in its process group.
 * What it leaves running on purpose (in a session of its own) is for its `deactivate` to stop.
 *
 * The facts, by event:
 *
 *   - always: BATON_EVENT BATON_NODE BATON_INSTANCE BATON_GROUP BATON_STATE_DIR
 *   - while a grant is held: BATON_TOKEN
 *   - activate: BATON_DEADLINE_MS BATON_LEASE_MS BATON_TAKEN_UP
 *   - deactivate: BATON_REASON BATON_BUDGET_MS
 *   - config: BATON_CONFIG_PATH BATON_CONFIG_VERSION BATON_CONFIG_ZXID BATON_CONFIG_REMOVED, the value in the JSON
 *   - role: BATON_ROLE
 *
 * Exit status of activate and deactivate: 0 means it runs, or has surely stopped. Of check: 0 good, 1 degraded, else
 * bad; the last line of output says why. activate and deactivate must be idempotent: after a restart of baton activate
 * is called again (BATON_TAKEN_UP=yes), and deactivate may be called when nothing runs. */
#include "plugins/baton/plugin.h"
#include "plugins/child.h"
#include "plugins/words.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Facts in the environment of one program. */
#define FACTS_MAX 16
/* A program that is to be ended gets this long between SIGTERM and SIGKILL, */
#define GENTLE_MS 200
/* and this long in all. */
#define END_MS 1000
/* Of the stop budget, what is kept for ending a deactivate that does not return. */
#define RESERVE_MS 100

enum event { EVENT_ACTIVATE, EVENT_DEACTIVATE, EVENT_CHECK, EVENT_CONFIG, EVENT_MEMBERS, EVENT_ROLE, EVENT_MAX };

static const char *const event_names[] = {
        [EVENT_ACTIVATE] = "activate", [EVENT_DEACTIVATE] = "deactivate", [EVENT_CHECK] = "check",
        [EVENT_CONFIG] = "config",     [EVENT_MEMBERS] = "members",       [EVENT_ROLE] = "role"};
static_assert(sizeof event_names / sizeof *event_names == EVENT_MAX, "every event has a name");

struct exec {
        const struct baton_host *host;
        char **commands[EVENT_MAX]; /* NULL: nothing is run */
        char record[512];
};

/* What one program is told. */
struct facts {
        char *env[FACTS_MAX + 1];
        size_t count;
        json_t *object;
};

#define COMMAND(event, text)                                                                                           \
        {                                                                                                              \
                .name = (event), .type = BATON_SETTING_TEXT, .help = (text)                                            \
        }

static const struct baton_setting settings[] = {
        {.name = "program",
         .type = BATON_SETTING_TEXT,
         .help = "command for every event that has none of its own; the event's name is appended"},
        COMMAND("activate", "command; returns when the resource runs"),
        COMMAND("deactivate", "command; returns when the resource has surely stopped"),
        COMMAND("check", "command; exit status 0 good, 1 degraded, else bad"),
        COMMAND("config", "command for each change of committed configuration"),
        COMMAND("members", "command for each change of the members"),
        COMMAND("role", "command for each change of this server's role"),
        {.name = "events",
         .type = BATON_SETTING_TEXT,
         .fallback = "activate deactivate check",
         .help = "events that `program` is called for"},
        {.name = "timeout",
         .type = BATON_SETTING_NUMBER,
         .fallback = "10000",
         .min = 100,
         .max = 3600000,
         .help = "milliseconds a program may take; deactivate: the stop budget, where that is less"},
};

/* ---- settings ---- */

/* Whether `list` (words with blanks) has `word`. */
static bool list_has(const char *list, const char *word)
{
        size_t len = strlen(word);
        for (const char *at = list + strspn(list, " \t"); *at; at += strspn(at, " \t")) {
                size_t next = strcspn(at, " \t");
                if (next == len && strncmp(at, word, len) == 0)
                        return true;
                at += next;
        }
        return false;
}

/* `program` with the event behind it. */
static int program_for(const char *program, const char *event, char ***ret, const char **why)
{
        int r = words_split(program, ret, why);
        if (r < 0)
                return r;
        size_t count = 0;
        while ((*ret)[count])
                count++;
        char **longer = realloc(*ret, (count + 2) * sizeof *longer);
        if (!longer)
                return -ENOMEM;
        *ret = longer;
        longer[count] = strdup(event);
        longer[count + 1] = NULL;
        return longer[count] ? 0 : -ENOMEM;
}

/* The command for an event; *ret NULL for none. */
static int command_for(const struct baton_host *host, enum event event, char ***ret, const char **why)
{
        const char *own = host->setting(host->context, event_names[event]);
        const char *program = host->setting(host->context, "program");
        *ret = NULL;
        if (own)
                return words_split(own, ret, why);
        if (program && list_has(host->setting(host->context, "events"), event_names[event]))
                return program_for(program, event_names[event], ret, why);
        return 0;
}

static void check_events(const struct baton_host *host)
{
        const char *list = host->setting(host->context, "events");
        for (const char *at = list + strspn(list, " \t"); *at; at += strspn(at, " \t")) {
                size_t len = strcspn(at, " \t");
                bool known = false;
                for (size_t event = 0; event < EVENT_MAX && !known; event++)
                        known = strlen(event_names[event]) == len && strncmp(event_names[event], at, len) == 0;
                if (!known)
                        host->problem(host->context, "events",
                                      "'%.*s' is no event: activate, deactivate, check, config, members, role",
                                      (int)len, at);
                at += len;
        }
}

static void check_settings(const struct baton_host *host)
{
        bool has[EVENT_MAX] = {false};
        check_events(host);
        for (size_t event = 0; event < EVENT_MAX; event++) {
                const char *why = "";
                char **words = NULL;
                if (command_for(host, (enum event)event, &words, &why) == -EINVAL)
                        host->problem(host->context,
                                      host->setting(host->context, event_names[event]) ? event_names[event] : "program",
                                      "%s", why);
                has[event] = words != NULL;
                words_free(words);
        }
        if (*host->group && has[EVENT_ACTIVATE] != has[EVENT_DEACTIVATE])
                host->problem(host->context, NULL,
                              "what `activate` begins a `deactivate` must end: give both, or none");
        if (!*host->group && (has[EVENT_ACTIVATE] || has[EVENT_CHECK]) && !host->setting(host->context, "program"))
                host->problem(host->context, NULL, "without a group nothing is ever activated");
}

static void exec_close(void *instance)
{
        struct exec *x = instance;
        for (size_t event = 0; event < EVENT_MAX; event++)
                words_free(x->commands[event]);
        free(x);
}

static int exec_open(const struct baton_host *host, void **ret)
{
        struct exec *x = calloc(1, sizeof *x);
        const char *why = "";
        int r = x ? 0 : -ENOMEM;
        if (!x)
                return r;
        x->host = host;
        for (size_t event = 0; event < EVENT_MAX && r == 0; event++)
                r = command_for(host, (enum event)event, &x->commands[event], &why);
        int len = snprintf(x->record, sizeof x->record, "%s/exec", host->state_dir);
        if (r == 0 && (len < 0 || (size_t)len >= sizeof x->record))
                r = -ENAMETOOLONG;
        if (r < 0) {
                exec_close(x);
                return r;
        }
        *ret = x;
        return 0;
}

/* ---- facts ---- */

static void fact(struct facts *f, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void fact(struct facts *f, const char *name, const char *format, ...)
{
        char value[1024], *line = NULL;
        va_list args;
        va_start(args, format);
        (void)vsnprintf(value, sizeof value, format, args);
        va_end(args);
        if (f->count < FACTS_MAX && asprintf(&line, "BATON_%s=%s", name, value) >= 0)
                f->env[f->count++] = line;
        else
                free(line);
}

static void facts_init(const struct exec *x, enum event event, struct facts *ret)
{
        const struct baton_host *h = x->host;
        *ret = (struct facts){.object = json_object()};
        fact(ret, "EVENT", "%s", event_names[event]);
        fact(ret, "NODE", "%s", h->node);
        fact(ret, "INSTANCE", "%s", h->instance);
        fact(ret, "GROUP", "%s", h->group);
        fact(ret, "STATE_DIR", "%s", h->state_dir);
        if (h->held(h->context)) {
                fact(ret, "TOKEN", "%" PRId64, h->token(h->context));
                (void)json_object_set_new(ret->object, "token", json_integer((json_int_t)h->token(h->context)));
        }
        (void)json_object_set_new(ret->object, "event", json_string(event_names[event]));
        (void)json_object_set_new(ret->object, "node", json_string(h->node));
        (void)json_object_set_new(ret->object, "instance", json_string(h->instance));
        (void)json_object_set_new(ret->object, "group", json_string(h->group));
}

static void facts_done(struct facts *f)
{
        for (size_t i = 0; i < f->count; i++)
                free(f->env[i]);
        json_decref(f->object);
}

/* ---- running ---- */

/* Runs the event's program to its end. Returns its exit status, or -errno: it could not be run, was ended by a signal
 * (-EINTR), by us (-ETIMEDOUT, -ECANCELED). The facts are used up. */
static int run(struct exec *x, enum event event, struct facts *f, uint32_t timeout_ms, char *why, size_t why_size)
{
        const struct baton_host *h = x->host;
        struct child *child = NULL;
        char how[64];
        int status = 0;
        char *input = json_dumps(f->object, JSON_COMPACT);
        const struct child_spec spec = {.host = h,
                                        .argv = x->commands[event],
                                        .env = f->env,
                                        .input = input,
                                        .input_size = input ? strlen(input) : 0,
                                        .record = x->record};
        int r = child_start(&spec, &child);
        free(input);
        facts_done(f);
        if (r < 0) {
                (void)snprintf(why, why_size, "%s can't be run: %s", x->commands[event][0], strerror(-r));
                return r;
        }
        r = child_wait(child, timeout_ms, &status);
        if (r < 0) {
                (void)snprintf(why, why_size, "%s %s", event_names[event],
                               r == -ETIMEDOUT ? "took too long" : "was called off");
                int ended = child_stop(child, SIGTERM, GENTLE_MS, END_MS);
                if (ended < 0)
                        h->log(h->context, BATON_LOG_ERROR, "what %s has started can't be ended", event_names[event]);
        } else {
                r = WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
                const char *last = child_last_line(child);
                (void)snprintf(why, why_size, "%s", *last ? last : child_status_text(status, how));
        }
        child_free(child);
        return r;
}

static uint32_t timeout_of(const struct exec *x)
{
        return (uint32_t)x->host->setting_number(x->host->context, "timeout");
}

static int activate(void *instance, const struct baton_grant *grant)
{
        struct exec *x = instance;
        struct facts f;
        char why[256] = "";
        if (!x->commands[EVENT_ACTIVATE])
                return 0;
        facts_init(x, EVENT_ACTIVATE, &f);
        fact(&f, "DEADLINE_MS", "%" PRIu64, grant->deadline_ms);
        fact(&f, "LEASE_MS", "%" PRIu32, grant->lease_ms);
        fact(&f, "TAKEN_UP", "%s", grant->taken_up ? "yes" : "no");
        (void)json_object_set_new(f.object, "deadline_ms", json_integer((json_int_t)grant->deadline_ms));
        (void)json_object_set_new(f.object, "lease_ms", json_integer((json_int_t)grant->lease_ms));
        (void)json_object_set_new(f.object, "taken_up", json_boolean(grant->taken_up));
        int r = run(x, EVENT_ACTIVATE, &f, timeout_of(x), why, sizeof why);
        if (r != 0)
                x->host->log(x->host->context, BATON_LOG_ERROR, "activate failed: %s", why);
        return r > 0 ? -EIO : r;
}

static int deactivate(void *instance, enum baton_reason reason, uint32_t budget_ms)
{
        static const char *const reasons[] = {[BATON_REASON_START] = "start",
                                              [BATON_REASON_SWITCHOVER] = "switchover",
                                              [BATON_REASON_FAILED] = "failed",
                                              [BATON_REASON_LOST] = "lost",
                                              [BATON_REASON_ENDING] = "ending"};
        struct exec *x = instance;
        struct facts f;
        char why[256] = "";
        /* A program that a killed worker was running might still do what it was told. */
        int r = child_end_leftover(x->host, x->record, SIGTERM, GENTLE_MS, budget_ms);
        if (r < 0 || !x->commands[EVENT_DEACTIVATE])
                return r < 0 ? r : 0;
        const char *name = (size_t)reason < sizeof reasons / sizeof *reasons ? reasons[reason] : "ending";
        facts_init(x, EVENT_DEACTIVATE, &f);
        fact(&f, "REASON", "%s", name);
        fact(&f, "BUDGET_MS", "%" PRIu32, budget_ms);
        (void)json_object_set_new(f.object, "reason", json_string(name));
        (void)json_object_set_new(f.object, "budget_ms", json_integer((json_int_t)budget_ms));
        uint32_t most = budget_ms > RESERVE_MS ? budget_ms - RESERVE_MS : budget_ms;
        r = run(x, EVENT_DEACTIVATE, &f, most < timeout_of(x) ? most : timeout_of(x), why, sizeof why);
        if (r != 0)
                x->host->log(x->host->context, BATON_LOG_ERROR, "deactivate failed: %s", why);
        return r > 0 ? -EIO : r;
}

static int check(void *instance, enum baton_health *ret, char *why, size_t why_size)
{
        struct exec *x = instance;
        struct facts f;
        *ret = BATON_HEALTH_GOOD;
        if (!x->commands[EVENT_CHECK])
                return 0;
        facts_init(x, EVENT_CHECK, &f);
        int r = run(x, EVENT_CHECK, &f, timeout_of(x), why, why_size);
        if (r == -ECANCELED)
                *ret = BATON_HEALTH_UNKNOWN; /* it was not its fault */
        else
                *ret = r == 0 ? BATON_HEALTH_GOOD : r == 1 ? BATON_HEALTH_DEGRADED : BATON_HEALTH_BAD;
        return 0;
}

/* Of what only informs: a failure is logged, and that is all. */
static void inform(struct exec *x, enum event event, struct facts *f)
{
        char why[256] = "";
        int r = run(x, event, f, timeout_of(x), why, sizeof why);
        if (r != 0)
                x->host->log(x->host->context, BATON_LOG_WARNING, "%s: %s", event_names[event], why);
}

static const char *role_name(enum baton_role role)
{
        static const char *const names[] = {[BATON_ROLE_NONE] = "none",
                                            [BATON_ROLE_LOOKING] = "looking",
                                            [BATON_ROLE_FOLLOWING] = "following",
                                            [BATON_ROLE_OBSERVING] = "observing",
                                            [BATON_ROLE_LEADING] = "leading"};
        return (size_t)role < sizeof names / sizeof *names ? names[role] : "none";
}

static void role_changed(void *instance, enum baton_role role)
{
        struct exec *x = instance;
        struct facts f;
        if (!x->commands[EVENT_ROLE])
                return;
        facts_init(x, EVENT_ROLE, &f);
        fact(&f, "ROLE", "%s", role_name(role));
        (void)json_object_set_new(f.object, "role", json_string(role_name(role)));
        inform(x, EVENT_ROLE, &f);
}

static void members_changed(void *instance, const struct baton_member *members, size_t count)
{
        struct exec *x = instance;
        struct facts f;
        if (!x->commands[EVENT_MEMBERS])
                return;
        facts_init(x, EVENT_MEMBERS, &f);
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++)
                (void)json_array_append_new(list, json_pack("{s:s,s:s,s:b}", "name", members[i].name, "role",
                                                            role_name(members[i].role), "here", members[i].here));
        (void)json_object_set_new(f.object, "members", list);
        inform(x, EVENT_MEMBERS, &f);
}

/* Text as text; what is not UTF-8 in hexadecimal, under another name. */
static void put_value(json_t *object, const void *data, size_t size)
{
        json_t *text = json_stringn(data, size);
        if (text) {
                (void)json_object_set_new(object, "value", text);
                return;
        }
        char *hex = malloc(2 * size + 1);
        for (size_t i = 0; hex && i < size; i++)
                (void)snprintf(hex + 2 * i, 3, "%02x", ((const unsigned char *)data)[i]);
        if (hex)
                (void)json_object_set_new(object, "value_hex", json_string(hex));
        free(hex);
}

static void config_changed(void *instance, const struct baton_config *config)
{
        struct exec *x = instance;
        struct facts f;
        if (!x->commands[EVENT_CONFIG])
                return;
        facts_init(x, EVENT_CONFIG, &f);
        fact(&f, "CONFIG_PATH", "%s", config->path);
        fact(&f, "CONFIG_VERSION", "%" PRId32, config->version);
        fact(&f, "CONFIG_ZXID", "%" PRId64, config->zxid);
        fact(&f, "CONFIG_REMOVED", "%s", config->data ? "no" : "yes");
        (void)json_object_set_new(f.object, "path", json_string(config->path));
        (void)json_object_set_new(f.object, "version", json_integer(config->version));
        (void)json_object_set_new(f.object, "zxid", json_integer((json_int_t)config->zxid));
        if (config->data)
                put_value(f.object, config->data, config->size);
        inform(x, EVENT_CONFIG, &f);
}

const struct baton_plugin baton_plugin_v1 = {
        .abi = BATON_PLUGIN_ABI,
        .size = sizeof(struct baton_plugin),
        .name = "exec",
        .description = "runs programs on events",
        .settings = settings,
        .setting_count = sizeof settings / sizeof *settings,
        .check_settings = check_settings,
        .open = exec_open,
        .close = exec_close,
        .activate = activate,
        .deactivate = deactivate,
        .check = check,
        .role_changed = role_changed,
        .members_changed = members_changed,
        .config_changed = config_changed,
};
