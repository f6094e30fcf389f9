/* See multi_file.h. */
#include "daemon/ctl/multi_file.h"

#include "daemon/common/settings.h"
#include "daemon/ctl/acl_text.h"
#include "daemon/ctl/base64.h"
#include "daemon/ctl/control_text.h"
#include "daemon/ctl/line_words.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a sentence about what is wrong with a line. */
#define WHY_MAX 256

struct multi_line {
        int number;
        struct line_words words;
        char *decoded; /* a value that was base64 */
        struct jute_writer acl;
        struct jute_vec vec;
};

static const struct form {
        const char *name;
        enum opcode type;
        const char *letters; /* those with a value in capitals here */
        size_t most;         /* words behind the options */
        bool wants_value;
} forms[] = {
        {"create", OP_CREATE, "escTb", 3, false},
        {"set", OP_SET_DATA, "Vb", 2, true},
        {"delete", OP_DELETE, "V", 1, false},
        {"check", OP_CHECK, "V", 1, false},
};
#define FORMS (sizeof forms / sizeof *forms)

static int bad(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int bad(char *why, const char *format, ...)
{
        va_list list;
        va_start(list, format);
        (void)vsnprintf(why, WHY_MAX, format, list);
        va_end(list);
        return -EINVAL;
}

struct options {
        bool ephemeral, sequential, container, ttl, base64;
        int64_t ttl_ms, version;
};

static int number_of(const struct line_words *w, size_t at, int64_t least, int64_t most, int64_t *ret, char *why)
{
        if (at < w->count && settings_number(w->words[at], least, most, ret) == 0)
                return 0;
        return bad(why, "%s wants a number, %lld to %lld", w->words[at - 1], (long long)least, (long long)most);
}

/* Options stand before the path. Returns where they end, or -EINVAL. */
static int take_options(const struct form *f, const struct line_words *w, struct options *ret, char *why)
{
        size_t at = 1;
        *ret = (struct options){.version = -1};
        for (; at < w->count && w->words[at][0] == '-' && w->sizes[at] == 2; at++) {
                char letter = w->words[at][1];
                bool valued = letter == 'v' || letter == 't';
                int r = 0;
                /* A capital, or a NUL, would be found in the form's letters, and then say nothing. */
                if (letter < 'a' || letter > 'z' || !strchr(f->letters, valued ? letter - 'a' + 'A' : letter))
                        return bad(why, "%s has no option %s", f->name, w->words[at]);
                if (letter == 'v')
                        r = number_of(w, at + 1, -1, INT32_MAX, &ret->version, why);
                else if (letter == 't')
                        r = number_of(w, at + 1, 1, CLIENT_TTL_MAX_MS, &ret->ttl_ms, why);
                if (r < 0)
                        return r;
                at += valued;
                ret->ephemeral |= letter == 'e';
                ret->sequential |= letter == 's';
                ret->container |= letter == 'c';
                ret->ttl |= letter == 't';
                ret->base64 |= letter == 'b';
        }
        return (int)at;
}

static int take_kind(const struct options *o, struct client_op *op, char *why)
{
        if (op->type != OP_CREATE)
                return 0;
        if (o->container && (o->ephemeral || o->sequential || o->ttl))
                return bad(why, "a container is neither ephemeral nor sequential and has no TTL");
        if (o->ttl && o->ephemeral)
                return bad(why, "an ephemeral znode has no TTL");
        op->type = o->container ? OP_CREATE_CONTAINER : o->ttl ? OP_CREATE_TTL : OP_CREATE;
        op->flags = (o->ephemeral ? CLIENT_EPHEMERAL : 0) | (o->sequential ? CLIENT_SEQUENTIAL : 0);
        op->ttl_ms = o->ttl_ms;
        return 0;
}

static int take_value(struct multi_line *l, size_t at, bool base64, struct client_op *op, char *why)
{
        size_t size;
        if (at >= l->words.count) {
                op->data = jute_cstr("");
                return 0;
        }
        op->data = jute_str_of(l->words.words[at], l->words.sizes[at]);
        if (!base64)
                return 0;
        if (base64_decode(l->words.words[at], l->words.sizes[at], &l->decoded, &size) < 0)
                return bad(why, "the value is no base64");
        op->data = jute_str_of(l->decoded, size);
        return 0;
}

static int take_acl(struct multi_line *l, size_t at, struct client_op *op, char *why)
{
        struct acl_list acl;
        if (at >= l->words.count)
                return 0;
        int r = acl_parse(l->words.words[at], &acl, why, WHY_MAX);
        if (r == 0) {
                l->vec = acl_encode(&acl, &l->acl);
                op->acl = &l->vec;
        }
        acl_done(&acl);
        return r;
}

/* A path is refused by the client too, but there nobody would know of which line. */
static int take_path(const struct line_words *w, size_t at, struct client_op *op, char *why)
{
        if (at >= w->count)
                return bad(why, "which path?");
        if (w->words[at][0] != '/' || strlen(w->words[at]) != w->sizes[at])
                return bad(why, "'%.100s' is no path: it begins with a slash", w->words[at]);
        if (control_text_has(w->words[at]))
                return bad(why, "'%.100s' is no path: control characters are in it", w->words[at]);
        op->path = w->words[at];
        return 0;
}

static int take_operation(struct multi_line *l, struct client_op *op, char *why)
{
        struct options o;
        size_t f = 0;
        while (f < FORMS && strcmp(forms[f].name, l->words.words[0]) != 0)
                f++;
        if (f == FORMS)
                return bad(why, "'%.100s' is no operation: create, set, delete or check", l->words.words[0]);
        int at = take_options(&forms[f], &l->words, &o, why);
        if (at < 0)
                return at;
        size_t path = (size_t)at;
        *op = (struct client_op){.type = forms[f].type, .version = (int32_t)o.version};
        int r = take_path(&l->words, path, op, why);
        if (r < 0)
                return r;
        if (l->words.count - path > forms[f].most)
                return bad(why, "too many words: one with blanks stands in quotes");
        if (forms[f].wants_value && l->words.count - path < 2)
                return bad(why, "which value? (\"\" is the empty one)");
        r = take_kind(&o, op, why);
        if (r == 0)
                r = take_value(l, path + 1, o.base64, op, why);
        return r < 0 ? r : take_acl(l, path + 2, op, why);
}

static void line_done(struct multi_line *l)
{
        line_words_done(&l->words);
        mem_free(l->decoded);
        jute_writer_done(&l->acl);
}

/* The words stay where they are, but ACLs are pointed to in the lines, which move while they grow: set at the end. */
static void add(struct multi_file *m, size_t *capacity, const struct multi_line *l, const struct client_op *op)
{
        size_t same = *capacity;
        m->ops = mem_grow(m->ops, &same, m->count + 1, sizeof *m->ops);
        m->lines = mem_grow(m->lines, capacity, m->count + 1, sizeof *m->lines);
        m->ops[m->count] = *op;
        m->lines[m->count++] = *l;
}

void multi_file_parse(const char *text, size_t len, struct multi_file *ret, struct problems *problems)
{
        size_t capacity = 0;
        int number = 0;
        *ret = (struct multi_file){.ops = NULL};
        for (const char *at = text, *end = text + len; at < end;) {
                const char *eol = memchr(at, '\n', (size_t)(end - at));
                size_t size = (size_t)((eol ? eol : end) - at);
                struct multi_line l = {.number = ++number};
                struct client_op op = {.path = NULL};
                char why[WHY_MAX];
                jute_writer_init(&l.acl, SIZE_MAX);
                int r = line_words_split(at, size, &l.words, why, sizeof why);
                if (r == 0 && l.words.count)
                        r = take_operation(&l, &op, why);
                if (r == 0 && op.path && ret->count == CLIENT_MULTI_OPS_MAX)
                        r = bad(why, "more than %d operations", CLIENT_MULTI_OPS_MAX);
                if (r < 0) {
                        control_text_mask(why);
                        problems_add(problems, number, "%s", why);
                }
                if (r == 0 && op.path)
                        add(ret, &capacity, &l, &op);
                else
                        line_done(&l);
                at += size + (eol ? 1 : 0);
        }
        for (size_t i = 0; i < ret->count; i++)
                if (ret->ops[i].acl)
                        ret->ops[i].acl = &ret->lines[i].vec;
        if (!ret->count && !problems->count)
                problems_add(problems, 0, "has no operation");
}

void multi_file_done(struct multi_file *m)
{
        for (size_t i = 0; i < m->count; i++)
                line_done(&m->lines[i]);
        mem_free(m->lines);
        mem_free(m->ops);
        *m = (struct multi_file){.ops = NULL};
}

int multi_file_line(const struct multi_file *m, size_t index)
{
        return m->lines[index].number;
}
