#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/client/script.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LABELS_MAX 64

/* A callback's context: whose, and called what. */
struct label {
        struct script *script;
        const char *text;
};

static struct label labels[LABELS_MAX];
static size_t label_count;

static void note(struct script *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct script *s, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        int n = vsnprintf(s->log + s->log_len, sizeof s->log - s->log_len, format, ap);
        va_end(ap);
        assert_true(n >= 0 && (size_t)n < sizeof s->log - s->log_len);
        s->log_len += (size_t)n;
}

static void note_str(struct script *s, const char *name, struct jute_str v)
{
        if (v.len >= 0)
                note(s, " %s=%.*s", name, v.len, (const char *)v.data);
}

/* ---- what the client sends ---- */

static const char *op_name(int32_t op)
{
        switch (op) {
        case OP_CREATE:
                return "create";
        case OP_CREATE2:
                return "create2";
        case OP_DELETE:
                return "delete";
        case OP_EXISTS:
                return "exists";
        case OP_GET_DATA:
                return "get";
        case OP_SET_DATA:
                return "set";
        case OP_CHECK:
                return "check";
        case OP_GET_ACL:
                return "getACL";
        case OP_GET_CHILDREN:
                return "children";
        case OP_GET_CHILDREN2:
                return "children2";
        case OP_SYNC:
                return "sync";
        case OP_MULTI:
                return "multi";
        case OP_MULTI_READ:
                return "multiRead";
        case OP_SET_ACL:
                return "setACL";
        case OP_CREATE_CONTAINER:
                return "createContainer";
        case OP_CREATE_TTL:
                return "createTTL";
        case OP_GET_EPHEMERALS:
                return "getEphemerals";
        case OP_GET_ALL_CHILDREN_NUMBER:
                return "getAllChildrenNumber";
        case OP_WHO_AM_I:
                return "whoAmI";
        case OP_ADD_WATCH:
                return "addWatch";
        case OP_REMOVE_WATCHES:
                return "removeWatches";
        case OP_CHECK_WATCHES:
                return "checkWatches";
        case OP_CLOSE_SESSION:
                return "closeSession";
        default:
                return "?";
        }
}

static void note_vec(struct script *s, const char *name, struct jute_vec v)
{
        struct jute_reader r = jute_vec_reader(&v);
        note(s, " %s[", name);
        for (int32_t i = 0; i < v.count; i++) {
                struct jute_str path = jute_get_str(&r);
                note(s, "%s%.*s", i ? " " : "", path.len, (const char *)path.data);
        }
        note(s, "]");
}

static void note_path(struct script *s, struct jute_str path)
{
        note(s, " %.*s", path.len, (const char *)path.data);
}

static void note_body(struct script *s, int32_t op, struct jute_reader *r)
{
        struct jute_create_request create;
        struct jute_set_data_request set;
        struct jute_path_version version;
        struct jute_path_watch watch;
        struct jute_path path;
        struct jute_create_ttl_request ttl;
        struct jute_set_acl_request acl;
        struct jute_path_type type;
        switch (op) {
        case OP_CREATE_TTL:
                jute_get_create_ttl_request(r, &ttl);
                note_path(s, ttl.path);
                note(s, " flags=%d acls=%d ttl=%" PRId64, ttl.flags, ttl.acl.count, ttl.ttl);
                note_str(s, "data", ttl.data);
                break;
        case OP_SET_ACL:
                jute_get_set_acl_request(r, &acl);
                note_path(s, acl.path);
                note(s, " version=%d acls=%d", acl.version, acl.acl.count);
                break;
        case OP_ADD_WATCH:
        case OP_REMOVE_WATCHES:
        case OP_CHECK_WATCHES:
                jute_get_path_type(r, &type);
                note_path(s, type.path);
                note(s, " %d", type.type);
                break;
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
                jute_get_create_request(r, &create);
                note_path(s, create.path);
                note(s, " flags=%d acls=%d", create.flags, create.acl.count);
                note_str(s, "data", create.data);
                break;
        case OP_SET_DATA:
                jute_get_set_data_request(r, &set);
                note_path(s, set.path);
                note(s, " version=%d", set.version);
                note_str(s, "data", set.data);
                break;
        case OP_DELETE:
        case OP_CHECK:
                jute_get_path_version(r, &version);
                note_path(s, version.path);
                note(s, " version=%d", version.version);
                break;
        case OP_EXISTS:
        case OP_GET_DATA:
        case OP_GET_CHILDREN:
        case OP_GET_CHILDREN2:
                jute_get_path_watch(r, &watch);
                note_path(s, watch.path);
                note(s, "%s", watch.watch ? " watch" : "");
                break;
        case OP_GET_ACL:
        case OP_SYNC:
        case OP_GET_EPHEMERALS:
        case OP_GET_ALL_CHILDREN_NUMBER:
                jute_get_path(r, &path);
                note_path(s, path.path);
                break;
        default:
                break;
        }
}

