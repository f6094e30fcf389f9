/* [node] and [ensemble]: an engine here, whose own judgement decides (daemon/engine/engine_config.h); or `connect`; or
 * a worker's part, which knows of no ensemble. Then what the session may last, and the lease with it. */
#include "daemon/common/node_config_internal.h"

#include "daemon/common/log.h"
#include "daemon/engine/engine_config.h"
#include "election/base/alloc.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* The session timeout, where the ensemble has nothing against it. */
#define SESSION_TIMEOUT_DEFAULT_MS 2000

static struct origin base_origin(const struct node_loading *l, const char *section, const char *key)
{
        return node_origin(&node_table_base, l->base_origins, section, key);
}

static bool is_entry(const struct inifile_entry *e, const char *section, const char *key)
{
        return e->key && strcmp(e->section, section) == 0 && strcmp(e->key, key) == 0;
}

/* Reads what the base needs. Where the engine judges too, it is the one to complain. */
static void read_base(struct node_loading *l, struct problems *problems)
{
        char why[PROBLEM_TEXT_MAX / 2];
        for (size_t i = 0; i < l->source->count; i++) {
                const struct inifile_entry *e = &l->source->entries[i];
                const struct setting *row =
                        e->key ? settings_find(node_table_base.rows, node_table_base.count, e->section, e->key) : NULL;
                if (!row)
                        continue;
                struct origin *origin = &l->base_origins[row - node_table_base.rows];
                if (origin->line)
                        problems_add_at(problems, e->at, "%s stands in %s already", e->key,
                                        origin_text(e->at, *origin).text);
                else if (settings_set(row, e->value, &l->v, why, sizeof why) < 0)
                        problems_add_at(problems, e->at, "%s = %s: %s", e->key, log_quote(e->value).text, why);
                if (!origin->line)
                        *origin = e->at;
        }
}

static void judge_name(struct node_loading *l, struct node_config *c)
{
        struct origin at = base_origin(l, "node", "name");
        struct origin top = {.file = l->path, .line = 1};
        if (!at.line && gethostname(l->v.name, sizeof l->v.name - 1) < 0)
                l->v.name[0] = '\0';
        if (name_is_valid(l->v.name))
                memcpy(c->node.text, l->v.name, strlen(l->v.name) + 1);
        else if (at.line && l->v.name[0])
                problems_add_at(
                        l->problems, at,
                        "name = %s: a node's name is at most %d letters, digits, - _ . beginning with letter or "
                        "digit",
                        log_quote(l->v.name).text, NAME_BYTES_MAX);
        else if (!at.line)
                problems_add_at(l->problems, top, "[node] name is missing, and the host's name %s can't be one",
                                log_quote(l->v.name).text);
}

static void judge_paths(struct node_loading *l, struct node_config *c, bool complain)
{
        static const char *const keys[] = {"data_dir", "runtime_dir"};
        const char *paths[] = {l->v.data_dir, l->v.runtime_dir};
        for (size_t i = 0; i < 2 && complain; i++)
                if (paths[i][0] != '/')
                        problems_add_at(l->problems, base_origin(l, "node", keys[i]),
                                        "%s = %s: must be an absolute path", keys[i], log_quote(paths[i]).text);
        memcpy(c->data_dir, l->v.data_dir, sizeof c->data_dir);
        memcpy(c->runtime_dir, l->v.runtime_dir, sizeof c->runtime_dir);
}

/* ---- the engine's judgement ---- */

static void merge(struct problems *from, struct problems *to)
{
        size_t kept = from->count < PROBLEMS_MAX ? from->count : PROBLEMS_MAX;
        for (size_t i = 0; i < kept; i++) {
                const struct problem *p = &from->list[i];
                problems_add_at(to, (struct origin){p->file[0] ? p->file : from->file, p->line}, "%s", p->text);
        }
        to->count += from->count - kept;
}

/* Every line of [node] and [ensemble]; data_dir has a default here, which the engine alone has not. Returns their
 * count; `ret` has room for one more than there are lines. */
static size_t engine_entries(const struct node_loading *l, struct inifile_entry *ret)
{
        size_t count = 0;
        for (size_t i = 0; i < l->source->count; i++)
                if (!is_entry(&l->source->entries[i], "node", "part"))
                        ret[count++] = l->source->entries[i];
        if (!base_origin(l, "node", "data_dir").line)
                ret[count++] = (struct inifile_entry){
                        .at = {l->path, 1}, .section = "node", .key = "data_dir", .value = l->v.data_dir};
        return count;
}

