/* The facts of one path in the order of their zxids: each must be able to follow on what was known before it, if need
 * be by way of writes whose outcome nobody knows (safety D1, D2, D4, S3, S5, S11, 3.6 e). */
#include "tests/sim/history/check_facts.h"

#include <inttypes.h>

enum standing { STANDS_UNKNOWN, STANDS_THERE, STANDS_GONE };

/* What is known of the node. */
struct node {
        struct facts *f;
        struct check *c;
        enum standing standing;
        int64_t zxid;      /* it stood so then, */
        int64_t stat_zxid; /* and had this Stat then; */
        int64_t born_zxid; /* and then the same czxid: a change without a Stat may be of one made anew since */
        uint32_t by;
        bool has_stat, sure;        /* sure: the versions are not guessed */
        bool container, persistent; /* of one whose making is known: swept some day, stays */
        struct history_stat stat;
        text_id data;
        bool has_data;
        int64_t owner;
        bool has_owner;
        /* Doubtful writes that have been needed so far: each can explain one thing. */
        size_t creates, deletes, sets, acls;
        int64_t ended_zxid; /* gone: the session that had it ended then, if nobody had deleted it before; 0: no such */
};

static bool spend(const struct node *n, const struct fact *x, enum history_verb verb, size_t *used, size_t count)
{
        *used += count;
        return *used <= facts__doubts(n->f, x->path, verb, x->entry);
}

/* What an explanation takes, of doubtful writes. */
struct price {
        size_t creates, deletes, sets;
};

/* Whether it goes without anybody's word: a container or a node with a time to live that is swept, an ephemeral whose
 * session may have ended. Of one whose making is not known it is not either whether it is swept: its Stat does not say
 * so, and a doubtful create may have made it. */
static bool is_fleeting(const struct node *n, const struct fact *x)
{
        const uint8_t swept = CREATE_CONTAINER | CREATE_TTL;
        if (n->has_owner && n->owner)
                return check__session(n->c, n->owner)->alive_zxid < x->zxid;
        if (n->container || n->persistent)
                return n->container;
        return facts__fleeting(n->f, x->path, x->entry, n->has_owner ? swept : swept | CREATE_EPHEMERAL);
}

/* Whether a doubtful deletion can be meant for what stands there, by its version as far as that is known. */
static bool is_doomed(const struct node *n, text_id path, uint32_t entry)
{
        const int32_t version = n->stat.version;
        if (!n->has_stat || !n->sure)
                return facts__doubts(n->f, path, VERB_DELETE, entry) > 0;
        const size_t sets = facts__doubts(n->f, path, VERB_SET, entry);
        return facts__deletions(n->f, path, entry, version, version + (int32_t)sets) > 0;
}

static bool affords(const struct node *n, const struct fact *x, const struct price *p)
{
        if (p->deletes && !is_doomed(n, x->path, x->entry))
                return false;
        return (!p->creates || n->creates + p->creates <= facts__doubts(n->f, x->path, VERB_CREATE, x->entry)) &&
               (!p->deletes || n->deletes + p->deletes <= facts__doubts(n->f, x->path, VERB_DELETE, x->entry)) &&
               (!p->sets || n->sets + p->sets <= facts__doubts(n->f, x->path, VERB_SET, x->entry));
}

static size_t less(size_t a, size_t b)
{
        return a < b ? a : b;
}

/* Of two explanations, of which either may be the true one, what both take. */
static void pay(struct node *n, const struct price *p, const struct price *other)
{
        n->creates += less(p->creates, other->creates);
        n->deletes += less(p->deletes, other->deletes);
        n->sets += less(p->sets, other->sets);
}

/* Whether it can have gone between what was known and this, by nobody's acknowledged deed. */
static bool may_vanish(struct node *n, const struct fact *x)
{
        const struct price deleted = {.deletes = 1};
        if (is_fleeting(n, x))
                return true;
        if (!affords(n, x, &deleted))
                return false;
        pay(n, &deleted, &deleted);
        return true;
}

