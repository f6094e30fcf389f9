/* Every record of ZooKeeper 3.8/3.9: client requests and replies, transactions, quorum packets,
 * persisted stats. Sources: zookeeper/client-protocol.md 2-4, quorum-protocol.md 2-3,
 * storage-format.md 2-4.
 *
 * Each record X has a struct jute_X, `jute_get_X(reader, &x)` and `jute_put_X(writer, &x)`. Getters
 * report through the reader's sticky error; strings and vectors point into the reader's window.
 * Fields before a fault keep what was read, those after it are 0 or null (so an old, short LearnerInfo
 * yields its sid). Optional last fields are taken as absent when the window ends right before them:
 * read the connect records and CreateTxn only from a complete frame or payload.
 * encode(decode(b)) == b for every valid b whose booleans are 0 or 1 and whose counts are >= -1. */
#ifndef BATON_JUTE_RECORD_H
#define BATON_JUTE_RECORD_H

#include "election/jute/jute.h"

/* ---- opcodes, also transaction types ---- */
enum opcode {
        OP_NOTIFICATION = 0,
        OP_CREATE = 1,
        OP_DELETE = 2,
        OP_EXISTS = 3,
        OP_GET_DATA = 4,
        OP_SET_DATA = 5,
        OP_GET_ACL = 6,
        OP_SET_ACL = 7,
        OP_GET_CHILDREN = 8,
        OP_SYNC = 9,
        OP_PING = 11,
        OP_GET_CHILDREN2 = 12,
        OP_CHECK = 13,
        OP_MULTI = 14,
        OP_CREATE2 = 15,
        OP_RECONFIG = 16,
        OP_CHECK_WATCHES = 17,
        OP_REMOVE_WATCHES = 18,
        OP_CREATE_CONTAINER = 19,
        OP_DELETE_CONTAINER = 20,
        OP_CREATE_TTL = 21,
        OP_MULTI_READ = 22,
        OP_AUTH = 100,
        OP_SET_WATCHES = 101,
        OP_SASL = 102,
        OP_GET_EPHEMERALS = 103,
        OP_GET_ALL_CHILDREN_NUMBER = 104,
        OP_SET_WATCHES2 = 105,
        OP_ADD_WATCH = 106,
        OP_WHO_AM_I = 107,
        OP_CREATE_SESSION = -10,
        OP_CLOSE_SESSION = -11,
        OP_ERROR = -1,
};

/* ---- error codes (client-protocol.md 5.1); the protocol's own numbers ---- */
enum zk_error {
        ZK_OK = 0,
        ZK_RUNTIME_INCONSISTENCY = -2,
        ZK_MARSHALLING_ERROR = -5,
        ZK_UNIMPLEMENTED = -6,
        ZK_BAD_ARGUMENTS = -8,
        ZK_UNKNOWN_SESSION = -12,
        ZK_NEW_CONFIG_NO_QUORUM = -13,
        ZK_RECONFIG_IN_PROGRESS = -14,
        ZK_NO_NODE = -101,
        ZK_NO_AUTH = -102,
        ZK_BAD_VERSION = -103,
        ZK_NO_CHILDREN_FOR_EPHEMERALS = -108,
        ZK_NODE_EXISTS = -110,
        ZK_NOT_EMPTY = -111,
        ZK_SESSION_EXPIRED = -112,
        ZK_INVALID_ACL = -114,
        ZK_AUTH_FAILED = -115,
        ZK_SESSION_MOVED = -118,
        ZK_NOT_READ_ONLY = -119,
        ZK_EPHEMERAL_ON_LOCAL_SESSION = -120,
        ZK_NO_WATCHER = -121,
        ZK_RECONFIG_DISABLED = -123,
        ZK_SESSION_CLOSED_REQUIRE_SASL_AUTH = -124,
        ZK_QUOTA_EXCEEDED = -125,
        ZK_THROTTLED_OP = -127,
};

/* ---- shared pieces ---- */
struct jute_stat {
        int64_t czxid, mzxid, ctime, mtime;
        int32_t version, cversion, aversion;
        int64_t ephemeral_owner;
        int32_t data_length, num_children;
        int64_t pzxid;
};
struct jute_stat_persisted {
        int64_t czxid, mzxid, ctime, mtime;
        int32_t version, cversion, aversion;
        int64_t ephemeral_owner, pzxid;
};
struct jute_id {
        struct jute_str scheme, id;
};
struct jute_acl {
        int32_t perms;
        struct jute_id id;
};
/* vector<ACL>, vector<Id>, vector<string>: struct jute_vec; each element is validated on reading. */
struct jute_vec jute_get_acl_vec(struct jute_reader *r);
struct jute_vec jute_get_id_vec(struct jute_reader *r);

