/* Conversations with a whole server, in the steps of fuzz_client_port.c, fuzz_leader.c and fuzz_learner.c. */
#include "tests/fuzz/seeds.h"

#include "election/tree/database.h"

#include <stdio.h>
#include <string.h>

/* ---- the client port ---- */

enum { PORT_SAY, PORT_FRAME, PORT_REQUEST, PORT_OPEN, PORT_RESUME, PORT_HANG_UP, PORT_PASS };
/* Places in opcodes[] of fuzz_client_port.c. */
enum {
        AT_CREATE,
        AT_DELETE,
        AT_EXISTS,
        AT_GET_DATA,
        AT_SET_DATA,
        AT_GET_ACL,
        AT_SET_ACL,
        AT_GET_CHILDREN,
        AT_SYNC,
        AT_PING,
        AT_GET_CHILDREN2,
        AT_CHECK,
        AT_MULTI,
        AT_CREATE2,
        AT_RECONFIG,
        AT_CHECK_WATCHES,
        AT_REMOVE_WATCHES,
        AT_CREATE_CONTAINER,
        AT_DELETE_CONTAINER,
        AT_CREATE_TTL,
        AT_MULTI_READ,
        AT_AUTH,
        AT_SET_WATCHES,
        AT_SASL,
        AT_GET_EPHEMERALS,
        AT_GET_ALL_CHILDREN_NUMBER,
        AT_SET_WATCHES2,
        AT_ADD_WATCH,
        AT_WHO_AM_I,
        AT_CLOSE_SESSION
};

static void put_request(struct jute_writer *w, int at, struct jute_writer *body)
{
        jute_put_byte(w, PORT_REQUEST);
        jute_put_byte(w, (uint8_t)at);
        seed_piece_of(w, body);
}

static void put_create(struct jute_writer *b, const char *path, int32_t flags)
{
        jute_put_create_request(
                b, &(struct jute_create_request){
                           .path = jute_cstr(path), .data = jute_cstr("data"), .acl = seed_acl(), .flags = flags});
}

static void put_writes(struct jute_writer *w, struct jute_writer *b)
{
        put_create(b, "/a", 0);
        put_request(w, AT_CREATE, b);
        put_create(b, "/a/s-", 3);
        put_request(w, AT_CREATE2, b);
        jute_put_set_data_request(
                b, &(struct jute_set_data_request){.path = jute_cstr("/a"), .data = jute_cstr("x"), .version = 0});
        put_request(w, AT_SET_DATA, b);
        jute_put_set_acl_request(
                b, &(struct jute_set_acl_request){.path = jute_cstr("/a"), .acl = seed_acl(), .version = -1});
        put_request(w, AT_SET_ACL, b);
        put_create(b, "/c", 4);
        put_request(w, AT_CREATE_CONTAINER, b);
        jute_put_create_ttl_request(
                b, &(struct jute_create_ttl_request){
                           .path = jute_cstr("/t"), .data = jute_cstr(""), .acl = seed_acl(), .flags = 5, .ttl = 1000});
        put_request(w, AT_CREATE_TTL, b);
        jute_put_multi_header(b, &(struct jute_multi_header){.type = OP_CREATE, .err = -1});
        put_create(b, "/m", 0);
        jute_put_multi_header(b, &(struct jute_multi_header){.type = OP_CHECK, .err = -1});
        jute_put_path_version(b, &(struct jute_path_version){.path = jute_cstr("/a"), .version = 1});
        jute_put_multi_header(b, &(struct jute_multi_header){.type = OP_DELETE, .err = -1});
        jute_put_path_version(b, &(struct jute_path_version){.path = jute_cstr("/m"), .version = -1});
        jute_put_multi_header(b, &(struct jute_multi_header){.type = OP_ERROR, .done = true, .err = -1});
        put_request(w, AT_MULTI, b);
}

static void put_reads(struct jute_writer *w, struct jute_writer *b)
{
        static const int watched[] = {AT_EXISTS, AT_GET_DATA, AT_GET_CHILDREN, AT_GET_CHILDREN2};
        static const int pathed[] = {AT_GET_ACL, AT_SYNC, AT_GET_EPHEMERALS, AT_GET_ALL_CHILDREN_NUMBER};
        for (size_t i = 0; i < 4; i++) {
                jute_put_path_watch(b, &(struct jute_path_watch){.path = jute_cstr("/a"), .watch = true});
                put_request(w, watched[i], b);
                jute_put_cstr(b, "/a");
                put_request(w, pathed[i], b);
        }
        jute_put_multi_header(b, &(struct jute_multi_header){.type = OP_GET_DATA, .err = -1});
        jute_put_path_watch(b, &(struct jute_path_watch){.path = jute_cstr("/a")});
        jute_put_multi_header(b, &(struct jute_multi_header){.type = OP_GET_CHILDREN, .err = -1});
        jute_put_path_watch(b, &(struct jute_path_watch){.path = jute_cstr("/")});
        jute_put_multi_header(b, &(struct jute_multi_header){.type = OP_ERROR, .done = true, .err = -1});
        put_request(w, AT_MULTI_READ, b);
        put_request(w, AT_PING, b);
        put_request(w, AT_WHO_AM_I, b);
}

