#include "tests/fuzz/one_server.h"

#include "election/tree/tree_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define WALL_MS INT64_C(1700000000000)
/* Small, so that an input of a few KiB gets near it. */
#define MAX_BUFFER (64 << 10)
/* Turns of work without time passing: more is a livelock. */
#define TURNS_MAX 100000
/* Deadlines met in one millisecond, likewise. */
#define TICKS_MAX 1000
/* What may be held or sent for one connection: far more than an input can ask for. */
#define CONN_BYTES_MAX (64u << 20)

static const struct store_config store_config = {
        .item_max = 2 * MAX_BUFFER,
        .preallocate_bytes = 4096,
        .history_max = 500,
        .history_bytes_max = 1u << 20,
        .retain_snapshots = 3,
};

/* ---- effects ---- */

static struct one_conn *find(struct one_server *s, conn_id conn)
{
        for (size_t i = 0; i < s->conn_count; i++)
                if (s->conns[i].conn == conn)
                        return &s->conns[i];
        return NULL;
}

static void append(uint8_t **data, size_t *len, size_t *capacity, const void *more, size_t more_len)
{
        if (!more_len)
                return;
        assert(*len + more_len <= CONN_BYTES_MAX);
        *data = mem_grow(*data, capacity, *len + more_len, 1);
        memcpy(*data + *len, more, more_len);
        *len += more_len;
}

static void dial(struct one_server *s, const struct effect *e)
{
        static const char net[] = "10.0.0.";
        bool known = strncmp(e->peer.host, net, sizeof net - 1) == 0;
        int64_t peer = known ? strtol(e->peer.host + sizeof net - 1, NULL, 10) : 0;
        assert(s->dial_count < ONE_CONNS);
        s->dials[s->dial_count++] = e->conn;
        if (!known || !s->peers_accept || s->conn_count == ONE_CONNS)
                return;
        s->conns[s->conn_count++] = (struct one_conn){
                .conn = e->conn, .port = e->peer.kind, .peer = peer, .dialled = true, .reading = true};
}

static void ended(struct one_server *s, conn_id conn)
{
        struct one_conn *c = find(s, conn);
        for (size_t i = 0; i < s->dial_count; i++)
                if (s->dials[i] == conn) {
                        s->dial_count--;
                        memmove(&s->dials[i], &s->dials[i + 1], (s->dial_count - i) * sizeof *s->dials);
                        if (c)
                                c->ended = true;
                        return;
                }
        assert(c && c->open);
        c->open = false;
        c->ended = true;
}

/* An open connection; nothing is asked of another one. */
static struct one_conn *living(struct one_server *s, conn_id conn)
{
        struct one_conn *c = find(s, conn);
        assert(c && c->open);
        return c;
}

static void queue(struct effects *to, const struct effect *e)
{
        to->list = mem_grow(to->list, &to->capacity, to->count + 1, sizeof *to->list);
        to->list[to->count++] = *e;
        if (e->type == EFFECT_LOG_APPEND)
                (void)blob_ref(e->log.blob);
        if (e->type == EFFECT_SNAPSHOT_CHUNK)
                (void)blob_ref(e->snapshot.blob);
}

static void carry_out(struct one_server *s, const struct effect *e)
{
        struct one_conn *c;
        switch (e->type) {
        case EFFECT_DIAL:
                dial(s, e);
                break;
        case EFFECT_SEND:
                c = living(s, e->conn);
                append(&c->out, &c->out_len, &c->out_capacity, e->send.blob->data, e->send.blob->len);
                break;
        case EFFECT_CLOSE:
                ended(s, e->conn);
                break;
        case EFFECT_NOTIFY_SENT:
                living(s, e->conn)->notify = true;
                break;
        case EFFECT_READ_STOP:
        case EFFECT_READ_START:
                c = living(s, e->conn);
                assert(c->reading == (e->type == EFFECT_READ_STOP));
                c->reading = e->type == EFFECT_READ_START;
                break;
        case EFFECT_LOG_APPEND:
        case EFFECT_LOG_ROLL:
        case EFFECT_EPOCH_WRITE:
        case EFFECT_TRUNCATE:
                queue(&s->log_queue, e);
                break;
        case EFFECT_SNAPSHOT_BEGIN:
        case EFFECT_SNAPSHOT_CHUNK:
        case EFFECT_SNAPSHOT_END:
        case EFFECT_SNAPSHOT_ABORT:
                queue(&s->snapshot_queue, e);
                break;
        case EFFECT_UNLISTEN:
        case EFFECT_ROLE:
                break;
        case EFFECT_AUDIT: /* whatever a client says: one line of plain text */
                for (const char *at = e->audit.text; *at; at++)
                        assert(*at >= 0x20 && *at < 0x7f && !(at[0] == ' ' && (at[1] == ' ' || !at[1])));
                assert(strlen(e->audit.text) < 960);
                break;
        case EFFECT_REPORT:
                if (getenv("FUZZ_VERBOSE"))
                        (void)fprintf(stderr, "[%llu] %s\n", (unsigned long long)s->now_ms, e->report.text);
                break;
        case EFFECT_HALT:
                s->halted = e->halt.status;
                if (getenv("FUZZ_VERBOSE"))
                        (void)fprintf(stderr, "[%llu] halted: %s\n", (unsigned long long)s->now_ms, e->halt.text);
                break;
        case EFFECT_MAX:
                abort();
        }
}

