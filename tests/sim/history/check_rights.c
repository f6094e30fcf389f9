/* Rights: nothing is done or shown that the list of access forbids to whoever asked, and nothing is refused for want of
 * a right that the list gives (A1; client-protocol.md 8.2). Judged with the log only, and where it is said who asked.
 */
#include "tests/sim/history/check_internal.h"

#include "election/jute/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
        RIGHT_READ = 1,
        RIGHT_WRITE = 2,
        RIGHT_CREATE = 4,
        RIGHT_DELETE = 8,
        RIGHT_ADMIN = 16,
};

/* Longest list of access as text that is judged. */
#define ACL_TEXT_MAX 1024

/* ---- lists as text: "scheme:id:perms" with '|' between; identities likewise, without rights ---- */

struct piece {
        const char *at;
        size_t len;
};

/* Cuts the next one off; false when there is none. */
static bool next_piece(const char **rest, struct piece *ret)
{
        if (!**rest)
                return false;
        ret->at = *rest;
        ret->len = strcspn(*rest, "|");
        *rest += ret->len + ((*rest)[ret->len] == '|');
        return true;
}

static bool is_among(const char *who, const char *id, size_t len)
{
        struct piece p;
        while (next_piece(&who, &p))
                if (p.len == len && !memcmp(p.at, id, len))
                        return true;
        return false;
}

static bool entry_allows(struct piece entry, const char *who, long needed)
{
        size_t len = entry.len;
        while (len && entry.at[len - 1] != ':')
                len--;
        if (!len || !(strtol(entry.at + len, NULL, 10) & needed))
                return false;
        len--;
        return (len == 12 && !memcmp(entry.at, "world:anyone", 12)) || is_among(who, entry.at, len);
}

static bool allows(const char *acl, const char *who, long needed)
{
        struct piece entry;
        if (is_among(who, "super:", 6))
                return true;
        while (next_piece(&acl, &entry))
                if (entry_allows(entry, who, needed))
                        return true;
        return false;
}

/* An entry of scheme digest, with "x" for the hash. */
static size_t mask(struct piece entry, char *to)
{
        static const char scheme[] = "digest:";
        const char *user = entry.at + strlen(scheme), *end = entry.at + entry.len;
        const char *colon = entry.len > strlen(scheme) && !memcmp(entry.at, scheme, strlen(scheme))
                                    ? memchr(user, ':', (size_t)(end - user))
                                    : NULL;
        const char *perms = end;
        while (perms > entry.at && perms[-1] != ':')
                perms--;
        if (!colon || colon + 1 >= perms) {
                memcpy(to, entry.at, entry.len);
                return entry.len;
        }
        size_t len = (size_t)(colon + 1 - entry.at), rest = (size_t)(end - perms) + 1;
        memcpy(to, entry.at, len);
        to[len] = 'x';
        memcpy(to + len + 1, perms - 1, rest);
        return len + 1 + rest;
}

bool check__acl_is_shown_so(const struct check *c, text_id acl, text_id who, text_id shown)
{
        const char *rest = history_string(c->h, acl);
        char text[ACL_TEXT_MAX];
        size_t len = 0;
        struct piece entry;
        if (acl == shown || !who || history_string_len(c->h, acl) >= sizeof text)
                return acl == shown;
        if (allows(rest, history_string(c->h, who), RIGHT_ADMIN))
                return false;
        while (next_piece(&rest, &entry)) {
                if (len)
                        text[len++] = '|';
                len += mask(entry, text + len);
        }
        return history__find(c->h, text, len) == shown;
}

/* ---- what an operation needs ---- */

static long needed_for(enum history_verb verb)
{
        switch (verb) {
        case VERB_CREATE:
                return RIGHT_CREATE;
        case VERB_DELETE:
                return RIGHT_DELETE;
        case VERB_SET:
                return RIGHT_WRITE;
        case VERB_SET_ACL:
                return RIGHT_ADMIN;
        case VERB_GET_ACL:
                return RIGHT_READ | RIGHT_ADMIN;
        case VERB_CHECK:
        case VERB_GET:
        case VERB_EXISTS:
        case VERB_CHILDREN:
        case VERB_DESCENDANTS:
                return RIGHT_READ;
        default:
                return 0;
        }
}

