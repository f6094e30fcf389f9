#include "tests/sim/world/world_state.h"

#include "election/base/alloc.h"
#include "election/server/server_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a node's data that a dump shows; all of it is in its hash. */
#define WORLD_DATA_MAX 128

void bytes_add(struct world_bytes *b, const void *data, size_t len)
{
        if (!len)
                return;
        b->data = mem_grow(b->data, &b->capacity, b->len + len, 1);
        memcpy(b->data + b->len, data, len);
        b->len += len;
}

void bytes_take(struct world_bytes *b, size_t len)
{
        b->len -= len;
        memmove(b->data, b->data + len, b->len);
}

struct world *world_new(int voters, int observers, uint64_t seed)
{
        struct world *w = mem_zalloc(sizeof *w);
        w->seed = seed;
        for (uint64_t i = 0; i < WORLD_DRAW_MAX; i++)
                w->draws[i].state = hash_u64(seed ^ hash_u64(i + 1));
        w->now = 1000;
        w->peer_backlog_bytes = SERVER_PEER_BACKLOG_BYTES;
        w->client_backlog_bytes = SERVER_CLIENT_BACKLOG_BYTES;
        w->count = voters + observers;
        list_init(&w->streams);
        list_init(&w->clients);
        w->config = (struct server_config){.tick_ms = 100,
                                           .init_limit = 10,
                                           .sync_limit = 5,
                                           .min_session_timeout_ms = 200,
                                           .max_session_timeout_ms = 40000,
                                           .snap_count = 100000,
                                           .commit_log_count = 5000,
                                           .max_buffer = JUTE_MAXBUFFER_DEFAULT,
                                           .max_client_cnxns = 60,
                                           .max_cnxns = 1000,
                                           .outstanding_limit = 1000,
                                           .enforce_quota = true,
                                           .words = {"*"},
                                           .word_count = 1,
                                           .super_digest = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=",
                                           .data_dir = "/memory",
                                           .version = "3.9.5",
                                           .built_on = "2026-11-30 00:00 UTC"};
        for (int sid = 1; sid <= w->count; sid++) {
                struct member m;
                char text[128], why[256];
                (void)snprintf(text, sizeof text, "10.0.0.%d:%d:%d:%s;10.0.0.%d:%d", sid, WORLD_QUORUM_PORT,
                               WORLD_ELECTION_PORT, sid <= voters ? "participant" : "observer", sid, WORLD_CLIENT_PORT);
                int r = ensemble_parse_member(sid, text, &m, why, sizeof why);
                assert(!r);
                r = ensemble_add(&w->config.ensemble, &m);
                assert(!r);
                (void)r;
                struct world_node *n = &w->nodes[sid];
                n->world = w;
                n->sid = sid;
                n->disk = memory_storage_new();
                n->storage = memory_storage_io(n->disk);
                n->halted = -1;
        }
        return w;
}

void world_set_snap_count(struct world *w, uint32_t count)
{
        w->config.snap_count = count;
}

void world__node_free(struct world_node *n, enum world_end how)
{
        n->dies_in_step = false;
        WORLD_TELL(n->world, ended, n->sid, how);
        server_free(n->server);
        n->server = NULL;
        n->tick_ms = UINT64_MAX;
        effects_done(&n->fx);
        world__disk_close(n);
        n->running = false;
        n->listening = false;
}

void world_free(struct world *w)
{
        for (int sid = 1; sid <= w->count; sid++) {
                if (w->nodes[sid].running)
                        world__node_free(&w->nodes[sid], WORLD_END_KILL);
                memory_storage_free(w->nodes[sid].disk);
        }
        while (!list_empty(&w->streams))
                world__end_stream(w, LIST_ENTRY(w->streams.next, struct world_stream, link));
        while (!list_empty(&w->clients)) {
                struct world_client *c = LIST_ENTRY(w->clients.next, struct world_client, link);
                list_remove(&c->link);
                mem_free(c->in.data);
                mem_free(c->reply);
                mem_free(c);
        }
        mem_free(w->portion.data);
        mem_free(w);
}

/* ---- events and effects ---- */

