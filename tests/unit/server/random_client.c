#include "tests/unit/server/random_client.h"

#include "election/base/alloc.h"
#include "election/server/server_internal.h"
#include "tests/sim/world/world_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PING_XID        (-2)
#define SET_WATCHES_XID (-8)
#define EVENT_XID       (-1)
/* The watch on the children of /e0 stands behind those on the hot nodes' data. */
#define WATCH_SLOTS (RANDOM_HOT + 1)
#define CHILD_SLOT  RANDOM_HOT
#define CHILD_PATH  "/e0"

enum action {
        ACT_CREATE,
        ACT_SEQUENTIAL,
        ACT_EPHEMERAL,
        ACT_SET,
        ACT_SET_VERSION,
        ACT_MULTI,
        ACT_BROKEN,
        ACT_DELETE,
        ACT_GET,
        ACT_GET_WATCH,
        ACT_CHILDREN,
        ACT_EXISTS,
        ACT_SYNC,
        ACT_BULK,
        ACT_CLOSE,
        ACT_MOVE,
        ACT_ABANDON,
        ACT_MAX,
};
static_assert(sizeof(((struct random_habits *)NULL)->weights) == ACT_MAX * sizeof(uint32_t),
              "a weight for each action");

struct request {
        int32_t xid, opcode;
        size_t write; /* RANDOM_NONE for reads */
        int slot;     /* of a hot node, or CHILD_SLOT */
        bool watch;
        int32_t expected; /* version of a set, -1 any */
        int64_t floor;    /* the answer is at least this new */
        size_t target;    /* of an exists */
};

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_OPEN };

struct armed {
        bool on;
        int64_t zxid; /* mzxid (pzxid of a parent) it was set at */
};

struct random_client {
        struct world *world;
        struct chronicle *chronicle;
        const struct random_habits *habits;
        struct random_tally *tally;
        struct prng prng;
        enum link_state state;
        struct world_client *link, *ghost;
        size_t ghost_write;
        int32_t ghost_xid;
        int64_t ghost_epoch;
        int sid, last_sid;
        int64_t session, seen, sync_floor;
        uint8_t passwd[16];
        int32_t timeout_ms, next_xid;
        bool closing;
        struct request requests[RANDOM_DEPTH_MAX + RANDOM_HOT + 8];
        size_t count;
        uint64_t sent_ms, heard_ms, retry_ms, patience_ms;
        int32_t version[RANDOM_HOT]; /* last seen, -1 none */
        struct armed armed[WATCH_SLOTS];
};

static uint64_t draw(struct random_client *a, uint64_t below)
{
        return prng_next(&a->prng) % below;
}

struct random_client *random_client_new(struct world *w, struct chronicle *chronicle,
                                        const struct random_habits *habits, struct random_tally *tally, uint64_t seed)
{
        struct random_client *a = mem_zalloc(sizeof *a);
        a->world = w;
        a->chronicle = chronicle;
        a->habits = habits;
        a->tally = tally;
        a->prng.state = seed;
        a->patience_ms = 300 + draw(a, 1200);
        a->timeout_ms = 600 + (int32_t)draw(a, 2400);
        a->next_xid = 1;
        for (int i = 0; i < RANDOM_HOT; i++)
                a->version[i] = -1;
        return a;
}

void random_client_free(struct random_client *a)
{
        mem_free(a);
}

/* ---- links ---- */

static void link_put(struct world_client *c, const struct jute_writer *frame)
{
        uint8_t len[4] = {(uint8_t)(frame->len >> 24), (uint8_t)(frame->len >> 16), (uint8_t)(frame->len >> 8),
                          (uint8_t)frame->len};
        world__client_send(c, len, sizeof len);
        world__client_send(c, frame->data, frame->len);
}

static void link_close(struct world_client *c)
{
        if (!c || !c->stream)
                return;
        c->stream->end[0].open = false;
        c->stream->end[1].eof = true;
        c->stream->end[1].eof_status = 0;
        c->closed = true;
        c->stream = NULL;
}

