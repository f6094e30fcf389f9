/* Single records and messages: jute, ipc, the election's handshake and notification; and conversations of the
 * election port and of the client, in the steps of their fuzzers. */
#include "tests/fuzz/seeds.h"

#include "daemon/common/message.h"
#include "election/vote/handshake.h"
#include "election/vote/notification.h"

#include <stdio.h>

/* ---- jute: every record with all fields zero, and some with content ---- */

#define JUTE_RECORDS 45

static void jute(void)
{
        static const uint8_t zeros[96];
        char name[32];
        for (int i = 0; i < JUTE_RECORDS; i++) {
                struct jute_writer *w = seed_begin();
                jute_put_byte(w, (uint8_t)i);
                jute_put_raw(w, zeros, sizeof zeros);
                (void)snprintf(name, sizeof name, "zero-%d", i);
                seed_end(w, "jute", name);
        }
        struct jute_writer *w = seed_begin();
        jute_put_byte(w, 8);
        jute_put_create_request(
                w, &(struct jute_create_request){
                           .path = jute_cstr("/a"), .data = jute_cstr("data"), .acl = seed_acl(), .flags = 3});
        seed_end(w, "jute", "create");
        w = seed_begin();
        jute_put_byte(w, 4);
        jute_put_connect_request(w, &(struct jute_connect_request){.timeout = 1000,
                                                                   .passwd = jute_cstr("0123456789abcdef"),
                                                                   .has_read_only = true});
        seed_end(w, "jute", "connect");
        w = seed_begin();
        jute_put_byte(w, 39); /* multi_txn */
        jute_put_int(w, 2);
        jute_put_txn_op(w, &(struct jute_txn_op){.type = OP_CREATE, .body = jute_cstr("body")});
        jute_put_txn_op(w, &(struct jute_txn_op){.type = OP_DELETE, .body = jute_cstr("")});
        seed_end(w, "jute", "multi");
}

/* ---- ipc ---- */

static struct message sample(int type)
{
        static const struct message_member members[] = {
                {.name = {"n1"}, .role = ROLE_LEADING, .here = true},
                {.name = {"n2"}, .role = ROLE_FOLLOWING},
        };
        struct message m = message_of((enum message_type)type);
        m.number = 7;
        m.name = (struct name){"web"};
        m.group = (struct name){"g"};
        m.role = ROLE_FOLLOWING;
        m.state = WORKER_ACTIVE;
        m.health = HEALTH_BAD;
        m.reason = REVOKE_LOST;
        m.token = 0x100000003;
        m.deadline_ms = 123456;
        m.lease_ms = 2000;
        m.budget_ms = 5000;
        m.version = -1;
        m.text = jute_cstr("a text \xc3\xbc");
        m.path = jute_cstr("a/b");
        m.data = jute_cstr("value");
        m.members = members;
        m.member_count = 2;
        return m;
}

static void ipc(void)
{
        char name[32];
        struct jute_writer *all = seed_begin(), *with_fd = seed_begin(), *m = seed_begin();
        jute_put_byte(all, 1);
        jute_put_byte(with_fd, 1);
        for (int type = 0; type < MESSAGE_MAX; type++) {
                struct jute_writer *w = seed_begin();
                const struct message s = sample(type);
                jute_put_byte(w, 0);
                message_encode(&s, w);
                (void)snprintf(name, sizeof name, "%s", message_type_name((enum message_type)type));
                seed_end(w, "ipc", name);
                jute_put_int(m, 0);
                message_encode(&s, m);
                jute_patch_int(m, 0, (int32_t)m->len - 4);
                size_t head = m->len | (message_has_fd((enum message_type)type) ? 0x8000u : 0);
                struct jute_writer *to = message_has_fd((enum message_type)type) ? with_fd : all;
                seed_u16(to, head);
                jute_put_raw(to, m->data, m->len);
                jute_writer_reset(m);
        }
        seed_end(all, "ipc", "stream");
        seed_end(with_fd, "ipc", "stream-fd");
        seed_drop(m);
}

/* ---- the election port; steps as in fuzz_election.c ---- */

enum {
        ELECTION_ACCEPT,
        ELECTION_HELLO,
        ELECTION_SAY,
        ELECTION_DIALLED,
        ELECTION_VOTE,
        ELECTION_SENT,
        ELECTION_CLOSED,
        ELECTION_PASS,
        ELECTION_LOOK
};

static struct blob *any_vote(enum vote_state state, int64_t leader)
{
        struct vote_notification n = {.state = state, .leader = leader, .zxid = 5, .round = 1, .epoch = 0};
        return vote__notification_encode(&n, "server.1=a:1:2\nversion=0", 24);
}

static void put_step(struct jute_writer *w, int op, const struct blob *b)
{
        jute_put_byte(w, (uint8_t)op);
        if (b)
                seed_piece(w, b->data, b->len);
}