static void note_multi(struct script *s, struct jute_reader *r)
{
        struct jute_multi_header h;
        for (jute_get_multi_header(r, &h); !h.done && !r->error; jute_get_multi_header(r, &h)) {
                note(s, " (%s", op_name(h.type));
                note_body(s, h.type, r);
                note(s, ")");
        }
}

static void note_set_watches(struct script *s, conn_id conn, struct jute_reader *r)
{
        struct jute_set_watches watches;
        jute_get_set_watches(r, &watches);
        note(s, "%" PRIu64 " < setWatches zxid=0x%" PRIx64, conn, (uint64_t)watches.relative_zxid);
        note_vec(s, "data", watches.data);
        note_vec(s, "exist", watches.exist);
        note_vec(s, "child", watches.child);
        note(s, "\n");
}

static void note_set_watches2(struct script *s, conn_id conn, struct jute_reader *r)
{
        struct jute_set_watches2 watches;
        jute_get_set_watches2(r, &watches);
        note(s, "%" PRIu64 " < setWatches2 zxid=0x%" PRIx64, conn, (uint64_t)watches.relative_zxid);
        note_vec(s, "data", watches.data);
        note_vec(s, "exist", watches.exist);
        note_vec(s, "child", watches.child);
        note_vec(s, "persistent", watches.persistent);
        note_vec(s, "recursive", watches.recursive);
        note(s, "\n");
}

static void note_auth(struct script *s, conn_id conn, struct jute_reader *r)
{
        struct jute_auth_packet auth;
        jute_get_auth_packet(r, &auth);
        assert_int_equal(auth.type, 0);
        note(s, "%" PRIu64 " < auth", conn);
        note_str(s, "scheme", auth.scheme);
        note_str(s, "auth", auth.auth);
        note(s, "\n");
}

static void note_request(struct script *s, conn_id conn, struct jute_reader *r)
{
        struct jute_request_header h;
        jute_get_request_header(r, &h);
        if (h.xid == CLIENT_XID_PING) {
                assert_int_equal(h.type, OP_PING);
                note(s, "%" PRIu64 " < ping\n", conn);
        } else if (h.xid == CLIENT_XID_AUTH) {
                assert_int_equal(h.type, OP_AUTH);
                note_auth(s, conn, r);
        } else if (h.xid == CLIENT_XID_SET_WATCHES && h.type == OP_SET_WATCHES2) {
                note_set_watches2(s, conn, r);
        } else if (h.xid == CLIENT_XID_SET_WATCHES) {
                assert_int_equal(h.type, OP_SET_WATCHES);
                note_set_watches(s, conn, r);
        } else {
                s->sent++;
                s->last_xid = h.xid;
                if (s->quiet)
                        return;
                note(s, "%" PRIu64 " < %d %s", conn, h.xid, op_name(h.type));
                if (h.type == OP_MULTI || h.type == OP_MULTI_READ)
                        note_multi(s, r);
                else
                        note_body(s, h.type, r);
                note(s, "\n");
        }
        assert_int_equal(r->error, 0);
        assert_int_equal(jute_left(r), 0);
}

static void note_send(struct script *s, conn_id conn, const struct blob *b)
{
        struct jute_reader r;
        struct jute_connect_request q;
        jute_reader_init(&r, b->data, b->len, INT32_MAX);
        assert_int_equal(jute_get_int(&r), b->len - 4); /* one blob is one frame */
        if (s->c->phase != PHASE_HANDSHAKE) {
                note_request(s, conn, &r);
                return;
        }
        jute_get_connect_request(&r, &q);
        assert_int_equal(r.error, 0);
        assert_int_equal(jute_left(&r), 0);
        assert_int_equal(q.passwd.len, 16);
        note(s, "%" PRIu64 " < connect session=0x%" PRIx64 " zxid=0x%" PRIx64 " timeout=%d passwd=%02x%s\n", conn,
             (uint64_t)q.session_id, (uint64_t)q.last_zxid_seen, q.timeout, q.passwd.data[0],
             q.read_only ? " read-only" : "");
}