/* ---- connection ---- */
struct jute_connect_request {
        int32_t protocol_version;
        int64_t last_zxid_seen;
        int32_t timeout;
        int64_t session_id;
        struct jute_str passwd;
        bool read_only;
        bool has_read_only; /* the byte was there (absent from old clients) */
};
struct jute_connect_response {
        int32_t protocol_version;
        int32_t timeout;
        int64_t session_id;
        struct jute_str passwd;
        bool read_only;
        bool has_read_only;
};
struct jute_request_header {
        int32_t xid, type;
};
struct jute_reply_header {
        int32_t xid;
        int64_t zxid;
        int32_t err;
};

/* ---- requests ---- */
struct jute_create_request { /* create, create2, createContainer */
        struct jute_str path, data;
        struct jute_vec acl;
        int32_t flags;
};
struct jute_create_ttl_request {
        struct jute_str path, data;
        struct jute_vec acl;
        int32_t flags;
        int64_t ttl;
};
struct jute_path_version { /* DeleteRequest, CheckVersionRequest */
        struct jute_str path;
        int32_t version;
};
struct jute_path_watch { /* ExistsRequest, GetDataRequest, GetChildren(2)Request */
        struct jute_str path;
        bool watch;
};
struct jute_set_data_request {
        struct jute_str path, data;
        int32_t version;
};
struct jute_path { /* GetACLRequest, SyncRequest, SyncResponse, CreateResponse, ... */
        struct jute_str path;
};
struct jute_set_acl_request {
        struct jute_str path;
        struct jute_vec acl;
        int32_t version;
};
struct jute_reconfig_request {
        struct jute_str joining, leaving, new_members;
        int64_t cur_config_id;
};
struct jute_path_type { /* Check/RemoveWatchesRequest, AddWatchRequest (mode) */
        struct jute_str path;
        int32_t type;
};
struct jute_auth_packet {
        int32_t type;
        struct jute_str scheme, auth;
};
struct jute_set_watches {
        int64_t relative_zxid;
        struct jute_vec data, exist, child;
};
struct jute_set_watches2 {
        int64_t relative_zxid;
        struct jute_vec data, exist, child, persistent, recursive;
};
struct jute_multi_header {
        int32_t type;
        bool done;
        int32_t err;
};
struct jute_sasl { /* GetSASLRequest, SetSASLResponse */
        struct jute_str token;
};

/* ---- replies ---- */
struct jute_create2_response {
        struct jute_str path;
        struct jute_stat stat;
};
struct jute_get_data_response {
        struct jute_str data;
        struct jute_stat stat;
};
struct jute_get_acl_response {
        struct jute_vec acl;
        struct jute_stat stat;
};
struct jute_get_children_response { /* also GetEphemeralsResponse */
        struct jute_vec children;
};
struct jute_get_children2_response {
        struct jute_vec children;
        struct jute_stat stat;
};
struct jute_who_am_i_response {
        struct jute_vec client_info; /* vector of {ustring authScheme, ustring user}: read with jute_get_id */
};
struct jute_error_response { /* also ErrorTxn, GetAllChildrenNumberResponse */
        int32_t err;
};
struct jute_watcher_event {
        int32_t type, state;
        struct jute_str path;
};

/* ---- transactions (storage-format.md 3) ---- */
struct jute_txn_header {
        int64_t session_id;
        int32_t cxid;
        int64_t zxid;
        int64_t time;
        int32_t type;
};
#define JUTE_TXN_HEADER_SIZE 32
struct jute_txn_digest {
        int32_t version;
        int64_t tree_digest;
};
#define JUTE_TXN_DIGEST_SIZE 12
#define JUTE_DIGEST_VERSION  2
struct jute_create_txn { /* create, create2 */
        struct jute_str path, data;
        struct jute_vec acl;
        bool ephemeral;
        int32_t parent_cversion; /* -1 also for the V0 form that lacks it (read only) */
};
struct jute_create_container_txn {
        struct jute_str path, data;
        struct jute_vec acl;
        int32_t parent_cversion;
};
struct jute_create_ttl_txn {
        struct jute_str path, data;
        struct jute_vec acl;
        int32_t parent_cversion;
        int64_t ttl;
};
struct jute_set_data_txn {
        struct jute_str path, data;
        int32_t version;
};
struct jute_set_acl_txn {
        struct jute_str path;
        struct jute_vec acl;
        int32_t version;
};
struct jute_create_session_txn {
        int32_t timeout;
};
struct jute_close_session_txn {
        struct jute_vec paths;
};
struct jute_multi_txn { /* vector of {int type, buffer body} */
        struct jute_vec ops;
};
struct jute_txn_op {
        int32_t type;
        struct jute_str body;
};

