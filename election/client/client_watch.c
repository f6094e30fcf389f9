/* Watches, and whom an event concerns. A server forgets them with the connection, so this side keeps them.
 *
 * Which list a watch belongs to is decided by the reply that set it: exists of a missing node goes to the
 * exist list, other successes to the data or child list, addWatch says it itself. The lists decide what setWatches
 * compares (client-protocol.md 7.4), and which events concern a watch (7.3).
 *
 * Callbacks change no table here: what they ask for is carried out when the event ends. */
#include "election/client/client_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <string.h>

static uint64_t path_hash(const void *path, size_t len)
{
        return hash_bytes(path, len, 0);
}

static struct client_watched *watched_find(const struct client *c, const void *path, size_t len)
{
        struct client_watched *p = map_get(&c->watch_paths, path_hash(path, len));
        while (p && (p->path_len != len || memcmp(p->path, path, len) != 0))
                p = p->next;
        return p;
}

static struct client_watched *watched_new(struct client *c, const char *path)
{
        struct client_watched *p = mem_zalloc(sizeof *p);
        p->path = mem_strdup(path);
        p->path_len = strlen(path);
        for (int kind = 0; kind < WATCH_KIND_MAX; kind++)
                list_init(&p->kinds[kind]);
        uint64_t hash = path_hash(path, p->path_len);
        p->next = map_get(&c->watch_paths, hash);
        map_put(&c->watch_paths, hash, p);
        list_push(&c->watched, &p->link);
        return p;
}

static void watched_unlink(struct client *c, struct client_watched *p)
{
        uint64_t hash = path_hash(p->path, p->path_len);
        struct client_watched *first = map_get(&c->watch_paths, hash);
        if (first == p && p->next)
                map_put(&c->watch_paths, hash, p->next);
        else if (first == p)
                (void)map_remove(&c->watch_paths, hash); /* it is p */
        else
                for (struct client_watched *q = first; q; q = q->next)
                        if (q->next == p)
                                q->next = p->next;
        p->next = NULL;
        list_remove(&p->link);
}

static void watched_free(struct client_watched *p)
{
        mem_free(p->path);
        mem_free(p);
}

bool client__watch_reserve(struct client *c, size_t path_len)
{
        if (c->watch_count >= CLIENT_WATCHES_MAX || path_len > CLIENT_WATCHED_BYTES_MAX - c->watch_bytes)
                return false;
        c->watch_count++;
        c->watch_bytes += path_len;
        return true;
}

void client__watch_unreserve(struct client *c, size_t path_len)
{
        assert(c->watch_count > 0);
        assert(c->watch_bytes >= path_len);
        c->watch_count--;
        c->watch_bytes -= path_len;
}

void client__watch_add(struct client *c, enum client_watch_kind kind, const char *path, client_watch_fn *fn, void *ctx)
{
        struct client_watched *p = watched_find(c, path, strlen(path));
        if (!p)
                p = watched_new(c, path);
        struct client_watch *w = mem_zalloc(sizeof *w);
        w->fn = fn;
        w->ctx = ctx;
        if (kind == WATCH_RECURSIVE && list_empty(&p->kinds[kind]))
                c->recursive_count++;
        list_push(&p->kinds[kind], &w->link);
}

/* ---- events ---- */

/* Every kind there is. */
#define KINDS_ALL ((1u << WATCH_KIND_MAX) - 1)

/* The one-shot watches that an event ends. */
static unsigned kinds_of(enum client_event event)
{
        switch (event) {
        case CLIENT_EVENT_CREATED:
        case CLIENT_EVENT_DATA:
                return 1u << WATCH_DATA | 1u << WATCH_EXIST;
        case CLIENT_EVENT_CHILDREN:
                return 1u << WATCH_CHILD;
        case CLIENT_EVENT_DELETED:
                return 1u << WATCH_DATA | 1u << WATCH_EXIST | 1u << WATCH_CHILD;
        case CLIENT_EVENT_NONE:
        case CLIENT_EVENT_REMOVED:
                break;
        }
        return KINDS_ALL;
}

/* Moves the watches of these kinds to `ret`. Returns how many kinds stay. */
static size_t watched_take(struct client *c, struct client_watched *p, unsigned kinds, struct list *ret)
{
        size_t left = 0;
        if (kinds >> WATCH_RECURSIVE & 1 && !list_empty(&p->kinds[WATCH_RECURSIVE]))
                c->recursive_count--;
        for (unsigned kind = 0; kind < WATCH_KIND_MAX; kind++) {
                if (!(kinds >> kind & 1)) {
                        left += !list_empty(&p->kinds[kind]);
                        continue;
                }
                while (!list_empty(&p->kinds[kind])) {
                        struct list *l = p->kinds[kind].next;
                        list_remove(l);
                        list_push(ret, l);
                }
        }
        return left;
}

static void watches_call(struct client *c, struct list *watches, enum client_event event, const char *path)
{
        const char *shown = (const char *)client__path_strip(c, jute_cstr(path)).data;
        while (!list_empty(watches)) {
                struct client_watch *w = LIST_ENTRY(watches->next, struct client_watch, link);
                list_remove(&w->link);
                c->calling++;
                w->fn(w->ctx, event, shown);
                c->calling--;
                mem_free(w);
        }
}

static size_t list_length(const struct list *head)
{
        size_t n = 0;
        for (const struct list *l = head->next; l != head; l = l->next)
                n++;
        return n;
}