static void election(void)
{
        struct blob *hello = vote__handshake_encode(4, "10.0.0.4", 3888);
        struct blob *small = vote__handshake_encode(1, "::1", 3888);
        struct blob *vote = any_vote(VOTE_LOOKING, 3), *leading = any_vote(VOTE_LEADING, 4);
        struct jute_writer *w = seed_begin();
        jute_put_byte(w, 0);
        jute_put_raw(w, hello->data, hello->len);
        seed_end(w, "election", "handshake");
        w = seed_begin();
        jute_put_byte(w, 0);
        jute_put_long(w, -65535);
        jute_put_long(w, 4);
        jute_put_cstr(w, "a:1|[::1]:3888|0.0.0.0:9");
        seed_end(w, "election", "handshake-v2");
        w = seed_begin();
        jute_put_byte(w, 1);
        jute_put_raw(w, vote->data + 4, vote->len - 4);
        seed_end(w, "election", "notification");
        w = seed_begin();
        jute_put_byte(w, 2);
        put_step(w, ELECTION_ACCEPT, NULL);
        put_step(w, ELECTION_SAY, hello);
        put_step(w, ELECTION_SAY, vote);
        put_step(w, ELECTION_SENT, NULL);
        put_step(w, ELECTION_SAY, leading);
        put_step(w, ELECTION_CLOSED, NULL);
        jute_put_byte(w, ELECTION_PASS);
        seed_u16(w, 3000);
        put_step(w, ELECTION_LOOK, NULL);
        seed_end(w, "election", "observer");
        w = seed_begin();
        jute_put_byte(w, 2);
        for (int i = 0; i < 2; i++) {
                jute_put_byte(w, ELECTION_DIALLED);
                jute_put_byte(w, 0);
                put_step(w, ELECTION_SAY + 16 * i, vote);
                put_step(w, ELECTION_SENT + 16 * i, NULL);
        }
        jute_put_byte(w, ELECTION_PASS);
        seed_u16(w, 250);
        put_step(w, ELECTION_ACCEPT, NULL);
        put_step(w, ELECTION_SAY, small);
        jute_put_byte(w, ELECTION_DIALLED);
        jute_put_byte(w, 1);
        put_step(w, ELECTION_CLOSED + 16, NULL);
        jute_put_byte(w, ELECTION_PASS);
        seed_u16(w, 60000);
        seed_end(w, "election", "elected");
        blob_unref(hello);
        blob_unref(small);
        blob_unref(vote);
        blob_unref(leading);
}

/* ---- the client; steps as in fuzz_client.c ---- */

enum {
        CLIENT_DIALLED,
        CLIENT_HANDSHAKE,
        CLIENT_SAY,
        CLIENT_FRAME,
        CLIENT_REPLY,
        CLIENT_EVENT,
        CLIENT_REQUEST,
        CLIENT_LOSS,
        CLIENT_PASS,
        CLIENT_FLUSH,
        CLIENT_FINISH,
        CLIENT_IDENTITY,
        CLIENT_TAKEN
};

static void put_request(struct jute_writer *w, int kind, int how)
{
        jute_put_byte(w, CLIENT_REQUEST);
        jute_put_byte(w, (uint8_t)kind);
        jute_put_byte(w, (uint8_t)how);
}

static void put_reply(struct jute_writer *w, int err, struct jute_writer *body)
{
        jute_put_byte(w, CLIENT_REPLY);
        jute_put_byte(w, (uint8_t)err);
        seed_piece_of(w, body);
}

static void put_multi_reply(struct jute_writer *body, const struct jute_stat *stat)
{
        jute_put_multi_header(body, &(struct jute_multi_header){.type = OP_CREATE});
        jute_put_cstr(body, "/a");
        jute_put_multi_header(body, &(struct jute_multi_header){.type = OP_CHECK});
        jute_put_multi_header(body, &(struct jute_multi_header){.type = OP_SET_DATA});
        jute_put_stat(body, stat);
        jute_put_multi_header(body, &(struct jute_multi_header){.type = OP_ERROR, .done = true, .err = -1});
}

