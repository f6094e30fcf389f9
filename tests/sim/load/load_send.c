/* Requests: as bytes on a connection, and as entries that wait for their answer. */
#include "tests/sim/load/load_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <string.h>

static_assert(LIST_MAX == HISTORY_WATCHED_MAX, "a history keeps the same lists");

#define XID_PING        (-2)
#define XID_AUTH        (-4)
#define XID_SET_WATCHES (-8)
/* Create modes (client-protocol.md 5): ephemeral, sequential; containers have an opcode of their own. */
#define MODE_EPHEMERAL  1
#define MODE_SEQUENTIAL 2
#define MODE_CONTAINER  4
#define MODE_TTL        5

static text_id who(struct load *l, uint32_t set);

void load__send(struct load_link *k, const struct jute_writer *frame)
{
        uint8_t len[4] = {(uint8_t)(frame->len >> 24), (uint8_t)(frame->len >> 16), (uint8_t)(frame->len >> 8),
                          (uint8_t)frame->len};
        world_wire_send(k->wire, len, sizeof len);
        world_wire_send(k->wire, frame->data, frame->len);
}

/* Consumes `body`. */
struct load_request *load__ask(struct load_client *a, struct load_link *k, enum history_verb verb, int32_t opcode,
                               struct jute_writer *body)
{
        assert(k->count < LOAD_PENDING_MAX);
        struct load_request *q = mem_zalloc(sizeof *q);
        struct jute_request_header header = {.xid = a->next_xid, .type = opcode};
        if (opcode == OP_PING)
                header.xid = XID_PING;
        else if (opcode == OP_SET_WATCHES || opcode == OP_SET_WATCHES2)
                header.xid = XID_SET_WATCHES;
        else
                a->next_xid++;
        q->opcode = opcode;
        q->e = history_blank(HISTORY_OP);
        q->e.verb = verb;
        q->e.call_us = load__us(a->load);
        q->e.client = a->number;
        q->e.conn = k->conn;
        q->e.session = k->session;
        q->e.cxid = header.xid;
        q->e.who = who(a->load, k->users);
        k->pending[k->count++] = q;
        struct jute_writer frame;
        jute_writer_init(&frame, SIZE_MAX);
        jute_put_request_header(&frame, &header);
        jute_put_raw(&frame, body->data, body->len);
        load__send(k, &frame);
        jute_writer_done(&frame);
        jute_writer_done(body);
        a->sent_ms = load__client_ms(a);
        a->load->tally.asked++;
        return q;
}

static struct jute_str text_of(const struct load *l, text_id text)
{
        if (!text)
                return (struct jute_str){.data = NULL, .len = -1};
        return jute_str_of(history_string(l->history, text), history_string_len(l->history, text));
}

/* ---- ACLs ---- */

#define WORLD  "world", "anyone"
#define ANN    "digest", "ann:/z4T+iO8KvuCdw3Y3chpp6R6RTg="
#define BOB    "digest", "bob:PCGRUm8WFBmVOxjVyjYw7YBN8J8="
#define ADMIN  "digest", "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="
#define RIGHTS 2 /* entries of a list, at most */

struct right {
        const char *scheme, *id;
        int32_t perms;
};

/* There is always somebody who may change a list again. */
static const struct right acls[LOAD_ACLS][RIGHTS] = {
        {{WORLD, 31}},
        {{WORLD, 31}, {"digest", "one:AbC=", 7}},
        {{WORLD, 31}, {"digest", "two:DeF=", 7}},
        {{ANN, 31}},
        {{ANN, 31}, {WORLD, 1}},
        {{BOB, 31}, {WORLD, 16}},
        {{ANN, 3}, {BOB, 28}},
        {{BOB, 31}, {ANN, 1}},
        {{WORLD, 20}, {ANN, 11}},
};

static const struct right *right_at(uint32_t number, size_t i)
{
        return i < RIGHTS && acls[number][i].scheme ? &acls[number][i] : NULL;
}

static void put_acl(struct jute_writer *w, uint32_t number)
{
        int32_t count = 0;
        while (right_at(number, (size_t)count))
                count++;
        jute_put_int(w, count);
        for (size_t i = 0; right_at(number, i); i++) {
                const struct right *r = right_at(number, i);
                struct jute_acl entry = {.perms = r->perms,
                                         .id = {.scheme = jute_cstr(r->scheme), .id = jute_cstr(r->id)}};
                jute_put_acl(w, &entry);
        }
}

text_id load__acl(struct load *l, uint32_t number)
{
        char text[256] = "";
        size_t len = 0;
        for (size_t i = 0; right_at(number, i); i++) {
                const struct right *r = right_at(number, i);
                len += (size_t)snprintf(text + len, sizeof text - len, "%s%s:%s:%d", i ? "|" : "", r->scheme, r->id,
                                        r->perms);
        }
        return history_text(l->history, text, len);
}

