/* Fast Leader Election and the election channel that carries it.
 *
 * Both halves are byte-compatible with ZooKeeper 3.8/3.9 (quorum-protocol.md 1 and 2):
 *  - channel: one connection per pair of servers; handshake V1; the larger sid owns the dialled
 *    connection; one pending message per peer, the newest; the last message sent again on a new
 *    connection; framing 1..524288 bytes.
 *  - tally: rounds, votes ordered by (peerEpoch, zxid, sid), settled servers' answers.
 *
 * Additions, compatible on the wire (tally.h):
 *  - A looking server decides at once, without the 200 ms of silence, when no vote can still arrive that
 *    would change the outcome: every voter of the configuration either has voted alike in this round or is
 *    known to be away. Known to be away means: its election connection was reset or closed after being up,
 *    and dialling it again was refused.
 *  - Who was elected says so to those that voted for it, and they take its word: they need not hear of each
 *    other's votes, between two of them a connection may be missing.
 * (Election is not a safety mechanism: safety.md E6.)
 *
 * Everything here is a state machine: no I/O, no clock. Times are monotonic milliseconds that come
 * with each call. Effects are appended to `fx`. Observers use it too, to find the leader.
 * All functions run on the loop thread. */
#ifndef BATON_VOTE_VOTE_H
#define BATON_VOTE_VOTE_H

#include "election/base/effect.h"
#include "election/base/ensemble.h"
#include "election/base/hash.h"

/* Wire values (quorum-protocol.md 0). */
enum vote_state {
        VOTE_LOOKING = 0,
        VOTE_FOLLOWING = 1,
        VOTE_LEADING = 2,
        VOTE_OBSERVING = 3,
};

/* Bytes of a notification a peer may send. */
#define VOTE_FRAME_MAX 524288
/* Retry intervals of a looking server (2.3): first, and where doubling stops. */
#define VOTE_INTERVAL_MIN_MS 200
#define VOTE_INTERVAL_MAX_MS 60000
/* A dial that gets no answer is given up after this long. */
#define VOTE_DIAL_TIMEOUT_MS 5000
/* An observer that looks again waits a random time up to this, as ZooKeeper's do (2.4). */
#define VOTE_OBSERVER_DELAY_MS 200
/* An accepted connection must have finished its handshake within this long. */
#define VOTE_HANDSHAKE_TIMEOUT_MS 5000
/* Accepted connections that have not named themselves yet; one more closes the oldest. */
#define VOTE_ANONYMOUS_MAX 64

struct vote_config {
        int64_t sid;                     /* own */
        const struct ensemble *ensemble; /* borrowed, outlives the vote */
        uint64_t seed;                   /* for the observers' random delay */
};

struct vote;

struct vote *vote_new(const struct vote_config *config);
void vote_free(struct vote *v);

/* Begins a new round; also the first thing to do. `zxid` is the last logged zxid, `epoch` the currentEpoch file's
 * value. A server whose database may be lost passes zxid -1 and does not count (2.3.5). */
void vote_look(struct vote *v, uint64_t now_ms, int64_t zxid, int64_t epoch, struct effects *fx);

/* The outcome of the present round: returns 1 with the leader's sid and the state this server takes
 * (LEADING, FOLLOWING or OBSERVING) once settled, 0 while looking. */
int vote_decided(const struct vote *v, int64_t *ret_leader, enum vote_state *ret_state);

/* After synchronisation (and on the leader after activation): the peerEpoch of the settled vote
 * becomes the new epoch, so that later lookers can join (2.4, ZOOKEEPER-1732). */
void vote_set_epoch(struct vote *v, int64_t epoch);

/* Connection events of the election port. `conn` is whatever the shell or an EFFECT_DIAL named. */
void vote_conn_accepted(struct vote *v, uint64_t now_ms, conn_id conn, struct effects *fx);
/* Outcome of a dial: 0 or -errno (-ECONNREFUSED matters: the peer is away). True if `conn` is ours. */
bool vote_conn_dialled(struct vote *v, uint64_t now_ms, conn_id conn, int status, struct effects *fx);
bool vote_conn_bytes(struct vote *v, uint64_t now_ms, conn_id conn, const uint8_t *data, size_t len,
                     struct effects *fx);
/* EVENT_CONN_SENT: what was queued on `conn` is in the socket. Without it only one message is ever sent on
 * a connection: one is in flight at a time, one more waits, the newest. True if `conn` is ours. */
bool vote_conn_sent(struct vote *v, uint64_t now_ms, conn_id conn, struct effects *fx);
/* The peer closed (0) or the connection failed (-errno). */
bool vote_conn_closed(struct vote *v, uint64_t now_ms, conn_id conn, int reason, struct effects *fx);

/* Runs what is due; UINT64_MAX from vote_deadline() means nothing is. */
void vote_tick(struct vote *v, uint64_t now_ms, struct effects *fx);
uint64_t vote_deadline(const struct vote *v);

/* Hint from elsewhere (the quorum port): the connection to `sid`'s process was reset, so a dial now is
 * worth its while. Harmless when wrong. */
void vote_peer_lost(struct vote *v, uint64_t now_ms, int64_t sid, struct effects *fx);

/* Connections closed because of what they sent. */
uint64_t vote_bad_input_count(const struct vote *v);

#endif
