/* The election channel: one connection per pair of servers, kept for ever (quorum-protocol.md 1).
 * Internal to the room.
 *
 * A peer is a server we have or want a connection with: every other member of the ensemble, and strangers
 * (sids in no configuration, which are accepted like any other). Which of the two ends keeps the
 * connection it dialled is decided by the sids: the larger one. So a peer with a smaller sid that dials us
 * is dialled back; a peer with a larger sid that we dial gets our handshake, is left, and dials back.
 *
 * One message per peer is in flight at most (until the shell says it is in the socket), one more pending,
 * the newest. On a new connection the last message is said again.
 *
 * Redialling: while this server looks, every voter that is not connected, at once and then at growing
 * intervals up to VOTE_REDIAL_MAX_MS. Otherwise once per message that wants to be sent; and the larger sid
 * mends a connection to a voter with a few dials, until one is refused (a dead peer dials when it is back),
 * so that the next election finds all connections up. ZooKeeper leaves them down.
 *
 * Known to be away: the peer's connection was up and was closed or failed, and dialling its configured
 * address was refused since (and since this server began to look). Ends when a dial gets through or the
 * peer connects. */
#ifndef BATON_VOTE_CHANNEL_H
#define BATON_VOTE_CHANNEL_H

#include "election/vote/handshake.h"
#include "election/vote/notification.h"

/* Peers that are no member; one more closes the oldest. */
#define VOTE_STRANGERS_MAX 16
#define VOTE_PEERS_MAX     (ENSEMBLE_MEMBERS_MAX + VOTE_STRANGERS_MAX)
/* Dialling again: after the first failure, and where doubling stops. */
#define VOTE_REDIAL_MIN_MS 5
#define VOTE_REDIAL_MAX_MS 1000
/* A connection that lasted this long makes the next dial immediate again. */
#define VOTE_STABLE_MS 100
/* Failed dials, between elections, before a lost connection is left alone. */
#define VOTE_MEND_TRIES 5
/* How long a peer with a larger sid is given to dial back, first and at most (it may be stopped: each
 * call leaves a connection in its backlog). */
#define VOTE_CALLBACK_WAIT_MIN_MS 1000
#define VOTE_CALLBACK_WAIT_MAX_MS 16000
/* A process that dies may accept a last call: its sockets are closed one after the other. So a peer with a
 * larger sid whose connection was lost is tried again after a call, this often, first after this long and then
 * twice as long each time; nothing is said to it, what counts is whether it refuses. All of it takes less time
 * than an election that waits for it (VOTE_FINALIZE_MS). */
#define VOTE_PROBES        5
#define VOTE_PROBE_WAIT_MS 4
/* After a call, a connection from that peer that closes is taken for two dials that crossed (the peer
 * dropped the older connection and dials back): no call in answer to it for this long, only probes. */
#define VOTE_CROSSING_MS 200
/* A frame that has begun must be whole within this long. */
#define VOTE_FRAME_TIMEOUT_MS 5000
/* See vote__channel_repeats(). Below the interval at which a looking server repeats itself. */
#define VOTE_REPEAT_MS 100
/* Reports about bad input: one per this many ms. */
#define VOTE_COMPLAINT_INTERVAL_MS 1000

/* Bytes read and not yet understood: at most one frame with its length and one portion. */
struct vote_inbox {
        uint8_t *data;
        size_t len, capacity;
};

struct vote_peer {
        int64_t sid;
        bool used;
        bool member, voter;
        /* the connection, 0 when there is none */
        conn_id conn;
        uint64_t up_since_ms;
        uint64_t frame_deadline_ms;
        struct vote_inbox inbox;
        bool in_flight;
        struct blob *pending; /* waits for a connection or for the one in flight */
        uint64_t told_at_ms;  /* when a message was last handed over for it */
        struct blob *last;    /* to be said again on a new connection */
        /* dialling */
        conn_id dial; /* 0 when none is in progress */
        bool dial_back;
        uint64_t dial_deadline_ms;
        bool wanted;
        unsigned mend_tries; /* left */
        uint64_t redial_at_ms;
        uint32_t backoff_ms;
        bool called;  /* our handshake was sent at called_at_ms, the peer is to dial back */
        bool crossed; /* and a connection from it has gone since: the next one is the answer */
        uint64_t called_at_ms;
        uint32_t callback_wait_ms;
        unsigned probes; /* left; while there are any, a dial says nothing */
        uint32_t probe_wait_ms;
        struct vote_address *callbacks; /* from its handshake: to be tried before the configured address */
        size_t callback_count, callback_next;
        /* what is known of its being away */
        bool reset, refused;
};