static void take_effects(struct script *s)
{
        for (size_t i = 0; i < s->fx.count; i++) {
                const struct effect *e = &s->fx.list[i];
                if (e->type == EFFECT_DIAL) {
                        assert_int_equal(e->peer.kind, PORT_CLIENT);
                        assert_int_equal(e->conn % 2, 1);
                        note(s, "dial %" PRIu64 "\n", e->conn);
                } else if (e->type == EFFECT_SEND) {
                        note_send(s, e->conn, e->send.blob);
                } else {
                        assert_int_equal(e->type, EFFECT_CLOSE);
                        note(s, "close %" PRIu64 "\n", e->conn);
                }
        }
        effects_reset(&s->fx);
        client__watch_check(s->c);
}

/* ---- what the client tells ---- */

static void on_state(void *ctx, enum client_state state, int status, const char *why)
{
        struct script *s = ctx;
        bool failed = state == CLIENT_SUSPENDED || state == CLIENT_EXPIRED || state == CLIENT_CLOSED;
        assert_int_equal(client_state(s->c), state);
        assert_int_equal(why[0] != 0, failed);
        note(s, "%s", client_state_name(state));
        if (status)
                note(s, " %d", status);
        note(s, "\n");
        if (s->on_state)
                s->on_state(s, state);
}

static void note_ops(struct script *s, const struct client_result *r)
{
        for (size_t i = 0; i < r->op_count; i++) {
                note(s, " (%d", r->ops[i].error);
                note_str(s, "path", r->ops[i].path);
                note_str(s, "data", r->ops[i].data);
                if (r->ops[i].children.count >= 0)
                        note_vec(s, "children", r->ops[i].children);
                if (r->ops[i].has_stat)
                        note(s, " mzxid=0x%" PRIx64, (uint64_t)r->ops[i].stat.mzxid);
                note(s, ")");
        }
}

static void note_who(struct script *s, struct jute_vec who)
{
        struct jute_reader r = jute_vec_reader(&who);
        for (int32_t i = 0; i < who.count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                note(s, " %.*s:%.*s", id.scheme.len, (const char *)id.scheme.data, id.id.len, (const char *)id.id.data);
        }
}

static void note_result(struct script *s, const char *label, const struct client_result *r)
{
        static const char *const outcomes[] = {"answered", "unknown", "not sent"};
        note(s, "%s: %s %d", label, outcomes[r->outcome], r->error);
        if (r->outcome == CLIENT_ANSWERED)
                note(s, " zxid=0x%" PRIx64, (uint64_t)r->zxid);
        note_str(s, "path", r->path);
        note_str(s, "data", r->data);
        if (r->children.count >= 0)
                note_vec(s, "children", r->children);
        if (r->acl.count >= 0)
                note(s, " acls=%d", r->acl.count);
        if (r->number)
                note(s, " number=%d", r->number);
        note_who(s, r->who);
        if (r->has_stat)
                note(s, " mzxid=0x%" PRIx64, (uint64_t)r->stat.mzxid);
        if (r->watching)
                note(s, " watching");
        note_ops(s, r);
        note(s, "\n");
}

static void on_done(void *ctx, const struct client_result *r)
{
        const struct label *l = ctx;
        struct script *s = l->script;
        s->answered += r->outcome == CLIENT_ANSWERED;
        s->unknown += r->outcome == CLIENT_UNKNOWN;
        s->not_sent += r->outcome == CLIENT_NOT_SENT;
        if (!s->quiet)
                note_result(s, l->text, r);
        if (s->on_done)
                s->on_done(s, l->text, r);
}

static void on_watch(void *ctx, enum client_event event, const char *path)
{
        const struct label *l = ctx;
        if (!l->script->quiet)
                note(l->script, "%s: event %d %s\n", l->text, event, path);
        if (l->script->on_watch)
                l->script->on_watch(l->script, l->text, event);
}

static struct label *label_of(struct script *s, const char *text)
{
        for (size_t i = 0; i < label_count; i++)
                if (labels[i].script == s && strcmp(labels[i].text, text) == 0)
                        return &labels[i];
        assert_true(label_count < LABELS_MAX);
        labels[label_count] = (struct label){s, text};
        return &labels[label_count++];
}

struct client_call script_call(struct script *s, const char *label)
{
        return (struct client_call){.done = on_done, .ctx = label_of(s, label)};
}

struct client_call script_watch(struct script *s, const char *label)
{
        struct client_call call = script_call(s, label);
        call.watch = on_watch;
        call.watch_ctx = call.ctx;
        return call;
}

/* ---- life ---- */

