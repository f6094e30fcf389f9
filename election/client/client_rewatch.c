/* The requests about watches themselves, and the watches set again on a new connection. Source: client-protocol.md 7.
 */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <string.h>

/* ---- addWatch, removeWatches, checkWatches ---- */

static int about_watches(struct client *c, int32_t op, const char *path, int32_t type, const struct client_call *call,
                         struct client_request **ret)
{
        struct jute_writer w;
        int r = client__may_ask(c, path, false, call);
        if (r < 0)
                return r;
        client__frame_begin(c, &w, op);
        client__put_path(c, &w, path);
        jute_put_int(&w, type);
        r = client__enqueue(c, op, &w, path, call, ret);
        if (r == 0)
                (*ret)->watch_type = type;
        return r;
}

int client_add_watch(struct client *c, const char *path, enum client_watch_mode mode, const struct client_call *call)
{
        struct client_request *q;
        if (!call || !call->watch || (mode != CLIENT_WATCH_PERSISTENT && mode != CLIENT_WATCH_RECURSIVE))
                return -EINVAL;
        return about_watches(c, OP_ADD_WATCH, path, (int32_t)mode, call, &q);
}

static bool type_ok(enum client_watch_type type)
{
        return type >= CLIENT_WATCHES_CHILDREN && type <= CLIENT_WATCHES_RECURSIVE;
}

int client_remove_watches(struct client *c, const char *path, enum client_watch_type type,
                          const struct client_call *call)
{
        struct client_request *q;
        if (!type_ok(type))
                return -EINVAL;
        int r = about_watches(c, OP_REMOVE_WATCHES, path, (int32_t)type, call ? call : &client__no_call, &q);
        if (r == 0)
                q->remove_path = client__path_full(c, path);
        return r;
}

int client_check_watches(struct client *c, const char *path, enum client_watch_type type,
                         const struct client_call *call)
{
        struct client_request *q;
        if (!type_ok(type))
                return -EINVAL;
        return about_watches(c, OP_CHECK_WATCHES, path, (int32_t)type, call ? call : &client__no_call, &q);
}

/* ---- setWatches ---- */

struct batch {
        struct jute_writer paths[WATCH_KIND_MAX];
        int32_t counts[WATCH_KIND_MAX];
        size_t bytes;
};

static void batch_send(struct client *c, struct batch *b, struct effects *fx)
{
        struct jute_writer w;
        /* Servers before 3.6 know setWatches only; they have nothing but one-shot watches to be set again. */
        bool all = b->counts[WATCH_PERSISTENT] || b->counts[WATCH_RECURSIVE];
        struct jute_request_header h = {.xid = CLIENT_XID_SET_WATCHES, .type = all ? OP_SET_WATCHES2 : OP_SET_WATCHES};
        if (!b->bytes)
                return;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, 0);
        jute_put_request_header(&w, &h);
        jute_put_long(&w, c->session.last_zxid);
        for (int kind = 0; kind < (all ? WATCH_KIND_MAX : WATCH_ONE_SHOT_MAX); kind++) { /* the record's order */
                jute_put_int(&w, b->counts[kind]);
                jute_put_raw(&w, b->paths[kind].data, b->paths[kind].len);
                jute_writer_reset(&b->paths[kind]);
                b->counts[kind] = 0;
        }
        b->bytes = 0;
        jute_patch_int(&w, 0, (int32_t)(w.len - 4));
        effect_send(fx, c->conn, jute_writer_blob(&w));
        jute_writer_done(&w);
}

void client__watch_send(struct client *c, struct effects *fx)
{
        struct batch b = {.bytes = 0};
        for (int kind = 0; kind < WATCH_KIND_MAX; kind++)
                jute_writer_init(&b.paths[kind], SIZE_MAX);
        for (struct list *l = c->watched.next; l != &c->watched; l = l->next) {
                struct client_watched *p = LIST_ENTRY(l, struct client_watched, link);
                for (int kind = 0; kind < WATCH_KIND_MAX; kind++) {
                        if (list_empty(&p->kinds[kind]))
                                continue;
                        size_t size = 4 + p->path_len; /* with its length */
                        if (b.bytes + size > CLIENT_SET_WATCHES_BYTES)
                                batch_send(c, &b, fx);
                        jute_put_str(&b.paths[kind], jute_str_of(p->path, p->path_len));
                        b.counts[kind]++;
                        b.bytes += size;
                }
        }
        batch_send(c, &b, fx);
        for (int kind = 0; kind < WATCH_KIND_MAX; kind++)
                jute_writer_done(&b.paths[kind]);
}
