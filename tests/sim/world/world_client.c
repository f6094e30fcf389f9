/* Raw clients: frames in and out, nothing clever. */
#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLD_REPLY_MS 10000

void world__client_bytes(struct world_client *c, const uint8_t *data, size_t len)
{
        bytes_add(&c->in, data, len);
}

static bool frame(struct world_client *c, struct jute_reader *ret, size_t *ret_size)
{
        if (c->in.len < 4)
                return false;
        uint32_t len = (uint32_t)c->in.data[0] << 24 | (uint32_t)c->in.data[1] << 16 | (uint32_t)c->in.data[2] << 8 |
                       c->in.data[3];
        if (c->in.len - 4 < len)
                return false;
        jute_reader_init(ret, c->in.data + 4, len, INT32_MAX);
        *ret_size = 4 + (size_t)len;
        return true;
}

static void client_put(struct world_client *c, const struct jute_writer *frame_body)
{
        uint8_t len[4] = {(uint8_t)(frame_body->len >> 24), (uint8_t)(frame_body->len >> 16),
                          (uint8_t)(frame_body->len >> 8), (uint8_t)frame_body->len};
        world__client_send(c, len, 4);
        world__client_send(c, frame_body->data, frame_body->len);
}

static struct world_client *client_open(struct world *w, int sid, const struct world_client *resume, bool read_only)
{
        struct world_client *c = mem_zalloc(sizeof *c);
        uint8_t none[16] = {0};
        struct jute_writer body;
        c->world = w;
        c->next_xid = resume ? resume->next_xid : 1;
        list_push(&w->clients, &c->link);
        c->stream = world__client_stream(w, sid, c);
        if (!c->stream)
                return NULL;
        struct jute_connect_request q = {.timeout = 2000,
                                         .session_id = resume ? resume->session : 0,
                                         .last_zxid_seen = resume ? resume->seen : 0,
                                         .passwd = jute_str_of(resume ? resume->passwd : none, 16),
                                         .read_only = read_only,
                                         .has_read_only = true};
        jute_writer_init(&body, SIZE_MAX);
        jute_put_connect_request(&body, &q);
        client_put(c, &body);
        jute_writer_done(&body);
        struct jute_reader r;
        struct jute_connect_response reply;
        size_t size;
        for (int i = 0; i < WORLD_REPLY_MS && !c->closed && !frame(c, &r, &size); i++)
                world_run(w, 1);
        if (!frame(c, &r, &size))
                return NULL;
        jute_get_connect_response(&r, &reply);
        if (r.error || reply.timeout <= 0)
                return NULL;
        c->connected = true;
        c->read_only = reply.read_only;
        c->session = reply.session_id;
        c->timeout_ms = reply.timeout;
        memcpy(c->passwd, reply.passwd.data, 16);
        bytes_take(&c->in, size);
        return c;
}

struct world_client *world_connect(struct world *w, int sid, const struct world_client *resume)
{
        return client_open(w, sid, resume, false);
}

struct world_client *world_connect_read_only(struct world *w, int sid, const struct world_client *resume)
{
        return client_open(w, sid, resume, true);
}

bool world_read_only(const struct world_client *c)
{
        return c->read_only;
}

void world_disconnect(struct world_client *c)
{
        if (!c->stream)
                return;
        world__end_gone(c->world, &c->stream->end[0], &c->stream->end[1], 0);
        c->closed = true;
        c->stream = NULL;
        world_run(c->world, 1);
}

void world_spoil_password(struct world_client *c)
{
        c->passwd[0] ^= 1;
}

void world_pretend_seen(struct world_client *c, int64_t zxid)
{
        c->seen = zxid;
}

int64_t world_session(const struct world_client *c)
{
        return c->session;
}

int32_t world_timeout(const struct world_client *c)
{
        return c->timeout_ms;
}

bool world_connected(const struct world_client *c)
{
        return !c->closed;
}

int32_t world_send(struct world_client *c, int32_t opcode, const struct jute_writer *body)
{
        struct jute_writer w;
        struct jute_request_header h = {.xid = c->next_xid++, .type = opcode};
        jute_writer_init(&w, SIZE_MAX);
        jute_put_request_header(&w, &h);
        if (body)
                jute_put_raw(&w, body->data, body->len);
        client_put(c, &w);
        jute_writer_done(&w);
        return h.xid;
}

static void client_notified(struct world_client *c, struct jute_reader *r)
{
        struct jute_watcher_event e;
        jute_get_watcher_event(r, &e);
        size_t len = strlen(c->events);
        (void)snprintf(c->events + len, sizeof c->events - len, "%d %.*s\n", e.type, e.path.len,
                       (const char *)e.path.data);
}

