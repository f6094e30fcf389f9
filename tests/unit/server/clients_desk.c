#include "tests/unit/server/clients_desk.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DESK_TICK_MS 1000

/* ---- the host ---- */

static int64_t propose(struct desk *d, const struct prep_request *r)
{
        int64_t zxid = ++d->zxid;
        jute_writer_reset(&d->txn);
        (void)prep_make(d->prep, d->now_ms, r, zxid, 1700000000000, &d->txn);
        d->queue = mem_grow(d->queue, &d->capacity, d->end + 1, sizeof *d->queue);
        d->queue[d->end++] = (struct desk_txn){.payload = mem_dup(d->txn.data, d->txn.len),
                                               .len = d->txn.len,
                                               .zxid = zxid,
                                               .session = r->session,
                                               .cxid = r->cxid,
                                               .opcode = r->opcode};
        return zxid;
}

static int64_t host_submit(void *ctx, const struct event *e, int64_t session, int32_t cxid, int32_t opcode,
                           struct jute_str body, struct jute_vec ids, struct effects *fx)
{
        struct desk *d = ctx;
        (void)e, (void)fx;
        if (d->refuse)
                return 0;
        struct prep_request r = {
                .session = session, .cxid = cxid, .opcode = opcode, .body = body, .ids = ids, .from_sid = DESK_SID};
        int64_t zxid = propose(d, &r);
        return d->learner ? CLIENTS_FORWARDED : zxid;
}

static bool host_sync(void *ctx, const struct event *e, int64_t session, int32_t cxid, struct jute_str body,
                      struct jute_vec ids, struct effects *fx)
{
        struct desk *d = ctx;
        (void)session, (void)cxid, (void)body, (void)ids;
        if (d->refuse)
                return false;
        if (d->sync_at_once && d->first == d->end)
                clients_sync_done(d->clients, e, fx);
        else
                d->syncs++;
        return true;
}

static int host_revalidate(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms, struct effects *fx)
{
        struct desk *d = ctx;
        (void)e, (void)fx;
        if (d->no_leader)
                return -ENOTCONN;
        if (!d->learner)
                return session_clock_touch(d->clock, d->now_ms, session, timeout_ms);
        assert_true(d->resumes < DESK_ASKED_MAX);
        d->asked[d->resumes++] = session;
        return -EINPROGRESS;
}

static enum session_check host_touch(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms)
{
        struct desk *d = ctx;
        (void)e, (void)session, (void)timeout_ms;
        return d->closing ? SESSION_EXPIRED : SESSION_VALID;
}

static struct database *host_database(void *ctx)
{
        struct desk *d = ctx;
        return d->db;
}

static size_t host_word_bytes(void *ctx, const uint8_t word[4])
{
        (void)ctx;
        return memcmp(word, "stmk", 4) == 0 ? 12 : 4;
}

static void host_word(void *ctx, const struct event *e, const uint8_t *word, struct jute_writer *w)
{
        (void)ctx, (void)e;
        jute_put_raw(w, word, 4);
}

/* ---- beginning and end ---- */

static void lead(struct desk *d, int64_t zxid);

struct desk *desk_new_on(struct database *db)
{
        const struct clients_host host = {.submit = host_submit,
                                          .sync = host_sync,
                                          .revalidate = host_revalidate,
                                          .touch = host_touch,
                                          .database = host_database,
                                          .word_bytes = host_word_bytes,
                                          .word = host_word};
        struct desk *d = mem_zalloc(sizeof *d);
        struct clients_host h = host;
        h.ctx = d;
        d->config = (struct server_config){.min_session_timeout_ms = 2000,
                                           .max_session_timeout_ms = 40000,
                                           .max_buffer = JUTE_MAXBUFFER_DEFAULT,
                                           .max_client_cnxns = 60,
                                           .max_cnxns = 1000,
                                           .outstanding_limit = 1000};
        d->now_ms = 1000;
        d->db = db;
        d->clients = clients_new(&d->config, &h, DESK_FIRST_SESSION);
        outcome_init(&d->outcome);
        jute_writer_init(&d->txn, (size_t)d->config.max_buffer + PREP_SLACK_BYTES);
        jute_writer_init(&d->frame, SIZE_MAX);
        effects_init(&d->fx);
        lead(d, DESK_EPOCH_ZXID);
        return d;
}

