/* See audit.h. */
#include "election/server/audit.h"

#include "election/server/prep_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- one entry ---- */

struct entry {
        char text[EFFECT_TEXT_MAX * 2];
        size_t len;
};

static_assert(AUDIT_ZNODE_MAX + AUDIT_ACL_MAX + AUDIT_USER_MAX + 256 < EFFECT_TEXT_MAX * 2,
              "an entry has room for all its values");

static void put_raw(struct entry *e, const char *text)
{
        e->len += (size_t)snprintf(e->text + e->len, sizeof e->text - e->len, "%s", text);
        assert(e->len < sizeof e->text);
}

static void put_key(struct entry *e, const char *key)
{
        if (e->len)
                put_raw(e, " ");
        put_raw(e, key);
        put_raw(e, "=");
}

static void put(struct entry *e, const char *key, const char *value)
{
        put_key(e, key);
        put_raw(e, value);
}

static void put_number(struct entry *e, const char *key, size_t number)
{
        char text[24];
        (void)snprintf(text, sizeof text, "%zu", number);
        put(e, key, text);
}

/* A value in the making: what it may still take. */
struct value {
        struct entry *e;
        size_t left;
        bool cut;
};

/* Appends foreign text. A character of `also` is escaped too. */
static void value_put(struct value *v, struct jute_str s, char also)
{
        for (int32_t i = 0; i < s.len && !v->cut; i++) {
                const uint8_t c = s.data[i];
                char one[5] = {(char)c};
                if (c <= 0x20 || c >= 0x7f || c == '\\' || (also && c == (uint8_t)also))
                        (void)snprintf(one, sizeof one, "\\x%02x", c);
                v->cut = strlen(one) > v->left;
                if (v->cut)
                        break;
                v->left -= strlen(one);
                put_raw(v->e, one);
        }
}

static struct value value_begin(struct entry *e, const char *key, size_t max)
{
        put_key(e, key);
        return (struct value){.e = e, .left = max};
}

static void value_end(const struct value *v)
{
        if (v->cut)
                put_raw(v->e, "...");
}

static void put_text(struct entry *e, const char *key, size_t max, struct jute_str s)
{
        struct value v = value_begin(e, key, max);
        value_put(&v, s, 0);
        value_end(&v);
}

/* Its users, of whom each identity has one, as whoAmI names them; and the address among them. */
static void put_who(struct entry *e, int64_t session, const struct blob *ids)
{
        struct jute_vec all = client__ids(ids);
        struct jute_reader r = jute_vec_reader(&all);
        struct jute_str ip = {.len = -1};
        char text[32];
        (void)snprintf(text, sizeof text, "0x%" PRIx64, (uint64_t)session);
        put(e, "session", text);
        struct value v = value_begin(e, "user", AUDIT_USER_MAX);
        for (int32_t i = 0; i < all.count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                if (i)
                        value_put(&v, jute_cstr(","), 0);
                value_put(&v, client__user_of(&id), ',');
                if (jute_str_is(id.scheme, "ip"))
                        ip = id.id;
        }
        value_end(&v);
        put_text(e, "ip", ACL_IP_TEXT_MAX, ip);
}

/* ZooKeeper's way to write a list, with commas; of a digest the user alone. */
static void put_acl(struct entry *e, struct jute_vec acl)
{
        static const struct {
                int32_t bit;
                char letter[2];
        } letters[] = {{ACL_CREATE, "c"}, {ACL_DELETE, "d"}, {ACL_READ, "r"}, {ACL_WRITE, "w"}, {ACL_ADMIN, "a"}};
        struct jute_reader r = jute_vec_reader(&acl);
        struct value v = value_begin(e, "acl", AUDIT_ACL_MAX);
        for (int32_t i = 0; i < acl.count && !v.cut; i++) {
                struct jute_acl entry;
                jute_get_acl(&r, &entry);
                if (i)
                        value_put(&v, jute_cstr(","), 0);
                value_put(&v, entry.id.scheme, ',');
                value_put(&v, jute_cstr(":"), 0);
                value_put(&v, client__user_of(&entry.id), ',');
                value_put(&v, jute_cstr(":"), 0);
                for (size_t k = 0; k < sizeof letters / sizeof *letters; k++)
                        if (entry.perms & letters[k].bit)
                                value_put(&v, jute_cstr(letters[k].letter), 0);
        }
        value_end(&v);
}

static void finish(struct entry *e, int32_t err, struct effects *fx)
{
        char text[16];
        put(e, "result", err ? "failure" : "success");
        if (err) {
                (void)snprintf(text, sizeof text, "%" PRId32, err);
                put(e, "error", text);
        }
        effect_audit(fx, err != 0, e->text);
}

/* ---- writes ---- */

static const char *operation_of(int32_t opcode)
{
        switch (opcode) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                return "create";
        case OP_DELETE:
        case OP_DELETE_CONTAINER:
                return "delete";
        case OP_SET_DATA:
                return "setData";
        case OP_SET_ACL:
                return "setAcl";
        case OP_RECONFIG:
                return "reconfig";
        case OP_MULTI:
                return "multiOperation";
        default:
                return NULL;
        }
}

static const char *kind_of(const struct prep_op *op)
{
        static const char *const kinds[] = {
                [CREATE_PERSISTENT] = "persistent",
                [CREATE_EPHEMERAL] = "ephemeral",
                [CREATE_SEQUENTIAL] = "persistent_sequential",
                [CREATE_EPHEMERAL_SEQUENTIAL] = "ephemeral_sequential",
                [CREATE_FLAG_CONTAINER] = "container",
                [CREATE_FLAG_TTL] = "persistent_with_ttl",
                [CREATE_FLAG_TTL_SEQUENTIAL] = "persistent_sequential_with_ttl",
        };
        return prep__flags_ok(op->flags) ? kinds[op->flags] : "unknown";
}

