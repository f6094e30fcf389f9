/* Histories as text, read: README.md says the format. Whatever is not as it says is refused with its line: a history
 * that was understood in another way than it was meant proves nothing. */
#include "tests/sim/history/history_internal.h"
#include "tests/sim/history/history_rules.h"

#include "election/base/alloc.h"
#include "election/base/map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What is known of a connection so far. */
struct connection {
        int64_t session;
        bool open; /* else it was refused, or never answered */
        bool lost;
};

struct reading {
        struct history *h;
        struct history_entry e;
        history_keys seen;
        const char *why; /* NULL while all is well */
        char key[16];
        struct map connections; /* by number: index + 1 as pointer */
        struct connection *known;
        size_t known_count, known_capacity;
};

static void wrong(struct reading *r, const char *why)
{
        if (!r->why)
                r->why = why;
}

static int find_name(const char *const *names, size_t count, const char *text)
{
        for (size_t i = 0; i < count; i++)
                if (names[i] && !strcmp(names[i], text))
                        return (int)i;
        return -1;
}

/* ---- numbers ---- */

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decimal, or hexadecimal after 0x; nothing before it and nothing behind it, and no leading zeros. */
static uint64_t get_number(struct reading *r, const char *text)
{
        uint64_t n = 0, base = !strncmp(text, "0x", 2) ? 16 : 10;
        const char *digits = base == 16 ? text + 2 : text;
        if (!*digits || (digits[0] == '0' && digits[1])) {
                wrong(r, "not a number");
                return 0;
        }
        for (const char *p = digits; *p; p++) {
                int digit = hex_digit(*p);
                if (digit < 0 || (uint64_t)digit >= base) {
                        wrong(r, "not a number");
                        return 0;
                }
                if (n > (UINT64_MAX - (uint64_t)digit) / base) {
                        wrong(r, "a number out of its range");
                        return 0;
                }
                n = n * base + (uint64_t)digit;
        }
        return n;
}

static int64_t get_id(struct reading *r, const char *text)
{
        return (int64_t)get_number(r, text);
}

static uint64_t get_within(struct reading *r, const char *text, uint64_t least, uint64_t most)
{
        uint64_t n = get_number(r, text);
        if (n < least || n > most)
                wrong(r, "a number out of its range");
        return n;
}

static int32_t get_int(struct reading *r, const char *text)
{
        if (text[0] != '-')
                return (int32_t)get_within(r, text, 0, INT32_MAX);
        int64_t n = (int64_t)get_within(r, text + 1, 1, (uint64_t)INT32_MAX + 1);
        return (int32_t)-n;
}

static bool get_flag(struct reading *r, const char *text)
{
        return get_within(r, text, 0, 1) != 0;
}

static int32_t get_error(struct reading *r, const char *text)
{
        if (!strcmp(text, "?"))
                return HISTORY_UNKNOWN;
        int32_t err = get_int(r, text);
        if (err > 0)
                wrong(r, "an error is negative");
        return err;
}

/* ---- text ---- */

/* What the writer of a file has to write as %XX. */
static bool is_reserved(unsigned char c)
{
        return c <= 0x20 || c == 0x7f || c == '=' || c == ',';
}

