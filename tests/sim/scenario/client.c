/* Clients: connections, requests, what clients were told. */
#include "tests/sim/scenario/client.h"

#include "election/base/alloc.h"
#include "election/server/server_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Taken from a connection at a time. */
#define TAKE_BYTES 4096

struct actor *stage_actor(struct stage *st, const char *name)
{
        for (size_t i = 0; i < st->actor_count; i++)
                if (strcmp(st->actors[i]->name, name) == 0)
                        return st->actors[i];
        return NULL;
}

const char *stage_actor_of_session(struct stage *st, int64_t session)
{
        for (size_t i = st->actor_count; i-- > 0;)
                if (st->actors[i]->session == session)
                        return st->actors[i]->name;
        return "nobody here";
}

bool stage_actor_connected(const struct actor *a)
{
        return a->connected;
}

bool stage_actor_pending(const struct actor *a)
{
        return a->count || a->connecting;
}

/* ---- the connection ---- */

void actor_send(struct actor *a, const struct jute_writer *w)
{
        uint8_t len[4] = {(uint8_t)(w->len >> 24), (uint8_t)(w->len >> 16), (uint8_t)(w->len >> 8), (uint8_t)w->len};
        a->sent_ms = world_now(a->st->w);
        if (a->cut) {
                text_put(&a->held, (const char *)len, 4);
                text_put(&a->held, (const char *)w->data, w->len);
        } else if (a->wire) {
                world_wire_send(a->wire, len, 4);
                world_wire_send(a->wire, w->data, w->len);
        }
}

void actor_connect(struct actor *a, int sid)
{
        struct jute_writer w;
        struct jute_connect_request q = {.timeout = a->timeout_ms,
                                         .session_id = a->session,
                                         .last_zxid_seen = a->seen,
                                         .passwd = jute_str_of(a->passwd, sizeof a->passwd),
                                         .has_read_only = true};
        text_clear(&a->in);
        a->sid = sid;
        a->connected = false;
        a->wire = world_wire_open(a->st->w, sid);
        if (!a->wire) {
                a->connecting = false;
                (void)snprintf(a->outcome, sizeof a->outcome, "refused");
                stage_say(a->st, a->rank, "%s: refused by %d", a->name, sid);
                return;
        }
        a->connecting = true;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_connect_request(&w, &q);
        actor_send(a, &w);
        jute_writer_done(&w);
}

void actor_drop(struct actor *a, const char *why)
{
        if (a->wire)
                world_wire_close(a->wire);
        a->wire = NULL;
        if (a->connecting)
                (void)snprintf(a->outcome, sizeof a->outcome, "refused");
        if (why)
                stage_say(a->st, a->rank, "%s: %s", a->name, why);
        for (size_t i = 0; i < a->count; i++) {
                const struct actor_request *q = &a->requests[i];
                a->many_other += q->one_of_many;
                if (!q->one_of_many)
                        stage_say(a->st, a->rank, "%s: %s -> lost", a->name, q->label);
                (void)snprintf(a->outcome, sizeof a->outcome, "lost");
        }
        a->count = 0;
        a->connecting = a->connected = a->cut = a->deaf = false;
        text_clear(&a->held);
}

static void ping(struct actor *a)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_request_header(&w, &(struct jute_request_header){.xid = -2, .type = OP_PING});
        actor_send(a, &w);
        jute_writer_done(&w);
}

static void turn(struct actor *a)
{
        uint8_t bytes[TAKE_BYTES];
        if (a->wire && !a->cut && !a->deaf) {
                for (size_t len; (len = world_wire_take(a->wire, bytes, sizeof bytes));)
                        text_put(&a->in, (const char *)bytes, len);
                actor_take(a);
        }
        if (a->wire && !a->cut && !a->deaf && world_wire_ended(a->wire))
                actor_drop(a, a->connecting ? "refused" : "its connection has ended");
        if (a->connected && !a->quiet && world_now(a->st->w) - a->sent_ms >= (uint64_t)a->timeout_ms / 3)
                ping(a);
}

void stage_actors_turn(struct stage *st)
{
        for (size_t i = 0; i < st->actor_count; i++)
                turn(st->actors[i]);
}

void stage_actor_free(struct actor *a)
{
        if (a->wire)
                world_wire_close(a->wire);
        text_done(&a->in);
        text_done(&a->held);
        mem_free(a->requests);
        mem_free(a->done);
        mem_free(a);
}

/* ---- what was promised ---- */

/* The newest thing that anybody was told about this path. */
static const struct actor_done *newest(struct stage *st, const char *path)
{
        const struct actor_done *found = NULL;
        for (size_t i = 0; i < st->actor_count; i++)
                for (size_t k = 0; k < st->actors[i]->done_count; k++) {
                        const struct actor_done *d = &st->actors[i]->done[k];
                        if (strcmp(d->path, path) == 0 && (!found || d->zxid > found->zxid))
                                found = d;
                }
        return found;
}

bool stage_nothing_lost(struct stage *st, int sid, struct text *instead)
{
        const struct world_node *n = &st->w->nodes[sid];
        char zxid[TEXT_ZXID_BYTES];
        if (!n->running) {
                text_add(instead, "%d does not run", sid);
                return false;
        }
        for (size_t i = 0; i < st->actor_count; i++)
                for (size_t k = 0; k < st->actors[i]->done_count; k++) {
                        const struct actor_done *d = newest(st, st->actors[i]->done[k].path);
                        const struct znode *z = tree_find(database_tree(n->server->db), jute_cstr(d->path));
                        struct jute_stat stat = {0};
                        if (z)
                                znode_stat(z, &stat);
                        if (d->gone ? z == NULL : z && stat.mzxid >= d->zxid)
                                continue;
                        text_add(instead, "%s of %s is lost at %d", d->path, text_of_zxid(d->zxid, zxid), sid);
                        return false;
                }
        return true;
}

const char *actor_error_name(int32_t error)
{
        static const struct {
                int32_t error;
                const char *name;
        } names[] = {
                {ZK_OK, "ok"},
                {ZK_RUNTIME_INCONSISTENCY, "not-tried"},
                {ZK_UNIMPLEMENTED, "unimplemented"},
                {ZK_BAD_ARGUMENTS, "bad-arguments"},
                {ZK_NO_NODE, "no-node"},
                {ZK_NO_AUTH, "no-auth"},
                {ZK_BAD_VERSION, "bad-version"},
                {ZK_NO_CHILDREN_FOR_EPHEMERALS, "no-children-for-ephemerals"},
                {ZK_NODE_EXISTS, "node-exists"},
                {ZK_NOT_EMPTY, "not-empty"},
                {ZK_SESSION_EXPIRED, "session-expired"},
                {ZK_INVALID_ACL, "invalid-acl"},
                {ZK_SESSION_MOVED, "session-moved"},
                {ZK_NO_WATCHER, "no-watcher"},
        };
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (names[i].error == error)
                        return names[i].name;
        return "another-error";
}