/* ---- server to server (quorum-protocol.md 3) ---- */
enum quorum_packet_type {
        QP_REQUEST = 1,
        QP_PROPOSAL = 2,
        QP_ACK = 3,
        QP_COMMIT = 4,
        QP_PING = 5,
        QP_REVALIDATE = 6,
        QP_SYNC = 7,
        QP_INFORM = 8,
        QP_COMMIT_AND_ACTIVATE = 9,
        QP_NEWLEADER = 10,
        QP_FOLLOWERINFO = 11,
        QP_UPTODATE = 12,
        QP_DIFF = 13,
        QP_TRUNC = 14,
        QP_SNAP = 15,
        QP_OBSERVERINFO = 16,
        QP_LEADERINFO = 17,
        QP_ACKEPOCH = 18,
        QP_INFORM_AND_ACTIVATE = 19,
};
struct jute_quorum_packet {
        int32_t type;
        int64_t zxid;
        struct jute_str data;
        struct jute_vec authinfo; /* vector<Id> */
};
/* The smallest packet: type, zxid, null data, null authinfo. */
#define JUTE_QUORUM_PACKET_MIN 20
/* Where data's bytes begin in an encoded packet. */
#define JUTE_QUORUM_PACKET_DATA 16
struct jute_learner_info {
        int64_t sid;
        int32_t protocol_version;
        int64_t config_version;
};
struct jute_quorum_auth_packet { /* SASL exchange, quorum-protocol.md 8.1 */
        int64_t magic;
        int32_t status;
        struct jute_str token;
};
struct jute_file_header {
        int32_t magic, version;
        int64_t dbid;
};

#define JUTE_DECLARE(record)                                                                                           \
        void jute_get_##record(struct jute_reader *r, struct jute_##record *ret);                                      \
        void jute_put_##record(struct jute_writer *w, const struct jute_##record *v)

JUTE_DECLARE(stat);
JUTE_DECLARE(stat_persisted);
JUTE_DECLARE(id);
JUTE_DECLARE(acl);
JUTE_DECLARE(connect_request);
JUTE_DECLARE(connect_response);
JUTE_DECLARE(request_header);
JUTE_DECLARE(reply_header);
JUTE_DECLARE(create_request);
JUTE_DECLARE(create_ttl_request);
JUTE_DECLARE(path_version);
JUTE_DECLARE(path_watch);
JUTE_DECLARE(set_data_request);
JUTE_DECLARE(path);
JUTE_DECLARE(set_acl_request);
JUTE_DECLARE(reconfig_request);
JUTE_DECLARE(path_type);
JUTE_DECLARE(auth_packet);
JUTE_DECLARE(set_watches);
JUTE_DECLARE(set_watches2);
JUTE_DECLARE(multi_header);
JUTE_DECLARE(sasl);
JUTE_DECLARE(create2_response);
JUTE_DECLARE(get_data_response);
JUTE_DECLARE(get_acl_response);
JUTE_DECLARE(get_children_response);
JUTE_DECLARE(get_children2_response);
JUTE_DECLARE(who_am_i_response);
JUTE_DECLARE(error_response);
JUTE_DECLARE(watcher_event);
JUTE_DECLARE(txn_header);
JUTE_DECLARE(txn_digest);
JUTE_DECLARE(create_txn);
JUTE_DECLARE(create_container_txn);
JUTE_DECLARE(create_ttl_txn);
JUTE_DECLARE(set_data_txn);
JUTE_DECLARE(set_acl_txn);
JUTE_DECLARE(create_session_txn);
JUTE_DECLARE(close_session_txn);
JUTE_DECLARE(multi_txn);
JUTE_DECLARE(txn_op);
JUTE_DECLARE(quorum_packet);
JUTE_DECLARE(learner_info);
JUTE_DECLARE(quorum_auth_packet);
JUTE_DECLARE(file_header);

/* A quorum packet without authinfo as one blob; `data` NULL writes null data. */
struct blob *jute_quorum_packet_blob(int32_t type, int64_t zxid, const void *data, size_t len);

#endif
