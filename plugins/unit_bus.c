/* The conversation with systemd over the system bus: a connection of our own, calls that wait no longer than they may,
 * and what is told about changes. A lost connection is made anew by whoever needs it next: over the bus, and where that
 * fails and we are root, to systemd's own socket, in turns. So for root a bus that is gone or hangs makes no stop
 * unsure. */
#include "plugins/unit_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SYSTEMD   "org.freedesktop.systemd1"
#define MANAGER   "/org/freedesktop/systemd1"
#define MANAGER_I "org.freedesktop.systemd1.Manager"
#define BUS_I     "org.freedesktop.DBus"

/* Between two attempts to reach a bus or a systemd that is away, in milliseconds. */
#define RETRY_MS 50
/* How long one attempt to be introduced may take: a bus that is being restarted accepts connections and is silent. */
#define HELLO_MS 1000

struct unit_bus {
        struct unit_bus_events events;
        sd_bus *bus;
        bool subscribed;
        bool directly; /* not over the bus, but to systemd's own socket */
        char why[UNIT_WHY_MAX];
};

struct unit_bus *unit__bus_new(const struct unit_bus_events *events)
{
        struct unit_bus *b = unit__alloc(sizeof *b);
        b->events = *events;
        return b;
}

void unit__bus_drop(struct unit_bus *b)
{
        b->subscribed = false;
        b->bus = sd_bus_close_unref(b->bus);
}

void unit__bus_distrust(struct unit_bus *b)
{
        unit__bus_drop(b);
        b->directly = !b->directly;
        b->events.changed(b->events.ctx, NULL);
}

void unit__bus_free(struct unit_bus *b)
{
        if (!b)
                return;
        unit__bus_drop(b);
        free(b);
}

bool unit__bus_ready(const struct unit_bus *b)
{
        return b->bus && b->subscribed;
}

const char *unit__bus_why(const struct unit_bus *b)
{
        return b->why;
}

static void set_why(struct unit_bus *b, const char *what, const char *why)
{
        (void)snprintf(b->why, sizeof b->why, "%s%s%s", what, *what && *why ? ": " : "", why);
}

/* ---- what is told ---- */

static int on_properties(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
        (void)error;
        struct unit_bus *b = ctx;
        const char *path = sd_bus_message_get_path(m);
        if (path)
                b->events.changed(b->events.ctx, path);
        return 0;
}

static int on_job_removed(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
        (void)error;
        struct unit_bus *b = ctx;
        uint32_t id;
        const char *job, *unit, *result;
        if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) >= 0)
                b->events.job_removed(b->events.ctx, job, unit, result);
        return 0;
}

/* systemd has left the bus or come back (daemon-reexec): it may have forgotten who wants to be told. */
static int on_owner_changed(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
        (void)m;
        (void)error;
        struct unit_bus *b = ctx;
        b->subscribed = false;
        b->events.changed(b->events.ctx, NULL);
        return 0;
}

/* A daemon-reload has begun or ended: units may have become others. */
static int on_reloading(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
        (void)m;
        (void)error;
        struct unit_bus *b = ctx;
        b->events.changed(b->events.ctx, NULL);
        return 0;
}

/* ---- waiting ---- */