void world__note(struct world_node *n, const char *text)
{
        size_t room = sizeof n->log - n->log_len;
        int len = snprintf(n->log + n->log_len, room, "[%" PRIu64 "] %s\n", n->world->now, text);
        if (len > 0 && (size_t)len < room)
                n->log_len += (size_t)len;
        WORLD_TELL(n->world, noted, n->sid, text);
}

static void queue_copy(struct effects *to, const struct effect *e)
{
        to->list = mem_grow(to->list, &to->capacity, to->count + 1, sizeof *to->list);
        to->list[to->count] = *e;
        if (e->type == EFFECT_LOG_APPEND)
                (void)blob_ref(e->log.blob);
        if (e->type == EFFECT_SNAPSHOT_CHUNK)
                (void)blob_ref(e->snapshot.blob);
        to->count++;
}

static void node_halt(struct world_node *n, const struct effect *e)
{
        n->halted = e->halt.status;
        world__note(n, e->halt.text);
}

static void node_effect(struct world_node *n, const struct effect *e)
{
        switch (e->type) {
        case EFFECT_DIAL:
                world__dial(n, e);
                break;
        case EFFECT_SEND:
                world__send(n, e->conn, e->send.blob->data, e->send.blob->len);
                break;
        case EFFECT_CLOSE:
                world__close(n, e->conn, e->close.flush);
                break;
        case EFFECT_NOTIFY_SENT:
                world__notify(n, e->conn);
                break;
        case EFFECT_READ_STOP:
        case EFFECT_READ_START:
                world__reading(n, e->conn, e->type == EFFECT_READ_START);
                break;
        case EFFECT_LOG_APPEND:
        case EFFECT_LOG_ROLL:
        case EFFECT_EPOCH_WRITE:
        case EFFECT_TRUNCATE:
                if (!n->log_queue.count)
                        n->log_due =
                                n->world->now + world__draw(n->world, WORLD_DRAW_DISK) % (n->log_ms ? n->log_ms : 4);
                queue_copy(&n->log_queue, e);
                break;
        case EFFECT_SNAPSHOT_BEGIN:
        case EFFECT_SNAPSHOT_CHUNK:
        case EFFECT_SNAPSHOT_END:
        case EFFECT_SNAPSHOT_ABORT:
                if (!n->snapshot_queue.count && n->snapshot_ms)
                        n->snapshot_due = n->world->now + world__draw(n->world, WORLD_DRAW_DISK) % n->snapshot_ms;
                queue_copy(&n->snapshot_queue, e);
                break;
        case EFFECT_UNLISTEN:
                n->listening = false;
                break;
        case EFFECT_REPORT:
                world__note(n, e->report.text);
                break;
        case EFFECT_AUDIT:
                world__note(n, e->audit.text);
                break;
        case EFFECT_ROLE:
                world__note(n, e->role.text);
                break;
        case EFFECT_HALT:
                node_halt(n, e);
                break;
        case EFFECT_MAX:
                break;
        }
}

void world__event(struct world_node *n, struct event *e)
{
        if (!n->running || n->halted >= 0)
                return;
        e->now = world__moment(n);
        server_step(n->server, e, &n->fx);
        world__set_deadline(n);
        /* An epoch's beginning is no transaction. */
        int64_t zxid = database_zxid(n->server->db);
        if (n->world->committed < zxid && (zxid & UINT32_MAX))
                n->world->committed = zxid;
        WORLD_TELL(n->world, stepped, n->sid, e, &n->fx);
        bool died = false;
        for (size_t i = 0; i < n->fx.count && !died; i++) {
                died = n->dies_in_step && n->effects_left-- == 0;
                if (!died)
                        node_effect(n, &n->fx.list[i]);
        }
        effects_reset(&n->fx);
        if (died) {
                (n->dies_by_power ? world_crash : world_kill)(n->world, n->sid);
        } else if (n->halted >= 0) {
                world__drop_node(n, false);
                world__node_free(n, WORLD_END_HALT);
        }
}

