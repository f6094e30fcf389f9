/* The plugin ABI of baton, version 1: the only header a plugin needs.
 *
 * A plugin is a shared object that exports one symbol, `baton_plugin_v1`, a `const struct baton_plugin`. Each
 * [plugin NAME] section of the configuration makes one instance of it, in a process of its own (baton-worker), so
 * nothing a plugin does harms another instance; it may keep globals.
 *
 * Threads. All callbacks of an instance run on one thread, never two at a time, and may block. The clock and the
 * conversation with the rest of baton are kept by another thread: a callback that hangs is noticed there, the process
 * is ended, and a fresh one begins with `open` and `deactivate`. So:
 *   - `deactivate` must be able to stop whatever an earlier process of the same instance has left running. It is called
 *     at every start before anything else but `open`, unless the grant that an earlier process held is still valid;
 *     then `activate` is called instead, and must take up what runs (or start it).
 *   - `activate` and `deactivate` are idempotent.
 *   - Long waits inside a callback also wait for `host->cancel_fd`: it is readable while the callback ought to
 *     return soon, since a grant was revoked or has run out, or the process is to end. The time for the stop runs
 * already.
 *
 * Times are milliseconds; instants are on CLOCK_BOOTTIME. Results are 0 or -errno. Memory that is passed in is borrowed
 * until the callback returns, strings of `host` for the life of the instance.
 *
 * Compatibility: within version 1 this header only grows at the ends of structs (but not of those that stand in arrays,
 * baton_setting and baton_member); `abi` says what a plugin was built with, `size` how long its descriptor is. Another
 * version has another symbol. */
#ifndef BATON_PLUGIN_H
#define BATON_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BATON_PLUGIN_ABI 1

/* ---- what a plugin is told ---- */

/* The right to run the resource: at most one node has one for a group at any instant. */
struct baton_grant {
        const char *group;
        int64_t token; /* fencing token: grows with every grant of the group. Pass it on to whatever can compare */
        uint64_t deadline_ms; /* as of now; renewals move it on without telling. host->deadline() reads it */
        uint32_t lease_ms, budget_ms;
        bool taken_up; /* an earlier process of this instance held the same grant: the resource may well be running */
};

enum baton_reason {
        BATON_REASON_START,      /* a fresh process makes sure that nothing runs */
        BATON_REASON_SWITCHOVER, /* another node is to have it */
        BATON_REASON_FAILED,     /* activate failed here, or check did, and it is tried again or given up */
        BATON_REASON_LOST,   /* the grant has run out or was taken: be quick, another node starts after the budget */
        BATON_REASON_ENDING, /* this node stops */
};

enum baton_role {
        BATON_ROLE_NONE, /* no server on this node, or not known */
        BATON_ROLE_LOOKING,
        BATON_ROLE_FOLLOWING,
        BATON_ROLE_OBSERVING,
        BATON_ROLE_LEADING,
};

enum baton_health {
        BATON_HEALTH_UNKNOWN,
        BATON_HEALTH_GOOD,
        BATON_HEALTH_DEGRADED, /* shown to people, nothing else happens */
        BATON_HEALTH_BAD,      /* retried as configured, then the group goes to another node */
};

struct baton_member {
        const char *name;
        enum baton_role role;
        bool here; /* this node */
};

struct baton_config {
        const char *path; /* below /baton/config, without a leading slash: "nginx/motd" */
        const void *data; /* NULL: it was removed */
        size_t size;
        int32_t version;
        int64_t zxid; /* of the change; grows from call to call */
};

enum baton_log_level { BATON_LOG_DEBUG, BATON_LOG_INFO, BATON_LOG_WARNING, BATON_LOG_ERROR };

/* ---- what a plugin may ask for ---- */

/* Given to `open` and `check_settings`, valid until `close` has returned. Its functions may be called on the thread of
 * the callbacks only, but for log(), deadline() and held(). */
struct baton_host {
        uint32_t size;
        void *context;                       /* the host's own: first argument of every function */
        const char *node, *instance, *group; /* group: "" for none */
        /* A directory of this instance's own that a restart of baton leaves alone and a reboot empties; NULL in
         * check_settings. */
        const char *state_dir;
        int cancel_fd;           /* readable: return soon. Never read from it. -1 in check_settings */
        uint32_t stop_budget_ms; /* what the configuration gives for a stop; 0: it says nothing */