/* The next whole frame; it stays where it is until bytes_take(ret_size). */
static bool link_frame(struct world_client *c, struct jute_reader *ret, size_t *ret_size)
{
        if (c->in.len < 4)
                return false;
        const uint8_t *p = c->in.data;
        uint32_t len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        if (c->in.len - 4 < len)
                return false;
        jute_reader_init(ret, p + 4, len, INT32_MAX);
        *ret_size = 4 + (size_t)len;
        return true;
}

static bool link_over(const struct world_client *c)
{
        return c->closed || !c->stream;
}

static void ghost_drop(struct random_client *a)
{
        if (a->ghost)
                a->tally->unknown++;
        link_close(a->ghost);
        a->ghost = NULL;
}

/* The connection is over: whatever was asked and not answered has an unknown outcome. */
static void lose(struct random_client *a)
{
        for (size_t i = 0; i < a->count; i++)
                a->tally->unknown += a->requests[i].write != RANDOM_NONE;
        a->count = 0;
        link_close(a->link);
        a->link = NULL;
        a->state = LINK_DOWN;
        a->sync_floor = 0;
        a->retry_ms = world_now(a->world) + draw(a, 60);
        if (a->closing) {
                /* Whether it was closed is not known: it expires if it wasn't. */
                a->closing = false;
                a->session = 0;
        }
        if (!a->session || !a->habits->restores_watches)
                memset(a->armed, 0, sizeof a->armed);
}

static void forget_session(struct random_client *a)
{
        a->session = 0;
        a->seen = 0;
        ghost_drop(a);
        memset(a->armed, 0, sizeof a->armed);
}

static void connect_to(struct random_client *a, int sid)
{
        struct world_client *c = mem_zalloc(sizeof *c);
        c->world = a->world;
        list_push(&a->world->clients, &c->link);
        c->stream = world__client_stream(a->world, sid, c);
        if (!c->stream) {
                a->retry_ms = world_now(a->world) + 1 + draw(a, 60);
                return;
        }
        static const uint8_t none[16] = {0};
        struct jute_connect_request q = {.timeout = a->timeout_ms,
                                         .session_id = a->session,
                                         .last_zxid_seen = a->seen,
                                         .passwd = jute_str_of(a->session ? a->passwd : none, 16),
                                         .has_read_only = true};
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_connect_request(&body, &q);
        link_put(c, &body);
        jute_writer_done(&body);
        a->link = c;
        a->sid = sid;
        a->state = LINK_CONNECTING;
        a->heard_ms = world_now(a->world);
}

static int some_server(struct random_client *a)
{
        int sid = 1 + (int)draw(a, (uint64_t)a->world->count);
        /* Nobody accepts for a frozen one here; its present clients are enough. */
        return a->world->nodes[sid].frozen ? 0 : sid;
}

/* ---- sending ---- */

static void send_body(struct random_client *a, struct world_client *link, int32_t xid, int32_t opcode,
                      struct jute_writer *body)
{
        struct jute_writer w;
        struct jute_request_header h = {.xid = xid, .type = opcode};
        jute_writer_init(&w, SIZE_MAX);
        jute_put_request_header(&w, &h);
        jute_put_raw(&w, body->data, body->len);
        link_put(link, &w);
        jute_writer_done(&w);
        jute_writer_done(body);
        a->sent_ms = world_now(a->world);
}

static struct request *push(struct random_client *a, int32_t xid, int32_t opcode, struct jute_writer *body)
{
        struct request *q = &a->requests[a->count++];
        *q = (struct request){
                .xid = xid, .opcode = opcode, .write = RANDOM_NONE, .expected = -1, .floor = a->sync_floor};
        send_body(a, a->link, xid, opcode, body);
        return q;
}

static void put_create(struct jute_writer *body, const char *path, const char *data, int32_t flags)
{
        struct jute_writer acl;
        struct jute_acl open = {.perms = 31, .id = {.scheme = jute_cstr("world"), .id = jute_cstr("anyone")}};
        jute_writer_init(&acl, SIZE_MAX);
        jute_put_acl(&acl, &open);
        struct jute_create_request q = {.path = jute_cstr(path),
                                        .data = jute_cstr(data),
                                        .acl = {.data = acl.data, .size = acl.len, .count = 1},
                                        .flags = flags};
        jute_put_create_request(body, &q);
        jute_writer_done(&acl);
}

