#include "tests/fuzz/peers.h"

#include "election/vote/handshake.h"
#include "election/vote/notification.h"

#include <stdio.h>

#define PROTOCOL_VERSION 0x10000
#define CONFIG           "version=0"

/* ---- electing ---- */

static struct blob *vote_of(enum vote_state state, int64_t leader, int64_t epoch)
{
        struct vote_notification n = {.state = state, .leader = leader, .round = 1, .epoch = epoch};
        return vote__notification_encode(&n, CONFIG, sizeof CONFIG - 1);
}

struct one_server *peers_leader(void)
{
        struct one_server *s = one_server_new(3, PEERS_VOTERS, true);
        for (int64_t sid = 1; sid <= 2; sid++)
                one_server_say_blob(s, one_server_dialled(s, sid, PORT_ELECTION), vote_of(VOTE_LOOKING, 3, 0));
        one_server_pass(s, 250);
        assert(zab_role(s->server->zab) == ZAB_LEADING);
        return s;
}

struct one_conn *peers_elect_3(struct one_server *s)
{
        for (int64_t sid = 2; sid <= 3; sid++) {
                char host[16];
                (void)snprintf(host, sizeof host, "10.0.0.%d", (int)sid);
                struct one_conn *c = one_server_accept(s, PORT_ELECTION);
                if (!c)
                        return NULL;
                one_server_say_blob(s, c, vote__handshake_encode(sid, host, ONE_ELECTION_PORT));
                one_server_say_blob(s, c, vote_of(sid == 3 ? VOTE_LEADING : VOTE_FOLLOWING, 3, 0));
        }
        one_server_pass(s, 250);
        return one_server_dialled(s, 3, PORT_QUORUM);
}

struct one_server *peers_learner(struct one_conn **ret_leader)
{
        struct one_server *s = one_server_new(1, PEERS_VOTERS, true);
        *ret_leader = peers_elect_3(s);
        assert(*ret_leader && zab_role(s->server->zab) == ZAB_FOLLOWING);
        return s;
}

/* ---- following ---- */

void peers_packet(struct one_server *s, struct one_conn *c, int32_t type, int64_t zxid, const void *data, size_t len)
{
        one_server_say_blob(s, c, jute_quorum_packet_blob(type, zxid, data, len));
}

void peers_hello(struct one_server *s, struct one_conn *c, int32_t type, int64_t sid, int64_t accepted)
{
        struct jute_writer w;
        jute_writer_init(&w, 64);
        jute_put_learner_info(&w, &(struct jute_learner_info){.sid = sid, .protocol_version = PROTOCOL_VERSION});
        peers_packet(s, c, type, PEERS_ZXID(accepted, 0), w.data, w.len);
        jute_writer_done(&w);
}

void peers_ack_epoch(struct one_server *s, struct one_conn *c)
{
        static const uint8_t epoch[4];
        peers_packet(s, c, QP_ACKEPOCH, 0, epoch, sizeof epoch);
}

struct one_conn *peers_follow(struct one_server *s, int64_t sid)
{
        struct one_conn *c = one_server_accept(s, PORT_QUORUM);
        if (c) {
                peers_hello(s, c, QP_FOLLOWERINFO, sid, 0);
                peers_answer(s, c);
        }
        return c;
}

static void answer_packet(struct one_server *s, struct one_conn *c, const struct jute_quorum_packet *q)
{
        switch (q->type) {
        case QP_LEADERINFO:
                peers_ack_epoch(s, c);
                break;
        case QP_NEWLEADER:
        case QP_PROPOSAL:
                peers_packet(s, c, QP_ACK, q->zxid, NULL, 0);
                break;
        case QP_PING:
                peers_packet(s, c, QP_PING, q->zxid, NULL, 0);
                break;
        default:
                break;
        }
}

/* The bytes of the snapshot behind SNAP, 0 while its seal has not come. */
static size_t snapshot_bytes(const uint8_t *data, size_t len)
{
        static const char seal[] = "BenWasHere"; /* quorum-protocol.md 3.5 */
        const uint8_t *at = len ? memmem(data, len, seal, sizeof seal - 1) : NULL;
        return at ? (size_t)(at - data) + sizeof seal - 1 : 0;
}

void peers_answer(struct one_server *s, struct one_conn *c)
{
        while (c->open && c->out_len) {
                struct jute_reader r;
                struct jute_quorum_packet q;
                jute_reader_init(&r, c->out, c->out_len, INT32_MAX);
                jute_get_quorum_packet(&r, &q);
                if (r.error)
                        return;
                size_t snapshot = q.type == QP_SNAP ? snapshot_bytes(r.at, jute_left(&r)) : 0;
                if (q.type == QP_SNAP && !snapshot)
                        return;
                q.data = jute_str_of(NULL, 0); /* goes with the next line */
                one_conn_taken(c, (size_t)(r.at - c->out) + snapshot);
                answer_packet(s, c, &q);
        }
}

/* ---- a client ---- */

static void say_frame(struct one_server *s, struct one_conn *c, struct jute_writer *w)
{
        jute_patch_int(w, 0, (int32_t)w->len - 4);
        one_server_say(s, c, w->data, w->len);
        jute_writer_reset(w);
        jute_put_int(w, 0);
}

void peers_write(struct one_server *s, struct one_conn **c, int32_t opcode)
{
        static const uint8_t passwd[SESSION_PASSWD_SIZE];
        static const uint8_t acl[] = {0,   0, 0, 31, 0, 0,   0,   5,   'w', 'o', 'r', 'l',
                                      'd', 0, 0, 0,  6, 'a', 'n', 'y', 'o', 'n', 'e'};
        struct jute_writer w;
        bool connects = !*c || !(*c)->open;
        if (connects)
                *c = one_server_accept(s, PORT_CLIENT);
        if (!*c)
                return;
        jute_writer_init(&w, 1024);
        jute_put_int(&w, 0);
        if (connects) {
                jute_put_connect_request(&w,
                                         &(struct jute_connect_request){.timeout = 4000,
                                                                        .passwd = jute_str_of(passwd, sizeof passwd),
                                                                        .has_read_only = true});
                say_frame(s, *c, &w);
        }
        jute_put_request_header(&w, &(struct jute_request_header){.xid = 1, .type = opcode});
        if (opcode == OP_CREATE)
                jute_put_create_request(&w, &(struct jute_create_request){.path = jute_cstr("/n-"),
                                                                          .data = jute_cstr("data"),
                                                                          .acl = {acl, sizeof acl, 1},
                                                                          .flags = 3}); /* ephemeral, sequential */
        else
                jute_put_path(&w, &(struct jute_path){.path = jute_cstr("/")});
        say_frame(s, *c, &w);
        jute_writer_done(&w);
}