static void put_vectors(struct jute_writer *b, int count)
{
        jute_put_long(b, 0);
        for (int i = 0; i < count; i++) {
                jute_put_int(b, 1);
                jute_put_cstr(b, i % 2 ? "/none" : "/a");
        }
}

static void put_rest(struct jute_writer *w, struct jute_writer *b)
{
        jute_put_auth_packet(
                b, &(struct jute_auth_packet){.scheme = jute_cstr("digest"), .auth = jute_cstr("user:secret")});
        put_request(w, AT_AUTH, b);
        put_vectors(b, 3);
        put_request(w, AT_SET_WATCHES, b);
        put_vectors(b, 5);
        put_request(w, AT_SET_WATCHES2, b);
        jute_put_path_type(b, &(struct jute_path_type){.path = jute_cstr("/a"), .type = 1});
        put_request(w, AT_ADD_WATCH, b);
        jute_put_path_type(b, &(struct jute_path_type){.path = jute_cstr("/a"), .type = 3});
        put_request(w, AT_CHECK_WATCHES, b);
        jute_put_path_type(b, &(struct jute_path_type){.path = jute_cstr("/a"), .type = 3});
        put_request(w, AT_REMOVE_WATCHES, b);
        jute_put_reconfig_request(b, &(struct jute_reconfig_request){.joining = jute_cstr("server.2=a:1:2;3"),
                                                                     .leaving = {.len = -1},
                                                                     .new_members = {.len = -1},
                                                                     .cur_config_id = -1});
        put_request(w, AT_RECONFIG, b);
        jute_put_cstr(b, "token");
        put_request(w, AT_SASL, b);
        jute_put_path_version(b, &(struct jute_path_version){.path = jute_cstr("/a"), .version = -1});
        put_request(w, AT_DELETE, b);
        put_request(w, AT_CLOSE_SESSION, b);
}

static void put_auth(struct jute_writer *w, struct jute_writer *b, const char *scheme, const char *data)
{
        jute_put_auth_packet(b, &(struct jute_auth_packet){.scheme = jute_cstr(scheme), .auth = jute_cstr(data)});
        put_request(w, AT_AUTH, b);
}

/* A node for whoever has authenticated, looked at by a stranger, and by the super user. */
static void client_port_users(void)
{
        struct jute_writer *w = seed_begin(), *b = seed_begin();
        jute_put_byte(w, PORT_OPEN);
        put_auth(w, b, "digest", "user:secret");
        jute_put_cstr(b, "/mine");
        jute_put_cstr(b, "data");
        jute_put_int(b, 2);
        jute_put_acl(b, &(struct jute_acl){.perms = 31, .id = {jute_cstr("auth"), jute_cstr("")}});
        jute_put_acl(b, &(struct jute_acl){.perms = 1, .id = {jute_cstr("ip"), jute_cstr("fd00::/8")}});
        jute_put_int(b, 0);
        put_request(w, AT_CREATE, b);
        jute_put_path_watch(b, &(struct jute_path_watch){.path = jute_cstr("/mine")});
        put_request(w, AT_GET_DATA, b);
        put_request(w, AT_WHO_AM_I, b);
        jute_put_byte(w, PORT_OPEN + 16);
        jute_put_byte(w, PORT_REQUEST + 16);
        jute_put_byte(w, AT_GET_ACL);
        jute_put_cstr(b, "/mine");
        seed_piece_of(w, b);
        jute_put_byte(w, PORT_REQUEST + 16);
        jute_put_byte(w, AT_AUTH);
        jute_put_auth_packet(
                b, &(struct jute_auth_packet){.scheme = jute_cstr("digest"), .auth = jute_cstr("super:admin")});
        seed_piece_of(w, b);
        jute_put_byte(w, PORT_REQUEST + 16);
        jute_put_byte(w, AT_GET_ACL);
        jute_put_cstr(b, "/mine");
        seed_piece_of(w, b);
        put_auth(w, b, "none", "");
        seed_end(w, "client_port", "users");
        seed_drop(b);
}

