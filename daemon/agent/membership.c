/* The own znode. What the others' say is member_list.c's. */
#include "daemon/agent/membership.h"

#include "daemon/agent/member_list.h"
#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct membership {
        const struct membership_host *host;
        void *ctx;
        struct name node;
        char instance[GROUP_INSTANCE_BYTES_MAX + 1];
        char boot_id[37];
        char path[sizeof MEMBERS_ROOT + NAME_BYTES_MAX + 2];
        struct member_list *list;

        enum membership_state state;
        bool online;  /* the client has a session, as far as it was told */
        bool busy;    /* a request about the own znode is under way */
        bool stopped; /* nothing more is asked for */
        char *value;  /* what it is to say; NULL: not known yet */
        char *sent;   /* what the request under way says, or the last one said */
        bool differs; /* `value` is not what the znode says */
        int32_t version;
        uint64_t written_ms; /* the last write was made then */
        uint64_t retry_ms;   /* UINT64_MAX: none */
};

static void claim(struct membership *m);
static void inspect(struct membership *m);
static void advance(struct membership *m);

static void say(const struct membership *m, enum log_level level, enum membership_event event, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
static void say(const struct membership *m, enum log_level level, enum membership_event event, const char *format, ...)
{
        char text[512];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap); /* cut */
        va_end(ap);
        m->host->log(m->ctx, level, event, m->node.text, text);
}

static void set_state(struct membership *m, enum membership_state state, const char *text)
{
        if (m->state == state)
                return;
        if (state == MEMBERSHIP_IN)
                say(m, LOG_LEVEL_INFO, MEMBERSHIP_EVENT_IN, "this node is a member, as %s", m->node.text);
        if (state == MEMBERSHIP_OUT && m->state == MEMBERSHIP_IN)
                say(m, LOG_LEVEL_WARNING, MEMBERSHIP_EVENT_OUT, "this node is no member any more: %s", text);
        if (state == MEMBERSHIP_TAKEN)
                say(m, LOG_LEVEL_ERROR, MEMBERSHIP_EVENT_TAKEN, "%s", text);
        m->state = state;
        m->host->standing(m->ctx, state, state == MEMBERSHIP_TAKEN ? text : "");
}

static struct client *client_of(const struct membership *m)
{
        return m->host->client(m->ctx);
}

static int64_t session_id(const struct membership *m)
{
        struct client_session s;
        client_session(client_of(m), &s);
        return s.id;
}

static void retry_later(struct membership *m)
{
        m->retry_ms = m->host->now_ms(m->ctx) + MEMBERSHIP_RETRY_MS;
}

static void refused(struct membership *m, const char *what, int32_t error)
{
        say(m, LOG_LEVEL_WARNING, MEMBERSHIP_EVENT_ODD, "cannot %s %s: the ensemble answers %d; tried again in %d s",
            what, m->path, error, MEMBERSHIP_RETRY_MS / 1000);
        retry_later(m);
}

/* What every completion begins with. False: nothing is to be made of it. */
static bool completed(struct membership *m, const struct client_result *r)
{
        m->busy = false;
        if (m->stopped)
                return false;
        if (r->outcome == CLIENT_ANSWERED)
                return true;
        /* Carried out or not: what is there now says it. */
        if (m->state == MEMBERSHIP_IN)
                inspect(m);
        else
                advance(m);
        return false;
}

/* ---- making it ---- */

static void is_in(struct membership *m, int32_t version)
{
        m->version = version;
        m->differs = strcmp(m->value, m->sent) != 0;
        m->written_ms = m->host->now_ms(m->ctx);
        set_state(m, MEMBERSHIP_IN, "");
        advance(m);
}

static void on_claimed(void *ctx, const struct client_result *r)
{
        struct membership *m = ctx;
        if (!completed(m, r))
                return;
        if (r->error == ZK_OK)
                is_in(m, 0);
        else if (r->error == ZK_NODE_EXISTS)
                inspect(m);
        else
                refused(m, "make", r->error);
}

static void on_root(void *ctx, const struct client_result *r)
{
        struct membership *m = ctx;
        if (!m->stopped && r->outcome == CLIENT_ANSWERED && (r->error == ZK_OK || r->error == ZK_NODE_EXISTS))
                member_list_root_made(m->list);
}

