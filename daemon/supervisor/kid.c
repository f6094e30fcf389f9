/* One child: its process, its channel, its pings and, for a worker, its grant's deadline. */
#include "daemon/supervisor/supervisor_internal.h"

#include "daemon/common/clock.h"
#include "daemon/common/events.h"
#include "daemon/common/log.h"
#include "daemon/common/status_socket.h"
#include "daemon/supervisor/spawn.h"
#include "daemon/supervisor/supervisor.h"
#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Words of one command line, with the NULL. */
#define ARGV_MAX 16

/* ---- made and unmade ---- */

void kid_configure(struct kid *k, const struct planned *p)
{
        mem_free(k->config);
        k->config = mem_strdup(p->config);
        k->identity = p->identity;
        k->missed_max = p->missed_max;
        k->missed_start_max = p->missed_start_max;
        k->child.limits = p->limits;
}

struct kid *kid_new(struct supervisor *s, const struct planned *p)
{
        struct kid *k = mem_zalloc(sizeof *k);
        k->owner = s;
        k->kind = p->kind;
        k->name = p->name;
        k->record_fd = -1;
        child_init(&k->child, &p->limits, clock_boottime_ms());
        kid_configure(k, p);
        return k;
}

static void drop_channel(struct kid *k)
{
        ipc_free(k->ipc);
        k->ipc = NULL;
}

static void drop_record(struct kid *k)
{
        if (k->record_fd >= 0)
                (void)close(k->record_fd);
        k->record_fd = -1;
}

void kid_free(struct kid *k)
{
        if (!k)
                return;
        assert(k->pid == 0);
        drop_channel(k);
        drop_record(k);
        mem_free(k->config);
        mem_free(k);
}

/* ---- the grant record ---- */

/* The record is the truth; what cannot be read leaves the last one standing (safety.md F7). */
static void read_grant(struct kid *k)
{
        struct grant_record r;
        if (k->kind != KID_WORKER)
                return;
        int e = runtime_record_read(k->owner->config->runtime_dir, k->name.text, &r);
        if (e == 0)
                grant_watch_told(&k->grant, strcmp(r.boot_id, k->owner->boot_id) == 0 ? &r : NULL);
        else if (e == -ENOENT)
                grant_watch_told(&k->grant, NULL);
        else
                log_error("grant record of %s: %s; what it said before counts", k->name.text, strerror(-e));
}

bool kid_is_dirty(struct kid *k)
{
        read_grant(k);
        return k->grant.known && grant_may_run(&k->grant.record, k->owner->boot_id);
}

static void say_kill(const struct kid *k, const char *reason, const char *next);

/* ---- messages ---- */

static void set_text(char *to, size_t size, struct jute_str text)
{
        (void)snprintf(to, size, "%.*s", text.len > 0 ? (int)text.len : 0, text.len > 0 ? (const char *)text.data : "");
}

static void told_grant(struct kid *k, const struct message *m)
{
        struct grant_record r = {.plugin = k->name,
                                 .state = m->state,
                                 .token = m->token,
                                 .deadline_ms = m->deadline_ms,
                                 .budget_ms = m->budget_ms};
        bool moved = m->state != k->grant.record.state || m->token != k->grant.record.token;
        memcpy(r.boot_id, k->owner->boot_id, sizeof r.boot_id);
        if (m->token != k->grant.record.token || !k->grant.known)
                read_grant(k); /* it says what the message has no room for */
        r.group = k->grant.record.group;
        r.lease_ms = k->grant.record.lease_ms;
        grant_watch_told(&k->grant, &r);
        k->owner->dirty_status = k->owner->dirty_status || moved;
}

static void on_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct kid *k = ctx;
        (void)ipc;
        k->answered = true; /* whatever it says, its loop runs */
        switch (m->type) {
        case MESSAGE_PONG:
                k->pong = m->number;
                break;
        case MESSAGE_READY:
        case MESSAGE_UNREADY:
                kid_event(k, m->type == MESSAGE_READY ? CHILD_READY : CHILD_UNREADY, STOP_KEEP);
                if (m->type == MESSAGE_READY && k->kind == KID_AGENT)
                        notify_ready(&k->owner->notify);
                break;
        case MESSAGE_STATUS:
                set_text(k->status, sizeof k->status, m->text);
                k->owner->dirty_status = true;
                break;
        case MESSAGE_HOLDING:
                if (k->kind == KID_WORKER)
                        told_grant(k, m);
                break;
        case MESSAGE_ROLE:
                k->role = m->role;
                k->owner->dirty_status = true;
                break;
        default:
                log_warning("%s sends its supervisor a message for others (%s)", k->name.text,
                            message_type_name(m->type));
        }
}

