/* See engine_config.h. First the file is read key by key into `struct raw` with the line of each; then the
 * whole is judged, and only a whole without problems becomes a configuration. */
#include "daemon/engine/engine_config.h"

#include "daemon/common/inifile.h"
#include "daemon/common/log.h"
#include "daemon/common/settings.h"
#include "daemon/engine/config_access.h"
#include "election/zab/zab.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Longest list of four-letter words as text: SERVER_WORDS_MAX words, commas and some blanks. */
#define WORDS_TEXT_MAX 512
#define SID_MAX        255
/* The highest with extended types (client-protocol.md 3.1). */
#define SID_EXTENDED_MAX 254

/* As read. Numbers keep -1 where "not given" means a computed value. */
struct raw {
        char name[sizeof((struct server_config *)NULL)->name];
        int64_t id;
        char data_dir[ENGINE_PATH_MAX];
        char runtime_dir[ENGINE_PATH_MAX];
        int64_t tick_time, init_limit, sync_limit, heartbeat_interval, election_timeout;
        int64_t min_session_timeout, max_session_timeout;
        int64_t snap_count, max_client_connections, max_connections, outstanding_limit, max_buffer;
        int64_t max_buffer_extra, client_port_listen_backlog; /* 0: not given */
        int64_t preallocate_kb, retain_snapshots, commit_log_count;
        char four_letter_words[WORDS_TEXT_MAX];
        char client[ENSEMBLE_HOST_MAX + 16];
        char connect[1024];
        bool listen_all, extended_types, enforce_quota, read_only_mode;
        int64_t container_check_interval, container_max_per_minute, container_max_never_used_interval;
        struct access_settings access;
        bool audit;
};

#define RAW(member) SETTING_FIELD(struct raw, member)
#define TEXT_(x)    #x
#define TEXT(x)     TEXT_(x)

