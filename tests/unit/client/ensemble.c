#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/client/ensemble.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS  5000
#define REPLY_MS   10000
#define WIRE_BYTES 4096 /* taken at a time */

/* ---- the wire ---- */

static void wire_dial(struct scene *s, struct patron *p, const struct effect *e)
{
        int sid = (int)strtol(e->peer.host + strlen("10.0.0."), NULL, 10);
        p->conn = e->conn;
        p->dialled = false;
        p->wire = world_wire_open(s->w, sid);
}

static void wire_close(struct patron *p)
{
        if (p->wire)
                world_wire_close(p->wire);
        p->wire = NULL;
        p->conn = 0;
}

static void patron_effects(struct scene *s, struct patron *p)
{
        for (size_t i = 0; i < p->fx.count; i++) {
                const struct effect *e = &p->fx.list[i];
                switch (e->type) {
                case EFFECT_DIAL:
                        assert_true(p->conn == 0); /* one connection at a time */
                        wire_dial(s, p, e);
                        break;
                case EFFECT_SEND:
                        assert_int_equal(e->conn, p->conn);
                        if (p->wire)
                                world_wire_send(p->wire, e->send.blob->data, e->send.blob->len);
                        break;
                case EFFECT_CLOSE:
                        assert_int_equal(e->conn, p->conn);
                        wire_close(p);
                        break;
                default:
                        fail_msg("effect %d", (int)e->type);
                }
        }
        effects_reset(&p->fx);
}

/* Returns whether there were any. */
static bool patron_bytes(struct scene *s, struct patron *p)
{
        uint8_t data[WIRE_BYTES];
        size_t len = world_wire_take(p->wire, data, sizeof data);
        if (!len)
                return false;
        client_conn_bytes(p->c, world_now(s->w), p->conn, data, len, &p->fx);
        patron_effects(s, p);
        return true;
}

static void patron_gone(struct scene *s, struct patron *p, bool dial)
{
        conn_id conn = p->conn;
        wire_close(p);
        if (dial)
                client_conn_dialled(p->c, world_now(s->w), conn, -ECONNREFUSED, &p->fx);
        else
                client_conn_closed(p->c, world_now(s->w), conn, -ECONNRESET, &p->fx);
        patron_effects(s, p);
}

/* What the shell would tell in one turn of its loop. */
static void patron_turn(struct scene *s, struct patron *p)
{
        if (p->stopped || !p->c)
                return;
        if (p->conn && !p->wire) {
                patron_gone(s, p, true);
        } else if (p->wire && !p->dialled) {
                p->dialled = true;
                client_conn_dialled(p->c, world_now(s->w), p->conn, 0, &p->fx);
                patron_effects(s, p);
        }
        bool took = false;
        while (p->wire && patron_bytes(s, p))
                took = true;
        if (!took && p->wire && world_wire_ended(p->wire))
                patron_gone(s, p, false);
        if (client_deadline(p->c) <= world_now(s->w))
                client_tick(p->c, world_now(s->w), &p->fx);
        patron_effects(s, p); /* also of what the test called itself */
}

void scene_run(struct scene *s, uint64_t ms)
{
        for (uint64_t i = 0; i < ms; i++) {
                world_run(s->w, 1);
                for (size_t k = 0; k < s->count; k++)
                        patron_turn(s, &s->patrons[k]);
        }
}

/* ---- life ---- */

void scene_init(struct scene *s, int servers, uint64_t seed)
{
        *s = (struct scene){.servers = servers, .timeout_ms = 2000};
        s->w = world_new(servers, 0, seed);
        for (int sid = 1; sid <= servers; sid++)
                world_start(s->w, sid);
        assert_true(world_serving(s->w, 0, SETTLE_MS));
}

void scene_kill_client(struct patron *p)
{
        wire_close(p);
        client_free(p->c);
        p->c = NULL;
        effects_done(&p->fx);
}

void scene_done(struct scene *s)
{
        for (size_t i = 0; i < s->count; i++)
                if (s->patrons[i].c)
                        scene_kill_client(&s->patrons[i]);
        world_free(s->w);
}

static void on_state(void *ctx, enum client_state state, int status, const char *why)
{
        struct patron *p = ctx;
        size_t len = strlen(p->states);
        (void)status;
        (void)why;
        (void)snprintf(p->states + len, sizeof p->states - len, "%s ", client_state_name(state));
        p->expired += state == CLIENT_EXPIRED;
        if (p->on_state)
                p->on_state(p, state);
}

struct patron *scene_add(struct scene *s, int only, const struct client_session *session)
{
        struct client_server list[WORLD_SERVERS_MAX];
        struct client_config config = {
                .servers = list, .session_timeout_ms = s->timeout_ms, .seed = world_draw(s->w), .on_state = on_state};
        assert_true(s->count < SCENE_PATRONS_MAX);
        struct patron *p = &s->patrons[s->count++];
        for (int sid = 1; sid <= s->servers; sid++) {
                if (only && sid != only)
                        continue;
                struct client_server *server = &list[config.server_count++];
                (void)snprintf(server->host, sizeof server->host, "10.0.0.%d", sid);
                server->port = WORLD_CLIENT_PORT;
        }
        if (session)
                config.session = *session;
        config.ctx = p;
        *p = (struct patron){.c = NULL};
        effects_init(&p->fx);
        assert_int_equal(client_new(&config, &p->c), 0);
        client_start(p->c, world_now(s->w), &p->fx);
        patron_effects(s, p);
        return p;
}

bool scene_connected(struct scene *s, struct patron *p, uint64_t max_ms)
{
        for (uint64_t i = 0; i < max_ms && !client_is_connected(p->c); i++)
                scene_run(s, 1);
        return client_is_connected(p->c);
}

int scene_server(const struct patron *p)
{
        return p->wire ? world_wire_server(p->wire) : 0;
}

/* ---- requests ---- */

static void on_reply(void *ctx, const struct client_result *r)
{
        struct scene_reply *ret = ctx;
        struct jute_str text = r->data.len >= 0 ? r->data : r->path;
        assert_false(ret->done);
        *ret = (struct scene_reply){.done = true,
                                    .outcome = r->outcome,
                                    .error = r->error,
                                    .zxid = r->zxid,
                                    .stat = r->stat,
                                    .children = r->children.count,
                                    .acls = r->acl.count,
                                    .ops = r->op_count};
        (void)snprintf(ret->text, sizeof ret->text, "%.*s", text.len < 0 ? 0 : text.len, (const char *)text.data);
}

struct client_call scene_call(struct scene_reply *ret)
{
        *ret = (struct scene_reply){.done = false};
        return (struct client_call){.done = on_reply, .ctx = ret};
}

int scene_await(struct scene *s, const struct scene_reply *r)
{
        for (int i = 0; i < REPLY_MS && !r->done; i++)
                scene_run(s, 1);
        if (!r->done)
                return -ETIME;
        return r->outcome == CLIENT_ANSWERED ? r->error : -EIO;
}