/* Takes frames until a reply is met. Returns false when there is none. */
static bool client_take(struct world_client *c, struct jute_reply_header *ret)
{
        struct jute_reader r;
        size_t size;
        while (frame(c, &r, &size)) {
                jute_get_reply_header(&r, ret);
                bool event = ret->xid == -1;
                if (event) {
                        client_notified(c, &r);
                } else {
                        mem_free(c->reply);
                        c->reply_len = jute_left(&r);
                        c->reply = mem_dup(r.at, c->reply_len);
                }
                bytes_take(&c->in, size);
                if (!event)
                        return true;
        }
        return false;
}

int world_reply(struct world_client *c, int32_t xid, int64_t *ret_zxid, struct jute_reader *ret)
{
        struct jute_reply_header h;
        for (int i = 0; i < WORLD_REPLY_MS; i++) {
                while (client_take(c, &h)) {
                        if (h.xid != xid)
                                continue;
                        if (ret_zxid)
                                *ret_zxid = h.zxid;
                        if (ret)
                                jute_reader_init(ret, c->reply, c->reply_len, INT32_MAX);
                        return h.err;
                }
                if (c->closed)
                        return -EPIPE;
                world_run(c->world, 1);
        }
        return -ETIME;
}

const char *world_event(struct world_client *c)
{
        struct jute_reply_header h;
        (void)client_take(c, &h);
        char *end = strchr(c->events, '\n');
        if (!end)
                return "";
        size_t len = (size_t)(end - c->events);
        if (len >= sizeof c->event)
                len = sizeof c->event - 1;
        memcpy(c->event, c->events, len);
        c->event[len] = 0;
        memmove(c->events, end + 1, strlen(end + 1) + 1);
        return c->event;
}

/* ---- whole operations ---- */

static int call(struct world_client *c, int32_t opcode, struct jute_writer *body, struct jute_reader *ret)
{
        int32_t xid = world_send(c, opcode, body);
        jute_writer_done(body);
        return world_reply(c, xid, NULL, ret);
}

static void copy_text(struct jute_str s, char *ret, size_t size)
{
        if (ret)
                (void)snprintf(ret, size, "%.*s", s.len < 0 ? 0 : s.len, (const char *)s.data);
}

int world_create(struct world_client *c, const char *path, const char *data, int32_t flags, char *ret_path, size_t size)
{
        struct jute_writer acl, body;
        struct jute_reader r;
        struct jute_acl open = {.perms = 31, .id = {.scheme = jute_cstr("world"), .id = jute_cstr("anyone")}};
        jute_writer_init(&acl, SIZE_MAX);
        jute_writer_init(&body, SIZE_MAX);
        jute_put_acl(&acl, &open);
        struct jute_create_request q = {.path = jute_cstr(path),
                                        .data = jute_cstr(data),
                                        .acl = {.data = acl.data, .size = acl.len, .count = 1},
                                        .flags = flags};
        jute_put_create_request(&body, &q);
        jute_writer_done(&acl);
        int err = call(c, OP_CREATE, &body, &r);
        if (!err)
                copy_text(jute_get_str(&r), ret_path, size);
        return err;
}

int world_set(struct world_client *c, const char *path, const char *data, int32_t version)
{
        struct jute_writer body;
        struct jute_set_data_request q = {.path = jute_cstr(path), .data = jute_cstr(data), .version = version};
        jute_writer_init(&body, SIZE_MAX);
        jute_put_set_data_request(&body, &q);
        return call(c, OP_SET_DATA, &body, NULL);
}

int world_delete(struct world_client *c, const char *path, int32_t version)
{
        struct jute_writer body;
        struct jute_path_version q = {.path = jute_cstr(path), .version = version};
        jute_writer_init(&body, SIZE_MAX);
        jute_put_path_version(&body, &q);
        return call(c, OP_DELETE, &body, NULL);
}

int world_get(struct world_client *c, const char *path, bool watch, char *ret, size_t size)
{
        struct jute_writer body;
        struct jute_reader r;
        struct jute_path_watch q = {.path = jute_cstr(path), .watch = watch};
        jute_writer_init(&body, SIZE_MAX);
        jute_put_path_watch(&body, &q);
        int err = call(c, OP_GET_DATA, &body, &r);
        if (!err)
                copy_text(jute_get_str(&r), ret, size);
        return err;
}

int world_sync(struct world_client *c)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_cstr(&body, "/");
        return call(c, OP_SYNC, &body, NULL);
}
