/* See status.h. A client's life: reading -> (waiting) -> writing -> closing -> freed by on_closed(). */
#include "daemon/engine/status.h"

#include "daemon/engine/status_json.h"
#include "election/base/alloc.h"
#include "election/base/list.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* KiB thrown away of what a client says beyond its line. */
#define STATUS_DRAIN_MAX 64

struct client {
        uv_pipe_t pipe;
        struct status *status;
        struct list link;  /* in status.clients */
        struct list timed; /* in status.timed, by deadline, unless it waits */
        uint64_t deadline_ms;
        char line[STATUS_LINE_MAX];
        size_t len;
        char *text; /* the answer */
        uv_write_t write;
        bool closing;
};

struct status {
        uv_loop_t *loop;
        uv_pipe_t listener;
        uv_timer_t timer;
        struct status_host host;
        struct list clients, timed;
        size_t count;
        struct client *waiting; /* whose answer is not there yet */
        unsigned handles;       /* of its own, open */
        bool closing;
};

/* ---- the end ---- */

static void free_if_done(struct status *s)
{
        if (s->closing && s->handles == 0 && s->count == 0)
                mem_free(s);
}

static void on_client_closed(uv_handle_t *handle)
{
        struct client *c = handle->data;
        struct status *s = c->status;
        s->count--;
        free(c->text);
        mem_free(c);
        free_if_done(s);
}

static void client_close(struct client *c)
{
        struct status *s = c->status;
        if (c->closing)
                return;
        c->closing = true;
        list_remove(&c->link);
        list_remove(&c->timed);
        if (s->waiting == c)
                s->waiting = NULL;
        uv_close((uv_handle_t *)&c->pipe, on_client_closed);
}

static void on_own_closed(uv_handle_t *handle)
{
        struct status *s = handle->data;
        s->handles--;
        free_if_done(s);
}

void status_close(struct status *s)
{
        if (!s)
                return;
        s->closing = true;
        while (!list_empty(&s->clients))
                client_close(LIST_ENTRY(s->clients.next, struct client, link));
        uv_close((uv_handle_t *)&s->listener, on_own_closed);
        uv_close((uv_handle_t *)&s->timer, on_own_closed);
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer);

static void arm(struct status *s)
{
        if (s->closing)
                return;
        if (list_empty(&s->timed)) {
                (void)uv_timer_stop(&s->timer); /* always 0 */
                return;
        }
        const uint64_t at = LIST_ENTRY(s->timed.next, struct client, timed)->deadline_ms;
        const uint64_t now = uv_now(s->loop);
        (void)uv_timer_start(&s->timer, on_timer, at > now ? at - now : 0, 0); /* fails on a closed one only */
}

static void on_timer(uv_timer_t *timer)
{
        struct status *s = timer->data;
        while (!list_empty(&s->timed) &&
               LIST_ENTRY(s->timed.next, struct client, timed)->deadline_ms <= uv_now(s->loop))
                client_close(LIST_ENTRY(s->timed.next, struct client, timed));
        arm(s);
}

/* All have the same time from now on: the list stays in order. */
static void client_time(struct client *c)
{
        list_remove(&c->timed);
        c->deadline_ms = uv_now(c->status->loop) + c->status->host.client_ms;
        list_push(&c->status->timed, &c->timed);
        arm(c->status);
}

/* ---- answering ---- */

/* What it has said beyond its line is thrown away: unread, it would make of the close a reset. */
static void drain(const struct client *c)
{
        char rest[1024];
        uv_os_fd_t fd;
        if (uv_fileno((const uv_handle_t *)&c->pipe, &fd) < 0)
                return;
        for (size_t i = 0; i < STATUS_DRAIN_MAX && read(fd, rest, sizeof rest) > 0; i++)
                continue;
}

static void on_written(uv_write_t *write, int status)
{
        (void)status; /* whoever is gone needs no answer */
        drain(write->data);
        client_close(write->data);
}