struct desk *desk_new(void)
{
        return desk_new_on(database_new());
}

void desk_free(struct desk *d)
{
        clients_free(d->clients);
        prep_free(d->prep);
        session_clock_free(d->clock);
        database_free(d->db);
        outcome_done(&d->outcome);
        jute_writer_done(&d->txn);
        jute_writer_done(&d->frame);
        effects_done(&d->fx);
        for (; d->first < d->end; d->first++)
                mem_free(d->queue[d->first].payload);
        mem_free(d->queue);
        for (size_t i = 0; i < d->conn_count; i++)
                mem_free(d->conns[i].out);
        mem_free(d->conns);
        mem_free(d);
}

/* ---- effects ---- */

struct desk_conn *desk_conn(struct desk *d, conn_id conn)
{
        assert_true(conn >= 2 && conn / 2 <= d->conn_count);
        return &d->conns[conn / 2 - 1];
}

static void conn_out(struct desk_conn *c, const struct blob *b)
{
        c->out = mem_grow(c->out, &c->out_capacity, c->out_len + b->len, 1);
        memcpy(c->out + c->out_len, b->data, b->len);
        c->out_len += b->len;
        c->sent += b->len;
}

/* Entries of the audit log gather until the test takes them, one a line. */
static void audit_out(struct desk *d, const struct effect *x)
{
        size_t len = strlen(d->audit);
        int n = snprintf(d->audit + len, sizeof d->audit - len, "%s\n", x->audit.text);
        assert_true(n >= 0 && (size_t)n < sizeof d->audit - len);
        assert_int_equal(x->audit.failed, strstr(x->audit.text, " result=failure") != NULL);
}

static void carry_out(struct desk *d, const struct effect *x)
{
        if (x->type == EFFECT_AUDIT) {
                audit_out(d, x);
                return;
        }
        struct desk_conn *c = desk_conn(d, x->conn);
        assert_false(c->closed); /* nothing is asked of a connection that is gone */
        switch (x->type) {
        case EFFECT_SEND:
                conn_out(c, x->send.blob);
                break;
        case EFFECT_CLOSE:
                c->closed = true;
                c->flushed = x->close.flush;
                break;
        case EFFECT_READ_STOP:
                assert_true(c->reading);
                c->reading = false;
                break;
        case EFFECT_READ_START:
                assert_false(c->reading);
                c->reading = true;
                break;
        case EFFECT_NOTIFY_SENT:
                assert_false(c->notify);
                c->notify = true;
                break;
        default:
                fail();
        }
}

static struct event *begin(struct desk *d, enum event_type type, conn_id conn)
{
        d->event = (struct event){
                .type = type, .conn = conn, .now = {.mono_ms = d->now_ms, .mono_ns = d->now_ms * 1000000}};
        return &d->event;
}

/* The end of a step. */
static void finish(struct desk *d)
{
        clients_settle(d->clients, &d->event, &d->fx);
        for (size_t i = 0; i < d->fx.count; i++)
                carry_out(d, &d->fx.list[i]);
        effects_reset(&d->fx);
}

/* ---- connections ---- */

conn_id desk_accept(struct desk *d, const char *address)
{
        d->conns = mem_grow(d->conns, &d->conn_capacity, d->conn_count + 1, sizeof *d->conns);
        conn_id conn = 2 * ++d->conn_count;
        d->conns[d->conn_count - 1] = (struct desk_conn){.conn = conn, .reading = true};
        struct event *e = begin(d, EVENT_CONN_ACCEPTED, conn);
        e->accepted.port = PORT_CLIENT;
        e->accepted.address = address;
        clients_accepted(d->clients, e, &d->fx);
        finish(d);
        return conn;
}