/* An accepted connection that has not named itself. */
struct vote_anonymous {
        conn_id conn;
        uint64_t deadline_ms;
        struct vote_inbox inbox;
};

/* What the channel tells its owner. */
struct vote_channel_host {
        void *self;
        /* One message; false if it is malformed, which closes the connection. */
        bool (*message)(void *self, uint64_t now_ms, int64_t from, const uint8_t *data, size_t len, struct effects *fx);
        /* The connection to `sid` is gone. */
        void (*down)(void *self, int64_t sid);
        /* `sid` is now known to be away / no longer. */
        void (*away)(void *self, uint64_t now_ms, int64_t sid, struct effects *fx);
        void (*back)(void *self, int64_t sid);
};

struct vote_channel {
        struct vote_channel_host host;
        const struct ensemble *ensemble; /* borrowed */
        int64_t sid;
        bool searching; /* this server is looking: voters are redialled */
        struct blob *handshake;
        /* Members by their place in the ensemble (our own place stays unused), then strangers. */
        struct vote_peer peers[VOTE_PEERS_MAX];
        struct vote_anonymous anonymous[VOTE_ANONYMOUS_MAX]; /* oldest first */
        size_t anonymous_count;
        uint64_t bad_input_count;
        uint64_t complain_after_ms;
};

void vote__channel_init(struct vote_channel *ch, const struct vote_channel_host *host, const struct ensemble *e,
                        int64_t sid);
void vote__channel_done(struct vote_channel *ch);

/* This server begins or ends to look. Beginning forgets who was away and dials every voter that is not
 * connected. */
void vote__channel_search(struct vote_channel *ch, uint64_t now_ms, bool on, struct effects *fx);
/* Sends to a peer, dialling it if need be; a message that waits is replaced. Takes its own reference. */
void vote__channel_send(struct vote_channel *ch, uint64_t now_ms, int64_t to, struct blob *message, struct effects *fx);
/* Whether `to` was told the very same less than VOTE_REPEAT_MS ago. */
bool vote__channel_repeats(const struct vote_channel *ch, uint64_t now_ms, int64_t to, const struct blob *message);
/* Replaces what new connections will be told, for peers that have been told something before. */
void vote__channel_restage(struct vote_channel *ch, struct blob *to_voters, struct blob *to_others);
/* A dial to `sid` now may be worth its while. */
void vote__channel_hint(struct vote_channel *ch, uint64_t now_ms, int64_t sid, struct effects *fx);

void vote__channel_accepted(struct vote_channel *ch, uint64_t now_ms, conn_id conn, struct effects *fx);
bool vote__channel_dialled(struct vote_channel *ch, uint64_t now_ms, conn_id conn, int status, struct effects *fx);
bool vote__channel_bytes(struct vote_channel *ch, uint64_t now_ms, conn_id conn, const uint8_t *data, size_t len,
                         struct effects *fx);
bool vote__channel_sent(struct vote_channel *ch, conn_id conn, struct effects *fx);
bool vote__channel_closed(struct vote_channel *ch, uint64_t now_ms, conn_id conn, int reason, struct effects *fx);
void vote__channel_tick(struct vote_channel *ch, uint64_t now_ms, struct effects *fx);
uint64_t vote__channel_deadline(const struct vote_channel *ch);
/* Asserts the type's rules; for tests. */
void vote__channel_check(const struct vote_channel *ch);

/* Between channel.c and dial.c. */

/* The connection of `p` is up: says what is to be said. Only when there is none. */
void vote__peer_up(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, conn_id conn, struct effects *fx);
/* Frees a stranger's place once nothing is open or tried. */
void vote__peer_release(struct vote_peer *p);
/* The peer has shown that it is there. */
void vote__peer_alive(struct vote_channel *ch, struct vote_peer *p);

/* Dials `p` if that is wanted, due, and neither open nor in progress. */
void vote__dial_try(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, struct effects *fx);
/* Dials `p` at the addresses of its handshake, now, or after the dial in progress has failed. */
void vote__dial_back(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, const struct vote_handshake *h,
                     struct effects *fx);
void vote__dial_cancel(struct vote_peer *p, struct effects *fx);
/* When to dial after the connection has gone. */
void vote__dial_after_loss(struct vote_peer *p, uint64_t now_ms);
/* Whether a voter is to be dialled without a message for it. */
bool vote__dial_mends(const struct vote_channel *ch, const struct vote_peer *p);
/* Makes the next dial immediate, unless the peer has just been asked to dial back. */
void vote__dial_hurry(struct vote_peer *p, uint64_t now_ms);
void vote__dial_timeout(struct vote_channel *ch, uint64_t now_ms, struct vote_peer *p, struct effects *fx);
void vote__dial_forget_callbacks(struct vote_peer *p);

#endif
