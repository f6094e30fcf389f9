#include "tests/bench/conn.h"

#include "election/base/alloc.h"
#include "tests/bench/fail.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a read is given at least; a connection that gets more in one go doubles it. */
#define READ_BYTES_MIN 4096
/* client-protocol.md 2: pings have this one. */
#define PING_XID     (-2)
#define PASSWD_BYTES 16

void conn_init(struct conn *c, uint32_t index, uint32_t room)
{
        *c = (struct conn){.fd = -1, .index = index, .room = 1};
        while (c->room < room)
                c->room *= 2;
        c->under_way = mem_alloc(c->room * sizeof *c->under_way);
        jute_writer_init(&c->out, CONN_BYTES_MAX);
}

void conn_done(struct conn *c)
{
        conn_abort(c);
        jute_writer_done(&c->out);
        mem_free(c->in);
        mem_free(c->under_way);
}

void conn_open(struct conn *c, const struct sockaddr_in *to, int32_t timeout_ms, uint64_t now_ns)
{
        assert(c->state == CONN_CLOSED);
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0)
                bench_fail("no socket for connection %u: %s (ulimit -n?)", c->index, strerror(errno));
        int on = 1;
        if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
                bench_fail("TCP_NODELAY: %s", strerror(errno));
        c->timeout_ms = timeout_ms;
        c->opened_ns = now_ns;
        c->xid = 1;
        c->lives++;
        c->state = CONN_CONNECTING;
        if (connect(c->fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS)
                bench_fail("connection %u to port %u: %s", c->index, ntohs(to->sin_port), strerror(errno));
}

void conn_abort(struct conn *c)
{
        if (c->fd < 0)
                return;
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once); /* at worst it lingers */
        (void)close(c->fd);
        c->fd = -1;
        c->state = CONN_CLOSED;
        c->awaits_out = false;
        c->in_len = c->written = 0;
        c->count = 0;
        jute_writer_reset(&c->out);
}

/* ---- requests ---- */

bool conn_has_room(const struct conn *c)
{
        return c->state == CONN_READY && c->count < c->room;
}

static size_t frame_begin(struct conn *c)
{
        size_t mark = c->out.len;
        jute_put_int(&c->out, 0);
        return mark;
}

void conn_end(struct conn *c, size_t mark)
{
        jute_patch_int(&c->out, mark, (int32_t)(c->out.len - mark - 4));
        if (c->out.error)
                bench_fail("connection %u: more than %u bytes are not yet written", c->index, CONN_BYTES_MAX);
}

size_t conn_begin(struct conn *c, int32_t type, struct conn_request what)
{
        assert(conn_has_room(c));
        c->under_way[(c->oldest + c->count++) & (c->room - 1)] = what;
        size_t mark = frame_begin(c);
        jute_put_request_header(&c->out, &(struct jute_request_header){.xid = c->xid++, .type = type});
        return mark;
}

void conn_ping(struct conn *c)
{
        size_t mark = frame_begin(c);
        jute_put_request_header(&c->out, &(struct jute_request_header){.xid = PING_XID, .type = OP_PING});
        conn_end(c, mark);
}

void conn_greet(struct conn *c)
{
        assert(c->state == CONN_CONNECTING);
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
                bench_fail("connection %u: %s", c->index, strerror(error ? error : errno));
        static const uint8_t passwd[PASSWD_BYTES];
        size_t mark = frame_begin(c);
        struct jute_connect_request request = {
                .timeout = c->timeout_ms, .passwd = jute_str_of(passwd, sizeof passwd), .has_read_only = true};
        jute_put_connect_request(&c->out, &request);
        conn_end(c, mark);
        c->state = CONN_GREETING;
}

bool conn_flush(struct conn *c)
{
        while (c->written < c->out.len) {
                ssize_t n = send(c->fd, c->out.data + c->written, c->out.len - c->written, MSG_NOSIGNAL);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return false;
                if (n < 0)
                        bench_fail("connection %u, writing: %s", c->index, strerror(errno));
                c->written += (size_t)n;
        }
        c->written = 0;
        jute_writer_reset(&c->out);
        return true;
}

/* ---- replies ---- */

struct conn_request conn_match(struct conn *c, int32_t xid)
{
        if (c->count == 0)
                bench_fail("connection %u: a reply with xid %d, and no request is under way", c->index, xid);
        int32_t wanted = c->xid - (int32_t)c->count;
        if (xid != wanted)
                bench_fail("connection %u: a reply with xid %d instead of %d", c->index, xid, wanted);
        struct conn_request what = c->under_way[c->oldest & (c->room - 1)];
        c->oldest++;
        c->count--;
        return what;
}

static void granted(struct conn *c, struct jute_reader *frame)
{
        struct jute_connect_response response;
        jute_get_connect_response(frame, &response);
        if (frame->error || response.session_id == 0)
                bench_fail("connection %u: no session was granted", c->index);
        c->session = response.session_id;
        c->timeout_ms = response.timeout;
        c->state = CONN_READY;
}

/* Handles whole frames in c->in, keeps the rest. The callback may close the connection, and open it again. */
static bool take_frames(struct conn *c, conn_frame_fn *frame, void *context)
{
        bool greeted = false;
        uint32_t life = c->lives;
        size_t at = 0;
        while (c->in_len - at >= 4) {
                struct jute_reader head;
                jute_reader_init(&head, c->in + at, 4, 0);
                int32_t len = jute_get_int(&head);
                if (len < 0 || (uint32_t)len > CONN_BYTES_MAX)
                        bench_fail("connection %u: a reply of %d bytes", c->index, len);
                if (c->in_len - at - 4 < (size_t)len)
                        break;
                struct jute_reader body;
                jute_reader_init(&body, c->in + at + 4, (size_t)len, (int32_t)CONN_BYTES_MAX);
                at += 4 + (size_t)len;
                if (c->state == CONN_GREETING) {
                        granted(c, &body);
                        greeted = true;
                } else {
                        frame(context, c, &body);
                }
                if (c->state == CONN_CLOSED || c->lives != life)
                        return greeted;
        }
        c->in_len -= at;
        memmove(c->in, c->in + at, c->in_len);
        return greeted;
}

static void closed_by_server(const struct conn *c, const char *how) __attribute__((noreturn));
static void closed_by_server(const struct conn *c, const char *how)
{
        if (c->count == 0)
                bench_fail("connection %u: the server closed it (%s), %s", c->index, how,
                           c->state == CONN_GREETING ? "before it granted a session" : "with no request under way");
        bench_fail("connection %u, session 0x%" PRIx64 ": the server closed it (%s), %u requests under way, "
                   "the oldest has xid %d and is of kind %u",
                   c->index, (uint64_t)c->session, how, c->count, c->xid - (int32_t)c->count,
                   c->under_way[c->oldest & (c->room - 1)].op);
}

bool conn_read(struct conn *c, conn_frame_fn *frame, void *context)
{
        if (c->in_size - c->in_len < READ_BYTES_MIN)
                c->in = mem_grow(c->in, &c->in_size, c->in_len + READ_BYTES_MIN, 1);
        ssize_t n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, 0);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return false;
        if (n <= 0)
                closed_by_server(c, n ? strerror(errno) : "end of file");
        c->in_len += (size_t)n;
        bool full = c->in_len == c->in_size;
        bool greeted = take_frames(c, frame, context);
        if (full)
                c->in = mem_grow(c->in, &c->in_size, c->in_size + 1, 1);
        return greeted;
}
