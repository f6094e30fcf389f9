/* The client (election/client) against a server that may say anything.
 *
 * The input begins with a byte: with a chroot or not, resuming a session or not, how soon silence is given up. Then
 * steps, a byte each with what belongs to it:
 *
 *   dialled     the outcome of the dial (a byte:     request   kind (a byte), with a watch or not, on one of a
 *               0 yes)                                         few paths
 *   handshake   a proper one                         closed    the server closes
 *   say         a piece, as it is                    pass      time, 2 bytes of ms
 *   frame       a piece as one frame                 flush     what was requested goes out
 *   reply       error (a byte) and a piece: to the   finish    client_close()
 *               oldest request
 *   event       type (a byte) and a path: a notification
 *   identity    client_add_auth()                taken     the answer to one: error (a byte)
 *
 * Each request that was taken completes exactly once, each one-shot watch that was set is called exactly once, others
 * until they are told their end, the client's own
 * bookkeeping holds after every step, and nothing is asked of a connection that is gone. */
#include "election/client/client_internal.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>

#define CALLS_MAX  4096
#define TICKS_MAX  100000
#define TIMEOUT_MS 3000
#define SESSION    0x1234

enum { DIALLED, HANDSHAKE, SAY, FRAME, REPLY, EVENT, REQUEST, CLOSED, PASS, FLUSH, FINISH, IDENTITY, TAKEN, STEP_MAX };

struct play;

/* One request, and the watch it asked for. */
struct call {
        struct play *play;
        bool done, watches, watching, fired;
        bool stays; /* the watch */
};

struct play {
        struct client *c;
        struct effects fx;
        uint64_t now_ms;
        conn_id conn; /* open or being dialled */
        bool dialling;
        int32_t xid; /* of the next reply */
        struct call calls[CALLS_MAX];
        size_t count;
};

static const char *const paths[] = {"/", "/a", "/a/b", "/b", "/zookeeper", "/a/b/c", "bad", "/a/"};
#define PATHS (sizeof paths / sizeof *paths)
/* What request() makes. */
#define REQUEST_KINDS 20

/* ---- what the client does ---- */

static void settle(struct play *p)
{
        for (size_t i = 0; i < p->fx.count; i++) {
                const struct effect *e = &p->fx.list[i];
                if (e->type == EFFECT_DIAL) {
                        assert(!p->conn && e->peer.kind == PORT_CLIENT);
                        p->conn = e->conn;
                        p->dialling = true;
                } else if (e->type == EFFECT_SEND) {
                        assert(e->conn == p->conn && !p->dialling);
                } else {
                        assert(e->type == EFFECT_CLOSE && e->conn == p->conn);
                        p->conn = 0;
                        p->dialling = false;
                }
        }
        effects_reset(&p->fx);
        client__watch_check(p->c);
        assert(client_conn(p->c) == p->conn);
}

static void on_state(void *ctx, enum client_state state, int status, const char *why)
{
        struct play *p = ctx;
        (void)status;
        assert((unsigned)state < CLIENT_STATE_MAX && why);
        assert(client_state(p->c) == state);
}

static void check_vec(struct jute_vec v)
{
        struct jute_reader r = jute_vec_reader(&v);
        for (int32_t i = 0; i < v.count; i++)
                (void)jute_get_str(&r);
        assert(!r.error);
}

static void on_done(void *ctx, const struct client_result *r)
{
        struct call *k = ctx;
        assert(!k->done);
        k->done = true;
        k->watching = r->watching;
        assert(!r->watching || (k->watches && r->outcome == CLIENT_ANSWERED));
        assert(r->outcome != CLIENT_NOT_SENT || r->sent_ms == 0);
        if (r->outcome == CLIENT_ANSWERED && r->children.count > 0)
                check_vec(r->children);
        for (size_t i = 0; i < r->op_count; i++)
                if (r->ops[i].children.count > 0)
                        check_vec(r->ops[i].children);
        struct jute_reader who = jute_vec_reader(&r->who);
        for (int32_t i = 0; i < r->who.count; i++) {
                struct jute_id id;
                jute_get_id(&who, &id);
        }
        assert(!who.error);
}

