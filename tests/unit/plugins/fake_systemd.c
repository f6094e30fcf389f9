/* See fake_systemd.h. One thread serves all connections; `lock` guards the rest. */
#include "tests/unit/plugins/fake_systemd.h"

#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEMD  "org.freedesktop.systemd1"
#define MANAGER  "/org/freedesktop/systemd1"
#define UNIT_DIR MANAGER "/unit"

/* Units, connections at once, and kinds of methods that are counted. */
#define UNITS_MAX       8
#define CONNECTIONS_MAX 8
#define METHODS_MAX     32
/* How often the tree of files is looked at for what was written there, in milliseconds. */
#define TREE_MS 5

struct fake_service {
        char name[64], path[128], group[256];
        char active[32], sub[32];
        uint32_t job;
        bool changed;     /* to be told */
        bool job_removed; /* the same */
        uint32_t ended_job;
};

struct method {
        char name[64];
        size_t calls;
};

struct fake_systemd {
        char dir[64], cgroups[128];
        pthread_t thread;
        pthread_mutex_t lock;
        int wake, listener;
        bool end, away, faults[FAKE_FAULTS];
        struct fake_service units[UNITS_MAX];
        size_t unit_count;
        uint32_t last_job;
        struct method methods[METHODS_MAX];
        sd_bus *connections[CONNECTIONS_MAX]; /* the thread's */
        bool drop;                            /* the thread's: the connections are to end */
};

/* ---- the tree of files ---- */

static void write_file(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert(fd >= 0);
        ssize_t n = write(fd, text, strlen(text));
        assert(n == (ssize_t)strlen(text));
        (void)close(fd);
}

static void populate(struct fake_systemd *f, struct fake_service *u, bool populated)
{
        char path[512];
        (void)snprintf(path, sizeof path, "%s%s", f->cgroups, u->group);
        if (mkdir(path, 0755) < 0)
                assert(errno == EEXIST);
        (void)snprintf(path, sizeof path, "%s%s/cgroup.events", f->cgroups, u->group);
        write_file(path, populated ? "populated 1\nfrozen 0\n" : "populated 0\nfrozen 0\n");
        (void)snprintf(path, sizeof path, "%s%s/cgroup.kill", f->cgroups, u->group);
        if (access(path, F_OK) < 0)
                write_file(path, "");
}

static bool kill_written(const struct fake_systemd *f, const struct fake_service *u)
{
        char path[512];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s%s/cgroup.kill", f->cgroups, u->group);
        return stat(path, &st) == 0 && st.st_size > 0;
}

/* ---- what units do ---- */

static struct fake_service *find(struct fake_systemd *f, const char *name)
{
        for (size_t i = 0; i < f->unit_count; i++)
                if (!strcmp(f->units[i].name, name) || !strcmp(f->units[i].path, name))
                        return &f->units[i];
        return NULL;
}

static void set_state(struct fake_service *u, const char *active, const char *sub)
{
        (void)snprintf(u->active, sizeof u->active, "%s", active);
        (void)snprintf(u->sub, sizeof u->sub, "%s", sub);
        u->changed = true;
}

static void end_job(struct fake_service *u)
{
        u->ended_job = u->job;
        u->job_removed = u->job != 0;
        u->job = 0;
}

static void started(struct fake_systemd *f, struct fake_service *u)
{
        populate(f, u, true);
        set_state(u, "active", "running");
        end_job(u);
}

static void stopped(struct fake_systemd *f, struct fake_service *u)
{
        if (!f->faults[FAKE_LEFT_BEHIND])
                populate(f, u, false);
        set_state(u, "inactive", "dead");
        end_job(u);
}

static void killed(struct fake_systemd *f, struct fake_service *u)
{
        if (f->faults[FAKE_IMMORTAL])
                return;
        populate(f, u, false);
        set_state(u, "failed", "failed");
        end_job(u);
}

/* ---- answers ---- */

