/* See ipc.h.
 *
 * Descriptors and frames keep their order, so the first message that carries a descriptor takes the first descriptor
 * that came: the kernel never reads past bytes that carry one (unix(7)), and one that no message asks for ends the
 * conversation.
 *
 * on_closed is told from the loop only, never from ipc_send(): what fails there is kept, and an idle handle tells it in
 * the next turn. A peer that takes nothing any more (EPIPE) may have sent something before, which is read first. */
#include "daemon/common/ipc.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The frame's length before the message. */
#define HEAD_BYTES 4
/* Room for one read. */
#define READ_BYTES (64u << 10)
/* An empty buffer above this gives its memory back. */
#define KEEP_BYTES (256u << 10)
/* Reads in one turn; what is left is told by the next poll. */
#define READS_TURN_MAX 16

enum ipc_state {
        IPC_OPEN,
        IPC_DEAF,   /* the other end takes nothing any more; what it has sent is read to its end */
        IPC_FAILED, /* nothing is read or sent; on_closed is about to be told */
        IPC_OVER,   /* told */
};

struct frame {
        struct frame *next;
        int fd; /* goes with the first byte, then -1 */
        size_t len, sent;
        uint8_t bytes[];
};

struct ipc {
        uv_poll_t poll;
        uv_idle_t later;
        int open_handles; /* until uv has let go of them */
        int fd;
        enum ipc_state state;
        int status; /* of IPC_FAILED */
        bool freed;
        ipc_message_fn *on_message;
        ipc_closed_fn *on_closed;
        void *ctx;

        struct frame *first, **last;
        size_t queued_bytes;
        int polled; /* events asked for */

        uint8_t *in;
        size_t in_len, in_capacity;
        int descriptors[IPC_DESCRIPTORS_MAX];
        size_t descriptor_count;
        struct message_member members[MESSAGE_MEMBERS_MAX];
};

/* ---- the end ---- */

static void drop_queue(struct ipc *ipc)
{
        while (ipc->first) {
                struct frame *f = ipc->first;
                ipc->first = f->next;
                if (f->fd >= 0)
                        (void)close(f->fd); /* a duplicate */
                mem_free(f);
        }
        ipc->last = &ipc->first;
        ipc->queued_bytes = 0;
}

static void drop_descriptors(struct ipc *ipc)
{
        for (size_t i = 0; i < ipc->descriptor_count; i++)
                (void)close(ipc->descriptors[i]); /* nobody asked for it */
        ipc->descriptor_count = 0;
}

/* Tells the owner, once. Never inside ipc_send(). */
static void end_conversation(struct ipc *ipc, int status)
{
        if (ipc->freed || ipc->state == IPC_OVER)
                return;
        ipc->state = IPC_OVER;
        (void)uv_poll_stop(&ipc->poll); /* these always succeed */
        (void)uv_idle_stop(&ipc->later);
        drop_queue(ipc);
        ipc->on_closed(ipc->ctx, ipc, status);
}

static void on_later(uv_idle_t *handle);

static void fail_later(struct ipc *ipc, enum ipc_state state, int status)
{
        ipc->state = state;
        ipc->status = status;
        drop_queue(ipc);
        (void)uv_idle_start(&ipc->later, on_later); /* fails without a callback only */
}

/* ---- sending ---- */

static void on_poll(uv_poll_t *handle, int status, int events);

static void update_poll(struct ipc *ipc)
{
        int wanted = UV_READABLE | (ipc->first ? UV_WRITABLE : 0);
        if (ipc->freed || ipc->state >= IPC_FAILED || wanted == ipc->polled)
                return;
        ipc->polled = wanted;
        (void)uv_poll_start(&ipc->poll, wanted, on_poll); /* fails on a closed handle only */
}

/* Returns bytes sent or -errno. */
static ssize_t send_some(int fd, const struct frame *f)
{
        struct iovec part = {.iov_base = (void *)(uintptr_t)(f->bytes + f->sent), .iov_len = f->len - f->sent};
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {.space = {0}};
        struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
        if (f->fd >= 0) {
                control.head.cmsg_level = SOL_SOCKET;
                control.head.cmsg_type = SCM_RIGHTS;
                control.head.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.head), &f->fd, sizeof f->fd);
                h.msg_control = &control;
                h.msg_controllen = sizeof control.space;
        }
        ssize_t n = 0;
        do
                n = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

/* Sends what the kernel takes. Returns 0 or -errno, -EAGAIN where it takes no more. */
static int send_queue(struct ipc *ipc)
{
        while (ipc->first) {
                struct frame *f = ipc->first;
                ssize_t n = send_some(ipc->fd, f);
                if (n < 0)
                        return (int)n;
                if (f->fd >= 0)
                        (void)close(f->fd); /* it has gone out with the first byte */
                f->fd = -1;
                f->sent += (size_t)n;
                ipc->queued_bytes -= (size_t)n;
                if (f->sent < f->len)
                        continue;
                ipc->first = f->next;
                if (!ipc->first)
                        ipc->last = &ipc->first;
                mem_free(f);
        }
        return 0;
}