static bool is_wildcard(const char *host)
{
        return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static void add_server(struct node_config *c, const char *host, uint16_t port)
{
        struct node_server *s = &c->servers[c->server_count++];
        memcpy(s->host, host, strlen(host) + 1);
        s->port = port;
}

/* The own server first: the agent prefers it. */
static void take_servers(const struct engine_config *e, struct node_config *c)
{
        const struct ensemble *all = &e->server.ensemble;
        c->servers = mem_zalloc((all->count + 1) * sizeof *c->servers);
        add_server(c, is_wildcard(e->client_host) ? "127.0.0.1" : e->client_host, e->client_port);
        c->address = c->servers[0];
        for (size_t i = 0; i < all->count; i++) {
                const struct member *m = &all->members[i];
                if (m->sid == e->server.sid && is_wildcard(e->client_host))
                        memcpy(c->address.host, m->host, strlen(m->host) + 1);
                if (m->sid != e->server.sid && m->client_port)
                        add_server(c, is_wildcard(m->client_host) ? m->host : m->client_host, m->client_port);
        }
}

/* Returns whether `ret` was written. */
static bool judge_engine(struct node_loading *l, struct node_config *c, struct engine_config *ret)
{
        struct problems *problems = mem_alloc(sizeof *problems);
        struct inifile_entry *entries = mem_alloc((l->source->count + 1) * sizeof *entries);
        problems_init(problems, l->path);
        int r = engine_config_judge(entries, engine_entries(l, entries), l->path, ret, problems);
        merge(problems, l->problems);
        mem_free(entries);
        mem_free(problems);
        c->has_engine = true;
        if (r == 0)
                take_servers(ret, c);
        return r == 0;
}

/* ---- connect ---- */

/* Reads "HOST:PORT", an IPv6 host in brackets. */
static bool parse_server(const char *text, size_t len, struct node_server *ret)
{
        char word[NODE_WORD_MAX + 16] = "";
        int64_t port = 0;
        if (len >= sizeof word)
                return false;
        memcpy(word, text, len);
        char *colon = strrchr(word, ':');
        if (!colon || settings_number(colon + 1, 1, UINT16_MAX, &port) < 0)
                return false;
        *colon = '\0';
        char *host = word;
        size_t host_len = strlen(host);
        if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
                host[host_len - 1] = '\0';
                host++;
        } else if (strchr(host, ':')) {
                return false;
        }
        if (host[0] == '\0' || strlen(host) > NODE_WORD_MAX)
                return false;
        memcpy(ret->host, host, strlen(host) + 1);
        ret->port = (uint16_t)port;
        return true;
}

static void judge_connect(struct node_loading *l, struct node_config *c)
{
        struct origin at = base_origin(l, "ensemble", "connect");
        c->servers = mem_zalloc(NODE_CONNECT_MAX * sizeof *c->servers);
        for (const char *text = l->v.connect + strspn(l->v.connect, ", \t"); *text; text += strspn(text, ", \t")) {
                size_t len = strcspn(text, ", \t");
                struct node_server one;
                if (!parse_server(text, len, &one))
                        problems_add_at(l->problems, at, "connect: %s must be HOST:PORT",
                                        log_quote_bytes(text, len).text);
                else if (c->server_count == NODE_CONNECT_MAX)
                        problems_add_at(l->problems, at, "connect: more than %d servers", NODE_CONNECT_MAX);
                else
                        add_server(c, one.host, one.port);
                text += len;
        }
        if (c->server_count == 0 && l->problems->count == 0)
                problems_add_at(l->problems, at, "connect names no server");
}

