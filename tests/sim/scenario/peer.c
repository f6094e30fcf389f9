/* Servers played by hand: "play 3", then "3 votes 1 …", "3 sends 1 …". They say what they are told to say and nothing
 * else, but for answers to pings. */
#include "tests/sim/scenario/stage.h"

#include "election/base/alloc.h"
#include "election/jute/record.h"
#include "election/vote/handshake.h"
#include "election/vote/notification.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Taken from a connection at a time. */
#define TAKE_BYTES 4096
/* Text about one packet. */
#define PACKET_TEXT_BYTES 128
#define PROTOCOL_VERSION  0x10000

/* Its connection to one port of one server. */
struct line {
        struct world_wire *wire;
        bool led; /* it was dialled by that server: we lead */
        struct text in;
};

struct played {
        int sid;
        bool mute; /* answers no ping */
        struct line quorum[WORLD_SERVERS_MAX + 1], election[WORLD_SERVERS_MAX + 1];
};

static bool play(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        if (world_running(st->w, sid) || st->played[sid])
                return stage_fail(st, "server %d runs, or is played already", sid);
        st->played[sid] = mem_zalloc(sizeof *st->played[sid]);
        st->played[sid]->sid = sid;
        st->lies = true;
        world_play(st->w, sid, true);
        return true;
}

/* unplay SERVER: it can be started again */
static bool unplay(struct stage *st, char **words, size_t count)
{
        int sid;
        (void)count;
        if (!stage_server(st, words[1], &sid))
                return false;
        if (!st->played[sid])
                return stage_fail(st, "server %d is not played", sid);
        stage_played_free(st, sid);
        world_play(st->w, sid, false);
        return true;
}

const struct stage_command stage_peer_commands[] = {{"play", 2, play}, {"unplay", 2, unplay}, {NULL, 0, NULL}};

static void close_line(struct line *l)
{
        if (l->wire)
                world_wire_close(l->wire);
        text_done(&l->in);
        *l = (struct line){.wire = NULL};
}

void stage_played_free(struct stage *st, int sid)
{
        struct played *p = st->played[sid];
        if (!p)
                return;
        for (int other = 0; other <= WORLD_SERVERS_MAX; other++) {
                close_line(&p->quorum[other]);
                close_line(&p->election[other]);
        }
        mem_free(p);
        st->played[sid] = NULL;
}

static void say(struct stage *st, const struct played *p, const char *text)
{
        text_add(&st->logs[p->sid], "%s\n", text);
        stage_say(st, p->sid, "%d: %s", p->sid, text);
}

/* ---- what it hears ---- */

static int32_t int_of(struct jute_str data)
{
        struct jute_reader r;
        jute_reader_init(&r, data.data, data.len < 0 ? 0 : (size_t)data.len, INT32_MAX);
        return jute_get_int(&r);
}

static void heard(struct stage *st, struct played *p, int from, const struct jute_quorum_packet *q)
{
        struct line *l = &p->quorum[from];
        char text[PACKET_TEXT_BYTES], zxid[TEXT_ZXID_BYTES], more[32] = "";
        if (q->type == QP_PING) {
                if (l->led || p->mute)
                        return;
                struct blob *b = jute_quorum_packet_blob(QP_PING, q->zxid, NULL, 0);
                world_wire_send(l->wire, b->data, b->len);
                blob_unref(b);
                return;
        }
        if (q->type == QP_ACKEPOCH)
                (void)snprintf(more, sizeof more, ", current epoch %" PRId32, int_of(q->data));
        (void)snprintf(text, sizeof text, "hears from %d %s %s%s", from, stage_packet_name(q->type),
                       text_of_zxid(q->zxid, zxid), more);
        say(st, p, text);
}

/* Whole packets that have come. */
static void take_packets(struct stage *st, struct played *p, int from)
{
        struct line *l = &p->quorum[from];
        while (l->in.len) {
                struct jute_quorum_packet q;
                struct jute_reader r;
                jute_reader_init(&r, l->in.data, l->in.len, INT32_MAX);
                jute_get_quorum_packet(&r, &q);
                if (r.error)
                        return;
                size_t size = l->in.len - jute_left(&r);
                heard(st, p, from, &q);
                l->in.len -= size;
                memmove(l->in.data, l->in.data + size, l->in.len);
        }
}

static void take(struct stage *st, struct played *p, int from, struct line *l, bool quorum)
{
        uint8_t bytes[TAKE_BYTES];
        if (!l->wire)
                return;
        for (size_t len; (len = world_wire_take(l->wire, bytes, sizeof bytes));)
                text_put(&l->in, (const char *)bytes, len);
        if (quorum)
                take_packets(st, p, from);
        else
                text_clear(&l->in); /* votes: nothing is made of them */
        if (!world_wire_ended(l->wire))
                return;
        char text[PACKET_TEXT_BYTES];
        (void)snprintf(text, sizeof text, "%d has ended the connection", from);
        if (quorum)
                say(st, p, text);
        close_line(l);
}

