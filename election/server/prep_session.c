/* Sessions as transactions (quorum-protocol.md 5.3). */
#include "election/server/prep_internal.h"

#include "election/base/plant.h"

int prep__create_session(struct prep_txn *t, struct jute_writer *w)
{
        struct jute_reader r = prep__reader(t->request->body, t->prep->item_max);
        int32_t timeout_ms = jute_get_int(&r);
        if (r.error)
                return ZK_MARSHALLING_ERROR;
        session_clock_add(t->prep->clock, t->now_ms, t->request->session, timeout_ms, t->request->from_sid);
        jute_put_int(w, timeout_ms);
        return ZK_OK;
}

/* No session check: a session that has just been marked closing by its expiry is closed here. The list of
 * paths may stop short of the limit: every server removes what else the session owns on applying it. */
int prep__close_session(struct prep_txn *t, struct jute_writer *w)
{
        if (!PLANTED(M20_CLOSING_NOT_MARKED))
                (void)session_clock_close(t->prep->clock, t->request->session);
        prep__remove_ephemerals(t, t->request->session, w, t->prep->payload_max);
        return ZK_OK;
}
