/* Answers and events: into the history, and what the client itself remembers of them. */
#include "tests/sim/load/load_internal.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <string.h>

#define XID_EVENT (-1)
#define XID_AUTH  (-4)

static void trouble(struct load_client *a, const char *what, int64_t number)
{
        verdict_break(a->load->verdict, world_now(a->load->world), "WIRE", "client %u: %s (%" PRId64 ")", a->number,
                      what, number);
}

/* ---- what the client remembers ---- */

/* What is not for everybody is looked at by those alone who know that; nodes of quotas are not to be read, whose data
 * change by themselves, nor to be deleted. */
static void remember(struct load *l, text_id path)
{
        const char *text = history_string(l->history, path);
        if (!strncmp(text, "/r", 2) || !strncmp(text, "/zookeeper/", 11))
                return;
        l->known[l->known_count++ % LOAD_KNOWN] = path;
}

static void remember_watch(struct load_client *a, text_id path, enum load_list list)
{
        for (size_t i = 0; i < a->watch_count; i++)
                if (a->watches[i].path == path && a->watches[i].list == list)
                        return;
        /* One more is set at the server and forgotten here: an event of it is news all the same. */
        if (a->watch_count < LOAD_WATCHES_MAX)
                a->watches[a->watch_count++] = (struct load_watch){.path = path, .list = list};
}

static void forget_watches(struct load_client *a, text_id path, int type)
{
        size_t kept = 0;
        for (size_t i = 0; i < a->watch_count; i++) {
                enum load_list list = a->watches[i].list;
                bool once = list < LIST_PERSISTENT;
                bool fires = once && (type == 2 /* deleted */ || (type == 4 /* children */) == (list == LIST_CHILD));
                if (a->watches[i].path != path || !fires)
                        a->watches[kept++] = a->watches[i];
        }
        a->watch_count = kept;
}

static bool is_removed(enum load_list list, enum history_watch mode)
{
        switch (mode) {
        case HISTORY_WATCH_CHILDREN:
                return list == LIST_CHILD;
        case HISTORY_WATCH_DATA:
                return list == LIST_DATA || list == LIST_EXIST;
        case HISTORY_WATCH_PERSISTENT:
                return list == LIST_PERSISTENT;
        case HISTORY_WATCH_RECURSIVE:
                return list == LIST_RECURSIVE;
        default:
                return true;
        }
}

static void forget_removed(struct load_client *a, text_id path, enum history_watch mode)
{
        size_t kept = 0;
        for (size_t i = 0; i < a->watch_count; i++)
                if (a->watches[i].path != path || !is_removed(a->watches[i].list, mode))
                        a->watches[kept++] = a->watches[i];
        a->watch_count = kept;
}

static bool is_below(const struct load *l, text_id above, text_id path)
{
        const char *text = history_string(l->history, path), *prefix = history_string(l->history, above);
        size_t len = history_string_len(l->history, above);
        return above != path && (len == 1 || (!strncmp(text, prefix, len) && text[len] == '/'));
}

/* Which of its watches tell of this, as far as they are remembered. */
static void count_event(struct load_client *a, text_id path)
{
        struct load *l = a->load;
        bool stays = false, below = false;
        for (size_t i = 0; i < a->watch_count; i++) {
                const struct load_watch *w = &a->watches[i];
                stays |= w->list == LIST_PERSISTENT && w->path == path;
                below |= w->list == LIST_RECURSIVE && is_below(l, w->path, path);
        }
        l->tally.events++;
        l->tally.persistent_events += stays;
        l->tally.recursive_events += below;
}

static void remember_stat(struct load_client *a, const struct history_entry *e)
{
        for (int i = 0; i < LOAD_HOT; i++)
                if (e->path == a->load->hot[i] && e->has_stat) {
                        a->versions[i] = e->stat.version;
                        a->aversions[i] = e->stat.aversion;
                }
}

/* ---- answers ---- */

static void take_stat(struct history_entry *e, struct jute_reader *r)
{
        struct jute_stat stat;
        jute_get_stat(r, &stat);
        e->stat = load__stat(&stat);
        e->has_stat = true;
}

static void take_kids(struct load *l, struct history_entry *e, struct jute_reader *r)
{
        int32_t count = jute_get_int(r);
        /* Interned first: a list is written in one go. */
        e->kids = history_list_begin(l->history);
        for (int32_t i = 0; i < count && !r->error; i++) {
                struct jute_str name = jute_get_str(r);
                if (!r->error && name.len >= 0)
                        history_list_add(l->history, &e->kids, history_text(l->history, name.data, (size_t)name.len));
        }
}