static void accept_all(struct stage *st, struct played *p)
{
        struct world_wire *wire;
        int from;
        while ((wire = world_peer_accept(st->w, p->sid, PORT_QUORUM, &from))) {
                close_line(&p->quorum[from]);
                p->quorum[from] = (struct line){.wire = wire, .led = true};
        }
        while ((wire = world_peer_accept(st->w, p->sid, PORT_ELECTION, &from))) {
                if (p->election[from].wire) { /* ours counts */
                        world_wire_close(wire);
                        continue;
                }
                p->election[from] = (struct line){.wire = wire};
        }
}

void stage_peers_turn(struct stage *st)
{
        for (int sid = 1; sid <= st->w->count; sid++) {
                struct played *p = st->played[sid];
                if (!p)
                        continue;
                accept_all(st, p);
                for (int from = 0; from <= st->w->count; from++) {
                        take(st, p, from, &p->quorum[from], true);
                        take(st, p, from, &p->election[from], false);
                }
        }
}

/* ---- what it says ---- */

static bool vote_state(struct stage *st, const char *word, enum vote_state *ret)
{
        static const char *const names[] = {"looking", "following", "leading", "observing"};
        *ret = VOTE_LOOKING;
        for (size_t i = 0; word && i < sizeof names / sizeof *names; i++)
                if (strcmp(names[i], word) == 0) {
                        *ret = (enum vote_state)i;
                        return true;
                }
        return !word || stage_fail(st, "%s is no state of a server", word);
}

/* An election connection with `to`. The one that the larger sid has dialled counts: a server that is greeted by a
 * smaller one dials back. */
static bool greet(struct stage *st, struct played *p, int to)
{
        struct line *l = &p->election[to];
        char host[32];
        struct world_wire *wire = world_peer_dial(st->w, p->sid, to, PORT_ELECTION);
        if (!wire)
                return stage_fail(st, "%d can't be dialled", to);
        (void)snprintf(host, sizeof host, "10.0.0.%d", p->sid);
        struct blob *hello = vote__handshake_encode(p->sid, host, WORLD_ELECTION_PORT);
        world_wire_send(wire, hello->data, hello->len);
        blob_unref(hello);
        if (p->sid > to) {
                l->wire = wire;
                return true;
        }
        for (int i = 0; i < STAGE_AWAIT_MS && !l->wire; i++)
                stage_step(st);
        world_wire_close(wire);
        return l->wire || stage_fail(st, "%d does not dial back", to);
}

/* votes SERVER leader=N zxid=ZXID epoch=N round=N [state=…] [freshly]: on a new connection */
static bool votes(struct stage *st, struct played *p, char **words, size_t count)
{
        static const char config[] = "version=0";
        struct vote_notification n = {.version = VOTE_NOTIFICATION_VERSION, .round = 1};
        const char *zxid = stage_option(words, count, "zxid");
        int to;
        if (!stage_server(st, words[2], &to) || !stage_option_number(st, words, count, "leader", &n.leader) ||
            !stage_option_number(st, words, count, "epoch", &n.epoch) ||
            !stage_option_number(st, words, count, "round", &n.round) ||
            !vote_state(st, stage_option(words, count, "state"), &n.state) || (zxid && !stage_zxid(st, zxid, &n.zxid)))
                return false;
        struct line *l = &p->election[to];
        if (stage_has(words, count, "freshly"))
                close_line(l);
        if (!l->wire && !greet(st, p, to))
                return false;
        struct blob *b = vote__notification_encode(&n, config, sizeof config - 1);
        world_wire_send(l->wire, b->data, b->len);
        blob_unref(b);
        return true;
}

static bool send_packet(struct stage *st, struct played *p, int to, int32_t type, int64_t zxid,
                        const struct jute_writer *data)
{
        if (!p->quorum[to].wire)
                return stage_fail(st, "%d has no connection with %d", p->sid, to);
        struct blob *b = jute_quorum_packet_blob(type, zxid, data->len ? data->data : NULL, data->len);
        world_wire_send(p->quorum[to].wire, b->data, b->len);
        blob_unref(b);
        return true;
}

/* joins SERVER accepted=N [observer]: dials its quorum port and says who it is */
static bool joins(struct stage *st, struct played *p, char **words, size_t count)
{
        int64_t accepted = 0;
        struct jute_writer data;
        int to;
        if (!stage_server(st, words[2], &to) || !stage_option_number(st, words, count, "accepted", &accepted))
                return false;
        close_line(&p->quorum[to]);
        p->quorum[to].wire = world_peer_dial(st->w, p->sid, to, PORT_QUORUM);
        if (!p->quorum[to].wire)
                return stage_fail(st, "%d can't be dialled", to);
        jute_writer_init(&data, SIZE_MAX);
        jute_put_learner_info(&data, &(struct jute_learner_info){.sid = p->sid, .protocol_version = PROTOCOL_VERSION});
        bool ok = send_packet(st, p, to, stage_has(words, count, "observer") ? QP_OBSERVERINFO : QP_FOLLOWERINFO,
                              (int64_t)((uint64_t)accepted << 32), &data);
        jute_writer_done(&data);
        return ok;
}

