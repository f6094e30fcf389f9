#include "election/vote/channel.h"

#include "election/base/alloc.h"
#include "election/jute/jute.h"

#include <assert.h>
#include <string.h>

void vote__channel_init(struct vote_channel *ch, const struct vote_channel_host *host, const struct ensemble *e,
                        int64_t sid)
{
        const struct member *self = ensemble_find(e, sid);
        assert(self);
        memset(ch, 0, sizeof *ch);
        ch->host = *host;
        ch->ensemble = e;
        ch->sid = sid;
        ch->handshake = vote__handshake_encode(sid, self->host, self->election_port);
        for (size_t i = 0; i < e->count; i++) {
                const struct member *m = &e->members[i];
                if (m != self)
                        ch->peers[i] =
                                (struct vote_peer){.sid = m->sid, .used = true, .member = true, .voter = !m->observer};
        }
}

static void inbox_clear(struct vote_inbox *in)
{
        mem_free(in->data);
        *in = (struct vote_inbox){0};
}

static void inbox_append(struct vote_inbox *in, const uint8_t *data, size_t len)
{
        if (len == 0)
                return;
        in->data = mem_grow(in->data, &in->capacity, in->len + len, 1);
        memcpy(in->data + in->len, data, len);
        in->len += len;
}

static void peer_clear(struct vote_peer *p)
{
        inbox_clear(&p->inbox);
        vote__dial_forget_callbacks(p);
        blob_unref(p->pending);
        blob_unref(p->last);
        p->pending = p->last = NULL;
}

void vote__channel_done(struct vote_channel *ch)
{
        for (size_t i = 0; i < VOTE_PEERS_MAX; i++)
                peer_clear(&ch->peers[i]);
        for (size_t i = 0; i < ch->anonymous_count; i++)
                inbox_clear(&ch->anonymous[i].inbox);
        ch->anonymous_count = 0;
        blob_unref(ch->handshake);
        ch->handshake = NULL;
}

static struct vote_peer *peer_of(struct vote_channel *ch, int64_t sid)
{
        for (size_t i = 0; i < VOTE_PEERS_MAX; i++) {
                if (ch->peers[i].used && ch->peers[i].sid == sid)
                        return &ch->peers[i];
        }
        return NULL;
}

static struct vote_peer *connected(struct vote_channel *ch, conn_id conn)
{
        for (size_t i = 0; i < VOTE_PEERS_MAX; i++) {
                if (ch->peers[i].used && ch->peers[i].conn == conn)
                        return &ch->peers[i];
        }
        return NULL;
}

/* ---- sending ---- */

/* Takes the caller's reference. */
static void transmit(struct vote_peer *p, struct blob *message, struct effects *fx)
{
        blob_unref(p->last);
        p->last = message;
        p->in_flight = true;
        effect_send(fx, p->conn, blob_ref(message));
        effect_notify_sent(fx, p->conn);
}

static void transmit_pending(struct vote_peer *p, struct effects *fx)
{
        if (!p->conn || p->in_flight || !p->pending)
                return;
        struct blob *message = p->pending;
        p->pending = NULL;
        transmit(p, message, fx);
}

void vote__channel_send(struct vote_channel *ch, uint64_t now_ms, int64_t to, struct blob *message, struct effects *fx)
{
        struct vote_peer *p = peer_of(ch, to);
        if (!p)
                return; /* a stranger that has left */
        blob_unref(p->pending);
        p->pending = blob_ref(message);
        p->told_at_ms = now_ms;
        transmit_pending(p, fx);
        if (p->conn)
                return;
        p->wanted = true;
        vote__dial_try(ch, now_ms, p, fx);
}

bool vote__channel_repeats(const struct vote_channel *ch, uint64_t now_ms, int64_t to, const struct blob *message)
{
        for (size_t i = 0; i < VOTE_PEERS_MAX; i++) {
                const struct vote_peer *p = &ch->peers[i];
                if (!p->used || p->sid != to)
                        continue;
                const struct blob *newest = p->pending ? p->pending : p->last;
                return newest && now_ms - p->told_at_ms < VOTE_REPEAT_MS && newest->len == message->len &&
                       memcmp(newest->data, message->data, message->len) == 0;
        }
        return false;
}

