/* Commands of clients: "client NAME at SERVER", then "NAME what-it-does". */
#include "tests/sim/scenario/client.h"

#include "election/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FLAG_EPHEMERAL  1
#define FLAG_SEQUENTIAL 2
/* Largest data that "bytes=N" makes. */
#define CHANGE_BYTES_MAX 100000

/* Cuts "-> outcome" off; NULL where nothing is said. */
static const char *cut_outcome(char **words, size_t *count)
{
        if (*count < 2 || strcmp(words[*count - 2], "->") != 0)
                return NULL;
        *count -= 2;
        return words[*count + 1];
}

/* Waits until nothing is under way; then the outcome must be the wanted one. */
static bool settle(struct actor *a, const char *wanted)
{
        struct stage *st = a->st;
        for (int i = 0; i < STAGE_AWAIT_MS && stage_actor_pending(a) && !st->failure.len; i++)
                stage_step(st);
        if (st->failure.len)
                return false;
        if (stage_actor_pending(a)) {
                (void)snprintf(a->outcome, sizeof a->outcome, "silence");
                stage_say(st, a->rank, "%s: no answer", a->name);
        }
        bool got_none = strcmp(a->outcome, "lost") == 0 || strcmp(a->outcome, "silence") == 0;
        if (strcmp(wanted, "data") == 0 ? got_none : strcmp(wanted, "any") != 0 && strcmp(wanted, a->outcome) != 0)
                return stage_fail(st, "%s expected %s, and it came to %s", a->name, wanted, a->outcome);
        return true;
}

static bool conclude(struct actor *a, const char *wanted, const char *otherwise)
{
        if (wanted && strcmp(wanted, "pending") == 0) {
                stage_step(a->st);
                return !a->st->failure.len;
        }
        return settle(a, wanted ? wanted : otherwise);
}

/* ---- sessions ---- */

/* client NAME at SERVER [timeout=MS] [like=OTHER] [seen=ZXID] [password=wrong] [quiet] [-> connected|refused|expired]
 */
static bool client(struct stage *st, char **words, size_t count)
{
        const char *wanted = cut_outcome(words, &count);
        const char *like = stage_option(words, count, "like"), *seen = stage_option(words, count, "seen");
        int64_t timeout = 2000;
        int sid;
        if (count < 4 || strcmp(words[2], "at") != 0)
                return stage_fail(st, "client NAME at SERVER");
        if (!stage_server(st, words[3], &sid) || !stage_option_number(st, words, count, "timeout", &timeout))
                return false;
        const struct actor *other = like ? stage_actor(st, like) : NULL;
        if (stage_actor(st, words[1]) || (like && !other))
                return stage_fail(st, "there is a client %s already, or none to be like", words[1]);
        if (st->actor_count == STAGE_CLIENTS_MAX || strlen(words[1]) >= STAGE_NAME_BYTES)
                return stage_fail(st, "too many clients, or too long a name");
        struct actor *a = mem_zalloc(sizeof *a);
        st->actors[st->actor_count] = a;
        a->st = st;
        a->rank = STAGE_RANK_CLIENT + (int)st->actor_count++;
        (void)snprintf(a->name, sizeof a->name, "%s", words[1]);
        a->timeout_ms = (int32_t)timeout;
        a->next_xid = 1;
        a->quiet = stage_has(words, count, "quiet");
        if (other) {
                a->session = other->session;
                a->seen = other->seen;
                a->next_xid = other->next_xid;
                memcpy(a->passwd, other->passwd, sizeof a->passwd);
                memcpy(a->watches, other->watches, sizeof a->watches);
                a->watch_count = other->watch_count;
        }
        if (seen && !stage_zxid(st, seen, &a->seen))
                return false;
        if (stage_option(words, count, "password"))
                a->passwd[0] ^= 1;
        actor_connect(a, sid);
        return conclude(a, wanted, "connected");
}

const struct stage_command stage_client_commands[] = {{"client", 4, client}, {NULL, 0, NULL}};

static bool reconnect(struct actor *a, char **words, size_t count, const char *wanted)
{
        int sid;
        if (count < 3)
                return stage_fail(a->st, "%s reconnect SERVER", a->name);
        if (!stage_server(a->st, words[2], &sid))
                return false;
        actor_drop(a, NULL);
        actor_connect(a, sid);
        return conclude(a, wanted, "connected");
}

static bool mend(struct actor *a)
{
        a->cut = a->deaf = false;
        if (a->wire && a->held.len)
                world_wire_send(a->wire, a->held.data, a->held.len);
        text_clear(&a->held);
        return true;
}

