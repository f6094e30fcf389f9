/* What the files of the plugin `unit` share. unit.c is what a user sees and what the host calls; unit_bus.c the
 * conversation with systemd; unit_facts.c what systemd says of one unit, and unit_rules.c what that means;
 * unit_cgroup.c the kernel's own word on who is alive; unit_stop.c the stop, which is what everything else is for.
 *
 * One rule runs through all: signals are hints. They only say that a unit is to be read again; what counts is what was
 * read. So a signal that is lost, late or forged makes no difference but time. */
#ifndef BATON_PLUGINS_UNIT_INTERNAL_H
#define BATON_PLUGINS_UNIT_INTERNAL_H

#include "plugins/baton/plugin.h"

#include <systemd/sd-bus.h>

/* Units of one instance, with those that its sockets, timers and paths trigger. */
#define UNIT_UNITS_MAX 32
/* Bytes of a unit's name, as systemd has it. */
#define UNIT_NAME_MAX 255
/* Bytes of a sentence for a person. */
#define UNIT_WHY_MAX 400
/* Bytes of a control group's path below its hierarchy; the kernel's PATH_MAX. */
#define UNIT_CGROUP_MAX 4096
/* Bytes of a word that systemd says: states, results, kinds. */
#define UNIT_WORD_MAX 40
/* Names kept of one list of dependencies; more are passed over. */
#define UNIT_LIST_MAX 64

/* ---- time and memory ---- */

/* CLOCK_BOOTTIME. */
uint64_t unit__now_ms(void);
/* These end the process when there is no memory. */
void *unit__alloc(size_t size);
char *unit__copy(const char *s);

/* How long to wait, and for what else: cancel_fd readable ends it (-1: nothing does). */
struct unit_wait {
        uint64_t until_ms;
        int cancel_fd;
};

/* The same, but ending after ms at the latest. */
struct unit_wait unit__wait_within(const struct unit_wait *w, uint64_t ms);
/* Waits. -ETIMEDOUT or -ECANCELED. */
int unit__nap(const struct unit_wait *w);

/* ---- unit_bus.c: the conversation ---- */

/* -errno of this conversation: -ECANCELED and -ETIMEDOUT of the wait; -ENOTCONN: the bus or systemd is away (it may
 * come back); -EACCES: not allowed to; -ENOENT: no such unit; -EREMOTEIO: refused for a reason. Of the last three
 * unit__bus_why() has the words. */
struct unit_bus;

/* All are called inside unit__bus_wait(), unit__bus_call() and unit__bus_ensure() only, and must not call these. */
struct unit_bus_events {
        void (*changed)(void *ctx, const char *path); /* NULL: any unit may have changed, signals were lost */
        void (*job_removed)(void *ctx, const char *job, const char *unit, const char *result);
        void *ctx;
};

struct unit_bus *unit__bus_new(const struct unit_bus_events *events);
/* Takes NULL. */
void unit__bus_free(struct unit_bus *b);
/* Makes sure that there is a connection and systemd tells us of changes. 0, or as above. */
int unit__bus_ensure(struct unit_bus *b, const struct unit_wait *w);
bool unit__bus_ready(const struct unit_bus *b);
/* Handles what has arrived, or waits for something to. 1: something was handled, or -errno. */
int unit__bus_wait(struct unit_bus *b, const struct unit_wait *w);
/* What to poll for between callbacks: descriptor (-1: there is none), events, and when at the latest. */
int unit__bus_poll(struct unit_bus *b, short *ret_events, uint64_t *ret_when_ms);
/* Drops the connection: the next unit__bus_ensure() makes a new one. */
void unit__bus_drop(struct unit_bus *b);
/* The same, because a call was not answered: the other way to systemd is tried first then. */
void unit__bus_distrust(struct unit_bus *b);
const char *unit__bus_why(const struct unit_bus *b);

/* A call of systemd's manager with text arguments, the last followed by NULL. `ret` may be NULL, else the reply is
 * unreferenced by the caller. */
int unit__bus_call(struct unit_bus *b, const struct unit_wait *w, sd_bus_message **ret, const char *method, ...)
        __attribute__((sentinel));
/* Sends a message made by the caller, which keeps its reference. */
int unit__bus_send(struct unit_bus *b, const struct unit_wait *w, sd_bus_message *m, sd_bus_message **ret);
int unit__bus_kill(struct unit_bus *b, const struct unit_wait *w, const char *name, int32_t signal_number);
/* Has systemd load the unit and asks to be told of its changes. *ret is freed with free(). */
int unit__bus_load(struct unit_bus *b, const struct unit_wait *w, const char *name, char **ret_path);
/* A message to an object of systemd; NULL when there is no connection. */
sd_bus_message *unit__bus_message(struct unit_bus *b, const char *path, const char *interface, const char *method);