bool vote__channel_sent(struct vote_channel *ch, conn_id conn, struct effects *fx)
{
        struct vote_peer *p = conn ? connected(ch, conn) : NULL;
        if (!p)
                return false;
        p->in_flight = false;
        transmit_pending(p, fx);
        return true;
}

void vote__channel_restage(struct vote_channel *ch, struct blob *to_voters, struct blob *to_others)
{
        for (size_t i = 0; i < VOTE_PEERS_MAX; i++) {
                struct vote_peer *p = &ch->peers[i];
                if (!p->last && !p->pending)
                        continue;
                /* A vote that still waits for a living connection is sent: it may be the one its receiver
                 * needs to finish the round. */
                if (!p->conn) {
                        blob_unref(p->pending);
                        p->pending = NULL;
                }
                blob_unref(p->last);
                p->last = blob_ref(p->voter ? to_voters : to_others);
        }
}

/* ---- peers come and go ---- */

void vote__peer_alive(struct vote_channel *ch, struct vote_peer *p)
{
        bool was_away = p->reset && p->refused;
        p->refused = false;
        if (was_away)
                ch->host.back(ch->host.self, p->sid);
}

void vote__peer_up(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, conn_id conn, struct effects *fx)
{
        assert(!p->conn && !p->dial);
        vote__peer_alive(ch, p);
        vote__dial_forget_callbacks(p);
        p->conn = conn;
        p->up_since_ms = now_ms;
        p->frame_deadline_ms = UINT64_MAX;
        p->in_flight = false;
        p->reset = false;
        p->wanted = false;
        p->callback_wait_ms = 0;
        p->probes = 0;
        if (p->crossed)
                p->called = p->crossed = false;
        if (p->pending)
                transmit_pending(p, fx);
        else if (p->last)
                transmit(p, blob_ref(p->last), fx);
}

void vote__peer_release(struct vote_peer *p)
{
        if (p->member || p->conn || p->dial)
                return;
        peer_clear(p);
        *p = (struct vote_peer){0};
}

/* Forgets the connection. The shell has closed it or is told to. */
static void peer_down(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p)
{
        p->conn = 0;
        p->in_flight = false;
        p->probes = 0;
        inbox_clear(&p->inbox);
        vote__dial_after_loss(p, now_ms);
        if (!ch->searching && p->last) { /* says where we stand; what waited may be a vote of the election before */
                blob_unref(p->pending);
                p->pending = NULL;
        }
        p->mend_tries = VOTE_MEND_TRIES;
        p->wanted = p->pending || vote__dial_mends(ch, p);
        ch->host.down(ch->host.self, p->sid);
}

static void peer_drop(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, struct effects *fx)
{
        effect_close(fx, p->conn, false);
        peer_down(ch, now_ms, p);
}

/* A place for a sid that is in no configuration; the longest-standing stranger makes room. */
static struct vote_peer *stranger_new(struct vote_channel *ch, uint64_t now_ms, int64_t sid, struct effects *fx)
{
        struct vote_peer *place = NULL;
        for (size_t i = ENSEMBLE_MEMBERS_MAX; i < VOTE_PEERS_MAX; i++) {
                struct vote_peer *p = &ch->peers[i];
                if (!p->used) {
                        place = p;
                        break;
                }
                if (!place || p->up_since_ms < place->up_since_ms)
                        place = p;
        }
        if (place->used) {
                if (place->conn)
                        peer_drop(ch, now_ms, place, fx);
                vote__dial_cancel(place, fx);
                vote__peer_release(place);
        }
        place->used = true;
        place->sid = sid;
        place->up_since_ms = now_ms; /* of its being known, until it is connected */
        return place;
}

