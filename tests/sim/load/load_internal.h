/* What the files of the load share. */
#ifndef BATON_TESTS_SIM_LOAD_INTERNAL_H
#define BATON_TESTS_SIM_LOAD_INTERNAL_H

#include "election/base/hash.h"
#include "election/jute/record.h"
#include "tests/sim/load/load.h"

/* Nodes whose data all change and watch. */
#define LOAD_HOT 5
/* Parents of each kind: plain nodes, sequential ones, ephemerals. */
#define LOAD_PARENTS 2
/* Nodes with much data, in lives that have them. */
#define LOAD_BULK_NODES 4
#define LOAD_BULK_BYTES 150000
/* Nodes whose lists of access change, in lives that have them, and names below each. */
#define LOAD_GUARDED       3
#define LOAD_GUARDED_NAMES 4
/* Lists of access: the first ones leave all open to all, and differ. */
#define LOAD_ACLS      9
#define LOAD_ACLS_OPEN 3
/* Whom clients can authenticate as; the last is the super user. */
#define LOAD_USERS 3
/* Requests at once. */
#define LOAD_DEPTH_MAX 12
/* With the pings, setWatches and the last look. */
#define LOAD_PENDING_MAX (LOAD_DEPTH_MAX + 64)
#define LOAD_SUBS_MAX    6
#define LOAD_WATCHES_MAX 48
/* Nodes that were made, as far as they are remembered. */
#define LOAD_KNOWN 128
/* Paths with a quota, in lives that have some, and the nodes that make one. */
#define LOAD_QUOTAS      4
#define LOAD_QUOTA_NODES 3
#define LOAD_PATH_BYTES  64

enum load_action {
        ACT_CREATE,
        ACT_CREATE_UNIQUE,
        ACT_SEQUENTIAL,
        ACT_EPHEMERAL,
        ACT_CONTAINER,
        ACT_SET,
        ACT_SET_VERSION,
        ACT_SET_BULK,
        ACT_SET_ACL,
        ACT_GUARDED,
        ACT_DELETE,
        ACT_DELETE_VERSION,
        ACT_MULTI,
        ACT_MULTI_BROKEN,
        ACT_GET,
        ACT_GET_WATCH,
        ACT_EXISTS,
        ACT_EXISTS_WATCH,
        ACT_CHILDREN,
        ACT_CHILDREN_WATCH,
        ACT_GET_ACL,
        ACT_GUARDED_READ,
        ACT_AUTH,
        ACT_SYNC,
        ACT_ADD_WATCH,
        ACT_REMOVE_WATCH,
        ACT_CHECK_WATCH,
        ACT_DESCENDANTS,
        ACT_EPHEMERALS,
        ACT_WHO,
        /* trouble */
        ACT_CLOSE,
        ACT_MOVE,    /* to another server; the old connection ends */
        ACT_HAUNT,   /* likewise, but the old connection stays, and speaks */
        ACT_ABANDON, /* the session expires */
        ACT_SLEEP,   /* comes back when it must have expired */
        ACT_PRETEND, /* resumes with a wrong password first */
        ACT_MAX,
};

/* How the clients of one life behave. */
struct load_habits {
        uint32_t pause_ms; /* about so long between two requests */
        uint32_t depth;
        uint32_t weights[ACT_MAX];
        uint32_t names;           /* plain nodes have one of so many names */
        bool restores_watches;    /* setWatches after a new connection; else they are forgotten */
        bool guarded;             /* some nodes are not for everybody */
        bool bulky, bulk_at_once; /* some nodes become large, or are made so */
        bool quotas;
};

struct load_request {
        int32_t opcode;
        bool proves; /* that its session may write: see struct load_stand */
        struct history_entry e;
        struct history_entry subs[LOAD_SUBS_MAX];
};

/* A connection, and what is outstanding on it, oldest first. */
struct load_link {
        struct world_wire *wire; /* NULL: none */
        uint32_t conn;
        int64_t session;
        int sid;
        bool open;
        bool read_only; /* it is served so */
        uint8_t *in;
        size_t in_len, in_capacity;
        struct load_request *pending[LOAD_PENDING_MAX];
        size_t count;
        /* Whom it has authenticated as, a bit each, from the request on that comes next; packets whose answer is
         * still to come, and whether the last of them will be refused. */
        uint32_t users, auths;
        bool auth_fails;
};

/* In the order of setWatches2. */
enum load_list { LIST_DATA, LIST_EXIST, LIST_CHILD, LIST_PERSISTENT, LIST_RECURSIVE, LIST_MAX };

struct load_watch {
        text_id path;
        enum load_list list;
};

enum load_state { STATE_DOWN, STATE_CONNECTING, STATE_OPEN };

/* How a client stood when nothing was amiss any more, and what became of its last write. */
struct load_stand {
        int64_t session;
        uint32_t conn;
        bool answered;
        int32_t err; /* of the answer */
};

