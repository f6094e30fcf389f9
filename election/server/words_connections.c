/* Words about connections and sessions: cons crst dump, and the list of stat. */
#include "election/server/words.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- connections ---- */

static void put_address(struct jute_writer *w, const struct client_info *i)
{
        words__put(w, strchr(i->address, ':') ? "/[%s]:%u" : "/%s:%u", i->address, i->port);
}

/* " /ADDRESS:PORT[INTEREST](queued=…": the interest is 1 while the connection is read. */
static void put_client(struct jute_writer *w, const struct client_info *i)
{
        words__put(w, " ");
        put_address(w, i);
        words__put(w, "[%d](queued=%zu,recved=%" PRIu64 ",sent=%" PRIu64, i->reading ? 1 : 0, i->queued, i->received,
                   i->sent);
}

static bool list_client(void *ctx, const struct client_info *i)
{
        struct jute_writer *w = ctx;
        put_client(w, i);
        words__put(w, ")\n");
        return !words__full(w);
}

void words__clients(const struct server *s, struct jute_writer *w)
{
        clients_each(s->clients, 0, list_client, w);
}

static void put_session(struct jute_writer *w, const struct client_info *i)
{
        words__put(w, ",sid=0x%" PRIx64 ",lop=%s,est=%" PRId64 ",to=%" PRId32, (uint64_t)i->session, i->last_operation,
                   i->since_ms, i->timeout_ms);
        if (i->last_xid >= 0)
                words__put(w, ",lcxid=0x%" PRIx64, (uint64_t)i->last_xid);
        words__put(w, ",lzxid=0x%" PRIx64 ",lresp=%" PRIu64 ",llat=%" PRIu32, (uint64_t)i->last_zxid, i->last_reply_ms,
                   i->latency_last_us / 1000);
        words__put(w, ",minlat=%" PRIu32 ",avglat=%" PRIu64 ",maxlat=%" PRIu32, i->latency_min_us / 1000,
                   i->latency_count ? i->latency_sum_us / i->latency_count / 1000 : 0, i->latency_max_us / 1000);
}

static bool list_session(void *ctx, const struct client_info *i)
{
        struct jute_writer *w = ctx;
        put_client(w, i);
        if (i->session)
                put_session(w, i);
        words__put(w, ")\n");
        return !words__full(w);
}

void words__cons(struct server *s, struct jute_writer *w)
{
        clients_each(s->clients, 0, list_session, w);
        words__put(w, "\n");
}

void words__crst(struct server *s, struct jute_writer *w)
{
        clients_each_reset(s->clients);
        words__put(w, "Connection stats reset.\n");
}

/* ---- dump: sessions ---- */

/* A walk of dump. */
struct dump {
        const struct server *s;
        struct jute_writer *w;
};

/* A moment of the monotonic clock as people read it. */
static void put_expiry(const struct dump *d, size_t count, uint64_t deadline_ms)
{
        const struct moment *now = &d->s->event->now;
        char date[WORDS_DATE_MAX];
        words__date(date, now->wall_ms + (int64_t)deadline_ms - (int64_t)now->mono_ms);
        words__put(d->w, "%zu expire at %s:\n", count, date);
}

static bool dump_bucket(void *ctx, uint64_t deadline_ms, size_t sessions)
{
        const struct dump *d = ctx;
        put_expiry(d, sessions, deadline_ms);
        return !words__full(d->w);
}

static bool dump_session(void *ctx, int64_t id)
{
        const struct dump *d = ctx;
        words__put(d->w, "\t0x%" PRIx64 "\n", (uint64_t)id);
        return !words__full(d->w);
}

/* Who expires sessions knows when. */
static void dump_clock(struct dump *d, const struct session_clock *clock)
{
        const struct session_clock_visitor visitor = {.bucket = dump_bucket, .session = dump_session, .ctx = d};
        words__put(d->w, "Session Sets (%zu)/(%zu):\n", session_clock_buckets(clock), session_clock_count(clock));
        session_clock_show(clock, &visitor);
}

struct known_session {
        int64_t id;
        int32_t timeout_ms;
};

struct known_sessions {
        struct known_session *list;
        size_t count, max;
};

static void collect_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        struct known_sessions *k = ctx;
        if (k->count < k->max)
                k->list[k->count++] = (struct known_session){id, timeout_ms};
}

static int by_id(const void *a, const void *b)
{
        const struct known_session *x = a, *y = b;
        return (x->id > y->id) - (x->id < y->id);
}