void desk_bytes(struct desk *d, conn_id conn, const void *data, size_t len)
{
        uint8_t *copy = mem_dup(data, len); /* so that a pointer kept beyond the step is found out */
        struct event *e = begin(d, EVENT_CONN_BYTES, conn);
        e->bytes.data = copy;
        e->bytes.len = len;
        (void)clients_bytes(d->clients, e, &d->fx);
        finish(d);
        mem_free(copy);
}

void desk_connect(struct desk *d, conn_id conn, int64_t session, int64_t seen)
{
        uint8_t passwd[SESSION_PASSWD_SIZE] = {0};
        if (session)
                session_passwd(session, passwd);
        struct jute_connect_request q = {.timeout = 10000,
                                         .session_id = session,
                                         .last_zxid_seen = seen,
                                         .passwd = jute_str_of(passwd, sizeof passwd),
                                         .has_read_only = true};
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 0);
        jute_put_connect_request(&w, &q);
        jute_patch_int(&w, 0, (int32_t)w.len - 4);
        desk_bytes(d, conn, w.data, w.len);
        jute_writer_done(&w);
}

conn_id desk_open(struct desk *d)
{
        conn_id conn = desk_accept(d, "10.0.0.1");
        desk_connect(d, conn, 0, 0);
        desk_commit(d, SIZE_MAX);
        assert_string_equal(desk_take(d, conn), "open");
        return conn;
}

void desk_hang_up(struct desk *d, conn_id conn)
{
        desk_conn(d, conn)->closed = true;
        assert_true(clients_closed(d->clients, begin(d, EVENT_CONN_CLOSED, conn), &d->fx));
        finish(d);
}

void desk_tick(struct desk *d, uint64_t ms)
{
        d->now_ms += ms;
        (void)begin(d, EVENT_TICK, 0);
        clients_tick(d->clients, d->now_ms, &d->fx);
        finish(d);
}

void desk_sent(struct desk *d, conn_id conn)
{
        struct desk_conn *c = desk_conn(d, conn);
        assert_true(c->notify);
        c->notify = false;
        assert_true(clients_sent(d->clients, begin(d, EVENT_CONN_SENT, conn), &d->fx));
        finish(d);
}

int64_t desk_session(struct desk *d, conn_id conn)
{
        const struct client *k = map_get(&d->clients->by_conn, conn);
        assert_non_null(k);
        return k->session;
}

/* ---- what came out ---- */

static void say(struct desk *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct desk *d, const char *format, ...)
{
        size_t len = strlen(d->text);
        va_list ap;
        if (len)
                d->text[len++] = ' ';
        va_start(ap, format);
        int n = vsnprintf(d->text + len, sizeof d->text - len, format, ap);
        va_end(ap);
        assert_true(n >= 0 && (size_t)n < sizeof d->text - len);
}

static void say_frame(struct desk *d, struct desk_conn *c, struct jute_reader *r)
{
        if (!c->answered) {
                struct jute_connect_response reply;
                jute_get_connect_response(r, &reply);
                assert_int_equal(reply.passwd.len, 16);
                say(d, reply.timeout > 0 ? "open" : "refused");
                c->answered = true;
                return;
        }
        struct jute_reply_header h;
        jute_get_reply_header(r, &h);
        assert_int_equal(r->error, 0);
        if (h.xid == -1) {
                struct jute_watcher_event event;
                jute_get_watcher_event(r, &event);
                c->event_zxid = h.zxid;
                say(d, "!%" PRId32 " %.*s", event.type, event.path.len, (const char *)event.path.data);
                return;
        }
        say(d, "%" PRId32 ":%" PRId32, h.xid, h.err);
        if (h.zxid <= 0)
                return;
        assert_true(h.zxid >= c->zxid); /* safety: S7 */
        c->zxid = h.zxid;
}

