/* Histories as text: README.md says the format. */
#include "tests/sim/history/history_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A longer line is refused. */
#define LINE_BYTES_MAX (1u << 20)
/* Fields of one line; a stat and what stands in it count as one. */
#define FIELDS_MAX 40

static const char *const kind_name[] = {
        [HISTORY_OPEN] = "open", [HISTORY_RESUME] = "resume", [HISTORY_REFUSE] = "refuse", [HISTORY_LOST] = "lost",
        [HISTORY_OP] = "op",     [HISTORY_SUB] = "sub",       [HISTORY_EVENT] = "event",   [HISTORY_FINAL] = "final",
        [HISTORY_NODE] = "node", [HISTORY_SESSION] = "sess",  [HISTORY_TXN] = "txn",
};
static_assert(sizeof kind_name / sizeof *kind_name == HISTORY_KIND_MAX, "a word for each kind");

static const char *const verb_name[] = {
        [VERB_NONE] = "none",      [VERB_CREATE] = "create",
        [VERB_DELETE] = "delete",  [VERB_SET] = "set",
        [VERB_SET_ACL] = "setacl", [VERB_CHECK] = "check",
        [VERB_MULTI] = "multi",    [VERB_GET] = "get",
        [VERB_EXISTS] = "exists",  [VERB_CHILDREN] = "children",
        [VERB_GET_ACL] = "getacl", [VERB_SYNC] = "sync",
        [VERB_PING] = "ping",      [VERB_SET_WATCHES] = "setwatches",
        [VERB_CLOSE] = "close",    [VERB_OPEN] = "open",
        [VERB_ERROR] = "error",
};
static_assert(sizeof verb_name / sizeof *verb_name == VERB_MAX, "a word for each verb");

static const char *const event_name[] = {
        [0] = "none", [1] = "created", [2] = "deleted", [3] = "changed", [4] = "children",
};
#define EVENT_NAMES (sizeof event_name / sizeof *event_name)
static const char flag_letter[] = "esct"; /* by bit */

/* ---- reading ---- */

struct reading {
        struct history *h;
        struct history_entry e;
        const char *why; /* NULL while all is well */
        char key[16];
};

static int find_name(const char *const *names, size_t count, const char *text)
{
        for (size_t i = 0; i < count; i++)
                if (!strcmp(names[i], text))
                        return (int)i;
        return -1;
}

static int64_t get_number(struct reading *r, const char *text)
{
        char *end;
        const bool negative = text[0] == '-';
        const char *digits = text + negative;
        const bool hex = digits[0] == '0' && digits[1] == 'x';
        errno = 0;
        uint64_t n = strtoull(hex ? digits + 2 : digits, &end, hex ? 16 : 10);
        if (errno || *end || end == digits || digits[0] == '-' || digits[0] == '+' || (negative && n > INT64_MAX))
                r->why = "not a number";
        return negative ? -(int64_t)n : (int64_t)n;
}

static int32_t get_int(struct reading *r, const char *text)
{
        int64_t n = get_number(r, text);
        if (n < INT32_MIN || n > INT32_MAX)
                r->why = "a number out of its range";
        return (int32_t)n;
}