static void step(struct one_server *s, struct event *e)
{
        if (s->halted >= 0)
                return;
        e->now = (struct moment){
                .mono_ms = s->now_ms, .mono_ns = s->now_ms * 1000000, .wall_ms = WALL_MS + (int64_t)s->now_ms};
        server_step(s->server, e, &s->fx);
        for (size_t i = 0; i < s->fx.count; i++)
                carry_out(s, &s->fx.list[i]);
        effects_reset(&s->fx);
}

/* ---- the disk ---- */

static void drop_first(struct effects *fx, size_t count)
{
        if (!count)
                return;
        for (size_t i = 0; i < count; i++) {
                if (fx->list[i].type == EFFECT_LOG_APPEND)
                        blob_unref(fx->list[i].log.blob);
                if (fx->list[i].type == EFFECT_SNAPSHOT_CHUNK)
                        blob_unref(fx->list[i].snapshot.blob);
        }
        fx->count -= count;
        memmove(fx->list, fx->list + count, fx->count * sizeof *fx->list);
}

static void log_failed(struct one_server *s, int status, const char *why)
{
        drop_first(&s->log_queue, s->log_queue.count);
        /* The disk itself is sound: the server wanted what cannot be. */
        (void)fprintf(stderr, "the log refused what the server wanted: %d, %s\n", status, why);
        abort();
}

/* Up to and with the first cut, whose outcome is told by itself. */
static bool run_log(struct one_server *s)
{
        char why[STORE_WHY_MAX] = "";
        struct recovered reloaded = {0};
        bool has_reloaded = false, cut = false;
        size_t done = 0;
        uint64_t ticket = 0;
        if (!s->log_queue.count)
                return false;
        for (; done < s->log_queue.count && !cut; done++) {
                const struct effect *e = &s->log_queue.list[done];
                int r = store_perform(s->store, e, &reloaded, why);
                if (r < 0)
                        log_failed(s, r, why);
                has_reloaded |= r > 0;
                cut = e->type == EFFECT_TRUNCATE;
                ticket = e->ticket;
        }
        int r = store_sync(s->store, why);
        if (r < 0)
                log_failed(s, r, why);
        drop_first(&s->log_queue, done);
        step(s, &(struct event){.type = EVENT_DISK_DONE,
                                .disk = {.ticket = ticket, .reloaded = has_reloaded ? &reloaded : NULL}});
        recovered_done(&reloaded);
        return true;
}

static bool run_snapshots(struct one_server *s)
{
        char why[STORE_WHY_MAX] = "";
        if (!s->snapshot_queue.count)
                return false;
        uint64_t ticket = s->snapshot_queue.list[0].ticket;
        int r = snapstore_perform(s->snapstore, &s->snapshot_queue.list[0], why);
        drop_first(&s->snapshot_queue, 1);
        step(s, &(struct event){.type = EVENT_SNAPSHOT_DONE, .status = r, .disk = {.ticket = ticket, .why = why}});
        return true;
}

/* ---- the network ---- */