/* sends SERVER PACKET [ZXID] [epoch=N]: the epoch is the data of an ACKEPOCH */
static bool sends(struct stage *st, struct played *p, char **words, size_t count)
{
        struct jute_writer data;
        int64_t zxid = 0, epoch = 0;
        int to;
        if (count < 4)
                return stage_fail(st, "%d sends SERVER PACKET", p->sid);
        int32_t type = stage_packet(words[3]);
        if (!stage_server(st, words[2], &to) || !stage_option_number(st, words, count, "epoch", &epoch))
                return false;
        if (type <= 0)
                return stage_fail(st, "%s is no packet", words[3]);
        if (count > 4 && words[4][0] == '(' && !stage_zxid(st, words[4], &zxid))
                return false;
        jute_writer_init(&data, SIZE_MAX);
        if (type == QP_ACKEPOCH)
                jute_put_int(&data, (int32_t)epoch);
        if (type == QP_LEADERINFO)
                jute_put_int(&data, PROTOCOL_VERSION);
        bool ok = send_packet(st, p, to, type, zxid, &data);
        jute_writer_done(&data);
        return ok;
}

/* proposes SERVER ZXID PATH DATA: a PROPOSAL that creates a node; informs: the same as INFORM */
static bool proposes(struct stage *st, struct played *p, char **words, size_t count)
{
        struct jute_writer data;
        struct jute_acl open = {.perms = 31, .id = {.scheme = jute_cstr("world"), .id = jute_cstr("anyone")}};
        struct jute_writer acl;
        int64_t zxid;
        int to;
        if (count < 6)
                return stage_fail(st, "%d proposes SERVER ZXID PATH DATA", p->sid);
        if (!stage_server(st, words[2], &to) || !stage_zxid(st, words[3], &zxid))
                return false;
        jute_writer_init(&data, SIZE_MAX);
        jute_writer_init(&acl, SIZE_MAX);
        jute_put_acl(&acl, &open);
        jute_put_txn_header(&data, &(struct jute_txn_header){.zxid = zxid, .type = OP_CREATE});
        jute_put_create_txn(&data, &(struct jute_create_txn){.path = jute_cstr(words[4]),
                                                             .data = jute_cstr(words[5]),
                                                             .acl = {.data = acl.data, .size = acl.len, .count = 1},
                                                             .parent_cversion = -1});
        bool ok = send_packet(st, p, to, strcmp(words[1], "informs") == 0 ? QP_INFORM : QP_PROPOSAL, zxid, &data);
        jute_writer_done(&acl);
        jute_writer_done(&data);
        return ok;
}

/* garbles SERVER election|quorum "hex": raw bytes on a connection of its own, or the one there is */
static bool garbles(struct stage *st, struct played *p, char **words, size_t count)
{
        uint8_t bytes[256];
        size_t len = 0;
        int to;
        if (count < 5)
                return stage_fail(st, "%d garbles SERVER PORT HEX", p->sid);
        if (!stage_server(st, words[2], &to))
                return false;
        bool election = strcmp(words[3], "election") == 0;
        struct line *l = election ? &p->election[to] : &p->quorum[to];
        if (!l->wire)
                l->wire = world_peer_dial(st->w, p->sid, to, election ? PORT_ELECTION : PORT_QUORUM);
        if (!l->wire)
                return stage_fail(st, "%d can't be dialled", to);
        for (const char *at = words[4]; *at && len < sizeof bytes;) {
                unsigned byte;
                if (*at == ' ') {
                        at++;
                        continue;
                }
                if (!at[1] || sscanf(at, "%2x", &byte) != 1)
                        return stage_fail(st, "\"%s\" are no bytes in hex", words[4]);
                bytes[len++] = (uint8_t)byte;
                at += 2;
        }
        world_wire_send(l->wire, bytes, len);
        return true;
}

/* leaves SERVER: ends what connects them */
static bool leaves(struct stage *st, struct played *p, char **words, size_t count)
{
        int to;
        (void)count;
        if (!stage_server(st, words[2], &to))
                return false;
        close_line(&p->quorum[to]);
        close_line(&p->election[to]);
        return true;
}

/* mute SERVER: it answers no ping any more */
static bool mute(struct stage *st, struct played *p, char **words, size_t count)
{
        (void)st;
        (void)words;
        (void)count;
        p->mute = true;
        return true;
}

bool stage_peer_command(struct stage *st, int sid, char **words, size_t count)
{
        static const struct {
                const char *name;
                bool (*fn)(struct stage *st, struct played *p, char **words, size_t count);
        } commands[] = {{"votes", votes},      {"joins", joins},     {"sends", sends},   {"proposes", proposes},
                        {"informs", proposes}, {"garbles", garbles}, {"leaves", leaves}, {"mute", mute}};
        struct played *p = st->played[sid];
        if (!p)
                return stage_fail(st, "server %d is not played by hand", sid);
        for (size_t i = 0; count > 2 && i < sizeof commands / sizeof *commands; i++)
                if (strcmp(words[1], commands[i].name) == 0)
                        return commands[i].fn(st, p, words, count) && (stage_step(st), true);
        return stage_fail(st, "no server can %s", count > 1 ? words[1] : "do nothing");
}
