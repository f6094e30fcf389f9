/* Transactions, read and applied to the model. Written from storage-format.md 3, not from election/tree. */
#include "tests/sim/oracle/model_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- reading ---- */

struct cut {
        const uint8_t *at, *end;
        bool bad;
};

static const uint8_t *take(struct cut *c, size_t len)
{
        if (c->bad || (size_t)(c->end - c->at) < len) {
                c->bad = true;
                return NULL;
        }
        const uint8_t *p = c->at;
        c->at += len;
        return p;
}

static uint64_t take_number(struct cut *c, size_t size)
{
        const uint8_t *p = take(c, size);
        uint64_t v = 0;
        for (size_t i = 0; p && i < size; i++)
                v = v << 8 | p[i];
        return v;
}

static int32_t take_int(struct cut *c)
{
        return (int32_t)(uint32_t)take_number(c, 4);
}

static int64_t take_long(struct cut *c)
{
        return (int64_t)take_number(c, 8);
}

static struct model_bytes take_bytes(struct cut *c)
{
        struct model_bytes b = {.len = take_int(c)};
        if (b.len < -1)
                c->bad = true;
        if (b.len > 0)
                b.data = take(c, (size_t)b.len);
        return b;
}

/* vector<ACL>, count included. */
static struct model_bytes take_acl(struct cut *c)
{
        struct model_bytes b = {.data = c->at};
        int32_t count = take_int(c);
        for (int32_t i = 0; i < count && !c->bad; i++) {
                (void)take_int(c);
                (void)take_bytes(c);
                (void)take_bytes(c);
        }
        b.len = c->bad ? 0 : (int32_t)(c->at - b.data);
        return b;
}

/* One operation, read whole before anything is changed. */
struct op {
        int32_t type;
        struct model_bytes path, data, acl;
        int32_t number; /* create: the parent's count of creations; set, check: version; error: code */
        int64_t owner;
};

static void read_create(struct cut *c, int64_t session, struct op *ret)
{
        ret->path = take_bytes(c);
        ret->data = take_bytes(c);
        ret->acl = take_acl(c);
        if (ret->type == OP_CREATE || ret->type == OP_CREATE2)
                ret->owner = take_number(c, 1) ? session : 0;
        ret->number = take_int(c);
        if (ret->type == OP_CREATE_CONTAINER)
                ret->owner = INT64_MIN;
        if (ret->type == OP_CREATE_TTL)
                ret->owner = (int64_t)(UINT64_C(0xFF) << 56 | ((uint64_t)take_long(c) & ((UINT64_C(1) << 40) - 1)));
}

static void read_op(struct cut *c, int64_t session, struct op *ret)
{
        switch (ret->type) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                read_create(c, session, ret);
                break;
        case OP_DELETE:
        case OP_DELETE_CONTAINER:
                ret->path = take_bytes(c);
                break;
        case OP_SET_DATA:
                ret->path = take_bytes(c);
                ret->data = take_bytes(c);
                ret->number = take_int(c);
                break;
        case OP_SET_ACL:
                ret->path = take_bytes(c);
                ret->acl = take_acl(c);
                ret->number = take_int(c);
                break;
        case OP_CHECK:
                ret->path = take_bytes(c);
                ret->number = take_int(c);
                break;
        case OP_ERROR:
                ret->number = take_int(c);
                break;
        default:
                c->bad = true;
                break;
        }
        if (ret->path.len < 0)
                c->bad = true;
}

/* ---- applying ---- */

struct txn {
        struct model *m;
        int64_t session, zxid, time;
        int32_t type;
};

#define PATH(b) (int)(b).len, (const char *)(b).data

static int32_t next(int32_t v)
{
        return (int32_t)((uint32_t)v + 1);
}

static int64_t bytes_of(int32_t len)
{
        return len > 0 ? len : 0;
}

