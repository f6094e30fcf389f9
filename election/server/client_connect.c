/* Connecting: new sessions, resumed ones, refusals (zookeeper/client-protocol.md 2.2-2.5). */
#include "election/server/clients_internal.h"

#include <errno.h>
#include <string.h>

/* A client of up to 3.4 has no read-only byte, and gets none back. */
static void client_connect_reply(struct client *k, bool valid, struct effects *fx)
{
        struct clients *c = k->all;
        uint8_t passwd[SESSION_PASSWD_SIZE] = {0};
        if (valid)
                session_passwd(k->session, passwd);
        struct jute_connect_response reply = {
                .timeout = valid ? k->timeout_ms : 0,
                .session_id = valid ? k->session : 0,
                .passwd = jute_str_of(passwd, sizeof passwd),
                .has_read_only = !k->old,
        };
        jute_writer_reset(&c->scratch);
        jute_put_int(&c->scratch, 0);
        jute_put_connect_response(&c->scratch, &reply);
        jute_patch_int(&c->scratch, 0, (int32_t)(c->scratch.len - 4));
        effect_send(fx, k->conn, jute_writer_blob(&c->scratch));
        k->sent++;
        c->stats.sent++;
}

static void client_open(struct client *k)
{
        k->state = CLIENT_OPEN;
}

static void client_refuse_session(struct client *k, struct effects *fx)
{
        client_connect_reply(k, false, fx);
        client__close(k, true, fx);
}

void client__session_created(struct client *k, const struct event *e, struct effects *fx)
{
        (void)e;
        client_open(k);
        client_connect_reply(k, true, fx);
}

void client__session_resumed(struct client *k, const struct event *e, bool valid, struct effects *fx)
{
        (void)e;
        if (!valid) {
                client_refuse_session(k, fx);
                return;
        }
        client_open(k);
        client_connect_reply(k, true, fx);
}

static void client_create_session(struct client *k, const struct event *e, int32_t timeout_ms, struct effects *fx)
{
        struct clients *c = k->all;
        uint8_t body[4] = {(uint8_t)(timeout_ms >> 24), (uint8_t)(timeout_ms >> 16), (uint8_t)(timeout_ms >> 8),
                           (uint8_t)timeout_ms};
        client__bind(k, c->next_session++, timeout_ms);
        k->state = CLIENT_CREATING;
        struct jute_vec none = {.count = -1};
        if (!c->host.submit(c->host.ctx, e, k->session, 0, OP_CREATE_SESSION, jute_str_of(body, sizeof body), none, fx))
                client__close(k, false, fx);
}

static void client_resume_session(struct client *k, const struct event *e, const struct jute_connect_request *q,
                                  int32_t timeout_ms, struct effects *fx)
{
        struct clients *c = k->all;
        /* The old connection goes first, before the password is looked at. */
        struct client *old = clients__find_session(c, q->session_id);
        if (old)
                client__close(old, false, fx);
        if (!session_passwd_ok(q->session_id, q->passwd)) {
                client_refuse_session(k, fx);
                return;
        }
        client__bind(k, q->session_id, timeout_ms);
        k->state = CLIENT_RESUMING;
        int r = c->host.revalidate(c->host.ctx, e, k->session, timeout_ms, fx);
        if (r != -EINPROGRESS)
                client__session_resumed(k, e, r > 0, fx);
}

void client__connect(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx)
{
        struct clients *c = k->all;
        if (!c->serving) {
                client__close(k, false, fx);
                return;
        }
        struct jute_reader r;
        struct jute_connect_request q;
        jute_reader_init(&r, data, len, c->item_max);
        jute_get_connect_request(&r, &q);
        if (r.error) {
                client__reject(k, fx);
                return;
        }
        k->received++;
        c->stats.received++;
        k->old = !q.has_read_only;
        /* A client that has seen more than this server would go back in time here (safety: S7). */
        if (q.last_zxid_seen > database_zxid(c->host.database(c->host.ctx))) {
                client__close(k, false, fx);
                return;
        }
        const struct server_config *f = c->config;
        int32_t timeout_ms = q.timeout < f->min_session_timeout_ms   ? f->min_session_timeout_ms
                             : q.timeout > f->max_session_timeout_ms ? f->max_session_timeout_ms
                                                                     : q.timeout;
        if (q.session_id)
                client_resume_session(k, e, &q, timeout_ms, fx);
        else
                client_create_session(k, e, timeout_ms, fx);
}
