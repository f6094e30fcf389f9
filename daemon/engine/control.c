/* See control.h. */
#include "daemon/engine/control.h"

#include "daemon/common/ipc.h"
#include "daemon/common/log.h"
#include "election/base/alloc.h"

#include <string.h>

struct link {
        struct ipc *ipc;
        struct name name;
};

struct control {
        uv_loop_t *loop;
        struct ipc *supervisor; /* NULL when it is gone */
        control_stop_fn *on_stop;
        void *ctx;
        bool stopping, ready;
        enum node_role role;
        char text[MESSAGE_TEXT_MAX];
        struct link links[CONTROL_LINKS_MAX]; /* the oldest first */
        size_t link_count;
};

/* ---- saying ---- */

static void say_role(const struct control *c, struct ipc *to)
{
        struct message m = message_of(MESSAGE_ROLE);
        m.role = c->role;
        m.text = jute_cstr(c->text);
        (void)ipc_send(to, &m); /* what fails is told by on_closed */
}

static void say_ready(struct control *c, bool ready)
{
        if (ready == c->ready)
                return;
        c->ready = ready;
        struct message m = message_of(ready ? MESSAGE_READY : MESSAGE_UNREADY);
        if (c->supervisor)
                (void)ipc_send(c->supervisor, &m); /* the same */
}

/* The first word of the text is the role's. */
static enum node_role role_of(const char *text)
{
        size_t len = strcspn(text, ", ");
        for (int i = 0; i < ROLE_COUNT; i++)
                if (strlen(node_role_name((enum node_role)i)) == len &&
                    strncmp(node_role_name((enum node_role)i), text, len) == 0)
                        return (enum node_role)i;
        return ROLE_NONE;
}

void control_role(struct control *c, const char *text)
{
        size_t len = strnlen(text, sizeof c->text - 1);
        memcpy(c->text, text, len);
        c->text[len] = '\0';
        c->role = role_of(text);
        if (c->supervisor)
                say_role(c, c->supervisor);
        for (size_t i = 0; i < c->link_count; i++)
                say_role(c, c->links[i].ipc);
        say_ready(c, c->role == ROLE_FOLLOWING || c->role == ROLE_OBSERVING || c->role == ROLE_LEADING);
}

/* ---- links ---- */

static void drop_link(struct control *c, size_t i)
{
        ipc_free(c->links[i].ipc);
        c->link_count--;
        memmove(&c->links[i], &c->links[i + 1], (c->link_count - i) * sizeof c->links[0]);
}

static void on_link_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        (void)ctx;
        (void)ipc;
        log_warning("%s came over a link, which says nothing to an engine", message_type_name(m->type));
}

static void on_link_closed(void *ctx, struct ipc *ipc, int status)
{
        struct control *c = ctx;
        size_t i = 0;
        while (c->links[i].ipc != ipc)
                i++; /* it is there: only what is there is told of */
        if (status < 0)
                log_warning("the link to %s broke: %s", c->links[i].name.text, uv_strerror(status));
        drop_link(c, i);
}

static void add_link(struct control *c, const struct message *m)
{
        struct link l = {.name = m->name};
        int r = ipc_new(c->loop, m->fd, on_link_message, on_link_closed, c, &l.ipc);
        if (r < 0) {
                log_warning("the link to %s can't be used: %s", m->name.text, uv_strerror(r));
                return;
        }
        if (c->link_count == CONTROL_LINKS_MAX)
                drop_link(c, 0);
        c->links[c->link_count++] = l;
        say_role(c, l.ipc);
}

/* ---- the supervisor ---- */

static void stop(struct control *c, const char *why)
{
        if (c->stopping)
                return;
        c->stopping = true;
        c->on_stop(c->ctx, why);
}

static void on_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        struct control *c = ctx;
        switch (m->type) {
        case MESSAGE_PING: {
                struct message pong = message_of(MESSAGE_PONG);
                pong.number = m->number;
                (void)ipc_send(ipc, &pong); /* what fails is told by on_closed */
                break;
        }
        case MESSAGE_LINK:
                add_link(c, m);
                break;
        case MESSAGE_STOP: /* an engine has nothing to keep: its successor recovers */
                stop(c, "the supervisor asks for it");
                break;
        default:
                log_warning("the supervisor said %s, which says nothing to an engine", message_type_name(m->type));
                break;
        }
}

static void on_closed(void *ctx, struct ipc *ipc, int status)
{
        struct control *c = ctx;
        if (status < 0)
                log_warning("the conversation with the supervisor broke: %s", uv_strerror(status));
        ipc_free(ipc);
        c->supervisor = NULL;
        stop(c, "the supervisor is gone");
}

int control_new(uv_loop_t *loop, int fd, control_stop_fn *on_stop, void *ctx, struct control **ret)
{
        struct control *c = mem_zalloc(sizeof *c);
        c->loop = loop;
        c->on_stop = on_stop;
        c->ctx = ctx;
        int r = ipc_new(loop, fd, on_message, on_closed, c, &c->supervisor);
        if (r < 0) {
                mem_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

void control_free(struct control *c)
{
        if (!c)
                return;
        ipc_free(c->supervisor);
        while (c->link_count > 0)
                drop_link(c, c->link_count - 1);
        mem_free(c);
}
