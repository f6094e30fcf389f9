/* The client port of a whole server that serves alone: up to four connections at a time, any bytes on them.
 *
 * The input is a list of steps, a byte each with what belongs to it: low half what, high half which connection.
 *
 *   say       a piece, as it is                      open      a ConnectRequest for a new session
 *   frame     a piece as one frame                   resume    one for the session of another connection
 *   request   opcode (a byte, see opcodes[]) and a   hang up   the client closes
 *             piece: as a request with the next xid  pass      time, 2 bytes of ms
 *
 * In the end every connection is closed, or every whole frame on it is answered, in order, but that the answers to auth
 * and sasl may overtake others; and the server still works for a client that behaves. What one_server.h promises holds
 * besides. */
#include "tests/fuzz/one_server.h"

#define SLOTS 4

enum { SAY, FRAME, REQUEST, OPEN, RESUME, HANG_UP, PASS, STEP_MAX };

static const int32_t opcodes[] = {
        OP_CREATE,
        OP_DELETE,
        OP_EXISTS,
        OP_GET_DATA,
        OP_SET_DATA,
        OP_GET_ACL,
        OP_SET_ACL,
        OP_GET_CHILDREN,
        OP_SYNC,
        OP_PING,
        OP_GET_CHILDREN2,
        OP_CHECK,
        OP_MULTI,
        OP_CREATE2,
        OP_RECONFIG,
        OP_CHECK_WATCHES,
        OP_REMOVE_WATCHES,
        OP_CREATE_CONTAINER,
        OP_DELETE_CONTAINER,
        OP_CREATE_TTL,
        OP_MULTI_READ,
        OP_AUTH,
        OP_SET_WATCHES,
        OP_SASL,
        OP_GET_EPHEMERALS,
        OP_GET_ALL_CHILDREN_NUMBER,
        OP_SET_WATCHES2,
        OP_ADD_WATCH,
        OP_WHO_AM_I,
        OP_CLOSE_SESSION,
        OP_CREATE_SESSION,
        OP_ERROR,
        OP_NOTIFICATION,
        99,
};

struct slot {
        struct one_conn *conn;
        int32_t next_xid;
        uint8_t *said; /* all of it */
        size_t len, capacity;
};

struct play {
        struct one_server *s;
        struct slot slots[SLOTS];
};

/* ---- what is owed ---- */

/* The next whole frame of a stream: its reader, false when there is none. */
static bool next_frame(const uint8_t *data, size_t len, size_t *at, struct jute_reader *ret)
{
        struct jute_reader r;
        jute_reader_init(&r, data ? data + *at : NULL, len - *at, INT32_MAX);
        int32_t size = jute_get_int(&r);
        const uint8_t *body = size < 0 || r.error ? NULL : jute_get_raw(&r, (size_t)size);
        if (!body)
                return false;
        jute_reader_init(ret, body, (size_t)size, INT32_MAX);
        *at += 4 + (size_t)size;
        return true;
}

/* xids in their order, without those that stand for events (-1), which a request may have as well. */
struct xids {
        int32_t *list;
        size_t count, capacity;
};

static void xids_add(struct xids *x, int32_t xid)
{
        if (xid == -1)
                return;
        x->list = mem_grow(x->list, &x->capacity, x->count + 1, sizeof *x->list);
        x->list[x->count++] = xid;
}

/* Whether what was told is both rows of what was asked, each in its order, shuffled in some way. `reached[n]`: what was
 * looked at so far can hold n of those that may overtake. */
static bool is_shuffle(const struct xids *told, const struct xids *asked, const struct xids *overtaking)
{
        bool ok = told->count == asked->count + overtaking->count;
        bool *reached = mem_zalloc((overtaking->count + 2) * sizeof *reached);
        reached[0] = true;
        for (size_t i = 0; ok && i < told->count; i++) {
                for (size_t n = overtaking->count + 1; n-- > 0;) {
                        const bool own = n && reached[n - 1] && overtaking->list[n - 1] == told->list[i];
                        const bool other =
                                reached[n] && i >= n && i - n < asked->count && asked->list[i - n] == told->list[i];
                        reached[n] = own || other;
                }
        }
        ok = ok && reached[overtaking->count];
        mem_free(reached);
        return ok;
}

static void check_answered(const struct slot *k)
{
        enum { XID_PING = -2 };
        struct xids told = {0}, asked = {0}, overtaking = {0};
        struct jute_reader r;
        size_t asked_at = 0, told_at = 0;
        if (!k->conn || !k->conn->open)
                return;
        bool connects = next_frame(k->said, k->len, &asked_at, &r);
        bool connected = next_frame(k->conn->out, k->conn->out_len, &told_at, &r);
        assert(connects == connected);
        while (next_frame(k->said, k->len, &asked_at, &r)) {
                struct jute_request_header h;
                jute_get_request_header(&r, &h);
                assert(!r.error);
                /* A ping is answered with the xid that pings have, whatever it had. */
                xids_add(h.type == OP_AUTH || h.type == OP_SASL ? &overtaking : &asked,
                         h.type == OP_PING ? XID_PING : h.xid);
        }
        while (next_frame(k->conn->out, k->conn->out_len, &told_at, &r)) {
                xids_add(&told, jute_get_int(&r));
                assert(!r.error);
        }
        bool answered = is_shuffle(&told, &asked, &overtaking);
        assert(answered); /* and nothing that nobody asked for */
        mem_free(told.list);
        mem_free(asked.list);
        mem_free(overtaking.list);
}

