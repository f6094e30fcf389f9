#include "daemon/agent/member_list.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum reading {
        READING_NONE, /* to be asked for, when the client takes requests again */
        READING_NOW,  /* asked for */
        READING_DONE, /* and watched */
};

struct member {
        struct member_list *list;
        unsigned refs; /* the list, the read under way, the watch */
        bool listed;
        bool known; /* its znode was read */
        bool here;
        enum reading reading;
        int64_t czxid, mzxid;
        struct name name;
        struct member_said said;
};

struct member_list {
        const struct membership_host *host;
        void *host_ctx;
        member_list_own_fn *own;
        void *ctx;
        struct name node;
        struct member **members; /* listed, by name */
        size_t count, capacity;
        enum reading children;
        bool crowded; /* more than MESSAGE_MEMBERS_MAX: said once */
        bool first;   /* the first list is being read: nothing is told yet */
        bool freed;
};

static void say(const struct member_list *l, enum log_level level, enum membership_event event, const char *node,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
static void say(const struct member_list *l, enum log_level level, enum membership_event event, const char *node,
                const char *format, ...)
{
        char text[512];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap); /* cut */
        va_end(ap);
        l->host->log(l->host_ctx, level, event, node, text);
}

/* ---- the table ---- */

static size_t position(const struct member_list *l, const char *name)
{
        size_t low = 0, high = l->count;
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                if (strcmp(l->members[mid]->name.text, name) < 0)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

static struct member *find(const struct member_list *l, const char *name)
{
        size_t i = position(l, name);
        return i < l->count && strcmp(l->members[i]->name.text, name) == 0 ? l->members[i] : NULL;
}

static struct member *add(struct member_list *l, const char *name)
{
        size_t i = position(l, name);
        struct member *m = mem_zalloc(sizeof *m);
        m->list = l;
        m->refs = 1;
        m->listed = true;
        m->here = strcmp(name, l->node.text) == 0;
        (void)snprintf(m->name.text, sizeof m->name.text, "%s", name);
        l->members = mem_grow(l->members, &l->capacity, l->count + 1, sizeof(*l->members));
        memmove(l->members + i + 1, l->members + i, (l->count - i) * sizeof(*l->members));
        l->members[i] = m;
        l->count++;
        return m;
}

static void unref(struct member *m)
{
        assert(m->refs > 0);
        if (--m->refs == 0)
                mem_free(m);
}

static void drop(struct member *m)
{
        struct member_list *l = m->list;
        size_t i = position(l, m->name.text);
        assert(m->listed && l->members[i] == m);
        memmove(l->members + i, l->members + i + 1, (l->count - i - 1) * sizeof(*l->members));
        l->count--;
        m->listed = false;
        unref(m);
}

/* ---- telling ---- */

static bool all_read(const struct member_list *l)
{
        for (size_t i = 0; i < l->count; i++)
                if (!l->members[i]->known)
                        return false;
        return l->children == READING_DONE;
}

static void changed(struct member_list *l)
{
        if (l->first && !all_read(l))
                return;
        l->first = false;
        l->host->changed(l->host_ctx);
}

static void say_joined(const struct member *m)
{
        if (m->list->first || m->here)
                return;
        say(m->list, LOG_LEVEL_INFO, MEMBERSHIP_EVENT_JOINED, m->name.text, "%s has joined%s%s", m->name.text,
            m->said.address[0] ? ", " : "", m->said.address);
}

static void left(struct member *m)
{
        struct member_list *l = m->list;
        if (m->known && !m->here)
                say(l, LOG_LEVEL_INFO, MEMBERSHIP_EVENT_LEFT, m->name.text, "%s has left", m->name.text);
        drop(m);
        changed(l);
}

/* ---- one member ---- */

static void read_member(struct member *m);

static void took(struct member *m, const struct client_result *r)
{
        bool joined = !m->known || m->czxid != r->stat.czxid;
        bool news = joined || m->mzxid != r->stat.mzxid;
        m->known = true;
        m->czxid = r->stat.czxid;
        m->mzxid = r->stat.mzxid;
        if (!news)
                return;
        member_value_read(r->data.data, r->data.len > 0 ? (size_t)r->data.len : 0, &m->said);
        if (!m->said.readable && joined)
                say(m->list, LOG_LEVEL_WARNING, MEMBERSHIP_EVENT_ODD, m->name.text,
                    MEMBERS_ROOT "/%s says nothing that could be read: taken as a member without role", m->name.text);
        if (joined)
                say_joined(m);
        changed(m->list);
}

static void on_value(void *ctx, const struct client_result *r)
{
        struct member *m = ctx;
        struct member_list *l = m->list;
        m->reading = r->watching ? READING_DONE : READING_NONE;
        if (r->watching)
                m->refs++;
        if (m->listed && r->outcome == CLIENT_ANSWERED) {
                if (r->error == ZK_OK)
                        took(m, r);
                if (m->here && (r->error == ZK_OK || r->error == ZK_NO_NODE))
                        l->own(l->ctx, r->error == ZK_OK ? &r->stat : NULL, &m->said);
                if (r->error == ZK_NO_NODE)
                        left(m);
        } else if (m->listed) {
                read_member(m); /* it waits for a connection */
        }
        unref(m);
}

static void on_value_event(void *ctx, enum client_event event, const char *path)
{
        struct member *m = ctx;
        (void)event; /* changed, gone, or the session has ended: it is read again in any case */
        (void)path;
        if (m->listed && m->reading == READING_DONE) {
                m->reading = READING_NONE;
                read_member(m);
        }
        unref(m);
}

static void read_member(struct member *m)
{
        struct member_list *l = m->list;
        char path[sizeof MEMBERS_ROOT + NAME_BYTES_MAX + 2];
        const struct client_call call = {.done = on_value, .ctx = m, .watch = on_value_event, .watch_ctx = m};
        (void)snprintf(path, sizeof path, MEMBERS_ROOT "/%s", m->name.text);
        if (l->freed || client_get(l->host->client(l->host_ctx), path, &call) < 0)
                return; /* between two sessions, or full: member_list_session() asks again */
        m->reading = READING_NOW;
        m->refs++;
}

/* ---- their list ---- */

static void read_children(struct member_list *l);

static void found(struct member_list *l, struct jute_str child)
{
        char name[NAME_BYTES_MAX + 1];
        if (child.len <= 0 || child.len > NAME_BYTES_MAX)
                return; /* no name of a node: whatever it is, it is no member */
        memcpy(name, child.data, (size_t)child.len);
        name[child.len] = 0;
        if (!name_is_valid(name) || find(l, name))
                return;
        if (l->count >= MESSAGE_MEMBERS_MAX && strcmp(name, l->node.text) != 0) {
                if (!l->crowded)
                        say(l, LOG_LEVEL_WARNING, MEMBERSHIP_EVENT_ODD, name,
                            "more than %d members: %s and maybe others are left out", MESSAGE_MEMBERS_MAX, name);
                l->crowded = true;
                return;
        }
        read_member(add(l, name));
}

static void on_children(void *ctx, const struct client_result *r)
{
        struct member_list *l = ctx;
        struct jute_reader names = jute_vec_reader(&r->children);
        l->children = r->watching ? READING_DONE : READING_NONE;
        if (l->freed)
                return;
        if (r->outcome != CLIENT_ANSWERED) {
                read_children(l);
                return;
        }
        for (int32_t i = 0; r->error == ZK_OK && i < r->children.count; i++)
                found(l, jute_get_str(&names));
        /* Those that are gone tell so themselves. */
        if (r->error == ZK_OK && !find(l, l->node.text))
                l->own(l->ctx, NULL, NULL);
        if (r->error == ZK_OK)
                changed(l);
}

static void on_children_event(void *ctx, enum client_event event, const char *path)
{
        struct member_list *l = ctx;
        (void)event;
        (void)path;
        if (l->children != READING_DONE)
                return;
        l->children = READING_NONE;
        read_children(l);
}

static void read_children(struct member_list *l)
{
        const struct client_call call = {.done = on_children, .ctx = l, .watch = on_children_event, .watch_ctx = l};
        if (!l->freed && client_children(l->host->client(l->host_ctx), MEMBERS_ROOT, &call) == 0)
                l->children = READING_NOW;
}

/* ---- life ---- */

struct member_list *member_list_new(const char *node, const struct membership_host *host, void *host_ctx,
                                    member_list_own_fn *own, void *ctx)
{
        struct member_list *l = mem_zalloc(sizeof *l);
        l->host = host;
        l->host_ctx = host_ctx;
        l->own = own;
        l->ctx = ctx;
        l->first = true;
        (void)snprintf(l->node.text, sizeof l->node.text, "%s", node);
        return l;
}

void member_list_free(struct member_list *l)
{
        if (!l)
                return;
        l->freed = true;
        while (l->count) {
                assert(l->members[l->count - 1]->refs == 1); /* the client has called back all it had */
                drop(l->members[l->count - 1]);
        }
        mem_free(l->members);
        mem_free(l);
}

void member_list_session(struct member_list *l)
{
        if (l->children == READING_NONE)
                read_children(l);
        for (size_t i = 0; i < l->count; i++)
                if (l->members[i]->reading == READING_NONE)
                        read_member(l->members[i]);
}

void member_list_root_made(struct member_list *l)
{
        if (l->children == READING_NONE)
                read_children(l);
}

size_t member_list_all(const struct member_list *l, struct message_member *ret)
{
        size_t count = 0;
        for (size_t i = 0; i < l->count && count < MESSAGE_MEMBERS_MAX; i++) {
                const struct member *m = l->members[i];
                if (m->known)
                        ret[count++] = (struct message_member){.name = m->name, .role = m->said.role, .here = m->here};
        }
        return count;
}

bool member_list_find(const struct member_list *l, const char *node, struct group_member *ret)
{
        const struct member *m = find(l, node);
        if (!m || !m->known)
                return false;
        *ret = (struct group_member){.role = m->said.role, .czxid = m->czxid};
        memcpy(ret->instance, m->said.instance, sizeof ret->instance);
        memcpy(ret->boot_id, m->said.boot_id, sizeof ret->boot_id);
        return true;
}