static void apply_create(const struct txn *t, const struct op *o)
{
        struct model *m = t->m;
        struct model_node *parent = model__parent(m, o->path.data, (size_t)o->path.len);
        if (!parent || model__find(m, o->path.data, (size_t)o->path.len)) {
                model__complain(m, "S10", "0x%" PRIx64 " creates %.*s, which %s", (uint64_t)t->zxid, PATH(o->path),
                                parent ? "is there already" : "has no parent");
                return;
        }
        if (model_owner_is_session(parent->owner))
                model__complain(m, "S10", "0x%" PRIx64 " creates %.*s below an ephemeral", (uint64_t)t->zxid,
                                PATH(o->path));
        if (o->number != next(parent->creations))
                model__complain(m, "S11", "0x%" PRIx64 " counts %d children made below %s, there were %d",
                                (uint64_t)t->zxid, o->number, parent->path, parent->creations);
        struct model_node *n = model__insert(m, o->path, o->data);
        n->czxid = n->mzxid = n->pzxid = t->zxid;
        n->ctime = n->mtime = t->time;
        n->owner = o->owner;
        model__set_acl(n, o->acl.data, (size_t)o->acl.len);
        model__changed(m, n);
        if (o->number > parent->creations) {
                parent->creations = o->number;
                parent->pzxid = t->zxid;
                model__changed(m, parent);
        }
        model__recount(m, n);
        model__charge(m, n->path, n->path_len, 1, bytes_of(o->data.len));
}

static void delete_node(const struct txn *t, struct model_node *n)
{
        struct model_node *parent = model__parent(t->m, n->path, n->path_len);
        model__charge(t->m, n->path, n->path_len, -1, -bytes_of(n->data_len));
        model__remove(t->m, n);
        if (t->zxid > parent->pzxid)
                parent->pzxid = t->zxid;
        model__changed(t->m, parent);
}

static void apply_delete(const struct txn *t, const struct op *o)
{
        struct model_node *n = model__find(t->m, o->path.data, (size_t)o->path.len);
        if (!n || n->children > 0 || n->path_len == 0) {
                model__complain(t->m, "S10", "0x%" PRIx64 " deletes %.*s, which %s", (uint64_t)t->zxid, PATH(o->path),
                                n ? "has children" : "is not there");
                return;
        }
        delete_node(t, n);
}

/* The low 40 bits of an owner that is no session, 0 of a container's. */
static int64_t ttl_of(int64_t owner)
{
        return owner & ((INT64_C(1) << 40) - 1);
}

/* The leader's own: what is empty and was a container in use, or has had its time by the wall clock of the leader that
 * deletes it. The lives have no patience with containers that were never used. */
static void apply_sweep(const struct txn *t, const struct op *o)
{
        struct model *m = t->m;
        const struct model_node *n = model__find(m, o->path.data, (size_t)o->path.len);
        if (t->session)
                model__complain(m, "S12", "0x%" PRIx64 " is a leader's deletion of session 0x%" PRIx64,
                                (uint64_t)t->zxid, (uint64_t)t->session);
        else if (n && (!n->owner || model_owner_is_session(n->owner)))
                model__complain(m, "S12", "0x%" PRIx64 " deletes %s, which is not the leader's to delete",
                                (uint64_t)t->zxid, n->path);
        else if (n && n->owner == INT64_MIN && !n->creations)
                model__complain(m, "S12", "0x%" PRIx64 " deletes the container %s, which was never used",
                                (uint64_t)t->zxid, n->path);
        else if (n && n->owner != INT64_MIN && t->time - n->mtime <= ttl_of(n->owner))
                model__complain(m, "S12",
                                "0x%" PRIx64 " deletes %s %" PRId64
                                " ms after it was written, its time to live is %" PRId64 " ms",
                                (uint64_t)t->zxid, n->path, t->time - n->mtime, ttl_of(n->owner));
        if (n) {
                m->swept = n->owner == INT64_MIN ? MODEL_CONTAINER_SWEPT : MODEL_TTL_SWEPT;
                m->swept_czxid = n->czxid;
        }
        apply_delete(t, o);
}