/* Takes the watches of these kinds away from a path, which may go with them, and tells them. */
static void watched_end(struct client *c, struct client_watched *p, unsigned kinds, enum client_event event)
{
        struct list due;
        list_init(&due);
        bool stays = watched_take(c, p, kinds, &due) > 0;
        for (size_t n = list_length(&due); n > 0; n--)
                client__watch_unreserve(c, p->path_len);
        if (!stays)
                watched_unlink(c, p);
        watches_call(c, &due, event, p->path);
        if (!stays)
                watched_free(p);
}

/* Tells watches that stay. */
static void persistent_call(struct client *c, const struct client_watched *p, enum client_watch_kind kind,
                            enum client_event event, const char *shown)
{
        for (const struct list *l = p->kinds[kind].next; l != &p->kinds[kind]; l = l->next) {
                const struct client_watch *w = LIST_ENTRY(l, struct client_watch, link);
                c->calling++;
                w->fn(w->ctx, event, shown);
                c->calling--;
        }
}

/* Recursive watches on the path and on all above it, from below upwards; none of them is told of children. */
static void recursive_fire(struct client *c, enum client_event event, const char *path, const char *shown)
{
        size_t len = strlen(path);
        if (!c->recursive_count || event == CLIENT_EVENT_CHILDREN)
                return;
        while (len > 0) {
                const struct client_watched *p = watched_find(c, path, len);
                if (p)
                        persistent_call(c, p, WATCH_RECURSIVE, event, shown);
                if (len == 1)
                        return;
                while (len > 1 && path[len - 1] != '/')
                        len--;
                if (len > 1)
                        len--; /* without its slash; "/" keeps it */
        }
}

void client__watch_fire(struct client *c, enum client_event event, struct jute_str path)
{
        if (path.len <= 0 || memchr(path.data, 0, (size_t)path.len))
                return; /* no watch is on such a path */
        char *text = mem_alloc((size_t)path.len + 1);
        memcpy(text, path.data, (size_t)path.len);
        text[path.len] = 0;
        const char *shown = (const char *)client__path_strip(c, jute_cstr(text)).data;
        struct client_watched *p = watched_find(c, text, (size_t)path.len);
        /* None may be there: told before, under another registration. */
        if (p)
                persistent_call(c, p, WATCH_PERSISTENT, event, shown);
        if (p)
                watched_end(c, p, kinds_of(event), event);
        recursive_fire(c, event, text, shown);
        mem_free(text);
}

void client__watch_remove(struct client *c, enum client_watch_type type, const char *path)
{
        static const unsigned kinds[] = {
                [CLIENT_WATCHES_CHILDREN] = 1u << WATCH_CHILD,
                [CLIENT_WATCHES_DATA] = 1u << WATCH_DATA | 1u << WATCH_EXIST,
                [CLIENT_WATCHES_ANY] = KINDS_ALL,
                [CLIENT_WATCHES_PERSISTENT] = 1u << WATCH_PERSISTENT,
                [CLIENT_WATCHES_RECURSIVE] = 1u << WATCH_RECURSIVE,
        };
        struct client_watched *p = watched_find(c, path, strlen(path));
        if (p)
                watched_end(c, p, kinds[type], CLIENT_EVENT_REMOVED);
}

void client__watch_take_all(struct client *c, struct list *ret)
{
        while (!list_empty(&c->watched)) {
                struct client_watched *p = LIST_ENTRY(c->watched.next, struct client_watched, link);
                watched_unlink(c, p);
                for (int kind = 0; kind < WATCH_KIND_MAX; kind++)
                        for (size_t n = list_length(&p->kinds[kind]); n > 0; n--)
                                client__watch_unreserve(c, p->path_len);
                list_push(ret, &p->link);
        }
}

void client__watch_drop_all(struct client *c, struct list *watched)
{
        while (!list_empty(watched)) {
                struct client_watched *p = LIST_ENTRY(watched->next, struct client_watched, link);
                struct list due;
                list_init(&due);
                list_remove(&p->link);
                (void)watched_take(c, p, kinds_of(CLIENT_EVENT_NONE), &due); /* all of them */
                watches_call(c, &due, CLIENT_EVENT_NONE, p->path);
                watched_free(p);
        }
}

void client__watch_check(const struct client *c)
{
        size_t count = 0, bytes = 0, recursive = 0;
        for (const struct list *l = c->watched.next; l != &c->watched; l = l->next) {
                const struct client_watched *p = LIST_ENTRY(l, struct client_watched, link);
                size_t here = 0;
                for (int kind = 0; kind < WATCH_KIND_MAX; kind++)
                        here += list_length(&p->kinds[kind]);
                recursive += !list_empty(&p->kinds[WATCH_RECURSIVE]);
                assert(here > 0);
                assert(watched_find(c, p->path, p->path_len) == p);
                count += here;
                bytes += here * p->path_len;
        }
        /* The rest is asked for by requests in hand. */
        const struct list *queues[] = {&c->waiting, &c->in_flight};
        for (size_t i = 0; i < 2; i++)
                for (const struct list *l = queues[i]->next; l != queues[i]; l = l->next) {
                        const struct client_request *q = LIST_ENTRY(l, struct client_request, link);
                        if (q->watch_path) {
                                count++;
                                bytes += strlen(q->watch_path);
                        }
                }
        assert(recursive == c->recursive_count);
        assert(count == c->watch_count);
        assert(bytes == c->watch_bytes);
}
