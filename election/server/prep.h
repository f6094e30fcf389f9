/* The leader's request preparation: a request becomes a transaction, checked against the database and
 * everything proposed but not yet committed (zookeeper/client-protocol.md 5.3 and 6,
 * quorum-protocol.md 4.2, storage-format.md 3).
 *
 * A request that fails becomes an error transaction: it takes its zxid too. Each transaction but an error
 * carries the digest the tree will have after it. What is foretold of a path (existence, Stat, children,
 * digest) is kept per path until the transaction that last changed it has been applied. */
#ifndef BATON_SERVER_PREP_H
#define BATON_SERVER_PREP_H

#include "election/jute/record.h"
#include "election/server/acl.h"
#include "election/session/session.h"
#include "election/tree/database.h"
#include "election/tree/quota.h"

struct prep_request {
        int64_t session;
        int32_t cxid;
        int32_t opcode;       /* a write, or OP_CREATE_SESSION / OP_CLOSE_SESSION / OP_DELETE_CONTAINER */
        struct jute_str body; /* as after the request header; createSession: int timeout */
        struct jute_vec ids;  /* of the client; null makes an operation that needs them fail with -5 */
        bool sweep;           /* deleteContainer by this leader itself; from anybody else it fails */
        int64_t from_sid;     /* the server it came through, for the session check; the leader's own sid
                                 for its clients and for its own expiries */
};

struct prep;

/* What a transaction may take beyond payload_max: the request it is made of fitted into that, but names
 * grow by their sequence numbers and ACLs by the identities that `auth` stands for. One that would be
 * longer still fails with -5. So does one beyond jute.maxbuffer plus the extra size (`item_max`), which is
 * less where the limits are small: no server, Java's neither, could read it from a log. */
#define PREP_SLACK_BYTES (512u << 10)

/* All borrowed. `item_max` bounds decoding and the transaction made, `payload_max` (jute.maxbuffer) the latter
 * further. */
struct prep *prep_new(const struct database *db, struct session_clock *clock, int32_t item_max, size_t payload_max);
void prep_free(struct prep *p);
/* The policy of access control; until then nothing is skipped and all schemes are there. */
void prep_set_acl_policy(struct prep *p, const struct acl_policy *policy);
/* Whether nodes with a time to live may be created; not at first (zookeeper.extendedTypesEnabled). */
void prep_allow_ttl(struct prep *p, bool allow);

/* From now on a create or setData that would exceed a hard limit fails with -125 (zookeeper.enforceQuota). What is
 * there is what has been applied: neither transactions under way nor earlier operations of a multi count, as in
 * ZooKeeper. Off at first; quotas are counted either way. */
void prep_enforce_quota(struct prep *p, bool on);

/* Bytes of a quota's path, and of the name its refusals are counted under, that are told. */
#define PREP_EXCESS_TEXT_MAX 128

/* A limit that a request would have exceeded, or did: for the log and mntr. Foreign texts, cut. */
struct prep_excess {
        uint64_t count, refused; /* excesses since last asked; how many of them were refused */
        /* of the last one: */
        bool hard, bytes;
        int64_t used, limit;
        uint8_t path[PREP_EXCESS_TEXT_MAX], name[PREP_EXCESS_TEXT_MAX]; /* the quota's; first of the request's path */
        uint32_t path_len, name_len;
};
/* Takes what there is since the last call; false if nothing. At most one request's worth is to be lost: ask after
 * each prep_make(). */
bool prep_take_excess(struct prep *p, struct prep_excess *ret);

/* Whether an opcode is one that prep makes transactions of. */
bool prep_handles(int32_t opcode);
/* Decodes the body as far as the transaction would need it: false for one that can't be decoded (the
 * client gets -5 at its own server, and nothing is forwarded: quorum-protocol.md 5.1). Most multis that can't be
 * are true: they are answered with -5 too, but by a transaction (observed on 3.9.5). */
bool prep_body_ok(int32_t opcode, struct jute_str body, int32_t item_max);
/* Reads past the record of an operation of a multi; false for one that a multi can't hold, or that can't be
 * decoded. */
bool prep_multi_op_skip(struct jute_reader *r, int32_t opcode);

/* Writes the payload of the transaction for `r` into `w`, which is empty and has a maximum of at least
 * payload_max + PREP_SLACK_BYTES: no payload is longer than that, nor than item_max.
 * Returns the error of a failed request (ZK_*, an error transaction was written) or 0. A session that is
 * closing, unknown or another server's yields an error transaction -112 or -118. createSession starts the
 * session's clock, closeSession marks it closing. */
int prep_make(struct prep *p, uint64_t now_ms, const struct prep_request *r, int64_t zxid, int64_t wall_ms,
              struct jute_writer *w);
/* The transaction has been applied to the database: forgets what it had foretold. */
void prep_applied(struct prep *p, int64_t zxid);
/* What the node will be once all that is proposed has been applied: its owner, mtime and creations. False: gone. */
bool prep_peek(const struct prep *p, struct jute_str path, struct jute_stat_persisted *ret_stat, int32_t *ret_children);
/* Paths with something foretold, for mntr. */
size_t prep_pending(const struct prep *p);

#endif