static void on_closed(void *ctx, struct ipc *ipc, int status)
{
        struct kid *k = ctx;
        (void)ipc;
        drop_channel(k);
        /* Its end comes by itself, or its pings tell. One who talks nonsense is not waited for. */
        if (status < 0 && status != -ECONNRESET && status != -EPIPE) {
                say_kill(k, "what it sends makes no sense", NULL);
                kid_event(k, CHILD_HUNG, STOP_KEEP);
        }
}

/* ---- making the process ---- */

struct command {
        const char *argv[ARGV_MAX];
        char program[NODE_PATH_MAX + 32], budget[16];
        char config[32];
};

/* `third`: a worker's record or an engine's status socket is passed. */
static void command_of(const struct kid *k, bool helper, bool third, uint64_t budget_ms, struct command *ret)
{
        size_t n = 0;
        (void)snprintf(ret->program, sizeof ret->program, "%s/%s", k->owner->config->libexec_dir, kid_program(k->kind));
        (void)snprintf(ret->budget, sizeof ret->budget, "%" PRIu64, budget_ms);
        (void)snprintf(ret->config, sizeof ret->config, "/proc/self/fd/%d",
                       helper ? SPAWN_FD_CONTROL : SPAWN_FD_CONFIG);
        ret->argv[n++] = kid_program(k->kind);
        ret->argv[n++] = "--config";
        ret->argv[n++] = ret->config;
        if (k->kind == KID_WORKER) {
                ret->argv[n++] = "--plugin";
                ret->argv[n++] = k->name.text;
        }
        if (helper) {
                ret->argv[n++] = "--ensure-stopped";
                ret->argv[n++] = "--budget";
                ret->argv[n++] = ret->budget;
                ret->argv[n++] = "--record-fd"; /* it says by when the resource has to be stopped */
                ret->argv[n++] = "4";
        } else {
                ret->argv[n++] = "--control-fd";
                ret->argv[n++] = "3";
                if (third) {
                        ret->argv[n++] = k->kind == KID_ENGINE ? "--status-fd" : "--record-fd";
                        ret->argv[n++] = "5";
                }
        }
        ret->argv[n] = NULL;
        assert(n < ARGV_MAX);
}

/* What a child needs to find when it begins, as itself. */
static int make_places(struct kid *k, const struct identity_ids *ids)
{
        const struct node_config *c = k->owner->config;
        char below[NAME_BYTES_MAX + 16];
        if (k->kind == KID_ENGINE)
                return runtime_make_private(c->data_dir, NULL, ids->uid, ids->gid);
        if (k->kind == KID_AGENT)
                return runtime_make_private(c->runtime_dir, "agent", ids->uid, ids->gid);
        (void)snprintf(below, sizeof below, "plugins/%s", k->name.text);
        int r = runtime_make_private(c->runtime_dir, below, ids->uid, ids->gid);
        if (r < 0)
                return r;
        struct planned p = {.kind = k->kind, .name = k->name, .config = k->config, .identity = k->identity};
        struct runtime_worker w = {.identity = k->identity, .last_resort = c->last_resort};
        (void)snprintf(w.program, sizeof w.program, "%.*s/%s", NODE_PATH_MAX - 16, c->libexec_dir,
                       kid_program(KID_WORKER));
        r = runtime_worker_save(c->runtime_dir, &p, &w);
        if (r == 0 || !kid_is_dirty(k))
                return r;
        /* Full, mostly. What may be running needs its worker more than the guard needs the newest text. */
        log_warning("%s/workers/%s: %s; without it a guard would stop it as it was configured before", c->runtime_dir,
                    k->name.text, strerror(-r));
        return 0;
}

/* The engine may not write in the runtime directory: it gets the socket of its status call made. It runs without one,
 * too. */
static int status_socket(const struct kid *k, const struct identity_ids *ids)
{
        const char *dir = k->owner->config->runtime_dir;
        int fd = status_socket_listen(dir, ids->uid, ids->gid);
        if (fd < 0)
                log_warning("%s/" STATUS_SOCKET_NAME ": %s; the engine can't be asked for its status", dir,
                            strerror(-fd));
        return fd;
}

