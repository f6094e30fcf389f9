/* Parsing walks slices of the text, so that nothing needs to be NUL-terminated or copied before it
 * has been judged. Every refusal is one sentence that quotes what was found. */
#include "election/base/ensemble.h"

#include "election/base/plant.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Foreign text in a sentence is cut after this many bytes. */
#define QUOTE_MAX 60

#define SID_MIN 1
#define SID_MAX 255

static_assert(ENSEMBLE_MEMBERS_MAX <= 64, "a member_set has 64 bits");

struct slice {
        const char *at;
        size_t len;
};

struct why {
        char *text;
        size_t size;
};

static int refuse(struct why why, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct why why, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        if (why.size)
                (void)vsnprintf(why.text, why.size, format, ap); /* cut where it does not fit */
        va_end(ap);
        return -EINVAL;
}

struct quote {
        char text[QUOTE_MAX + sizeof "\"...\""];
};

/* Foreign text for a sentence: in quotes, cut, without control characters. */
static struct quote quote(struct slice s)
{
        struct quote q;
        size_t n = 0;
        q.text[n++] = '"';
        for (size_t i = 0; i < s.len && i < QUOTE_MAX; i++)
                q.text[n++] = s.at[i] >= ' ' && s.at[i] <= '~' ? s.at[i] : '?';
        if (s.len > QUOTE_MAX) {
                memcpy(q.text + n, "...", 3);
                n += 3;
        }
        q.text[n++] = '"';
        q.text[n] = '\0';
        return q;
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

static struct slice trim(struct slice s)
{
        while (s.len && is_space(s.at[0])) {
                s.at++;
                s.len--;
        }
        while (s.len && is_space(s.at[s.len - 1]))
                s.len--;
        return s;
}

/* Cuts `s` at the first `c`: yields what stands before it and leaves what follows. Without one the
 * whole of `s` is yielded and nothing is left; `ret_found` tells the two apart. */
static struct slice cut(struct slice *s, char c, bool *ret_found)
{
        const char *p = s->len ? memchr(s->at, c, s->len) : NULL;
        struct slice head = {s->at, p ? (size_t)(p - s->at) : s->len};
        size_t used = head.len + (p ? 1 : 0);
        s->at += used;
        s->len -= used;
        *ret_found = p != NULL;
        return head;
}

static bool slice_is(struct slice s, const char *word)
{
        return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

/* A number without sign or leading blanks, at most `max`. */
static bool parse_number(struct slice s, unsigned base, uint64_t max, uint64_t *ret)
{
        uint64_t v = 0;
        if (s.len == 0 || s.len > 20)
                return false;
        for (size_t i = 0; i < s.len; i++) {
                static const char digits[] = "0123456789abcdef";
                char c = s.at[i] >= 'A' && s.at[i] <= 'F' ? (char)(s.at[i] - 'A' + 'a') : s.at[i];
                const char *p = memchr(digits, c, base);
                if (!p)
                        return false;
                uint64_t digit = (uint64_t)(p - digits);
                if (v > (max - digit) / base)
                        return false;
                v = v * base + digit;
        }
        *ret = v;
        return true;
}

static int parse_port(struct slice s, const char *what, uint16_t *ret, struct why why)
{
        uint64_t v;
        if (!parse_number(s, 10, UINT16_MAX, &v) || v == 0)
                return refuse(why, "the %s port %s is not a number from 1 to 65535", what, quote(s).text);
        *ret = (uint16_t)v;
        return 0;
}

static bool is_alnum(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool host_char(char c, bool bracketed)
{
        if (is_alnum(c) || c == '.' || c == '-' || c == '_')
                return true;
        return bracketed && (c == ':' || c == '%');
}

static int keep_host(struct slice s, bool bracketed, const char *what, char ret[ENSEMBLE_HOST_MAX + 1], struct why why)
{
        if (s.len == 0)
                return refuse(why, "the %s is missing", what);
        if (s.len > ENSEMBLE_HOST_MAX)
                return refuse(why, "the %s %s is longer than %d characters", what, quote(s).text, ENSEMBLE_HOST_MAX);
        for (size_t i = 0; i < s.len; i++) {
                struct slice c = {s.at + i, 1};
                if (!host_char(s.at[i], bracketed))
                        return refuse(why, "the %s %s has the character %s, which no %s can have", what, quote(s).text,
                                      quote(c).text, bracketed ? "IPv6 address" : "host name or IPv4 address");
        }
        if (bracketed && !memchr(s.at, ':', s.len))
                return refuse(why, "the %s %s stands in brackets but is no IPv6 address", what, quote(s).text);
        memcpy(ret, s.at, s.len);
        ret[s.len] = '\0';
        return 0;
}

/* Takes `host:` or `[ipv6]:` off the front of `s`. */
static int take_host(struct slice *s, const char *what, char ret[ENSEMBLE_HOST_MAX + 1], struct why why)
{
        bool found;
        if (s->len == 0 || s->at[0] != '[') {
                struct slice host = cut(s, ':', &found);
                int r = keep_host(host, false, what, ret, why);
                if (r < 0)
                        return r;
                return found ? 0 : refuse(why, "no port follows the %s %s", what, quote(host).text);
        }
        struct slice whole = *s;
        (void)cut(s, '[', &found);
        struct slice host = cut(s, ']', &found);
        if (!found)
                return refuse(why, "the bracket of %s is not closed", quote(whole).text);
        int r = keep_host(host, true, what, ret, why);
        if (r < 0)
                return r;
        if (s->len == 0 || s->at[0] != ':')
                return refuse(why, "no port follows the %s %s", what, quote(host).text);
        (void)cut(s, ':', &found);
        return 0;
}

static int parse_role(struct slice s, struct member *m, struct why why)
{
        m->observer = slice_is(s, "observer");
        if (m->observer || slice_is(s, "participant"))
                return 0;
        return refuse(why, "the role %s is neither participant nor observer", quote(s).text);
}

/* `<host>:<quorumPort>:<electionPort>[:role]` */
static int parse_server_part(struct slice s, struct member *m, struct why why)
{
        bool more;
        struct slice whole = s;
        if (s.len && memchr(s.at, '|', s.len))
                return refuse(why, "%s names several addresses; a server has one here", quote(s).text);
        int r = take_host(&s, "host", m->host, why);
        if (r < 0)
                return r;
        r = parse_port(cut(&s, ':', &more), "quorum", &m->quorum_port, why);
        if (r < 0)
                return r;
        if (!more)
                return refuse(why, "%s has no election port: it is host:quorumPort:electionPort", quote(whole).text);
        r = parse_port(cut(&s, ':', &more), "election", &m->election_port, why);
        if (r < 0 || !more)
                return r;
        return parse_role(s, m, why);
}

/* `[<clientHost>:]<clientPort>` */
static int parse_client_part(struct slice s, struct member *m, struct why why)
{
        static const char any[] = "0.0.0.0";
        if (s.len && memchr(s.at, ';', s.len))
                return refuse(why, "%s has a second client address; TLS client ports are not supported", quote(s).text);
        if (s.len && (s.at[0] == '[' || memchr(s.at, ':', s.len))) {
                int r = take_host(&s, "client host", m->client_host, why);
                if (r < 0)
                        return r;
        } else {
                memcpy(m->client_host, any, sizeof any);
        }
        return parse_port(s, "client", &m->client_port, why);
}

static int parse_member(int64_t sid, struct slice s, struct member *ret, struct why why)
{
        struct member m = {.sid = sid};
        bool has_client;
        if (sid < SID_MIN || sid > SID_MAX)
                return refuse(why, "the server id %lld is not from %d to %d", (long long)sid, SID_MIN, SID_MAX);
        s = trim(s);
        struct slice server = trim(cut(&s, ';', &has_client));
        int r = parse_server_part(server, &m, why);
        if (r < 0)
                return r;
        if (has_client) {
                r = parse_client_part(trim(s), &m, why);
                if (r < 0)
                        return r;
        }
        *ret = m;
        return 0;
}

int ensemble_parse_member(int64_t sid, const char *text, struct member *ret, char *why, size_t why_size)
{
        return parse_member(sid, (struct slice){text, strlen(text)}, ret, (struct why){why, why_size});
}

/* ---- members ---- */

/* The place of `sid`, or where it would be inserted. */
static size_t place_of(const struct ensemble *e, int64_t sid)
{
        size_t i = 0;
        while (i < e->count && e->members[i].sid < sid)
                i++;
        return i;
}

int ensemble_add(struct ensemble *e, const struct member *m)
{
        size_t i = place_of(e, m->sid);
        if (i < e->count && e->members[i].sid == m->sid)
                return -EEXIST;
        if (e->count == ENSEMBLE_MEMBERS_MAX)
                return -E2BIG;
        memmove(&e->members[i + 1], &e->members[i], (e->count - i) * sizeof *m);
        e->members[i] = *m;
        e->count++;
        return 0;
}

const struct member *ensemble_find(const struct ensemble *e, int64_t sid)
{
        size_t i = place_of(e, sid);
        return i < e->count && e->members[i].sid == sid ? &e->members[i] : NULL;
}

bool ensemble_is_voter(const struct ensemble *e, int64_t sid)
{
        const struct member *m = ensemble_find(e, sid);
        return m && !m->observer;
}

size_t ensemble_voters(const struct ensemble *e)
{
        size_t n = 0;
        for (size_t i = 0; i < e->count; i++)
                n += !e->members[i].observer;
        return n;
}

/* ---- the whole text ---- */

static int parse_server_line(struct slice sid_text, struct slice value, struct ensemble *e)
{
        struct member m = {.sid = 0};
        uint64_t sid;
        if (!parse_number(sid_text, 10, SID_MAX, &sid))
                return -EINVAL;
        int r = parse_member((int64_t)sid, value, &m, (struct why){NULL, 0});
        if (r < 0)
                return r;
        return ensemble_add(e, &m);
}

static int parse_line(struct slice line, struct ensemble *e, bool *has_version)
{
        static const char server[] = "server.";
        bool found;
        struct slice value = line;
        struct slice key = trim(cut(&value, '=', &found));
        value = trim(value);
        if (!found)
                return -EINVAL;
        if (slice_is(key, "version")) {
                uint64_t version;
                if (*has_version || !parse_number(value, 16, INT64_MAX, &version))
                        return -EINVAL;
                e->version = (int64_t)version;
                *has_version = true;
                return 0;
        }
        if (key.len < sizeof server - 1 || memcmp(key.at, server, sizeof server - 1) != 0)
                return -EINVAL;
        struct slice sid = {key.at + sizeof server - 1, key.len - (sizeof server - 1)};
        return parse_server_line(sid, value, e);
}

int ensemble_parse(const char *text, size_t len, struct ensemble *ret)
{
        struct ensemble e = {.count = 0};
        struct slice left = {text ? text : "", len}; /* arithmetic on NULL is undefined even with 0 */
        bool has_version = false;
        bool more = true;
        while (more) {
                struct slice line = trim(cut(&left, '\n', &more));
                if (line.len == 0 || line.at[0] == '#' || line.at[0] == '!') /* as in Java properties */
                        continue;
                int r = parse_line(line, &e, &has_version);
                if (r < 0)
                        return -EINVAL; /* whatever it was: the text as a whole is refused */
        }
        if (ensemble_voters(&e) == 0)
                return -EINVAL;
        *ret = e;
        return 0;
}

struct printer {
        char *at;
        size_t left;   /* with the NUL */
        size_t needed; /* without it */
};

static void print(struct printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void print(struct printer *p, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        int n = vsnprintf(p->at, p->left, format, ap);
        va_end(ap);
        assert(n >= 0);
        size_t moved = (size_t)n < p->left ? (size_t)n : p->left ? p->left - 1 : 0;
        p->needed += (size_t)n;
        if (p->left) {
                p->at += moved;
                p->left -= moved;
        }
}

static void print_host(struct printer *p, const char *host)
{
        if (strchr(host, ':'))
                print(p, "[%s]", host);
        else
                print(p, "%s", host);
}

static void print_member(struct printer *p, const struct member *m)
{
        print(p, "server.%lld=", (long long)m->sid);
        print_host(p, m->host);
        print(p, ":%u:%u:%s", m->quorum_port, m->election_port, m->observer ? "observer" : "participant");
        if (m->client_port) {
                print(p, ";");
                print_host(p, m->client_host);
                print(p, ":%u", m->client_port);
        }
        print(p, "\n");
}

size_t ensemble_text(const struct ensemble *e, char *buffer, size_t size)
{
        struct printer p = {.at = buffer, .left = size};
        for (size_t i = 0; i < e->count; i++)
                print_member(&p, &e->members[i]);
        print(&p, "version=%llx", (unsigned long long)e->version);
        return p.needed;
}

/* ---- sets and the quorum rule ---- */

/* The bit of `sid`, 0 for one that is no member. */
static uint64_t bit_of(const struct ensemble *e, int64_t sid)
{
        const struct member *m = ensemble_find(e, sid);
        return m ? UINT64_C(1) << (m - e->members) : 0;
}

void member_set_add(struct member_set *s, const struct ensemble *e, int64_t sid)
{
        s->bits |= bit_of(e, sid);
}

void member_set_remove(struct member_set *s, const struct ensemble *e, int64_t sid)
{
        s->bits &= ~bit_of(e, sid);
}

bool member_set_has(const struct member_set *s, const struct ensemble *e, int64_t sid)
{
        return (s->bits & bit_of(e, sid)) != 0;
}

/* Source: quorum-protocol.md 7.2, majority: |acks in voters| > |voters| / 2, integer division. */
bool ensemble_is_quorum(const struct ensemble *e, const struct member_set *s)
{
        size_t voters = 0, present = 0;
        for (size_t i = 0; i < e->count; i++) {
                if (e->members[i].observer)
                        continue;
                voters++;
                present += (s->bits >> i) & 1;
        }
        if (PLANTED(M5_HALF_IS_ENOUGH))
                return 2 * present >= voters;
        return present > voters / 2;
}