static void apply_set(const struct txn *t, const struct op *o)
{
        struct model *m = t->m;
        bool acl = o->type == OP_SET_ACL;
        struct model_node *n = model__find(m, o->path.data, (size_t)o->path.len);
        if (!n) {
                model__complain(m, "S10", "0x%" PRIx64 " sets %.*s, which is not there", (uint64_t)t->zxid,
                                PATH(o->path));
                return;
        }
        int32_t before = acl ? n->aversion : n->version;
        if (o->number != next(before))
                model__complain(m, "S11", "0x%" PRIx64 " gives %s version %d after %d", (uint64_t)t->zxid, n->path,
                                o->number, before);
        if (acl) {
                model__set_acl(n, o->acl.data, (size_t)o->acl.len);
                n->aversion = o->number;
        } else {
                model__charge(m, n->path, n->path_len, 0, bytes_of(o->data.len) - bytes_of(n->data_len));
                model__set_data(n, o->data);
                n->version = o->number;
                n->mzxid = t->zxid;
                n->mtime = t->time;
        }
        model__changed(m, n);
}

/* Stands in the transaction as the version after a change would be. */
static void apply_check(const struct txn *t, const struct op *o)
{
        const struct model_node *n = model__find(t->m, o->path.data, (size_t)o->path.len);
        if (!n || o->number != next(n->version))
                model__complain(t->m, "S10", "0x%" PRIx64 " found version %d of %.*s, there is %d", (uint64_t)t->zxid,
                                o->number - 1, PATH(o->path), n ? n->version : -1);
}

static void apply_op(const struct txn *t, const struct op *o)
{
        switch (o->type) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                apply_create(t, o);
                break;
        case OP_DELETE:
                apply_delete(t, o);
                break;
        case OP_DELETE_CONTAINER:
                apply_sweep(t, o);
                break;
        case OP_SET_DATA:
        case OP_SET_ACL:
                apply_set(t, o);
                break;
        case OP_CHECK:
                apply_check(t, o);
                break;
        default: /* an error changes nothing */
                break;
        }
}

/* Only a closing may come twice: an expiry, and the client's own request behind it. */
static void check_session(const struct txn *t)
{
        if (!model_session(t->m, t->session, NULL))
                model__complain(t->m, "S2",
                                "0x%" PRIx64 " (type %d) is of session 0x%" PRIx64 ", which is %s before it",
                                (uint64_t)t->zxid, t->type, (uint64_t)t->session,
                                model__session(t->m, t->session) ? "closed" : "unknown");
}

static void apply_create_session(const struct txn *t, int32_t timeout_ms)
{
        struct model_session *s = model__session(t->m, t->session);
        if (s)
                model__complain(t->m, "S1", "0x%" PRIx64 " opens session 0x%" PRIx64 ", an id that was given before",
                                (uint64_t)t->zxid, (uint64_t)t->session);
        else
                s = model__session_add(t->m, t->session);
        t->m->open_count += !s->open;
        s->open = true;
        s->timeout_ms = timeout_ms;
}

/* The list names what the session owns; it may be cut short, and the rest goes too. */
static void apply_close_session(const struct txn *t, struct cut *paths, int32_t count)
{
        struct model *m = t->m;
        struct model_session *s = model__session(m, t->session);
        for (int32_t i = 0; i < count; i++) {
                struct model_bytes path = take_bytes(paths);
                struct model_node *n = model__find(m, path.data, (size_t)path.len);
                if (!n || n->owner != t->session || n->children > 0)
                        model__complain(m, "S3",
                                        "0x%" PRIx64 " closes session 0x%" PRIx64 " and deletes %.*s, which %s",
                                        (uint64_t)t->zxid, (uint64_t)t->session, PATH(path),
                                        n ? "is not its own" : "is not there");
                else
                        delete_node(t, n);
        }
        for (size_t i = 0; i < m->count;) {
                if (m->nodes[i]->owner == t->session && model_owner_is_session(t->session))
                        delete_node(t, m->nodes[i]);
                else
                        i++;
        }
        if (s && s->open) {
                s->open = false;
                m->open_count--;
        }
}

/* ---- a whole transaction ---- */

/* Reads each operation; says whether one of them failed, which undoes all. */
static bool multi_failed(struct cut c, int64_t session, int32_t count, bool *ret_bad)
{
        bool failed = false;
        for (int32_t i = 0; i < count && !c.bad; i++) {
                struct op o = {.type = take_int(&c)};
                struct model_bytes body = take_bytes(&c);
                struct cut b = {.at = body.data, .end = body.data + (body.len > 0 ? body.len : 0)};
                if (body.len <= 0)
                        c.bad = true;
                else
                        read_op(&b, session, &o);
                c.bad |= b.bad || b.at != b.end;
                failed |= o.type == OP_ERROR;
        }
        *ret_bad = c.bad;
        return failed;
}