/* The node whose list decides. */
static text_id decides(struct check *c, const struct history_entry *e)
{
        return e->verb == VERB_CREATE || e->verb == VERB_DELETE ? check__parent(c, e->path) : e->path;
}

static void judge(struct check *c, const struct history_entry *e, uint32_t op, int64_t zxid, int32_t err)
{
        const long needed = needed_for(e->verb);
        const text_id path = needed ? decides(c, e) : TEXT_ABSENT;
        const struct timeline *t = path ? check__timeline(c, path) : NULL;
        const struct version *v = t ? check__at(t, zxid) : NULL;
        if ((err && err != ZK_NO_AUTH) || !v || !v->exists || !v->acl || v->container)
                return; /* of a container nobody knows whether it is there still */
        const char *acl = history_string(c->h, v->acl);
        const bool allowed = allows(acl, history_string(c->h, c->entries[op].who), needed);
        if (allowed == !err)
                return;
        check__find(c, "A1", v->by, op, "%s at 0x%" PRIx64 ", and the list of \"%.60s\" was \"%.200s\"",
                    err ? "refused for want of a right" : "done or shown", (uint64_t)zxid, history_string(c->h, path),
                    acl);
}

/* Whether an earlier operation of the same multi makes or removes this node. */
static bool is_touched(const struct check *c, uint32_t op, uint32_t sub, text_id path)
{
        for (uint32_t i = op + 1; i < sub; i++) {
                const struct history_entry *e = &c->entries[i];
                if ((e->verb == VERB_CREATE || e->verb == VERB_DELETE) && check__subject(e) == path)
                        return true;
        }
        return false;
}

static void judge_multi(struct check *c, uint32_t op, int64_t zxid, bool done)
{
        for (uint32_t i = op + 1; i <= op + c->entries[op].subs; i++) {
                const struct history_entry *e = &c->entries[i];
                if (!is_touched(c, op, i, decides(c, e)))
                        judge(c, e, op, zxid, done ? ZK_OK : e->err);
        }
}

static void check_op(struct check *c, uint32_t i)
{
        const struct history_entry *e = &c->entries[i];
        const bool answered = check__answered(e), reads = check__reads(e->verb);
        const int64_t zxid = answered ? e->zxid : c->zxid[i];
        if (!e->who || zxid <= 0 || check__is_unjudged(c, i) || (!reads && check__is_read_only(c, i)))
                return;
        if (e->verb == VERB_MULTI)
                judge_multi(c, i, zxid - 1, !answered);
        else
                judge(c, e, i, reads ? zxid : zxid - 1, answered ? e->err : ZK_OK);
}

void check__rights(struct check *c)
{
        for (uint32_t i = 0; i < c->count; i++)
                if (c->entries[i].kind == HISTORY_OP)
                        check_op(c, i);
}

/* ---- whoAmI: the users of whom it had authenticated as, without what proves it; each once, in any order ---- */

/* What is shown of an identity: of a digest's id the user alone. */
static struct piece shown_of(struct piece id)
{
        static const char scheme[] = "digest:";
        const size_t begin = strlen(scheme);
        if (id.len > begin && !memcmp(id.at, scheme, begin)) {
                const char *colon = memchr(id.at + begin, ':', id.len - begin);
                id.len = colon ? (size_t)(colon - id.at) : id.len;
        }
        return id;
}

static bool names_all(const char *who, const char *got)
{
        const char *rest = who, *named = got;
        struct piece p;
        size_t expected = 0, count = 0;
        for (; next_piece(&rest, &p); expected++) {
                const struct piece shown = shown_of(p);
                if (!is_among(got, shown.at, shown.len))
                        return false;
        }
        while (next_piece(&named, &p))
                count++;
        return count == expected;
}

void check__who(struct check *c)
{
        for (uint32_t i = 0; i < c->count; i++) {
                const struct history_entry *e = &c->entries[i];
                if (e->kind == HISTORY_OP && e->verb == VERB_WHO && !e->err && e->who && e->got &&
                    !names_all(history_string(c->h, e->who), history_string(c->h, e->got)))
                        check__find(c, "A1", c->conns[c->conn_of[i]].opened, i,
                                    "it is said to be \"%.200s\" where it was \"%.200s\"", history_string(c->h, e->got),
                                    history_string(c->h, e->who));
        }
}
