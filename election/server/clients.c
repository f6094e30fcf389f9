/* The table of client connections: limits, life and death, serving or not, watch delivery. */
#include "election/server/clients_internal.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"

#include <assert.h>
#include <errno.h>

struct clients *clients_new(const struct server_config *config, const struct clients_host *host, int64_t first_session)
{
        struct clients *c = mem_zalloc(sizeof *c);
        c->config = config;
        c->host = *host;
        c->next_session = first_session;
        map_init(&c->by_conn);
        map_init(&c->by_session);
        map_init(&c->orphans);
        index_init(&c->addresses);
        list_init(&c->list);
        list_init(&c->fresh);
        list_init(&c->paused);
        list_init(&c->released);
        list_init(&c->doomed);
        list_init(&c->syncs);
        list_init(&c->resumes);
        list_init(&c->orphan_sessions);
        c->watches = watches_new();
        c->watch_bytes_max = CLIENTS_WATCH_BYTES_MAX;
        c->step_bytes_max = CLIENTS_STEP_BYTES_MAX;
        watches_seed(c->watches, hash_u64(config->seed));
        jute_writer_init(&c->scratch, SIZE_MAX);
        c->item_max = server_item_max(config);
        clients_stats_reset(c);
        return c;
}

/* ---- life and death of a connection ---- */

static void client_free(struct client *k)
{
        clients__address_put(k->all, k->address);
        blob_unref(k->ids);
        mem_free(k);
}

/* Takes the connection out of every table and frees it. */
static void client_forget(struct client *k)
{
        struct clients *c = k->all;
        client__orphan_queue(k);
        client__drop_input(k);
        watches_drop(c->watches, k->conn);
        (void)map_remove(&c->by_conn, k->conn);
        if (k->session && map_get(&c->by_session, (uint64_t)k->session) == k)
                (void)map_remove(&c->by_session, (uint64_t)k->session);
        list_remove(&k->link);
        list_remove(&k->fresh_link);
        list_remove(&k->paused_link);
        list_remove(&k->released_link);
        list_remove(&k->doomed_link);
        client_free(k);
}

static void asked_drop_all(struct clients *c, struct list *asked)
{
        while (!list_empty(asked))
                clients__asked_done(c, LIST_ENTRY(asked->next, struct client_asked, link));
}

/* What was asked of the ensemble will not be answered any more. */
static void clients_forget_asked(struct clients *c)
{
        asked_drop_all(c, &c->syncs);
        asked_drop_all(c, &c->resumes);
        clients__orphans_drop_all(c);
}

void clients_free(struct clients *c)
{
        if (!c)
                return;
        clients_mute(c);
        while (!list_empty(&c->list))
                client_forget(LIST_ENTRY(c->list.next, struct client, link));
        clients_forget_asked(c);
        map_done(&c->by_conn);
        map_done(&c->by_session);
        map_done(&c->orphans);
        index_done(&c->addresses);
        watches_free(c->watches);
        jute_writer_done(&c->scratch);
        mem_free(c);
}

struct client *clients__find_session(struct clients *c, int64_t session)
{
        return map_get(&c->by_session, (uint64_t)session);
}

int64_t clients__zxid(const struct clients *c)
{
        int64_t zxid = database_zxid(c->host.database(c->host.ctx));
        return zxid < c->zxid_min ? c->zxid_min : zxid;
}

void client__bind(struct client *k, int64_t session, int32_t timeout_ms)
{
        assert(!map_get(&k->all->by_session, (uint64_t)session));
        k->session = session;
        k->timeout_ms = timeout_ms;
        map_put(&k->all->by_session, (uint64_t)session, k);
}