static void apply_multi(const struct txn *t, struct cut *c, int32_t count)
{
        for (int32_t i = 0; i < count; i++) {
                struct op o = {.type = take_int(c)};
                struct model_bytes body = take_bytes(c);
                struct cut b = {.at = body.data, .end = body.data + body.len};
                read_op(&b, t->session, &o);
                apply_op(t, &o);
        }
}

static void skip_ops(struct cut *c, int32_t count)
{
        for (int32_t i = 0; i < count; i++) {
                (void)take_int(c);
                (void)take_bytes(c);
        }
}

static bool paths_ok(struct cut c, int32_t count)
{
        for (int32_t i = 0; i < count && !c.bad; i++)
                if (take_bytes(&c).len < 0)
                        c.bad = true;
        return !c.bad;
}

static bool body_multi(const struct txn *t, struct cut *c)
{
        bool bad;
        int32_t count = take_int(c);
        bool failed = multi_failed(*c, t->session, count, &bad);
        if (bad || c->bad)
                return false;
        if (failed) {
                skip_ops(c, count);
                return true;
        }
        check_session(t);
        apply_multi(t, c, count);
        return true;
}

static bool body_close_session(const struct txn *t, struct cut *c)
{
        int32_t count = take_int(c);
        if (c->bad || !paths_ok(*c, count))
                return false;
        apply_close_session(t, c, count);
        return true;
}

static bool body_op(const struct txn *t, struct cut *c)
{
        struct op o = {.type = t->type};
        read_op(c, t->session, &o);
        if (c->bad)
                return false;
        if (o.type != OP_ERROR && o.type != OP_DELETE_CONTAINER)
                check_session(t);
        apply_op(t, &o);
        return true;
}

static bool body(const struct txn *t, struct cut *c)
{
        if (t->type == OP_MULTI)
                return body_multi(t, c);
        if (t->type == OP_CLOSE_SESSION)
                return body_close_session(t, c);
        if (t->type != OP_CREATE_SESSION)
                return body_op(t, c);
        int32_t timeout_ms = take_int(c);
        if (!c->bad)
                apply_create_session(t, timeout_ms);
        return !c->bad;
}

static void check_digest(const struct txn *t, struct cut *c)
{
        if (c->at == c->end)
                return;
        int32_t version = take_int(c);
        uint64_t digest = (uint64_t)take_long(c);
        if (c->bad || c->at != c->end)
                model__complain(t->m, "Z10", "0x%" PRIx64 " has bytes behind its end", (uint64_t)t->zxid);
        else if (version == JUTE_DIGEST_VERSION && digest != t->m->digest)
                model__complain(t->m, "D4", "0x%" PRIx64 " foretells tree %" PRIx64 ", by the model it is %" PRIx64,
                                (uint64_t)t->zxid, digest, t->m->digest);
}

int model_apply(struct model *m, int64_t zxid, const uint8_t *txn, size_t len)
{
        struct cut c = {.at = txn, .end = txn + len};
        struct txn t = {.m = m};
        m->checker[0] = m->complaint[0] = 0;
        m->swept = MODEL_NO_SWEEP;
        t.session = take_long(&c);
        (void)take_int(&c); /* cxid */
        t.zxid = take_long(&c);
        t.time = take_long(&c);
        t.type = take_int(&c);
        if (c.bad || t.zxid != zxid || !body(&t, &c)) {
                model__complain(m, "Z10", "0x%" PRIx64 " can't be read as a transaction", (uint64_t)zxid);
                return -EPROTO;
        }
        if (zxid <= m->zxid)
                model__complain(m, "Z11", "0x%" PRIx64 " stands behind 0x%" PRIx64, (uint64_t)zxid, (uint64_t)m->zxid);
        m->zxid = zxid;
        check_digest(&t, &c);
        return m->checker[0] ? 1 : 0;
}