void world_start(struct world *w, int sid)
{
        struct world_node *n = &w->nodes[sid];
        struct recovered r;
        assert(!n->running);
        n->log_len = 0;
        n->off = false;
        n->refused = false;
        n->halted = -1;
        world_pause(w, sid, WORLD_PAUSE_NONE);
        n->starts++;
        if (world__disk_open(n, &r) < 0) {
                n->refused = true;
                n->halted = WORLD_STATUS_REFUSED;
                world__note(n, n->refusal);
                WORLD_TELL(w, refused, sid, n->refusal);
                return;
        }
        struct server_config config = w->config;
        (void)snprintf(config.name, sizeof config.name, "n%d", sid);
        config.sid = sid;
        /* Of what else happens to others independent. */
        config.seed = hash_u64(w->seed ^ hash_u64((n->starts << 8) + (uint64_t)sid));
        effects_init(&n->fx);
        n->server = server_new(&config, &r);
        n->running = true;
        n->listening = true;
        n->accepted = 0;
        WORLD_TELL(w, started, sid, &r);
        recovered_done(&r);
        world__event(n, &(struct event){.type = EVENT_START});
}

void world_crash(struct world *w, int sid)
{
        struct world_node *n = &w->nodes[sid];
        assert(n->running);
        world__fault(w, "%d loses its power", sid);
        world__drop_node(n, !w->loud_crashes);
        (void)world__disk_interrupt(n); /* the crash revives it */
        world__node_free(n, WORLD_END_CRASH);
        world__disk_crash(n);
        world_boot(w, sid, w->loud_crashes);
}

void world_stop(struct world *w, int sid)
{
        struct world_node *n = &w->nodes[sid];
        world__event(n, &(struct event){.type = EVENT_STOP});
        for (int i = 0; i < 5000 && n->running; i++)
                world_run(w, 1);
        assert(!n->running);
}

bool world_running(const struct world *w, int sid)
{
        return w->nodes[sid].running;
}

int world_halted(const struct world *w, int sid)
{
        return w->nodes[sid].halted;
}

const char *world_refused(const struct world *w, int sid)
{
        return w->nodes[sid].refused ? w->nodes[sid].refusal : NULL;
}

const char *world_log(const struct world *w, int sid)
{
        return w->nodes[sid].log;
}

uint64_t world_tree_bytes(const struct world *w, int sid)
{
        return server_tree_bytes(w->nodes[sid].server);
}

void world_add_witness(struct world *w, const struct world_witness *witness)
{
        assert(w->witness_count < WORLD_WITNESSES_MAX);
        w->witnesses[w->witness_count++] = *witness;
}

/* ---- looking from outside ---- */

const char *world_word(struct world *w, int sid, const char *word)
{
        struct world_client *c = mem_zalloc(sizeof *c);
        c->world = w;
        list_push(&w->clients, &c->link);
        c->stream = world__client_stream(w, sid, c);
        w->text[0] = 0;
        if (c->stream) {
                bytes_add(&c->stream->end[1].in, word, strlen(word));
                for (int i = 0; i < 100 && !c->closed; i++)
                        world_run(w, 1);
                size_t len = c->in.len < sizeof w->text - 1 ? c->in.len : sizeof w->text - 1;
                if (len)
                        memcpy(w->text, c->in.data, len);
                w->text[len] = 0;
        }
        return w->text;
}

static bool node_serving(const struct world_node *n)
{
        return n->running && !n->frozen && n->server->serving;
}

int world_leader(struct world *w)
{
        for (int sid = 1; sid <= w->count; sid++) {
                int followers = 0;
                if (!node_serving(&w->nodes[sid]) || zab_role(w->nodes[sid].server->zab) != ZAB_LEADING)
                        continue;
                for (int other = 1; other <= w->count; other++)
                        followers += node_serving(&w->nodes[other]) && zab_leader(w->nodes[other].server->zab) == sid;
                if (ensemble_voters(&w->config.ensemble) / 2 < (size_t)followers)
                        return sid;
        }
        return 0;
}

