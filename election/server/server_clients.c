/* What the client half asks of the server: writes and syncs on their way to the leader, sessions. */
#include "election/server/server_internal.h"

#include <errno.h>

static int64_t host_submit(void *ctx, const struct event *e, int64_t session, int32_t cxid, int32_t opcode,
                           struct jute_str body, struct jute_vec ids, struct effects *fx)
{
        struct server *s = ctx;
        (void)e;
        if (!s->prep)
                return zab_forward(s->zab, session, cxid, opcode, body, ids, fx) ? CLIENTS_FORWARDED : 0;
        /* A session the leader is closing is not answered any more (client-protocol.md 3.2). */
        if (opcode != OP_CREATE_SESSION && session_clock_check(s->clock, session, s->config.sid) == SESSION_EXPIRED)
                return 0;
        struct prep_request r = {.session = session,
                                 .cxid = cxid,
                                 .opcode = opcode,
                                 .body = body,
                                 .ids = ids,
                                 .from_sid = s->config.sid};
        return server__propose(s, &r, fx);
}

static bool host_sync(void *ctx, const struct event *e, int64_t session, int32_t cxid, struct jute_str body,
                      struct jute_vec ids, struct effects *fx)
{
        struct server *s = ctx;
        if (!s->prep)
                return zab_forward(s->zab, session, cxid, OP_SYNC, body, ids, fx);
        zab_sync(s->zab, e->now.mono_ms, fx);
        return true;
}

static int host_revalidate(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms, struct effects *fx)
{
        struct server *s = ctx;
        if (server__read_only(s))
                return session_clock_touch(s->local, e->now.mono_ms, session, timeout_ms);
        if (s->clock && session_clock_touch(s->clock, e->now.mono_ms, session, timeout_ms) &&
            session_clock_set_owner(s->clock, session, s->config.sid))
                return 1;
        if (s->clock)
                return zab_session_unknown(s->zab, e->now.mono_ms, session, timeout_ms, fx);
        return zab_revalidate(s->zab, session, timeout_ms, fx) ? -EINPROGRESS : -ENOTCONN;
}

static enum session_check host_touch(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms)
{
        struct server *s = ctx;
        if (server__read_only(s))
                return session_clock_touch(s->local, e->now.mono_ms, session, timeout_ms) ? SESSION_VALID
                                                                                          : SESSION_EXPIRED;
        if (s->clock && session_clock_touch(s->clock, e->now.mono_ms, session, timeout_ms))
                return session_clock_check(s->clock, session, s->config.sid);
        if (s->touches)
                session_touches_add(s->touches, session, timeout_ms);
        return s->clock ? SESSION_EXPIRED : SESSION_VALID;
}

static bool host_local_begin(void *ctx, const struct event *e, int64_t session, int32_t timeout_ms)
{
        struct server *s = ctx;
        if (!server__read_only(s) || session_clock_count(s->local) >= SERVER_LOCAL_SESSIONS_MAX)
                return false;
        session_clock_add(s->local, e->now.mono_ms, session, timeout_ms, s->config.sid);
        return true;
}

static void host_local_end(void *ctx, int64_t session)
{
        struct server *s = ctx;
        if (server__read_only(s))
                session_clock_remove(s->local, session);
}

static struct database *host_database(void *ctx)
{
        struct server *s = ctx;
        return s->db;
}

const struct clients_host *server__clients_host(void)
{
        static const struct clients_host host = {
                .submit = host_submit,
                .sync = host_sync,
                .revalidate = host_revalidate,
                .touch = host_touch,
                .local_begin = host_local_begin,
                .local_end = host_local_end,
                .database = host_database,
                .word_bytes = server__word_bytes,
                .word = server__word,
        };
        return &host;
}