static const struct setting table[] = {
        {"node", "name", SETTING_TEXT, RAW(name), .help = "this machine's name in the ensemble; default the host name"},
        {"node", "id", SETTING_NUMBER, RAW(id), 1, SID_MAX, .help = "this server's number, the N of its server.N"},
        {"node", "data_dir", SETTING_TEXT, RAW(data_dir), .help = "absolute path; ZooKeeper's layout inside"},
        {"node", "runtime_dir", SETTING_TEXT, RAW(runtime_dir),
         .help = "absolute path; engine.sock in it answers the status call"},
        {"ensemble", "tick_time", SETTING_NUMBER, RAW(tick_time), 10, 600000, "2000", "milliseconds"},
        {"ensemble", "init_limit", SETTING_NUMBER, RAW(init_limit), 1, 100000, "10",
         "ticks a follower may take to connect and to catch up"},
        {"ensemble", "sync_limit", SETTING_NUMBER, RAW(sync_limit), 1, 100000, "5",
         "ticks of silence after which leader and follower part"},
        {"ensemble", "heartbeat_interval", SETTING_NUMBER, RAW(heartbeat_interval), 0, 600000, "400",
         "milliseconds between a leader's pings, at most half a tick; 0: half a tick, as ZooKeeper"},
        {"ensemble", "election_timeout", SETTING_NUMBER, RAW(election_timeout), 0, 600000, "1300",
         "milliseconds of silence after which a leader is left, where it pings as told above; 0: sync_limit ticks"},
        {"ensemble", "min_session_timeout", SETTING_NUMBER, RAW(min_session_timeout), 1, INT32_MAX,
         .help = "milliseconds; default 2 ticks"},
        {"ensemble", "max_session_timeout", SETTING_NUMBER, RAW(max_session_timeout), 1, INT32_MAX,
         .help = "milliseconds; default 20 ticks"},
        {"ensemble", "snap_count", SETTING_NUMBER, RAW(snap_count), 2, 1000000000, TEXT(SERVER_SNAP_COUNT_DEFAULT),
         "transactions from one snapshot to the next, about"},
        {"ensemble", "max_client_connections", SETTING_NUMBER, RAW(max_client_connections), 0, 1000000,
         TEXT(SERVER_MAX_CLIENT_CNXNS_DEFAULT), "client connections per address; 0: no limit"},
        {"ensemble", "max_connections", SETTING_NUMBER, RAW(max_connections), 1, 1000000,
         TEXT(SERVER_MAX_CNXNS_DEFAULT), "client connections in total"},
        {"ensemble", "outstanding_limit", SETTING_NUMBER, RAW(outstanding_limit), 1, 1000000,
         TEXT(SERVER_OUTSTANDING_LIMIT_DEFAULT), "requests read and not yet answered, all connections"},
        {"ensemble", "max_buffer", SETTING_NUMBER, RAW(max_buffer), 1024, ENGINE_MAX_BUFFER_MAX, "1048575",
         "bytes of the largest request, and so of a znode (jute.maxbuffer)"},
        {"ensemble", "max_buffer_extra", SETTING_NUMBER, RAW(max_buffer_extra), 1024, ENGINE_MAX_BUFFER_MAX,
         .help = "bytes a transaction may have beyond that; default as many again "
                 "(zookeeper.jute.maxbuffer.extrasize)"},
        {"ensemble", "client_port_listen_backlog", SETTING_NUMBER, RAW(client_port_listen_backlog), 1, 65535,
         .help = "connections to the client port that wait to be accepted; default 1024"},
        {"ensemble", "preallocate_kb", SETTING_NUMBER, RAW(preallocate_kb), 0, 4 << 20, "65536",
         "KiB by which the log file grows; 0: as it is written"},
        {"ensemble", "retain_snapshots", SETTING_NUMBER, RAW(retain_snapshots), ENGINE_RETAIN_SNAPSHOTS_MIN, 1000,
         TEXT(ENGINE_RETAIN_SNAPSHOTS_MIN), "snapshots kept, with the logs that belong to them"},
        {"ensemble", "commit_log_count", SETTING_NUMBER, RAW(commit_log_count), 500, 10000000,
         TEXT(SERVER_COMMIT_LOG_COUNT_DEFAULT), "recent transactions kept in memory for servers that come back"},
        {"ensemble", "extended_types", SETTING_BOOL, RAW(extended_types), .fallback = "no",
         .help = "znodes with a time to live: may be created, and go when it is over"},
        {"ensemble", "container_check_interval", SETTING_NUMBER, RAW(container_check_interval), 10, INT32_MAX,
         TEXT(SERVER_CONTAINER_CHECK_INTERVAL_MS_DEFAULT),
         "milliseconds from one search for empty containers and overdue znodes to the next"},
        {"ensemble", "container_max_per_minute", SETTING_NUMBER, RAW(container_max_per_minute), 1, 1000000,
         TEXT(SERVER_CONTAINER_MAX_PER_MINUTE_DEFAULT), "of them deleted per minute"},
        {"ensemble", "container_max_never_used_interval", SETTING_NUMBER, RAW(container_max_never_used_interval), 0,
         INT64_MAX, "0", "milliseconds a container without any child ever stays; 0: for good"},
        {"ensemble", "four_letter_words", SETTING_TEXT, RAW(four_letter_words), .fallback = "srvr",
         .help = "words answered on the client port, with commas; * for all"},
        {"ensemble", "client", SETTING_TEXT, RAW(client),
         .help = "[HOST:]PORT for clients, where server.N of this server names none, or without any server.N"},
        {"ensemble", "listen_all", SETTING_BOOL, RAW(listen_all), .fallback = "no",
         .help = "election and quorum ports on all addresses, not only that of server.N"},
        {"ensemble", "enforce_quota", SETTING_BOOL, RAW(enforce_quota), .fallback = "no",
         .help = "refuse what exceeds a quota's hard limit"},
        {"ensemble", "read_only_mode", SETTING_BOOL, RAW(read_only_mode), .fallback = "no",
         .help = "without a leader, show clients that ask for no more what is here, however old"},
        {"ensemble", "super_digest", SETTING_TEXT, RAW(access.super_digest),
         .help = "user:hash of who may do everything, whatever the access lists say; default nobody"},
        {"ensemble", "digest_algorithm", SETTING_TEXT, RAW(access.digest_algorithm), .fallback = "SHA-1",
         .help = "hash of scheme digest, one for the whole ensemble"},
        {"ensemble", "digest_enabled", SETTING_BOOL, RAW(access.digest_enabled), .fallback = "yes",
         .help = "whether clients may authenticate by scheme digest"},
        {"ensemble", "skip_acl", SETTING_BOOL, RAW(access.skip_acl), .fallback = "no",
         .help = "whether access lists are stored but not obeyed"},
        {"ensemble", "enforce_auth_schemes", SETTING_TEXT, RAW(access.enforce_auth_schemes),
         .help = "schemes with commas, of which a client must have used one; default none"},
        {"ensemble", "audit", SETTING_BOOL, RAW(audit), .fallback = "no",
         .help = "whether changes and authentications of clients are written to the log"},
        {"ensemble", "connect", SETTING_TEXT, RAW(connect),
         .help = "an ensemble elsewhere: then there is no engine here"},
};
#define SETTINGS (sizeof table / sizeof *table)

