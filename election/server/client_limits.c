/* What connections may take of this server, one by one and together: places per address, memory for
 * unfinished frames, memory for watches. */
#include "election/server/clients_internal.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- addresses ---- */

static uint64_t address_hash(const struct clients *c, const char *text)
{
        return hash_bytes(text, strlen(text), c->config->seed);
}

static struct client_address *address_find(const struct clients *c, const char *text)
{
        for (struct index_link *l = index_first(&c->addresses, address_hash(c, text)); l; l = index_next(l)) {
                struct client_address *a = INDEX_ENTRY(l, struct client_address, link);
                if (!strcmp(a->text, text))
                        return a;
        }
        return NULL;
}

size_t clients__address_count(const struct clients *c, const char *text)
{
        const struct client_address *a = address_find(c, text);
        return a ? a->count : 0;
}

struct client_address *clients__address_get(struct clients *c, const char *text)
{
        struct client_address *a = address_find(c, text);
        if (!a) {
                a = mem_zalloc(sizeof *a);
                (void)snprintf(a->text, sizeof a->text, "%s", text);
                index_insert(&c->addresses, &a->link, address_hash(c, a->text));
        }
        a->count++;
        return a;
}

void clients__address_put(struct clients *c, struct client_address *a)
{
        if (--a->count)
                return;
        index_remove(&c->addresses, &a->link);
        mem_free(a);
}

/* ---- the largest is closed ---- */

/* A walk over all connections, for the rare moment when all together have too much. */
static struct client *largest(const struct clients *c, size_t (*weight)(const struct client *k))
{
        struct client *most = NULL;
        for (struct list *l = c->list.next; l != &c->list; l = l->next) {
                struct client *k = LIST_ENTRY(l, struct client, link);
                if (!k->doomed && (!most || weight(k) > weight(most)))
                        most = k;
        }
        return most;
}

static size_t input_weight(const struct client *k)
{
        return k->input_capacity;
}

void clients__shed_input(struct clients *c)
{
        struct client *k = largest(c, input_weight);
        if (!k)
                return;
        client__doom(k, &c->stats.dropped_input);
        client__drop_input(k);
}

/* ---- watches ---- */

static size_t watch_weight(const struct client *k)
{
        return k->watch_bytes;
}

/* One that is doomed keeps what it is charged until it is forgotten. */
static void watches_discharge(struct client *k, size_t bytes)
{
        if (k->doomed)
                return;
        k->watch_bytes -= bytes;
        k->all->watch_bytes -= bytes;
}

/* Its watches go when it is closed; they count no more, lest others be closed for them until then. */
static void watches_doom(struct client *k)
{
        struct clients *c = k->all;
        client__doom(k, &c->stats.dropped_watches);
        c->watch_bytes -= k->watch_bytes;
        k->watch_bytes = 0;
}

static void watches_check(struct client *k)
{
        struct clients *c = k->all;
        if (k->watch_bytes > CLIENT_WATCH_BYTES_MAX)
                watches_doom(k);
        if (c->watch_bytes <= CLIENTS_WATCH_BYTES_MAX)
                return;
        k = largest(c, watch_weight);
        if (k)
                watches_doom(k);
}

void client__watch(struct client *k, enum watch_table table, struct jute_str path)
{
        struct clients *c = k->all;
        if (k->doomed)
                return;
        size_t before = watches_count(c->watches);
        watches_add(c->watches, table, path, k->conn);
        if (watches_count(c->watches) == before)
                return; /* it was there */
        size_t bytes = CLIENT_WATCH_COST_BYTES + (size_t)path.len;
        k->watch_bytes += bytes;
        c->watch_bytes += bytes;
        watches_check(k);
}

struct fire {
        struct clients *clients;
        struct effects *fx;
};

static struct client *fired(const struct fire *f, conn_id conn, struct jute_str path)
{
        struct client *k = map_get(&f->clients->by_conn, conn);
        assert(k); /* watches are dropped with their connection */
        watches_discharge(k, CLIENT_WATCH_COST_BYTES + (size_t)path.len);
        return k;
}

static void fire_one(void *ctx, conn_id conn, enum watch_event type, struct jute_str path)
{
        struct fire *f = ctx;
        struct client *k = fired(f, conn, path);
        if (type != EVENT_NODE_DELETED || k->told != f->clients->deletions)
                client__notify(k, type, path, f->fx);
}

static void fire_deleted_data(void *ctx, conn_id conn, enum watch_event type, struct jute_str path)
{
        struct fire *f = ctx;
        struct client *k = fired(f, conn, path);
        (void)type;
        k->told = f->clients->deletions;
        client__notify(k, EVENT_NODE_DELETED, path, f->fx);
}

/* A deletion is fired in two steps, data watches first, so that each registration that goes comes by here and
 * is taken off its connection's account, the child watch too of a connection that has just been told. */
void clients__fire(struct clients *c, const struct tree_event *e, struct effects *fx)
{
        struct fire f = {.clients = c, .fx = fx};
        if (e->type == EVENT_NODE_DELETED) {
                const struct tree_event data = {.type = EVENT_NODE_DATA_CHANGED, .path = e->path};
                c->deletions++;
                watches_fire(c->watches, &data, fire_deleted_data, &f);
        }
        watches_fire(c->watches, e, fire_one, &f);
}