/* Without the connection's address, which comes with it. */
static void take_who(struct load *l, struct history_entry *e, struct jute_reader *r)
{
        char text[256] = "";
        size_t len = 0, addresses = 0;
        int32_t count = jute_get_int(r);
        for (int32_t i = 0; i < count && !r->error; i++) {
                struct jute_id id;
                jute_get_id(r, &id);
                if (r->error || id.scheme.len < 0 || id.id.len < 0 || len >= sizeof text)
                        break;
                if (jute_str_is(id.scheme, "ip") && !addresses++)
                        continue;
                len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s:%.*s", len ? "|" : "", id.scheme.len,
                                        (const char *)id.scheme.data, id.id.len, (const char *)id.id.data);
                l->tally.identities++;
        }
        if (!addresses || len >= sizeof text)
                jute_fail(r);
        else
                e->got = history_text(l->history, text, len);
}

/* The body of an answer to one operation, of type `opcode`. */
static void take_body(struct load *l, struct history_entry *e, int32_t opcode, struct jute_reader *r)
{
        switch (opcode) {
        case OP_CREATE:
                e->name = load__text(l->history, jute_get_str(r));
                remember(l, e->name);
                break;
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
                e->name = load__text(l->history, jute_get_str(r));
                take_stat(e, r);
                remember(l, e->name);
                break;
        case OP_SET_DATA:
        case OP_SET_ACL:
        case OP_EXISTS:
                take_stat(e, r);
                break;
        case OP_GET_DATA:
                e->got = load__text(l->history, jute_get_str(r));
                take_stat(e, r);
                break;
        case OP_GET_CHILDREN:
                take_kids(l, e, r);
                break;
        case OP_GET_CHILDREN2:
                take_kids(l, e, r);
                take_stat(e, r);
                break;
        case OP_GET_ACL: {
                struct jute_vec acl = jute_get_acl_vec(r);
                if (!r->error)
                        e->acl = load__acl_text(l->history, &acl);
                take_stat(e, r);
                break;
        }
        case OP_GET_ALL_CHILDREN_NUMBER:
                e->number = jute_get_int(r);
                l->tally.numbers += e->number > 0;
                break;
        case OP_GET_EPHEMERALS:
                take_kids(l, e, r);
                l->tally.ephemerals += e->kids.count;
                break;
        case OP_WHO_AM_I:
                take_who(l, e, r);
                break;
        case OP_ADD_WATCH:
                if (jute_get_int(r) != ZK_OK)
                        jute_fail(r);
                break;
        default:
                break;
        }
}

/* The results of a multi; a failed one has an error for each operation. */
static void take_results(struct load_client *a, struct load_request *q, struct jute_reader *r)
{
        for (uint32_t i = 0; i < q->e.subs; i++) {
                struct history_entry *sub = &q->subs[i];
                struct jute_multi_header h;
                jute_get_multi_header(r, &h);
                if (h.type == OP_ERROR) {
                        sub->err = jute_get_int(r);
                        if (sub->err && sub->err != ZK_RUNTIME_INCONSISTENCY && !q->e.err)
                                q->e.err = sub->err;
                } else {
                        take_body(a->load, sub, h.type, r);
                        remember_stat(a, sub);
                }
        }
}

/* Twice the same: at one moment, whatever is written meanwhile. */
static void take_multi_read(struct load_client *a, struct load_request *q, struct jute_reader *r)
{
        struct jute_multi_header h;
        const uint8_t *first = r->at, *second;
        jute_get_multi_header(r, &h);
        if (h.type == OP_ERROR)
                q->e.err = jute_get_int(r);
        else
                take_body(a->load, &q->e, h.type, r);
        second = r->at;
        size_t len = (size_t)(second - first);
        if (jute_left(r) < len || memcmp(first, second, len) != 0)
                trouble(a, "a multiRead whose two results differ, xid", q->e.cxid);
        (void)jute_get_raw(r, len);
        jute_get_multi_header(r, &h);
        if (!r->error && !h.done)
                trouble(a, "a multiRead without its end, xid", q->e.cxid);
        a->load->tally.multi_reads++;
}

static void count(struct load *l, const struct load_request *q, bool read_only)
{
        const struct history_entry *e = &q->e;
        bool reads = e->verb >= VERB_GET && e->verb <= VERB_WHO;
        l->tally.reads += reads;
        l->tally.read_only_reads += read_only && e->verb >= VERB_GET && e->verb <= VERB_WHO && !e->err;
        l->tally.read_only_refused += read_only && e->err == ZK_NOT_READ_ONLY;
        l->tally.syncs += e->verb == VERB_SYNC && !e->err;
        l->tally.watches_restored += e->verb == VERB_SET_WATCHES && !e->err;
        l->tally.no_auths += e->err == ZK_NO_AUTH;
        l->tally.watches_removed += e->verb == VERB_REMOVE_WATCHES && !e->err;
        l->tally.watches_found += e->verb == VERB_CHECK_WATCHES && !e->err;
        l->tally.broken_multis += e->verb == VERB_MULTI && e->err;
        if (reads || e->verb >= VERB_SYNC)
                return;
        if (e->err)
                l->tally.refused++;
        else
                l->tally.acked++;
}

static void add(struct load *l, struct load_request *q)
{
        q->e.return_us = load__us(l);
        history_add(l->history, &q->e);
        for (uint32_t i = 0; i < q->e.subs; i++)
                history_add(l->history, &q->subs[i]);
}