/* Without an engine: what only an engine could use is refused, and so is what nobody knows. */
static void judge_without_engine(struct node_loading *l)
{
        struct origin connect = base_origin(l, "ensemble", "connect");
        for (size_t i = 0; i < l->source->count; i++) {
                const struct inifile_entry *e = &l->source->entries[i];
                if (!e->key || settings_find(node_table_base.rows, node_table_base.count, e->section, e->key))
                        continue;
                if (strcmp(e->section, "node") == 0)
                        problems_add_at(l->problems, e->at, "[node] has no setting %s", log_quote(e->key).text);
                else if (strcmp(e->section, "ensemble") == 0 && connect.line)
                        problems_add_at(l->problems, e->at,
                                        "connect in %s says that the ensemble is elsewhere: %s is for a server here",
                                        origin_text(e->at, connect).text, log_quote(e->key).text);
                else if (strcmp(e->section, "ensemble") == 0)
                        problems_add_at(l->problems, e->at, "a worker's part has no ensemble");
        }
}

/* ---- the session and its lease ---- */

static void judge_lease(struct node_loading *l, const struct node_config *c, struct origin at)
{
        uint32_t every_ms = c->session_timeout_ms / NODE_RENEWALS_PER_LEASE;
        uint32_t holder_ms = lease_holder_ms(c->session_timeout_ms, c->clock_rate_ppm);
        if (NODE_RENEWALS_MIN * every_ms + NODE_COMMIT_MS <= holder_ms)
                return;
        problems_add_at(l->problems, at,
                        "of a session_timeout of %" PRIu32 " ms the holder of a group may use %" PRIu32
                        " ms (clock_rate_bound %s %%): %d renewals, %" PRIu32
                        " ms apart, and a commit of %d ms do not fit; raise the one or lower the other",
                        c->session_timeout_ms, holder_ms, l->v.clock_rate_bound, NODE_RENEWALS_MIN, every_ms,
                        NODE_COMMIT_MS);
}

/* `e`: NULL where the ensemble's own limits are not known. */
static void judge_session(struct node_loading *l, struct node_config *c, const struct engine_config *e)
{
        struct origin at = node_origin(&node_table_own, l->own_origins, "agent", "session_timeout");
        struct origin rate = node_origin(&node_table_own, l->own_origins, "agent", "clock_rate_bound");
        int64_t timeout = l->v.session_timeout;
        int64_t min = e ? e->server.min_session_timeout_ms : 1;
        int64_t max = e ? e->server.max_session_timeout_ms : INT32_MAX;
        if (!timeout && at.line)
                return; /* refused */
        if (timeout && (timeout < min || timeout > max)) {
                problems_add_at(l->problems, at,
                                "session_timeout = %" PRId64 ": the ensemble grants %" PRId64 " to %" PRId64
                                " ms (min_session_timeout, max_session_timeout; by default 2 and 20 ticks)",
                                timeout, min, max);
                return;
        }
        if (!timeout)
                timeout = min > SESSION_TIMEOUT_DEFAULT_MS   ? min
                          : max < SESSION_TIMEOUT_DEFAULT_MS ? max
                                                             : SESSION_TIMEOUT_DEFAULT_MS;
        c->session_timeout_ms = (uint32_t)timeout;
        judge_lease(l, c, at.line ? at : rate.line ? rate : (struct origin){.file = l->path});
}

static bool is_worker_part(struct node_loading *l)
{
        struct origin at = base_origin(l, "node", "part");
        if (!at.line)
                return false;
        if (strcmp(l->v.part, "worker") == 0)
                return true;
        problems_add_at(l->problems, at, "part = %s: batond writes it for its workers, nobody else",
                        log_quote(l->v.part).text);
        return false;
}

void node_judge_ensemble(struct node_loading *l, struct node_config *c)
{
        struct problems *unheard = mem_alloc(sizeof *unheard);
        struct engine_config *e = mem_zalloc(sizeof *e);
        bool engine = true, known = false;
        problems_init(unheard, l->path);
        for (size_t i = 0; i < l->source->count; i++)
                if (is_entry(&l->source->entries[i], "ensemble", "connect") ||
                    is_entry(&l->source->entries[i], "node", "part"))
                        engine = false;
        read_base(l, engine ? unheard : l->problems);
        judge_name(l, c);
        judge_paths(l, c, !engine);
        c->id = l->v.id;
        bool worker = is_worker_part(l);
        if (engine)
                known = judge_engine(l, c, e);
        else
                judge_without_engine(l);
        if (!engine && !worker)
                judge_connect(l, c);
        if (known)
                c->tick_time_ms = e->server.tick_ms;
        if (known || (!engine && !worker))
                judge_session(l, c, known ? e : NULL);
        mem_free(e);
        mem_free(unheard);
}