static int advance(struct ipc *ipc)
{
        int r = send_queue(ipc);
        if (r == -EAGAIN)
                r = 0;
        if (r == -EPIPE || r == -ECONNRESET)
                fail_later(ipc, IPC_DEAF, 0);
        else if (r < 0)
                fail_later(ipc, IPC_FAILED, r);
        update_poll(ipc);
        return r == -ECONNRESET ? -EPIPE : r;
}

/* Adds the message to the queue. Returns 0 or -errno. */
static int enqueue(struct ipc *ipc, const struct message *m)
{
        struct jute_writer w;
        jute_writer_init(&w, HEAD_BYTES + MESSAGE_BYTES_MAX);
        jute_put_int(&w, 0);
        message_encode(m, &w);
        int r = w.error;
        if (r == 0 && ipc->queued_bytes + w.len > IPC_QUEUE_BYTES_MAX)
                r = -ENOBUFS;
        int fd = -1;
        if (r == 0 && message_has_fd(m->type)) {
                assert(m->fd >= 0);
                fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
                r = fd < 0 ? -errno : 0;
        }
        if (r == 0) {
                struct frame *f = mem_alloc(sizeof *f + w.len);
                jute_patch_int(&w, 0, (int32_t)(w.len - HEAD_BYTES));
                *f = (struct frame){.fd = fd, .len = w.len};
                memcpy(f->bytes, w.data, w.len);
                *ipc->last = f;
                ipc->last = &f->next;
                ipc->queued_bytes += f->len;
        }
        jute_writer_done(&w);
        return r;
}

int ipc_send(struct ipc *ipc, const struct message *m)
{
        assert(!ipc->freed);
        if (ipc->state != IPC_OPEN)
                return -EPIPE;
        bool waiting = ipc->first;
        int r = enqueue(ipc, m);
        if (r < 0) {
                fail_later(ipc, IPC_FAILED, r);
                return r;
        }
        return waiting ? 0 : advance(ipc);
}

static uint64_t monotonic_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void ipc_flush(struct ipc *ipc, uint64_t wait_ms)
{
        uint64_t end = monotonic_ms() + wait_ms;
        while (ipc->state == IPC_OPEN && ipc->first && advance(ipc) == 0 && ipc->first) {
                uint64_t now = monotonic_ms();
                struct pollfd p = {.fd = ipc->fd, .events = POLLOUT};
                if (now >= end)
                        return;
                (void)poll(&p, 1, end - now < INT32_MAX ? (int)(end - now) : INT32_MAX); /* the next turn judges */
        }
}

/* ---- receiving ---- */

static int keep_descriptors(struct ipc *ipc, struct msghdr *h)
{
        int r = h->msg_flags & MSG_CTRUNC ? -EPROTO : 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++) {
                        int fd = -1;
                        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
                        if (ipc->descriptor_count < IPC_DESCRIPTORS_MAX) {
                                ipc->descriptors[ipc->descriptor_count++] = fd;
                        } else {
                                (void)close(fd); /* one too many */
                                r = -EPROTO;
                        }
                }
        }
        return r;
}

/* Returns bytes read, 0 at the end, or -errno. */
static ssize_t receive(struct ipc *ipc)
{
        if (ipc->in_capacity - ipc->in_len < READ_BYTES)
                ipc->in = mem_grow(ipc->in, &ipc->in_capacity, ipc->in_len + READ_BYTES, 1);
        struct iovec part = {.iov_base = ipc->in + ipc->in_len, .iov_len = READ_BYTES};
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(IPC_DESCRIPTORS_MAX * sizeof(int))];
        } control;
        struct msghdr h = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
        ssize_t n = 0;
        do
                n = recvmsg(ipc->fd, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? 0 : -errno; /* it closed without reading all of ours */
        ipc->in_len += (size_t)n;
        int r = keep_descriptors(ipc, &h);
        return r < 0 ? r : n;
}

static int32_t head_of(const uint8_t *at)
{
        struct jute_reader r;
        jute_reader_init(&r, at, HEAD_BYTES, 0);
        return jute_get_int(&r);
}

/* Tells one message. Returns 0 or -EPROTO. */
static int tell(struct ipc *ipc, const uint8_t *at, size_t len)
{
        struct message m;
        int r = message_decode(at, len, ipc->members, &m);
        if (r < 0)
                return r;
        if (message_has_fd(m.type)) {
                if (ipc->descriptor_count == 0)
                        return -EPROTO;
                m.fd = ipc->descriptors[0];
                ipc->descriptor_count--;
                memmove(ipc->descriptors, ipc->descriptors + 1, ipc->descriptor_count * sizeof ipc->descriptors[0]);
        }
        ipc->on_message(ipc->ctx, ipc, &m);
        return 0;
}