static void take_watch(struct load_client *a, const struct history_entry *e)
{
        if (e->verb == VERB_CHILDREN && !e->err)
                remember_watch(a, e->path, LIST_CHILD);
        else if (e->verb == VERB_GET && !e->err)
                remember_watch(a, e->path, LIST_DATA);
        else if (e->verb == VERB_EXISTS && (!e->err || e->err == ZK_NO_NODE))
                remember_watch(a, e->path, e->err ? LIST_EXIST : LIST_DATA);
        else if (e->verb == VERB_ADD_WATCH && !e->err)
                remember_watch(a, e->path, e->mode == HISTORY_WATCH_RECURSIVE ? LIST_RECURSIVE : LIST_PERSISTENT);
        else if (e->verb == VERB_REMOVE_WATCHES && !e->err)
                forget_removed(a, e->path, (enum history_watch)e->mode);
}

static void answered(struct load_client *a, struct load_link *k, const struct jute_reply_header *h,
                     struct jute_reader *r)
{
        struct load *l = a->load;
        struct load_request *q = k->count ? k->pending[0] : NULL;
        if (!q || q->e.cxid != h->xid) {
                trouble(a, "an answer to what was not asked next, xid", h->xid);
                return;
        }
        memmove(k->pending, k->pending + 1, --k->count * sizeof(struct load_request *));
        if (h->zxid <= 0 && !k->read_only)
                trouble(a, "an answer that tells of no state, xid", h->xid);
        q->e.err = h->err;
        q->e.zxid = h->zxid;
        if (!h->err && q->e.verb == VERB_MULTI)
                take_results(a, q, r);
        else if (!h->err && q->opcode == OP_MULTI_READ)
                take_multi_read(a, q, r);
        else if (!h->err)
                take_body(l, &q->e, q->opcode, r);
        if (r->error)
                trouble(a, "an answer that can't be read, xid", h->xid);
        if (h->zxid > a->seen && k == &a->link)
                a->seen = h->zxid;
        if (q->proves) {
                a->stand.answered = true;
                a->stand.err = h->err;
        }
        count(l, q, k->read_only);
        add(l, q);
        remember_stat(a, &q->e);
        if ((q->e.watch || q->e.mode) && k == &a->link)
                take_watch(a, &q->e);
        mem_free(q);
}

/* Out of turn, but in the order of the packets: the one that is refused is the last. */
static void authenticated(struct load_client *a, struct load_link *k, const struct jute_reply_header *h)
{
        const int32_t expected = k->auths == 1 && k->auth_fails ? ZK_AUTH_FAILED : ZK_OK;
        if (!k->auths || h->err != expected || h->zxid) {
                trouble(a, "an answer to authentication that can't be, error", h->err);
                return;
        }
        k->auths--;
        a->load->tally.auths += !h->err;
        a->load->tally.refused_auths += h->err != 0;
}

static void happened(struct load_client *a, struct load_link *k, int64_t zxid, struct jute_reader *r)
{
        struct load *l = a->load;
        struct history_entry e = history_blank(HISTORY_EVENT);
        struct jute_watcher_event event;
        jute_get_watcher_event(r, &event);
        if (r->error || event.type < 1 || event.type > 4) {
                trouble(a, "an event that can't be read, type", event.type);
                return;
        }
        e.return_us = load__us(l);
        e.conn = k->conn;
        e.client = a->number;
        e.event = (uint8_t)event.type;
        e.path = load__text(l->history, event.path);
        e.zxid = zxid > 0 ? zxid : 0;
        history_add(l->history, &e);
        count_event(a, e.path);
        if (k == &a->link)
                forget_watches(a, e.path, event.type);
}

void load__frame(struct load_client *a, struct load_link *k, struct jute_reader *r)
{
        struct jute_reply_header h;
        jute_get_reply_header(r, &h);
        if (r->error)
                trouble(a, "a frame without a header", 0);
        else if (h.xid == XID_EVENT)
                happened(a, k, h.zxid, r);
        else if (h.xid == XID_AUTH)
                authenticated(a, k, &h);
        else
                answered(a, k, &h, r);
}

void load__link_over(struct load_client *a, struct load_link *k)
{
        struct load *l = a->load;
        if (!k->wire)
                return;
        for (size_t i = 0; i < k->count; i++) {
                struct load_request *q = k->pending[i];
                q->e.err = HISTORY_UNKNOWN;
                for (uint32_t s = 0; s < q->e.subs; s++)
                        q->subs[s].err = HISTORY_UNKNOWN;
                l->tally.unknown++;
                add(l, q);
                mem_free(q);
        }
        struct history_entry e = history_blank(HISTORY_LOST);
        e.conn = k->conn;
        e.client = a->number;
        e.return_us = load__us(l);
        history_add(l->history, &e);
        world_wire_close(k->wire);
        mem_free(k->in);
        *k = (struct load_link){0};
}