static_assert(2 * (size_t)ENGINE_MAX_BUFFER_MAX <= SERVER_CLIENT_BACKLOG_BYTES, "what can be written can be read");
static_assert(ENGINE_MAX_BUFFER_DEFAULT == 1048575, "the table's default says the same");
static_assert(STORE_PREALLOCATE_DEFAULT == 65536u << 10, "the table's default says the same");

struct loading {
        struct raw raw;
        struct origin origins[SETTINGS];      /* where each was set; line 0: nowhere */
        struct origin node, ensemble_section; /* where the sections begin; line 1 of the file for a missing one */
        bool node_seen, ensemble_seen;
        struct ensemble ensemble;
        struct origin members[SID_MAX + 1]; /* by sid */
        bool members_given;                 /* rightly or not */
        struct problems *problems;
};

/* `key` stands in the table. */
static const struct origin *origin_of(struct loading *l, const char *key)
{
        size_t i = 0;
        while (i < SETTINGS && strcmp(table[i].key, key) != 0)
                i++;
        assert(i < SETTINGS);
        return &l->origins[i];
}

/* ---- reading ---- */

static bool is_ours(const char *section)
{
        return strcmp(section, "node") == 0 || strcmp(section, "ensemble") == 0;
}

static bool is_of_others(const char *section)
{
        return strcmp(section, "supervisor") == 0 || strcmp(section, "engine") == 0 || strcmp(section, "agent") == 0 ||
               strncmp(section, "group ", 6) == 0 || strncmp(section, "plugin ", 7) == 0;
}

static void on_member(struct loading *l, const struct inifile_entry *e)
{
        int64_t sid = 0;
        struct member m;
        char why[PROBLEM_TEXT_MAX - 16];
        l->members_given = true;
        if (settings_number(e->key + strlen("server."), 1, SID_MAX, &sid) < 0) {
                problems_add_at(l->problems, e->at, "%s: the number of a server is 1 to %d", log_quote(e->key).text,
                                SID_MAX);
                return;
        }
        if (l->members[sid].line) {
                problems_add_at(l->problems, e->at, "server.%" PRId64 " stands in %s already", sid,
                                origin_text(e->at, l->members[sid]).text);
                return;
        }
        l->members[sid] = e->at;
        if (ensemble_parse_member(sid, e->value, &m, why, sizeof why) < 0)
                problems_add_at(l->problems, e->at, "server.%" PRId64 ": %s", sid, why);
        else if (ensemble_add(&l->ensemble, &m) < 0)
                problems_add_at(l->problems, e->at, "more than %d servers", ENSEMBLE_MEMBERS_MAX);
}

