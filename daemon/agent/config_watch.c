#include "daemon/agent/config_watch.h"

#include "election/base/alloc.h"
#include "election/base/list.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum read_state {
        READ_IDLE,     /* the znode is not there */
        READ_WANTED,   /* to be requested when there is room */
        READ_UNDERWAY, /* requested */
        READ_WATCHED,  /* answered: its watch will tell */
        READ_REFUSED,  /* answered by an error that only another session, or a retry, may mend */
};
enum read_kind { READ_DATA, READ_CHILDREN, READ_KIND_COUNT };

struct node;

struct read {
        struct node *node;
        enum read_kind kind;
        enum read_state state;
        struct list link; /* wanted or underway */
        int64_t floor;    /* while wanted or under way: what it will show is newer than this */
};

struct value {
        struct blob *data; /* NULL: there is none */
        int64_t mzxid;     /* 0: of a removal, which has none */
        int64_t zxid;      /* it is told as of this one */
        int32_t version;
};

struct node {
        struct config_watch *owner;
        unsigned refs; /* the tree, reads under way, watches */
        bool in_tree;
        bool incomplete; /* some children were left out */
        bool oversized;  /* its value was left out */
        struct value told;
        bool pending; /* `next` is to be told; without data: the removal */
        struct value next;
        struct read reads[READ_KIND_COUNT];
        char path[]; /* "": the root */
};

struct config_watch {
        const struct config_watch_host *host;
        void *ctx;
        struct node *root;
        struct node **nodes; /* in_tree, by path; without the root */
        size_t count, capacity;
        struct list wanted, underway;
        size_t underway_count, pending_count;
        size_t bytes; /* of the latest values */
        int64_t seen; /* highest zxid of a reply */
        int64_t told_up_to;
        uint64_t retry_ms; /* UINT64_MAX: none */
        bool synced, stopped;
};

static void pump(struct config_watch *w);

static void say(const struct config_watch *w, enum log_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
static void say(const struct config_watch *w, enum log_level level, const char *format, ...)
{
        char text[512];
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap); /* cut */
        va_end(ap);
        w->host->log(w->ctx, level, text);
}

/* ---- paths ---- */