/* ---- unit_facts.c: what systemd says of one unit ---- */

struct unit_list {
        size_t count;
        char *names[UNIT_LIST_MAX];
};

struct unit_facts {
        char id[UNIT_NAME_MAX + 1]; /* its one true name; the configuration may have an alias */
        char load_state[UNIT_WORD_MAX], active_state[UNIT_WORD_MAX], sub_state[UNIT_WORD_MAX];
        char load_error[UNIT_WHY_MAX];
        uint32_t job; /* 0: none is queued */
        bool condition_result;
        uint64_t condition_us; /* when conditions were last looked at; 0: never */
        bool refuse_start, refuse_stop;
        /* Of services, and in part of sockets and mounts; zero where the kind of unit has no such thing. */
        char control_group[UNIT_CGROUP_MAX];
        char kill_mode[UNIT_WORD_MAX], type[UNIT_WORD_MAX], result[UNIT_WORD_MAX];
        bool has_kill, send_sigkill, remain_after_exit;
        uint64_t timeout_stop_us, timeout_abort_us, timeout_us; /* UINT64_MAX: infinite */
        uint32_t stop_commands;                                 /* ExecStop and ExecStopPost lines */
        int32_t exit_code, exit_status;                         /* as of waitid(2) */
        uint32_t restarts;
        struct unit_list wanted_by; /* every unit whose start would start this one */
        struct unit_list triggered_by, triggers;
        char file_state[UNIT_WORD_MAX]; /* unit__facts_file_state() fills it in */
};

/* `f` is zeroed or was read before; on error it is as it was. */
int unit__facts_read(struct unit_bus *b, const struct unit_wait *w, const char *path, struct unit_facts *f);
/* "enabled", "disabled", …; "" for units without a file. */
int unit__facts_file_state(struct unit_bus *b, const struct unit_wait *w, const char *name, char *ret, size_t size);
void unit__facts_done(struct unit_facts *f);

/* ---- unit_rules.c: what that means. Pure. ---- */

/* Splits the setting, completes names without a suffix. The names are freed with free(). Returns their number, or
 * -EINVAL with a sentence. */
int unit__names_parse(const char *text, char *names[UNIT_UNITS_MAX], char why[UNIT_WHY_MAX]);
/* Whether the unit can't be managed, and what to do about it. `name` is the configuration's. */
bool unit__rules_refuse(const char *name, const struct unit_facts *f, char why[UNIT_WHY_MAX]);
/* The same, for units that are to be started: whether they can't be seen to run. */
bool unit__rules_refuse_start(const char *name, const struct unit_facts *f, char why[UNIT_WHY_MAX]);
/* Whether something else starts it: it is enabled, or wanted by a unit that is not among `managed`. */
bool unit__rules_started_elsewhere(const struct unit_facts *f, char *const managed[], size_t managed_count,
                                   char why[UNIT_WHY_MAX]);
/* ActiveState is inactive or failed, and no job is queued that may change it. */
bool unit__rules_at_rest(const struct unit_facts *f);
/* ActiveState is active, or reloading. */
bool unit__rules_runs(const struct unit_facts *f);
/* GOOD, DEGRADED or BAD, with a sentence for the last two. */
enum baton_health unit__rules_health(const struct unit_facts *f, char why[UNIT_WHY_MAX]);
/* How systemd would take at worst by the unit's own settings; UINT64_MAX: for ever. */
uint64_t unit__rules_own_stop_ms(const struct unit_facts *f);

/* See "The stop" in unit.c. */
#define UNIT_STOP_DEFAULT_MS 5000
uint32_t unit__rules_stop_least_ms(size_t unit_count);
/* `own_ms`: the sum of unit__rules_own_stop_ms(). */
uint32_t unit__rules_stop_ms(uint64_t own_ms, size_t unit_count);
/* How much of a budget is kept for SIGKILL. */
uint32_t unit__rules_kill_share_ms(uint32_t budget_ms);

/* ---- unit_cgroup.c: the kernel's word ---- */

struct unit_cgroups {
        char root[256]; /* "": there is no hierarchy of systemd's */
        bool unified;   /* cgroup v2 */
};