static void on_setting(struct loading *l, const struct inifile_entry *e)
{
        const struct setting *s = settings_find(table, SETTINGS, e->section, e->key);
        char why[PROBLEM_TEXT_MAX / 2];
        if (!s) {
                problems_add_at(l->problems, e->at, "[%s] has no setting %s", e->section, log_quote(e->key).text);
                return;
        }
        struct origin *origin = &l->origins[s - table];
        if (origin->line)
                problems_add_at(l->problems, e->at, "%s stands in %s already", s->key,
                                origin_text(e->at, *origin).text);
        else if (settings_set(s, e->value, &l->raw, why, sizeof why) < 0)
                problems_add_at(l->problems, e->at, "%s = %s: %s", s->key, log_quote(e->value).text, why);
        if (!origin->line)
                *origin = e->at;
}

static void note_section(const struct inifile_entry *e, struct origin *ret, bool *seen)
{
        if (!*seen)
                *ret = e->at;
        *seen = true;
}

static void on_entry(void *ctx, const struct inifile_entry *e)
{
        struct loading *l = ctx;
        if (!e->key) {
                if (strcmp(e->section, "node") == 0)
                        note_section(e, &l->node, &l->node_seen);
                if (strcmp(e->section, "ensemble") == 0)
                        note_section(e, &l->ensemble_section, &l->ensemble_seen);
                if (!is_ours(e->section) && !is_of_others(e->section))
                        problems_add_at(l->problems, e->at, "unknown section [%s]", log_quote(e->section).text);
        } else if (strcmp(e->section, "ensemble") == 0 && strncmp(e->key, "server.", strlen("server.")) == 0) {
                on_member(l, e);
        } else if (is_ours(e->section)) {
                on_setting(l, e);
        }
}

/* ---- judging ---- */

static void judge_path(struct loading *l, const char *key, const char *path)
{
        struct origin origin = *origin_of(l, key);
        if (origin.line && path[0] != '/')
                problems_add_at(l->problems, origin, "%s = %s: must be an absolute path", key, log_quote(path).text);
}

static void judge_node(struct loading *l)
{
        if (origin_of(l, "connect")->line)
                problems_add_at(l->problems, *origin_of(l, "connect"),
                                "with connect the ensemble is elsewhere: no engine runs on this node");
        if (!origin_of(l, "id")->line)
                problems_add_at(l->problems, l->node, "[node] id is missing: this server's number");
        if (!origin_of(l, "data_dir")->line)
                problems_add_at(l->problems, l->node, "[node] data_dir is missing: where this server keeps its data");
        judge_path(l, "data_dir", l->raw.data_dir);
        judge_path(l, "runtime_dir", l->raw.runtime_dir);
        if (!origin_of(l, "name")->line)
                (void)gethostname(l->raw.name, sizeof l->raw.name - 1); /* "" if it fails: only shown */
}

/* Of two places the one read later. Files have no order here: the second stands for it. */
static struct origin later_of(struct origin a, struct origin b)
{
        bool same_file = a.file && b.file && strcmp(a.file, b.file) == 0;
        if (!b.line || (same_file && a.line > b.line))
                return a;
        return b;
}

static void judge_times(struct loading *l)
{
        struct raw *raw = &l->raw;
        struct origin min = *origin_of(l, "min_session_timeout");
        struct origin max = *origin_of(l, "max_session_timeout");
        struct origin limit_origin = *origin_of(l, raw->init_limit > raw->sync_limit ? "init_limit" : "sync_limit");
        int64_t limit = raw->init_limit > raw->sync_limit ? raw->init_limit : raw->sync_limit;
        if (limit * raw->tick_time > INT32_MAX)
                problems_add_at(l->problems, limit_origin, "%" PRId64 " ticks of %" PRId64 " ms are longer than %d ms",
                                limit, raw->tick_time, INT32_MAX);
        if (raw->election_timeout && raw->election_timeout < ZAB_HEARTBEATS_MISSED_MIN * raw->heartbeat_interval)
                problems_add_at(
                        l->problems, later_of(*origin_of(l, "heartbeat_interval"), *origin_of(l, "election_timeout")),
                        "election_timeout (%" PRId64 " ms) is below %d times heartbeat_interval (%" PRId64 " ms)",
                        raw->election_timeout, ZAB_HEARTBEATS_MISSED_MIN, raw->heartbeat_interval);
        if (!min.line)
                raw->min_session_timeout = 2 * raw->tick_time;
        if (!max.line)
                raw->max_session_timeout = 20 * raw->tick_time;
        if (raw->min_session_timeout > raw->max_session_timeout)
                problems_add_at(l->problems, later_of(min, max),
                                "min_session_timeout (%" PRId64 " ms%s) is above max_session_timeout (%" PRId64
                                " ms%s)",
                                raw->min_session_timeout, min.line ? "" : ", 2 ticks", raw->max_session_timeout,
                                max.line ? "" : ", 20 ticks");
}