bool world_serving(struct world *w, int sid, uint64_t max_ms)
{
        for (uint64_t end = w->now + max_ms; w->now < end; world_run(w, 1)) {
                bool all = true;
                for (int i = 1; i <= w->count; i++)
                        if ((sid == i || (!sid && w->nodes[i].running && !w->nodes[i].frozen)) &&
                            !node_serving(&w->nodes[i]))
                                all = false;
                if (all && world_leader(w))
                        return true;
        }
        return false;
}

static void dump_session(void *ctx, int64_t id, int32_t timeout_ms)
{
        /* Sessions come in any order: a sum stands for the set. */
        uint64_t *sum = ctx;
        *sum += hash_u64((uint64_t)id ^ hash_u64((uint64_t)timeout_ms));
}

static void dump_node(const struct tree *t, const struct znode *n, struct jute_writer *w);

static void dump_children(const struct tree *t, const struct znode *n, struct jute_writer *w)
{
        struct jute_writer names;
        struct jute_reader r;
        jute_writer_init(&names, SIZE_MAX);
        tree_put_children(t, n, &names);
        jute_reader_init(&r, names.data, names.len, INT32_MAX);
        int32_t count = jute_get_int(&r);
        char **list = mem_zalloc(((size_t)count + 1) * sizeof *list);
        for (int32_t i = 0; i < count; i++) {
                struct jute_str name = jute_get_str(&r);
                list[i] = mem_zalloc((size_t)name.len + 1);
                memcpy(list[i], name.data, (size_t)name.len);
        }
        for (int32_t done = 0; done < count; done++) { /* smallest first */
                int32_t least = -1;
                for (int32_t i = 0; i < count; i++)
                        if (list[i] && (least < 0 || strcmp(list[i], list[least]) < 0))
                                least = i;
                char path[1024];
                struct jute_str parent = znode_path(n);
                (void)snprintf(path, sizeof path, "%.*s/%s", parent.len, (const char *)parent.data, list[least]);
                mem_free(list[least]);
                list[least] = NULL;
                dump_node(t, tree_find(t, jute_cstr(path)), w);
        }
        mem_free(list);
        jute_writer_done(&names);
}

static void dump_node(const struct tree *t, const struct znode *n, struct jute_writer *w)
{
        char line[2048];
        struct jute_stat_persisted s;
        struct jute_str path = znode_path(n), data = znode_data(n);
        znode_stat_persisted(n, &s);
        int len = snprintf(line, sizeof line,
                           "%.*s c=%" PRIx64 " m=%" PRIx64 " p=%" PRIx64 " ct=%" PRId64 " mt=%" PRId64
                           " v=%d cv=%d av=%d o=%" PRIx64 " h=%" PRIx64 " d=%.*s\n",
                           path.len, (const char *)path.data, (uint64_t)s.czxid, (uint64_t)s.mzxid, (uint64_t)s.pzxid,
                           s.ctime, s.mtime, s.version, s.cversion, s.aversion, (uint64_t)s.ephemeral_owner,
                           data.len < 0 ? 0 : hash_bytes(data.data, (size_t)data.len, 0),
                           data.len < 0                ? 0
                           : data.len > WORLD_DATA_MAX ? WORLD_DATA_MAX
                                                       : data.len,
                           (const char *)data.data);
        /* The configuration node's mtime is each server's own (storage-format.md 4.2). */
        if (!jute_str_is(path, "/zookeeper/config"))
                jute_put_raw(w, line, (size_t)len);
        dump_children(t, n, w);
}

char *world_dump(struct world *w, int sid)
{
        struct jute_writer out;
        const struct database *db = w->nodes[sid].server->db;
        uint64_t sessions = 0;
        char line[128];
        jute_writer_init(&out, SIZE_MAX);
        session_table_each(database_sessions(db), dump_session, &sessions);
        int len = snprintf(line, sizeof line, "sessions %zu %" PRIx64 " digest %" PRIx64 "\n",
                           session_table_count(database_sessions(db)), sessions, tree_digest(database_tree(db)));
        jute_put_raw(&out, line, (size_t)len);
        dump_node(database_tree(db), tree_find(database_tree(db), jute_cstr("/")), &out);
        jute_put_byte(&out, 0);
        char *text = mem_dup(out.data, out.len);
        jute_writer_done(&out);
        return text;
}