/* In place; returns the length. */
static size_t unescape(struct reading *r, char *text)
{
        size_t len = 0;
        for (const char *p = text; *p; p++) {
                if (is_reserved((unsigned char)*p)) {
                        wrong(r, "a byte that has to be written as %XX");
                        return len;
                }
                if (*p != '%') {
                        text[len++] = *p;
                        continue;
                }
                int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
                if (low < 0) {
                        wrong(r, "% without two hexadecimal digits");
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

static text_id get_path(struct reading *r, char *text)
{
        if (text[0] != '/')
                wrong(r, "a path begins with /");
        return get_text(r, text);
}

static struct history_list get_list(struct reading *r, char *text)
{
        struct history_list list = history_list_begin(r->h);
        for (char *rest = text, *item; *text && (item = strsep(&rest, ",")) && !r->why;) {
                if (!*item)
                        wrong(r, "an empty name");
                history_list_add(r->h, &list, get_text(r, item));
        }
        return list;
}

/* ---- what has a form of its own ---- */

static void get_stat(struct reading *r, char *text)
{
        static const char *const names[] = {"c", "m", "p", "v", "cv", "av", "o", "len", "kids"};
        struct history_stat *s = &r->e.stat;
        int64_t *const ids[9] = {&s->czxid, &s->mzxid, &s->pzxid, [6] = &s->owner};
        int32_t *const counts[9] = {[3] = &s->version, &s->cversion, &s->aversion, [7] = &s->data_length, &s->children};
        unsigned seen = 0;
        for (char *rest = text, *field; (field = strsep(&rest, ",")) && !r->why;) {
                char *value = field, *name = strsep(&value, ":");
                int i = value ? find_name(names, 9, name) : -1;
                if (i < 0 || seen >> i & 1) {
                        wrong(r, "a stat that can't be read");
                        return;
                }
                seen |= 1u << i;
                if (ids[i])
                        *ids[i] = get_id(r, value);
                else
                        *counts[i] = get_int(r, value);
        }
        if (seen != 0x1ff)
                wrong(r, "a stat that is not whole");
        r->e.has_stat = true;
}

static void get_flags(struct reading *r, const char *text)
{
        if (!*text)
                wrong(r, "no flag is left out");
        for (; *text; text++) {
                const char *at = strchr(history__flag_letter, *text);
                uint8_t bit = at ? (uint8_t)(1u << (at - history__flag_letter)) : 0;
                if (!at || r->e.flags & bit)
                        wrong(r, at ? "a flag twice" : "an unknown flag");
                r->e.flags |= bit;
        }
}

static void get_verb(struct reading *r, const char *text)
{
        int i = find_name(history__verb_name, VERB_MAX, text);
        if (i <= 0)
                wrong(r, "an unknown operation");
        else
                r->e.verb = (enum history_verb)i;
}

static void get_event(struct reading *r, const char *text)
{
        int i = find_name(history__event_name, HISTORY_EVENT_NAMES, text);
        if (i <= 0)
                wrong(r, "an unknown type of event");
        else
                r->e.event = (uint8_t)i;
}

static void get_mode(struct reading *r, const char *text)
{
        int i = find_name(history__watch_name, HISTORY_WATCH_MAX, text);
        if (i <= 0)
                wrong(r, "an unknown kind of watch");
        else
                r->e.mode = (uint8_t)i;
}

/* ---- fields ---- */

static void get_value_of(struct reading *r, enum history_key key, char *value)
{
        struct history_entry *e = &r->e;
        switch (key) {
        case KEY_CALL:
                e->call_us = get_number(r, value);
                break;
        case KEY_RET:
        case KEY_AT:
                e->return_us = get_number(r, value);
                break;
        case KEY_C:
                e->client = (uint32_t)get_within(r, value, 0, UINT32_MAX);
                break;
        case KEY_K:
                e->conn = (uint32_t)get_within(r, value, 1, UINT32_MAX);
                break;
        case KEY_S:
                e->session = get_id(r, value);
                break;
        case KEY_SRV:
                e->server = (int32_t)get_within(r, value, 1, INT32_MAX);
                break;
        case KEY_X:
                e->cxid = get_int(r, value);
                break;
        case KEY_ZXID:
                e->zxid = get_id(r, value);
                break;
        case KEY_ERR:
                e->err = get_error(r, value);
                break;
        case KEY_TIMEOUT:
                e->timeout_ms = (int32_t)get_within(r, value, 0, INT32_MAX);
                break;
        case KEY_VERSION:
                e->version = get_int(r, value);
                break;
        case KEY_PCV:
                e->parent_cversion = get_int(r, value);
                break;
        case KEY_COUNT:
                e->number = (int32_t)get_within(r, value, 0, INT32_MAX);
                break;
        case KEY_WATCH:
                e->watch = get_flag(r, value);
                break;
        case KEY_RO:
                e->read_only = get_flag(r, value);
                break;
        case KEY_WRONG:
                e->wrong = get_flag(r, value);
                break;
        default: /* KEY_SEEN, KEY_REL */
                e->seen = get_id(r, value);
                e->has_seen = true;
                break;
        }
}

static void get_value(struct reading *r, enum history_key key, char *value)
{
        struct history_entry *e = &r->e;
        switch (key) {
        case KEY_OP:
                get_verb(r, value);
                break;
        case KEY_PATH:
                e->path = get_path(r, value);
                break;
        case KEY_DATA:
                e->data = get_text(r, value);
                break;
        case KEY_ACL:
                e->acl = get_text(r, value);
                break;
        case KEY_WHO:
                e->who = get_text(r, value);
                break;
        case KEY_NAME:
                e->name = get_path(r, value);
                break;
        case KEY_GOT:
                e->got = get_text(r, value);
                break;
        case KEY_STAT:
                get_stat(r, value);
                break;
        case KEY_KIDS:
                e->kids = get_list(r, value);
                break;
        case KEY_FLAGS:
                get_flags(r, value);
                break;
        case KEY_TYPE:
                get_event(r, value);
                break;
        case KEY_MODE:
                get_mode(r, value);
                break;
        case KEY_DW:
        case KEY_EW:
        case KEY_CW:
        case KEY_PW:
        case KEY_RW:
                e->watched[key - KEY_DW] = get_list(r, value);
                break;
        default:
                get_value_of(r, key, value);
                break;
        }
}

static void get_field(struct reading *r, char *field)
{
        char *value = field, *name = strsep(&value, "=");
        enum history_key key = value ? history__key_find(name) : KEY_MAX;
        (void)snprintf(r->key, sizeof r->key, "%s", value ? name : "");
        if (!*field && !value)
                wrong(r, "more than one space, or one at the end");
        else if (!value)
                wrong(r, "a field without =");
        else if (key == KEY_MAX)
                wrong(r, "an unknown key");
        else if (r->seen & KEY_BIT(key))
                wrong(r, "said twice");
        else
                get_value(r, key, value);
        if (key < KEY_MAX)
                r->seen |= KEY_BIT(key);
}

/* ---- lines ---- */

/* The entry that a part belongs to, NULL: there is none above. */
static const struct history_entry *whole_of(const struct reading *r)
{
        size_t i = r->h->count;
        if (r->e.kind != HISTORY_SUB)
                return &r->e;
        while (i > 0 && r->h->entries[i - 1].kind == HISTORY_SUB)
                i--;
        return i && r->h->entries[i - 1].verb == VERB_MULTI ? &r->h->entries[i - 1] : NULL;
}

static void name_key(struct reading *r, history_keys keys)
{
        int key = 0;
        while (!(keys >> key & 1))
                key++;
        (void)snprintf(r->key, sizeof r->key, "%s", history__key_name((enum history_key)key));
}

static void check_fields(struct reading *r)
{
        history_keys must, may;
        const struct history_entry *whole = whole_of(r);
        r->key[0] = 0;
        if (!whole) {
                wrong(r, "a sub without its multi");
                return;
        }
        const char *why = history__rules(&r->e, whole, &must, &may);
        if (must & ~r->seen) {
                name_key(r, must & ~r->seen);
                wrong(r, "it is missing");
        } else if (why) {
                wrong(r, why);
        } else if (r->seen & ~(must | may)) {
                name_key(r, r->seen & ~(must | may));
                wrong(r, "it does not belong there");
        } else if ((must & KEY_BIT(KEY_CALL)) && r->e.return_us < r->e.call_us) {
                wrong(r, "an answer before the question");
        }
}

static void take_line(struct reading *r, char *line, uint32_t number)
{
        char *rest = line, *word = strsep(&rest, " ");
        int kind = find_name(history__kind_name, HISTORY_KIND_MAX, word);
        r->key[0] = 0;
        r->seen = 0;
        if (kind < 0) {
                wrong(r, "an unknown word");
                return;
        }
        r->e = history_blank((enum history_kind)kind);
        r->e.line = number;
        for (char *field = strsep(&rest, " "); field && !r->why; field = strsep(&rest, " "))
                get_field(r, field);
        if (!r->why)
                check_fields(r);
}

/* ---- what a line has to do with those above ---- */

static struct connection *connection(struct reading *r, bool *ret_new)
{
        uintptr_t at = (uintptr_t)map_get(&r->connections, r->e.conn);
        *ret_new = !at;
        if (at)
                return &r->known[at - 1];
        r->known = mem_grow(r->known, &r->known_capacity, r->known_count + 1, sizeof *r->known);
        r->known[r->known_count++] = (struct connection){.session = r->e.session};
        map_put(&r->connections, r->e.conn, (void *)r->known_count); // NOLINT(performance-no-int-to-ptr)
        return &r->known[r->known_count - 1];
}

static void follow_connection(struct reading *r)
{
        bool new;
        struct connection *k = connection(r, &new);
        switch (r->e.kind) {
        case HISTORY_OPEN:
        case HISTORY_RESUME:
        case HISTORY_REFUSE:
                if (!new)
                        wrong(r, "a connection of this number was there before");
                k->open = r->e.kind != HISTORY_REFUSE;
                break;
        case HISTORY_LOST:
                if (k->lost)
                        wrong(r, "it was lost before");
                k->lost = true;
                break;
        default:
                if (new || !k->open || k->lost)
                        wrong(r, "no such connection is open");
                else if (r->e.kind == HISTORY_OP && r->e.session != k->session)
                        wrong(r, "that is not the session of the connection");
                break;
        }
        if (r->why)
                (void)snprintf(r->key, sizeof r->key, "k");
}

static void follow(struct reading *r)
{
        const struct history *h = r->h;
        enum history_kind before = h->count ? h->entries[h->count - 1].kind : HISTORY_KIND_MAX;
        if (r->e.conn)
                follow_connection(r);
        if ((r->e.kind == HISTORY_NODE || r->e.kind == HISTORY_SESSION) && before != HISTORY_FINAL &&
            before != HISTORY_NODE && before != HISTORY_SESSION)
                wrong(r, "it belongs to no final tree");
}

/* A sub counts at the multi above it. */
static void take_entry(struct reading *r)
{
        struct history *h = r->h;
        size_t i = h->count;
        if (r->e.kind == HISTORY_SUB) {
                while (h->entries[i - 1].kind == HISTORY_SUB)
                        i--;
                h->entries[i - 1].subs++;
        }
        history_add(h, &r->e);
}

static void take(struct reading *r, char *line, ssize_t len, uint32_t number)
{
        if (line[len - 1] != '\n')
                wrong(r, "the last line has no end: it may have been cut");
        else
                line[--len] = 0;
        if (r->why || !len || line[0] == '#')
                return;
        if ((size_t)len > HISTORY_LINE_BYTES_MAX || strlen(line) != (size_t)len)
                wrong(r, "a line that is too long, or has zero bytes");
        if (!r->why)
                take_line(r, line, number);
        if (!r->why)
                follow(r);
        if (!r->why)
                take_entry(r);
}

int history_read(struct history *h, FILE *from, char *ret, size_t size)
{
        char *line = NULL;
        size_t capacity = 0;
        uint32_t number = 0;
        struct reading r = {.h = h};
        map_init(&r.connections);
        for (ssize_t len; !r.why && (len = getline(&line, &capacity, from)) > 0;) {
                r.key[0] = 0;
                take(&r, line, len, ++number);
        }
        free(line); /* getline's */
        map_done(&r.connections);
        mem_free(r.known);
        if (!r.why && ferror(from)) {
                (void)snprintf(ret, size, "behind line %" PRIu32 " it can't be read", number);
                return -EIO;
        }
        if (!r.why)
                return 0;
        (void)snprintf(ret, size, "line %" PRIu32 ": %s%s%s", number, r.key, r.key[0] ? ": " : "", r.why);
        return -EINVAL;
}
