/* The table of client connections: limits, life and death, serving or not, watch delivery, figures. */
#include "election/server/clients_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct clients *clients_new(const struct server_config *config, const struct clients_host *host, int64_t first_session)
{
        struct clients *c = mem_zalloc(sizeof *c);
        c->config = config;
        c->host = *host;
        c->next_session = first_session;
        map_init(&c->by_conn);
        map_init(&c->by_session);
        list_init(&c->list);
        list_init(&c->paused);
        list_init(&c->released);
        list_init(&c->syncs);
        c->watches = watches_new();
        jute_writer_init(&c->scratch, SIZE_MAX);
        c->item_max = server_item_max(config);
        clients_stats_reset(c);
        return c;
}

static void client_free(struct client *k)
{
        client__drop_queue(k);
        mem_free((void *)k->ids.data);
        mem_free(k->input);
        mem_free(k);
}

/* Takes the connection out of every table and frees it. */
static void client_forget(struct client *k)
{
        struct clients *c = k->all;
        watches_drop(c->watches, k->conn);
        (void)map_remove(&c->by_conn, k->conn);
        if (k->session && map_get(&c->by_session, (uint64_t)k->session) == k)
                (void)map_remove(&c->by_session, (uint64_t)k->session);
        list_remove(&k->link);
        list_remove(&k->paused_link);
        list_remove(&k->released_link);
        client_free(k);
}

void clients_free(struct clients *c)
{
        if (!c)
                return;
        while (!list_empty(&c->list))
                client_forget(LIST_ENTRY(c->list.next, struct client, link));
        while (!list_empty(&c->syncs)) {
                struct client_sync *s = LIST_ENTRY(c->syncs.next, struct client_sync, link);
                list_remove(&s->link);
                mem_free(s);
        }
        map_done(&c->by_conn);
        map_done(&c->by_session);
        watches_free(c->watches);
        jute_writer_done(&c->scratch);
        mem_free(c);
}

struct client *clients__find_session(struct clients *c, int64_t session)
{
        return map_get(&c->by_session, (uint64_t)session);
}

void client__bind(struct client *k, int64_t session, int32_t timeout_ms)
{
        assert(!map_get(&k->all->by_session, (uint64_t)session));
        k->session = session;
        k->timeout_ms = timeout_ms;
        map_put(&k->all->by_session, (uint64_t)session, k);
}

void client__close(struct client *k, bool flush, struct effects *fx)
{
        effect_close(fx, k->conn, flush);
        client_forget(k);
}

void client__reject(struct client *k, struct effects *fx)
{
        k->all->stats.bad_input++;
        client__close(k, false, fx);
}

void clients_serve(struct clients *c, bool serving, struct effects *fx)
{
        c->serving = serving;
        if (serving)
                return;
        for (struct list *l = c->list.next, *next; l != &c->list; l = next) {
                struct client *k = LIST_ENTRY(l, struct client, link);
                next = l->next;
                if (k->state != CLIENT_NEW)
                        client__close(k, false, fx);
        }
        /* What was asked of the ensemble will not be answered any more. */
        while (!list_empty(&c->syncs)) {
                struct client_sync *s = LIST_ENTRY(c->syncs.next, struct client_sync, link);
                list_remove(&s->link);
                mem_free(s);
        }
}

static size_t clients_from(const struct clients *c, const char *address)
{
        size_t count = 0;
        for (const struct list *l = c->list.next; l != &c->list; l = l->next)
                count += !strcmp(LIST_ENTRY(l, const struct client, link)->address, address);
        return count;
}

/* The identity every connection has: vector<Id> of one ("ip", address). */
static struct jute_vec client_ip_identity(const char *address)
{
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        jute_put_cstr(&w, "ip");
        jute_put_cstr(&w, address);
        return (struct jute_vec){
                .data = w.data, .size = w.len, .count = 1}; /* the writer's memory moves to the client */
}

void clients_accepted(struct clients *c, const struct event *e, struct effects *fx)
{
        const struct server_config *f = c->config;
        if ((f->max_cnxns && c->by_conn.count >= f->max_cnxns) ||
            (f->max_client_cnxns && clients_from(c, e->accepted.address) >= f->max_client_cnxns)) {
                c->stats.rejected++;
                effect_close(fx, e->conn, false);
                return;
        }
        struct client *k = mem_zalloc(sizeof *k);
        k->all = c;
        k->conn = e->conn;
        k->state = CLIENT_NEW;
        k->since_ms = e->now.mono_ms;
        k->remote_port = e->accepted.remote_port;
        (void)snprintf(k->address, sizeof k->address, "%s", e->accepted.address);
        k->ids = client_ip_identity(k->address);
        list_init(&k->queue);
        list_init(&k->paused_link);
        list_init(&k->released_link);
        list_push(&c->list, &k->link);
        map_put(&c->by_conn, k->conn, k);
}

bool clients_bytes(struct clients *c, const struct event *e, struct effects *fx)
{
        struct client *k = map_get(&c->by_conn, e->conn);
        if (!k)
                return false;
        (void)client__feed(k, e, e->bytes.data, e->bytes.len, fx);
        return true;
}

bool clients_closed(struct clients *c, const struct event *e, struct effects *fx)
{
        (void)fx;
        struct client *k = map_get(&c->by_conn, e->conn);
        if (!k)
                return false;
        if (e->status == -ENOBUFS)
                c->stats.dropped_slow++;
        client_forget(k);
        return true;
}

/* Connections stand in order of age, so the first that is young enough ends the search; those that have
 * connected since are skipped. */
void clients_tick(struct clients *c, uint64_t now_ms, struct effects *fx)
{
        for (struct list *l = c->list.next, *next; l != &c->list; l = next) {
                struct client *k = LIST_ENTRY(l, struct client, link);
                next = l->next;
                if (now_ms < k->since_ms + SERVER_CONNECT_TIMEOUT_MS)
                        break;
                if (k->state != CLIENT_NEW)
                        continue;
                c->stats.sessionless_expired++;
                client__close(k, false, fx);
        }
}

uint64_t clients_deadline(const struct clients *c)
{
        for (const struct list *l = c->list.next; l != &c->list; l = l->next) {
                const struct client *k = LIST_ENTRY(l, const struct client, link);
                if (k->state == CLIENT_NEW)
                        return k->since_ms + SERVER_CONNECT_TIMEOUT_MS;
        }
        return UINT64_MAX;
}

void clients_stats(const struct clients *c, struct clients_stats *ret)
{
        *ret = c->stats;
        ret->connections = c->by_conn.count;
        ret->watches = watches_count(c->watches);
}

void clients_stats_reset(struct clients *c)
{
        size_t outstanding = c->stats.outstanding;
        c->stats = (struct clients_stats){
                .outstanding = outstanding, .reply_size_last = -1, .reply_size_min = -1, .reply_size_max = -1};
}

void clients_list(const struct clients *c, struct jute_writer *w)
{
        for (const struct list *l = c->list.next; l != &c->list; l = l->next) {
                const struct client *k = LIST_ENTRY(l, const struct client, link);
                char line[CLIENT_ADDRESS_MAX + 128];
                int len = snprintf(line, sizeof line,
                                   strchr(k->address, ':')
                                           ? " /[%s]:%u[%d](queued=%zu,recved=%" PRIu64 ",sent=%" PRIu64 ")\n"
                                           : " /%s:%u[%d](queued=%zu,recved=%" PRIu64 ",sent=%" PRIu64 ")\n",
                                   k->address, k->remote_port, k->paused ? 0 : 1, k->queue_len, k->received, k->sent);
                jute_put_raw(w, line, (size_t)len);
        }
}