static void put_set(struct jute_writer *body, int hot, const char *data, int32_t version)
{
        char path[RANDOM_PATH_MAX];
        (void)snprintf(path, sizeof path, "/h%d", hot);
        struct jute_set_data_request q = {.path = jute_cstr(path), .data = jute_cstr(data), .version = version};
        jute_put_set_data_request(body, &q);
}

static size_t note_write(struct random_client *a, enum write_kind kind, const char *path, char data[RANDOM_PATH_MAX])
{
        size_t n = chronicle_write(a->chronicle, kind, a->session, path);
        (void)snprintf(data, RANDOM_PATH_MAX, "w%zu", n);
        return n;
}

static void act_create(struct random_client *a, enum write_kind kind)
{
        static const char parents[] = {[WRITE_CREATE] = 'u', [WRITE_SEQUENTIAL] = 's', [WRITE_EPHEMERAL] = 'e'};
        char path[RANDOM_PATH_MAX], data[RANDOM_PATH_MAX];
        bool sequential = kind == WRITE_SEQUENTIAL || (kind == WRITE_EPHEMERAL && draw(a, 2));
        int32_t flags = (kind == WRITE_EPHEMERAL) | (sequential ? 2 : 0);
        int parent = (int)draw(a, RANDOM_PARENTS);
        (void)snprintf(path, sizeof path, sequential ? "/%c%d/q-" : "/%c%d/n%zu", parents[kind], parent,
                       a->chronicle->write_count);
        size_t n = note_write(a, kind, path, data);
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        put_create(&body, path, data, flags);
        push(a, a->next_xid++, OP_CREATE, &body)->write = n;
}

static void act_set(struct random_client *a, bool versioned)
{
        char path[RANDOM_PATH_MAX], data[RANDOM_PATH_MAX];
        int hot = (int)draw(a, RANDOM_HOT);
        int32_t expected = versioned ? a->version[hot] : -1;
        (void)snprintf(path, sizeof path, "/h%d", hot);
        size_t n = note_write(a, WRITE_SET, path, data);
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        put_set(&body, hot, data, expected);
        struct request *q = push(a, a->next_xid++, OP_SET_DATA, &body);
        q->write = n;
        q->slot = hot;
        q->expected = expected;
}

static void act_bulk(struct random_client *a)
{
        char path[RANDOM_PATH_MAX], name[RANDOM_PATH_MAX];
        (void)snprintf(path, sizeof path, "/b%d", (int)draw(a, RANDOM_BULK_NODES));
        size_t n = note_write(a, WRITE_SET, path, name);
        uint8_t *data = mem_zalloc(RANDOM_BULK_BYTES);
        (void)snprintf((char *)data, RANDOM_BULK_BYTES, "%s", name);
        struct jute_set_data_request q = {
                .path = jute_cstr(path), .data = jute_str_of(data, RANDOM_BULK_BYTES), .version = -1};
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_set_data_request(&body, &q);
        mem_free(data);
        struct request *r = push(a, a->next_xid++, OP_SET_DATA, &body);
        r->write = n;
        r->slot = -1;
}

static void put_op(struct jute_writer *body, int32_t type, bool done)
{
        struct jute_multi_header h = {.type = type, .done = done, .err = -1};
        jute_put_multi_header(body, &h);
}

