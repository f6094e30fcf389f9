#include "tests/sim/world/scene.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS 5000
#define REPLY_MS  10000

/* Taken at a time. */
#define WIRE_BYTES 4096
/* What a cut connection takes up. */
#define HELD_BYTES_MAX (1u << 20)

uint64_t scene_patron_now(const struct scene *s, const struct patron *p)
{
        int64_t now = (int64_t)world_now(s->w);
        return (uint64_t)(p->offset_ms + now + now * p->rate_ppm / 1000000);
}

/* ---- the wire ---- */

static void wire_dial(struct scene *s, struct patron *p, const struct effect *e)
{
        int sid = (int)strtol(e->peer.host + strlen("10.0.0."), NULL, 10);
        p->conn = e->conn;
        p->dialled = false;
        if (!p->cut) /* else a dial into the void */
                p->wire = world_wire_open(s->w, sid);
}

static void wire_send(struct patron *p, const struct blob *b)
{
        if (p->cut || p->mute) {
                jute_put_raw(&p->held, b->data, b->len);
                assert(p->held.error == 0);
        } else if (p->wire) {
                world_wire_send(p->wire, b->data, b->len);
        }
}

static void wire_close(struct patron *p)
{
        if (p->wire)
                world_wire_close(p->wire);
        p->wire = NULL;
        p->conn = 0;
        jute_writer_reset(&p->held); /* lost with the connection */
}

void scene_cut(struct patron *p, bool cut)
{
        p->cut = cut;
        if (cut)
                return;
        if (p->wire) /* without one it was dialled into the void: refused now */
                world_wire_send(p->wire, p->held.data, p->held.len);
        jute_writer_reset(&p->held);
}

static void patron_effects(struct scene *s, struct patron *p)
{
        for (size_t i = 0; i < p->fx.count; i++) {
                const struct effect *e = &p->fx.list[i];
                switch (e->type) {
                case EFFECT_DIAL:
                        assert(p->conn == 0); /* one connection at a time */
                        wire_dial(s, p, e);
                        break;
                case EFFECT_SEND:
                        assert(e->conn == p->conn);
                        wire_send(p, e->send.blob);
                        break;
                case EFFECT_CLOSE:
                        assert(e->conn == p->conn);
                        wire_close(p);
                        break;
                default:
                        assert(false);
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
        client_conn_bytes(p->c, scene_patron_now(s, p), p->conn, data, len, &p->fx);
        patron_effects(s, p);
        return true;
}

static void patron_gone(struct scene *s, struct patron *p, bool dial)
{
        conn_id conn = p->conn;
        wire_close(p);
        if (dial)
                client_conn_dialled(p->c, scene_patron_now(s, p), conn, -ECONNREFUSED, &p->fx);
        else
                client_conn_closed(p->c, scene_patron_now(s, p), conn, -ECONNRESET, &p->fx);
        patron_effects(s, p);
}

/* What the shell would tell in one turn of its loop. */
static void patron_turn(struct scene *s, struct patron *p)
{
        if (p->stopped || !p->c)
                return;
        patron_effects(s, p); /* what was asked of it since, before it hears that its connection is gone */
        if (p->cut) {
                if (client_deadline(p->c) <= scene_patron_now(s, p))
                        client_tick(p->c, scene_patron_now(s, p), &p->fx);
                patron_effects(s, p);
                return;
        }
        if (p->conn && (!p->wire || (!p->dialled && world_wire_refused(p->wire)))) {
                patron_gone(s, p, true);
        } else if (p->wire && !p->dialled && world_wire_dialled(p->wire)) {
                p->dialled = true;
                client_conn_dialled(p->c, scene_patron_now(s, p), p->conn, 0, &p->fx);
                patron_effects(s, p);
        }
        bool took = false;
        while (!p->deaf && p->wire && patron_bytes(s, p))
                took = true;
        if (!p->deaf && !took && p->wire && world_wire_ended(p->wire))
                patron_gone(s, p, false);
        if (client_deadline(p->c) <= scene_patron_now(s, p))
                client_tick(p->c, scene_patron_now(s, p), &p->fx);
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
        bool serving = world_serving(s->w, 0, SETTLE_MS);
        assert(serving);
        (void)serving;
}

void scene_kill_client(struct patron *p)
{
        wire_close(p);
        client_free(p->c);
        p->c = NULL;
        effects_done(&p->fx);
        jute_writer_done(&p->held);
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

/* A place among the patrons: a new one, else a dead one's. */
static struct patron *place(struct scene *s)
{
        if (s->count < SCENE_PATRONS_MAX)
                return &s->patrons[s->count++];
        for (size_t i = 0; i < s->count; i++)
                if (!s->patrons[i].c)
                        return &s->patrons[i];
        assert(false); /* more than SCENE_PATRONS_MAX */
        return NULL;
}

struct patron *scene_add_skewed(struct scene *s, int only, const struct client_session *session, int64_t offset_ms,
                                int32_t rate_ppm)
{
        struct client_server list[WORLD_SERVERS_MAX];
        struct client_config config = {.servers = list,
                                       .session_timeout_ms = s->timeout_ms,
                                       .seed = world_draw(s->w),
                                       .answer_divisor = s->answer_divisor,
                                       .on_state = on_state};
        struct patron *p = place(s);
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
        *p = (struct patron){.offset_ms = offset_ms, .rate_ppm = rate_ppm};
        effects_init(&p->fx);
        jute_writer_init(&p->held, HELD_BYTES_MAX);
        int r = client_new(&config, &p->c);
        assert(r == 0);
        (void)r;
        client_start(p->c, scene_patron_now(s, p), &p->fx);
        patron_effects(s, p);
        return p;
}

struct patron *scene_add(struct scene *s, int only, const struct client_session *session)
{
        return scene_add_skewed(s, only, session, 0, 0);
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
        assert(!ret->done);
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