static void claim(struct membership *m)
{
        const struct jute_str nothing = {.data = NULL, .len = -1};
        const struct client_call quiet = {.done = NULL}, root = {.done = on_root, .ctx = m},
                                 call = {.done = on_claimed, .ctx = m};
        struct client *c = client_of(m);
        if (m->busy || m->stopped || !m->value)
                return;
        /* Mostly they are there; what comes of it shows in the third. */
        (void)client_create(c, "/baton", nothing, CLIENT_PERSISTENT, NULL, &quiet);
        (void)client_create(c, MEMBERS_ROOT, nothing, CLIENT_PERSISTENT, NULL, &root);
        if (client_create(c, m->path, jute_cstr(m->value), CLIENT_EPHEMERAL, NULL, &call) < 0) {
                retry_later(m);
                return;
        }
        mem_free(m->sent);
        m->sent = mem_strdup(m->value);
        m->busy = true;
}

/* ---- whose is it? ---- */

static void on_removed(void *ctx, const struct client_result *r)
{
        struct membership *m = ctx;
        if (!completed(m, r))
                return;
        if (r->error == ZK_OK || r->error == ZK_NO_NODE)
                claim(m);
        else if (r->error == ZK_BAD_VERSION)
                inspect(m);
        else
                refused(m, "remove", r->error);
}

/* An earlier session of this very node: its agent has lost it. */
static void remove_stale(struct membership *m, const struct jute_stat *stat)
{
        const struct client_call call = {.done = on_removed, .ctx = m};
        say(m, LOG_LEVEL_INFO, MEMBERSHIP_EVENT_ODD, "%s is removed: it is this node's own, of a session that was lost",
            m->path);
        if (client_delete(client_of(m), m->path, stat->version, &call) < 0)
                retry_later(m);
        else
                m->busy = true;
}

static void is_taken(struct membership *m, const struct jute_stat *stat, const struct member_said *said)
{
        char text[512];
        struct log_quoted where = log_quote(said->address), whose = log_quote(said->instance);
        if (said->readable && strcmp(said->instance, m->instance) == 0)
                (void)snprintf(text, sizeof text,
                               "the name %s is taken, by this machine before it was started, whose session ends soon; "
                               "or by another one with the same /etc/machine-id%s%s: then give one of them another "
                               "name under [node] and a machine id of its own (systemd-machine-id-setup); waiting "
                               "until it is free",
                               m->node.text, said->address[0] ? ", at " : "", said->address[0] ? where.text : "");
        else if (!said->readable)
                (void)snprintf(text, sizeof text,
                               "%s is there and was not made by a baton node: remove it (batonctl delete %s)", m->path,
                               m->path);
        else
                (void)snprintf(text, sizeof text,
                               "the name %s is taken by another node (instance %s%s%s, session 0x%llx): give one of "
                               "them another name under [node]; waiting until it is free",
                               m->node.text, whose.text, said->address[0] ? ", at " : "",
                               said->address[0] ? where.text : "", (unsigned long long)stat->ephemeral_owner);
        set_state(m, MEMBERSHIP_TAKEN, text);
}

static void on_inspected(void *ctx, const struct client_result *r)
{
        struct membership *m = ctx;
        struct member_said said;
        if (!completed(m, r))
                return;
        if (r->error == ZK_NO_NODE) {
                set_state(m, MEMBERSHIP_OUT, "its znode was removed");
                claim(m);
                return;
        }
        if (r->error != ZK_OK) {
                refused(m, "read", r->error);
                return;
        }
        member_value_read(r->data.data, r->data.len > 0 ? (size_t)r->data.len : 0, &said);
        if (r->stat.ephemeral_owner == session_id(m)) {
                /* Made by an earlier agent of this session, or by a request whose answer was lost. */
                mem_free(m->sent);
                m->sent = mem_strdup(jute_str_is(r->data, m->value) ? m->value : "");
                is_in(m, r->stat.version);
        } else if (strcmp(said.instance, m->instance) == 0 && strcmp(said.boot_id, m->boot_id) == 0) {
                remove_stale(m, &r->stat);
        } else {
                /* Of this machine before it was started: its session has ended or soon will. It is not removed, for it
                 * may as well be alive: machines copied from one image share their machine id. */
                is_taken(m, &r->stat, &said);
        }
}

static void inspect(struct membership *m)
{
        const struct client_call call = {.done = on_inspected, .ctx = m};
        if (m->busy || m->stopped)
                return;
        if (client_get(client_of(m), m->path, &call) < 0)
                retry_later(m);
        else
                m->busy = true;
}