/* Two nodes and a hot one, all or nothing. */
static void act_multi(struct random_client *a, bool broken)
{
        char hot_path[RANDOM_PATH_MAX], data[RANDOM_PATH_MAX], path[RANDOM_PATH_MAX];
        int hot = (int)draw(a, RANDOM_HOT);
        (void)snprintf(hot_path, sizeof hot_path, "/h%d", hot);
        size_t n = note_write(a, broken ? WRITE_BROKEN : WRITE_MULTI, hot_path, data);
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        for (int i = 0; i < 2; i++) {
                (void)snprintf(path, sizeof path, "/u%zu/m%zu%c", n % RANDOM_PARENTS, n, 'a' + i);
                put_op(&body, OP_CREATE, false);
                put_create(&body, path, data, 0);
                if (i == 0) {
                        put_op(&body, OP_SET_DATA, false);
                        put_set(&body, hot, data, -1);
                }
        }
        struct jute_path_version check = {.path = jute_cstr(hot_path), .version = 1000000};
        if (broken) {
                put_op(&body, OP_CHECK, false);
                jute_put_path_version(&body, &check);
        }
        put_op(&body, -1, true);
        struct request *q = push(a, a->next_xid++, OP_MULTI, &body);
        q->write = n;
        q->slot = hot;
}

/* A node that was acknowledged to anybody, if chance finds one that will do. */
static size_t some_created(struct random_client *a, bool own_ephemerals)
{
        const struct chronicle *c = a->chronicle;
        for (int tries = 0; tries < 8 && c->write_count; tries++) {
                size_t n = (size_t)draw(a, c->write_count);
                const struct write *w = &c->writes[n];
                bool kind = w->kind == WRITE_CREATE ||
                            (own_ephemerals && w->kind == WRITE_EPHEMERAL && w->session == a->session);
                if (kind && w->state == WRITE_ACKED && !w->deleted)
                        return n;
        }
        return RANDOM_NONE;
}

static void act_delete(struct random_client *a)
{
        size_t target = some_created(a, true);
        if (target == RANDOM_NONE)
                return;
        char data[RANDOM_PATH_MAX], path[RANDOM_PATH_MAX];
        (void)snprintf(path, sizeof path, "%s", a->chronicle->writes[target].path);
        size_t n = note_write(a, WRITE_DELETE, path, data);
        a->chronicle->writes[target].deleted = true;
        a->chronicle->writes[n].target = target;
        struct jute_writer body;
        struct jute_path_version q = {.path = jute_cstr(path), .version = draw(a, 2) ? 0 : -1};
        jute_writer_init(&body, SIZE_MAX);
        jute_put_path_version(&body, &q);
        push(a, a->next_xid++, OP_DELETE, &body)->write = n;
}

static void read_slot(struct random_client *a, int slot, bool watch)
{
        char path[RANDOM_PATH_MAX];
        (void)snprintf(path, sizeof path, "/h%d", slot);
        struct jute_path_watch q = {.path = jute_cstr(slot == CHILD_SLOT ? CHILD_PATH : path), .watch = watch};
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_path_watch(&body, &q);
        struct request *r = push(a, a->next_xid++, slot == CHILD_SLOT ? OP_GET_CHILDREN2 : OP_GET_DATA, &body);
        r->slot = slot;
        r->watch = watch;
}

static void act_exists(struct random_client *a)
{
        size_t target = some_created(a, false);
        if (target == RANDOM_NONE)
                return;
        struct jute_path_watch q = {.path = jute_cstr(a->chronicle->writes[target].path)};
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_path_watch(&body, &q);
        push(a, a->next_xid++, OP_EXISTS, &body)->target = target;
}

static void act_sync(struct random_client *a)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_cstr(&body, "/");
        (void)push(a, a->next_xid++, OP_SYNC, &body);
        /* What is read behind it is at least as new as what anybody was shown before it. */
        a->sync_floor = a->chronicle->shown;
}

static void act_close(struct random_client *a)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        (void)push(a, a->next_xid++, OP_CLOSE_SESSION, &body);
        a->closing = true;
}

/* To another server; the old connection may stay and speak once more (safety S6). */
static void act_move(struct random_client *a)
{
        struct world_client *old = a->link;
        bool ghost = a->habits->keeps_ghosts && !a->ghost && a->count == 0;
        if (ghost)
                a->link = NULL;
        lose(a);
        if (ghost) {
                a->ghost = old;
                a->ghost_write = RANDOM_NONE;
        }
        a->retry_ms = world_now(a->world);
}