/* Takes `text`. What the socket takes at once is gone at once; the rest waits. */
static void client_answer(struct client *c, char *text)
{
        const uv_buf_t buffer = uv_buf_init(text, (unsigned)strlen(text));
        c->text = text;
        c->write.data = c;
        client_time(c);
        if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &buffer, 1, on_written) < 0)
                client_close(c);
}

static void client_refuse(struct client *c, const char *why)
{
        client_answer(c, status_json_error(why));
}

static void client_ask(struct client *c, size_t len)
{
        struct status *s = c->status;
        struct status_request request;
        const char *why;
        if (len && c->line[len - 1] == '\r')
                len--;
        if (status_request_parse(c->line, len, &request, &why) < 0) {
                client_refuse(c, why);
                return;
        }
        if (request.command == STATUS_SNAPSHOT && s->waiting) {
                client_refuse(c, "somebody has asked for a snapshot already, and waits for it");
                return;
        }
        char *text = s->host.ask(s->host.ctx, &request);
        if (text) {
                client_answer(c, text);
                return;
        }
        assert(!s->waiting);
        s->waiting = c;
        list_remove(&c->timed); /* it takes what the disk takes */
        arm(s);
}

bool status_waits(const struct status *s)
{
        return s->waiting != NULL;
}

void status_answer(struct status *s, char *text)
{
        struct client *c = s->waiting;
        s->waiting = NULL;
        if (c)
                client_answer(c, text);
        else
                free(text);
}

/* ---- reading ---- */

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        struct client *c = handle->data;
        (void)suggested;
        *ret = uv_buf_init(c->line + c->len, (unsigned)(sizeof c->line - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
        struct client *c = stream->data;
        (void)buffer;
        if (len < 0 && len != UV_EOF) {
                client_close(c);
                return;
        }
        c->len += len > 0 ? (size_t)len : 0;
        const char *end = memchr(c->line, '\n', c->len);
        if (end || len == UV_EOF || c->len == sizeof c->line)
                (void)uv_read_stop(stream); /* always 0 */
        if (end)
                client_ask(c, (size_t)(end - c->line));
        else if (c->len == sizeof c->line)
                client_refuse(c, "a line of more than 127 bytes");
        else if (len == UV_EOF && c->len)
                client_ask(c, c->len);
        else if (len == UV_EOF)
                client_close(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
        struct status *s = listener->data;
        if (status < 0)
                return; /* no descriptor is left: whoever it was sees no answer */
        struct client *c = mem_zalloc(sizeof *c);
        int r = uv_pipe_init(s->loop, &c->pipe, 0);
        assert(r == 0); /* makes no socket yet */
        c->pipe.data = c;
        c->status = s;
        list_init(&c->timed);
        list_push(&s->clients, &c->link);
        s->count++;
        r = uv_accept(listener, (uv_stream_t *)&c->pipe);
        if (r < 0 || s->count > STATUS_CLIENTS_MAX || uv_read_start((uv_stream_t *)&c->pipe, on_buffer, on_read) < 0) {
                client_close(c);
                return;
        }
        client_time(c);
}

int status_new(uv_loop_t *loop, int fd, const struct status_host *host, struct status **ret)
{
        struct status *s = mem_zalloc(sizeof *s);
        s->loop = loop;
        s->host = *host;
        s->handles = 2;
        list_init(&s->clients);
        list_init(&s->timed);
        int r = uv_timer_init(loop, &s->timer);
        assert(r == 0); /* only links into the loop */
        r = uv_pipe_init(loop, &s->listener, 0);
        assert(r == 0);
        s->timer.data = s->listener.data = s;
        r = uv_pipe_open(&s->listener, fd);
        if (r < 0)
                (void)close(fd); /* nothing was written */
        if (r == 0)
                r = uv_listen((uv_stream_t *)&s->listener, STATUS_CLIENTS_MAX, on_connection);
        if (r < 0) {
                status_close(s);
                return r;
        }
        *ret = s;
        return 0;
}
