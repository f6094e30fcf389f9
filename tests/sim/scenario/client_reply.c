/* What clients are sent: replies, events. */
#include "tests/sim/scenario/client.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Texts about one reply. */
#define DETAIL_BYTES 512

static bool frame(struct actor *a, struct jute_reader *ret, size_t *ret_size)
{
        const uint8_t *d = (const uint8_t *)a->in.data;
        if (a->in.len < 4)
                return false;
        size_t len = (size_t)d[0] << 24 | (size_t)d[1] << 16 | (size_t)d[2] << 8 | d[3];
        if (a->in.len - 4 < len)
                return false;
        jute_reader_init(ret, d + 4, len, INT32_MAX);
        *ret_size = 4 + len;
        return true;
}

static void connected(struct actor *a, struct jute_reader *r)
{
        struct jute_connect_response reply;
        jute_get_connect_response(r, &reply);
        a->connecting = false;
        if (r->error || reply.timeout <= 0) {
                (void)snprintf(a->outcome, sizeof a->outcome, "expired");
                stage_say(a->st, a->rank, "%s: its session is gone, says %d", a->name, a->sid);
                return;
        }
        bool same = a->session == reply.session_id;
        const char *other = stage_actor_of_session(a->st, reply.session_id);
        if (!same && stage_actor(a->st, other))
                (void)stage_fail(a->st, "S1: %s has been given the session of %s", a->name, other);
        a->connected = true;
        a->session = reply.session_id;
        a->timeout_ms = reply.timeout;
        memcpy(a->passwd, reply.passwd.data, sizeof a->passwd);
        (void)snprintf(a->outcome, sizeof a->outcome, "connected");
        stage_say(a->st, a->rank, "%s: connected to %d%s", a->name, a->sid, same ? ", the same session" : "");
}

static void forget_watch(struct actor *a, enum watch_kind kind, const char *path)
{
        for (size_t i = 0; i < a->watch_count; i++)
                if (a->watches[i].kind == kind && strcmp(a->watches[i].path, path) == 0)
                        a->watches[i--] = a->watches[--a->watch_count];
}

static void notified(struct actor *a, struct jute_reader *r)
{
        static const char *const names[] = {"none", "created", "deleted", "changed", "children of"};
        struct jute_watcher_event e;
        char path[ACTOR_PATH_BYTES];
        jute_get_watcher_event(r, &e);
        (void)snprintf(path, sizeof path, "%.*s", e.path.len, (const char *)e.path.data);
        bool known = e.type >= 0 && (size_t)e.type < sizeof names / sizeof *names;
        stage_say(a->st, a->rank, "%s: event %s %s", a->name, known ? names[e.type] : "of another type", path);
        if (e.type != 4) {
                forget_watch(a, WATCHES_DATA, path);
                forget_watch(a, WATCHES_EXIST, path);
        }
        if (e.type == 4 || e.type == 2)
                forget_watch(a, WATCHES_CHILD, path);
}

/* ---- replies ---- */

static void note_done(struct actor *a, const struct actor_op *op, const char *path, int64_t zxid)
{
        if ((op->type != OP_CREATE && op->type != OP_SET_DATA && op->type != OP_DELETE) || op->ephemeral)
                return;
        a->done = mem_grow(a->done, &a->done_capacity, a->done_count + 1, sizeof *a->done);
        struct actor_done *d = &a->done[a->done_count++];
        *d = (struct actor_done){.gone = op->type == OP_DELETE, .zxid = zxid};
        (void)snprintf(d->path, sizeof d->path, "%s", *path ? path : op->path);
}

static void note_watch(struct actor *a, const struct actor_request *q, int32_t error)
{
        enum watch_kind kind = q->type == OP_ADD_WATCH         ? q->added
                               : q->type == OP_GET_CHILDREN    ? WATCHES_CHILD
                               : q->type == OP_EXISTS && error ? WATCHES_EXIST
                                                               : WATCHES_DATA;
        if (!q->watch || (error && q->type != OP_EXISTS) || a->watch_count == ACTOR_WATCHES_MAX)
                return;
        struct actor_watch *w = &a->watches[a->watch_count++];
        w->kind = kind;
        w->mzxid = 0;
        (void)snprintf(w->path, sizeof w->path, "%s", q->ops[0].path);
}

/* A reply that shows a change behind a watch of this client must come after the event (W3). */
static void check_watches(struct actor *a, const struct actor_request *q, int64_t mzxid)
{
        for (size_t i = 0; i < a->watch_count; i++) {
                struct actor_watch *w = &a->watches[i];
                if (w->kind != WATCHES_DATA || strcmp(w->path, q->ops[0].path) != 0)
                        continue;
                if (!w->mzxid)
                        w->mzxid = mzxid;
                else if (mzxid > w->mzxid)
                        (void)stage_fail(a->st, "W3: %s sees %s changed before it was told", a->name, w->path);
        }
}

static void copy(struct jute_str s, char *ret, size_t size)
{
        (void)snprintf(ret, size, "%.*s", s.len < 0 ? 0 : s.len, s.len < 0 ? "" : (const char *)s.data);
}