/* What was asked for; `path` is where it came to be, or null. */
static void put_operation(struct entry *e, const struct prep_op *op, struct jute_str path)
{
        put(e, "operation", operation_of(op->opcode));
        if (path.len < 0)
                path = op->path;
        if (path.len >= 0)
                put_text(e, "znode", AUDIT_ZNODE_MAX, path);
        if (prep__is_create(op->opcode))
                put(e, "znode_type", kind_of(op));
        if (op->opcode == OP_SET_ACL)
                put_acl(e, op->acl);
}

static void audit_one(const struct client_request *q, const struct outcome *o, const struct prep_op *op,
                      struct effects *fx)
{
        const struct jute_str none = {.len = -1};
        struct entry e = {.len = 0};
        put_who(&e, o->header.session_id, q->ids);
        put_operation(&e, op, !o->err && o->op_count ? o->ops[0].path : none);
        finish(&e, o->err, fx);
}

/* The error of the operation that failed, and which that is. */
static int32_t multi_error(const struct outcome *o, size_t *ret_index)
{
        for (size_t i = 0; i < o->op_count; i++) {
                *ret_index = i;
                if (o->ops[i].err && o->ops[i].err != ZK_RUNTIME_INCONSISTENCY)
                        return o->ops[i].err;
        }
        return o->err;
}

/* What belongs to no single change: `more` of them that have no entry of their own, or the path that failed. */
static void audit_multi_itself(const struct client_request *q, const struct outcome *o, struct jute_str path,
                               size_t more, int32_t err, struct effects *fx)
{
        struct entry e = {.len = 0};
        put_who(&e, o->header.session_id, q->ids);
        put(&e, "operation", operation_of(OP_MULTI));
        if (path.len >= 0)
                put_text(&e, "znode", AUDIT_ZNODE_MAX, path);
        if (more)
                put_number(&e, "more", more);
        finish(&e, err, fx);
}

/* One entry for each change where all went well, up to a limit; else one for all, with the path of what failed. */
static void audit_multi(const struct clients *c, const struct client_request *q, const struct outcome *o,
                        struct effects *fx)
{
        size_t failed = 0, told = 0, count = o->header.type == OP_MULTI ? o->op_count : 0;
        const int32_t err = multi_error(o, &failed);
        struct jute_reader r = prep__reader(jute_str_of(q->body, q->body_len), c->item_max);
        struct jute_str path = {.len = -1};
        for (size_t i = 0; i < count; i++) {
                struct jute_multi_header h;
                struct prep_op op;
                jute_get_multi_header(&r, &h);
                if (!prep__decode(&r, h.type, &op))
                        break;
                if (err && i == failed)
                        path = op.path;
                if (err || op.opcode == OP_CHECK || told++ >= AUDIT_OPERATIONS_MAX)
                        continue;
                struct entry e = {.len = 0};
                put_who(&e, o->header.session_id, q->ids);
                put_operation(&e, &op, o->ops[i].path);
                finish(&e, ZK_OK, fx);
        }
        if (err || told > AUDIT_OPERATIONS_MAX)
                audit_multi_itself(q, o, path, err ? 0 : told - AUDIT_OPERATIONS_MAX, err, fx);
}

void audit_write(const struct clients *c, const struct client_request *q, const struct outcome *o, struct effects *fx)
{
        struct prep_op op = {.opcode = q->opcode, .path = {.len = -1}};
        struct jute_reader r = prep__reader(jute_str_of(q->body, q->body_len), c->item_max);
        if (!c->config->audit || !operation_of(q->opcode))
                return;
        if (q->opcode == OP_MULTI)
                audit_multi(c, q, o, fx);
        else if (q->opcode == OP_RECONFIG || prep__decode(&r, q->opcode, &op))
                audit_one(q, o, &op, fx);
}

/* ---- the rest ---- */

void audit_auth(const struct client *k, struct jute_str scheme, int32_t err, struct effects *fx)
{
        struct entry e = {.len = 0};
        if (!k->all->config->audit)
                return;
        put_who(&e, k->session, k->ids);
        put(&e, "operation", "auth");
        if (scheme.len >= 0)
                put_text(&e, "scheme", sizeof "scheme" * 4, scheme);
        finish(&e, err, fx);
}

void audit_session_end(const struct outcome *o, struct effects *fx)
{
        size_t gone = 0;
        char text[32];
        for (size_t i = 0; i < o->event_count; i++) {
                if (o->events[i].type != EVENT_NODE_DELETED || gone++ >= AUDIT_EPHEMERALS_MAX)
                        continue;
                struct entry e = {.len = 0};
                (void)snprintf(text, sizeof text, "0x%" PRIx64, (uint64_t)o->header.session_id);
                put(&e, "session", text);
                put(&e, "operation", "ephemeralZNodeDeletionOnSessionCloseOrExpire");
                put_text(&e, "znode", AUDIT_ZNODE_MAX, o->events[i].path);
                finish(&e, ZK_OK, fx);
        }
        if (gone <= AUDIT_EPHEMERALS_MAX)
                return;
        struct entry e = {.len = 0};
        (void)snprintf(text, sizeof text, "0x%" PRIx64, (uint64_t)o->header.session_id);
        put(&e, "session", text);
        put(&e, "operation", "ephemeralZNodeDeletionOnSessionCloseOrExpire");
        put_number(&e, "more", gone - AUDIT_EPHEMERALS_MAX);
        finish(&e, ZK_OK, fx);
}
