/* The committed log, replayed into the states of each node; what can't follow on what stood there is found on the way
 * (safety Z11, S1, S2, S3, S5, S6, S10, S11). Stat arithmetic: ZooKeeper DataTree, storage-format.md 3. */
#include "tests/sim/history/check_internal.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <string.h>

/* Owners that are no sessions. */
#define OWNER_CONTAINER INT64_MIN
#define OWNER_TTL       ((int64_t)(UINT64_C(0xff) << 56))

/* What the log has said of a session so far. */
struct living {
        bool opened, open;
        uint32_t ended; /* entry */
        int64_t newest_epoch;
        int32_t newest_cxid; /* of the newest epoch */
        uint32_t newest_by;
        uint64_t newest_conn_us; /* when the newest connection was opened that wrote in that epoch */
        text_id *owned;          /* paths it made; some may be gone */
        size_t owned_count, owned_capacity;
};

struct replay {
        struct check *c;
        struct living *living; /* by session index */
        size_t living_count;
        uint32_t txn, op; /* entries: the transaction, and the operation within it */
        int64_t zxid, session;
};

static struct living *living_of(struct replay *r, int64_t session)
{
        size_t index = (size_t)(check__session(r->c, session) - r->c->sessions);
        if (index >= r->living_count) {
                size_t want = 2 * index + 16;
                r->living = mem_realloc(r->living, want * sizeof *r->living);
                memset(r->living + r->living_count, 0, (want - r->living_count) * sizeof *r->living);
                r->living_count = want;
        }
        return &r->living[index];
}

/* ---- the tree ---- */

static const struct version *now(const struct replay *r, text_id path)
{
        const struct timeline *t = path ? check__timeline(r->c, path) : NULL;
        return t && t->count && t->versions[t->count - 1].exists ? &t->versions[t->count - 1] : NULL;
}

static struct version *change(struct replay *r, text_id path, enum change kind)
{
        struct version *v = check__push(check__timeline_make(r->c, path));
        v->zxid = r->zxid;
        v->by = r->op;
        v->change = kind;
        return v;
}

static uint64_t name_hash(const struct replay *r, text_id path)
{
        const char *text = history_string(r->c->h, path), *slash = strrchr(text, '/');
        text_id name = history_cstr(r->c->h, slash ? slash + 1 : text);
        return r->c->h->texts[name].hash;
}

static void stand_in(struct replay *r, const char *path, int32_t children)
{
        struct version *v = change(r, history_cstr(r->c->h, path), CHANGE_NONE);
        v->exists = true;
        v->stat.children = children;
        v->stat.cversion = -children; /* they were made without counting */
        v->data = history_text(r->c->h, "", 0);
}