static uint32_t acl_number(struct load *l, text_id acl)
{
        for (uint32_t i = 1; i < LOAD_ACLS; i++)
                if (acl && load__acl(l, i) == acl)
                        return i;
        return 0;
}

/* ---- who asks ---- */

static const struct {
        const char *password, *scheme, *id;
        bool is_super; /* besides */
} users[LOAD_USERS] = {{"ann:1", ANN, false}, {"bob:2", BOB, false}, {"super:admin", ADMIN, true}};

static text_id who(struct load *l, uint32_t set)
{
        char text[256] = "";
        size_t len = 0;
        for (uint32_t i = 0; i < LOAD_USERS; i++)
                if (set & 1u << i)
                        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s:%s%s", len ? "|" : "",
                                                users[i].scheme, users[i].id, users[i].is_super ? "|super:" : "");
        return history_text(l->history, text, len);
}

/* Its answer may overtake others; what is sent from here on is asked by that user too. One in so many names a scheme
 * that there is not: it is refused, and the connection closed. */
#define UNKNOWN_SCHEME_ODDS 12
void load__send_auth(struct load_client *a)
{
        struct load_link *k = &a->link;
        const uint32_t user = (uint32_t)(load__draw(a, 8) ? load__draw(a, LOAD_USERS - 1) : LOAD_USERS - 1);
        struct jute_request_header header = {.xid = XID_AUTH, .type = OP_AUTH};
        struct jute_auth_packet packet = {.scheme = jute_cstr("digest"), .auth = jute_cstr(users[user].password)};
        struct jute_writer frame;
        if (k->auth_fails)
                return;
        k->auth_fails = !load__draw(a, UNKNOWN_SCHEME_ODDS);
        if (k->auth_fails)
                packet.scheme = jute_cstr("none");
        else
                k->users |= 1u << user;
        jute_writer_init(&frame, SIZE_MAX);
        jute_put_request_header(&frame, &header);
        jute_put_auth_packet(&frame, &packet);
        load__send(k, &frame);
        jute_writer_done(&frame);
        k->auths++;
}

/* ---- one operation ---- */

static void put_data(struct jute_writer *w, const struct load *l, const struct load_op *op)
{
        struct jute_str data = text_of(l, op->data);
        if (!op->bulk) {
                jute_put_str(w, data);
                return;
        }
        uint8_t *bytes = mem_zalloc(LOAD_BULK_BYTES);
        memcpy(bytes, data.data, (size_t)data.len);
        jute_put_str(w, jute_str_of(bytes, LOAD_BULK_BYTES));
        mem_free(bytes);
}

static void put_op(struct jute_writer *w, struct load *l, const struct load_op *op)
{
        jute_put_str(w, text_of(l, op->path));
        switch (op->verb) {
        case VERB_CREATE:
                put_data(w, l, op);
                put_acl(w, acl_number(l, op->acl));
                if (op->flags & CREATE_TTL) {
                        jute_put_int(w, MODE_TTL);
                        jute_put_long(w, op->ttl_ms);
                        break;
                }
                jute_put_int(w, (op->flags & CREATE_CONTAINER ? MODE_CONTAINER : 0) |
                                        (op->flags & CREATE_EPHEMERAL ? MODE_EPHEMERAL : 0) |
                                        (op->flags & CREATE_SEQUENTIAL ? MODE_SEQUENTIAL : 0));
                break;
        case VERB_SET:
                put_data(w, l, op);
                jute_put_int(w, op->version);
                break;
        case VERB_SET_ACL:
                put_acl(w, acl_number(l, op->acl));
                jute_put_int(w, op->version);
                break;
        default: /* delete, check */
                jute_put_int(w, op->version);
                break;
        }
}

static text_id kept_data(struct load *l, const struct load_op *op)
{
        if (!op->bulk)
                return op->data;
        uint8_t *bytes = mem_zalloc(LOAD_BULK_BYTES);
        memcpy(bytes, history_string(l->history, op->data), history_string_len(l->history, op->data));
        text_id kept = history_data(l->history, bytes, LOAD_BULK_BYTES);
        mem_free(bytes);
        return kept;
}

static void fill(struct load *l, const struct load_op *op, struct history_entry *e)
{
        e->verb = op->verb;
        e->path = op->path;
        e->data = kept_data(l, op);
        e->acl = op->acl;
        e->version = op->version;
        e->flags = op->flags;
}

struct load_request *load__send_op(struct load_client *a, struct load_link *k, const struct load_op *op)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        put_op(&body, a->load, op);
        struct load_request *q = load__ask(a, k, op->verb, op->opcode, &body);
        fill(a->load, op, &q->e);
        return q;
}

