/* Histories as text, and the words of it: README.md says the format. history_read.c reads it. */
#include "tests/sim/history/history_internal.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *const history__kind_name[HISTORY_KIND_MAX] = {
        [HISTORY_OPEN] = "open", [HISTORY_RESUME] = "resume", [HISTORY_REFUSE] = "refuse", [HISTORY_LOST] = "lost",
        [HISTORY_OP] = "op",     [HISTORY_SUB] = "sub",       [HISTORY_EVENT] = "event",   [HISTORY_FINAL] = "final",
        [HISTORY_NODE] = "node", [HISTORY_SESSION] = "sess",  [HISTORY_TXN] = "txn",
};

const char *const history__verb_name[VERB_MAX] = {
        [VERB_NONE] = "none",
        [VERB_CREATE] = "create",
        [VERB_DELETE] = "delete",
        [VERB_SET] = "set",
        [VERB_SET_ACL] = "setacl",
        [VERB_CHECK] = "check",
        [VERB_MULTI] = "multi",
        [VERB_GET] = "get",
        [VERB_EXISTS] = "exists",
        [VERB_CHILDREN] = "children",
        [VERB_GET_ACL] = "getacl",
        [VERB_DESCENDANTS] = "descendants",
        [VERB_EPHEMERALS] = "ephemerals",
        [VERB_WHO] = "who",
        [VERB_SYNC] = "sync",
        [VERB_PING] = "ping",
        [VERB_SET_WATCHES] = "setwatches",
        [VERB_ADD_WATCH] = "addwatch",
        [VERB_REMOVE_WATCHES] = "removewatches",
        [VERB_CHECK_WATCHES] = "checkwatches",
        [VERB_CLOSE] = "close",
        [VERB_OPEN] = "open",
        [VERB_ERROR] = "error",
};

const char *const history__event_name[HISTORY_EVENT_NAMES] = {
        [0] = "none", [1] = "created", [2] = "deleted", [3] = "changed", [4] = "children",
};
const char *const history__watch_name[HISTORY_WATCH_MAX] = {
        [HISTORY_WATCH_NONE] = "none",
        [HISTORY_WATCH_CHILDREN] = "children",
        [HISTORY_WATCH_DATA] = "data",
        [HISTORY_WATCH_ANY] = "any",
        [HISTORY_WATCH_PERSISTENT] = "persistent",
        [HISTORY_WATCH_RECURSIVE] = "recursive",
};
const char history__flag_letter[] = "esct";

struct line {
        const struct history *h;
        char *to;
        size_t len, size; /* what does not fit is cut */
};

static void put(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct line *l, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        int n = vsnprintf(l->to + l->len, l->size - l->len, format, args);
        va_end(args);
        l->len += (size_t)n;
        if (l->len >= l->size)
                l->len = l->size - 1;
}

static void put_escaped(struct line *l, text_id text)
{
        const char *p = history_string(l->h, text);
        size_t len = history_string_len(l->h, text);
        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)p[i];
                if (c <= 0x20 || c == 0x7f || c == '%' || c == '=' || c == ',')
                        put(l, "%%%02x", c);
                else
                        put(l, "%c", c);
        }
}

static void put_text(struct line *l, const char *key, text_id text)
{
        if (!text)
                return;
        put(l, " %s=", key);
        put_escaped(l, text);
}

static void put_list(struct line *l, const char *key, const struct history_list *list)
{
        if (!list->known)
                return;
        put(l, " %s=", key);
        for (uint32_t i = 0; i < list->count; i++) {
                put(l, i ? "," : "");
                put_escaped(l, history_list_at(l->h, list, i));
        }
}

static void put_stat(struct line *l, const struct history_stat *s)
{
        put(l, " stat=c:0x%" PRIx64 ",m:0x%" PRIx64 ",p:0x%" PRIx64 ",v:%d,cv:%d,av:%d,o:0x%" PRIx64 ",len:%d,kids:%d",
            (uint64_t)s->czxid, (uint64_t)s->mzxid, (uint64_t)s->pzxid, s->version, s->cversion, s->aversion,
            (uint64_t)s->owner, s->data_length, s->children);
}