/* What needs no request. Returns false where it is none of these. */
static bool state_command(struct actor *a, char **words, size_t count, const char *wanted, bool *ret)
{
        const char *what = words[1];
        *ret = true;
        if (strcmp(what, "drop") == 0)
                actor_drop(a, NULL);
        else if (strcmp(what, "reconnect") == 0)
                *ret = reconnect(a, words, count, wanted);
        else if (strcmp(what, "quiet") == 0)
                a->quiet = true;
        else if (strcmp(what, "cut") == 0)
                a->cut = true;
        else if (strcmp(what, "deaf") == 0)
                a->deaf = true;
        else if (strcmp(what, "mend") == 0)
                *ret = mend(a);
        else if (strcmp(what, "answer") == 0)
                *ret = settle(a, wanted ? wanted : "any");
        else
                return false;
        return true;
}

/* ---- requests ---- */

static void put_open_acl(struct jute_create_request *q, struct jute_writer *acl)
{
        struct jute_acl open = {.perms = 31, .id = {.scheme = jute_cstr("world"), .id = jute_cstr("anyone")}};
        jute_put_acl(acl, &open);
        q->acl = (struct jute_vec){.data = acl->data, .size = acl->len, .count = 1};
}

/* create PATH [DATA|bytes=N] [ephemeral] [sequential], set PATH DATA|bytes=N [version=N], delete PATH [version=N],
 * check PATH version=N
 */
static bool put_change(struct actor *a, char **words, size_t count, const char *path, struct jute_writer *w,
                       struct actor_op *ret)
{
        static char many[CHANGE_BYTES_MAX + 1];
        const char *data = count > 2 && !strchr(words[2], '=') ? words[2] : "";
        int64_t version = -1, bytes = 0;
        if (!stage_option_number(a->st, words, count, "version", &version) ||
            !stage_option_number(a->st, words, count, "bytes", &bytes))
                return false;
        if (bytes < 0 || bytes > CHANGE_BYTES_MAX)
                return stage_fail(a->st, "at most %d bytes", CHANGE_BYTES_MAX);
        if (bytes) {
                memset(many, 'x', (size_t)bytes);
                many[bytes] = 0;
                data = many;
        }
        (void)snprintf(ret->path, sizeof ret->path, "%s", path);
        if (strcmp(words[0], "create") == 0) {
                struct jute_writer acl;
                struct jute_create_request q = {.path = jute_cstr(path), .data = jute_cstr(data)};
                ret->type = OP_CREATE;
                ret->ephemeral = stage_has(words, count, "ephemeral");
                ret->sequential = stage_has(words, count, "sequential");
                if (strcmp(data, "ephemeral") == 0 || strcmp(data, "sequential") == 0) /* it was left out */
                        q.data = jute_cstr("");
                q.flags = (ret->ephemeral ? FLAG_EPHEMERAL : 0) | (ret->sequential ? FLAG_SEQUENTIAL : 0);
                jute_writer_init(&acl, SIZE_MAX);
                put_open_acl(&q, &acl);
                jute_put_create_request(w, &q);
                jute_writer_done(&acl);
        } else if (strcmp(words[0], "set") == 0) {
                struct jute_set_data_request q = {
                        .path = jute_cstr(path), .data = jute_cstr(data), .version = (int32_t)version};
                ret->type = OP_SET_DATA;
                jute_put_set_data_request(w, &q);
        } else {
                struct jute_path_version q = {.path = jute_cstr(path), .version = (int32_t)version};
                ret->type = strcmp(words[0], "delete") == 0 ? OP_DELETE : OP_CHECK;
                jute_put_path_version(w, &q);
        }
        return true;
}

static bool is_change(const char *word)
{
        return strcmp(word, "create") == 0 || strcmp(word, "set") == 0 || strcmp(word, "delete") == 0 ||
               strcmp(word, "check") == 0;
}

