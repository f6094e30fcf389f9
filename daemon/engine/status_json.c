/* See status_json.h. Numbers of the ensemble that people know in hexadecimal (zxids, sessions) are texts, since a
 * reader of JSON may keep 53 bits of a number only. */
#include "daemon/engine/status_json.h"

#include "daemon/common/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set(json_t *o, const char *key, json_t *value)
{
        if (!o || !value || json_object_set_new(o, key, value) < 0)
                abort(); /* no memory: election/base/alloc.h */
}

static void set_number(json_t *o, const char *key, int64_t value)
{
        set(o, key, json_integer((json_int_t)value));
}

/* What is no UTF-8 (a name of another machine) is left out rather than the whole answer. */
static void set_text(json_t *o, const char *key, const char *value)
{
        json_t *text = json_string(value);
        set(o, key, text ? text : json_null());
}

static void set_hex(json_t *o, const char *key, int64_t value)
{
        char text[24];
        (void)snprintf(text, sizeof text, "0x%" PRIx64, (uint64_t)value);
        set_text(o, key, text);
}

/* Takes `o`. */
static char *finish(json_t *o)
{
        char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(10));
        size_t len = text ? strlen(text) : 0;
        char *line = text ? realloc(text, len + 2) : NULL;
        if (!line)
                abort();
        memcpy(line + len, "\n", 2);
        json_decref(o);
        return line;
}

/* ---- figures ---- */

static void put_text(void *ctx, const char *name, const char *value)
{
        set_text(ctx, name, value);
}

static void put_number(void *ctx, const char *name, int64_t value)
{
        json_t *number = json_integer((json_int_t)value);
        if (json_object_set_new(ctx, name, number) < 0) /* a key that is no UTF-8: not told */
                return;
}

static double mean(uint64_t sum, uint64_t count, uint64_t divisor)
{
        return count ? (double)sum / (double)count / (double)divisor : 0;
}

static void put_real(void *ctx, const char *name, uint64_t sum, uint64_t count, uint64_t divisor)
{
        set(ctx, name, json_real(mean(sum, count, divisor)));
}

static json_t *summary_of(const struct summary *s, uint64_t divisor)
{
        json_t *o = json_object();
        set(o, "avg", json_real(mean(s->sum, s->count, divisor)));
        set_number(o, "min", (int64_t)(s->min / divisor));
        set_number(o, "max", (int64_t)(s->max / divisor));
        set_number(o, "cnt", (int64_t)s->count);
        set_number(o, "sum", (int64_t)(s->sum / divisor));
        return o;
}

static void put_summary(void *ctx, const char *name, const struct summary *s, uint64_t divisor)
{
        set(ctx, name, summary_of(s, divisor));
}

static void put_histogram(void *ctx, const char *name, const struct histogram *h, uint64_t divisor)
{
        static const struct {
                const char *name;
                uint32_t per_mille;
        } quantiles[] = {{"p50", 500}, {"p95", 950}, {"p99", 990}, {"p999", 999}};
        json_t *o = summary_of(&h->summary, divisor);
        for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
                set_number(o, quantiles[i].name, (int64_t)(histogram_quantile(h, quantiles[i].per_mille) / divisor));
        set(ctx, name, o);
}

static bool is_full(void *ctx)
{
        return json_object_size(ctx) >= STATUS_FIGURES_MAX;
}

static struct status_visitor visitor(json_t *o)
{
        return (struct status_visitor){.ctx = o,
                                       .text = put_text,
                                       .number = put_number,
                                       .real = put_real,
                                       .summary = put_summary,
                                       .histogram = put_histogram,
                                       .full = is_full};
}

static json_t *monitor(const struct server *s, const struct moment *now)
{
        json_t *o = json_object();
        const struct status_visitor v = visitor(o);
        server_monitor(s, now, &v);
        return o;
}