/* Watches that stay, of one connection, told of what another does; set again by a third that goes on with the session.
 */
static void watches(void)
{
        static const struct jute_path_type added[] = {{{.len = -1}, 0}, {{.len = -1}, 1}};
        struct jute_writer *w = seed_begin(), *b = seed_begin();
        jute_put_byte(w, PORT_OPEN);
        for (int i = 0; i < 4; i++) {
                struct jute_path_type v = added[i % 2];
                if (i < 3)
                        v.path = jute_cstr(i ? "/" : "/a");
                jute_put_path_type(b, &v);
                put_request(w, AT_ADD_WATCH, b);
        }
        jute_put_byte(w, PORT_OPEN + 16);
        put_create(b, "/a", 0);
        jute_put_byte(w, PORT_REQUEST + 16);
        jute_put_byte(w, AT_CREATE);
        seed_piece_of(w, b);
        put_create(b, "/a/b", 1);
        jute_put_byte(w, PORT_REQUEST + 16);
        jute_put_byte(w, AT_CREATE);
        seed_piece_of(w, b);
        for (int32_t type = 1; type <= 5; type++) {
                jute_put_path_type(b, &(struct jute_path_type){.path = jute_cstr("/a"), .type = type});
                put_request(w, AT_CHECK_WATCHES, b);
        }
        jute_put_path_type(b, &(struct jute_path_type){.path = jute_cstr("/"), .type = 5});
        put_request(w, AT_REMOVE_WATCHES, b);
        jute_put_byte(w, PORT_HANG_UP + 16);
        jute_put_byte(w, PORT_RESUME + 3 * 16);
        put_vectors(b, 5);
        jute_put_byte(w, PORT_REQUEST + 3 * 16);
        jute_put_byte(w, AT_SET_WATCHES2);
        seed_piece_of(w, b);
        jute_put_byte(w, PORT_PASS);
        seed_u16(w, 5000);
        seed_end(w, "client_port", "watches");
        seed_drop(b);
}

/* A container that has lost its child, and times to live that are over: the leader deletes them. */
static void put_sweeps(struct jute_writer *w, struct jute_writer *b)
{
        put_writes(w, b);
        put_create(b, "/c/a", 0);
        put_request(w, AT_CREATE, b);
        jute_put_path_version(b, &(struct jute_path_version){.path = jute_cstr("/c/a"), .version = -1});
        put_request(w, AT_DELETE, b);
        jute_put_byte(w, PORT_PASS);
        seed_u16(w, 2000);
        jute_put_path_watch(b, &(struct jute_path_watch){.path = jute_cstr("/c"), .watch = true});
        put_request(w, AT_EXISTS, b);
        jute_put_byte(w, PORT_PASS);
        seed_u16(w, 2000);
}

static void client_port(void)
{
        struct jute_writer *w = seed_begin(), *b = seed_begin();
        jute_put_byte(w, PORT_OPEN);
        put_writes(w, b);
        put_reads(w, b);
        seed_end(w, "client_port", "reads");
        w = seed_begin();
        jute_put_byte(w, PORT_OPEN);
        put_writes(w, b);
        put_rest(w, b);
        seed_end(w, "client_port", "rest");
        w = seed_begin();
        jute_put_byte(w, PORT_OPEN);
        jute_put_byte(w, PORT_OPEN + 16);
        put_create(b, "/e", 1);
        put_request(w, AT_CREATE, b);
        jute_put_byte(w, PORT_HANG_UP);
        jute_put_byte(w, PORT_RESUME + 3 * 16);
        jute_put_byte(w, PORT_PASS);
        seed_u16(w, 5000);
        seed_end(w, "client_port", "sessions");
        w = seed_begin();
        jute_put_byte(w, PORT_OPEN);
        put_sweeps(w, b);
        seed_end(w, "client_port", "sweeps");
        w = seed_begin();
        jute_put_byte(w, PORT_SAY);
        seed_piece(w, "stat", 4);
        jute_put_byte(w, PORT_SAY + 16);
        seed_piece(w, "\0\0\0\x2d\0\0", 6);
        jute_put_byte(w, PORT_FRAME + 32);
        seed_piece(w, "abc", 3);
        seed_end(w, "client_port", "bytes");
        seed_drop(b);
        client_port_users();
        watches();
}