struct client_config *script_config(size_t servers)
{
        static struct client_server list[CLIENT_SERVERS_MAX];
        static struct client_config config;
        for (size_t i = 0; i < servers; i++) {
                (void)snprintf(list[i].host, sizeof list[i].host, "s%zu", i + 1);
                list[i].port = 2181;
        }
        config = (struct client_config){
                .servers = list, .server_count = servers, .session_timeout_ms = SCRIPT_TIMEOUT_MS, .seed = 1};
        return &config;
}

struct script *script_new(const struct client_config *config)
{
        struct script *s = mem_zalloc(sizeof *s);
        struct client_config mine = *config;
        mine.on_state = on_state;
        mine.ctx = s;
        effects_init(&s->fx);
        s->now = 1000;
        label_count = 0;
        assert_int_equal(client_new(&mine, &s->c), 0);
        return s;
}

struct script *script_connected_with(const struct client_config *config)
{
        struct script *s = script_new(config);
        script_start(s);
        script_accept(s, SCRIPT_SESSION);
        assert_true(client_is_connected(s->c));
        script_forget(s);
        return s;
}

struct script *script_connected(void)
{
        return script_connected_with(script_config(3));
}

void script_free(struct script *s)
{
        client_free(s->c);
        effects_done(&s->fx);
        mem_free(s);
}

void script_forget(struct script *s)
{
        s->log_len = 0;
        s->log[0] = 0;
}

void script_expect(struct script *s, const char *text)
{
        assert_string_equal(s->log, text);
        script_forget(s);
}

/* ---- events ---- */

void script_start(struct script *s)
{
        client_start(s->c, s->now, &s->fx);
        take_effects(s);
}

void script_flush(struct script *s)
{
        client_flush(s->c, s->now, &s->fx);
        take_effects(s);
}

void script_run(struct script *s, uint64_t ms)
{
        uint64_t end = s->now + ms;
        for (uint64_t due = client_deadline(s->c); due <= end; due = client_deadline(s->c)) {
                if (due > s->now)
                        s->now = due;
                client_tick(s->c, s->now, &s->fx);
                take_effects(s);
                assert_true(client_deadline(s->c) > s->now); /* else it would spin */
        }
        s->now = end;
}

void script_dialled(struct script *s, int status)
{
        client_conn_dialled(s->c, s->now, client_conn(s->c), status, &s->fx);
        take_effects(s);
}

void script_accept(struct script *s, int64_t session)
{
        script_dialled(s, 0);
        script_handshake(s, session, SCRIPT_TIMEOUT_MS);
}

void script_closed(struct script *s, int status)
{
        client_conn_closed(s->c, s->now, client_conn(s->c), status, &s->fx);
        take_effects(s);
}

void script_bytes(struct script *s, const void *data, size_t len)
{
        client_conn_bytes(s->c, s->now, client_conn(s->c), data, len, &s->fx);
        take_effects(s);
}

void script_frame(struct script *s, const struct jute_writer *payload)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, (int32_t)payload->len);
        jute_put_raw(&w, payload->data, payload->len);
        script_bytes(s, w.data, w.len);
        jute_writer_done(&w);
}

void script_handshake(struct script *s, int64_t session, int32_t timeout_ms)
{
        static const uint8_t passwd[16] = {0xab};
        struct jute_writer w;
        struct jute_connect_response r = {.timeout = timeout_ms,
                                          .session_id = session,
                                          .passwd = jute_str_of(passwd, sizeof passwd),
                                          .has_read_only = true};
        jute_writer_init(&w, SIZE_MAX);
        jute_put_connect_response(&w, &r);
        script_frame(s, &w);
        jute_writer_done(&w);
}

void script_reply(struct script *s, int32_t xid, int64_t zxid, int32_t err, const struct jute_writer *body)
{
        struct jute_writer w;
        struct jute_reply_header h = {.xid = xid, .zxid = zxid, .err = err};
        jute_writer_init(&w, SIZE_MAX);
        jute_put_reply_header(&w, &h);
        if (body)
                jute_put_raw(&w, body->data, body->len);
        script_frame(s, &w);
        jute_writer_done(&w);
}

void script_event(struct script *s, int32_t type, const char *path)
{
        struct jute_writer w;
        struct jute_watcher_event e = {.type = type, .state = 3, .path = jute_cstr(path)};
        jute_writer_init(&w, SIZE_MAX);
        jute_put_watcher_event(&w, &e);
        script_reply(s, CLIENT_XID_NOTIFICATION, -1, 0, &w);
        jute_writer_done(&w);
}

struct jute_stat script_stat(int64_t mzxid)
{
        return (struct jute_stat){.czxid = 1, .mzxid = mzxid, .pzxid = mzxid, .version = 3};
}