static bool is_wildcard(const char *host)
{
        return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* One listening address of a member. A wildcard client host means the member's own machine. */
struct address {
        const char *host, *what;
        uint16_t port;
        int64_t sid;
};

static size_t member_addresses(const struct member *m, struct address ret[3])
{
        size_t n = 0;
        ret[n++] = (struct address){m->host, "quorum", m->quorum_port, m->sid};
        ret[n++] = (struct address){m->host, "election", m->election_port, m->sid};
        if (m->client_port)
                ret[n++] = (struct address){is_wildcard(m->client_host) ? m->host : m->client_host, "client",
                                            m->client_port, m->sid};
        return n;
}

static void judge_ports(struct loading *l)
{
        struct address all[3 * ENSEMBLE_MEMBERS_MAX];
        size_t count = 0;
        for (size_t i = 0; i < l->ensemble.count; i++) {
                size_t before = count;
                count += member_addresses(&l->ensemble.members[i], &all[count]);
                for (size_t k = before; k < count; k++) {
                        size_t other = 0;
                        while (other < k &&
                               (all[other].port != all[k].port || strcasecmp(all[other].host, all[k].host) != 0))
                                other++;
                        if (other == k)
                                continue;
                        problems_add_at(l->problems, l->members[all[k].sid],
                                        "%s port %u of server.%" PRId64 " is the %s port of server.%" PRId64
                                        " on the same host",
                                        all[k].what, (unsigned)all[k].port, all[k].sid, all[other].what,
                                        all[other].sid);
                }
        }
}

/* Reads "[HOST:]PORT", an IPv6 host in brackets. Returns 0 or -EINVAL. */
static int parse_client(const char *text, char host[ENSEMBLE_HOST_MAX + 1], uint16_t *ret_port)
{
        const char *colon = strrchr(text, ':');
        const char *port_text = colon ? colon + 1 : text;
        size_t len = colon ? (size_t)(colon - text) : 0;
        int64_t port = 0;
        if (settings_number(port_text, 1, UINT16_MAX, &port) < 0 || len > ENSEMBLE_HOST_MAX)
                return -EINVAL;
        if (colon && len == 0)
                return -EINVAL;
        if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
                text++;
                len -= 2;
        } else if (len && memchr(text, ':', len)) {
                return -EINVAL;
        }
        memcpy(host, text, len);
        host[len] = '\0';
        *ret_port = (uint16_t)port;
        return 0;
}

/* An ensemble of one that names no ports for others: a member that nobody dials. */
static void make_single(struct loading *l)
{
        struct member m = {.sid = l->raw.id, .host = "127.0.0.1"};
        int r = ensemble_add(&l->ensemble, &m);
        assert(r == 0);
        (void)r; /* judged by the assertion */
}