void vote__channel_search(struct vote_channel *ch, uint64_t now_ms, bool on, struct effects *fx)
{
        ch->searching = on;
        for (size_t i = 0; i < ENSEMBLE_MEMBERS_MAX; i++) {
                struct vote_peer *p = &ch->peers[i];
                if (!p->used || !p->voter || p->conn)
                        continue;
                p->mend_tries = p->refused ? 0 : VOTE_MEND_TRIES;
                p->wanted = vote__dial_mends(ch, p);
                if (!on)
                        continue;
                p->refused = false;
                vote__dial_hurry(p, now_ms);
                vote__dial_try(ch, now_ms, p, fx);
        }
}

void vote__channel_hint(struct vote_channel *ch, uint64_t now_ms, int64_t sid, struct effects *fx)
{
        struct vote_peer *p = peer_of(ch, sid);
        if (!p || p->conn || p->dial)
                return;
        vote__dial_hurry(p, now_ms);
        p->wanted = true;
        vote__dial_try(ch, now_ms, p, fx);
}

/* ---- bad input ---- */

static void complain(struct vote_channel *ch, uint64_t now_ms, int64_t sid, const char *what, struct effects *fx)
{
        ch->bad_input_count++;
        if (now_ms < ch->complain_after_ms)
                return;
        ch->complain_after_ms = now_ms + VOTE_COMPLAINT_INTERVAL_MS;
        if (sid < 0)
                effect_report(fx, REPORT_WARNING, "election port: a connection was closed: %s", what);
        else
                effect_report(fx, REPORT_WARNING, "election port: the connection to server %lld was closed: %s",
                              (long long)sid, what);
}

/* ---- receiving ---- */

/* Takes whole frames from `data`; returns how many bytes they were, or SIZE_MAX if the stream is bad. */
static size_t take_frames(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, const uint8_t *data,
                          size_t len, struct effects *fx)
{
        struct jute_reader r;
        size_t taken = 0;
        jute_reader_init(&r, data, len, VOTE_FRAME_MAX);
        for (;;) {
                int32_t n = jute_get_int(&r);
                if (r.error)
                        return taken;
                if (n < 1 || n > VOTE_FRAME_MAX)
                        return SIZE_MAX;
                const uint8_t *frame = jute_get_raw(&r, (size_t)n);
                if (!frame)
                        return taken;
                if (!ch->host.message(ch->host.self, now_ms, p->sid, frame, (size_t)n, fx))
                        return SIZE_MAX;
                taken = len - jute_left(&r);
        }
}

static void peer_bytes(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, const uint8_t *data, size_t len,
                       struct effects *fx)
{
        bool stored = p->inbox.len > 0;
        if (stored) {
                inbox_append(&p->inbox, data, len);
                data = p->inbox.data;
                len = p->inbox.len;
        }
        size_t taken = take_frames(ch, now_ms, p, data, len, fx);
        if (taken == SIZE_MAX) {
                complain(ch, now_ms, p->sid, "a malformed message", fx);
                peer_drop(ch, now_ms, p, fx);
                vote__peer_release(p);
                return;
        }
        if (taken == len) {
                inbox_clear(&p->inbox);
                p->frame_deadline_ms = UINT64_MAX;
                return;
        }
        if (taken > 0 || !stored)
                p->frame_deadline_ms = now_ms + VOTE_FRAME_TIMEOUT_MS;
        if (!stored) {
                inbox_append(&p->inbox, data + taken, len - taken);
                return;
        }
        memmove(p->inbox.data, p->inbox.data + taken, len - taken);
        p->inbox.len = len - taken;
}

/* ---- accepted connections ---- */

static void anonymous_remove(struct vote_channel *ch, size_t i)
{
        inbox_clear(&ch->anonymous[i].inbox);
        ch->anonymous_count--;
        memmove(&ch->anonymous[i], &ch->anonymous[i + 1], (ch->anonymous_count - i) * sizeof *ch->anonymous);
        ch->anonymous[ch->anonymous_count] = (struct vote_anonymous){0};
}

