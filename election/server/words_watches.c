/* Words about watches: wchs wchc wchp. They are about data watches alone, as ZooKeeper's are. */
#include "election/server/words.h"

#include <inttypes.h>

void words__wchs(struct server *s, struct jute_writer *w)
{
        struct watches_summary sum;
        watches_summary(clients_watches(s->clients), &sum);
        words__put(w, "%zu connections watching %zu paths\nTotal watches:%zu\n", sum.connections, sum.paths,
                   sum.watches);
}

/* A walk: watches of one connection, or of one path, stand together. */
struct listing {
        const struct server *s;
        struct jute_writer *w;
        bool begun;
        conn_id conn;         /* whose watches are being listed */
        struct jute_str path; /* or which path's */
};

static void put_path(struct jute_writer *w, const char *before, struct jute_str path)
{
        words__put(w, "%s", before);
        if (path.len > 0)
                jute_put_raw(w, path.data, (size_t)path.len);
        words__put(w, "\n");
}

static void put_session(const struct listing *l, const char *before, conn_id conn)
{
        words__put(l->w, "%s0x%" PRIx64 "\n", before, (uint64_t)clients_session(l->s->clients, conn));
}

static bool by_connection(void *ctx, conn_id conn, bool has_path, struct jute_str path)
{
        struct listing *l = ctx;
        if (!l->begun || conn != l->conn)
                put_session(l, "", conn);
        l->begun = true;
        l->conn = conn;
        if (has_path)
                put_path(l->w, "\t", path);
        return !words__full(l->w);
}

static bool by_path(void *ctx, conn_id conn, bool has_path, struct jute_str path)
{
        struct listing *l = ctx;
        (void)has_path; /* only watches that are there have come by their path */
        if (!l->begun || !jute_str_equal(path, l->path))
                put_path(l->w, "", path);
        l->begun = true;
        l->path = path;
        put_session(l, "\t", conn);
        return !words__full(l->w);
}

void words__wchc(struct server *s, struct jute_writer *w)
{
        struct listing l = {.s = s, .w = w};
        watches_each(clients_watches(s->clients), WATCHES_BY_CONNECTION, by_connection, &l);
        words__put(w, "\n");
}

void words__wchp(struct server *s, struct jute_writer *w)
{
        struct listing l = {.s = s, .w = w};
        watches_each(clients_watches(s->clients), WATCHES_BY_PATH, by_path, &l);
        words__put(w, "\n");
}
