/* Every answer against the committed log: what was acknowledged is there, once, as it was asked for; what was refused
 * is not, and with reason; what was read is the state at its zxid (safety D1, D2, D4, S5, S10, S11, 3.6 a, c, e). */
#include "tests/sim/history/check_internal.h"

#include "election/base/alloc.h"
#include "election/jute/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE_DIGITS 10

struct answers {
        struct check *c;
        uint32_t *txns; /* entries, by zxid */
        size_t txn_count;
        struct map by_request; /* session and cxid to entry + 1 */
        struct many *many;
};

static uint32_t txn_at(const struct answers *a, int64_t zxid)
{
        size_t low = 0, high = a->txn_count;
        while (low < high) {
                size_t middle = (low + high) / 2;
                if (a->c->entries[a->txns[middle]].zxid < zxid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < a->txn_count && a->c->entries[a->txns[low]].zxid == zxid ? a->txns[low] : ENTRY_NONE;
}

static uint32_t txn_of(const struct answers *a, const struct history_entry *e)
{
        uintptr_t at = (uintptr_t)map_get(&a->by_request, check__request_key(e->session, e->cxid));
        return at ? (uint32_t)(at - 1) : ENTRY_NONE;
}

/* The error of a transaction that changed nothing; of a multi that of the operation that failed. */
static int32_t txn_error(const struct check *c, uint32_t txn)
{
        const struct history_entry *t = &c->entries[txn];
        if (t->verb == VERB_ERROR)
                return t->err;
        for (uint32_t i = 1; i <= t->subs; i++) {
                const struct history_entry *sub = t + i;
                if (sub->verb == VERB_ERROR && sub->err && sub->err != ZK_RUNTIME_INCONSISTENCY)
                        return sub->err;
        }
        return 0;
}

/* ---- a write that was done ---- */

/* The state that this operation of the log made of a node. */
static const struct version *made_by(const struct check *c, text_id path, int64_t zxid, uint32_t op)
{
        const struct timeline *t = path ? check__timeline(c, path) : NULL;
        const struct version *last = t ? check__at(t, zxid) : NULL;
        for (size_t i = last ? (size_t)(last - t->versions) + 1 : 0; i > 0 && t->versions[i - 1].zxid == zxid; i--)
                if (t->versions[i - 1].by == op)
                        return &t->versions[i - 1];
        return NULL;
}

bool check__same_stat(const struct version *v, const struct history_stat *s)
{
        const struct history_stat *w = &v->stat;
        return w->czxid == s->czxid && w->mzxid == s->mzxid && w->pzxid == s->pzxid && w->version == s->version &&
               w->cversion == s->cversion && w->aversion == s->aversion && (v->container || w->owner == s->owner) &&
               w->children == s->children;
}

static bool same_request(const struct check *c, const struct history_entry *asked, const struct history_entry *txn)
{
        if (asked->verb != txn->verb)
                return false;
        if (asked->verb == VERB_MULTI)
                return asked->subs == txn->subs;
        if (!check__writes(asked->verb) && asked->verb != VERB_CHECK)
                return true;
        if (asked->verb == VERB_CREATE || asked->verb == VERB_SET)
                if (asked->data != txn->data)
                        return false;
        if (asked->verb == VERB_SET_ACL && asked->acl != txn->acl)
                return false;
        if (asked->verb != VERB_CREATE)
                return asked->path == txn->path;
        if ((asked->flags ^ txn->flags) & ~CREATE_SEQUENTIAL)
                return false;
        if (!(asked->flags & CREATE_SEQUENTIAL))
                return asked->path == txn->path;
        size_t len = history_string_len(c->h, asked->path);
        return history_string_len(c->h, txn->path) >= len &&
               !memcmp(history_string(c->h, asked->path), history_string(c->h, txn->path), len);
}

static void check_name(struct check *c, uint32_t i, uint32_t op)
{
        const struct history_entry *e = &c->entries[i], *t = &c->entries[op];
        if (e->name && e->name != t->path)
                check__find(c, "D1", op, i, "acknowledged under another name than it was made with");
        if (!(e->flags & CREATE_SEQUENTIAL))
                return;
        const struct version *parent = made_by(c, check__parent(c, t->path), c->zxid[i], op);
        const char *name = history_string(c->h, t->path);
        size_t len = strlen(name);
        long number = len > SEQUENCE_DIGITS ? strtol(name + len - SEQUENCE_DIGITS, NULL, 10) : -1;
        if (parent && number != parent->creations - 1)
                check__find(c, "S11", op, i, "sequence number %ld under a parent with %d creations", number,
                            parent->creations - 1);
}

/* Exactly this version was asked for: then it was the one that stood there. */
static void check_condition(struct check *c, uint32_t i, uint32_t op)
{
        const struct history_entry *e = &c->entries[i], *t = &c->entries[op];
        if (e->version < 0)
                return;
        const struct version *v = made_by(c, t->path, c->zxid[i], op);
        int32_t before = e->verb == VERB_DELETE ? (v ? v->stat.version : -1) : t->version - 1;
        if (e->verb != VERB_CHECK && before != e->version)
                check__find(c, "S11", op, i, "version %d was asked for and %d stood there", e->version, before);
}

static void check_done_op(struct check *c, uint32_t i, uint32_t op)
{
        const struct history_entry *e = &c->entries[i], *t = &c->entries[op];
        if (!same_request(c, e, t)) {
                check__find(c, e->kind == HISTORY_SUB ? "S10" : "D1", op, i,
                            "what was acknowledged is not what was done");
                return;
        }
        if (e->verb == VERB_CREATE)
                check_name(c, i, op);
        if (check__writes(e->verb) && e->verb != VERB_CREATE)
                check_condition(c, i, op);
        const struct version *v = e->has_stat ? made_by(c, t->path, c->zxid[i], op) : NULL;
        if (v && !check__same_stat(v, &e->stat))
                check__find(c, "S11", op, i, "the Stat that came with the acknowledgement is not that of the write");
}

static void check_done(const struct answers *a, uint32_t i)
{
        struct check *c = a->c;
        const struct history_entry *e = &c->entries[i];
        uint32_t txn = txn_at(a, e->zxid), own = txn_of(a, e);
        if (own == ENTRY_NONE) {
                check__find(c, "D1", i, txn, "acknowledged as 0x%" PRIx64 ", and the committed log does not have it",
                            (uint64_t)e->zxid);
                return;
        }
        if (own != txn) {
                check__find(c, "D1", i, own, "acknowledged as 0x%" PRIx64 ", and it is 0x%" PRIx64, (uint64_t)e->zxid,
                            (uint64_t)c->entries[own].zxid);
                return;
        }
        if (txn_error(c, txn)) {
                check__find(c, "S5", i, txn, "acknowledged, and it has failed");
                return;
        }
        check_done_op(c, i, txn);
        for (uint32_t s = 1; s <= e->subs && e->subs == c->entries[txn].subs; s++)
                check_done_op(c, i + s, txn + s);
}

/* ---- a write that was refused ---- */

static bool justified(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        const struct timeline *t = check__timeline(c, e->path);
        text_id above = check__parent(c, e->path);
        const struct timeline *p = above ? check__timeline(c, above) : NULL;
        const struct version *v = t ? check__at(t, e->zxid - 1) : NULL, *parent = p ? check__at(p, e->zxid - 1) : NULL;
        bool there = v && v->exists, parent_there = parent && parent->exists;
        switch (e->err) {
        case ZK_NO_NODE:
                return e->verb == VERB_CREATE ? !parent_there : !there;
        case ZK_NODE_EXISTS:
                return there;
        case ZK_NOT_EMPTY:
                return there && v->stat.children;
        case ZK_NO_CHILDREN_FOR_EPHEMERALS:
                return parent_there && parent->stat.owner && !parent->container;
        case ZK_BAD_VERSION:
                return there && e->version != (e->verb == VERB_SET_ACL ? v->stat.aversion : v->stat.version);
        case ZK_QUOTA_EXCEEDED:
                return check__quota_may_refuse(c, i);
        case ZK_NO_AUTH: /* check_rights.c; of how busy a server is nothing is known */
        case ZK_AUTH_FAILED:
        case ZK_INVALID_ACL:
        case ZK_THROTTLED_OP:
        case ZK_MARSHALLING_ERROR:
        case ZK_UNIMPLEMENTED:
        case ZK_BAD_ARGUMENTS:
        case ZK_SESSION_EXPIRED: /* check_refusal.c */
        case ZK_SESSION_MOVED:
                return true;
        default:
                return false;
        }
}

/* What is said without asking a leader: of the session, how busy a server is, that there is none. Everything else that
 * fails has its place in the log. */
static bool is_refused_at_once(int32_t err)
{
        return err == ZK_SESSION_EXPIRED || err == ZK_SESSION_MOVED || err == ZK_THROTTLED_OP ||
               err == ZK_NOT_READ_ONLY;
}

static void check_refused(const struct answers *a, uint32_t i)
{
        struct check *c = a->c;
        const struct history_entry *e = &c->entries[i];
        uint32_t own = txn_of(a, e);
        if (own == ENTRY_NONE && !is_refused_at_once(e->err))
                check__find(c, "S5", i, ENTRY_NONE, "refused with %d, and the log does not know of it", e->err);
        else if (own != ENTRY_NONE && !txn_error(c, own) && c->entries[own].verb != VERB_ERROR)
                check__find(c, "S5", i, own, "refused with %d, and it was done", e->err);
        else if (own != ENTRY_NONE && txn_error(c, own) != e->err)
                check__find(c, "S5", i, own, "refused with %d, and it had failed with %d", e->err, txn_error(c, own));
        else if (own != ENTRY_NONE && check__writes(e->verb) && !justified(c, i))
                check__find(c, "S5", i, own, "refused with %d for no reason that was there at 0x%" PRIx64, e->err,
                            (uint64_t)e->zxid);
}

static void check_unknown(const struct answers *a, uint32_t i)
{
        struct check *c = a->c;
        uint32_t own = txn_of(a, &c->entries[i]);
        if (own == ENTRY_NONE)
                return;
        bool failed = c->entries[own].verb == VERB_ERROR || txn_error(c, own);
        if (!failed && !same_request(c, &c->entries[i], &c->entries[own]))
                check__find(c, "S5", i, own, "what was done is not what had been asked");
        if (!failed)
                c->zxid[i] = c->entries[own].zxid;
}

/* ---- a read ---- */

static bool same_kids(const struct check *c, const struct version *v, const struct history_list *kids)
{
        uint64_t sum = 0;
        for (uint32_t i = 0; i < kids->count; i++)
                sum += c->h->texts[history_list_at(c->h, kids, i)].hash;
        return kids->count == (uint32_t)v->stat.children && sum == v->kids_sum;
}

bool check__is_comparable(const struct check *c, text_id path)
{
        return strncmp(history_string(c->h, path), "/zookeeper/", 11) != 0;
}

/* Of a state that is committed. */
static bool check_committed(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        bool begins_epoch = !(e->zxid & 0xffffffff); /* a new leader's, before its first transaction */
        if (e->zxid <= c->log_last || begins_epoch)
                return true;
        check__find(c, "D2", i, ENTRY_NONE, "read at 0x%" PRIx64 ", and 0x%" PRIx64 " is the last committed",
                    (uint64_t)e->zxid, (uint64_t)c->log_last);
        return false;
}

static void check_number(const struct answers *a, uint32_t i)
{
        struct check *c = a->c;
        const struct history_entry *e = &c->entries[i];
        const int32_t below = many_below(a->many, e->path, e->zxid);
        if (e->number != below)
                check__find(c, "D4", i, ENTRY_NONE, "%d nodes were below it at 0x%" PRIx64, below, (uint64_t)e->zxid);
}

static void check_read(const struct answers *a, uint32_t i)
{
        struct check *c = a->c;
        const struct history_entry *e = &c->entries[i];
        const struct timeline *t = check__timeline(c, e->path);
        const struct version *v = t ? check__at(t, e->zxid) : NULL;
        bool there = v && v->exists;
        uint32_t by = v ? v->by : ENTRY_NONE;
        if ((e->err && e->err != ZK_NO_NODE) || !check__is_comparable(c, e->path))
                return;
        if (there != !e->err)
                check__find(c, "D4", by, i, there ? "it existed at 0x%" PRIx64 : "it did not exist at 0x%" PRIx64,
                            (uint64_t)e->zxid);
        else if (e->err)
                return;
        else if (e->verb == VERB_GET && e->got != v->data)
                check__find(c, "D4", by, i, "its data at 0x%" PRIx64 " was \"%.60s\"", (uint64_t)e->zxid,
                            v->data ? history_string(c->h, v->data) : "");
        else if (e->has_stat && !check__same_stat(v, &e->stat))
                check__find(c, "D4", by, i,
                            "its Stat at 0x%" PRIx64 " was c:0x%" PRIx64 ",m:0x%" PRIx64 ",p:0x%" PRIx64
                            ",v:%d,cv:%d,av:%d,o:0x%" PRIx64 ",kids:%d",
                            (uint64_t)e->zxid, (uint64_t)v->stat.czxid, (uint64_t)v->stat.mzxid,
                            (uint64_t)v->stat.pzxid, v->stat.version, v->stat.cversion, v->stat.aversion,
                            (uint64_t)v->stat.owner, v->stat.children);
        else if (e->kids.known && !same_kids(c, v, &e->kids))
                check__find(c, "D4", by, i, "it had %d other children at 0x%" PRIx64, v->stat.children,
                            (uint64_t)e->zxid);
        else if (e->verb == VERB_GET_ACL && v->acl && !check__acl_is_shown_so(c, v->acl, e->who, e->acl))
                check__find(c, "D4", by, i, "it had another ACL at 0x%" PRIx64, (uint64_t)e->zxid);
        else if (e->verb == VERB_DESCENDANTS)
                check_number(a, i);
}

/* ---- all of them ---- */

static void check_op(const struct answers *a, uint32_t i)
{
        const struct history_entry *e = &a->c->entries[i];
        bool writes = check__writes(e->verb) || e->verb == VERB_MULTI || e->verb == VERB_CLOSE;
        if (check__is_unjudged(a->c, i) || (writes && check__is_read_only(a->c, i)))
                return; /* check_read_only.c */
        if (e->err == HISTORY_UNKNOWN && writes)
                check_unknown(a, i);
        else if (e->err == HISTORY_UNKNOWN || e->zxid <= 0)
                return;
        else if (check__reads(e->verb) && check_committed(a->c, i))
                check_read(a, i);
        else if (e->verb == VERB_EPHEMERALS && !e->err && check_committed(a->c, i))
                many_check_ephemerals(a->many, i);
        else if (writes && !e->err)
                check_done(a, i);
        else if (writes)
                check_refused(a, i);
}

static void index_log(struct answers *a)
{
        struct check *c = a->c;
        a->txns = mem_alloc((c->count + 1) * sizeof *a->txns);
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                if (e->kind != HISTORY_TXN)
                        continue;
                a->txns[a->txn_count++] = i;
                if (e->cxid > 0)
                        map_put(&a->by_request, check__request_key(e->session, e->cxid),
                                (void *)((uintptr_t)i + 1)); // NOLINT(performance-no-int-to-ptr)
        }
}

/* What was done had been asked for, by a session whose requests are all here. */
static void check_asked(const struct answers *a)
{
        struct check *c = a->c;
        for (size_t i = 0; i < a->txn_count; i++) {
                const struct history_entry *e = &c->entries[a->txns[i]];
                if (e->cxid <= 0 || e->verb == VERB_ERROR || check__session(c, e->session)->opened == ENTRY_NONE)
                        continue;
                if (check__request(c, e->session, e->cxid) == ENTRY_NONE)
                        check__find(c, "Z4", a->txns[i], ENTRY_NONE, "nobody had asked for it");
        }
}

void check__answers(struct check *c)
{
        struct answers a = {.c = c, .many = many_new(c)};
        map_init(&a.by_request);
        index_log(&a);
        for (uint32_t i = 0; i < c->count; i++)
                if (c->entries[i].kind == HISTORY_OP)
                        check_op(&a, i);
        check_asked(&a);
        many_free(a.many);
        map_done(&a.by_request);
        mem_free(a.txns);
}