static void act(struct random_client *a, enum action action)
{
        switch (action) {
        case ACT_CREATE:
        case ACT_SEQUENTIAL:
        case ACT_EPHEMERAL:
                act_create(a, action == ACT_CREATE       ? WRITE_CREATE
                              : action == ACT_SEQUENTIAL ? WRITE_SEQUENTIAL
                                                         : WRITE_EPHEMERAL);
                break;
        case ACT_SET:
        case ACT_SET_VERSION:
                act_set(a, action == ACT_SET_VERSION);
                break;
        case ACT_MULTI:
        case ACT_BROKEN:
                act_multi(a, action == ACT_BROKEN);
                break;
        case ACT_DELETE:
                act_delete(a);
                break;
        case ACT_GET:
        case ACT_GET_WATCH:
                read_slot(a, (int)draw(a, RANDOM_HOT), action == ACT_GET_WATCH);
                break;
        case ACT_CHILDREN:
                read_slot(a, CHILD_SLOT, true);
                break;
        case ACT_EXISTS:
                act_exists(a);
                break;
        case ACT_SYNC:
                act_sync(a);
                break;
        case ACT_BULK:
                act_bulk(a);
                break;
        case ACT_CLOSE:
                act_close(a);
                break;
        case ACT_MOVE:
                act_move(a);
                break;
        case ACT_ABANDON:
                lose(a);
                forget_session(a);
                break;
        case ACT_MAX:
                break;
        }
}

static void act_somehow(struct random_client *a)
{
        uint64_t sum = 0;
        for (int i = 0; i < ACT_MAX; i++)
                sum += a->habits->weights[i];
        uint64_t at = draw(a, sum);
        for (int i = 0; i < ACT_MAX; i++) {
                if (at < a->habits->weights[i]) {
                        act(a, (enum action)i);
                        return;
                }
                at -= a->habits->weights[i];
        }
}

static void ping(struct random_client *a)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        (void)push(a, PING_XID, OP_PING, &body);
}

static void put_paths(struct jute_writer *body, const struct random_client *a, int from, int to)
{
        int32_t count = 0;
        for (int i = from; i < to; i++)
                count += a->armed[i].on;
        jute_put_int(body, count);
        for (int i = from; i < to; i++) {
                char path[RANDOM_PATH_MAX];
                (void)snprintf(path, sizeof path, "/h%d", i);
                if (a->armed[i].on)
                        jute_put_cstr(body, i == CHILD_SLOT ? CHILD_PATH : path);
        }
}

static void restore_watches(struct random_client *a)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_long(&body, a->seen);
        put_paths(&body, a, 0, RANDOM_HOT);
        jute_put_int(&body, 0);
        put_paths(&body, a, CHILD_SLOT, WATCH_SLOTS);
        (void)push(a, SET_WATCHES_XID, OP_SET_WATCHES, &body);
        a->tally->restored++;
}

/* ---- answers ---- */

static int64_t newest_epoch(const struct random_client *a)
{
        int64_t epoch = 0;
        for (int sid = 1; sid <= a->world->count; sid++) {
                const struct world_node *n = &a->world->nodes[sid];
                if (n->running && zab_current_epoch(n->server->zab) > epoch)
                        epoch = zab_current_epoch(n->server->zab);
        }
        return epoch;
}

/* The session belongs to the new connection now: a write on the old one must not be done, unless another leader,
 * who does not know, is asked. */
static void ghost_speaks(struct random_client *a)
{
        char data[RANDOM_PATH_MAX];
        struct jute_writer body;
        if (link_over(a->ghost)) {
                ghost_drop(a);
                return;
        }
        a->ghost_write = note_write(a, WRITE_SET, "/h0", data);
        a->ghost_xid = a->next_xid++;
        a->ghost_epoch = newest_epoch(a);
        jute_writer_init(&body, SIZE_MAX);
        put_set(&body, 0, data, -1);
        send_body(a, a->ghost, a->ghost_xid, OP_SET_DATA, &body);
        a->tally->ghosts++;
}