static void judge_client(struct loading *l, const struct member *own, struct engine_config *c)
{
        struct origin origin = *origin_of(l, "client");
        if (own && own->client_port) {
                if (origin.line)
                        problems_add_at(l->problems, origin,
                                        "client contradicts server.%" PRId64 " in %s, which names a client port",
                                        own->sid, origin_text(origin, l->members[own->sid]).text);
                memcpy(c->client_host, own->client_host, sizeof c->client_host);
                c->client_port = own->client_port;
                return;
        }
        if (!origin.line) {
                problems_add_at(l->problems, own ? l->members[own->sid] : l->ensemble_section,
                                "no port for clients: append ;HOST:PORT to server.%" PRId64
                                ", or set client = HOST:PORT",
                                own ? own->sid : l->raw.id);
                return;
        }
        if (parse_client(l->raw.client, c->client_host, &c->client_port) < 0)
                problems_add_at(l->problems, origin, "client = %s: must be [HOST:]PORT", log_quote(l->raw.client).text);
        else if (c->client_host[0] == '\0')
                memcpy(c->client_host, "0.0.0.0", sizeof "0.0.0.0");
        if (own && (c->client_port == own->quorum_port || c->client_port == own->election_port) &&
            (is_wildcard(c->client_host) || strcasecmp(c->client_host, own->host) == 0))
                problems_add_at(
                        l->problems, origin, "client = %s: server.%" PRId64 " in %s has that port for the servers",
                        log_quote(l->raw.client).text, own->sid, origin_text(origin, l->members[own->sid]).text);
}

/* Who the members are and which one this is. */
static void judge_ensemble(struct loading *l, struct engine_config *c)
{
        c->peers = l->members_given;
        if (l->raw.id == 0)
                return; /* missing or refused, and told */
        if (!c->peers) {
                judge_client(l, NULL, c);
                make_single(l);
                return;
        }
        const struct member *own = ensemble_find(&l->ensemble, l->raw.id);
        if (!own && (l->members[l->raw.id].line || l->ensemble.count == 0))
                return; /* its line was refused, and told */
        if (!own) {
                problems_add_at(l->problems, *origin_of(l, "id"), "id = %" PRId64 ": there is no server.%" PRId64,
                                l->raw.id, l->raw.id);
                return;
        }
        if (ensemble_voters(&l->ensemble) == 0)
                problems_add_at(l->problems, l->members[own->sid], "no server is a participant: nobody can lead");
        judge_client(l, own, c);
}

/* A session's number begins with its server's; one that begins with 255 is an owner with a time to live. */
static void judge_sids(struct loading *l)
{
        for (int64_t sid = SID_EXTENDED_MAX + 1; l->raw.extended_types && sid <= SID_MAX; sid++)
                if (sid == l->raw.id || ensemble_find(&l->ensemble, sid))
                        problems_add_at(l->problems, *origin_of(l, "extended_types"),
                                        "extended_types: the number of a server is then 1 to %d, not %" PRId64,
                                        SID_EXTENDED_MAX, sid);
}

static bool is_word(const char *text, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (!islower((unsigned char)text[i]))
                        return false;
        return len == 4;
}

static void judge_words(struct loading *l, struct server_config *server)
{
        struct origin origin = *origin_of(l, "four_letter_words");
        const char *at = l->raw.four_letter_words;
        while (*at) {
                at += strspn(at, ", \t");
                size_t len = strcspn(at, ", \t");
                if (len == 0)
                        break;
                if (server->word_count == SERVER_WORDS_MAX) {
                        problems_add_at(l->problems, origin, "more than %d four-letter words", SERVER_WORDS_MAX);
                        return;
                }
                if (!is_word(at, len) && !(len == 1 && *at == '*'))
                        problems_add_at(l->problems, origin, "%s is no four-letter word",
                                        log_quote_bytes(at, len).text);
                else
                        memcpy(server->words[server->word_count++], at, len);
                at += len;
        }
}

static void judge_access(struct loading *l, struct server_config *server)
{
        const struct access_origins at = {.super_digest = *origin_of(l, "super_digest"),
                                          .digest_algorithm = *origin_of(l, "digest_algorithm"),
                                          .enforce_auth_schemes = *origin_of(l, "enforce_auth_schemes")};
        access_judge(&l->raw.access, &at, server, l->problems);
}

/* ---- the whole ---- */