/* A learner knows their timeouts. */
static void dump_table(const struct dump *d)
{
        const struct session_table *t = database_sessions(d->s->db);
        const size_t count = session_table_count(t);
        struct known_sessions known = {.max = count < WORDS_SORTED_MAX ? count : WORDS_SORTED_MAX};
        known.list = mem_alloc(known.max * sizeof *known.list);
        session_table_each(t, collect_session, &known);
        if (known.count)
                qsort(known.list, known.count, sizeof *known.list, by_id);
        words__put(d->w, "Global Sessions(%zu):\n", count);
        for (size_t i = 0; i < known.count && !words__full(d->w); i++)
                words__put(d->w, "0x%" PRIx64 "\t%" PRId32 "ms\n", (uint64_t)known.list[i].id,
                           known.list[i].timeout_ms);
        mem_free(known.list);
        if (count > known.count)
                words__put(d->w, "(and %zu more)\n", count - known.count);
}

/* ---- dump: ephemerals ---- */

static void dump_ephemeral(void *ctx, const struct znode *n)
{
        const struct dump *d = ctx;
        const struct jute_str path = znode_path(n);
        if (words__full(d->w))
                return;
        words__put(d->w, "\t");
        jute_put_raw(d->w, path.data, (size_t)path.len);
        words__put(d->w, "\n");
}

static void dump_owner(void *ctx, int64_t session, size_t ephemerals)
{
        struct dump *d = ctx;
        (void)ephemerals;
        if (words__full(d->w))
                return;
        words__put(d->w, "0x%" PRIx64 ":\n", (uint64_t)session);
        (void)tree_ephemerals(database_tree(d->s->db), session, dump_ephemeral, d);
}

static void dump_ephemerals(struct dump *d)
{
        const struct tree *t = database_tree(d->s->db);
        words__put(d->w, "ephemeral nodes dump:\nSessions with Ephemerals (%zu):\n", tree_owners(t, NULL, NULL));
        (void)tree_owners(t, dump_owner, d);
}

/* ---- dump: connections ---- */

struct known_client {
        uint64_t deadline_ms;
        struct client_info info;
};

struct known_clients {
        struct known_client *list;
        size_t count, capacity;
};

static bool collect_client(void *ctx, const struct client_info *i)
{
        struct known_clients *k = ctx;
        const uint64_t step = CLIENTS_IDLE_CHECK_MS;
        k->list = mem_grow(k->list, &k->capacity, k->count + 1, sizeof *k->list);
        k->list[k->count++] = (struct known_client){(i->deadline_ms / step + 1) * step, *i};
        return k->count < WORDS_SORTED_MAX;
}

/* Of one deadline, the oldest first. */
static int by_deadline(const void *a, const void *b)
{
        const struct known_client *x = a, *y = b;
        if (x->deadline_ms != y->deadline_ms)
                return x->deadline_ms < y->deadline_ms ? -1 : 1;
        return (x->info.conn > y->info.conn) - (x->info.conn < y->info.conn);
}

static size_t same_deadline(const struct known_clients *k, size_t from)
{
        size_t count = 1;
        while (from + count < k->count && k->list[from + count].deadline_ms == k->list[from].deadline_ms)
                count++;
        return count;
}

static size_t deadlines(const struct known_clients *k)
{
        size_t sets = 0;
        for (size_t at = 0; at < k->count; at += same_deadline(k, at))
                sets++;
        return sets;
}

static void dump_connection(const struct dump *d, const struct client_info *i)
{
        words__put(d->w, "\tip: ");
        put_address(d->w, i);
        words__put(d->w, " sessionId: 0x%" PRIx64 "\n", (uint64_t)i->session);
}

static void dump_connections(const struct dump *d)
{
        struct known_clients known = {.list = NULL};
        clients_each(d->s->clients, 0, collect_client, &known);
        if (known.count)
                qsort(known.list, known.count, sizeof *known.list, by_deadline);
        words__put(d->w, "Connections dump:\nConnections Sets (%zu)/(%zu):\n", deadlines(&known), known.count);
        for (size_t at = 0, left = 0; at < known.count && !words__full(d->w); at++) {
                if (!left) {
                        left = same_deadline(&known, at);
                        put_expiry(d, left, known.list[at].deadline_ms);
                }
                dump_connection(d, &known.list[at].info);
                left--;
        }
        mem_free(known.list);
}

void words__dump(struct server *s, struct jute_writer *w)
{
        struct dump d = {.s = s, .w = w};
        words__put(w, "SessionTracker dump:\n");
        if (server__read_only(s)) {
                words__put(w, "Local ");
                dump_clock(&d, s->local);
        }
        if (s->clock)
                dump_clock(&d, s->clock);
        else
                dump_table(&d);
        dump_ephemerals(&d);
        dump_connections(&d);
}