/* What is there before the first transaction. */
static void begin(struct replay *r)
{
        static const char *const there[] = {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"};
        r->op = ENTRY_NONE;
        stand_in(r, there[0], 1);
        stand_in(r, there[1], 2);
        stand_in(r, there[2], 0);
        stand_in(r, there[3], 0);
        for (int i = 1; i < 4; i++) {
                text_id path = history_cstr(r->c->h, there[i]);
                struct timeline *t = check__timeline(r->c, check__timeline(r->c, path)->parent);
                t->versions[0].kids_sum += name_hash(r, path);
        }
}

static void change_parent(struct replay *r, text_id parent, text_id path, int add)
{
        struct version *p = change(r, parent, CHANGE_CHILDREN);
        uint64_t hash = name_hash(r, path);
        p->stat.children += add;
        p->kids_sum += add > 0 ? hash : -hash;
        if (add > 0)
                p->creations++;
        p->stat.cversion = (int32_t)((uint32_t)p->creations * 2 - (uint32_t)p->stat.children);
        p->stat.pzxid = r->zxid;
}

static void create(struct replay *r, const struct history_entry *e)
{
        struct check *c = r->c;
        text_id parent = check__parent(c, e->path);
        const struct version *old = now(r, e->path), *above = now(r, parent);
        if (old) {
                check__find(c, "S11", old->by, r->op, "what exists is made anew");
                return;
        }
        if (!above || (above->stat.owner && !above->container)) {
                check__find(c, "S11", above ? above->by : ENTRY_NONE, r->op,
                            above ? "made below an ephemeral" : "made without a parent");
                return;
        }
        if (e->parent_cversion != -1 && e->parent_cversion != above->creations + 1)
                check__find(c, "S11", above->by, r->op, "the parent's creations go from %d to %d", above->creations,
                            e->parent_cversion);
        struct version *v = change(r, e->path, CHANGE_CREATED);
        bool ephemeral = e->flags & CREATE_EPHEMERAL;
        v->exists = true;
        v->container = e->flags & (CREATE_CONTAINER | CREATE_TTL);
        v->data = e->data;
        v->acl = e->acl;
        v->kids_sum = 0;
        v->creations = 0;
        v->stat = (struct history_stat){
                .czxid = r->zxid,
                .mzxid = r->zxid,
                .pzxid = r->zxid,
                .owner = ephemeral                     ? r->session
                         : e->flags & CREATE_CONTAINER ? OWNER_CONTAINER
                         : e->flags & CREATE_TTL       ? OWNER_TTL
                                                       : 0,
        };
        change_parent(r, parent, e->path, 1);
        if (!ephemeral)
                return;
        struct living *l = living_of(r, r->session);
        if (!l->open)
                check__find(c, "S3", l->opened ? l->ended : ENTRY_NONE, r->op,
                            "an ephemeral of a session that does not live");
        l->owned = mem_grow(l->owned, &l->owned_capacity, l->owned_count + 1, sizeof *l->owned);
        l->owned[l->owned_count++] = e->path;
}

static void vanish(struct replay *r, text_id path)
{
        text_id parent = check__timeline(r->c, path)->parent;
        struct version *v = change(r, path, CHANGE_DELETED);
        v->exists = false;
        change_parent(r, parent, path, -1);
}

static void delete (struct replay *r, const struct history_entry *e)
{
        const struct version *old = now(r, e->path);
        if (!old)
                check__find(r->c, "S11", ENTRY_NONE, r->op, "what is not there is deleted");
        else if (old->stat.children)
                check__find(r->c, "S11", old->by, r->op, "deleted while it has %d children", old->stat.children);
        else
                vanish(r, e->path);
}

static void set(struct replay *r, const struct history_entry *e)
{
        const struct version *old = now(r, e->path);
        if (!old) {
                check__find(r->c, "S11", ENTRY_NONE, r->op, "what is not there is changed");
                return;
        }
        if (e->version != old->stat.version + 1)
                check__find(r->c, "S11", old->by, r->op, "version %d becomes %d", old->stat.version, e->version);
        struct version *v = change(r, e->path, CHANGE_DATA);
        v->stat.version = e->version;
        v->stat.mzxid = r->zxid;
        v->data = e->data;
}

static void set_acl(struct replay *r, const struct history_entry *e)
{
        const struct version *old = now(r, e->path);
        if (!old) {
                check__find(r->c, "S11", ENTRY_NONE, r->op, "what is not there gets an ACL");
                return;
        }
        if (e->version != old->stat.aversion + 1)
                check__find(r->c, "S11", old->by, r->op, "ACL version %d becomes %d", old->stat.aversion, e->version);
        struct version *v = change(r, e->path, CHANGE_NONE);
        v->stat.aversion = e->version;
        v->acl = e->acl;
}

/* ---- sessions ---- */

static void open_session(struct replay *r)
{
        struct living *l = living_of(r, r->session);
        if (l->opened)
                check__find(r->c, "S1", l->ended, r->txn, "session 0x%" PRIx64 " is made twice", (uint64_t)r->session);
        l->opened = l->open = true;
        l->ended = ENTRY_NONE;
}

static void close_session(struct replay *r)
{
        struct living *l = living_of(r, r->session);
        /* Twice is once, as in ZooKeeper: its end was asked for on two servers. */
        if (!l->open && l->ended == ENTRY_NONE)
                check__find(r->c, "S2", ENTRY_NONE, r->txn, "a session that was never made is closed");
        else if (!l->open)
                return;
        l->open = false;
        l->ended = r->txn;
        check__session(r->c, r->session)->gone_zxid = r->zxid;
        for (size_t i = 0; i < l->owned_count; i++) {
                const struct version *v = now(r, l->owned[i]);
                if (v && v->stat.owner == r->session)
                        vanish(r, l->owned[i]);
        }
        l->owned_count = 0;
}

/* When the connection of whoever asked for it was opened, 0: not known. */
static uint64_t opened_us(const struct replay *r, const struct history_entry *e)
{
        const struct check *c = r->c;
        uint32_t op = check__request(c, e->session, e->cxid);
        uint32_t opened = op == ENTRY_NONE ? ENTRY_NONE : c->conns[c->conn_of[op]].opened;
        return opened == ENTRY_NONE ? 0 : c->entries[opened].return_us;
}

/* A session's transactions come in the order of its requests. One that was left behind on an old connection may come
 * late under a new leader, who does not know that the session has moved; a refusal comes when it may. */
static void check_turn(struct replay *r, const struct history_entry *e)
{
        struct living *l = living_of(r, r->session);
        bool failed = e->verb == VERB_ERROR || (e->subs && r->c->entries[r->txn + e->subs].verb == VERB_ERROR);
        if (l->opened && !l->open && e->verb != VERB_OPEN && e->verb != VERB_ERROR && !failed && e->verb != VERB_CLOSE)
                check__find(r->c, "S2", l->ended, r->txn, "session 0x%" PRIx64 " was closed and has a transaction",
                            (uint64_t)r->session);
        /* Whoever has had the session may end it, as in ZooKeeper: its owner is not asked. */
        if (e->verb == VERB_CLOSE)
                return;
        /* Whoever is not in the history may number its requests anew when it resumes a session, as an agent does. */
        if (e->cxid <= 0 || failed || check__session(r->c, r->session)->opened == ENTRY_NONE)
                return;
        bool same_epoch = l->newest_epoch == r->zxid >> 32;
        uint64_t conn_us = opened_us(r, e);
        if (same_epoch && conn_us && conn_us < l->newest_conn_us)
                check__find(r->c, "S6", l->newest_by, r->txn,
                            "session 0x%" PRIx64 " had moved, and a connection it had left has written",
                            (uint64_t)r->session);
        if (!same_epoch || conn_us > l->newest_conn_us)
                l->newest_conn_us = conn_us;
        if (same_epoch && e->cxid <= l->newest_cxid)
                check__find(r->c, e->cxid == l->newest_cxid ? "S5" : "S6", l->newest_by, r->txn,
                            "request %d of session 0x%" PRIx64 " comes after its request %d", e->cxid,
                            (uint64_t)r->session, l->newest_cxid);
        l->newest_epoch = r->zxid >> 32;
        l->newest_cxid = e->cxid;
        l->newest_by = r->txn;
}

/* ---- one transaction ---- */

static void apply(struct replay *r, const struct history_entry *e)
{
        switch (e->verb) {
        case VERB_CREATE:
                create(r, e);
                break;
        case VERB_DELETE:
                delete (r, e);
                break;
        case VERB_SET:
                set(r, e);
                break;
        case VERB_SET_ACL:
                set_acl(r, e);
                break;
        case VERB_OPEN:
                open_session(r);
                break;
        case VERB_CLOSE:
                close_session(r);
                break;
        default:
                break;
        }
}

/* All of it or nothing: one failed operation says that none was done. */
static void apply_multi(struct replay *r, const struct history_entry *e)
{
        const struct history_entry *entries = r->c->entries;
        for (uint32_t i = 1; i <= e->subs; i++)
                if (entries[r->txn + i].verb == VERB_ERROR)
                        return;
        for (uint32_t i = 1; i <= e->subs; i++) {
                r->op = r->txn + i;
                apply(r, &entries[r->op]);
        }
}

static void check_zxid(const struct replay *r, int64_t last, uint32_t last_by)
{
        int64_t zxid = r->zxid;
        bool next = zxid == last + 1 || (zxid >> 32 > last >> 32 && (zxid & 0xffffffff) == 1);
        if (last && !next)
                check__find(r->c, "Z11", last_by, r->txn, "0x%" PRIx64 " follows on 0x%" PRIx64, (uint64_t)zxid,
                            (uint64_t)last);
}

void check__log(struct check *c)
{
        struct replay r = {.c = c};
        int64_t last = 0;
        uint32_t last_by = ENTRY_NONE;
        begin(&r);
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                if (e->kind != HISTORY_TXN)
                        continue;
                r.txn = r.op = i;
                r.zxid = e->zxid;
                r.session = e->session;
                check_zxid(&r, last, last_by);
                check_turn(&r, e);
                if (e->verb == VERB_MULTI)
                        apply_multi(&r, e);
                else
                        apply(&r, e);
                last = e->zxid;
                last_by = i;
        }
        for (size_t i = 0; i < r.living_count; i++)
                mem_free(r.living[i].owned);
        mem_free(r.living);
}