static int put(sd_bus_message *m, const char *name, const char *type, const char *text, uint64_t number)
{
        int r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r < 0)
                return r;
        switch (*type) {
        case 's':
                r = sd_bus_message_append(m, "v", "s", text);
                break;
        case 'b':
                r = sd_bus_message_append(m, "v", "b", (int)number);
                break;
        case 't':
                r = sd_bus_message_append(m, "v", "t", number);
                break;
        default:
                r = sd_bus_message_append(m, "v", "(uo)", (uint32_t)number, text);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int answer_facts(sd_bus_message *call, const struct fake_service *u)
{
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_return(call, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        const struct {
                const char *name, *type, *text;
                uint64_t number;
        } facts[] = {
                {"Id", "s", u->name, 0},
                {"LoadState", "s", "loaded", 0},
                {"ActiveState", "s", u->active, 0},
                {"SubState", "s", u->sub, 0},
                {"Job", "(uo)", u->job ? "/job" : "/", u->job},
                {"ControlGroup", "s", strcmp(u->active, "inactive") != 0 ? u->group : "", 0},
                {"KillMode", "s", "control-group", 0},
                {"SendSIGKILL", "b", NULL, 1},
                {"Type", "s", "simple", 0},
                {"Result", "s", "success", 0},
                {"TimeoutStopUSec", "t", NULL, 90000000},
        };
        for (size_t i = 0; r >= 0 && i < sizeof facts / sizeof *facts; i++)
                r = put(m, facts[i].name, facts[i].type, facts[i].text, facts[i].number);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_send(m);
        sd_bus_message_unref(m);
        return r;
}

static int answer_job(struct fake_systemd *f, sd_bus_message *call, struct fake_service *u, bool start)
{
        if (f->faults[FAKE_DENIES])
                return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_ACCESS_DENIED, "Access denied");
        char job[64];
        bool slow = f->faults[start ? FAKE_SLOW_START : FAKE_SLOW_STOP];
        u->job = ++f->last_job;
        (void)snprintf(job, sizeof job, MANAGER "/job/%u", u->job);
        if (start && (slow || f->faults[FAKE_LIES_ON_START]))
                set_state(u, "activating", "start");
        else if (slow)
                set_state(u, "deactivating", "stop-sigterm");
        else if (start)
                started(f, u);
        else
                stopped(f, u);
        if (f->faults[FAKE_LIES_ON_START] && start) {
                u->ended_job = u->job;
                u->job_removed = true;
        }
        enum fake_fault drop = start ? FAKE_DROPS_START : FAKE_DROPS_STOP;
        if (f->faults[drop]) {
                f->faults[drop] = false;
                f->drop = true;
                return 1;
        }
        return sd_bus_reply_method_return(call, "o", job);
}

static void count_call(struct fake_systemd *f, const char *method)
{
        size_t i = 0;
        while (i < METHODS_MAX - 1 && f->methods[i].name[0] && strcmp(f->methods[i].name, method) != 0)
                i++;
        (void)snprintf(f->methods[i].name, sizeof f->methods[i].name, "%s", method);
        f->methods[i].calls++;
}

/* Calls with a unit: by its name, or by the object they are made of. */
static int answer_unit(struct fake_systemd *f, sd_bus_message *m, const char *method)
{
        const char *name = sd_bus_message_get_path(m);
        if (!strcmp(name, MANAGER) && sd_bus_message_read(m, "s", &name) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "no unit");
        struct fake_service *u = find(f, name);
        if (!u)
                return sd_bus_reply_method_errorf(m, SYSTEMD ".NoSuchUnit", "Unit %s not loaded.", name);
        if (!strcmp(method, "LoadUnit"))
                return sd_bus_reply_method_return(m, "o", u->path);
        if (!strcmp(method, "GetAll"))
                return answer_facts(m, u);
        if (!strcmp(method, "GetUnitFileState"))
                return sd_bus_reply_method_return(m, "s", "disabled");
        if (!strcmp(method, "StartUnit") || !strcmp(method, "StopUnit"))
                return answer_job(f, m, u, !strcmp(method, "StartUnit"));
        if (!strcmp(method, "KillUnit"))
                killed(f, u);
        return sd_bus_reply_method_return(m, "");
}

static int on_message(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
        (void)error;
        struct fake_systemd *f = ctx;
        const char *method = sd_bus_message_get_member(m);
        if (!sd_bus_message_is_method_call(m, NULL, NULL) || !method)
                return 0;
        pthread_mutex_lock(&f->lock);
        count_call(f, method);
        int r;
        if (!strcmp(method, "Hello"))
                r = sd_bus_reply_method_return(m, "s", ":1.7");
        else if (!strcmp(method, "AddMatch") || !strcmp(method, "RemoveMatch"))
                r = sd_bus_reply_method_return(m, "");
        else if (f->faults[FAKE_SILENT])
                r = 1;
        else if (!strcmp(method, "Subscribe"))
                r = sd_bus_reply_method_return(m, "");
        else
                r = answer_unit(f, m, method);
        pthread_mutex_unlock(&f->lock);
        return r < 0 ? r : 1;
}

/* ---- signals ---- */

static void send_signal(sd_bus *bus, sd_bus_message *m)
{
        if (sd_bus_message_set_sender(m, SYSTEMD) >= 0)
                (void)sd_bus_send(bus, m, NULL); /* who is gone need not be told */
}

static void tell_one(struct fake_service *u, sd_bus *bus)
{
        sd_bus_message *m = NULL;
        char job[64];
        (void)snprintf(job, sizeof job, MANAGER "/job/%u", u->ended_job);
        if (u->job_removed && sd_bus_message_new_signal(bus, &m, MANAGER, SYSTEMD ".Manager", "JobRemoved") >= 0 &&
            sd_bus_message_append(m, "uoss", u->ended_job, job, u->name, "done") >= 0)
                send_signal(bus, m);
        m = sd_bus_message_unref(m);
        if (u->changed &&
            sd_bus_message_new_signal(bus, &m, u->path, "org.freedesktop.DBus.Properties", "PropertiesChanged") >= 0 &&
            sd_bus_message_append(m, "sa{sv}as", SYSTEMD ".Unit", 0, 0) >= 0)
                send_signal(bus, m);
        sd_bus_message_unref(m);
}

static void tell_all(struct fake_systemd *f)
{
        for (size_t i = 0; i < f->unit_count; i++) {
                struct fake_service *u = &f->units[i];
                for (size_t k = 0; k < CONNECTIONS_MAX; k++)
                        if (f->connections[k] && !f->faults[FAKE_NO_SIGNALS] && !f->faults[FAKE_SILENT])
                                tell_one(u, f->connections[k]);
                u->changed = u->job_removed = false;
        }
}

/* ---- the thread ---- */

static void accept_one(struct fake_systemd *f)
{
        int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
                return;
        size_t k = 0;
        while (k < CONNECTIONS_MAX && f->connections[k])
                k++;
        sd_id128_t id;
        if (k == CONNECTIONS_MAX || f->away || sd_id128_randomize(&id) < 0) {
                (void)close(fd);
                return;
        }
        int r = sd_bus_new(&f->connections[k]);
        assert(r >= 0);
        r = sd_bus_set_fd(f->connections[k], fd, fd);
        assert(r >= 0);
        r = sd_bus_set_server(f->connections[k], 1, id);
        assert(r >= 0);
        r = sd_bus_set_anonymous(f->connections[k], 1);
        assert(r >= 0);
        r = sd_bus_add_filter(f->connections[k], NULL, on_message, f);
        assert(r >= 0);
        if (sd_bus_start(f->connections[k]) < 0)
                f->connections[k] = sd_bus_close_unref(f->connections[k]);
}

static void serve(struct fake_systemd *f)
{
        for (size_t k = 0; k < CONNECTIONS_MAX; k++) {
                int r = 1;
                while (f->connections[k] && r > 0 && !f->drop)
                        r = sd_bus_process(f->connections[k], NULL);
                if (r < 0 || f->drop)
                        f->connections[k] = sd_bus_close_unref(f->connections[k]);
        }
        f->drop = false;
}

static void look_at_tree(struct fake_systemd *f)
{
        for (size_t i = 0; i < f->unit_count; i++)
                if (kill_written(f, &f->units[i]) && strcmp(f->units[i].active, "failed") != 0 &&
                    strcmp(f->units[i].active, "inactive") != 0)
                        killed(f, &f->units[i]);
}

static void rest(struct fake_systemd *f)
{
        struct pollfd fds[CONNECTIONS_MAX + 2] = {{.fd = f->wake, .events = POLLIN},
                                                  {.fd = f->listener, .events = POLLIN}};
        for (size_t k = 0; k < CONNECTIONS_MAX; k++) {
                int events = f->connections[k] ? sd_bus_get_events(f->connections[k]) : 0;
                fds[k + 2] = (struct pollfd){.fd = f->connections[k] ? sd_bus_get_fd(f->connections[k]) : -1,
                                             .events = (short)(events > 0 ? events : POLLIN)};
        }
        (void)poll(fds, CONNECTIONS_MAX + 2, TREE_MS);
        uint64_t n;
        if (fds[0].revents)
                (void)!read(f->wake, &n, sizeof n); /* only empties it */
        if (fds[1].revents)
                accept_one(f);
}

static void *run(void *ctx)
{
        struct fake_systemd *f = ctx;
        for (;;) {
                serve(f);
                pthread_mutex_lock(&f->lock);
                bool end = f->end;
                look_at_tree(f);
                tell_all(f);
                f->drop |= f->away;
                pthread_mutex_unlock(&f->lock);
                if (end)
                        break;
                serve(f); /* sends what was queued */
                rest(f);
        }
        f->drop = true;
        serve(f);
        return NULL;
}

/* ---- the door ---- */

static void wake(struct fake_systemd *f)
{
        uint64_t one = 1;
        ssize_t n = write(f->wake, &one, sizeof one);
        assert(n == sizeof one);
}

struct fake_systemd *fake_systemd_new(void)
{
        struct fake_systemd *f = calloc(1, sizeof *f);
        assert(f);
        char path[256];
        (void)snprintf(f->dir, sizeof f->dir, "/tmp/baton-fake-XXXXXX");
        char *made = mkdtemp(f->dir);
        assert(made);
        (void)snprintf(f->cgroups, sizeof f->cgroups, "%s/cgroup", f->dir);
        (void)snprintf(path, sizeof path, "%s/system.slice", f->cgroups);
        int r = mkdir(f->cgroups, 0755) < 0 || mkdir(path, 0755) < 0;
        assert(r == 0);
        (void)snprintf(path, sizeof path, "%s/cgroup.controllers", f->cgroups);
        write_file(path, "");

        struct sockaddr_un address = {.sun_family = AF_UNIX};
        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/bus", f->dir);
        f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert(f->listener >= 0);
        r = bind(f->listener, (struct sockaddr *)&address, sizeof address);
        assert(r == 0);
        r = listen(f->listener, CONNECTIONS_MAX);
        assert(r == 0);
        (void)snprintf(path, sizeof path, "unix:path=%s", address.sun_path);
        r = setenv("DBUS_SYSTEM_BUS_ADDRESS", path, 1);
        assert(r == 0);
        f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        assert(f->wake >= 0);
        pthread_mutex_init(&f->lock, NULL);
        r = pthread_create(&f->thread, NULL, run, f);
        assert(r == 0);
        return f;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        (void)type;
        (void)at;
        return remove(path);
}

void fake_systemd_free(struct fake_systemd *f)
{
        pthread_mutex_lock(&f->lock);
        f->end = true;
        pthread_mutex_unlock(&f->lock);
        wake(f);
        int r = pthread_join(f->thread, NULL);
        assert(r == 0);
        (void)close(f->listener);
        (void)close(f->wake);
        pthread_mutex_destroy(&f->lock);
        (void)nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* a leftover in /tmp is no failure */
        free(f);
}

const char *fake_cgroups(const struct fake_systemd *f)
{
        return f->cgroups;
}

void fake_fault(struct fake_systemd *f, enum fake_fault fault, bool on)
{
        pthread_mutex_lock(&f->lock);
        f->faults[fault] = on;
        pthread_mutex_unlock(&f->lock);
}

void fake_unit(struct fake_systemd *f, const char *name)
{
        pthread_mutex_lock(&f->lock);
        assert(f->unit_count < UNITS_MAX);
        struct fake_service *u = &f->units[f->unit_count++];
        (void)snprintf(u->name, sizeof u->name, "%s", name);
        (void)snprintf(u->path, sizeof u->path, UNIT_DIR "/u%zu", f->unit_count);
        (void)snprintf(u->group, sizeof u->group, "/system.slice/%s", name);
        set_state(u, "inactive", "dead");
        populate(f, u, false);
        pthread_mutex_unlock(&f->lock);
}

void fake_state(struct fake_systemd *f, const char *name, const char *active, const char *sub)
{
        pthread_mutex_lock(&f->lock);
        struct fake_service *u = find(f, name);
        assert(u);
        set_state(u, active, sub);
        end_job(u);
        pthread_mutex_unlock(&f->lock);
        wake(f);
}

void fake_populated(struct fake_systemd *f, const char *name, bool populated)
{
        pthread_mutex_lock(&f->lock);
        populate(f, find(f, name), populated);
        pthread_mutex_unlock(&f->lock);
}

void fake_bus_away(struct fake_systemd *f, bool away)
{
        pthread_mutex_lock(&f->lock);
        f->away = away;
        pthread_mutex_unlock(&f->lock);
        wake(f);
}

size_t fake_calls(struct fake_systemd *f, const char *method)
{
        size_t calls = 0;
        pthread_mutex_lock(&f->lock);
        for (size_t i = 0; i < METHODS_MAX; i++)
                if (!strcmp(f->methods[i].name, method))
                        calls = f->methods[i].calls;
        pthread_mutex_unlock(&f->lock);
        return calls;
}

bool fake_cgroup_killed(struct fake_systemd *f, const char *name)
{
        pthread_mutex_lock(&f->lock);
        bool written = kill_written(f, find(f, name));
        pthread_mutex_unlock(&f->lock);
        return written;
}