const char *desk_take(struct desk *d, conn_id conn)
{
        struct desk_conn *c = desk_conn(d, conn);
        struct jute_reader all;
        d->text[0] = 0;
        jute_reader_init(&all, c->out, c->out_len, INT32_MAX);
        while (jute_left(&all)) {
                int32_t len = jute_get_int(&all);
                const uint8_t *data = jute_get_raw(&all, (size_t)len);
                struct jute_reader r;
                assert_int_equal(all.error, 0);
                jute_reader_init(&r, data, (size_t)len, INT32_MAX);
                say_frame(d, c, &r);
        }
        c->out_len = 0;
        if (c->closed)
                say(d, c->flushed ? "flushed" : "closed");
        return d->text;
}

/* ---- requests ---- */

void desk_begin(struct desk *d)
{
        jute_writer_reset(&d->frame);
}

void desk_add(struct desk *d, int32_t xid, int32_t opcode, const struct jute_writer *body)
{
        struct jute_request_header h = {.xid = xid, .type = opcode};
        jute_put_int(&d->frame, (int32_t)(8 + (body ? body->len : 0)));
        jute_put_request_header(&d->frame, &h);
        if (body)
                jute_put_raw(&d->frame, body->data, body->len);
}

void desk_add_path(struct desk *d, int32_t xid, int32_t opcode, const char *path, int32_t number)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, path);
        if (opcode == OP_DELETE || opcode == OP_ADD_WATCH || opcode == OP_CHECK_WATCHES || opcode == OP_REMOVE_WATCHES)
                jute_put_int(&w, number);
        else if (opcode != OP_SYNC && opcode != OP_GET_ACL)
                jute_put_bool(&w, number != 0);
        desk_add(d, xid, opcode, &w);
        jute_writer_done(&w);
}

/* `data_len` bytes of data. */
static void put_data(struct jute_writer *w, size_t data_len)
{
        uint8_t *data = mem_zalloc(data_len);
        jute_put_str(w, jute_str_of(data, data_len));
        mem_free(data);
}

void desk_add_create(struct desk *d, int32_t xid, const char *path, size_t data_len, int32_t flags)
{
        struct jute_acl open = {.perms = 31, .id = {.scheme = jute_cstr("world"), .id = jute_cstr("anyone")}};
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, path);
        put_data(&w, data_len);
        jute_put_int(&w, 1);
        jute_put_acl(&w, &open);
        jute_put_int(&w, flags);
        desk_add(d, xid, OP_CREATE, &w);
        jute_writer_done(&w);
}

void desk_add_set(struct desk *d, int32_t xid, const char *path, size_t data_len)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, path);
        put_data(&w, data_len);
        jute_put_int(&w, -1);
        desk_add(d, xid, OP_SET_DATA, &w);
        jute_writer_done(&w);
}

void desk_put(struct desk *d, conn_id conn)
{
        desk_bytes(d, conn, d->frame.data, d->frame.len);
}

void desk_path(struct desk *d, conn_id conn, int32_t xid, int32_t opcode, const char *path, int32_t number)
{
        desk_begin(d);
        desk_add_path(d, xid, opcode, path, number);
        desk_put(d, conn);
}

void desk_create(struct desk *d, conn_id conn, int32_t xid, const char *path)
{
        desk_begin(d);
        desk_add_create(d, xid, path, 1, 0);
        desk_put(d, conn);
}

void desk_bare(struct desk *d, conn_id conn, int32_t xid, int32_t opcode)
{
        desk_begin(d);
        desk_add(d, xid, opcode, NULL);
        desk_put(d, conn);
}

/* ---- the ensemble ---- */

