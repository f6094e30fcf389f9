/* baton-bench-echo: the limit that the loopback sets. Answers each frame with one of the size a server's answer has,
 * and does nothing else: no tree, no disk, no other server. One libuv loop, one write for all that came in one read.
 *
 *   baton-bench-echo PORT [VALUE_BYTES]      ends when standard input does
 *
 * It knows enough of the protocol to be driven by baton-bench-load --canned: the greeting, which requests are answered
 * with a value, with a stat, with a path, or with nothing, and that who read with a watch is told of the next set. */
#include "tests/bench/fail.h"

#include "election/base/alloc.h"
#include "election/base/list.h"
#include "election/jute/record.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define BACKLOG 1024
/* One answer's value. */
#define ECHO_VALUE_BYTES_MAX 1000000
/* Bytes of requests or answers kept for one connection. */
#define ECHO_BYTES_MAX (64u << 20)
#define STAT_BYTES     68
/* Of ZooKeeper's events, the one that is told here. */
#define EVENT_DATA_CHANGED 3

struct server {
        uv_loop_t loop;
        uv_tcp_t listener;
        uv_pipe_t input;
        uint8_t *value;
        size_t value_bytes;
        int64_t sessions;
        struct list watchers; /* struct peer; whatever it is that they watch */
};

struct peer {
        uv_tcp_t tcp;
        struct server *server;
        struct jute_writer in;
        bool greeted;
        struct list watching; /* in server.watchers, or alone */
};

struct answer {
        uv_write_t request;
        struct jute_writer out;
};

static void check(int r, const char *what)
{
        if (r < 0)
                bench_fail("%s: %s", what, uv_strerror(r));
}

static void written(uv_write_t *request, int status)
{
        (void)status; /* a client that is gone: the reading side closes */
        struct answer *a = request->data;
        jute_writer_done(&a->out);
        mem_free(a);
}

/* Tries at once, as a server would; the rest waits for the socket. */
static void send_answers(struct peer *p, struct jute_writer *out)
{
        uv_buf_t buf = uv_buf_init((char *)out->data, (unsigned)out->len);
        int n = uv_try_write((uv_stream_t *)&p->tcp, &buf, 1);
        size_t sent = n > 0 ? (size_t)n : 0;
        if (sent == out->len)
                return;
        struct answer *a = mem_alloc(sizeof *a);
        jute_writer_init(&a->out, ECHO_BYTES_MAX);
        jute_put_raw(&a->out, out->data + sent, out->len - sent);
        a->request.data = a;
        buf = uv_buf_init((char *)a->out.data, (unsigned)a->out.len);
        if (uv_write(&a->request, (uv_stream_t *)&p->tcp, &buf, 1, written) < 0)
                written(&a->request, 0);
}

/* ---- answers ---- */

/* That the path of this setData has changed, to all that watch. */
static void tell_watchers(struct server *s, struct jute_reader request)
{
        struct jute_writer w;
        jute_writer_init(&w, ECHO_BYTES_MAX);
        jute_put_int(&w, 0);
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = -1, .zxid = -1});
        jute_put_watcher_event(&w, &(struct jute_watcher_event){
                                           .type = EVENT_DATA_CHANGED, .state = 3, .path = jute_get_str(&request)});
        jute_patch_int(&w, 0, (int32_t)(w.len - 4));
        while (!list_empty(&s->watchers)) {
                struct peer *p = LIST_ENTRY(s->watchers.next, struct peer, watching);
                list_remove(&p->watching);
                send_answers(p, &w);
        }
        jute_writer_done(&w);
}

static void watch(struct peer *p, struct jute_reader request)
{
        (void)jute_get_str(&request);
        if (!jute_get_bool(&request))
                return;
        list_remove(&p->watching);
        list_push(&p->server->watchers, &p->watching);
}

static void put_body(const struct server *s, struct jute_writer *w, int32_t type, struct jute_reader *request)
{
        static const uint8_t stat[STAT_BYTES];
        switch (type) {
        case OP_GET_DATA:
                jute_put_str(w, jute_str_of(s->value, s->value_bytes));
                jute_put_raw(w, stat, sizeof stat);
                break;
        case OP_SET_DATA:
        case OP_EXISTS:
                jute_put_raw(w, stat, sizeof stat);
                break;
        case OP_CREATE:
        case OP_SYNC:
                jute_put_str(w, jute_get_str(request));
                break;
        default:
                break; /* a header is all */
        }
}

