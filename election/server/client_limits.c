/* What connections may take of this server, one by one and together: places per address, memory for
 * unfinished frames, memory for watches. */
#include "election/server/clients_internal.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"

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
        return watches_weight_of(k->all->watches, k->conn);
}

/* Its watches go at once, lest others be closed for them: it is told nothing any more. */
static void watches_doom(struct client *k)
{
        client__doom(k, &k->all->stats.dropped_watches);
        watches_drop(k->all->watches, k->conn);
}

void client__watch(struct client *k, enum watch_table table, enum watch_mode mode, struct jute_str path)
{
        struct clients *c = k->all;
        if (k->doomed)
                return;
        watches_add(c->watches, table, mode, path, k->conn);
        if (watch_weight(k) > CLIENT_WATCH_BYTES_MAX)
                watches_doom(k);
        if (watches_weight(c->watches) <= c->watch_bytes_max)
                return;
        k = largest(c, watch_weight);
        if (k)
                watches_doom(k);
}