/* The list has read the own znode, at a time of its own: only what contradicts us is looked into. */
static void on_own(void *ctx, const struct jute_stat *stat, const struct member_said *said)
{
        struct membership *m = ctx;
        (void)said;
        if (m->busy || m->stopped || !m->online)
                return; /* the answer under way says it */
        if (m->state == MEMBERSHIP_IN && (!stat || stat->ephemeral_owner != session_id(m)))
                inspect(m);
        else if (m->state == MEMBERSHIP_TAKEN && !stat)
                claim(m);
        else if (m->state == MEMBERSHIP_TAKEN)
                inspect(m);
}

/* ---- keeping it current ---- */

static void on_written(void *ctx, const struct client_result *r)
{
        struct membership *m = ctx;
        if (!completed(m, r))
                return;
        if (r->error == ZK_OK)
                is_in(m, r->stat.version);
        else if (r->error == ZK_NO_NODE || r->error == ZK_BAD_VERSION)
                inspect(m);
        else
                refused(m, "write", r->error);
}

static void write_value(struct membership *m)
{
        const struct client_call call = {.done = on_written, .ctx = m};
        if (client_set(client_of(m), m->path, jute_cstr(m->value), m->version, &call) < 0) {
                retry_later(m);
                return;
        }
        mem_free(m->sent);
        m->sent = mem_strdup(m->value);
        m->busy = true;
}

static uint64_t resting_until_ms(const struct membership *m)
{
        return m->retry_ms == UINT64_MAX ? 0 : m->retry_ms;
}

static void advance(struct membership *m)
{
        if (m->busy || m->stopped || !m->online || !m->value || m->host->now_ms(m->ctx) < resting_until_ms(m))
                return;
        if (m->state == MEMBERSHIP_OUT)
                claim(m);
        else if (m->state == MEMBERSHIP_IN && m->differs &&
                 m->host->now_ms(m->ctx) >= m->written_ms + MEMBERSHIP_WRITE_MS)
                write_value(m);
}

void membership_publish(struct membership *m, const char *value)
{
        if (m->value && strcmp(m->value, value) == 0)
                return;
        mem_free(m->value);
        m->value = mem_strdup(value);
        m->differs = !m->sent || strcmp(m->value, m->sent) != 0;
        advance(m);
}

/* ---- life ---- */

struct membership *membership_new(const struct membership_config *config)
{
        struct membership *m = mem_zalloc(sizeof *m);
        m->host = config->host;
        m->ctx = config->ctx;
        m->node = config->node;
        memcpy(m->instance, config->instance, sizeof m->instance);
        memcpy(m->boot_id, config->boot_id, sizeof m->boot_id);
        (void)snprintf(m->path, sizeof m->path, MEMBERS_ROOT "/%s", m->node.text);
        m->retry_ms = UINT64_MAX;
        m->list = member_list_new(m->node.text, m->host, m->ctx, on_own, m);
        return m;
}

void membership_free(struct membership *m)
{
        if (!m)
                return;
        member_list_free(m->list);
        mem_free(m->value);
        mem_free(m->sent);
        mem_free(m);
}

void membership_session(struct membership *m, enum client_state state)
{
        if (state == CLIENT_EXPIRED || state == CLIENT_CONNECTED) { /* what an old session had is gone */
                m->online = state == CLIENT_CONNECTED;
                set_state(m, MEMBERSHIP_OUT, "its session has expired");
        }
        if (state != CLIENT_CONNECTED && state != CLIENT_RESUMED)
                return;
        m->online = true;
        member_list_session(m->list);
        advance(m);
}

void membership_stop(struct membership *m)
{
        m->stopped = true;
}

void membership_tick(struct membership *m)
{
        uint64_t now = m->host->now_ms(m->ctx);
        if (now >= m->retry_ms) {
                m->retry_ms = UINT64_MAX;
                member_list_session(m->list);
                if (m->state == MEMBERSHIP_IN && m->online)
                        inspect(m);
        }
        advance(m);
}

uint64_t membership_deadline(const struct membership *m)
{
        if (m->stopped)
                return UINT64_MAX;
        if (m->retry_ms == UINT64_MAX && m->state == MEMBERSHIP_IN && m->differs && !m->busy && m->online)
                return m->written_ms + MEMBERSHIP_WRITE_MS;
        return m->retry_ms;
}

enum membership_state membership_state(const struct membership *m)
{
        return m->state;
}

size_t membership_list(const struct membership *m, struct message_member *ret)
{
        return member_list_all(m->list, ret);
}

bool membership_find(const struct membership *m, const char *node, struct group_member *ret)
{
        return member_list_find(m->list, node, ret);
}