static void take_over(const struct loading *l, struct engine_config *c)
{
        const struct raw *raw = &l->raw;
        struct server_config *s = &c->server;
        memcpy(s->name, raw->name, sizeof s->name);
        s->sid = raw->id;
        s->ensemble = l->ensemble;
        s->tick_ms = (uint32_t)raw->tick_time;
        s->init_limit = (uint32_t)raw->init_limit;
        s->sync_limit = (uint32_t)raw->sync_limit;
        s->heartbeat_ms = (uint32_t)raw->heartbeat_interval;
        s->election_timeout_ms = (uint32_t)raw->election_timeout;
        s->min_session_timeout_ms = (int32_t)raw->min_session_timeout;
        s->max_session_timeout_ms = (int32_t)raw->max_session_timeout;
        s->snap_count = (uint32_t)raw->snap_count;
        s->max_buffer = (int32_t)raw->max_buffer;
        s->max_buffer_extra = (int32_t)raw->max_buffer_extra;
        s->max_client_cnxns = (uint32_t)raw->max_client_connections;
        s->max_cnxns = (uint32_t)raw->max_connections;
        s->outstanding_limit = (uint32_t)raw->outstanding_limit;
        memcpy(s->data_dir, raw->data_dir, sizeof s->data_dir);
        memcpy(c->data_dir, raw->data_dir, sizeof c->data_dir);
        memcpy(c->runtime_dir, raw->runtime_dir, sizeof c->runtime_dir);
        s->client_port = c->client_port;
        s->listen_backlog = raw->client_port_listen_backlog ? (int32_t)raw->client_port_listen_backlog : -1;
        (void)snprintf(s->version, sizeof s->version, "3.9.5-baton-%s", BATON_VERSION);
        (void)snprintf(s->built_on, sizeof s->built_on, "%s", BATON_BUILT_ON);
        s->extended_types = raw->extended_types;
        s->container_check_interval_ms = (uint32_t)raw->container_check_interval;
        s->container_max_per_minute = (uint32_t)raw->container_max_per_minute;
        s->container_max_never_used_ms = (uint64_t)raw->container_max_never_used_interval;
        s->enforce_quota = raw->enforce_quota;
        s->read_only_mode = raw->read_only_mode;
        s->audit = raw->audit;
        c->listen_all = raw->listen_all;
        c->preallocate_bytes = (uint64_t)raw->preallocate_kb << 10;
        c->retain_snapshots = (size_t)raw->retain_snapshots;
        c->server.commit_log_count = (uint32_t)raw->commit_log_count;
}

static_assert(sizeof((struct server_config *)NULL)->data_dir == ENGINE_PATH_MAX, "a path that loads can be shown");

static void begin(struct loading *l, const char *file, struct problems *problems)
{
        *l = (struct loading){.problems = problems, .node = {file, 1}, .ensemble_section = {file, 1}};
        settings_fallbacks(table, SETTINGS, &l->raw);
}

static int judge(struct loading *l, struct engine_config *ret)
{
        struct engine_config c = {.peers = false};
        judge_node(l);
        judge_times(l);
        judge_words(l, &c.server);
        judge_access(l, &c.server);
        judge_ports(l);
        judge_ensemble(l, &c);
        judge_sids(l);
        problems_sort(l->problems);
        if (l->problems->count > 0)
                return -EINVAL;
        take_over(l, &c);
        *ret = c;
        return 0;
}

int engine_config_load(const char *path, struct engine_config *ret, struct problems *problems)
{
        struct loading l;
        begin(&l, path, problems);
        int r = inifile_read(path, on_entry, &l, problems);
        return r < 0 ? r : judge(&l, ret);
}

int engine_config_judge(const struct inifile_entry *entries, size_t count, const char *file, struct engine_config *ret,
                        struct problems *problems)
{
        struct loading l;
        begin(&l, file, problems);
        for (size_t i = 0; i < count; i++)
                if (is_ours(entries[i].section))
                        on_entry(&l, &entries[i]);
        return judge(&l, ret);
}

void engine_config_help(FILE *out)
{
        settings_help(table, SETTINGS, out);
        (void)fprintf(out, "  %-24s %s\n", "server.N",
                      "HOST:QUORUM_PORT:ELECTION_PORT[:participant|observer][;[CLIENT_HOST:]CLIENT_PORT]");
}