static void put_answer(struct peer *p, struct jute_writer *w, struct jute_reader *frame)
{
        static const uint8_t passwd[16];
        size_t mark = w->len;
        jute_put_int(w, 0);
        if (!p->greeted) {
                struct jute_connect_request q;
                jute_get_connect_request(frame, &q);
                jute_put_connect_response(w, &(struct jute_connect_response){.timeout = q.timeout,
                                                                             .session_id = ++p->server->sessions,
                                                                             .passwd = jute_str_of(passwd, 16),
                                                                             .has_read_only = true});
                p->greeted = true;
        } else {
                struct jute_request_header head;
                jute_get_request_header(frame, &head);
                jute_put_reply_header(w, &(struct jute_reply_header){.xid = head.xid, .zxid = 1});
                if (head.type == OP_SET_DATA)
                        tell_watchers(p->server, *frame);
                if (head.type == OP_GET_DATA)
                        watch(p, *frame);
                put_body(p->server, w, head.type, frame);
        }
        if (frame->error || w->error)
                bench_fail("a request that is not understood");
        jute_patch_int(w, mark, (int32_t)(w->len - mark - 4));
}

/* ---- connections ---- */

static void freed(uv_handle_t *handle)
{
        struct peer *p = handle->data;
        list_remove(&p->watching);
        jute_writer_done(&p->in);
        mem_free(p);
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
        struct peer *p = stream->data;
        if (n < 0) {
                uv_close((uv_handle_t *)stream, freed);
                return;
        }
        static struct jute_writer out;
        jute_writer_init(&out, ECHO_BYTES_MAX);
        jute_put_raw(&p->in, buf->base, (size_t)n);
        size_t at = 0;
        while (p->in.len - at >= 4) {
                struct jute_reader r;
                jute_reader_init(&r, p->in.data + at, p->in.len - at, ECHO_VALUE_BYTES_MAX);
                int32_t len = jute_get_int(&r);
                if (len < 0 || (size_t)len > ECHO_BYTES_MAX)
                        bench_fail("a frame of %d bytes", len);
                if (jute_left(&r) < (size_t)len)
                        break;
                r.end = r.at + len;
                put_answer(p, &out, &r);
                at += 4 + (size_t)len;
        }
        p->in.len -= at;
        memmove(p->in.data, p->in.data + at, p->in.len);
        send_answers(p, &out);
        jute_writer_done(&out);
}

static void room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
        (void)handle;
        (void)suggested;
        static char bytes[65536]; /* one read at a time: what is left over is copied */
        *ret = uv_buf_init(bytes, sizeof bytes);
}

static void on_connection(uv_stream_t *listener, int status)
{
        struct server *s = listener->data;
        check(status, "listening");
        struct peer *p = mem_zalloc(sizeof *p);
        p->server = s;
        jute_writer_init(&p->in, ECHO_BYTES_MAX);
        list_init(&p->watching);
        check(uv_tcp_init(&s->loop, &p->tcp), "a connection");
        p->tcp.data = p;
        check(uv_accept(listener, (uv_stream_t *)&p->tcp), "accepting");
        check(uv_tcp_nodelay(&p->tcp, 1), "TCP_NODELAY");
        check(uv_read_start((uv_stream_t *)&p->tcp, room, on_bytes), "reading");
}

/* ---- life ---- */

static void on_input(uv_stream_t *input, ssize_t n, const uv_buf_t *buf)
{
        (void)buf;
        if (n < 0)
                uv_stop(input->loop);
}

static uint64_t number(const char *text, uint64_t most)
{
        char *end = NULL;
        unsigned long long v = strtoull(text, &end, 10);
        if (end == text || *end || v > most)
                bench_fail("'%s' is no number up to %llu", text, (unsigned long long)most);
        return v;
}

int main(int argc, char **argv)
{
        static struct server s;
        struct sockaddr_in here;
        if (argc < 2 || argc > 3)
                bench_fail("PORT and perhaps VALUE_BYTES are wanted");
        s.value_bytes = argc == 3 ? number(argv[2], ECHO_VALUE_BYTES_MAX) : 1024;
        s.value = mem_zalloc(s.value_bytes);
        list_init(&s.watchers);
        check(uv_loop_init(&s.loop), "loop");
        check(uv_tcp_init(&s.loop, &s.listener), "socket");
        s.listener.data = &s;
        check(uv_ip4_addr("127.0.0.1", (int)number(argv[1], 65535), &here), "address");
        check(uv_tcp_bind(&s.listener, (const struct sockaddr *)&here, 0), "binding");
        check(uv_listen((uv_stream_t *)&s.listener, BACKLOG, on_connection), "listening");
        check(uv_pipe_init(&s.loop, &s.input, 0), "input");
        check(uv_pipe_open(&s.input, 0), "standard input");
        check(uv_read_start((uv_stream_t *)&s.input, room, on_input), "standard input");
        (void)uv_run(&s.loop, UV_RUN_DEFAULT);
        mem_free(s.value);
        return 0;
}