void desk_commit(struct desk *d, size_t count)
{
        for (; count > 0 && d->first < d->end; count--) {
                const struct desk_txn t = d->queue[d->first++]; /* the queue may grow meanwhile */
                (void)begin(d, EVENT_DISK_DONE, 0);
                assert_int_equal(database_apply(d->db, t.payload, t.len, &d->outcome), 0);
                prep_applied(d->prep, t.zxid);
                if (d->outcome.header.type == OP_CLOSE_SESSION)
                        session_clock_remove(d->clock, d->outcome.header.session_id);
                clients_applied(d->clients, &d->event, &d->outcome, &d->fx);
                finish(d);
                mem_free(t.payload);
        }
}

void desk_lose(struct desk *d)
{
        assert_true(d->first < d->end);
        mem_free(d->queue[d->first++].payload);
}

void desk_foreign(struct desk *d, int64_t session, int32_t cxid, int32_t opcode, const struct jute_writer *body)
{
        const struct prep_request r = {.session = session,
                                       .cxid = cxid,
                                       .opcode = opcode,
                                       .body = jute_str_of(body ? body->data : NULL, body ? body->len : 0),
                                       .ids = {.count = -1},
                                       .from_sid = DESK_SID};
        (void)propose(d, &r);
}

void desk_foreign_error(struct desk *d, int64_t session, int32_t cxid, int32_t err)
{
        const struct jute_txn_header header = {
                .session_id = session, .cxid = cxid, .zxid = ++d->zxid, .time = 1, .type = OP_ERROR};
        jute_writer_reset(&d->txn);
        jute_put_txn_header(&d->txn, &header);
        jute_put_int(&d->txn, err);
        d->queue = mem_grow(d->queue, &d->capacity, d->end + 1, sizeof *d->queue);
        d->queue[d->end++] = (struct desk_txn){.payload = mem_dup(d->txn.data, d->txn.len),
                                               .len = d->txn.len,
                                               .zxid = header.zxid,
                                               .session = session,
                                               .cxid = cxid,
                                               .opcode = OP_ERROR};
}

void desk_close_session(struct desk *d, int64_t session)
{
        desk_foreign(d, session, 0, OP_CLOSE_SESSION, NULL);
}

void desk_sync_done(struct desk *d)
{
        assert_true(d->syncs > 0);
        d->syncs--;
        (void)begin(d, EVENT_CONN_BYTES, 1);
        clients_sync_done(d->clients, &d->event, &d->fx);
        finish(d);
}

void desk_revalidated(struct desk *d, int64_t session, bool valid)
{
        assert_true(d->resumes > 0);
        d->resumes--;
        memmove(d->asked, d->asked + 1, d->resumes * sizeof *d->asked);
        (void)begin(d, EVENT_CONN_BYTES, 1);
        clients_revalidated(d->clients, &d->event, session, valid, &d->fx);
        finish(d);
}

void desk_revalidate(struct desk *d)
{
        int64_t session = d->asked[0];
        desk_revalidated(d, session, session_clock_touch(d->clock, d->now_ms, session, 10000));
}

/* ---- epochs ---- */

static void clock_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        struct desk *d = ctx;
        session_clock_add(d->clock, d->now_ms, id, timeout_ms, SESSION_NO_OWNER);
}

static void lead(struct desk *d, int64_t zxid)
{
        d->zxid = zxid;
        database_set_zxid(d->db, zxid);
        d->clock = session_clock_new(DESK_TICK_MS);
        session_table_each(database_sessions(d->db), clock_session, d);
        d->prep = prep_new(d->db, d->clock, server_item_max(&d->config), (size_t)d->config.max_buffer);
        clients_serve(d->clients, zxid);
}

void desk_new_epoch(struct desk *d)
{
        (void)begin(d, EVENT_TICK, 0);
        clients_mute(d->clients);
        clients_end(d->clients, &d->fx);
        finish(d);
        while (d->first < d->end)
                desk_lose(d);
        d->syncs = 0;
        d->resumes = 0;
        prep_free(d->prep);
        session_clock_free(d->clock);
        lead(d, ((d->zxid >> 32) + 1) << 32);
}