static void on_watch(void *ctx, enum client_event event, const char *path)
{
        struct call *k = ctx;
        assert(k->done && k->watching && !k->fired);
        assert(event >= CLIENT_EVENT_REMOVED && event <= CLIENT_EVENT_CHILDREN && event != 0);
        assert(path[0] == '/');
        k->fired = !k->stays || event < 0;
}

/* ---- what its owner does ---- */

static void request(struct play *p, uint8_t kind, uint8_t how)
{
        if (p->count == CALLS_MAX)
                return;
        struct call *k = &p->calls[p->count++];
        const char *path = paths[how % PATHS];
        struct client_call call = {.done = on_done, .ctx = k, .at_once = how & 0x40};
        struct jute_str data = jute_str_of("data", 4);
        const struct client_op ops[] = {
                {.type = OP_CREATE, .path = path, .data = data},
                {.type = OP_CHECK, .path = path, .version = -1},
                {.type = OP_SET_DATA, .path = path, .data = data, .version = 1},
                {.type = OP_CREATE2, .path = path, .data = data, .flags = CLIENT_EPHEMERAL},
                {.type = OP_CREATE_CONTAINER, .path = path, .data = data},
                {.type = OP_CREATE_TTL, .path = path, .data = data, .ttl_ms = 5},
                {.type = OP_DELETE, .path = path, .version = 2},
        };
        const struct client_op reads[] = {
                {.type = OP_GET_DATA, .path = path},
                {.type = OP_GET_CHILDREN, .path = path},
                {.type = OP_GET_DATA, .path = "/a"},
        };
        const enum client_watch_type type = (enum client_watch_type)(1 + (how >> 3) % 5);
        *k = (struct call){.play = p};
        if (how & 0x80) {
                call.watch = on_watch;
                call.watch_ctx = k;
        }
        int r = 0;
        switch (kind % REQUEST_KINDS) {
        case 0:
                r = client_create(p->c, path, data, how & 3, NULL, &call);
                break;
        case 1:
                r = client_create2(p->c, path, data, how & 3, NULL, &call);
                break;
        case 2:
                r = client_delete(p->c, path, -1, &call);
                break;
        case 3:
                r = client_set(p->c, path, data, 3, &call);
                break;
        case 4:
                k->watches = call.watch != NULL;
                r = client_exists(p->c, path, &call);
                break;
        case 5:
                k->watches = call.watch != NULL;
                r = client_get(p->c, path, &call);
                break;
        case 6:
                k->watches = call.watch != NULL;
                r = client_children(p->c, path, &call);
                break;
        case 7:
                k->watches = call.watch != NULL;
                r = client_children2(p->c, path, &call);
                break;
        case 8:
                r = client_sync(p->c, path, &call);
                break;
        case 9:
                r = client_get_acl(p->c, path, &call);
                break;
        case 10:
                r = client_multi(p->c, ops, 1 + (how >> 3) % 7, &call);
                break;
        case 11:
                r = client_create_container(p->c, path, data, NULL, &call);
                break;
        case 12:
                r = client_create_ttl(p->c, path, data, how & 2, 1 + how, NULL, &call);
                break;
        case 13:
                r = client_set_acl(p->c, path, NULL, -1, &call);
                break;
        case 14:
                r = client_ephemerals(p->c, path, &call);
                break;
        case 15:
                r = client_all_children_number(p->c, path, &call);
                break;
        case 16:
                r = client_multi_read(p->c, reads, 1 + (how >> 3) % 3, &call);
                break;
        case 17:
                k->watches = k->stays = true;
                call.watch = on_watch;
                call.watch_ctx = k;
                r = client_add_watch(p->c, path, how & 0x20 ? CLIENT_WATCH_RECURSIVE : CLIENT_WATCH_PERSISTENT, &call);
                break;
        case 18:
                r = how & 0x80 ? client_check_watches(p->c, path, type, &call)
                               : client_remove_watches(p->c, path, type, &call);
                break;
        default:
                r = client_who_am_i(p->c, &call);
                break;
        }
        if (r < 0)
                p->count--;
}