static int begin_process(struct kid *k, const struct identity_ids *ids, char why[SPAWN_WHY_MAX])
{
        int control[2] = {-1, -1}, config = -1, record = -1;
        struct command command;
        int r = ipc_pair(control);
        if (r < 0)
                goto out;
        r = config = spawn_text_fd(k->name.text, k->config);
        if (r < 0)
                goto out;
        if (k->kind == KID_WORKER) {
                r = record = runtime_record_take(k->owner->config->runtime_dir, k->name.text);
                if (r < 0)
                        goto out;
        }
        if (k->kind == KID_ENGINE)
                record = status_socket(k, ids);
        command_of(k, false, record >= 0, 0, &command);
        const struct spawn spawn = {.program = command.program,
                                    .argv = command.argv,
                                    .identity = ids,
                                    .fds = {control[1], config, record},
                                    .fd_count = record >= 0 ? 3 : 2,
                                    .output = -1};
        r = spawn_process(&spawn, &k->pid, why);
        if (r == 0) {
                r = ipc_new(&k->owner->loop, control[0], on_message, on_closed, k, &k->ipc);
                control[0] = -1;
                if (r < 0) { /* nobody could talk to it */
                        (void)kill(k->pid, SIGKILL);
                        (void)waitpid(k->pid, NULL, 0);
                        k->pid = 0;
                }
        }
out:
        for (size_t i = 0; i < 2; i++)
                if (control[i] >= 0)
                        (void)close(control[i]);
        if (config >= 0)
                (void)close(config);
        if (record >= 0)
                (void)close(record); /* the lock is the worker's alone now */
        if (r < 0 && r != -EWOULDBLOCK && !why[0])
                (void)snprintf(why, SPAWN_WHY_MAX, "%s", strerror(-r));
        return r < 0 ? r : 0;
}

static int begin_helper(struct kid *k, const struct identity_ids *ids, char why[SPAWN_WHY_MAX])
{
        struct command command;
        uint64_t budget_ms = k->child.limits.ensure_ms;
        k->record_fd = runtime_record_take(k->owner->config->runtime_dir, k->name.text);
        if (k->record_fd < 0) {
                (void)snprintf(why, SPAWN_WHY_MAX, "its grant record: %s", strerror(-k->record_fd));
                return k->record_fd;
        }
        int config = spawn_text_fd(k->name.text, k->config);
        if (config < 0)
                return config;
        command_of(k, true, false, budget_ms, &command);
        const struct spawn spawn = {.program = command.program,
                                    .argv = command.argv,
                                    .identity = ids,
                                    .fds = {config, k->record_fd},
                                    .fd_count = 2,
                                    .output = -1};
        int r = spawn_process(&spawn, &k->pid, why);
        (void)close(config);
        return r;
}

static void say_started(const struct kid *k)
{
        char child[NAME_BYTES_MAX + 16], number[32];
        const char *const fields[] = {child, number, NULL};
        (void)snprintf(child, sizeof child, "BATON_CHILD=%s", k->name.text);
        (void)snprintf(number, sizeof number, "BATON_PID=%ld", (long)k->pid);
        log_event(LOG_LEVEL_INFO, log_event_id(LOG_EVENT_CHILD_STARTED), fields, "%s started, process %ld%s",
                  k->name.text, (long)k->pid, k->helper ? ", to make sure that its resource is stopped" : "");
}

static void make_process(struct kid *k, bool helper)
{
        const struct identity_ids *ids = NULL;
        char why[SPAWN_WHY_MAX] = "";
        assert(k->pid == 0);
        k->helper = helper;
        k->answered = false;
        k->ping = k->pong = 0;
        k->missed = 0;
        k->started_ms = clock_boottime_ms();
        int r = identity_find(&k->known, &k->identity, &ids, why);
        if (r == 0)
                r = make_places(k, ids);
        if (r == 0)
                r = helper ? begin_helper(k, ids, why) : begin_process(k, ids, why);
        if (r == -EWOULDBLOCK) {
                kid_event(k, CHILD_SPAWN_BUSY, STOP_KEEP);
                return;
        }
        if (r < 0) {
                drop_record(k);
                kid_event(k, CHILD_SPAWN_FAILED, STOP_KEEP);
                log_error("%s cannot be started: %s%s", k->name.text, why[0] ? why : strerror(-r),
                          k->child.wanted ? "; it is tried again" : "");
                return;
        }
        if (!helper) {
                read_grant(k);
                grant_watch_fresh(&k->grant, clock_boottime_ms());
        }
        kid_event(k, CHILD_SPAWNED, STOP_KEEP);
        say_started(k);
        if (!helper) {
                kid_tick(k); /* the first ping: its answer says that it has begun */
                family_link(k->owner, k);
        }
}

