/* Words about the server as a whole: srvr stat conf envi dirs hash gtmk stmk srst. */
#include "election/server/status.h"
#include "election/server/words.h"

#include <inttypes.h>
#include <string.h>

const char *words__mode(const struct server *s)
{
        if (ensemble_voters(&s->config.ensemble) == 1 && s->config.ensemble.count == 1)
                return "standalone";
        switch (zab_role(s->zab)) {
        case ZAB_LEADING:
                return "leader";
        case ZAB_FOLLOWING:
                return "follower";
        case ZAB_OBSERVING:
                return "observer";
        default:
                return server__read_only(s) ? "read-only" : "looking";
        }
}

static bool is_standalone(const struct server *s)
{
        return strcmp(words__mode(s), "standalone") == 0;
}

/* ---- srvr, stat ---- */

static void put_version(const struct server *s, struct jute_writer *w)
{
        words__put(w, "Zookeeper version: %s, built on %s\n", s->config.version, s->config.built_on);
        if (server__read_only(s))
                words__put(w, "READ-ONLY mode; serving only read-only clients\n");
}

static void put_figures(const struct server *s, struct jute_writer *w)
{
        struct clients_stats c;
        struct zab_stats z;
        clients_stats(s->clients, &c);
        zab_stats(s->zab, &z);
        words__put(w, "Latency min/avg/max: %" PRIu64 "/", c.latency_us.min / 1000);
        words__average(w, c.latency_us.sum, c.latency_us.count, 1000);
        words__put(w, "/%" PRIu64 "\nReceived: %" PRIu64 "\nSent: %" PRIu64 "\nConnections: %zu\nOutstanding: %zu\n",
                   c.latency_us.max / 1000, c.received, c.sent, c.connections, c.outstanding);
        words__put(w, "Zxid: 0x%" PRIx64 "\nMode: %s\nNode count: %zu\n", (uint64_t)database_zxid(s->db),
                   words__mode(s), tree_count(database_tree(s->db)));
        if (zab_role(s->zab) == ZAB_LEADING && !is_standalone(s))
                words__put(w, "Proposal sizes last/min/max: %" PRId64 "/%" PRId64 "/%" PRId64 "\n",
                           z.proposal_size_last, z.proposal_size_min, z.proposal_size_max);
}

void words__srvr(struct server *s, struct jute_writer *w)
{
        put_version(s, w);
        put_figures(s, w);
}

void words__stat(struct server *s, struct jute_writer *w)
{
        put_version(s, w);
        words__put(w, "Clients:\n");
        words__clients(s, w);
        words__put(w, "\n");
        put_figures(s, w);
}

/* ---- conf, dirs, envi ---- */

static void put_text(void *ctx, const char *name, const char *value)
{
        const bool list = strcmp(name, "membership") == 0;
        words__put(ctx, list ? "%s: \n" : "%s=", name);
        jute_put_raw(ctx, value, strlen(value));
        if (!list)
                words__put(ctx, "\n");
}

static void put_number(void *ctx, const char *name, int64_t value)
{
        words__put(ctx, "%s=%" PRId64 "\n", name, value);
}

void words__conf(struct server *s, struct jute_writer *w)
{
        server_settings(s, &(struct status_visitor){.ctx = w, .text = put_text, .number = put_number});
}

void words__dirs(struct server *s, struct jute_writer *w)
{
        words__put(w, "datadir_size: %" PRId64 "\nlogdir_size: %" PRId64 "\n", s->facts.data_dir_size,
                   s->facts.log_dir_size);
}

/* What only a Java machine has is as Java prints a property that is missing. */
void words__envi(struct server *s, struct jute_writer *w)
{
        static const char *const java[] = {"java.version",      "java.vendor",    "java.home",    "java.class.path",
                                           "java.library.path", "java.io.tmpdir", "java.compiler"};
        const struct server_facts *f = &s->facts;
        words__put(w, "Environment:\nzookeeper.version=%s, built on %s\nhost.name=%s\n", s->config.version,
                   s->config.built_on, f->host_name);
        for (size_t i = 0; i < sizeof java / sizeof *java; i++)
                words__put(w, "%s=<NA>\n", java[i]);
        words__put(w, "os.name=%s\nos.arch=%s\nos.version=%s\n", f->os_name, f->os_arch, f->os_version);
        words__put(w, "user.name=%s\nuser.home=%s\nuser.dir=%s\n", f->user_name, f->user_home, f->work_dir);
        words__put(w, "os.memory.free=%" PRIu64 "MB\nos.memory.max=%" PRIu64 "MB\nos.memory.total=%" PRIu64 "MB\n",
                   f->memory_free >> 20, f->memory_max >> 20, f->memory_total >> 20);
}

/* ---- hash ---- */

static void put_digest(void *ctx, int64_t zxid, uint64_t digest)
{
        words__put(ctx, "%" PRIx64 ": %" PRId64 "\n", (uint64_t)zxid, (int64_t)digest);
}

void words__hash(struct server *s, struct jute_writer *w)
{
        database_digests(s->db, put_digest, w);
}

/* ---- gtmk, srst ---- */

/* Kept and shown; nothing here is traced by it. */
void words__gtmk(struct server *s, struct jute_writer *w)
{
        words__put(w, "%" PRId64, s->trace_mask);
}

void words__srst(struct server *s, struct jute_writer *w)
{
        server_stats_reset(s);
        words__put(w, "Server stats reset.\n");
}