static uint64_t monotonic_us(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Milliseconds until sd-bus wants to be called again, rounded up; UINT64_MAX: never. */
static uint64_t bus_patience_ms(sd_bus *bus)
{
        uint64_t at;
        if (sd_bus_get_timeout(bus, &at) < 0)
                return 0;
        if (at == UINT64_MAX)
                return UINT64_MAX;
        uint64_t now = monotonic_us();
        return at <= now ? 0 : (at - now + 999) / 1000;
}

int unit__bus_poll(struct unit_bus *b, short *ret_events, uint64_t *ret_when_ms)
{
        *ret_events = 0;
        *ret_when_ms = UINT64_MAX;
        if (!b->bus)
                return -1;
        int fd = sd_bus_get_fd(b->bus), events = sd_bus_get_events(b->bus);
        if (fd < 0 || events < 0)
                return -1;
        *ret_events = (short)events;
        uint64_t patience = bus_patience_ms(b->bus);
        if (patience != UINT64_MAX)
                *ret_when_ms = unit__now_ms() + patience;
        return fd;
}

static int lost(struct unit_bus *b, int r)
{
        set_why(b, "the connection to the system bus was lost", strerror(-r));
        unit__bus_drop(b);
        b->events.changed(b->events.ctx, NULL);
        return -ENOTCONN;
}

/* Polls once for the bus and for a cancellation. 0: worth looking again. */
static int poll_once(struct unit_bus *b, const struct unit_wait *w)
{
        int events = sd_bus_get_events(b->bus);
        struct pollfd fds[2] = {{.fd = sd_bus_get_fd(b->bus), .events = (short)events},
                                {.fd = w->cancel_fd, .events = POLLIN}};
        if (events < 0 || fds[0].fd < 0)
                return lost(b, events < 0 ? events : fds[0].fd);
        uint64_t now = unit__now_ms(), patience = bus_patience_ms(b->bus);
        if (now >= w->until_ms)
                return -ETIMEDOUT;
        if (patience > w->until_ms - now)
                patience = w->until_ms - now;
        int r = poll(fds, 2, patience > 60000 ? 60000 : (int)patience);
        if (r > 0 && fds[1].revents)
                return -ECANCELED;
        return 0;
}

int unit__bus_wait(struct unit_bus *b, const struct unit_wait *w)
{
        for (;;) {
                if (!b->bus)
                        return -ENOTCONN;
                int r = sd_bus_process(b->bus, NULL);
                if (r < 0)
                        return lost(b, r);
                if (r > 0)
                        return 1;
                r = poll_once(b, w);
                if (r < 0)
                        return r;
        }
}

/* ---- calls ---- */

struct pending {
        bool done;
        sd_bus_message *reply;
};

static int on_reply(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
        (void)error;
        struct pending *p = ctx;
        p->done = true;
        p->reply = sd_bus_message_ref(m);
        return 1;
}

/* What an error of a call means for us. Whatever is not known to be final may pass: systemd is between two lives. */
static int judge_error(struct unit_bus *b, const sd_bus_error *e)
{
        static const struct {
                const char *name;
                int error;
        } known[] = {
                {SYSTEMD ".NoSuchUnit", -ENOENT},
                {SYSTEMD ".LoadFailed", -EREMOTEIO},
                {"org.freedesktop.DBus.Error.AccessDenied", -EACCES},
                {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", -EACCES},
                {"org.freedesktop.DBus.Error.FileNotFound", -ENOENT},
                {"org.freedesktop.DBus.Error.InvalidArgs", -EREMOTEIO},
                {"org.freedesktop.DBus.Error.NotSupported", -EREMOTEIO},
        };
        set_why(b, "", e->message ? e->message : e->name);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                if (!strcmp(e->name, known[i].name))
                        return known[i].error;
        return strncmp(e->name, SYSTEMD ".", strlen(SYSTEMD ".")) ? -ENOTCONN : -EREMOTEIO;
}

int unit__bus_send(struct unit_bus *b, const struct unit_wait *w, sd_bus_message *m, sd_bus_message **ret)
{
        if (!b->bus || !m)
                return -ENOTCONN;
        struct pending p = {0};
        sd_bus_slot *slot = NULL;
        int r = sd_bus_call_async(b->bus, &slot, m, on_reply, &p, UINT64_MAX);
        if (r < 0)
                return lost(b, r);
        while (!p.done) {
                r = unit__bus_wait(b, w);
                if (r < 0)
                        break;
        }
        sd_bus_slot_unref(slot);
        if (!p.done) {
                if (r == -ETIMEDOUT)
                        set_why(b, "", "systemd does not answer in time");
                return r;
        }
        const sd_bus_error *e = sd_bus_message_get_error(p.reply);
        r = e ? judge_error(b, e) : 0;
        if (r == 0 && ret)
                *ret = p.reply;
        else
                sd_bus_message_unref(p.reply);
        return r;
}

sd_bus_message *unit__bus_message(struct unit_bus *b, const char *path, const char *interface, const char *method)
{
        sd_bus_message *m = NULL;
        if (!b->bus || sd_bus_message_new_method_call(b->bus, &m, SYSTEMD, path, interface, method) < 0)
                return NULL;
        return m;
}

int unit__bus_call(struct unit_bus *b, const struct unit_wait *w, sd_bus_message **ret, const char *method, ...)
{
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *m =
                unit__bus_message(b, MANAGER, MANAGER_I, method);
        if (!m)
                return -ENOTCONN;
        int r = 0;
        va_list args;
        va_start(args, method);
        for (const char *text; r >= 0 && (text = va_arg(args, const char *));)
                r = sd_bus_message_append(m, "s", text);
        va_end(args);
        return r < 0 ? r : unit__bus_send(b, w, m, ret);
}

int unit__bus_kill(struct unit_bus *b, const struct unit_wait *w, const char *name, int32_t signal_number)
{
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *m =
                unit__bus_message(b, MANAGER, MANAGER_I, "KillUnit");
        if (!m)
                return -ENOTCONN;
        int r = sd_bus_message_append(m, "ssi", name, "all", signal_number);
        return r < 0 ? r : unit__bus_send(b, w, m, NULL);
}

/* Asks systemd to keep the unit loaded for as long as this connection lives; else it forgets what happened to a unit
 * that is inactive. Nobody waits for the answer: without it reasons are shorter, that is all. */
static void keep_loaded(struct unit_bus *b, const char *path)
{
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *m =
                unit__bus_message(b, path, SYSTEMD ".Unit", "Ref");
        if (m && sd_bus_message_set_expect_reply(m, 0) >= 0)
                (void)sd_bus_send(b->bus, m, NULL); /* see above */
}

int unit__bus_load(struct unit_bus *b, const struct unit_wait *w, const char *name, char **ret_path)
{
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *reply = NULL;
        int r = unit__bus_call(b, w, &reply, "LoadUnit", name, NULL);
        if (r < 0)
                return r;
        const char *path;
        if (sd_bus_message_read(reply, "o", &path) < 0)
                return -ENOTCONN;
        r = sd_bus_match_signal_async(b->bus, NULL, b->directly ? NULL : SYSTEMD, path,
                                      "org.freedesktop.DBus.Properties", "PropertiesChanged", on_properties, NULL, b);
        if (r < 0)
                return lost(b, r);
        keep_loaded(b, path);
        *ret_path = unit__copy(path);
        return 0;
}

/* ---- being connected ---- */

/* The way to systemd without a D-Bus daemon between, as systemctl takes it for root. It has no names, no senders. Not
 * when somebody has said which bus is to be used: then that one is meant. */
static int dial_directly(sd_bus **ret)
{
        int r = geteuid() == 0 && !secure_getenv("DBUS_SYSTEM_BUS_ADDRESS") ? sd_bus_new(ret) : -EPERM;
        if (r >= 0)
                r = sd_bus_set_address(*ret, "unix:path=/run/systemd/private");
        return r < 0 ? r : sd_bus_start(*ret);
}

static int dial(struct unit_bus *b)
{
        int r = b->directly ? dial_directly(&b->bus) : sd_bus_open_system(&b->bus);
        const char *sender = b->directly ? NULL : SYSTEMD;
        if (r >= 0)
                r = sd_bus_match_signal_async(b->bus, NULL, sender, MANAGER, MANAGER_I, "JobRemoved", on_job_removed,
                                              NULL, b);
        if (r >= 0)
                r = sd_bus_match_signal_async(b->bus, NULL, sender, MANAGER, MANAGER_I, "Reloading", on_reloading, NULL,
                                              b);
        if (r >= 0)
                r = sd_bus_add_match_async(b->bus, NULL,
                                           "type='signal',sender='" BUS_I "',interface='" BUS_I
                                           "',member='NameOwnerChanged',arg0='" SYSTEMD "'",
                                           on_owner_changed, NULL, b);
        if (r < 0) {
                if (!b->directly) /* of the two ways this is the one to talk about */
                        set_why(b, "the system bus can't be reached", strerror(-r));
                unit__bus_drop(b);
        }
        return r < 0 ? -ENOTCONN : 0;
}

static int subscribe(struct unit_bus *b, const struct unit_wait *w)
{
        struct unit_wait one = unit__wait_within(w, HELLO_MS);
        int r = unit__bus_call(b, &one, NULL, "Subscribe", NULL);
        if (r == -EREMOTEIO) /* AlreadySubscribed */
                r = 0;
        if (r == 0) {
                b->subscribed = true;
                b->events.changed(b->events.ctx, NULL);
        } else if (r == -ETIMEDOUT || r == -ENOTCONN) {
                unit__bus_drop(b); /* may be a socket that nobody serves any more */
        }
        return r;
}

int unit__bus_ensure(struct unit_bus *b, const struct unit_wait *w)
{
        for (;;) {
                if (unit__bus_ready(b))
                        return 0;
                int r = b->bus ? 0 : dial(b);
                if (r == 0)
                        r = subscribe(b, w);
                if (r == 0)
                        continue; /* ready, unless systemd went away meanwhile */
                if (r == -ECANCELED || r == -EACCES)
                        return r;
                b->directly = !b->directly;
                struct unit_wait pause = unit__wait_within(w, RETRY_MS);
                if (unit__nap(&pause) == -ECANCELED)
                        return -ECANCELED;
                if (unit__now_ms() >= w->until_ms)
                        return -ENOTCONN;
        }
}