/* ---- events and effects ---- */

static void say_kill(const struct kid *k, const char *reason, const char *next)
{
        char child[NAME_BYTES_MAX + 16], number[32], why[80];
        const char *const fields[] = {child, number, why, NULL};
        (void)snprintf(child, sizeof child, "BATON_CHILD=%s", k->name.text);
        (void)snprintf(number, sizeof number, "BATON_PID=%ld", (long)k->pid);
        (void)snprintf(why, sizeof why, "BATON_REASON=%s", reason);
        log_event(LOG_LEVEL_ERROR, log_event_id(LOG_EVENT_CHILD_KILLED), fields, "%s, process %ld, is killed: %s%s%s",
                  k->name.text, (long)k->pid, reason, next ? "; " : "", next ? next : "");
}

static void say_left(const struct kid *k)
{
        char plugin[NAME_BYTES_MAX + 16];
        const char *const fields[] = {plugin, NULL};
        (void)snprintf(plugin, sizeof plugin, "BATON_PLUGIN=%s", k->name.text);
        log_event(LOG_LEVEL_ERROR, log_event_id(LOG_EVENT_RESOURCE_LEFT), fields,
                  "%s has ended, but its resource may still be running: stop it by hand", k->name.text);
}

static void send_stop(struct kid *k, enum stop_how how)
{
        struct message m = message_of(MESSAGE_STOP);
        m.stop = how;
        if (k->ipc)
                (void)ipc_send(k->ipc, &m); /* one that does not hear is killed when its time is over */
}

/* Does what the table asks for. `before` is the state that the event found. */
static void carry_out(struct kid *k, const struct child_effects *e, enum child_event event, enum child_state before)
{
        if (k->child.state != before)
                k->owner->dirty_status = true;
        if (event == CHILD_OVERDUE && e->kill)
                say_kill(k, "it does not stop its resource in time", "a fresh one does");
        if (event == CHILD_TIMER && e->kill && before == CHILD_STOPPING)
                say_kill(k, "it does not end", NULL);
        if (e->unkilled)
                log_error("%s, process %ld, is killed and still there: its machine has trouble (a disk?)", k->name.text,
                          (long)k->pid);
        if (e->left) {
                say_left(k);
                k->owner->exit_status = SUPERVISOR_EXIT_LEFT;
        }
        if (e->kill && k->pid > 0)
                (void)kill(k->pid, SIGKILL);
        if (e->stop)
                send_stop(k, e->how);
        if (e->spawn || e->ensure)
                make_process(k, e->ensure);
}

static struct child_effects step(struct kid *k, enum child_event event, enum stop_how how)
{
        struct child_input in = {.event = event, .how = how, .now_ms = clock_boottime_ms()};
        if (event == CHILD_STOP)
                in.dirty = kid_is_dirty(k);
        return child_step(&k->child, &in);
}

void kid_event(struct kid *k, enum child_event event, enum stop_how how)
{
        enum child_state before = k->child.state;
        struct child_effects e = step(k, event, how);
        carry_out(k, &e, event, before);
}