static void four_letter(void)
{
        static const char words[][5] = {"conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "ruok", "stmk",
                                        "srst", "srvr", "stat", "wchc", "wchp", "wchs", "mntr", "isro", "hash"};
        struct jute_writer *w = seed_begin();
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
                jute_put_byte(w, (uint8_t)i);
                seed_piece(w, words[i], 4);
        }
        jute_put_byte(w, 0);
        seed_piece(w, "stmk\0\0\0\0\0\0\1\2", 12);
        jute_put_byte(w, 1);
        seed_piece(w, "\377\364\377\375", 4);
        seed_end(w, "four_letter", "all");
}

/* ---- the learner channel; its steps begin alike at the leader and at a learner ---- */

enum { QUORUM_SAY, QUORUM_PACKET, LEADER_HELLO, LEADER_JOIN, QUORUM_WRITE, QUORUM_SYNC, QUORUM_HANG_UP, QUORUM_PASS };
enum { LEARNER_PROPOSAL = 2, LEARNER_SERVE };

static void put_packet(struct jute_writer *w, int type, int epoch, int counter, const void *data, size_t len)
{
        jute_put_byte(w, QUORUM_PACKET);
        jute_put_byte(w, (uint8_t)type);
        jute_put_byte(w, (uint8_t)epoch);
        jute_put_byte(w, (uint8_t)counter);
        seed_piece(w, data, len);
}

static void put_pass(struct jute_writer *w, size_t ms)
{
        jute_put_byte(w, QUORUM_PASS);
        seed_u16(w, ms);
}

static void leader(void)
{
        static const uint8_t epoch[4] = {0, 0, 0, 1}, nobody[4] = {0xff, 0xff, 0xff, 0xff};
        char name[32];
        struct jute_writer *body = seed_begin();
        /* Joins from every stage, then all a learner may say. */
        for (int stage = 0; stage < 4; stage++) {
                struct jute_writer *w = seed_begin();
                jute_put_byte(w, (uint8_t)(stage << 6 | 5 << 1 | 1));
                if (stage == 0) {
                        jute_put_byte(w, LEADER_HELLO);
                        jute_put_byte(w, 0);
                }
                put_packet(w, QP_ACKEPOCH, 1, 3, epoch, sizeof epoch);
                put_packet(w, QP_ACK, 1, 0, NULL, 0);
                jute_put_byte(w, QUORUM_WRITE);
                put_packet(w, QP_ACK, 1, 7, NULL, 0);
                jute_put_long(body, 0x300000000);
                jute_put_int(body, 1);
                jute_put_int(body, OP_CREATE);
                jute_put_create_request(body, &(struct jute_create_request){.path = jute_cstr("/f"),
                                                                            .data = jute_cstr("d"),
                                                                            .acl = seed_acl()});
                put_packet(w, QP_REQUEST, 0, 0, body->data, body->len);
                jute_writer_reset(body);
                jute_put_long(body, 0x300000000);
                jute_put_int(body, 4000);
                put_packet(w, QP_REVALIDATE, 0, 0, body->data, body->len);
                put_packet(w, QP_PING, 1, 7, body->data, body->len);
                jute_writer_reset(body);
                jute_put_long(body, 1);
                jute_put_int(body, 1);
                jute_put_int(body, OP_SYNC);
                jute_put_cstr(body, "/");
                put_packet(w, QP_REQUEST, 0, 0, body->data, body->len);
                jute_writer_reset(body);
                jute_put_byte(w, QUORUM_SYNC);
                put_pass(w, 120);
                jute_put_byte(w, QUORUM_HANG_UP);
                put_pass(w, 1000);
                (void)snprintf(name, sizeof name, "stage-%d", stage);
                seed_end(w, "leader", name);
        }
        /* A snapshot for one that is not known; a truncation; one that is ahead. */
        static const int zxids[][2] = {{0, 99}, {1, 2}, {1, 200}, {7, 1}};
        for (size_t i = 0; i < sizeof zxids / sizeof *zxids; i++) {
                struct jute_writer *w = seed_begin();
                jute_put_byte(w, 1 << 6 | 7 << 1 | 1);
                put_packet(w, QP_ACKEPOCH, zxids[i][0], zxids[i][1], i == 0 ? nobody : epoch, 4);
                put_pass(w, 10);
                put_packet(w, QP_ACK, 1, 0, NULL, 0);
                put_pass(w, 300);
                (void)snprintf(name, sizeof name, "sync-%zu", i);
                seed_end(w, "leader", name);
        }
        struct jute_writer *w = seed_begin();
        jute_put_byte(w, 0);
        jute_put_byte(w, LEADER_JOIN);
        jute_put_byte(w, LEADER_JOIN + 16);
        jute_put_byte(w, QUORUM_WRITE);
        put_pass(w, 2000);
        seed_end(w, "leader", "join");
        seed_drop(body);
}