/* Tells every message that is complete. Returns 0 or -EPROTO. */
static int tell_all(struct ipc *ipc)
{
        size_t at = 0;
        int r = 0;
        while (r == 0 && !ipc->freed && ipc->state < IPC_FAILED && ipc->in_len - at >= HEAD_BYTES) {
                int32_t len = head_of(ipc->in + at);
                if (len < 0 || (size_t)len > MESSAGE_BYTES_MAX)
                        return -EPROTO;
                if (ipc->in_len - at - HEAD_BYTES < (size_t)len)
                        break;
                r = tell(ipc, ipc->in + at + HEAD_BYTES, (size_t)len);
                at += HEAD_BYTES + (size_t)len;
        }
        memmove(ipc->in, ipc->in + at, ipc->in_len - at);
        ipc->in_len -= at;
        if (r == 0 && ipc->in_len == 0 && ipc->descriptor_count > 0 && !ipc->freed && ipc->state < IPC_FAILED)
                return -EPROTO; /* a descriptor that no message asked for */
        if (ipc->in_len == 0 && ipc->in_capacity > KEEP_BYTES) {
                mem_free(ipc->in);
                ipc->in = NULL;
                ipc->in_capacity = 0;
        }
        return r;
}

/* Reads and tells, `reads` times at most. Ends the conversation when it is over. Returns whether it goes on. */
static bool read_turn(struct ipc *ipc, unsigned reads)
{
        for (unsigned i = 0; i < reads && !ipc->freed && ipc->state < IPC_FAILED; i++) {
                ssize_t n = receive(ipc);
                if (n == -EAGAIN)
                        return true;
                int r = n > 0 ? tell_all(ipc) : (int)n;
                if (n <= 0 || r < 0) {
                        end_conversation(ipc, r); /* half a frame at the end: it was killed while it wrote */
                        return false;
                }
        }
        return !ipc->freed && ipc->state < IPC_FAILED;
}

/* libuv tells EPOLLERR as a status and stops polling: on a socketpair the other end has closed without reading all of
 * ours. What it sent before is read. */
static void read_rest(struct ipc *ipc)
{
        if (read_turn(ipc, IPC_QUEUE_BYTES_MAX / HEAD_BYTES) && !ipc->freed)
                end_conversation(ipc, 0);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
        struct ipc *ipc = handle->data;
        if (status < 0) {
                read_rest(ipc);
                return;
        }
        if (events & UV_WRITABLE && ipc->state == IPC_OPEN)
                (void)advance(ipc); /* what fails is told later */
        if (events & UV_READABLE)
                (void)read_turn(ipc, READS_TURN_MAX); /* polled again for the rest */
}

static void on_later(uv_idle_t *handle)
{
        struct ipc *ipc = handle->data;
        (void)uv_idle_stop(handle); /* always 0 */
        if (ipc->state == IPC_DEAF)
                read_rest(ipc);
        if (!ipc->freed && ipc->state == IPC_FAILED)
                end_conversation(ipc, ipc->status);
}

/* ---- beginning and end ---- */

int ipc_new(uv_loop_t *loop, int fd, ipc_message_fn *on_message, ipc_closed_fn *on_closed, void *ctx, struct ipc **ret)
{
        struct ipc *ipc = mem_zalloc(sizeof *ipc);
        int flags = fcntl(fd, F_GETFD);
        int r = flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0 ? -errno : 0;
        if (r == 0)
                r = uv_poll_init(loop, &ipc->poll, fd); /* non-blocking too */
        if (r < 0) {
                mem_free(ipc);
                if (fd >= 0)
                        (void)close(fd); /* taken, as promised */
                return r;
        }
        (void)uv_idle_init(loop, &ipc->later); /* always 0 */
        ipc->poll.data = ipc->later.data = ipc;
        ipc->open_handles = 2;
        ipc->fd = fd;
        ipc->on_message = on_message;
        ipc->on_closed = on_closed;
        ipc->ctx = ctx;
        ipc->last = &ipc->first;
        update_poll(ipc);
        *ret = ipc;
        return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
        struct ipc *ipc = handle->data;
        if (--ipc->open_handles > 0)
                return;
        mem_free(ipc->in);
        mem_free(ipc);
}

void ipc_free(struct ipc *ipc)
{
        if (!ipc)
                return;
        assert(!ipc->freed);
        ipc->freed = true;
        uv_close((uv_handle_t *)&ipc->poll, on_handle_closed);
        uv_close((uv_handle_t *)&ipc->later, on_handle_closed);
        (void)close(ipc->fd); /* nothing is told any more */
        drop_queue(ipc);
        drop_descriptors(ipc);
}

int ipc_pair(int ret[2])
{
        return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret) < 0 ? -errno : 0;
}