static void describe_end(int wait_status, char *ret, size_t size)
{
        if (WIFSIGNALED(wait_status))
                (void)snprintf(ret, size, "signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
        else
                (void)snprintf(ret, size, "status %d", WEXITSTATUS(wait_status));
}

/* The policy of restarts in the words of the log. */
static void say_end(const struct kid *k, pid_t pid, enum child_state before)
{
        char child[NAME_BYTES_MAX + 16], number[32], status[80];
        const char *const fields[] = {child, number, status, NULL};
        const char *id = log_event_id(LOG_EVENT_CHILD_DIED);
        (void)snprintf(child, sizeof child, "BATON_CHILD=%s", k->name.text);
        (void)snprintf(number, sizeof number, "BATON_PID=%ld", (long)pid);
        (void)snprintf(status, sizeof status, "BATON_STATUS=%s", k->last_exit);
        if (before == CHILD_STOPPING || before == CHILD_ENSURING)
                log_info("%s ended with %s", k->name.text, k->last_exit);
        else if (k->child.state == CHILD_RESTING)
                log_event(LOG_LEVEL_ERROR, id, fields,
                          "%s ended with %s, %" PRIu32 " times in a row: restarted in %" PRIu64 " ms", k->name.text,
                          k->last_exit, k->child.strikes, k->child.timer_ms - k->child.since_ms);
        else
                log_event(LOG_LEVEL_WARNING, id, fields, "%s ended with %s%s", k->name.text, k->last_exit,
                          k->child.state == CHILD_OFF ? "" : ": restarted at once");
}

void kid_ended(struct kid *k, int wait_status)
{
        enum child_state before = k->child.state;
        bool stopped_by_helper = k->helper && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
        pid_t pid = k->pid;
        describe_end(wait_status, k->last_exit, sizeof k->last_exit);
        k->pid = 0;
        k->owner->dirty_status = true;
        drop_channel(k);
        if (stopped_by_helper && runtime_record_stopped(k->record_fd) < 0)
                log_error("grant record of %s cannot be written", k->name.text);
        drop_record(k);
        k->helper = false;
        k->status[0] = '\0';
        k->role = ROLE_NONE;
        enum child_event event = kid_is_dirty(k) ? CHILD_EXITED_DIRTY : CHILD_EXITED;
        struct child_effects e = step(k, event, STOP_KEEP);
        say_end(k, pid, before);
        carry_out(k, &e, event, before);
}

/* ---- time ---- */

static uint32_t missed_limit(const struct kid *k)
{
        if (!k->answered)
                return k->missed_start_max;
        if (k->kind == KID_WORKER && grant_watch_next_ms(&k->grant) != UINT64_MAX &&
            k->missed_max > PLAN_HOLDING_MISSED_MAX)
                return PLAN_HOLDING_MISSED_MAX;
        return k->missed_max;
}

void kid_tick(struct kid *k)
{
        struct message m = message_of(MESSAGE_PING);
        if (k->pid == 0 || k->helper || (k->child.state != CHILD_STARTING && k->child.state != CHILD_RUNNING))
                return;
        /* Counted in own turns, not in time: a supervisor that was stopped, or whose machine slept, must not take it
         * for the child's silence. */
        if (k->pong == k->ping)
                k->missed = 0;
        else
                k->missed++;
        if (k->missed >= missed_limit(k)) {
                char reason[64];
                (void)snprintf(reason, sizeof reason, "it has not answered for %" PRIu32 " ms",
                               k->missed * PLAN_PING_MS);
                say_kill(k, reason, NULL);
                kid_event(k, CHILD_HUNG, STOP_KEEP);
        } else if (k->missed == 0 && k->ipc) {
                m.number = ++k->ping;
                (void)ipc_send(k->ipc, &m);
        }
}

void kid_alarm(struct kid *k, uint64_t now_ms)
{
        if (now_ms >= k->child.timer_ms)
                kid_event(k, CHILD_TIMER, STOP_KEEP);
        if (now_ms < grant_watch_next_ms(&k->grant))
                return;
        read_grant(k);
        switch (grant_watch_step(&k->grant, now_ms)) {
        case GRANT_OVERDUE:
                kid_event(k, CHILD_OVERDUE, STOP_KEEP);
                break;
        case GRANT_LAST_RESORT:
                last_resort_do(k->owner->config->last_resort, k->name.text);
                break;
        default:
                break;
        }
}

uint64_t kid_next_ms(const struct kid *k)
{
        uint64_t grant_ms = grant_watch_next_ms(&k->grant);
        return grant_ms < k->child.timer_ms ? grant_ms : k->child.timer_ms;
}

bool kid_is_well(const struct kid *k)
{
        return k->child.state != CHILD_KILLED && k->missed < missed_limit(k);
}

uint64_t kid_watchdog_ms(const struct kid *k)
{
        const struct node_config *c = k->owner->config;
        const struct grant_record *r = &k->grant.record;
        if (!k->grant.known || !grant_may_run(r, k->owner->boot_id))
                return UINT64_MAX;
        uint64_t held_ms = grant_watchdog_ms(r->lease_ms > 0 ? r->lease_ms : c->session_timeout_ms, r->budget_ms,
                                             c->clock_rate_ppm);
        uint64_t left_ms = grant_watchdog_left_ms(r, clock_boottime_ms());
        return left_ms < held_ms ? left_ms : held_ms;
}

bool kid_listens(const struct kid *k)
{
        return k->ipc && !k->helper && (k->child.state == CHILD_STARTING || k->child.state == CHILD_RUNNING);
}