static void gone(struct node *n, const struct fact *x)
{
        n->standing = STANDS_GONE;
        n->zxid = x->zxid;
        n->by = x->entry;
        n->ended_zxid = 0;
        n->has_stat = n->has_data = n->has_owner = n->container = n->persistent = false;
}

static void there(struct node *n, const struct fact *x)
{
        n->standing = STANDS_THERE;
        n->zxid = x->zxid;
        n->by = x->entry;
}

static void learn_stat(struct node *n, const struct history_stat *s)
{
        if (!n->has_stat || n->stat.czxid != s->czxid)
                n->container = n->persistent = false; /* it is another */
        n->stat = *s;
        n->stat_zxid = n->born_zxid = n->zxid;
        n->has_stat = n->sure = true;
        n->owner = s->owner;
        n->has_owner = true;
}

/* ---- writes ---- */

static void written_create(struct node *n, const struct fact *x, const struct history_entry *e)
{
        if (n->standing == STANDS_THERE && !may_vanish(n, x))
                check__find(n->c, "D1", n->by, x->entry, "it was there, and was made anew");
        const struct history_entry *whole = &n->c->entries[check__whole(n->c, x->entry)];
        there(n, x);
        n->container = e->flags & (CREATE_CONTAINER | CREATE_TTL);
        n->persistent = !(e->flags & (CREATE_CONTAINER | CREATE_TTL | CREATE_EPHEMERAL));
        n->stat = (struct history_stat){.czxid = x->zxid, .mzxid = x->zxid, .pzxid = x->zxid};
        n->stat_zxid = n->born_zxid = x->zxid;
        n->has_stat = n->sure = true;
        n->owner = e->flags & CREATE_EPHEMERAL ? whole->session : 0;
        n->has_owner = !n->container;
        n->data = e->data;
        n->has_data = true;
        if (e->has_stat && (e->stat.czxid != x->zxid || e->stat.mzxid != x->zxid || e->stat.version))
                check__find(n->c, "S11", x->entry, ENTRY_NONE, "the Stat of a new node is not new");
}

/* Whether what stands there can have this version without an acknowledged word: it was changed so often, or has gone
 * and was made anew, and that was changed so often. */
static bool may_have(struct node *n, const struct fact *x, int32_t version)
{
        const int32_t gap = version - n->stat.version;
        const struct price changed = {.sets = gap > 0 ? (size_t)gap : 0},
                           renewed = {.creates = 1, .deletes = !is_fleeting(n, x), .sets = (size_t)version};
        const bool changes = gap > 0 && affords(n, x, &changed), renews = affords(n, x, &renewed);
        if (changes || renews)
                pay(n, changes ? &changed : &renewed, renews ? &renewed : &changed);
        return changes || renews;
}

static void written_delete(struct node *n, const struct fact *x, const struct history_entry *e)
{
        const struct price made = {.creates = 1, .sets = e->version > 0 ? (size_t)e->version : 0};
        if (n->standing == STANDS_GONE && !affords(n, x, &made))
                check__find(n->c, "S11", n->by, x->entry, "it was gone, and was deleted");
        else if (n->standing == STANDS_GONE)
                pay(n, &made, &made);
        if (n->standing == STANDS_THERE && n->has_stat && n->sure && e->version >= 0 && e->version != n->stat.version &&
            !may_have(n, x, e->version))
                check__find(n->c, "S11", n->by, x->entry, "version %d was deleted, and %d stood there", e->version,
                            n->stat.version);
        gone(n, x);
}

/* From the Stat known before to that of a later change of the same node. */
static void check_growth(struct node *n, const struct fact *x, const struct history_stat *s, int own)
{
        int32_t gap = s->version - n->stat.version - own;
        if (!n->sure)
                return;
        if (gap < 0)
                check__find(n->c, "S11", n->by, x->entry, "version %d after version %d", s->version, n->stat.version);
        else if (gap && !spend(n, x, VERB_SET, &n->sets, (size_t)gap))
                check__find(n->c, "S11", n->by, x->entry,
                            "version %d after version %d: nobody asked for so many changes", s->version,
                            n->stat.version);
}