static bool answer_dial(struct one_server *s)
{
        if (!s->dial_count)
                return false;
        conn_id conn = s->dials[0];
        struct one_conn *c = find(s, conn);
        s->dial_count--;
        memmove(&s->dials[0], &s->dials[1], s->dial_count * sizeof *s->dials);
        if (c)
                c->open = true;
        step(s, &(struct event){.type = EVENT_CONN_DIALLED, .conn = conn, .status = c ? 0 : -ECONNREFUSED});
        return true;
}

static bool run_conn(struct one_server *s, struct one_conn *c)
{
        if (c->open && c->notify) {
                c->notify = false;
                step(s, &(struct event){.type = EVENT_CONN_SENT, .conn = c->conn});
                return true;
        }
        if (c->open && c->reading && c->held_len) {
                struct fuzz_bytes b = {.data = mem_dup(c->held, c->held_len), .len = c->held_len}; /* exactly as long */
                c->held_len = 0;
                step(s, &(struct event){
                                .type = EVENT_CONN_BYTES, .conn = c->conn, .bytes = {.data = b.data, .len = b.len}});
                mem_free(b.data);
                return true;
        }
        return false;
}

static void settle(struct one_server *s)
{
        bool more = true;
        for (size_t turns = 0; more && s->halted < 0; turns++) {
                assert(turns < TURNS_MAX);
                more = answer_dial(s);
                more |= run_log(s);
                more |= run_snapshots(s);
                for (size_t i = 0; i < s->conn_count; i++)
                        more |= run_conn(s, &s->conns[i]);
        }
}

/* ---- what the world does ---- */

struct one_conn *one_server_accept(struct one_server *s, enum port port)
{
        if (s->conn_count == ONE_CONNS || s->halted >= 0)
                return NULL;
        struct one_conn *c = &s->conns[s->conn_count++];
        *c = (struct one_conn){.conn = s->accepted += 2, .port = port, .open = true, .reading = true};
        step(s, &(struct event){.type = EVENT_CONN_ACCEPTED,
                                .conn = c->conn,
                                .accepted = {.port = port, .address = "10.0.1.1", .remote_port = 40000}});
        settle(s);
        return c;
}

struct one_conn *one_server_dialled(struct one_server *s, int64_t peer, enum port port)
{
        for (size_t i = s->conn_count; i > 0; i--) {
                struct one_conn *c = &s->conns[i - 1];
                if (c->open && c->dialled && c->peer == peer && c->port == port)
                        return c;
        }
        return NULL;
}

void one_server_say(struct one_server *s, struct one_conn *c, const void *data, size_t len)
{
        if (!c || !c->open)
                return;
        append(&c->held, &c->held_len, &c->held_capacity, data, len);
        settle(s);
}

void one_server_say_blob(struct one_server *s, struct one_conn *c, struct blob *b)
{
        one_server_say(s, c, b->data, b->len);
        blob_unref(b);
}

void one_server_hang_up(struct one_server *s, struct one_conn *c, int status)
{
        if (!c || !c->open)
                return;
        c->open = false;
        step(s, &(struct event){.type = EVENT_CONN_CLOSED, .conn = c->conn, .status = status});
        settle(s);
}

void one_server_pass(struct one_server *s, uint64_t ms)
{
        uint64_t end = s->now_ms + ms;
        size_t ticks = 0;
        while (s->halted < 0) {
                uint64_t due = server_deadline(s->server);
                if (due > end)
                        break;
                ticks = due > s->now_ms ? 0 : ticks + 1;
                assert(ticks < TICKS_MAX);
                if (due > s->now_ms)
                        s->now_ms = due;
                step(s, &(struct event){.type = EVENT_TICK});
                settle(s);
        }
        s->now_ms = end;
}

void one_server_stop(struct one_server *s)
{
        step(s, &(struct event){.type = EVENT_STOP});
        settle(s);
}

void one_conn_taken(struct one_conn *c, size_t len)
{
        assert(len <= c->out_len);
        if (!len)
                return;
        c->out_len -= len;
        memmove(c->out, c->out + len, c->out_len);
}

/* ---- beginning and end ---- */

static void recover(struct one_server *s, struct recovered *ret)
{
        char why[STORE_WHY_MAX];
        memset(ret, 0, sizeof *ret);
        s->store = store_new(memory_storage_io(s->disk), &store_config);
        int r = store_recover(s->store, ret, why);
        if (r < 0) {
                (void)fprintf(stderr, "the disk is not recovered from: %d, %s\n", r, why);
                abort();
        }
}