static uint32_t get_uint(struct reading *r, const char *text)
{
        int64_t n = get_number(r, text);
        if (n < 0 || n > UINT32_MAX)
                r->why = "a number out of its range";
        return (uint32_t)n;
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place; returns the length. */
static size_t unescape(struct reading *r, char *text)
{
        size_t len = 0;
        for (const char *p = text; *p; p++) {
                if (*p != '%') {
                        text[len++] = *p;
                        continue;
                }
                int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
                if (low < 0) {
                        r->why = "% without two hexadecimal digits";
                        return len;
                }
                text[len++] = (char)(high * 16 + low);
                p += 2;
        }
        return len;
}

static text_id get_text(struct reading *r, char *text)
{
        size_t len = unescape(r, text);
        return history_text(r->h, text, len);
}

static struct history_list get_list(struct reading *r, char *text)
{
        struct history_list list = history_list_begin(r->h);
        while (*text) {
                char *comma = strchr(text, ',');
                if (comma)
                        *comma = 0;
                history_list_add(r->h, &list, get_text(r, text));
                if (!comma)
                        break;
                text = comma + 1;
        }
        return list;
}

static void get_stat(struct reading *r, char *text)
{
        static const char *const names[] = {"c", "m", "p", "v", "cv", "av", "o", "len", "kids"};
        int64_t n[9];
        unsigned seen = 0;
        while (*text) {
                char *comma = strchr(text, ',');
                if (comma)
                        *comma = 0;
                char *colon = strchr(text, ':');
                if (colon)
                        *colon = 0;
                int i = colon ? find_name(names, 9, text) : -1;
                if (i < 0) {
                        r->why = "a stat that can't be read";
                        return;
                }
                n[i] = get_number(r, colon + 1);
                seen |= 1u << i;
                if (!comma)
                        break;
                text = comma + 1;
        }
        if (seen != 0x1ff) {
                r->why = "a stat that is not whole";
                return;
        }
        r->e.has_stat = true;
        r->e.stat = (struct history_stat){.czxid = n[0],
                                          .mzxid = n[1],
                                          .pzxid = n[2],
                                          .version = (int32_t)n[3],
                                          .cversion = (int32_t)n[4],
                                          .aversion = (int32_t)n[5],
                                          .owner = n[6],
                                          .data_length = (int32_t)n[7],
                                          .children = (int32_t)n[8]};
}

static void get_flags(struct reading *r, const char *text)
{
        for (; *text; text++) {
                const char *at = strchr(flag_letter, *text);
                if (!at) {
                        r->why = "an unknown flag";
                        return;
                }
                r->e.flags |= (uint8_t)(1u << (at - flag_letter));
        }
}

static void get_verb(struct reading *r, const char *text)
{
        int i = find_name(verb_name, VERB_MAX, text);
        if (i <= 0)
                r->why = "an unknown operation";
        else
                r->e.verb = (enum history_verb)i;
}

static void get_event(struct reading *r, const char *text)
{
        int i = find_name(event_name, EVENT_NAMES, text);
        if (i <= 0)
                r->why = "an unknown type of event";
        else
                r->e.event = (uint8_t)i;
}

static bool get_times(struct reading *r, const char *key, char *value)
{
        struct history_entry *e = &r->e;
        if (!strcmp(key, "call"))
                e->call_us = (uint64_t)get_number(r, value);
        else if (!strcmp(key, "ret") || !strcmp(key, "at"))
                e->return_us = (uint64_t)get_number(r, value);
        else if (!strcmp(key, "c"))
                e->client = get_uint(r, value);
        else if (!strcmp(key, "k"))
                e->conn = get_uint(r, value);
        else if (!strcmp(key, "s"))
                e->session = get_number(r, value);
        else if (!strcmp(key, "srv"))
                e->server = get_int(r, value);
        else if (!strcmp(key, "x"))
                e->cxid = get_int(r, value);
        else if (!strcmp(key, "zxid"))
                e->zxid = get_number(r, value);
        else if (!strcmp(key, "err"))
                e->err = !strcmp(value, "?") ? HISTORY_UNKNOWN : get_int(r, value);
        else if (!strcmp(key, "timeout"))
                e->timeout_ms = get_int(r, value);
        else
                return false;
        return true;
}

static bool get_subject(struct reading *r, const char *key, char *value)
{
        struct history_entry *e = &r->e;
        if (!strcmp(key, "op"))
                get_verb(r, value);
        else if (!strcmp(key, "path"))
                e->path = get_text(r, value);
        else if (!strcmp(key, "data"))
                e->data = get_text(r, value);
        else if (!strcmp(key, "acl"))
                e->acl = get_text(r, value);
        else if (!strcmp(key, "name"))
                e->name = get_text(r, value);
        else if (!strcmp(key, "got"))
                e->got = get_text(r, value);
        else if (!strcmp(key, "stat"))
                get_stat(r, value);
        else if (!strcmp(key, "kids"))
                e->kids = get_list(r, value);
        else if (!strcmp(key, "version"))
                e->version = get_int(r, value);
        else if (!strcmp(key, "flags"))
                get_flags(r, value);
        else
                return false;
        return true;
}

static bool get_rest(struct reading *r, const char *key, char *value)
{
        struct history_entry *e = &r->e;
        if (!strcmp(key, "watch"))
                e->watch = get_number(r, value) != 0;
        else if (!strcmp(key, "wrong"))
                e->wrong = get_number(r, value) != 0;
        else if (!strcmp(key, "type"))
                get_event(r, value);
        else if (!strcmp(key, "pcv"))
                e->parent_cversion = get_int(r, value);
        else if (!strcmp(key, "dw"))
                e->watched[0] = get_list(r, value);
        else if (!strcmp(key, "ew"))
                e->watched[1] = get_list(r, value);
        else if (!strcmp(key, "cw"))
                e->watched[2] = get_list(r, value);
        else if (!strcmp(key, "seen") || !strcmp(key, "rel")) {
                e->seen = get_number(r, value);
                e->has_seen = true;
        } else {
                return false;
        }
        return true;
}

static void get_field(struct reading *r, char *field)
{
        char *equals = strchr(field, '=');
        if (!equals) {
                r->key[0] = 0;
                r->why = "a field without =";
                return;
        }
        *equals = 0;
        (void)snprintf(r->key, sizeof r->key, "%s", field);
        char *value = equals + 1;
        if (!get_times(r, field, value) && !get_subject(r, field, value) && !get_rest(r, field, value))
                r->why = "an unknown key";
}

/* What later code relies on. */
static void check_entry(struct reading *r)
{
        const struct history_entry *e = &r->e;
        bool verb = e->kind == HISTORY_OP || e->kind == HISTORY_SUB || e->kind == HISTORY_TXN;
        bool timed = e->kind <= HISTORY_OP || e->kind == HISTORY_EVENT;
        bool pathless = e->verb >= VERB_PING || e->verb == VERB_MULTI || e->verb == VERB_SYNC;
        if (verb && !e->verb)
                r->why = "no op=";
        else if (verb && !pathless && !e->path)
                r->why = "no path=";
        else if ((e->kind == HISTORY_EVENT && (!e->path || !e->event)) || (e->kind == HISTORY_NODE && !e->path))
                r->why = "something is missing";
        else if (timed && !e->conn)
                r->why = "no connection (k)";
        else if (e->kind == HISTORY_OP && (e->return_us < e->call_us || !e->session))
                r->why = "no session, or an answer before the question";
        else if (e->kind == HISTORY_OP && (e->verb == VERB_OPEN || e->verb == VERB_ERROR || e->verb == VERB_CHECK))
                r->why = "no operation of a client";
        else if (e->kind == HISTORY_TXN && !e->zxid)
                r->why = "a transaction without zxid";
        else if (e->kind == HISTORY_NODE && !e->has_stat)
                r->why = "a node without stat";
}

static void take_line(struct reading *r, char *line, uint32_t number)
{
        int fields = 0;
        char *rest = line, *word = strsep(&rest, " ");
        int kind = find_name(kind_name, HISTORY_KIND_MAX, word);
        if (kind < 0) {
                r->why = "an unknown word";
                return;
        }
        r->e = history_blank((enum history_kind)kind);
        r->e.line = number;
        for (char *field = strsep(&rest, " "); field && !r->why; field = strsep(&rest, " ")) {
                if (++fields > FIELDS_MAX)
                        r->why = "too many fields";
                else if (*field)
                        get_field(r, field);
        }
        if (!r->why) {
                r->key[0] = 0;
                check_entry(r);
        }
}

/* A sub counts at the multi above it. */
static void take_entry(struct reading *r)
{
        struct history *h = r->h;
        if (r->e.kind == HISTORY_SUB) {
                size_t i = h->count;
                while (i > 0 && h->entries[i - 1].kind == HISTORY_SUB)
                        i--;
                if (!i || h->entries[i - 1].verb != VERB_MULTI) {
                        r->why = "a sub without its multi";
                        return;
                }
                h->entries[i - 1].subs++;
        }
        history_add(h, &r->e);
}

int history_read(struct history *h, FILE *from, char *ret, size_t size)
{
        char *line = NULL;
        size_t capacity = 0;
        uint32_t number = 0;
        struct reading r = {.h = h};
        for (;;) {
                ssize_t len = getline(&line, &capacity, from);
                if (len < 0)
                        break;
                number++;
                if (len && line[len - 1] == '\n')
                        line[--len] = 0;
                if (!len || line[0] == '#')
                        continue;
                if ((size_t)len > LINE_BYTES_MAX || strlen(line) != (size_t)len)
                        r.why = "a line that is too long, or has zero bytes";
                if (!r.why)
                        take_line(&r, line, number);
                if (!r.why)
                        take_entry(&r);
                if (r.why)
                        break;
        }
        free(line); /* getline's */
        if (!r.why && ferror(from)) {
                (void)snprintf(ret, size, "behind line %" PRIu32 " it can't be read", number);
                return -EIO;
        }
        if (!r.why)
                return 0;
        (void)snprintf(ret, size, "line %" PRIu32 ": %s%s%s", number, r.key, r.key[0] ? ": " : "", r.why);
        return -EINVAL;
}

/* ---- writing ---- */

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
        if (e->client)
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
                put(l, " op=%s", verb_name[e->verb]);
        if (e->event)
                put(l, " type=%s", event_name[e->event]);
        put_text(l, "path", e->path);
        put_text(l, "data", e->data);
        put_text(l, "acl", e->acl);
        if (e->flags)
                put(l, " flags=");
        for (int i = 0; flag_letter[i]; i++)
                if (e->flags & 1u << i)
                        put(l, "%c", flag_letter[i]);
        if (e->version != -1)
                put(l, " version=%d", e->version);
        if (e->watch)
                put(l, " watch=1");
        if (e->has_seen)
                put(l, " %s=0x%" PRIx64, e->verb == VERB_SET_WATCHES ? "rel" : "seen", (uint64_t)e->seen);
        put_list(l, "dw", &e->watched[0]);
        put_list(l, "ew", &e->watched[1]);
        put_list(l, "cw", &e->watched[2]);
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
        if (e->timeout_ms)
                put(l, " timeout=%d", e->timeout_ms);
        if (e->wrong)
                put(l, " wrong=1");
}

const char *history_line(const struct history *h, const struct history_entry *e, char *ret, size_t size)
{
        struct line l = {.h = h, .to = ret, .size = size};
        ret[0] = 0;
        put(&l, "%s", kind_name[e->kind]);
        put_times(&l, e);
        put_asked(&l, e);
        put_answer(&l, e);
        return ret;
}

void history_write(const struct history *h, FILE *to)
{
        char *line = mem_alloc(LINE_BYTES_MAX);
        for (size_t i = 0; i < h->count; i++)
                (void)fprintf(to, "%s\n", history_line(h, &h->entries[i], line, LINE_BYTES_MAX));
        mem_free(line);
}