static void check_acl_growth(struct node *n, const struct fact *x, const struct history_stat *s, int own)
{
        int32_t gap = s->aversion - n->stat.aversion - own;
        if (!n->sure)
                return;
        if (gap < 0 || (gap && !spend(n, x, VERB_SET_ACL, &n->acls, (size_t)gap)))
                check__find(n->c, "S11", n->by, x->entry, "ACL version %d after version %d", s->aversion,
                            n->stat.aversion);
}

/* A node that was made anew since: something must have taken the old one away, and made the new one. */
static bool check_renewed(struct node *n, const struct fact *x, const struct history_stat *s)
{
        if (n->standing == STANDS_THERE && n->has_stat && s->czxid == n->stat.czxid)
                return false;
        if (n->standing == STANDS_UNKNOWN || (n->standing == STANDS_THERE && !n->has_stat))
                return true;
        if (s->czxid <= (n->standing == STANDS_GONE ? n->zxid : n->born_zxid)) {
                check__find(n->c, "D4", n->by, x->entry,
                            n->standing == STANDS_GONE ? "it is of 0x%" PRIx64 ", and was gone later than that"
                                                       : "it is of 0x%" PRIx64 ", and another stood there later",
                            (uint64_t)s->czxid);
        } else {
                if (n->standing == STANDS_THERE && !may_vanish(n, x))
                        check__find(n->c, "D1", n->by, x->entry, "it was there, and another has taken its place");
                n->deletes += n->standing == STANDS_GONE && s->czxid <= n->ended_zxid;
                if (!spend(n, x, VERB_CREATE, &n->creates, 1))
                        check__find(n->c, "D2", n->by, x->entry, "nobody asked for it to be made anew");
        }
        return true;
}

static void written_change(struct node *n, const struct fact *x, const struct history_entry *e)
{
        bool data = e->verb == VERB_SET;
        /* With a Stat check_renewed() asks who made it anew; asked twice, one doubtful create would not do. */
        if (n->standing == STANDS_GONE && !e->has_stat && !spend(n, x, VERB_CREATE, &n->creates, 1))
                check__find(n->c, "D1", n->by, x->entry, "it was gone, and was changed");
        if (e->has_stat && data && e->stat.mzxid != x->zxid)
                check__find(n->c, "S11", x->entry, ENTRY_NONE, "the Stat that came with it is of another change");
        if (e->has_stat && e->version >= 0 && (data ? e->stat.version : e->stat.aversion) != e->version + 1)
                check__find(n->c, "S11", x->entry, ENTRY_NONE, "it was asked for on version %d", e->version);
        if (e->has_stat && !check_renewed(n, x, &e->stat) && n->standing == STANDS_THERE) {
                check_growth(n, x, &e->stat, data);
                check_acl_growth(n, x, &e->stat, !data);
        }
        there(n, x);
        if (e->has_stat) {
                learn_stat(n, &e->stat);
        } else {
                n->sure = false;
                n->stat_zxid = x->zxid;
                if (data)
                        n->stat.mzxid = x->zxid;
        }
        if (data) {
                n->data = e->data;
                n->has_data = true;
        }
}

static void written(struct node *n, const struct fact *x)
{
        const struct history_entry *e = &n->c->entries[x->entry];
        if (e->verb == VERB_CREATE)
                written_create(n, x, e);
        else if (e->verb == VERB_DELETE)
                written_delete(n, x, e);
        else
                written_change(n, x, e);
}