static json_t *settings(const struct server *s)
{
        json_t *o = json_object();
        const struct status_visitor v = visitor(o);
        server_settings(s, &v);
        return o;
}

/* ---- the server ---- */

static void put_standing(json_t *o, const struct server_standing *p, const struct moment *now)
{
        set_text(o, "mode", p->mode);
        set_text(o, "role", p->role);
        set_text(o, "phase", p->phase);
        set(o, "serving", json_boolean(p->serving));
        if (p->leader_sid >= 0)
                set_number(o, "leader", p->leader_sid);
        else
                set(o, "leader", json_null());
        set_number(o, "epoch", p->current_epoch);
        set_number(o, "accepted_epoch", p->accepted_epoch);
        set_hex(o, "zxid", p->zxid);
        set_hex(o, "last_logged", p->last_logged);
        set_hex(o, "last_committed", p->last_committed);
        set_hex(o, "digest", (int64_t)p->tree_digest);
        set_number(o, "uptime_ms", (int64_t)(now->mono_ms - p->started_ms));
}

static json_t *process(const struct server_facts *f)
{
        json_t *o = json_object();
        set_number(o, "pid", getpid());
        set_text(o, "user", f->user_name);
        set_text(o, "host", f->host_name);
        set_number(o, "memory_bytes", (int64_t)f->memory_total);
        set_number(o, "open_files", f->open_files);
        set_number(o, "max_files", f->max_files);
        return o;
}

static json_t *snapshots_of(const struct server *s)
{
        struct server_snapshots p;
        json_t *o = json_object();
        server_snapshots(s, &p);
        set(o, "busy", json_boolean(p.busy));
        set_number(o, "begun", (int64_t)p.begun);
        set_number(o, "ended", (int64_t)p.ended);
        if (p.begun)
                set_hex(o, "last_zxid", p.zxid);
        return o;
}

/* ---- learners ---- */

struct learners {
        json_t *list;
        const struct server_config *config;
        const struct moment *now;
        int64_t last_logged;
};

static void put_address(json_t *o, const struct ensemble *e, int64_t sid)
{
        char text[ENSEMBLE_HOST_MAX + 16];
        const struct member *m = ensemble_find(e, sid);
        if (!m) {
                set(o, "address", json_null());
                return;
        }
        (void)snprintf(text, sizeof text, strchr(m->host, ':') ? "[%s]:%u" : "%s:%u", m->host,
                       (unsigned)m->quorum_port);
        set_text(o, "address", text);
}

/* Transactions between two zxids; of different epochs nobody can say how many. */
static void put_lag(json_t *o, int64_t acked, int64_t last)
{
        if (acked < 0 || acked >> 32 != last >> 32)
                set(o, "lag", acked == last ? json_integer(0) : json_null());
        else
                set_number(o, "lag", last > acked ? last - acked : 0);
}

static void put_learner(void *ctx, const struct zab_learner_info *i)
{
        struct learners *l = ctx;
        json_t *o = json_object();
        set_number(o, "id", i->sid);
        put_address(o, &l->config->ensemble, i->sid);
        set_text(o, "role", i->observer ? "observer" : "follower");
        set(o, "voter", json_boolean(i->voter));
        set_text(o, "state", i->state);
        set_text(o, "synchronised_by", zab_sync_name(i->sync));
        set_number(o, "since_ms", i->since_ms ? (int64_t)(l->now->mono_ms - i->since_ms) : 0);
        if (i->acked_zxid >= 0)
                set_hex(o, "acked_zxid", i->acked_zxid);
        else
                set(o, "acked_zxid", json_null());
        set_hex(o, "sent_zxid", i->sent_zxid);
        put_lag(o, i->acked_zxid, l->last_logged);
        set_number(o, "queued_bytes", (int64_t)i->queued_bytes);
        set_number(o, "pings_sent", (int64_t)i->pings_sent);
        set_number(o, "pings_answered", (int64_t)i->pings_answered);
        if (json_array_append_new(l->list, o) < 0)
                abort();
}