/* What came with servers 3.5 to 3.7: kinds 11 to 19. */
static void client_special(uint8_t how)
{
        const struct jute_stat stat = {.czxid = 1, .mzxid = 2, .num_children = 1};
        const struct jute_id id = {.scheme = jute_cstr("ip"), .id = jute_cstr("127.0.0.1")};
        char name[32];
        struct jute_writer *w = seed_begin(), *body = seed_begin();
        jute_put_byte(w, how);
        jute_put_byte(w, CLIENT_IDENTITY);
        jute_put_byte(w, 9);
        jute_put_byte(w, CLIENT_HANDSHAKE);
        jute_put_byte(w, CLIENT_TAKEN);
        jute_put_byte(w, 1);
        for (int kind = 11; kind <= 19; kind++)
                put_request(w, kind, kind == 18 ? 0x11 : 0x21); /* a recursive watch; any watch removed */
        jute_put_byte(w, CLIENT_FLUSH);
        for (int made = 0; made < 2; made++) { /* container, TTL */
                jute_put_cstr(body, "/a");
                jute_put_stat(body, &stat);
                put_reply(w, 0, body);
        }
        jute_put_stat(body, &stat);
        put_reply(w, 0, body); /* set_acl */
        jute_put_int(body, 2);
        jute_put_cstr(body, "/a/b");
        jute_put_cstr(body, "/c");
        put_reply(w, 0, body); /* ephemerals */
        jute_put_int(body, 7);
        put_reply(w, 0, body); /* all_children_number */
        jute_put_multi_header(body, &(struct jute_multi_header){.type = OP_GET_DATA});
        jute_put_cstr(body, "data");
        jute_put_stat(body, &stat);
        jute_put_multi_header(body, &(struct jute_multi_header){.type = OP_ERROR, .done = true, .err = -1});
        put_reply(w, 0, body); /* multi_read */
        jute_put_int(body, 0);
        put_reply(w, 0, body); /* add_watch */
        jute_put_byte(w, CLIENT_EVENT);
        jute_put_byte(w, 2);
        jute_put_byte(w, 2);
        jute_put_byte(w, CLIENT_LOSS);
        jute_put_byte(w, CLIENT_HANDSHAKE);
        put_request(w, 19, 1);
        put_request(w, 18, 0x11);
        jute_put_byte(w, CLIENT_FLUSH);
        jute_put_int(body, 1);
        jute_put_id(body, &id);
        put_reply(w, 0, body); /* who_am_i */
        put_reply(w, 0, body); /* remove_watches */
        jute_put_byte(w, CLIENT_TAKEN);
        jute_put_byte(w, 0); /* refused */
        (void)snprintf(name, sizeof name, "special-%u", how);
        seed_end(w, "client", name);
        seed_drop(body);
}

static void client(void)
{
        const struct jute_stat stat = {.czxid = 1, .mzxid = 2, .num_children = 1};
        client_special(0);
        client_special(1);
        for (int how = 0; how < 8; how++) {
                char name[32];
                struct jute_writer *w = seed_begin(), *body = seed_begin();
                jute_put_byte(w, (uint8_t)how);
                jute_put_byte(w, CLIENT_HANDSHAKE);
                for (int kind = 0; kind < 10; kind++)
                        put_request(w, kind, 0x81);
                put_request(w, 10, 0x11);
                jute_put_byte(w, CLIENT_FLUSH);
                jute_put_cstr(body, "/a");
                put_reply(w, 0, body); /* create */
                jute_put_cstr(body, "/a");
                jute_put_stat(body, &stat);
                put_reply(w, 0, body); /* create2 */
                put_reply(w, 3, body); /* delete */
                jute_put_stat(body, &stat);
                put_reply(w, 0, body); /* set */
                put_reply(w, 1, body); /* exists: no node */
                jute_put_cstr(body, "data");
                jute_put_stat(body, &stat);
                put_reply(w, 0, body); /* get */
                jute_put_int(body, 2);
                jute_put_cstr(body, "b");
                jute_put_cstr(body, "c");
                put_reply(w, 0, body); /* children */
                jute_put_int(body, 0);
                jute_put_stat(body, &stat);
                put_reply(w, 0, body); /* children2 */
                jute_put_byte(w, CLIENT_EVENT);
                jute_put_byte(w, 4);
                jute_put_byte(w, 1);
                jute_put_cstr(body, "/a");
                put_reply(w, 0, body); /* sync */
                jute_put_vec(body, seed_acl());
                jute_put_stat(body, &stat);
                put_reply(w, 0, body); /* get_acl */
                put_multi_reply(body, &stat);
                put_reply(w, 0, body);
                jute_put_byte(w, CLIENT_LOSS);
                jute_put_byte(w, CLIENT_HANDSHAKE);
                jute_put_byte(w, CLIENT_PASS);
                seed_u16(w, 5000);
                jute_put_byte(w, CLIENT_FINISH);
                jute_put_byte(w, 100);
                (void)snprintf(name, sizeof name, "all-%d", how);
                seed_end(w, "client", name);
                seed_drop(body);
        }
        struct jute_writer *w = seed_begin();
        jute_put_byte(w, 2);
        jute_put_byte(w, CLIENT_DIALLED);
        jute_put_byte(w, 0);
        struct jute_writer *body = seed_begin();
        jute_put_connect_response(
                body, &(struct jute_connect_response){.passwd = jute_cstr("0123456789abcdef"), .has_read_only = true});
        jute_put_byte(w, CLIENT_FRAME);
        seed_piece_of(w, body);
        seed_end(w, "client", "expired");
        seed_drop(body);
}

void seeds_wire(void)
{
        jute();
        ipc();
        election();
        client();
}