static void pass(struct play *p, uint64_t ms)
{
        uint64_t end = p->now_ms + ms;
        for (size_t ticks = 0; client_deadline(p->c) <= end; ticks++) {
                assert(ticks < TICKS_MAX);
                if (client_deadline(p->c) > p->now_ms)
                        p->now_ms = client_deadline(p->c);
                client_tick(p->c, p->now_ms, &p->fx);
                settle(p);
                assert(client_deadline(p->c) > p->now_ms); /* else it would spin */
        }
        p->now_ms = end;
}

/* ---- what the server does ---- */

static void say(struct play *p, const uint8_t *data, size_t len)
{
        if (!p->conn || p->dialling || !len)
                return;
        uint8_t *exact = mem_dup(data, len);
        client_conn_bytes(p->c, p->now_ms, p->conn, exact, len, &p->fx);
        mem_free(exact);
        settle(p);
}

static void say_frame(struct play *p, const struct jute_writer *head, const struct fuzz_bytes *body)
{
        struct jute_writer w;
        size_t len = (head ? head->len : 0) + (body ? body->len : 0);
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, (int32_t)len);
        if (head)
                jute_put_raw(&w, head->data, head->len);
        if (body && body->len)
                jute_put_raw(&w, body->data, body->len);
        say(p, w.data, w.len);
        jute_writer_done(&w);
}

static void handshake(struct play *p)
{
        static const uint8_t passwd[16] = {0xab};
        struct jute_writer w;
        jute_writer_init(&w, 256);
        jute_put_connect_response(&w, &(struct jute_connect_response){.timeout = TIMEOUT_MS,
                                                                      .session_id = SESSION,
                                                                      .passwd = jute_str_of(passwd, sizeof passwd),
                                                                      .has_read_only = true});
        say_frame(p, &w, NULL);
        jute_writer_done(&w);
}

static void reply(struct play *p, uint8_t err, const struct fuzz_bytes *body)
{
        struct jute_writer w;
        struct jute_reply_header h = {.zxid = 0x100 + p->xid, .err = err ? -100 - err % 26 : 0};
        if (list_empty(&p->c->in_flight))
                return;
        h.xid = LIST_ENTRY(p->c->in_flight.next, struct client_request, link)->xid;
        p->xid++;
        jute_writer_init(&w, 64);
        jute_put_reply_header(&w, &h);
        say_frame(p, &w, body);
        jute_writer_done(&w);
}

static void identity(struct play *p, uint8_t what)
{
        if (p->count == CALLS_MAX)
                return;
        struct call *k = &p->calls[p->count++];
        const struct client_call call = {.done = on_done, .ctx = k};
        *k = (struct call){.play = p};
        if (client_add_auth(p->c, what & 1 ? "digest" : "ip", jute_str_of("user:password", what % 13), &call) < 0)
                p->count--;
}

static void taken(struct play *p, uint8_t err)
{
        struct jute_writer w;
        jute_writer_init(&w, 64);
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = CLIENT_XID_AUTH, .err = err % 4 ? 0 : -115});
        say_frame(p, &w, NULL);
        jute_writer_done(&w);
}

static void notify(struct play *p, uint8_t type, uint8_t path)
{
        struct jute_writer w;
        jute_writer_init(&w, 256);
        jute_put_reply_header(&w, &(struct jute_reply_header){.xid = CLIENT_XID_NOTIFICATION, .zxid = -1});
        jute_put_watcher_event(&w, &(struct jute_watcher_event){
                                           .type = type % 8 - 1, .state = 3, .path = jute_cstr(paths[path % PATHS])});
        say_frame(p, &w, NULL);
        jute_writer_done(&w);
}