        /* One line of the log, with this instance's name. */
        void (*log)(void *context, enum baton_log_level level, const char *format, ...)
                __attribute__((format(printf, 3, 4)));
        /* The value given in the configuration or the setting's default; NULL when there is neither. `name` must be one
         * of the plugin's settings. Numbers and yes/no are already checked, and written in plain decimal, "yes" or
         * "no". */
        const char *(*setting)(void *context, const char *name);
        int64_t (*setting_number)(void *context, const char *name);
        bool (*setting_bool)(void *context, const char *name);
        /* Whether the instance holds a grant now, and until when as of now (0: it does not). */
        bool (*held)(void *context);
        uint64_t (*deadline)(void *context);
        int64_t (*token)(void *context); /* 0: none */
        /* Says how long the resource may take to stop, as computed from what is managed; in `open`, or later, for the
         * next grant. The configuration may give more; less is refused with an error: who can stop faster by being
         * rougher looks at stop_budget_ms first, and asks for no more than it must. */
        void (*need_stop_budget)(void *context, uint32_t budget_ms);
        /* Tells the health at once, without waiting for the next `check`. */
        void (*report)(void *context, enum baton_health health, const char *why);
        /* One line about the instance, shown by `batonctl plugins`. */
        void (*publish)(void *context, const char *text);
        /* Between callbacks, `ready` is called while `fd` has one of `events` (poll(2)); 0 ends that. */
        int (*watch)(void *context, int fd, short events);
        /* `ready` is called with fd -1 at this instant, once; UINT64_MAX: never. */
        void (*wake_at)(void *context, uint64_t when_ms);
        /* Committed configuration as last told; the copy is freed with free(). -ENOENT. */
        int (*config_get)(void *context, const char *path, void **ret, size_t *ret_size, int32_t *ret_version);
        /* Writes it, for all nodes; waits for the commit. version -1: any, or create. -EAGAIN when no server answered
         * in time (it may have been written), -ESTALE (another version), -EMSGSIZE, -ECANCELED. */
        int (*config_set)(void *context, const char *path, const void *data, size_t size, int32_t version);
        /* For check_settings: what is wrong with this setting, as the rest of a sentence after its file, line and
         * name. NULL: of the section as a whole. */
        void (*problem)(void *context, const char *setting, const char *format, ...)
                __attribute__((format(printf, 3, 4)));
};

/* ---- what a plugin provides ---- */

enum baton_setting_type {
        BATON_SETTING_TEXT,
        BATON_SETTING_NUMBER, /* decimal, min..max */
        BATON_SETTING_BOOL,   /* yes, no, true, false, on, off, 1, 0 */
};

struct baton_setting {
        const char *name;
        enum baton_setting_type type;
        const char *fallback; /* NULL: none */
        bool required;        /* refused when it is missing */
        int64_t min, max;     /* numbers */
        const char *help;     /* one line; says the unit */
};

/* All callbacks but `open` may be NULL. */
struct baton_plugin {
        uint32_t abi;  /* BATON_PLUGIN_ABI */
        uint32_t size; /* sizeof(struct baton_plugin) */
        const char *name, *description;
        const struct baton_setting *settings;
        size_t setting_count;

        /* Judges the settings together, changing nothing anywhere; tells each fault with host->problem(). */
        void (*check_settings)(const struct baton_host *host);
        /* Makes the instance. An error ends the process; it is tried again later. */
        int (*open)(const struct baton_host *host, void **ret);
        /* The resource is at rest. Not called when the process ends with the resource running, for a successor. */
        void (*close)(void *instance);
        /* Returns when the resource runs. An error means that it may be running in part: deactivate follows. Before
         * anything is started compare host->deadline() with the clock. */
        int (*activate)(void *instance, const struct baton_grant *grant);
        /* Returns 0 only when the resource has surely stopped, within budget_ms from now. Anything else, or later:
         * the process is ended and a fresh one tries again, for which a part of the stop budget is kept: budget_ms is
         * less than need_stop_budget() said. When it is little, be rough. */
        int (*deactivate)(void *instance, enum baton_reason reason, uint32_t budget_ms);
        /* Every check_interval while active. `why` has room for why_size bytes. An error counts as BAD. */
        int (*check)(void *instance, enum baton_health *ret, char *why, size_t why_size);
        void (*role_changed)(void *instance, enum baton_role role);
        void (*members_changed)(void *instance, const struct baton_member *members, size_t count);
        /* First every value there is, then config_synced, then each change in the order of zxids. */
        void (*config_changed)(void *instance, const struct baton_config *config);
        void (*config_synced)(void *instance);
        /* See host->watch() and wake_at(). */
        void (*ready)(void *instance, int fd);
};

/* A plugin's one exported symbol. */
#define BATON_PLUGIN_SYMBOL "baton_plugin_v1"
extern const struct baton_plugin baton_plugin_v1 __attribute__((visibility("default")));

#ifdef __cplusplus
}
#endif

#endif