/* Names of children in the order of the alphabet: a server may give any. */
static void children(struct jute_reader *r, char *ret, size_t size)
{
        struct jute_get_children_response g;
        char names[64][64], last[64] = "";
        int32_t count = 0;
        size_t len = 0;
        jute_get_get_children_response(r, &g);
        struct jute_reader v = jute_vec_reader(&g.children);
        for (; count < g.children.count && count < 64; count++)
                copy(jute_get_str(&v), names[count], sizeof names[count]);
        ret[0] = 0;
        for (int32_t done = 0; done < count && len < size; done++) {
                const char *least = NULL;
                for (int32_t i = 0; i < count; i++)
                        if (strcmp(names[i], last) > 0 && (!least || strcmp(names[i], least) < 0))
                                least = names[i];
                len += (size_t)snprintf(ret + len, size - len, "%s%s", done ? " " : "", least ? least : "?");
                (void)snprintf(last, sizeof last, "%s", least ? least : "?");
        }
}

/* The results of a multi; the first error that says something, or ok. */
static int32_t multi(struct actor *a, const struct actor_request *q, struct jute_reader *r, int64_t zxid, char *detail,
                     size_t size)
{
        int32_t error = ZK_OK;
        size_t len = 0;
        for (size_t i = 0; i < q->op_count && len < size; i++) {
                struct jute_multi_header h;
                char path[ACTOR_PATH_BYTES] = "ok";
                struct jute_stat stat;
                jute_get_multi_header(r, &h);
                int32_t result = 0;
                if (h.type == OP_ERROR)
                        result = jute_get_int(r);
                else if (h.type == OP_CREATE)
                        copy(jute_get_str(r), path, sizeof path);
                else if (h.type == OP_SET_DATA)
                        jute_get_stat(r, &stat);
                if (result && (!error || error == ZK_RUNTIME_INCONSISTENCY))
                        error = result;
                if (h.type != OP_ERROR)
                        note_done(a, &q->ops[i], h.type == OP_CREATE ? path : "", zxid);
                len += (size_t)snprintf(detail + len, size - len, "%s%s", i ? ", " : " [",
                                        h.type == OP_ERROR ? actor_error_name(result) : path);
        }
        if (len < size)
                (void)snprintf(detail + len, size - len, "]");
        return error;
}

static void answered(struct actor *a, const struct actor_request *q, const struct jute_reply_header *h,
                     struct jute_reader *r)
{
        char detail[DETAIL_BYTES] = "", zxid[TEXT_ZXID_BYTES], path[ACTOR_PATH_BYTES] = "";
        int32_t error = h->err;
        struct jute_get_data_response g;
        struct jute_stat stat;
        note_watch(a, q, error);
        for (int kind = 0; !error && q->type == OP_REMOVE_WATCHES && kind < WATCHES_KIND_MAX; kind++)
                forget_watch(a, (enum watch_kind)kind, q->ops[0].path);
        if (!error && q->type == OP_MULTI)
                error = multi(a, q, r, h->zxid, detail, sizeof detail);
        (void)snprintf(a->outcome, sizeof a->outcome, "%s", actor_error_name(error));
        if (!error && q->type == OP_CREATE) {
                copy(jute_get_str(r), path, sizeof path);
                if (q->ops[0].sequential)
                        (void)snprintf(detail, sizeof detail, " %s", path);
        } else if (!error && q->type == OP_GET_DATA) {
                jute_get_get_data_response(r, &g);
                copy(g.data, a->outcome, sizeof a->outcome);
                check_watches(a, q, g.stat.mzxid);
                (void)snprintf(detail, sizeof detail, " version %" PRId32, g.stat.version);
        } else if (!error && (q->type == OP_SET_DATA || q->type == OP_EXISTS)) {
                jute_get_stat(r, &stat);
                (void)snprintf(detail, sizeof detail, " version %" PRId32, stat.version);
        } else if (!error && q->type == OP_GET_CHILDREN) {
                children(r, a->outcome, sizeof a->outcome);
        }
        if (!error && q->type != OP_MULTI)
                note_done(a, &q->ops[0], path, h->zxid);
        a->many_ok += q->one_of_many && !error;
        a->many_other += q->one_of_many && error;
        const char *quote = !error && (q->type == OP_GET_DATA || q->type == OP_GET_CHILDREN) ? "\"" : "";
        if (!q->one_of_many)
                stage_say(a->st, a->rank, "%s: %s -> %s%s%s%s %s", a->name, q->label, quote, a->outcome, quote, detail,
                          text_of_zxid(h->zxid, zxid));
}

static void replied(struct actor *a, struct jute_reader *r)
{
        struct jute_reply_header h;
        jute_get_reply_header(r, &h);
        if (h.xid == -1) {
                notified(a, r);
                return;
        }
        if (h.zxid > 0 && h.zxid < a->seen && h.xid != -2)
                (void)stage_fail(a->st, "S7: %s sees an older state than before", a->name);
        if (h.zxid > a->seen)
                a->seen = h.zxid;
        if (h.xid == -2)
                return;
        if (!a->count || (a->requests[0].xid != h.xid)) {
                (void)stage_fail(a->st, "S5: %s is answered out of turn (%" PRId32 ")", a->name, h.xid);
                return;
        }
        struct actor_request q = a->requests[0];
        a->count--;
        memmove(a->requests, a->requests + 1, a->count * sizeof *a->requests);
        answered(a, &q, &h, r);
}

void actor_take(struct actor *a)
{
        struct jute_reader r;
        size_t size;
        while (frame(a, &r, &size)) {
                if (a->connecting)
                        connected(a, &r);
                else
                        replied(a, &r);
                a->in.len -= size;
                memmove(a->in.data, a->in.data + size, a->in.len);
        }
}
