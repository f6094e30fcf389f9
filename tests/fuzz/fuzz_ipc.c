/* What the processes of a node say to each other. The first byte chooses: one message decoded; or a stream on a
 * socketpair, in the portions that the pieces of the input make, with a descriptor passed along where bit 7 of a
 * portion's first byte of length is set.
 *
 * A message that was decoded is encoded to the same bytes, but for booleans and null texts. Of a stream each message
 * is sound, the conversation ends once, and no descriptor is left open. */
#include "daemon/common/ipc.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTION_MAX 4096
#define TURNS_MAX   10000

/* ---- one message ---- */

static void check_sound(const struct message *m)
{
        assert((unsigned)m->type < MESSAGE_MAX && (unsigned)m->stop < STOP_MAX && (unsigned)m->role < ROLE_COUNT);
        assert((unsigned)m->state < WORKER_STATE_COUNT && (unsigned)m->health < HEALTH_COUNT);
        assert((unsigned)m->reason < REVOKE_COUNT && m->member_count <= MESSAGE_MEMBERS_MAX);
        assert(m->name.text[0] == '\0' || name_is_valid(m->name.text));
        assert(m->group.text[0] == '\0' || name_is_valid(m->group.text));
        assert(m->text.len >= 0 && m->path.len >= 0);
        assert(m->text.len == 0 || !memchr(m->text.data, 0, (size_t)m->text.len));
        assert(m->path.len == 0 || !memchr(m->path.data, 0, (size_t)m->path.len));
        for (size_t i = 0; i < m->member_count; i++) {
                const struct message_member *k = &m->members[i];
                assert((unsigned)k->role < ROLE_COUNT);
                assert(k->name.text[0] == '\0' || name_is_valid(k->name.text));
        }
}

static void check_message(struct fuzz_input *in)
{
        struct message_member *members = mem_alloc(MESSAGE_MEMBERS_MAX * sizeof *members);
        struct message_member *again_members = mem_alloc(MESSAGE_MEMBERS_MAX * sizeof *members);
        struct fuzz_bytes b = fuzz_take(in, SIZE_MAX);
        struct message m, again;
        struct jute_writer first, second;
        jute_writer_init(&first, MESSAGE_BYTES_MAX);
        jute_writer_init(&second, MESSAGE_BYTES_MAX);
        int r = message_decode(b.data, b.len, members, &m);
        assert(r == 0 || r == -EPROTO);
        if (r == 0) {
                check_sound(&m);
                message_encode(&m, &first);
                assert(!first.error);
                r = message_decode(first.data, first.len, again_members, &again);
                assert(r == 0);
                message_encode(&again, &second);
                assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
        }
        jute_writer_done(&first);
        jute_writer_done(&second);
        mem_free(b.data);
        mem_free(members);
        mem_free(again_members);
}

/* ---- a stream ---- */

struct ear {
        struct ipc *ipc;
        unsigned closed;
};

static void on_message(void *ctx, struct ipc *ipc, const struct message *m)
{
        const struct ear *e = ctx;
        assert(ipc == e->ipc && !e->closed);
        check_sound(m);
        assert((m->fd >= 0) == message_has_fd(m->type));
        if (m->fd >= 0)
                (void)close(m->fd);
}

static void on_closed(void *ctx, struct ipc *ipc, int status)
{
        struct ear *e = ctx;
        assert(ipc == e->ipc && (status == 0 || status == -EPROTO));
        e->closed++;
}

static void send_portion(int fd, const struct fuzz_bytes *b, bool with_fd)
{
        struct iovec part = {.iov_base = b->data, .iov_len = b->len < PORTION_MAX ? b->len : PORTION_MAX};
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
        const int passed = STDERR_FILENO; /* any that is none of the pair */
        if (!part.iov_len)
                return;
        memset(&control, 0, sizeof control);
        if (with_fd) {
                h.msg_control = &control;
                h.msg_controllen = sizeof control.space;
                struct cmsghdr *c = CMSG_FIRSTHDR(&h);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(c), &passed, sizeof passed);
        }
        (void)sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL); /* refused once the other end has closed */
}

/* The lowest free descriptor: the same before and after, unless one was left open. */
static int lowest_free(void)
{
        int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
        assert(fd >= 0);
        (void)close(fd);
        return fd;
}

static void check_stream(struct fuzz_input *in)
{
        uv_loop_t loop;
        struct ear e = {.closed = 0};
        int pair[2], free_before = lowest_free();
        int r = uv_loop_init(&loop);
        assert(r == 0);
        r = ipc_pair(pair);
        assert(r == 0);
        r = ipc_new(&loop, pair[0], on_message, on_closed, &e, &e.ipc);
        assert(r == 0);
        while (fuzz_left(in) && !e.closed) {
                uint16_t head = fuzz_u16(in);
                struct fuzz_bytes b = fuzz_take(in, head & 0x7fff);
                send_portion(pair[1], &b, head & 0x8000);
                mem_free(b.data);
                (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
        (void)close(pair[1]);
        for (int turns = 0; !e.closed; turns++) {
                assert(turns < TURNS_MAX);
                (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
        assert(e.closed == 1);
        ipc_free(e.ipc);
        (void)uv_run(&loop, UV_RUN_DEFAULT);
        r = uv_loop_close(&loop);
        assert(r == 0);
        int free_after = lowest_free();
        assert(free_before == free_after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        if (fuzz_byte(&in) % 2)
                check_stream(&in);
        else
                check_message(&in);
        return 0;
}