static bool names_itself(const char *name, size_t len)
{
        return (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.');
}

int config_path_check(const char *path, size_t len, const char **why)
{
        size_t depth = 0, start = 0;
        *why = "it is empty or longer than 1024 bytes";
        if (len == 0 || len > CONFIG_PATH_MAX)
                return -EINVAL;
        for (size_t i = 0; i <= len; i++) {
                if (i < len && ((unsigned char)path[i] < ' ' || path[i] == 0x7f)) {
                        *why = "it contains a control character";
                        return -EINVAL;
                }
                if (i < len && path[i] != '/')
                        continue;
                *why = "it has an empty part, or one that is . or ..";
                if (i == start || names_itself(path + start, i - start))
                        return -EINVAL;
                start = i + 1;
                depth++;
        }
        *why = "it has more than 16 levels";
        return depth > CONFIG_DEPTH_MAX ? -EINVAL : 0;
}

/* ---- the tree ---- */

static void node_unref(struct node *n)
{
        assert(n->refs > 0);
        if (--n->refs > 0)
                return;
        blob_unref(n->told.data);
        blob_unref(n->next.data);
        mem_free(n);
}

static struct node *node_new(struct config_watch *w, const char *path)
{
        struct node *n = mem_zalloc(sizeof *n + strlen(path) + 1);
        n->owner = w;
        n->refs = 1;
        n->in_tree = true;
        memcpy(n->path, path, strlen(path) + 1);
        for (int k = 0; k < READ_KIND_COUNT; k++) {
                n->reads[k].node = n;
                n->reads[k].kind = (enum read_kind)k;
                list_init(&n->reads[k].link);
        }
        return n;
}

/* Where a path is, or would be. */
static size_t position(const struct config_watch *w, const char *path)
{
        size_t low = 0, high = w->count;
        while (low < high) {
                size_t mid = low + (high - low) / 2;
                if (strcmp(w->nodes[mid]->path, path) < 0)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

static struct node *find(const struct config_watch *w, const char *path)
{
        size_t i = position(w, path);
        return i < w->count && strcmp(w->nodes[i]->path, path) == 0 ? w->nodes[i] : NULL;
}

static struct node *add(struct config_watch *w, const char *path)
{
        size_t i = position(w, path);
        w->nodes = mem_grow(w->nodes, &w->capacity, w->count + 1, sizeof(*w->nodes));
        memmove(w->nodes + i + 1, w->nodes + i, (w->count - i) * sizeof(*w->nodes));
        w->nodes[i] = node_new(w, path);
        w->count++;
        return w->nodes[i];
}

static size_t latest_bytes(const struct node *n)
{
        const struct blob *b = n->pending ? n->next.data : n->told.data;
        return b ? b->len : 0;
}

/* ---- reads ---- */

static void leave_lists(struct read *r)
{
        if (r->state == READ_UNDERWAY)
                r->node->owner->underway_count--;
        list_remove(&r->link);
}

static void want(struct read *r, int64_t floor)
{
        if (!r->node->in_tree || r->state == READ_WANTED || r->state == READ_UNDERWAY)
                return; /* what is under way will be answered after whatever made us want it */
        r->state = READ_WANTED;
        r->floor = floor;
        list_push(&r->node->owner->wanted, &r->link);
}

static void set_read(struct read *r, enum read_state state)
{
        leave_lists(r);
        r->state = state;
}

/* What comes now is newer than every reply the client has seen. */
static int64_t newest_reply(const struct config_watch *w)
{
        struct client_session s;
        client_session(w->host->client(w->ctx), &s);
        return s.last_zxid > w->seen ? s.last_zxid : w->seen;
}

static void drop(struct node *n)
{
        struct config_watch *w = n->owner;
        size_t i = position(w, n->path);
        assert(n->in_tree && w->nodes[i] == n && !n->pending);
        memmove(w->nodes + i, w->nodes + i + 1, (w->count - i - 1) * sizeof(*w->nodes));
        w->count--;
        n->in_tree = false;
        for (int k = 0; k < READ_KIND_COUNT; k++)
                if (n->reads[k].state == READ_WANTED)
                        set_read(&n->reads[k], READ_IDLE);
        node_unref(n);
}

/* There is room again: what was left out may fit now. */
static void look_for_left_out(struct config_watch *w)
{
        for (size_t i = 0; i <= w->count; i++) {
                struct node *n = i < w->count ? w->nodes[i] : w->root;
                /* The standing watch stays; one more read sets another, and both tell the same. */
                if (n->incomplete && n->reads[READ_CHILDREN].state == READ_WATCHED) {
                        n->incomplete = false;
                        want(&n->reads[READ_CHILDREN], w->told_up_to);
                }
        }
}

/* ---- telling ---- */

static int64_t watermark(const struct config_watch *w)
{
        int64_t lowest = w->seen;
        const struct list *heads[] = {&w->wanted, &w->underway};
        for (size_t h = 0; h < 2; h++)
                for (const struct list *l = heads[h]->next; l != heads[h]; l = l->next) {
                        const struct read *r = LIST_ENTRY(l, struct read, link);
                        lowest = r->floor < lowest ? r->floor : lowest;
                }
        return lowest;
}

static int by_next_zxid(const void *a, const void *b)
{
        const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
        if (x->next.zxid != y->next.zxid)
                return x->next.zxid < y->next.zxid ? -1 : 1;
        return strcmp(x->path, y->path);
}

static int by_told_zxid(const void *a, const void *b)
{
        const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
        if (x->told.zxid != y->told.zxid)
                return x->told.zxid < y->told.zxid ? -1 : 1;
        return strcmp(x->path, y->path);
}

static struct config_change change_of(const struct node *n)
{
        const struct value *v = &n->told;
        return (struct config_change){.path = n->path,
                                      .data = v->data ? jute_str_of(v->data->data, v->data->len)
                                                      : (struct jute_str){.data = NULL, .len = -1},
                                      .version = v->version,
                                      .zxid = v->zxid};
}

static void tell(struct node *n)
{
        struct config_watch *w = n->owner;
        bool removed = !n->next.data;
        blob_unref(n->told.data);
        n->told = n->next;
        n->next = (struct value){.data = NULL};
        n->pending = false;
        w->pending_count--;
        if (w->synced) {
                struct config_change change = change_of(n);
                w->host->changed(w->ctx, &change);
        }
        if (removed && n->in_tree && n->reads[READ_DATA].state == READ_IDLE) {
                drop(n);
                look_for_left_out(w);
        }
}

/* Tells what is certain to be in order by now. */
static void deliver(struct config_watch *w)
{
        int64_t up_to = watermark(w);
        if (w->stopped)
                return;
        if (w->pending_count) {
                struct node **due = mem_alloc(w->pending_count * sizeof(*due));
                size_t count = 0;
                for (size_t i = 0; i < w->count; i++)
                        if (w->nodes[i]->pending && w->nodes[i]->next.zxid <= up_to)
                                due[count++] = w->nodes[i];
                qsort(due, count, sizeof(*due), by_next_zxid);
                for (size_t i = 0; i < count; i++)
                        tell(due[i]);
                mem_free(due);
                pump(w); /* what was left out before may be read now */
        }
        w->told_up_to = up_to > w->told_up_to ? up_to : w->told_up_to;
        if (!w->synced && up_to > 0 && w->root->reads[READ_CHILDREN].state != READ_REFUSED) {
                w->synced = true;
                w->host->synced(w->ctx, up_to);
        }
}

/* A read has shown the latest value of `n`; without data: that it is gone. */
static void set_latest(struct node *n, struct value v)
{
        struct config_watch *w = n->owner;
        w->bytes -= latest_bytes(n);
        blob_unref(n->next.data);
        if (!n->pending)
                w->pending_count++;
        if (v.zxid <= w->told_up_to) { /* it had been left out, or could not be read: it counts as of now */
                say(w, LOG_LEVEL_INFO, "configuration " CONFIG_ROOT "/%s is taken in late", n->path);
                v.zxid = w->told_up_to;
        }
        n->pending = true;
        n->next = v;
        w->bytes += latest_bytes(n);
}

/* ---- replies ---- */

/* There is no value any more: what was told is to be taken back, what was not yet told need not be. */
static void withdraw(struct node *n, int64_t zxid)
{
        struct config_watch *w = n->owner;
        if (n->told.data) {
                set_latest(n, (struct value){.zxid = zxid});
        } else if (n->pending) {
                w->bytes -= latest_bytes(n);
                blob_unref(n->next.data);
                n->next = (struct value){.data = NULL};
                n->pending = false;
                w->pending_count--;
        }
}

static void gone(struct node *n, int64_t zxid)
{
        struct config_watch *w = n->owner;
        set_read(&n->reads[READ_DATA], READ_IDLE);
        n->oversized = false;
        withdraw(n, zxid);
        if (!n->pending) {
                drop(n);
                look_for_left_out(w);
        }
}

static void leave_out_value(struct node *n, const struct client_result *r)
{
        if (!n->oversized)
                say(n->owner, LOG_LEVEL_WARNING,
                    "configuration " CONFIG_ROOT "/%s is left out: with its %d bytes all values take more than %u",
                    n->path, r->data.len, CONFIG_BYTES_MAX);
        n->oversized = true;
        withdraw(n, r->stat.mzxid);
}

static void took_value(struct node *n, const struct client_result *r)
{
        struct config_watch *w = n->owner;
        const struct value *latest = n->pending ? &n->next : &n->told;
        size_t len = r->data.len > 0 ? (size_t)r->data.len : 0;
        if (latest->data && latest->mzxid == r->stat.mzxid)
                return;
        if (w->bytes - latest_bytes(n) + len > CONFIG_BYTES_MAX) {
                leave_out_value(n, r);
                return;
        }
        n->oversized = false;
        set_latest(n, (struct value){.data = blob_copy(len ? r->data.data : (const uint8_t *)"", len),
                                     .mzxid = r->stat.mzxid,
                                     .zxid = r->stat.mzxid,
                                     .version = r->stat.version});
}

static void leave_out(struct node *parent, const char *path, const char *why)
{
        struct log_quoted quoted = log_quote(path);
        if (!parent->incomplete)
                say(parent->owner, LOG_LEVEL_WARNING,
                    "configuration below " CONFIG_ROOT "/%s is left out, %s first: %s", parent->path, quoted.text, why);
        parent->incomplete = true;
}

static void found_child(struct node *parent, struct jute_str name, int64_t floor)
{
        struct config_watch *w = parent->owner;
        char path[CONFIG_PATH_MAX + 2];
        const char *why = "its path is longer than 1024 bytes";
        size_t at = strlen(parent->path);
        size_t len = at + (at > 0) + (size_t)(name.len > 0 ? name.len : 0);
        if (name.len <= 0 || len > CONFIG_PATH_MAX) {
                leave_out(parent, "…", why);
                return;
        }
        memcpy(path, parent->path, at);
        if (at > 0)
                path[at++] = '/';
        memcpy(path + at, name.data, (size_t)name.len);
        path[len] = 0;
        if (config_path_check(path, len, &why) < 0) {
                leave_out(parent, path, why);
                return;
        }
        struct node *n = find(w, path);
        if (!n && w->count >= CONFIG_NODES_MAX) {
                leave_out(parent, path, "there are more than 16384 znodes");
                return;
        }
        if (!n)
                n = add(w, path);
        for (int k = 0; k < READ_KIND_COUNT; k++)
                if (n->reads[k].state == READ_IDLE)
                        want(&n->reads[k], floor);
}

static void took_children(struct node *n, const struct client_result *r, int64_t floor)
{
        struct jute_reader names = jute_vec_reader(&r->children);
        n->incomplete = false;
        for (int32_t i = 0; i < r->children.count; i++)
                found_child(n, jute_get_str(&names), floor);
}

static void on_root_made(void *ctx, const struct client_result *r);

/* The root is not there: it is made, and read again. */
static void make_root(struct config_watch *w)
{
        const struct client_call quiet = {.done = NULL}, call = {.done = on_root_made, .ctx = w};
        const struct jute_str nothing = {.data = NULL, .len = -1};
        struct client *c = w->host->client(w->ctx);
        struct read *r = &w->root->reads[READ_CHILDREN];
        (void)client_create(c, "/baton", nothing, CLIENT_PERSISTENT, NULL, &quiet); /* mostly it is there */
        if (client_create(c, CONFIG_ROOT, nothing, CLIENT_PERSISTENT, NULL, &call) == 0)
                w->root->refs++; /* the read counts as under way meanwhile */
        else
                set_read(r, READ_REFUSED);
}

static void refuse(struct read *r, int32_t error)
{
        struct config_watch *w = r->node->owner;
        say(w, LOG_LEVEL_WARNING,
            "configuration " CONFIG_ROOT "/%s cannot be read: the ensemble answers %d; tried again "
            "in %d s",
            r->node->path, error, CONFIG_RETRY_MS / 1000);
        set_read(r, READ_REFUSED);
        if (w->retry_ms == UINT64_MAX)
                w->retry_ms = w->host->now_ms(w->ctx) + CONFIG_RETRY_MS;
}

static void on_root_made(void *ctx, const struct client_result *r)
{
        struct config_watch *w = ctx;
        struct read *children = &w->root->reads[READ_CHILDREN];
        int64_t floor = children->floor;
        if (r->outcome == CLIENT_ANSWERED && r->error != ZK_OK && r->error != ZK_NODE_EXISTS) {
                refuse(children, r->error);
        } else {
                set_read(children, READ_IDLE);
                want(children, floor);
                pump(w);
        }
        node_unref(w->root);
}

static void answered(struct read *read, const struct client_result *r)
{
        struct node *n = read->node;
        struct config_watch *w = n->owner;
        int64_t floor = read->floor;
        if (r->error == ZK_NO_NODE && n == w->root) {
                make_root(w);
        } else if (r->error == ZK_NO_NODE && read->kind == READ_DATA) {
                gone(n, r->zxid);
        } else if (r->error == ZK_NO_NODE) {
                set_read(read, READ_IDLE); /* what the other read says counts */
        } else if (r->error != ZK_OK) {
                refuse(read, r->error);
        } else {
                set_read(read, READ_WATCHED);
                if (read->kind == READ_DATA)
                        took_value(n, r);
                else
                        took_children(n, r, floor);
                /* Removed and made again between its two reads. */
                struct read *other = &n->reads[read->kind == READ_DATA ? READ_CHILDREN : READ_DATA];
                if (n != w->root && other->state == READ_IDLE)
                        want(other, floor);
        }
}

static void on_read(void *ctx, const struct client_result *r)
{
        struct read *read = ctx;
        struct node *n = read->node;
        struct config_watch *w = n->owner;
        if (r->watching)
                n->refs++;
        if (r->outcome == CLIENT_ANSWERED && r->zxid > w->seen)
                w->seen = r->zxid;
        if (!n->in_tree) {
                leave_lists(read);
                read->state = READ_IDLE;
        } else if (r->outcome == CLIENT_ANSWERED) {
                answered(read, r);
        } else { /* it may be asked again at once: the request waits for a connection */
                int64_t floor = read->floor;
                set_read(read, READ_IDLE);
                want(read, floor);
        }
        node_unref(n);
        pump(w);
        deliver(w);
}

static void on_watch(struct read *read)
{
        struct node *n = read->node;
        struct config_watch *w = n->owner;
        if (n->in_tree && read->state == READ_WATCHED) {
                want(read, newest_reply(w));
                pump(w);
        }
        node_unref(n);
}

static void on_data_event(void *ctx, enum client_event event, const char *path)
{
        struct node *n = ctx;
        (void)event; /* changed, deleted, or the session is over: it is read again in any case */
        (void)path;
        on_watch(&n->reads[READ_DATA]);
}

static void on_children_event(void *ctx, enum client_event event, const char *path)
{
        struct node *n = ctx;
        (void)event;
        (void)path;
        on_watch(&n->reads[READ_CHILDREN]);
}

/* ---- asking ---- */

static int request(struct read *r)
{
        struct node *n = r->node;
        struct client *c = n->owner->host->client(n->owner->ctx);
        char path[sizeof CONFIG_ROOT + CONFIG_PATH_MAX + 2];
        const struct client_call call = {.done = on_read,
                                         .ctx = r,
                                         .watch = r->kind == READ_DATA ? on_data_event : on_children_event,
                                         .watch_ctx = n};
        (void)snprintf(path, sizeof path, "%s%s%s", CONFIG_ROOT, *n->path ? "/" : "", n->path);
        return r->kind == READ_DATA ? client_get(c, path, &call) : client_children2(c, path, &call);
}

static void pump(struct config_watch *w)
{
        while (!w->stopped && !list_empty(&w->wanted) && w->underway_count < CONFIG_READS_MAX) {
                struct read *r = LIST_ENTRY(w->wanted.next, struct read, link);
                int error = request(r);
                if (error == -EINVAL || error == -EMSGSIZE) { /* a name that no server has given */
                        set_read(r, READ_REFUSED);
                        continue;
                }
                if (error < 0) { /* full, or between two sessions */
                        w->retry_ms = w->host->now_ms(w->ctx) + CONFIG_RETRY_MS;
                        return;
                }
                list_remove(&r->link);
                r->state = READ_UNDERWAY;
                list_push(&w->underway, &r->link);
                w->underway_count++;
                r->node->refs++;
        }
}

/* ---- life ---- */

struct config_watch *config_watch_new(const struct config_watch_host *host, void *ctx)
{
        struct config_watch *w = mem_zalloc(sizeof *w);
        w->host = host;
        w->ctx = ctx;
        w->retry_ms = UINT64_MAX;
        list_init(&w->wanted);
        list_init(&w->underway);
        w->root = node_new(w, "");
        return w;
}

void config_watch_free(struct config_watch *w)
{
        if (!w)
                return;
        w->stopped = true;
        while (w->count) {
                struct node *n = w->nodes[w->count - 1];
                n->pending = false;
                drop(n);
        }
        for (int k = 0; k < READ_KIND_COUNT; k++)
                leave_lists(&w->root->reads[k]);
        assert(w->root->refs == 1); /* the client has called back all it had */
        node_unref(w->root);
        mem_free(w->nodes);
        mem_free(w);
}

static void want_all(struct config_watch *w, enum read_state instead_of)
{
        int64_t floor = w->synced ? newest_reply(w) : 0;
        if (w->root->reads[READ_CHILDREN].state == instead_of)
                want(&w->root->reads[READ_CHILDREN], floor);
        for (size_t i = 0; i < w->count; i++)
                for (int k = 0; k < READ_KIND_COUNT; k++)
                        if (w->nodes[i]->reads[k].state == instead_of)
                                want(&w->nodes[i]->reads[k], floor);
}

void config_watch_session(struct config_watch *w)
{
        if (w->root->reads[READ_CHILDREN].state == READ_IDLE)
                want(&w->root->reads[READ_CHILDREN], w->synced ? newest_reply(w) : 0);
        want_all(w, READ_REFUSED);
        pump(w);
}

void config_watch_tick(struct config_watch *w)
{
        if (w->host->now_ms(w->ctx) < w->retry_ms)
                return;
        w->retry_ms = UINT64_MAX;
        want_all(w, READ_REFUSED);
        pump(w);
}

uint64_t config_watch_deadline(const struct config_watch *w)
{
        return w->retry_ms;
}

bool config_watch_is_synced(const struct config_watch *w)
{
        return w->synced;
}

int64_t config_watch_replay(const struct config_watch *w, config_change_fn *fn, void *ctx)
{
        struct node **all = mem_alloc(w->count * sizeof(*all));
        size_t count = 0;
        for (size_t i = 0; i < w->count; i++)
                if (w->nodes[i]->told.data)
                        all[count++] = w->nodes[i];
        qsort(all, count, sizeof(*all), by_told_zxid);
        for (size_t i = 0; i < count; i++) {
                struct config_change change = change_of(all[i]);
                fn(ctx, &change);
        }
        mem_free(all);
        return w->told_up_to;
}