static void put_times(struct line *l, const struct history_entry *e)
{
        bool op = e->kind == HISTORY_OP;
        if (e->kind <= HISTORY_OP && e->kind != HISTORY_LOST)
                put(l, " call=%" PRIu64, e->call_us);
        if (e->kind <= HISTORY_OP || e->kind == HISTORY_EVENT || e->kind == HISTORY_FINAL)
                put(l, " %s=%" PRIu64, op ? "ret" : "at", e->return_us);
        if (e->conn)
                put(l, " k=%" PRIu32, e->conn);
        if (e->client || e->kind <= HISTORY_REFUSE)
                put(l, " c=%" PRIu32, e->client);
        if (e->kind == HISTORY_TXN)
                put(l, " zxid=0x%" PRIx64, (uint64_t)e->zxid);
        if (e->session)
                put(l, " s=0x%" PRIx64, (uint64_t)e->session);
        if (e->server)
                put(l, " srv=%d", e->server);
        if (op || e->kind == HISTORY_TXN)
                put(l, " x=%d", e->cxid);
}

static void put_asked(struct line *l, const struct history_entry *e)
{
        if (e->verb)
                put(l, " op=%s", history__verb_name[e->verb]);
        if (e->event)
                put(l, " type=%s", history__event_name[e->event]);
        put_text(l, "path", e->path);
        put_text(l, "data", e->data);
        put_text(l, "acl", e->acl);
        put_text(l, "who", e->who);
        if (e->flags)
                put(l, " flags=");
        for (int i = 0; history__flag_letter[i]; i++)
                if (e->flags & 1u << i)
                        put(l, "%c", history__flag_letter[i]);
        if (e->version != -1)
                put(l, " version=%d", e->version);
        if (e->watch)
                put(l, " watch=1");
        if (e->mode)
                put(l, " mode=%s", history__watch_name[e->mode]);
        if (e->has_seen)
                put(l, " %s=0x%" PRIx64, e->verb == VERB_SET_WATCHES ? "rel" : "seen", (uint64_t)e->seen);
        put_list(l, "dw", &e->watched[0]);
        put_list(l, "ew", &e->watched[1]);
        put_list(l, "cw", &e->watched[2]);
        put_list(l, "pw", &e->watched[3]);
        put_list(l, "rw", &e->watched[4]);
        if (e->parent_cversion != -1)
                put(l, " pcv=%d", e->parent_cversion);
}

static void put_answer(struct line *l, const struct history_entry *e)
{
        bool answered = e->kind == HISTORY_OP || e->kind == HISTORY_SUB || e->verb == VERB_ERROR;
        if (answered && e->err == HISTORY_UNKNOWN)
                put(l, " err=?");
        else if (answered)
                put(l, " err=%d", e->err);
        if (e->kind != HISTORY_TXN && e->zxid)
                put(l, " zxid=0x%" PRIx64, (uint64_t)e->zxid);
        put_text(l, "name", e->name);
        put_text(l, "got", e->got);
        if (e->has_stat)
                put_stat(l, &e->stat);
        put_list(l, "kids", &e->kids);
        if (e->verb == VERB_DESCENDANTS && !e->err)
                put(l, " count=%d", e->number);
        if (e->timeout_ms)
                put(l, " timeout=%d", e->timeout_ms);
        if (e->wrong)
                put(l, " wrong=1");
        if (e->read_only)
                put(l, " ro=1");
}

const char *history_line(const struct history *h, const struct history_entry *e, char *ret, size_t size)
{
        struct line l = {.h = h, .to = ret, .size = size};
        ret[0] = 0;
        put(&l, "%s", history__kind_name[e->kind]);
        put_times(&l, e);
        put_asked(&l, e);
        put_answer(&l, e);
        return ret;
}

void history_write(const struct history *h, FILE *to)
{
        char *line = mem_alloc(HISTORY_LINE_BYTES_MAX);
        for (size_t i = 0; i < h->count; i++)
                (void)fprintf(to, "%s\n", history_line(h, &h->entries[i], line, HISTORY_LINE_BYTES_MAX));
        mem_free(line);
}