static void put_txn(struct jute_writer *w, int64_t zxid, const char *path)
{
        jute_put_txn_header(w, &(struct jute_txn_header){.session_id = 1, .cxid = 1, .zxid = zxid, .type = OP_CREATE});
        jute_put_create_txn(w, &(struct jute_create_txn){.path = jute_cstr(path),
                                                         .data = jute_cstr("data"),
                                                         .acl = seed_acl(),
                                                         .parent_cversion = (int32_t)zxid});
}

static void put_snapshot(struct jute_writer *w)
{
        struct database *db = database_new();
        struct jute_writer *txn = seed_begin(), *stream = seed_begin();
        put_txn(txn, 1, "/a");
        (void)database_apply(db, txn->data, txn->len, NULL);
        (void)database_snapshot_begin(db);
        while (database_snapshot_read(db, stream, 1000) > 0)
                ;
        database_snapshot_end(db);
        jute_put_cstr(stream, "BenWasHere"); /* quorum-protocol.md 3.5: its seal */
        jute_put_byte(w, QUORUM_SAY);
        seed_piece_of(w, stream);
        database_free(db);
        seed_drop(txn);
        seed_drop(stream);
}

static void put_proposal(struct jute_writer *w, int epoch, int counter)
{
        jute_put_byte(w, LEARNER_PROPOSAL);
        jute_put_byte(w, (uint8_t)epoch);
        jute_put_byte(w, (uint8_t)counter);
}

static void learner(void)
{
        struct jute_writer *body = seed_begin();
        struct jute_writer *w = seed_begin();
        jute_put_byte(w, 3);
        put_proposal(w, 1, 1);
        put_proposal(w, 1, 2);
        put_packet(w, QP_COMMIT, 1, 1, NULL, 0);
        put_packet(w, QP_PING, 1, 1, NULL, 0);
        jute_put_byte(w, QUORUM_WRITE);
        jute_put_byte(w, QUORUM_SYNC);
        put_packet(w, QP_SYNC, 0, 0, NULL, 0);
        put_txn(body, 0x100000003, "/raw");
        put_packet(w, QP_PROPOSAL, 1, 3, body->data, body->len);
        jute_writer_reset(body);
        jute_put_long(body, 0x100000000);
        jute_put_bool(body, true);
        put_packet(w, QP_REVALIDATE, 0, 0, body->data, body->len);
        jute_writer_reset(body);
        put_packet(w, QP_COMMIT, 1, 2, NULL, 0);
        jute_put_byte(w, QUORUM_HANG_UP);
        put_pass(w, 2000);
        seed_end(w, "learner", "serving");

        w = seed_begin();
        jute_put_byte(w, 1);
        put_packet(w, QP_SNAP, 1, 5, NULL, 0);
        put_snapshot(w);
        put_packet(w, QP_NEWLEADER, 1, 0, NULL, 0);
        put_proposal(w, 1, 6);
        put_packet(w, QP_COMMIT, 1, 6, NULL, 0);
        put_packet(w, QP_UPTODATE, 0, 0, NULL, 0);
        put_pass(w, 400);
        seed_end(w, "learner", "snap");

        w = seed_begin();
        jute_put_byte(w, 1);
        put_packet(w, QP_DIFF, 0, 2, NULL, 0);
        put_proposal(w, 0, 1);
        put_packet(w, QP_COMMIT, 0, 1, NULL, 0);
        put_proposal(w, 0, 2);
        put_packet(w, QP_COMMIT, 0, 2, NULL, 0);
        put_packet(w, QP_NEWLEADER, 1, 0, NULL, 0);
        put_packet(w, QP_UPTODATE, 0, 0, NULL, 0);
        jute_put_byte(w, QUORUM_HANG_UP);
        static const uint8_t version[4] = {0, 1, 0, 0};
        put_packet(w, QP_LEADERINFO, 2, 0, version, sizeof version);
        put_packet(w, QP_TRUNC, 0, 1, NULL, 0);
        put_packet(w, QP_NEWLEADER, 2, 0, NULL, 0);
        put_packet(w, QP_UPTODATE, 0, 0, NULL, 0);
        put_pass(w, 400);
        seed_end(w, "learner", "diff-trunc");
        seed_drop(body);
}

void seeds_servers(void)
{
        client_port();
        four_letter();
        leader();
        learner();
}