static void anonymous_drop(struct vote_channel *ch, size_t i, struct effects *fx)
{
        effect_close(fx, ch->anonymous[i].conn, false);
        anonymous_remove(ch, i);
}

void vote__channel_accepted(struct vote_channel *ch, uint64_t now_ms, conn_id conn, struct effects *fx)
{
        if (ch->anonymous_count == VOTE_ANONYMOUS_MAX)
                anonymous_drop(ch, 0, fx);
        ch->anonymous[ch->anonymous_count++] = (struct vote_anonymous){
                .conn = conn,
                .deadline_ms = now_ms + VOTE_HANDSHAKE_TIMEOUT_MS,
        };
}

/* The dialler has the smaller sid: we own the connection, so ours must be the dialled one (1.2). */
static void turn_round(struct vote_channel *ch, uint64_t now_ms, conn_id conn, const struct vote_handshake *h,
                       struct effects *fx)
{
        struct vote_peer *p = peer_of(ch, h->sid);
        effect_close(fx, conn, false);
        if (!p && h->address_count == 0)
                return; /* nowhere to dial back to */
        if (!p)
                p = stranger_new(ch, now_ms, h->sid, fx);
        if (p->conn)
                peer_drop(ch, now_ms, p, fx);
        vote__peer_alive(ch, p);
        vote__dial_back(ch, now_ms, p, h, fx);
        vote__peer_release(p);
}

/* The dialler has the larger sid: this is the connection, in place of any other. */
static struct vote_peer *adopt(struct vote_channel *ch, uint64_t now_ms, conn_id conn, int64_t sid, struct effects *fx)
{
        struct vote_peer *p = peer_of(ch, sid);
        if (!p)
                p = stranger_new(ch, now_ms, sid, fx);
        if (p->conn)
                peer_drop(ch, now_ms, p, fx);
        vote__dial_cancel(p, fx);
        vote__peer_up(ch, now_ms, p, conn, fx);
        return p;
}

static void named(struct vote_channel *ch, uint64_t now_ms, size_t i, const struct vote_handshake *h, size_t used,
                  struct effects *fx)
{
        conn_id conn = ch->anonymous[i].conn;
        struct vote_inbox in = ch->anonymous[i].inbox; /* moved out */
        ch->anonymous[i].inbox = (struct vote_inbox){0};
        anonymous_remove(ch, i);
        if (h->sid == ch->sid) {
                complain(ch, now_ms, -1, "another server calls itself by this server's id", fx);
                effect_close(fx, conn, false);
        } else if (h->sid < ch->sid) {
                turn_round(ch, now_ms, conn, h, fx);
        } else {
                struct vote_peer *p = adopt(ch, now_ms, conn, h->sid, fx);
                if (in.len > used)
                        peer_bytes(ch, now_ms, p, in.data + used, in.len - used, fx);
        }
        inbox_clear(&in);
}

static void anonymous_bytes(struct vote_channel *ch, uint64_t now_ms, size_t i, const uint8_t *data, size_t len,
                            struct effects *fx)
{
        struct vote_anonymous *a = &ch->anonymous[i];
        struct vote_handshake h;
        inbox_append(&a->inbox, data, len);
        int used = vote__handshake_decode(a->inbox.data, a->inbox.len, &h);
        if (used > 0) {
                named(ch, now_ms, i, &h, (size_t)used, fx);
        } else if (used < 0) {
                complain(ch, now_ms, -1, "it did not begin with a handshake", fx);
                anonymous_drop(ch, i, fx);
        }
}

/* ---- events ---- */

static size_t anonymous_of(const struct vote_channel *ch, conn_id conn)
{
        size_t i = 0;
        while (i < ch->anonymous_count && ch->anonymous[i].conn != conn)
                i++;
        return i;
}