void client__set_state(struct client *k, enum client_state state)
{
        assert(state != CLIENT_NEW);
        list_remove(&k->fresh_link);
        k->state = state;
        k->all->moved = true;
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

void client__doom(struct client *k, uint64_t *counter)
{
        if (k->doomed)
                return;
        (*counter)++;
        k->doomed = true;
        client__set_state(k, CLIENT_ENDING);
        list_push(&k->all->doomed, &k->doomed_link);
}

struct client_asked *clients__ask(struct clients *c, struct list *where, conn_id conn)
{
        if (c->asked_count >= CLIENTS_ASKED_MAX)
                return NULL;
        struct client_asked *a = mem_zalloc(sizeof *a);
        a->conn = conn;
        list_push(where, &a->link);
        c->asked_count++;
        return a;
}

void clients__asked_done(struct clients *c, struct client_asked *a)
{
        list_remove(&a->link);
        c->asked_count--;
        mem_free(a);
}

/* ---- serving or not ---- */

void clients_serve(struct clients *c, int64_t zxid)
{
        c->serving = true;
        c->zxid_min = zxid;
}

/* What replies have shown before holds on: all that came before that zxid is in this database too. */
void clients_serve_read_only(struct clients *c)
{
        c->serving = true;
        c->read_only = true;
        c->first_local = c->next_session;
}

void clients_mute(struct clients *c)
{
        c->serving = false;
        c->read_only = false;
}

/* What was answered is true and leaves before the end; a Java server may drop it. */
void clients_end(struct clients *c, struct effects *fx)
{
        clients_mute(c);
        for (struct list *l = c->list.next, *next; l != &c->list; l = next) {
                struct client *k = LIST_ENTRY(l, struct client, link);
                next = l->next;
                if (k->state != CLIENT_NEW)
                        client__close(k, !k->doomed, fx);
        }
        clients_forget_asked(c);
}

/* An expired session is told nothing: a bare close. */
void clients_session_over(struct clients *c, int64_t session, struct effects *fx)
{
        struct client *k = clients__find_session(c, session);
        if (k)
                client__close(k, false, fx);
}

/* ---- events ---- */

static bool clients_crowded(const struct clients *c, const char *address)
{
        const struct server_config *f = c->config;
        return (f->max_cnxns && c->by_conn.count >= f->max_cnxns) ||
               (f->max_client_cnxns && clients__address_count(c, address) >= f->max_client_cnxns);
}

void clients_accepted(struct clients *c, const struct event *e, struct effects *fx)
{
        if (clients_crowded(c, e->accepted.address)) {
                c->stats.rejected++;
                effect_close(fx, e->conn, false);
                return;
        }
        if (list_empty(&c->list))
                c->idle_check_ms = e->now.mono_ms + CLIENTS_IDLE_CHECK_MS;
        struct client *k = mem_zalloc(sizeof *k);
        k->all = c;
        k->conn = e->conn;
        k->state = CLIENT_NEW;
        k->since_ms = e->now.mono_ms;
        k->heard_ms = e->now.mono_ms;
        k->since_wall_ms = e->now.wall_ms;
        k->remote_port = e->accepted.remote_port;
        k->address = clients__address_get(c, e->accepted.address);
        k->ids = client__first_identity(k->address->text);
        client__figures_reset(k);
        list_init(&k->queue);
        list_init(&k->paused_link);
        list_init(&k->released_link);
        list_init(&k->doomed_link);
        list_push(&c->list, &k->link);
        list_push(&c->fresh, &k->fresh_link);
        map_put(&c->by_conn, k->conn, k);
}

bool clients_bytes(struct clients *c, const struct event *e, struct effects *fx)
{
        struct client *k = map_get(&c->by_conn, e->conn);
        if (!k)
                return false;
        k->heard_ms = e->now.mono_ms;
        k->silent = false;
        c->stats.received_bytes += e->bytes.len;
        client__feed(k, e, e->bytes.data, e->bytes.len, fx);
        return true;
}

bool clients_sent(struct clients *c, const struct event *e, struct effects *fx)
{
        struct client *k = map_get(&c->by_conn, e->conn);
        if (!k)
                return false;
        client__sent(k, fx);
        return true;
}

bool clients_closed(struct clients *c, const struct event *e, struct effects *fx)
{
        struct client *k = map_get(&c->by_conn, e->conn);
        if (!k)
                return false;
        if (e->status == -ENOBUFS)
                c->stats.dropped_slow++;
        c->stats.left += e->status == 0;
        client__submit_held(k, e, fx);
        client_forget(k);
        return true;
}

/* ---- time ---- */

static void tick_fresh(struct clients *c, uint64_t now_ms, struct effects *fx)
{
        while (!list_empty(&c->fresh)) {
                struct client *k = LIST_ENTRY(c->fresh.next, struct client, fresh_link);
                if (now_ms < k->since_ms + SERVER_CONNECT_TIMEOUT_MS)
                        return;
                c->stats.sessionless_expired++;
                client__close(k, false, fx);
        }
}

/* Whether it has been silent for longer than its session may be. Nothing is heard from one that is not read,
 * but that is its own doing where it does not take its answers. */
static bool client_silent(const struct client *k, uint64_t now_ms)
{
        bool unread = !list_empty(&k->paused_link) && !k->choked;
        return k->state != CLIENT_NEW && !unread && now_ms >= k->heard_ms + (uint64_t)k->timeout_ms;
}

/* A half-open connection may outlive its session's move to another server; nothing else would end it. Twice
 * must it be found silent: after this process has stood still there is much to be heard yet. */
static void tick_idle(struct clients *c, uint64_t now_ms, struct effects *fx)
{
        if (now_ms < c->idle_check_ms)
                return;
        c->idle_check_ms = now_ms + CLIENTS_IDLE_CHECK_MS;
        for (struct list *l = c->list.next, *next; l != &c->list; l = next) {
                struct client *k = LIST_ENTRY(l, struct client, link);
                const bool before = k->silent;
                next = l->next;
                k->silent = client_silent(k, now_ms);
                if (!before || !k->silent)
                        continue;
                c->stats.dropped_idle++;
                client__close(k, false, fx);
        }
}

void clients_tick(struct clients *c, uint64_t now_ms, struct effects *fx)
{
        tick_fresh(c, now_ms, fx);
        tick_idle(c, now_ms, fx);
}

uint64_t clients_deadline(const struct clients *c)
{
        if (c->moved)
                return 0;
        uint64_t at = list_empty(&c->list) ? UINT64_MAX : c->idle_check_ms;
        if (list_empty(&c->fresh))
                return at;
        uint64_t fresh =
                LIST_ENTRY(c->fresh.next, const struct client, fresh_link)->since_ms + SERVER_CONNECT_TIMEOUT_MS;
        return fresh < at ? fresh : at;
}