static void configure(struct server_config *c, int64_t sid, int voters)
{
        *c = (struct server_config){.name = "n",
                                    .sid = sid,
                                    .tick_ms = 100,
                                    .init_limit = 10,
                                    .sync_limit = 5,
                                    .heartbeat_ms = 20,
                                    .election_timeout_ms = 120,
                                    .step_bytes_max = 1000,
                                    .min_session_timeout_ms = 200,
                                    .max_session_timeout_ms = 40000,
                                    .snap_count = 16,
                                    .commit_log_count = 500,
                                    .max_buffer = MAX_BUFFER,
                                    .max_client_cnxns = 60,
                                    .max_cnxns = 1000,
                                    .outstanding_limit = 1000,
                                    .extended_types = true,
                                    .container_check_interval_ms = 100,
                                    .container_max_per_minute = 60000,
                                    .words = {"*"},
                                    .word_count = 1,
                                    .super_digest = ONE_SUPER_DIGEST,
                                    .audit = true,
                                    .data_dir = "/memory",
                                    .version = "3.9.5",
                                    .built_on = "2026-11-30 00:00 UTC",
                                    .seed = 1};
        for (int i = 1; i <= voters; i++) {
                struct member m = {.sid = i,
                                   .quorum_port = ONE_QUORUM_PORT,
                                   .election_port = ONE_ELECTION_PORT,
                                   .client_port = ONE_CLIENT_PORT,
                                   .client_host = "0.0.0.0"};
                (void)snprintf(m.host, sizeof m.host, "10.0.0.%d", i);
                int r = ensemble_add(&c->ensemble, &m);
                assert(r == 0);
        }
}

struct one_server *one_server_new(int64_t sid, int voters, bool peers_accept)
{
        struct one_server *s = mem_zalloc(sizeof *s);
        struct server_config config;
        struct recovered r;
        s->halted = -1;
        s->now_ms = 1000;
        s->peers_accept = peers_accept;
        s->disk = memory_storage_new();
        effects_init(&s->fx);
        effects_init(&s->log_queue);
        effects_init(&s->snapshot_queue);
        recover(s, &r);
        s->snapstore = snapstore_new(memory_storage_io(s->disk), &store_config);
        configure(&config, sid, voters);
        s->server = server_new(&config, &r);
        recovered_done(&r);
        step(s, &(struct event){.type = EVENT_START});
        settle(s);
        return s;
}

/* Where no role is held and nothing is under way, the database equals the durable log. */
static bool at_rest(const struct one_server *s)
{
        return s->halted < 0 && zab_role(s->server->zab) == ZAB_IDLE && zab_disk_dry(s->server->zab) &&
               !s->server->loader && !s->server->received;
}

/* As each server does when it starts: a snapshot need not have the configuration's znode. */
static void install_config(const struct server_config *config, struct database *db)
{
        if (config->ensemble.count == 1) {
                database_keep_config(db);
                return;
        }
        size_t len = ensemble_text(&config->ensemble, NULL, 0);
        char *text = mem_alloc(len + 1);
        (void)ensemble_text(&config->ensemble, text, len + 1);
        database_set_config(db, jute_str_of(text, len), config->ensemble.version, WALL_MS);
        mem_free(text);
}

void one_server_end(struct one_server *s)
{
        struct recovered r;
        struct server_config config = s->server->config;
        uint64_t digest = 0;
        bool compare = at_rest(s);
        if (s->halted < 0) {
                tree__check(database_tree(s->server->db));
                digest = tree_digest(database_tree(s->server->db));
        }
        server_free(s->server);
        store_free(s->store);
        snapstore_free(s->snapstore);
        recover(s, &r);
        tree__check(database_tree(r.db));
        install_config(&config, r.db);
        if (compare)
                assert(tree_digest(database_tree(r.db)) == digest);
        recovered_done(&r);
        store_free(s->store);
        memory_storage_free(s->disk);
        drop_first(&s->log_queue, s->log_queue.count);
        drop_first(&s->snapshot_queue, s->snapshot_queue.count);
        effects_done(&s->fx);
        effects_done(&s->log_queue);
        effects_done(&s->snapshot_queue);
        for (size_t i = 0; i < s->conn_count; i++) {
                mem_free(s->conns[i].held);
                mem_free(s->conns[i].out);
        }
        mem_free(s);
}