/* ---- the steps ---- */

static void forget(struct slot *k)
{
        mem_free(k->said);
        *k = (struct slot){.next_xid = 1};
}

static void say(struct play *p, struct slot *k, const void *data, size_t len)
{
        if (k->conn && !k->conn->open)
                forget(k);
        if (!k->conn)
                k->conn = one_server_accept(p->s, PORT_CLIENT);
        if (!k->conn || !len)
                return;
        k->said = mem_grow(k->said, &k->capacity, k->len + len, 1);
        memcpy(k->said + k->len, data, len);
        k->len += len;
        one_server_say(p->s, k->conn, data, len);
}

static void say_frame(struct play *p, struct slot *k, const struct jute_writer *head, const struct fuzz_bytes *body)
{
        struct jute_writer w;
        size_t len = (head ? head->len : 0) + (body ? body->len : 0);
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, (int32_t)len);
        if (head)
                jute_put_raw(&w, head->data, head->len);
        if (body && body->len)
                jute_put_raw(&w, body->data, body->len);
        say(p, k, w.data, w.len);
        jute_writer_done(&w);
}

static void say_request(struct play *p, struct slot *k, struct fuzz_input *in)
{
        struct jute_writer head;
        int32_t opcode = opcodes[fuzz_byte(in) % (sizeof opcodes / sizeof *opcodes)];
        struct fuzz_bytes body = fuzz_piece(in);
        if (k->conn && !k->conn->open)
                forget(k);
        jute_writer_init(&head, 64);
        jute_put_request_header(&head, &(struct jute_request_header){.xid = k->next_xid++, .type = opcode});
        say_frame(p, k, &head, &body);
        jute_writer_done(&head);
        mem_free(body.data);
}

/* The session that was opened on a connection, 0 if none was. */
static int64_t session_of(const struct slot *k)
{
        struct jute_reader r;
        struct jute_connect_response reply;
        size_t at = 0;
        if (!k->conn || !next_frame(k->conn->out, k->conn->out_len, &at, &r))
                return 0;
        jute_get_connect_response(&r, &reply);
        return r.error ? 0 : reply.session_id;
}

static void say_connect(struct play *p, struct slot *k, int64_t session)
{
        struct jute_writer w;
        uint8_t passwd[SESSION_PASSWD_SIZE] = {0};
        if (session)
                session_passwd(session, passwd);
        jute_writer_init(&w, 256);
        jute_put_connect_request(&w, &(struct jute_connect_request){.timeout = 4000,
                                                                    .session_id = session,
                                                                    .passwd = jute_str_of(passwd, sizeof passwd),
                                                                    .has_read_only = true});
        say_frame(p, k, &w, NULL);
        jute_writer_done(&w);
}

static void step(struct play *p, struct fuzz_input *in)
{
        uint8_t op = fuzz_byte(in);
        struct slot *k = &p->slots[(op >> 4) % SLOTS];
        struct fuzz_bytes b = {.len = 0};
        switch (op % 16 % STEP_MAX) {
        case SAY:
                b = fuzz_piece(in);
                say(p, k, b.data, b.len);
                break;
        case FRAME:
                b = fuzz_piece(in);
                say_frame(p, k, NULL, &b);
                break;
        case REQUEST:
                say_request(p, k, in);
                break;
        case OPEN:
                say_connect(p, k, 0);
                break;
        case RESUME:
                say_connect(p, k, session_of(&p->slots[(size_t)(k - p->slots + 1) % SLOTS]));
                break;
        case HANG_UP:
                one_server_hang_up(p->s, k->conn, 0);
                break;
        default:
                one_server_pass(p->s, fuzz_u16(in));
                break;
        }
        mem_free(b.data);
}

/* A client that behaves is served. */
static void check_alive(struct play *p)
{
        struct slot k = {.next_xid = 1};
        struct fuzz_bytes body = {.len = 0};
        struct jute_writer head;
        struct jute_reader r;
        size_t at = 0;
        say_connect(p, &k, 0);
        if (!k.conn)
                return; /* no place left for it in one_server */
        assert(k.conn->open && session_of(&k) != 0);
        jute_writer_init(&head, 64);
        jute_put_request_header(&head, &(struct jute_request_header){.xid = 1, .type = OP_GET_CHILDREN});
        jute_put_path_watch(&head, &(struct jute_path_watch){.path = jute_cstr("/")});
        say_frame(p, &k, &head, &body);
        struct jute_reply_header h = {.err = -1};
        bool connected = next_frame(k.conn->out, k.conn->out_len, &at, &r);
        assert(connected);
        bool replied = next_frame(k.conn->out, k.conn->out_len, &at, &r);
        assert(replied);
        jute_get_reply_header(&r, &h);
        assert(!r.error && h.xid == 1 && h.err == ZK_OK);
        jute_writer_done(&head);
        forget(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        struct play p = {.s = one_server_new(1, 1, false)};
        for (size_t i = 0; i < SLOTS; i++)
                p.slots[i].next_xid = 1;
        one_server_pass(p.s, 1000);
        while (fuzz_left(&in))
                step(&p, &in);
        assert(p.s->halted < 0);
        for (size_t i = 0; i < SLOTS; i++)
                check_answered(&p.slots[i]);
        check_alive(&p);
        for (size_t i = 0; i < SLOTS; i++)
                forget(&p.slots[i]);
        if (size % 2)
                one_server_stop(p.s);
        one_server_end(p.s);
        return 0;
}