/* multi CHANGE ; CHANGE ; … */
static bool put_multi(struct actor *a, char **words, size_t count, struct jute_writer *w, struct actor_request *q)
{
        q->type = OP_MULTI;
        for (size_t from = 1, to; from < count; from = to + 1) {
                struct jute_writer body;
                for (to = from; to < count && strcmp(words[to], ";") != 0;)
                        to++;
                if (to - from < 2 || !is_change(words[from]) || q->op_count == ACTOR_OPS_MAX)
                        return stage_fail(a->st, "a multi has changes with ; between them, at most %d", ACTOR_OPS_MAX);
                jute_writer_init(&body, SIZE_MAX);
                struct actor_op *op = &q->ops[q->op_count++];
                bool ok = put_change(a, words + from, to - from, words[from + 1], &body, op);
                jute_put_multi_header(w, &(struct jute_multi_header){.type = op->type, .err = -1});
                jute_put_raw(w, body.data, body.len);
                jute_writer_done(&body);
                if (!ok)
                        return false;
        }
        jute_put_multi_header(w, &(struct jute_multi_header){.type = -1, .done = true, .err = -1});
        return true;
}

static void put_paths(struct actor *a, enum watch_kind kind, struct jute_writer *names, struct jute_vec *ret)
{
        jute_writer_init(names, SIZE_MAX);
        *ret = (struct jute_vec){.count = 0};
        for (size_t i = 0; i < a->watch_count; i++) {
                if (a->watches[i].kind != kind)
                        continue;
                jute_put_cstr(names, a->watches[i].path);
                ret->count++;
        }
        ret->data = names->data;
        ret->size = names->len;
}

/* setwatches: those it has been told nothing of, from the last zxid it has seen on, and those that stay */
static int32_t put_watches(struct actor *a, struct jute_writer *w)
{
        struct jute_writer names[WATCHES_KIND_MAX];
        struct jute_set_watches q = {.relative_zxid = a->seen};
        struct jute_vec persistent, recursive;
        put_paths(a, WATCHES_DATA, &names[WATCHES_DATA], &q.data);
        put_paths(a, WATCHES_EXIST, &names[WATCHES_EXIST], &q.exist);
        put_paths(a, WATCHES_CHILD, &names[WATCHES_CHILD], &q.child);
        put_paths(a, WATCHES_PERSISTENT, &names[WATCHES_PERSISTENT], &persistent);
        put_paths(a, WATCHES_RECURSIVE, &names[WATCHES_RECURSIVE], &recursive);
        bool second = persistent.count || recursive.count;
        jute_put_set_watches(w, &q);
        if (second) {
                jute_put_vec(w, persistent);
                jute_put_vec(w, recursive);
        }
        for (int i = 0; i < WATCHES_KIND_MAX; i++)
                jute_writer_done(&names[i]);
        return second ? OP_SET_WATCHES2 : OP_SET_WATCHES;
}

/* watch PATH [recursive]: one that stays; unwatch PATH: all of the path */
static void put_watch(char **words, size_t count, const char *path, struct jute_writer *w, struct actor_request *q)
{
        enum { TYPE_ANY = 3 };
        const bool add = strcmp(words[0], "watch") == 0, recursive = stage_has(words, count, "recursive");
        q->type = add ? OP_ADD_WATCH : OP_REMOVE_WATCHES;
        q->watch = add;
        q->added = recursive ? WATCHES_RECURSIVE : WATCHES_PERSISTENT;
        jute_put_path_type(w, &(struct jute_path_type){.path = jute_cstr(path), .type = add ? recursive : TYPE_ANY});
}

/* get|exists|children PATH [watch], watch PATH [recursive], unwatch PATH, sync [PATH], setwatches, close, and the
 * changes */
static bool put_request(struct actor *a, char **words, size_t count, const char *path, struct jute_writer *w,
                        struct actor_request *q)
{
        static const struct {
                const char *name;
                int32_t type;
        } reads[] = {{"get", OP_GET_DATA}, {"exists", OP_EXISTS}, {"children", OP_GET_CHILDREN}};
        q->op_count = 1;
        (void)snprintf(q->ops[0].path, sizeof q->ops[0].path, "%s", path);
        for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
                if (strcmp(words[0], reads[i].name) == 0) {
                        q->type = reads[i].type;
                        q->watch = stage_has(words, count, "watch");
                        jute_put_path_watch(w, &(struct jute_path_watch){.path = jute_cstr(path), .watch = q->watch});
                        return count > 1 || stage_fail(a->st, "%s wants a path", words[0]);
                }
        if (is_change(words[0])) {
                bool ok = count > 1 ? put_change(a, words, count, path, w, &q->ops[0])
                                    : stage_fail(a->st, "%s wants a path", words[0]);
                q->type = q->ops[0].type;
                return ok;
        }
        if (strcmp(words[0], "multi") == 0) {
                q->op_count = 0;
                return put_multi(a, words, count, w, q);
        }
        if (strcmp(words[0], "sync") == 0) {
                q->type = OP_SYNC;
                jute_put_cstr(w, count > 1 ? path : "/");
        } else if (strcmp(words[0], "setwatches") == 0) {
                q->type = put_watches(a, w);
        } else if (strcmp(words[0], "watch") == 0 || strcmp(words[0], "unwatch") == 0) {
                put_watch(words, count, path, w, q);
                return count > 1 || stage_fail(a->st, "%s wants a path", words[0]);
        } else if (strcmp(words[0], "close") == 0) {
                q->type = OP_CLOSE_SESSION;
        } else {
                return stage_fail(a->st, "no client can %s", words[0]);
        }
        return true;
}