static void connected(struct random_client *a, struct jute_reader *r)
{
        struct jute_connect_response reply;
        jute_get_connect_response(r, &reply);
        if (r->error)
                chronicle_fail(a->chronicle, "a connect response that can't be read");
        if (reply.timeout <= 0) {
                if (!a->session)
                        chronicle_fail(a->chronicle, "a new session was refused");
                chronicle_session_gone(a->chronicle, a->session);
                a->tally->expired++;
                lose(a);
                forget_session(a);
                return;
        }
        bool resumed = a->session != 0;
        if (resumed && reply.session_id != a->session)
                chronicle_fail(a->chronicle, "session %" PRIx64 " was resumed as %" PRIx64, (uint64_t)a->session,
                               (uint64_t)reply.session_id);
        if (!resumed) {
                chronicle_session(a->chronicle, reply.session_id);
                a->seen = 0;
        }
        a->tally->moved += resumed && a->last_sid != a->sid;
        a->last_sid = a->sid;
        a->session = reply.session_id;
        memcpy(a->passwd, reply.passwd.data, sizeof a->passwd);
        a->state = LINK_OPEN;
        if (resumed && a->ghost)
                ghost_speaks(a);
        bool any = false;
        for (int i = 0; i < WATCH_SLOTS; i++)
                any |= a->armed[i].on;
        if (any)
                restore_watches(a);
}

static void on_event(struct random_client *a, struct jute_reader *r)
{
        struct jute_watcher_event e;
        jute_get_watcher_event(r, &e);
        int slot = -1;
        for (int i = 0; i < RANDOM_HOT; i++) {
                char path[RANDOM_PATH_MAX];
                (void)snprintf(path, sizeof path, "/h%d", i);
                if (jute_str_is(e.path, path) && e.type == EVENT_NODE_DATA_CHANGED)
                        slot = i;
        }
        if (jute_str_is(e.path, CHILD_PATH) && e.type == EVENT_NODE_CHILDREN_CHANGED)
                slot = CHILD_SLOT;
        if (slot < 0 || !a->armed[slot].on) {
                chronicle_fail(a->chronicle, "an event (type %d) of %.*s that nobody watches", e.type, e.path.len,
                               (const char *)e.path.data);
                return;
        }
        a->armed[slot].on = false;
        a->tally->events++;
}

/* A changed node is not shown to whoever watches it before the event (safety W3, W5). */
static void check_watch(struct random_client *a, const struct request *q, int64_t changed)
{
        struct armed *w = &a->armed[q->slot];
        if (w->on && w->zxid != changed)
                chronicle_fail(a->chronicle,
                               "slot %d was watched as of %" PRIx64 " and shows %" PRIx64 " without an event", q->slot,
                               (uint64_t)w->zxid, (uint64_t)changed);
        if (q->watch)
                *w = (struct armed){.on = true, .zxid = changed};
}

static void on_data(struct random_client *a, const struct request *q, int64_t zxid, struct jute_reader *r)
{
        struct jute_get_data_response reply;
        char data[RANDOM_PATH_MAX];
        jute_get_get_data_response(r, &reply);
        (void)snprintf(data, sizeof data, "%.*s", reply.data.len, (const char *)reply.data.data);
        chronicle_read(a->chronicle, q->slot, zxid, reply.stat.mzxid, reply.stat.version, data);
        a->version[q->slot] = reply.stat.version;
        check_watch(a, q, reply.stat.mzxid);
}

static void on_children(struct random_client *a, const struct request *q, struct jute_reader *r)
{
        struct jute_get_children2_response reply;
        jute_get_get_children2_response(r, &reply);
        check_watch(a, q, reply.stat.pzxid);
}

static void on_read(struct random_client *a, const struct request *q, const struct jute_reply_header *h,
                    struct jute_reader *r)
{
        if (h->zxid < q->floor)
                chronicle_fail(a->chronicle, "read at %" PRIx64 " behind a sync that was asked for after %" PRIx64,
                               (uint64_t)h->zxid, (uint64_t)q->floor);
        if (q->opcode == OP_EXISTS) {
                const struct write *w = &a->chronicle->writes[q->target];
                if (h->err == ZK_NO_NODE && h->zxid >= w->zxid && !w->deleted)
                        chronicle_fail(a->chronicle, "%s of %" PRIx64 " is missing at %" PRIx64, w->path,
                                       (uint64_t)w->zxid, (uint64_t)h->zxid);
                return;
        }
        if (h->err)
                chronicle_fail(a->chronicle, "a read failed with %d", h->err);
        else if (q->opcode == OP_GET_DATA)
                on_data(a, q, h->zxid, r);
        else if (q->opcode == OP_GET_CHILDREN2)
                on_children(a, q, r);
}