static void dialled(struct play *p, int status)
{
        if (!p->dialling)
                return;
        conn_id conn = p->conn;
        p->dialling = false;
        if (status)
                p->conn = 0;
        client_conn_dialled(p->c, p->now_ms, conn, status, &p->fx);
        settle(p);
}

static void closed(struct play *p)
{
        if (!p->conn || p->dialling)
                return;
        conn_id conn = p->conn;
        p->conn = 0;
        client_conn_closed(p->c, p->now_ms, conn, -ECONNRESET, &p->fx);
        settle(p);
}

static void step(struct play *p, struct fuzz_input *in)
{
        uint8_t kind = fuzz_byte(in) % STEP_MAX, what = 0;
        struct fuzz_bytes b = {.len = 0};
        switch (kind) {
        case DIALLED:
                dialled(p, fuzz_byte(in) % 2 ? -ECONNREFUSED : 0);
                break;
        case HANDSHAKE:
                dialled(p, 0);
                handshake(p);
                break;
        case SAY:
                b = fuzz_piece(in);
                say(p, b.data, b.len);
                break;
        case FRAME:
                b = fuzz_piece(in);
                say_frame(p, NULL, &b);
                break;
        case REPLY:
                what = fuzz_byte(in);
                b = fuzz_piece(in);
                reply(p, what, &b);
                break;
        case EVENT:
                what = fuzz_byte(in);
                notify(p, what, fuzz_byte(in));
                break;
        case REQUEST:
                what = fuzz_byte(in);
                request(p, what, fuzz_byte(in));
                break;
        case CLOSED:
                closed(p);
                break;
        case PASS:
                pass(p, fuzz_u16(in));
                break;
        case IDENTITY:
                identity(p, fuzz_byte(in));
                break;
        case TAKEN:
                taken(p, fuzz_byte(in));
                break;
        case FLUSH:
                client_flush(p->c, p->now_ms, &p->fx);
                settle(p);
                break;
        default:
                client_close(p->c, p->now_ms, fuzz_byte(in), &p->fx);
                settle(p);
                break;
        }
        mem_free(b.data);
}

static struct play *begin(uint8_t how)
{
        static const struct client_server servers[] = {{"s1", 2181}, {"s2", 2181}, {"s3", 2181}};
        struct play *p = mem_zalloc(sizeof *p);
        struct client_config config = {.servers = servers,
                                       .server_count = 3,
                                       .session_timeout_ms = TIMEOUT_MS,
                                       .seed = 1,
                                       .chroot = how & 1 ? "/a" : NULL,
                                       .answer_divisor = how & 4 ? 5 : 0,
                                       .max_buffer = 64 << 10,
                                       .on_state = on_state,
                                       .ctx = p};
        if (how & 2)
                config.session = (struct client_session){.id = SESSION, .passwd = {0xab}, .last_zxid = 7};
        p->now_ms = 1000;
        effects_init(&p->fx);
        int r = client_new(&config, &p->c);
        assert(r == 0);
        client_start(p->c, p->now_ms, &p->fx);
        settle(p);
        return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        struct play *p = begin(fuzz_byte(&in));
        while (fuzz_left(&in))
                step(p, &in);
        bool over = client_state(p->c) == CLIENT_CLOSED;
        for (size_t i = 0; over && i < p->count; i++)
                assert(p->calls[i].fired == p->calls[i].watching); /* that the session has ended is an event */
        client_free(p->c);                                         /* drops what watches are left, unsaid */
        for (size_t i = 0; i < p->count; i++)
                assert(p->calls[i].done);
        effects_done(&p->fx);
        mem_free(p);
        return 0;
}