/* `mount` is /sys/fs/cgroup. -ENOENT: there is no hierarchy to see. */
int unit__cgroups_find(const char *mount, struct unit_cgroups *ret);
/* Whether `path` may be the control group of this unit: what is killed is its own, never a slice or the root. */
bool unit__cgroup_is_of(const char *path, const char *id);
/* 1: processes live in it or below; 0: none, or it is gone; -errno: can't be told. */
int unit__cgroup_populated(const struct unit_cgroups *c, const char *path);
/* SIGKILL to all in it and below. 0 or -errno. */
int unit__cgroup_kill(const struct unit_cgroups *c, const char *path);

/* ---- the instance ---- */

struct unit {
        char *name;     /* as configured, with suffix */
        char *path;     /* object; NULL until loaded */
        bool triggered; /* not in the configuration: a socket, timer or path of it starts this one */
        bool known;     /* `facts` was read since the connection was made */
        bool dirty;     /* to be read again */
        struct unit_facts facts;
        char cgroup[UNIT_CGROUP_MAX]; /* the last one seen; "": none */
        char *ended_job;              /* the last job of this unit that was told to have gone */
        char ended_result[UNIT_WORD_MAX];
        uint32_t restarts_base, restarts_seen; /* by systemd: before the present series of them, and by now */
        uint64_t restarted_ms;                 /* when the last was seen */
        uint64_t unsettled_ms;                 /* since when it is neither running nor at rest; 0: it is */
        bool stopped;                          /* within unit__stop() */
};

enum unit_mode {
        UNIT_UNSURE,  /* nothing is known: a fresh process, or a stop that failed */
        UNIT_STANDBY, /* verified stopped; whoever starts it is stopped */
        UNIT_ACTIVE,
};

struct unit_set {
        const struct baton_host *host;
        struct unit_bus *bus;
        struct unit_cgroups cgroups;
        struct unit units[UNIT_UNITS_MAX]; /* in the order of starting */
        size_t count;
        enum unit_mode mode;
        uint32_t start_timeout_ms, stop_ms; /* stop_ms 0: from the units */
        uint32_t restart_limit;
        bool allow_enabled;
        bool budget_told;
        enum baton_health health;
        char health_why[UNIT_WHY_MAX];
        char published[2 * UNIT_WHY_MAX];
        int watched_fd;
        bool bus_lost_said;
        bool checking;       /* check_settings: not reaching a bus is no news */
        uint64_t look_at_ms; /* when everything is read again, signal or not */
};

/* The settings as a set, nothing read yet. NULL with the setting at fault and a sentence. */
struct unit_set *unit__set_new(const struct baton_host *host, const char *cgroup_mount, const char **ret_setting,
                               char why[UNIT_WHY_MAX]);
void unit__set_free(struct unit_set *s);
void unit__say(const struct unit_set *s, enum baton_log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Connects if need be and loads what is not loaded. */
int unit__set_ensure(struct unit_set *s, const struct unit_wait *w);
/* Reads a unit, whether something was told or not, and remembers its control group. */
int unit__set_read(struct unit_set *s, struct unit *u, const struct unit_wait *w);
/* Reads what has changed, or all. Stops at the first error. */
int unit__set_read_all(struct unit_set *s, const struct unit_wait *w, bool all);
/* Adds what the units read so far trigger. */
void unit__set_add_triggered(struct unit_set *s);
/* Whether the unit, which was read, may be managed here. 1: no, and why; 0: yes; -errno. */
int unit__set_refuse(struct unit_set *s, struct unit *u, const struct unit_wait *w, char why[UNIT_WHY_MAX]);
uint32_t unit__set_stop_budget(const struct unit_set *s);
/* From now, ended by the host's cancel_fd. */
struct unit_wait unit__within(const struct unit_set *s, uint64_t ms);
/* Reports a health that has changed. */
void unit__tell(struct unit_set *s, enum baton_health health, const char *why);
/* The control groups last seen, where a later process of the instance finds them: file "cgroups" of state_dir. */
void unit__memory_save(const struct unit_set *s);
void unit__memory_load(struct unit_set *s);

/* unit_start.c. Starts a unit that was read, unless it runs. 0: it runs; -ECANCELED; or -errno, said and reported. */
int unit__start(struct unit_set *s, struct unit *u);

/* unit_stop.c. Returns 0 only when all units are at rest and their control groups are empty; -ETIMEDOUT with an error
 * in the log. Nothing but the budget ends it sooner. */
int unit__stop(struct unit_set *s, uint32_t budget_ms);

/* unit.c. The plugin's open(), with another place for /sys/fs/cgroup. */
int unit__open(const struct baton_host *host, const char *cgroup_mount, void **ret);

#endif