/* Deleted before its session ended, another may have stood here by then. */
static void ended(struct node *n, const struct fact *x)
{
        const struct history_entry *made = &n->c->entries[check__whole(n->c, x->entry)];
        if (n->standing != STANDS_THERE || !n->has_owner || n->owner != made->session)
                return;
        const uint32_t end = check__session(n->c, n->owner)->closed;
        const bool sooner = is_doomed(n, x->path, end) && n->deletes < facts__doubts(n->f, x->path, VERB_DELETE, end);
        const int64_t stood = n->zxid;
        gone(n, x);
        if (sooner) {
                n->zxid = stood;
                n->ended_zxid = x->zxid;
        }
}

/* ---- what was seen ---- */

/* A node whose session had ended by then. */
static bool check_owner(struct node *n, const struct fact *x, int64_t owner)
{
        if (!owner)
                return true;
        const struct session *s = check__session(n->c, owner);
        bool final = x->zxid == INT64_MAX;
        uint32_t end = s->closed != ENTRY_NONE ? s->closed : final ? s->refused : ENTRY_NONE;
        if (end == ENTRY_NONE || (end == s->closed && x->zxid < s->closed_zxid))
                return true;
        check__find(n->c, "S3", end, x->entry, "its session 0x%" PRIx64 " had ended", (uint64_t)owner);
        return false;
}

static void check_same_change(struct node *n, const struct fact *x, const struct history_stat *s)
{
        if (n->sure && s->version != n->stat.version)
                check__find(n->c, "S11", n->by, x->entry, "one change (0x%" PRIx64 ") is version %d and version %d",
                            (uint64_t)s->mzxid, n->stat.version, s->version);
        if (x->got && n->has_data && n->data && x->got != n->data)
                check__find(n->c, "D4", n->by, x->entry, "one change (0x%" PRIx64 ") is of two contents",
                            (uint64_t)s->mzxid);
}

static void check_seen_stat(struct node *n, const struct fact *x, const struct history_stat *s)
{
        if (s->mzxid < n->stat.mzxid)
                check__find(n->c, "D1", n->by, x->entry, "it shows 0x%" PRIx64 ", and 0x%" PRIx64 " had changed it",
                            (uint64_t)s->mzxid, (uint64_t)n->stat.mzxid);
        else if (s->mzxid == n->stat.mzxid)
                check_same_change(n, x, s);
        else if (s->mzxid <= n->stat_zxid && n->sure)
                check__find(n->c, "D4", n->by, x->entry,
                            "it was changed at 0x%" PRIx64 ", and seen unchanged later than that", (uint64_t)s->mzxid);
        else
                check_growth(n, x, s, 0);
        if (n->sure)
                check_acl_growth(n, x, s, 0);
}

/* Every known child that came or went is counted. */
static void check_parenthood(struct node *n, const struct fact *x, const struct history_stat *s)
{
        const struct timeline *t = check__timeline(n->c, x->path);
        const struct version *now = t ? check__at(t, x->zxid) : NULL, *then = now ? check__at(t, n->stat_zxid) : NULL;
        int32_t known = now ? now->creations - (then ? then->creations : 0) : 0;
        if (!now || !now->creations)
                return;
        if (n->has_stat && n->sure && n->stat.czxid == s->czxid && s->cversion - n->stat.cversion < known)
                check__find(n->c, "S11", n->by, x->entry,
                            "cversion went from %d to %d while %d children are known to have come and gone",
                            n->stat.cversion, s->cversion, known);
        int64_t last = n->c->zxid[now->child_by];
        if (last > s->pzxid && s->czxid < last)
                check__find(n->c, "S11", now->child_by, x->entry,
                            "pzxid is 0x%" PRIx64 ", and a child came or went at 0x%" PRIx64, (uint64_t)s->pzxid,
                            (uint64_t)last);
}

/* Only who has written here can have made it: the writers are all known. */
static void check_written(struct node *n, const struct fact *x, const struct history_stat *s)
{
        if (!x->got || n->standing != STANDS_THERE || !n->has_stat || s->mzxid <= n->stat.mzxid)
                return;
        if (x->got >= n->c->writer_texts || !n->c->writer_of[x->got])
                check__find(n->c, "D2", n->by, x->entry, "it holds what nobody wrote");
}

