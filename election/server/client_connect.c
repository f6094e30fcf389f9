/* Connecting: new sessions, resumed ones, refusals (zookeeper/client-protocol.md 2.2-2.5). */
#include "election/server/clients_internal.h"

#include "election/base/plant.h"

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
                .read_only = c->read_only,
                .has_read_only = !k->old,
        };
        jute_writer_reset(&c->scratch);
        jute_put_int(&c->scratch, 0);
        jute_put_connect_response(&c->scratch, &reply);
        client__send(k, fx);
}

static void client_refuse_session(struct client *k, struct effects *fx)
{
        client_connect_reply(k, false, fx);
        client__close(k, true, fx);
}

static void client_open(struct client *k, struct effects *fx)
{
        client__set_state(k, CLIENT_OPEN);
        client_connect_reply(k, true, fx);
}

void client__session_created(struct client *k, const struct event *e, int64_t zxid, struct effects *fx)
{
        struct clients *c = k->all;
        clients__answering(c, OP_CREATE_SESSION);
        c->answer.xid = 0;
        c->answer.zxid = zxid;
        client__answered(k, e, (e->now.mono_ns - k->asked_ns) / 1000);
        client_open(k, fx);
}

/* ---- a new session ---- */

/* An id that somebody has tried to resume, or that lives already (the clock of an earlier start of this
 * server was ahead), is passed over (safety: S1). */
static int64_t session_id_next(struct clients *c)
{
        const struct session_table *known = database_sessions(c->host.database(c->host.ctx));
        while (clients__find_session(c, c->next_session) || session_table_find(known, c->next_session, NULL))
                c->next_session++;
        return c->next_session++;
}

/* Nobody else is asked, and nobody else will know it. */
static void client_begin_local(struct client *k, const struct event *e, int32_t timeout_ms, struct effects *fx)
{
        struct clients *c = k->all;
        const int64_t session = session_id_next(c);
        if (!c->host.local_begin(c->host.ctx, e, session, timeout_ms)) {
                c->stats.rejected++;
                client__close(k, false, fx);
                return;
        }
        client__bind(k, session, timeout_ms);
        client__session_created(k, e, clients__zxid(c), fx);
}

static void client_create_session(struct client *k, const struct event *e, int32_t timeout_ms, struct effects *fx)
{
        struct clients *c = k->all;
        uint8_t body[4] = {(uint8_t)(timeout_ms >> 24), (uint8_t)(timeout_ms >> 16), (uint8_t)(timeout_ms >> 8),
                           (uint8_t)timeout_ms};
        struct jute_vec none = {.count = -1};
        client__bind(k, session_id_next(c), timeout_ms);
        client__set_state(k, CLIENT_CREATING);
        if (!c->host.submit(c->host.ctx, e, k->session, 0, OP_CREATE_SESSION, jute_str_of(body, sizeof body), none, fx))
                client__close(k, false, fx);
}

/* ---- a session resumed ---- */

static void client_ask_leader(struct client *k, struct effects *fx)
{
        struct client_asked *a = clients__ask(k->all, &k->all->resumes, k->conn);
        if (!a) {
                k->all->stats.rejected++;
                client__close(k, false, fx);
                return;
        }
        a->session = k->session;
        client__set_state(k, CLIENT_RESUMING);
}

static void client_revalidate(struct client *k, const struct event *e, struct effects *fx)
{
        struct clients *c = k->all;
        int r = c->host.revalidate(c->host.ctx, e, k->session, k->timeout_ms, fx);
        if (r == -EINPROGRESS)
                client_ask_leader(k, fx);
        else if (r < 0)
                client__close(k, false, fx);
        else if (r)
                client_open(k, fx);
        else
                client_refuse_session(k, fx);
}

/* In read-only mode a server knows whether a session lives that it has begun in it. Any other may have been made where
 * there is a leader, who alone can tell: to call it expired would be a guess (safety: S4). */
static bool client_only_leader_knows(const struct clients *c, int64_t session)
{
        const bool own = session >= c->first_local && session < c->next_session;
        return c->read_only && ((!own && !PLANTED(READ_ONLY_CALLS_EXPIRED)) ||
                                session_table_find(database_sessions(c->host.database(c->host.ctx)), session, NULL));
}

static void client_resume_session(struct client *k, const struct event *e, const struct jute_connect_request *q,
                                  int32_t timeout_ms, struct effects *fx)
{
        struct clients *c = k->all;
        c->stats.resumes++;
        if (client_only_leader_knows(c, q->session_id)) {
                client__close(k, false, fx);
                return;
        }
        /* The old connection goes first, before the password is looked at. */
        struct client *old = clients__find_session(c, q->session_id);
        if (old) {
                if (PLANTED(IDENTITIES_SURVIVE)) {
                        blob_unref(k->ids);
                        k->ids = blob_ref(old->ids);
                }
                client__submit_held(old, e, fx);
                client__close(old, false, fx);
        }
        if (!session_passwd_ok(q->session_id, q->passwd)) {
                client_refuse_session(k, fx);
                return;
        }
        client__bind(k, q->session_id, timeout_ms);
        client_revalidate(k, e, fx);
}

/* The leader answers each server in the order of asking, but a session may have been asked about twice, for
 * connections that followed each other: the first answer is the first one's. */
static struct client_asked *resume_asked(struct clients *c, int64_t session)
{
        for (struct list *l = c->resumes.next; l != &c->resumes; l = l->next) {
                struct client_asked *a = LIST_ENTRY(l, struct client_asked, link);
                if (a->session == session)
                        return a;
        }
        return NULL;
}

void clients_revalidated(struct clients *c, const struct event *e, int64_t session, bool valid, struct effects *fx)
{
        (void)e;
        struct client_asked *a = c->serving ? resume_asked(c, session) : NULL;
        if (!a)
                return;
        struct client *k = map_get(&c->by_conn, a->conn);
        clients__asked_done(c, a);
        if (!k || k->state != CLIENT_RESUMING)
                return;
        if (valid)
                client_open(k, fx);
        else
                client_refuse_session(k, fx);
}

/* ---- ConnectRequest ---- */

static int32_t timeout_granted(const struct server_config *f, int32_t wanted_ms)
{
        if (wanted_ms < f->min_session_timeout_ms)
                return f->min_session_timeout_ms;
        return wanted_ms > f->max_session_timeout_ms ? f->max_session_timeout_ms : wanted_ms;
}

void client__connect(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx)
{
        struct clients *c = k->all;
        if (!c->serving) {
                c->stats.not_serving++;
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
        c->stats.connects++;
        k->old = !q.has_read_only;
        k->asked_ns = e->now.mono_ns;
        if (c->read_only && !q.read_only) {
                client__close(k, false, fx);
                return;
        }
        /* A client that has seen more than this server would go back in time here (safety: S7). */
        if (q.last_zxid_seen > clients__zxid(c) && !PLANTED(SEEN_ZXID_IGNORED)) {
                client__close(k, false, fx);
                return;
        }
        int32_t timeout_ms = timeout_granted(c->config, q.timeout);
        if (q.session_id)
                client_resume_session(k, e, &q, timeout_ms, fx);
        else if (c->read_only)
                client_begin_local(k, e, timeout_ms, fx);
        else
                client_create_session(k, e, timeout_ms, fx);
}