static void label(char **words, size_t count, char ret[ACTOR_LABEL_BYTES])
{
        size_t len = 0;
        for (size_t i = 0; i < count && len < ACTOR_LABEL_BYTES; i++)
                len += (size_t)snprintf(ret + len, ACTOR_LABEL_BYTES - len, "%s%s", i ? " " : "", words[i]);
}

static bool request(struct actor *a, char **words, size_t count, const char *path, bool one_of_many)
{
        struct jute_writer w;
        struct actor_request q = {.xid = a->next_xid++, .one_of_many = one_of_many};
        size_t header;
        if (!a->connected)
                return stage_fail(a->st, "%s is not connected", a->name);
        if (a->count == ACTOR_REQUESTS_MAX)
                return stage_fail(a->st, "more than %d requests under way", ACTOR_REQUESTS_MAX);
        label(words, count, q.label);
        jute_writer_init(&w, SIZE_MAX);
        jute_put_int(&w, q.xid);
        header = w.len;
        jute_put_int(&w, 0);
        bool ok = put_request(a, words, count, path, &w, &q);
        if (ok) {
                jute_patch_int(&w, header, q.type);
                a->requests = mem_grow(a->requests, &a->capacity, a->count + 1, sizeof *a->requests);
                a->requests[a->count++] = q;
                actor_send(a, &w);
        }
        jute_writer_done(&w);
        return ok;
}

/* many N OPERATION…: one behind the other without waiting; "%" in the path stands for 0, 1, 2 … */
static bool many(struct actor *a, char **words, size_t count, const char *wanted)
{
        int64_t times;
        if (count < 5)
                return stage_fail(a->st, "%s many N OPERATION PATH", a->name);
        if (!a->connected && wanted) {
                (void)snprintf(a->outcome, sizeof a->outcome, "lost");
                return settle(a, wanted);
        }
        if (!stage_number(a->st, words[2], &times))
                return false;
        a->many_ok = a->many_other = 0;
        const char *percent = strchr(words[4], '%');
        for (int64_t i = 0; i < times; i++) {
                char path[ACTOR_PATH_BYTES];
                if (percent)
                        (void)snprintf(path, sizeof path, "%.*s%" PRId64 "%s", (int)(percent - words[4]), words[4], i,
                                       percent + 1);
                else
                        (void)snprintf(path, sizeof path, "%s", words[4]);
                if (!request(a, words + 3, count - 3, path, true))
                        return false;
        }
        if (wanted && strcmp(wanted, "pending") == 0)
                return conclude(a, wanted, "ok");
        bool ok = settle(a, "any");
        stage_say(a->st, a->rank, "%s: %" PRId64 " times %s %s -> %zu ok, %zu other", a->name, times, words[3],
                  words[4], a->many_ok, a->many_other);
        if (ok && (!wanted || strcmp(wanted, "ok") == 0) && a->many_other)
                return stage_fail(a->st, "%zu of them are not done", a->many_other);
        return ok;
}

bool stage_actor_command(struct stage *st, struct actor *a, char **words, size_t count)
{
        const char *wanted = cut_outcome(words, &count);
        bool ok;
        if (count < 2)
                return stage_fail(st, "%s does what?", a->name);
        if (state_command(a, words, count, wanted, &ok))
                return ok;
        if (strcmp(words[1], "many") == 0)
                return many(a, words, count, wanted);
        if (!a->connected && wanted) {
                (void)snprintf(a->outcome, sizeof a->outcome, "lost");
                return settle(a, wanted);
        }
        if (!request(a, words + 1, count - 1, count > 2 ? words[2] : "", false))
                return false;
        /* What a read yields is in the transcript. */
        const char *otherwise = strcmp(words[1], "get") == 0 || strcmp(words[1], "children") == 0 ? "data" : "ok";
        return conclude(a, wanted, otherwise);
}