/* Whether this kind of write may be refused so. */
static bool may_refuse(const struct random_client *a, const struct request *q, int32_t err)
{
        if (err == ZK_SESSION_EXPIRED || err == ZK_SESSION_MOVED)
                return true;
        if (err == ZK_BAD_VERSION)
                return q->opcode == OP_SET_DATA && q->expected >= 0;
        return a->chronicle->writes[q->write].kind == WRITE_BROKEN && q->opcode == OP_MULTI;
}

static int32_t multi_version(struct random_client *a, struct jute_reader *r, int64_t zxid)
{
        struct jute_multi_header h;
        struct jute_stat stat = {0};
        jute_get_multi_header(r, &h);
        (void)jute_get_str(r);
        jute_get_multi_header(r, &h);
        jute_get_stat(r, &stat);
        if (r->error || h.type != OP_SET_DATA || stat.mzxid != zxid)
                chronicle_fail(a->chronicle, "a multi's reply is not its own");
        return stat.version;
}

static void on_acked(struct random_client *a, const struct request *q, int64_t zxid, struct jute_reader *r)
{
        char path[RANDOM_PATH_MAX];
        struct jute_stat stat = {0};
        struct jute_str s;
        a->tally->acked++;
        switch (q->opcode) {
        case OP_CREATE:
                s = jute_get_str(r);
                (void)snprintf(path, sizeof path, "%.*s", s.len, (const char *)s.data);
                chronicle_acked(a->chronicle, q->write, zxid, path, 0);
                break;
        case OP_SET_DATA:
                jute_get_stat(r, &stat);
                if (stat.mzxid != zxid || (q->expected >= 0 && stat.version != q->expected + 1))
                        chronicle_fail(a->chronicle, "setData's reply is not its own");
                if (q->slot >= 0)
                        a->version[q->slot] = stat.version;
                chronicle_acked(a->chronicle, q->write, zxid, NULL, stat.version);
                break;
        case OP_MULTI:
                chronicle_acked(a->chronicle, q->write, zxid, NULL, multi_version(a, r, zxid));
                break;
        default:
                chronicle_acked(a->chronicle, q->write, zxid, NULL, 0);
                break;
        }
        if (r->error)
                chronicle_fail(a->chronicle, "a reply that can't be read");
}

/* A multi that fails has err 0 in its header (client-protocol.md 4): its results tell. */
static bool multi_failed(struct jute_reader r)
{
        struct jute_multi_header h;
        jute_get_multi_header(&r, &h);
        return h.type == OP_ERROR;
}

static void on_write(struct random_client *a, const struct request *q, const struct jute_reply_header *h,
                     struct jute_reader *r)
{
        int32_t err = h->err;
        if (!err && q->opcode == OP_MULTI && multi_failed(*r))
                err = ZK_RUNTIME_INCONSISTENCY;
        if (!err) {
                on_acked(a, q, h->zxid, r);
                return;
        }
        if (!may_refuse(a, q, err))
                chronicle_fail(a->chronicle, "write of %s was refused with %d", a->chronicle->writes[q->write].path,
                               err);
        if (err == ZK_BAD_VERSION)
                chronicle_version_refused(a->chronicle, q->slot, q->expected);
        chronicle_refused(a->chronicle, q->write, h->zxid);
}