static void seen(struct node *n, const struct fact *x)
{
        const struct history_entry *e = &n->c->entries[x->entry];
        const struct history_stat *s = &e->stat;
        if (s->mzxid > x->zxid || s->czxid > x->zxid || s->pzxid > x->zxid) {
                check__find(n->c, "D2", x->entry, ENTRY_NONE, "it shows a change that comes later");
                return;
        }
        if (!check_owner(n, x, s->owner))
                return;
        check_written(n, x, s);
        if (!check_renewed(n, x, s) && n->has_stat)
                check_seen_stat(n, x, s);
        check_parenthood(n, x, s);
        bool same = n->has_stat && n->stat.mzxid == s->mzxid;
        there(n, x);
        learn_stat(n, s);
        if (!same || x->got) {
                n->data = x->got;
                n->has_data = x->got != TEXT_ABSENT;
        }
}

static void seen_there(struct node *n, const struct fact *x)
{
        if (n->standing == STANDS_GONE && !spend(n, x, VERB_CREATE, &n->creates, 1))
                check__find(n->c, "D4", n->by, x->entry, "%s was gone, and is listed",
                            history_string(n->c->h, x->path));
        if (n->standing == STANDS_THERE) {
                n->zxid = x->zxid;
                return;
        }
        there(n, x);
}

/* Listed among what the session has that asked. */
static void seen_owned(struct node *n, const struct fact *x)
{
        const char *path = history_string(n->c->h, x->path);
        const int64_t session = n->c->entries[x->entry].session;
        const bool another = n->standing == STANDS_THERE && (n->container || (n->has_owner && n->owner != session));
        if (another && !may_vanish(n, x))
                check__find(n->c, "D1", n->by, x->entry, "%s is the session's, and another's stood there", path);
        if ((another || n->standing == STANDS_GONE) && !spend(n, x, VERB_CREATE, &n->creates, 1))
                check__find(n->c, "D4", n->by, x->entry, "%s was not the session's, and is listed", path);
        if (another)
                gone(n, x);
        if (n->standing == STANDS_THERE)
                n->zxid = x->zxid;
        else
                there(n, x);
        n->owner = session;
        n->has_owner = true;
}

/* Whatever stands there, it is not what the session that asked had made. */
static void seen_not_owned(struct node *n, const struct fact *x)
{
        if (n->standing != STANDS_THERE || !n->has_owner || n->owner != n->c->entries[x->entry].session)
                return;
        if (!may_vanish(n, x))
                check__find(n->c, "S3", n->by, x->entry, "%s is missing, and its session lives",
                            history_string(n->c->h, x->path));
        gone(n, x);
        n->standing = STANDS_UNKNOWN;
}

static void seen_gone(struct node *n, const struct fact *x)
{
        const char *path = history_string(n->c->h, x->path);
        bool owned = n->has_owner && n->owner;
        if (n->standing == STANDS_THERE && !may_vanish(n, x))
                check__find(n->c, owned ? "S3" : "D1", n->by, x->entry,
                            owned ? "%s is missing, and its session lives" : "%s is missing, and nobody deleted it",
                            path);
        gone(n, x);
}

void facts__judge(struct facts *f, const uint32_t *order, size_t count)
{
        struct node n = {.f = f, .c = f->c, .by = ENTRY_NONE};
        for (size_t i = 0; i < count; i++) {
                const struct fact *x = &f->facts[order[i]];
                switch (x->kind) {
                case FACT_WRITE:
                        written(&n, x);
                        break;
                case FACT_ENDED:
                        ended(&n, x);
                        break;
                case FACT_SEEN:
                        seen(&n, x);
                        break;
                case FACT_THERE:
                        seen_there(&n, x);
                        break;
                case FACT_OWNED:
                        seen_owned(&n, x);
                        break;
                case FACT_NOT_OWNED:
                        seen_not_owned(&n, x);
                        break;
                case FACT_GONE:
                        seen_gone(&n, x);
                        break;
                }
        }
}