char *status_json(const struct server *s, const struct server_config *config, const struct server_facts *facts,
                  const struct moment *now)
{
        struct server_standing p;
        struct learners l = {.list = json_array(), .config = config, .now = now};
        json_t *o = json_object();
        server_standing(s, &p);
        l.last_logged = p.last_logged;
        set_text(o, "node", config->name);
        set_number(o, "id", config->sid);
        set_text(o, "version", config->version);
        put_standing(o, &p, now);
        set(o, "process", process(facts));
        set(o, "snapshots", snapshots_of(s));
        server_learners(s, put_learner, &l);
        set(o, "learners", l.list);
        set(o, "settings", settings(s));
        set(o, "monitor", monitor(s, now));
        return finish(o);
}

/* ---- connections ---- */

struct page {
        json_t *list;
        size_t left;
        uint64_t last; /* the number of the last one told */
        bool more;
};

static json_t *connection(const struct client_info *i)
{
        json_t *o = json_object();
        set_number(o, "number", (int64_t)i->conn);
        set_text(o, "address", i->address);
        set_number(o, "port", i->port);
        set(o, "reading", json_boolean(i->reading));
        set_number(o, "queued", (int64_t)i->queued);
        set_number(o, "received", (int64_t)i->received);
        set_number(o, "sent", (int64_t)i->sent);
        set_number(o, "established_ms", i->since_ms);
        set_number(o, "watch_bytes", (int64_t)i->watch_bytes);
        set_number(o, "unread_bytes", (int64_t)i->unread_bytes);
        if (!i->session)
                return o;
        set_hex(o, "session", i->session);
        set_number(o, "timeout_ms", i->timeout_ms);
        set_text(o, "last_operation", i->last_operation);
        set_number(o, "last_cxid", i->last_xid);
        set_hex(o, "last_zxid", i->last_zxid);
        set_number(o, "last_response_ms", (int64_t)i->last_reply_ms);
        set(o, "last_latency_ms", json_real(i->latency_last_us / 1000.0));
        set(o, "min_latency_ms", json_real(i->latency_min_us / 1000.0));
        set(o, "avg_latency_ms", json_real(mean(i->latency_sum_us, i->latency_count, 1000)));
        set(o, "max_latency_ms", json_real(i->latency_max_us / 1000.0));
        return o;
}

static bool put_connection(void *ctx, const struct client_info *i)
{
        struct page *p = ctx;
        if (!p->left) {
                p->more = true;
                return false;
        }
        if (json_array_append_new(p->list, connection(i)) < 0)
                abort();
        p->last = i->conn;
        p->left--;
        return true;
}

char *status_json_connections(const struct server *s, const struct status_request *r)
{
        struct page p = {.list = json_array(), .left = r->count, .last = r->after};
        json_t *o = json_object();
        server_connections(s, r->after, put_connection, &p);
        set(o, "connections", p.list);
        set(o, "next", p.more ? json_integer((json_int_t)p.last) : json_null());
        return finish(o);
}

/* ---- the rest ---- */

char *status_json_reset(void)
{
        json_t *o = json_object();
        set(o, "reset", json_true());
        return finish(o);
}

char *status_json_snapshot(const struct server_snapshots *snapshots, const char *data_dir)
{
        char path[512];
        if (snapshots->status < 0)
                return status_json_error(snapshots->status == -ECANCELED
                                                 ? "the snapshot was given up: the server has another role now"
                                                 : "the snapshot can't be written: the log says why");
        json_t *o = json_object();
        (void)snprintf(path, sizeof path, "%s/version-2/snapshot.%" PRIx64, data_dir, (uint64_t)snapshots->zxid);
        set_hex(o, "zxid", snapshots->zxid);
        set_text(o, "file", path);
        return finish(o);
}

char *status_json_error(const char *why)
{
        json_t *o = json_object();
        set_text(o, "error", why);
        return finish(o);
}
