/* Identities. A server forgets them with the connection, so this side keeps them: they are the first that goes out on a
 * new one, before the watches and any request, in the order in which they were added. Source: client-protocol.md 4.4.
 *
 * Answers come in that order too, but may overtake those of other requests; so auth packets are not in the queue. */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static size_t size_of(const char *scheme, size_t auth_len)
{
        return strlen(scheme) + auth_len;
}

static void put_packet(struct jute_writer *w, const char *scheme, struct jute_str auth)
{
        const struct jute_auth_packet packet = {.type = 0, .scheme = jute_cstr(scheme), .auth = auth};
        jute_put_auth_packet(w, &packet);
}

int client_add_auth(struct client *c, const char *scheme, struct jute_str auth, const struct client_call *call)
{
        struct jute_writer w;
        size_t len = auth.len < 0 ? 0 : (size_t)auth.len;
        call = call ? call : &client__no_call;
        if (!scheme || !*scheme || (auth.len > 0 && !auth.data))
                return -EINVAL;
        if (c->closing || c->state == CLIENT_CLOSED)
                return -ESHUTDOWN;
        size_t scheme_len = strnlen(scheme, CLIENT_AUTH_BYTES_MAX);
        if (c->auth_count >= CLIENT_AUTHS_MAX || scheme_len + len > CLIENT_AUTH_BYTES_MAX - c->auth_bytes)
                return -ENOBUFS;
        client__frame_begin(c, &w, OP_AUTH);
        put_packet(&w, scheme, auth);
        int r = w.error;
        jute_writer_done(&w);
        if (r < 0)
                return r;
        struct client_auth *a = mem_zalloc(sizeof *a);
        a->scheme = mem_strdup(scheme);
        a->auth = mem_dup(len ? auth.data : (const uint8_t *)"", len ? len : 1);
        a->auth_len = len;
        a->waited_for = true;
        a->done = call->done;
        a->ctx = call->ctx;
        list_push(&c->auths, &a->link);
        c->auth_count++;
        c->auth_bytes += size_of(a->scheme, len);
        return 0;
}

void client__auth_send(struct client *c, uint64_t now_ms, struct effects *fx)
{
        size_t at = 0;
        for (struct list *l = c->auths.next; l != &c->auths; l = l->next, at++) {
                const struct client_auth *a = LIST_ENTRY(l, struct client_auth, link);
                struct jute_writer w;
                if (at < c->auths_sent)
                        continue;
                client__frame_begin(c, &w, OP_AUTH);
                put_packet(&w, a->scheme, jute_str_of(a->auth, a->auth_len));
                struct blob *frame = client__frame_end(&w); /* that it fits was seen when it was added */
                client__frame_xid(frame, CLIENT_XID_AUTH);
                effect_send(fx, c->conn, frame);
                c->sent_ms = now_ms;
                c->auths_sent++;
        }
}

static void complete(struct client *c, struct client_auth *a, enum client_outcome outcome, int32_t error)
{
        const struct jute_str no_str = {.data = NULL, .len = -1};
        const struct jute_vec no_vec = {.data = NULL, .size = 0, .count = -1};
        const struct client_result result = {.outcome = outcome,
                                             .error = error,
                                             .conn = outcome == CLIENT_ANSWERED ? c->conn : 0,
                                             .path = no_str,
                                             .data = no_str,
                                             .children = no_vec,
                                             .acl = no_vec,
                                             .who = no_vec};
        if (!a->waited_for)
                return;
        a->waited_for = false;
        if (!a->done)
                return;
        c->calling++;
        a->done(a->ctx, &result);
        c->calling--;
}

bool client__auth_answer(struct client *c, const struct jute_reply_header *h, struct effects *fx)
{
        if (c->auths_taken >= c->auths_sent)
                return false;
        struct list *l = c->auths.next;
        for (size_t i = 0; i < c->auths_taken; i++)
                l = l->next;
        struct client_auth *a = LIST_ENTRY(l, struct client_auth, link);
        c->auths_taken++;
        if (h->err == ZK_OK) {
                complete(c, a, CLIENT_ANSWERED, ZK_OK);
                return true;
        }
        /* Whatever the number: without this identity nothing would be as its owner means it, and the server closes the
         * connection now. Trying again would not help. */
        const struct client_server *s = client_server(c);
        client__because(c, "%s:%u does not accept the authentication by scheme '%.64s' (error %" PRId32 ")", s->host,
                        s->port, a->scheme, h->err);
        effect_close(fx, c->conn, false);
        complete(c, a, CLIENT_ANSWERED, h->err);
        client__end(c, CLIENT_CLOSED, -EACCES);
        return true;
}

void client__auth_forget_conn(struct client *c)
{
        c->auths_sent = c->auths_taken = 0;
}

void client__auth_fail_all(struct client *c, int32_t error)
{
        for (struct list *l = c->auths.next; l != &c->auths; l = l->next)
                complete(c, LIST_ENTRY(l, struct client_auth, link), CLIENT_NOT_SENT, error);
}

void client__auth_free_all(struct client *c)
{
        while (!list_empty(&c->auths)) {
                struct client_auth *a = LIST_ENTRY(c->auths.next, struct client_auth, link);
                assert(!a->waited_for);
                list_remove(&a->link);
                mem_free(a->scheme);
                mem_free(a->auth);
                mem_free(a);
        }
        c->auth_count = c->auth_bytes = 0;
}

int client_who_am_i(struct client *c, const struct client_call *call)
{
        struct jute_writer w;
        call = call ? call : &client__no_call;
        int r = client__may_request(c, call);
        if (r < 0)
                return r;
        client__frame_begin(c, &w, OP_WHO_AM_I);
        return client__enqueue(c, OP_WHO_AM_I, &w, NULL, call, NULL);
}
