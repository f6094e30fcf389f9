/* Read-only mode (zookeeper/client-protocol.md 2.8): a server that has looked for a leader in vain shows its own
 * database to clients that say they would have that. Nothing is promised of what they read: it is whatever this
 * server's disk holds, transactions among it that were never committed, and it may be old without bound.
 *
 * The server stays one that looks. It only lets clients in meanwhile, with sessions that it alone knows; all of it ends
 * before it takes a role. While it looks no transaction is applied, since the disk is dry: the database stands still,
 * and equals what a restart would recover. */
#include "election/server/server_internal.h"

#include "election/base/plant.h"

#include <inttypes.h>

bool server__read_only(const struct server *s)
{
        return s->local != NULL;
}

/* A database that is known to lack something, or to be wrong, is shown to nobody. One that is alone has itself. */
static bool may_show(const struct server *s)
{
        return s->config.read_only_mode && s->state == SERVER_LOOKING && s->config.ensemble.count > 1 &&
               (!zab_lost(s->zab) || PLANTED(LOST_DISK_SHOWN)) && !zab_distrusts(s->zab) && !s->doubtful;
}

static uint64_t begin_ms(const struct server *s)
{
        const uint32_t tick_ms = s->config.tick_ms;
        return s->looking_ms + (tick_ms > SERVER_READ_ONLY_WAIT_MS ? tick_ms : SERVER_READ_ONLY_WAIT_MS);
}

static void begin(struct server *s, struct effects *fx)
{
        s->local = session_clock_new(s->config.tick_ms);
        clients_serve_read_only(s->clients);
        effect_report(fx, REPORT_WARNING,
                      "no leader after %" PRIu64
                      " ms: read-only clients are shown what this server has, up to 0x%" PRIx64 "; it may be old",
                      s->event->now.mono_ms - s->looking_ms, (uint64_t)database_zxid(s->db));
}

static void expire(struct server *s, struct effects *fx)
{
        int64_t session;
        while (session_clock_expire(s->local, s->event->now.mono_ms, &session)) {
                session_clock_remove(s->local, session);
                clients_session_over(s->clients, session, fx);
        }
}

void server__read_only_turn(struct server *s, struct effects *fx)
{
        if (server__read_only(s))
                expire(s, fx);
        else if (may_show(s) && s->event->now.mono_ms >= begin_ms(s))
                begin(s, fx);
}

void server__read_only_end(struct server *s, struct effects *fx)
{
        if (!server__read_only(s))
                return;
        clients_end(s->clients, fx);
        session_clock_free(s->local);
        s->local = NULL;
        effect_report(fx, REPORT_INFO, "read-only clients are shown nothing more");
}

uint64_t server__read_only_deadline(const struct server *s)
{
        if (server__read_only(s))
                return session_clock_deadline(s->local);
        return may_show(s) ? begin_ms(s) : UINT64_MAX;
}