struct load_client {
        struct load *load;
        uint32_t number; /* from 1 */
        struct prng prng;
        enum load_state state;
        struct load_link link, ghost;
        int64_t session, seen;
        uint8_t passwd[16];
        int32_t wish_ms, timeout_ms, next_xid;
        bool closing, pretends;
        bool takes_read_only;    /* where there is no leader */
        bool local;              /* the session is that of a server in read-only mode */
        uint64_t enough_ms;      /* of that mode: then it looks for another server */
        bool only_reads;         /* whom no write of its own keeps waiting where there is no quorum */
        int last_sid, tried_sid; /* it was connected to; it dialled last */
        uint64_t call_us;        /* of the connect request */
        int64_t said_seen;
        /* By its own clock, which is late or early and slow or fast. */
        uint64_t clock_offset_ms;
        uint32_t clock_permille;
        uint64_t sent_ms, heard_ms, retry_ms, patience_ms;
        uint32_t ghost_left; /* requests it will still send there */
        int32_t versions[LOAD_HOT], aversions[LOAD_HOT];
        struct load_watch watches[LOAD_WATCHES_MAX];
        size_t watch_count;
        struct load_stand stand;
        bool leaderless; /* since it wants its session back there was no leader for a while */
        size_t setup_at; /* client 1 only */
        bool setup_asked;
};

struct load {

        struct world *world;
        struct history *history;
        struct verdict *verdict;
        struct load_habits habits;
        struct load_tally tally;
        struct load_client clients[LOAD_CLIENTS_MAX];
        size_t client_count;
        text_id hot[LOAD_HOT], plain[LOAD_PARENTS], sequential[LOAD_PARENTS], ephemeral[LOAD_PARENTS], container;
        text_id bulk[LOAD_BULK_NODES], guarded[LOAD_GUARDED];
        text_id quota[LOAD_QUOTAS][LOAD_QUOTA_NODES], limits[LOAD_QUOTAS]; /* nodes, and the texts of their limits */
        text_id known[LOAD_KNOWN];
        size_t known_count; /* ever */
        uint64_t values;    /* each that is written has a number of its own */
        uint32_t conns;
        uint64_t last_us; /* time stamps given in one millisecond differ */
        bool set_up;
        bool busy; /* clients do things; else they only finish what they have begun */
};

/* ---- load.c ---- */
uint64_t load__us(struct load *l);
uint64_t load__draw(struct load_client *a, uint64_t below);
/* By the client's clock. */
uint64_t load__client_ms(const struct load_client *a);
/* Makes the n-th node all work on; false: there is no such node. */
bool load__setup(const struct load *l, size_t n, text_id *ret);
/* What it must hold, TEXT_ABSENT if that is no matter. */
text_id load__setup_data(const struct load *l, text_id path);

/* ---- load_act.c ---- */
void load__act(struct load_client *a);
/* A request on a connection whose session is elsewhere by now. */
void load__ghost_speaks(struct load_client *a);
void load__setup_next(struct load_client *a);
void load__look(struct load_client *a);

/* ---- load_send.c: requests as bytes and as entries ---- */
struct load_request *load__ask(struct load_client *a, struct load_link *k, enum history_verb verb, int32_t opcode,
                               struct jute_writer *body);
void load__ping(struct load_client *a);
void load__set_watches(struct load_client *a);
void load__send(struct load_link *k, const struct jute_writer *frame);
struct load_op {
        enum history_verb verb;
        int32_t opcode;
        text_id path, data, acl;
        int32_t version;
        uint8_t flags;
        int32_t ttl_ms; /* of a create with CREATE_TTL */
        bool bulk;
};
struct load_request *load__send_op(struct load_client *a, struct load_link *k, const struct load_op *op);
void load__send_multi(struct load_client *a, struct load_link *k, const struct load_op *ops, size_t count);
void load__send_read(struct load_client *a, enum history_verb verb, int32_t opcode, text_id path, bool watch);
void load__send_who(struct load_client *a);
/* `opcode`: OP_ADD_WATCH, OP_REMOVE_WATCHES or OP_CHECK_WATCHES. */
void load__send_watch(struct load_client *a, int32_t opcode, text_id path, enum history_watch mode);
/* getData or getChildren of one node, twice in one multiRead: for the history they are one read. */
void load__send_multi_read(struct load_client *a, enum history_verb verb, text_id path);
void load__send_sync(struct load_client *a);
void load__send_close(struct load_client *a);
void load__send_auth(struct load_client *a);
/* The list of this number: 0 is open to all. */
text_id load__acl(struct load *l, uint32_t number);

/* ---- load_reply.c ---- */
/* A frame that came on a connection that is open. */
void load__frame(struct load_client *a, struct load_link *k, struct jute_reader *r);
/* The connection is over: what is outstanding has an unknown outcome. */
void load__link_over(struct load_client *a, struct load_link *k);

/* ---- load_record.c ---- */
struct history_stat load__stat(const struct jute_stat *s);
text_id load__acl_text(struct history *h, const struct jute_vec *acl);
text_id load__text(struct history *h, struct jute_str s);

#endif