void load__send_multi(struct load_client *a, struct load_link *k, const struct load_op *ops, size_t count)
{
        struct jute_writer body;
        assert(count <= LOAD_SUBS_MAX);
        jute_writer_init(&body, SIZE_MAX);
        for (size_t i = 0; i < count; i++) {
                struct jute_multi_header header = {.type = ops[i].opcode, .err = -1};
                jute_put_multi_header(&body, &header);
                put_op(&body, a->load, &ops[i]);
        }
        struct jute_multi_header end = {.type = -1, .done = true, .err = -1};
        jute_put_multi_header(&body, &end);
        struct load_request *q = load__ask(a, k, VERB_MULTI, OP_MULTI, &body);
        q->e.subs = (uint32_t)count;
        for (size_t i = 0; i < count; i++) {
                q->subs[i] = history_blank(HISTORY_SUB);
                fill(a->load, &ops[i], &q->subs[i]);
        }
        a->load->tally.multis++;
}

void load__send_read(struct load_client *a, enum history_verb verb, int32_t opcode, text_id path, bool watch)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_str(&body, text_of(a->load, path));
        if (verb == VERB_GET || verb == VERB_EXISTS || verb == VERB_CHILDREN)
                jute_put_bool(&body, watch);
        struct load_request *q = load__ask(a, &a->link, verb, opcode, &body);
        q->e.path = path;
        q->e.watch = watch;
}

void load__send_watch(struct load_client *a, int32_t opcode, text_id path, enum history_watch mode)
{
        const bool add = opcode == OP_ADD_WATCH;
        const enum history_verb verb = add                           ? VERB_ADD_WATCH
                                       : opcode == OP_REMOVE_WATCHES ? VERB_REMOVE_WATCHES
                                                                     : VERB_CHECK_WATCHES;
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_str(&body, text_of(a->load, path));
        jute_put_int(&body, add ? mode == HISTORY_WATCH_RECURSIVE : (int32_t)mode);
        struct load_request *q = load__ask(a, &a->link, verb, opcode, &body);
        q->e.path = path;
        q->e.mode = (uint8_t)mode;
}

void load__send_who(struct load_client *a)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        (void)load__ask(a, &a->link, VERB_WHO, OP_WHO_AM_I, &body);
}

void load__send_multi_read(struct load_client *a, enum history_verb verb, text_id path)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        for (int i = 0; i < 2; i++) {
                struct jute_multi_header header = {.type = verb == VERB_GET ? OP_GET_DATA : OP_GET_CHILDREN, .err = -1};
                jute_put_multi_header(&body, &header);
                jute_put_str(&body, text_of(a->load, path));
                jute_put_bool(&body, true); /* sets no watch for all that */
        }
        struct jute_multi_header end = {.type = -1, .done = true, .err = -1};
        jute_put_multi_header(&body, &end);
        load__ask(a, &a->link, verb, OP_MULTI_READ, &body)->e.path = path;
}

void load__send_sync(struct load_client *a)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_cstr(&body, "/");
        load__ask(a, &a->link, VERB_SYNC, OP_SYNC, &body)->e.path = history_cstr(a->load->history, "/");
}

void load__send_close(struct load_client *a)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        (void)load__ask(a, &a->link, VERB_CLOSE, OP_CLOSE_SESSION, &body);
        a->closing = true;
}

void load__ping(struct load_client *a)
{
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        (void)load__ask(a, &a->link, VERB_PING, OP_PING, &body);
}

static void put_watched(struct jute_writer *body, struct load_client *a, enum load_list list)
{
        int32_t count = 0;
        for (size_t i = 0; i < a->watch_count; i++)
                count += a->watches[i].list == list;
        jute_put_int(body, count);
        for (size_t i = 0; i < a->watch_count; i++)
                if (a->watches[i].list == list)
                        jute_put_str(body, text_of(a->load, a->watches[i].path));
}

static bool watches_to_stay(const struct load_client *a)
{
        for (size_t i = 0; i < a->watch_count; i++)
                if (a->watches[i].list >= LIST_PERSISTENT)
                        return true;
        return false;
}

/* As old clients do it where that is enough. */
void load__set_watches(struct load_client *a)
{
        const bool second = watches_to_stay(a) || load__draw(a, 2);
        const int lists = second ? LIST_MAX : LIST_PERSISTENT;
        struct jute_writer body;
        jute_writer_init(&body, SIZE_MAX);
        jute_put_long(&body, a->seen);
        for (int list = 0; list < lists; list++)
                put_watched(&body, a, (enum load_list)list);
        struct load_request *q =
                load__ask(a, &a->link, VERB_SET_WATCHES, second ? OP_SET_WATCHES2 : OP_SET_WATCHES, &body);
        q->e.seen = a->seen;
        q->e.has_seen = true;
        for (int list = 0; list < lists; list++) {
                q->e.watched[list] = history_list_begin(a->load->history);
                for (size_t i = 0; i < a->watch_count; i++)
                        if (a->watches[i].list == (enum load_list)list)
                                history_list_add(a->load->history, &q->e.watched[list], a->watches[i].path);
        }
}