bool vote__channel_bytes(struct vote_channel *ch, uint64_t now_ms, conn_id conn, const uint8_t *data, size_t len,
                         struct effects *fx)
{
        struct vote_peer *p = conn ? connected(ch, conn) : NULL;
        if (p) {
                peer_bytes(ch, now_ms, p, data, len, fx);
                return true;
        }
        size_t i = anonymous_of(ch, conn);
        if (i == ch->anonymous_count)
                return false;
        anonymous_bytes(ch, now_ms, i, data, len, fx);
        return true;
}

bool vote__channel_closed(struct vote_channel *ch, uint64_t now_ms, conn_id conn, int reason, struct effects *fx)
{
        struct vote_peer *p = conn ? connected(ch, conn) : NULL;
        (void)reason; /* however it ended, it was up and is not any more */
        if (p) {
                p->reset = true;
                peer_down(ch, now_ms, p);
                vote__dial_try(ch, now_ms, p, fx);
                vote__peer_release(p);
                return true;
        }
        size_t i = anonymous_of(ch, conn);
        if (i == ch->anonymous_count)
                return false;
        anonymous_remove(ch, i);
        return true;
}

void vote__channel_tick(struct vote_channel *ch, uint64_t now_ms, struct effects *fx)
{
        while (ch->anonymous_count > 0 && now_ms >= ch->anonymous[0].deadline_ms) {
                complain(ch, now_ms, -1, "it did not finish its handshake in time", fx);
                anonymous_drop(ch, 0, fx);
        }
        for (size_t i = 0; i < VOTE_PEERS_MAX; i++) {
                struct vote_peer *p = &ch->peers[i];
                if (!p->used)
                        continue;
                if (p->conn && now_ms >= p->frame_deadline_ms) {
                        complain(ch, now_ms, p->sid, "half a message, then silence", fx);
                        peer_drop(ch, now_ms, p, fx);
                }
                vote__dial_timeout(ch, now_ms, p, fx);
                vote__dial_try(ch, now_ms, p, fx);
                vote__peer_release(p);
        }
}

uint64_t vote__channel_deadline(const struct vote_channel *ch)
{
        uint64_t at = ch->anonymous_count > 0 ? ch->anonymous[0].deadline_ms : UINT64_MAX;
        for (size_t i = 0; i < VOTE_PEERS_MAX; i++) {
                const struct vote_peer *p = &ch->peers[i];
                uint64_t due = UINT64_MAX;
                if (!p->used)
                        continue;
                if (p->conn)
                        due = p->frame_deadline_ms;
                else if (p->dial)
                        due = p->dial_deadline_ms;
                else if (p->wanted)
                        due = p->redial_at_ms;
                if (due < at)
                        at = due;
        }
        return at;
}

static void check_peer(const struct vote_peer *p)
{
        assert(p->used);
        assert(!(p->conn && p->dial));
        assert(p->member || p->conn || p->dial);
        assert(!p->conn || (!p->wanted && !p->reset && !p->refused && p->probes == 0));
        assert(!(p->conn && p->pending && !p->in_flight));
        assert(p->inbox.len <= sizeof(int32_t) + VOTE_FRAME_MAX);
        assert((p->inbox.len > 0) == (p->conn && p->frame_deadline_ms != UINT64_MAX));
        assert(p->callback_next <= p->callback_count && p->callback_count <= VOTE_ADDRESSES_MAX);
}

void vote__channel_check(const struct vote_channel *ch)
{
        assert(ch->anonymous_count <= VOTE_ANONYMOUS_MAX);
        for (size_t i = 0; i < ch->anonymous_count; i++) {
                assert(ch->anonymous[i].inbox.len < VOTE_HANDSHAKE_MAX);
                assert(i == 0 || ch->anonymous[i - 1].deadline_ms <= ch->anonymous[i].deadline_ms);
        }
        for (size_t i = 0; i < VOTE_PEERS_MAX; i++) {
                if (ch->peers[i].used)
                        check_peer(&ch->peers[i]);
        }
}