static void on_reply(struct random_client *a, const struct jute_reply_header *h, struct jute_reader *r)
{
        if (!a->count || a->requests[0].xid != h->xid) {
                chronicle_fail(a->chronicle, "reply to %d, expected %d", h->xid, a->count ? a->requests[0].xid : 0);
                return;
        }
        struct request q = a->requests[0];
        memmove(a->requests, a->requests + 1, --a->count * sizeof *a->requests);
        if (h->zxid > 0 && h->zxid < a->seen)
                chronicle_fail(a->chronicle, "session %" PRIx64 " was shown %" PRIx64 " after %" PRIx64 " (xid %d)",
                               (uint64_t)a->session, (uint64_t)h->zxid, (uint64_t)a->seen, h->xid);
        if (h->zxid > a->seen)
                a->seen = h->zxid;
        if (q.write != RANDOM_NONE) {
                on_write(a, &q, h, r);
        } else if (q.opcode == OP_CLOSE_SESSION) {
                chronicle_session_gone(a->chronicle, a->session);
                a->closing = false;
                lose(a);
                forget_session(a);
        } else if (q.opcode != OP_PING && q.opcode != OP_SET_WATCHES && q.opcode != OP_SYNC) {
                on_read(a, &q, h, r);
        } else if (h->err) {
                chronicle_fail(a->chronicle, "opcode %d failed with %d", q.opcode, h->err);
        }
}

static void hear(struct random_client *a)
{
        struct jute_reader r;
        size_t size;
        while (a->link && link_frame(a->link, &r, &size)) {
                struct world_client *link = a->link;
                struct jute_reply_header h;
                a->heard_ms = world_now(a->world);
                if (a->state == LINK_CONNECTING) {
                        connected(a, &r);
                } else {
                        jute_get_reply_header(&r, &h);
                        if (h.xid == EVENT_XID)
                                on_event(a, &r);
                        else
                                on_reply(a, &h, &r);
                }
                bytes_take(&link->in, size);
        }
}

static void ghost_hear(struct random_client *a)
{
        struct jute_reader r;
        size_t size;
        while (a->ghost && link_frame(a->ghost, &r, &size)) {
                struct jute_reply_header h;
                jute_get_reply_header(&r, &h);
                if (a->ghost_write != RANDOM_NONE && h.xid == a->ghost_xid) {
                        struct request q = {.opcode = OP_SET_DATA, .write = a->ghost_write, .expected = -1};
                        if (!h.err && h.zxid >> 32 == a->ghost_epoch)
                                chronicle_fail(a->chronicle, "session %" PRIx64 " wrote over a connection it had left",
                                               (uint64_t)a->session);
                        on_write(a, &q, &h, &r);
                        a->ghost_write = RANDOM_NONE;
                }
                bytes_take(&a->ghost->in, size);
        }
        if (a->ghost && link_over(a->ghost))
                ghost_drop(a);
}

/* ---- one millisecond ---- */

static void open_step(struct random_client *a, bool busy)
{
        uint64_t now = world_now(a->world);
        if (a->count && now - (a->heard_ms > a->sent_ms ? a->heard_ms : a->sent_ms) > a->patience_ms) {
                lose(a);
                return;
        }
        if (busy && !a->closing && a->count < a->habits->depth && !draw(a, a->habits->pause_ms))
                act_somehow(a);
        else if (!a->count && now - a->sent_ms > (uint64_t)a->timeout_ms / 3)
                ping(a);
}

void random_client_step(struct random_client *a, bool busy)
{
        uint64_t now = world_now(a->world);
        hear(a);
        ghost_hear(a);
        if (a->link && link_over(a->link))
                lose(a);
        switch (a->state) {
        case LINK_DOWN: {
                int sid = now >= a->retry_ms ? some_server(a) : 0;
                if (sid)
                        connect_to(a, sid);
                break;
        }
        case LINK_CONNECTING:
                if (now - a->heard_ms > a->patience_ms)
                        lose(a);
                break;
        case LINK_OPEN:
                open_step(a, busy);
                break;
        }
}

bool random_client_idle(const struct random_client *a)
{
        return a->state == LINK_OPEN && !a->count;
}

void random_client_look(struct random_client *a)
{
        if (a->state != LINK_OPEN)
                return;
        act_sync(a);
        for (int i = 0; i < WATCH_SLOTS; i++)
                read_slot(a, i, false);
}
