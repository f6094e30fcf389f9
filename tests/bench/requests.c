/* What goes out and what must come back. */
#include "tests/bench/load.h"

#include "election/base/alloc.h"
#include "tests/bench/fail.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define FLAG_EPHEMERAL 1
#define FLAG_SEQUENCE  2
/* The longest path made here, with some room: /ROOT of 32, and two levels of 10. */
#define PATH_BYTES_MAX 96
/* A value begins with the stamp of its write and the number of its key. */
#define VALUE_HEAD_BYTES 12
#define KEY_DIGITS       8
#define KEY_NUMBERS      UINT64_C(100000000)

static const char *const op_names[] = {
        [DO_SET_KEY] = "set",
        [DO_READ_KEY] = "read",
        [DO_VERIFY_KEY] = "reading back",
        [DO_WATCH_KEY] = "watching",
        [DO_MAKE_KEY] = "making a key",
        [DO_DELETE_KEY] = "deleting a key",
        [DO_MAKE_ROOT] = "making the root",
        [DO_DELETE_ROOT] = "deleting the root",
        [DO_MAKE_DIR] = "making a directory",
        [DO_DELETE_DIR] = "deleting a directory",
        [DO_STAT_DIR] = "counting",
        [DO_CREATE_NODE] = "create",
        [DO_READ_NODE] = "reading back",
        [DO_DELETE_NODE] = "delete",
        [DO_CREATE_SEQ] = "create sequential",
        [DO_DELETE_SEQ] = "delete sequential",
        [DO_CREATE_OWN] = "create ephemeral",
        [DO_WATCH_ABSENT] = "watching",
        [DO_SYNC_ROOT] = "sync",
        [DO_CLOSE] = "close",
};
_Static_assert(sizeof op_names / sizeof *op_names == DO_MAX, "each op has a name");

uint32_t request_directories(const struct load *l)
{
        /* One for a thousand of what may come; a run by time may make more in each. */
        uint64_t wanted = l->o->operations ? l->o->operations / 1000 + 1 : 100;
        return wanted > LOAD_DIRECTORIES_MAX ? LOAD_DIRECTORIES_MAX : (uint32_t)wanted;
}

/* ---- paths ---- */

struct path {
        char text[PATH_BYTES_MAX];
        size_t len;
};

static void put_text(struct path *p, const char *text)
{
        size_t len = strlen(text);
        assert(p->len + len <= sizeof p->text);
        memcpy(p->text + p->len, text, len);
        p->len += len;
}

/* Digits without printf, which would be a tenth of the generator's time. */
static void put_number(struct path *p, const char *prefix, uint32_t n)
{
        put_text(p, prefix);
        assert(p->len + KEY_DIGITS <= sizeof p->text);
        for (int i = KEY_DIGITS - 1; i >= 0; i--, n /= 10)
                p->text[p->len + (size_t)i] = (char)('0' + n % 10);
        p->len += KEY_DIGITS;
}

static void put_path(struct load *l, struct jute_writer *w, enum do_op op, uint32_t key)
{
        struct path p = {.len = 0};
        put_text(&p, l->o->root);
        switch (op) {
        case DO_SET_KEY:
        case DO_READ_KEY:
        case DO_VERIFY_KEY:
        case DO_WATCH_KEY:
        case DO_MAKE_KEY:
        case DO_DELETE_KEY:
                put_number(&p, "/k", key);
                break;
        case DO_MAKE_DIR:
        case DO_DELETE_DIR:
        case DO_STAT_DIR:
                put_number(&p, "/d", key);
                break;
        case DO_CREATE_NODE:
        case DO_READ_NODE:
        case DO_DELETE_NODE:
                put_number(&p, "/d", key % request_directories(l));
                put_number(&p, "/n", key);
                break;
        case DO_CREATE_SEQ:
                put_number(&p, "/d", key % request_directories(l));
                put_text(&p, "/s-");
                break;
        case DO_DELETE_SEQ:
                put_number(&p, "/d", key % request_directories(l));
                put_text(&p, "/s-00"); /* ten digits: the server's number, and ours has eight */
                put_number(&p, "", l->seqs[key]);
                break;
        case DO_CREATE_OWN:
                put_number(&p, "/d", 0);
                put_number(&p, "/e", key);
                break;
        case DO_WATCH_ABSENT:
                put_number(&p, "/w", key);
                break;
        case DO_MAKE_ROOT:
        case DO_DELETE_ROOT:
        case DO_SYNC_ROOT:
        case DO_CLOSE:
        case DO_MAX:
                break;
        }
        jute_put_str(w, jute_str_of(p.text, p.len));
}

/* ---- out ---- */

static void put_value(struct load *l, struct jute_writer *w, uint64_t stamp, uint32_t key)
{
        for (int i = 0; i < 8; i++)
                l->value[i] = (uint8_t)(stamp >> (56 - 8 * i));
        for (int i = 0; i < 4; i++)
                l->value[8 + i] = (uint8_t)(key >> (24 - 8 * i));
        jute_put_str(w, jute_str_of(l->value, l->o->value_bytes));
}

static void put_create(struct load *l, struct jute_writer *w, enum do_op op, uint32_t key, int32_t flags,
                       bool with_value)
{
        put_path(l, w, op, key);
        if (with_value)
                put_value(l, w, 0, key);
        else
                jute_put_str(w, jute_str_of("", 0));
        jute_put_int(w, 1);
        jute_put_acl(w, &(struct jute_acl){.perms = 31, .id = {jute_cstr("world"), jute_cstr("anyone")}});
        jute_put_int(w, flags);
}

static int32_t opcode_of(enum do_op op)
{
        switch (op) {
        case DO_SET_KEY:
                return OP_SET_DATA;
        case DO_READ_KEY:
        case DO_READ_NODE:
        case DO_VERIFY_KEY:
        case DO_WATCH_KEY:
                return OP_GET_DATA;
        case DO_STAT_DIR:
        case DO_WATCH_ABSENT:
                return OP_EXISTS;
        case DO_DELETE_KEY:
        case DO_DELETE_ROOT:
        case DO_DELETE_DIR:
        case DO_DELETE_NODE:
        case DO_DELETE_SEQ:
                return OP_DELETE;
        case DO_SYNC_ROOT:
                return OP_SYNC;
        case DO_CLOSE:
                return OP_CLOSE_SESSION;
        case DO_MAKE_KEY:
        case DO_MAKE_ROOT:
        case DO_MAKE_DIR:
        case DO_CREATE_NODE:
        case DO_CREATE_SEQ:
        case DO_CREATE_OWN:
        case DO_MAX:
                break;
        }
        return OP_CREATE;
}

void request_put(struct load *l, struct conn *c, enum do_op op, uint32_t key, uint64_t began_ns)
{
        struct jute_writer *w = &c->out;
        struct conn_request what = {.began_ns = began_ns, .key = key, .op = (uint8_t)op};
        if (op == DO_SET_KEY)
                what.stamp = ++l->stamps;
        size_t mark = conn_begin(c, opcode_of(op), what);
        switch (op) {
        case DO_SET_KEY:
                put_path(l, w, op, key);
                put_value(l, w, what.stamp, key);
                jute_put_int(w, -1);
                break;
        case DO_READ_KEY:
        case DO_READ_NODE:
        case DO_VERIFY_KEY:
        case DO_STAT_DIR:
                put_path(l, w, op, key);
                jute_put_bool(w, false);
                break;
        case DO_WATCH_KEY:
        case DO_WATCH_ABSENT:
                put_path(l, w, op, key);
                jute_put_bool(w, true);
                break;
        case DO_DELETE_KEY:
        case DO_DELETE_ROOT:
        case DO_DELETE_DIR:
        case DO_DELETE_NODE:
        case DO_DELETE_SEQ:
                put_path(l, w, op, key);
                jute_put_int(w, -1);
                break;
        case DO_SYNC_ROOT:
                put_path(l, w, op, key);
                break;
        case DO_MAKE_KEY:
        case DO_CREATE_NODE:
                put_create(l, w, op, key, 0, true);
                break;
        case DO_MAKE_ROOT:
        case DO_MAKE_DIR:
                put_create(l, w, op, key, 0, false);
                break;
        case DO_CREATE_SEQ:
                put_create(l, w, op, key, FLAG_EPHEMERAL | FLAG_SEQUENCE, false);
                break;
        case DO_CREATE_OWN:
                put_create(l, w, op, key, FLAG_EPHEMERAL, false);
                break;
        case DO_CLOSE:
        case DO_MAX:
                break;
        }
        conn_end(c, mark);
        load_touch(l, c);
}

/* ---- back ---- */

static void wrong(const struct conn *c, const struct conn_request *what, const char *why) __attribute__((noreturn));
static void wrong(const struct conn *c, const struct conn_request *what, const char *why)
{
        bench_fail("%s (connection %u, key %u): %s", op_names[what->op], c->index, what->key, why);
}

static void set_done(struct load *l, const struct conn *c, const struct conn_request *what, struct jute_reader *body)
{
        struct jute_stat stat;
        jute_get_stat(body, &stat);
        struct load_key *k = &l->keys[what->key];
        if (body->error || stat.data_length != (int32_t)l->o->value_bytes)
                wrong(c, what, "the reply's stat is not that of what was written");
        k->sets++;
        if (stat.mzxid > k->zxid) {
                k->zxid = stat.mzxid;
                k->stamp = what->stamp;
        }
}

static void read_done(const struct load *l, const struct conn *c, const struct conn_request *what,
                      struct jute_reader *body)
{
        struct jute_get_data_response r;
        jute_get_get_data_response(body, &r);
        if (body->error || r.data.len != (int32_t)l->o->value_bytes)
                wrong(c, what, "a value of another length than was written");
        struct jute_reader value;
        jute_reader_init(&value, r.data.data, VALUE_HEAD_BYTES, 0);
        uint64_t stamp = (uint64_t)jute_get_long(&value);
        if ((uint32_t)jute_get_int(&value) != what->key)
                wrong(c, what, "the value of another key");
        size_t rest = l->o->value_bytes - VALUE_HEAD_BYTES;
        if (memcmp(r.data.data + VALUE_HEAD_BYTES, l->value + VALUE_HEAD_BYTES, rest) != 0)
                wrong(c, what, "a value that nobody wrote");
        if (stamp > l->stamps)
                wrong(c, what, "a value that was not written yet");
        if (what->op != DO_VERIFY_KEY)
                return;
        const struct load_key *k = &l->keys[what->key];
        if (stamp != k->stamp || (k->sets && r.stat.mzxid != k->zxid))
                wrong(c, what, "not the value of the last write that was acknowledged");
        if (r.stat.version != (int32_t)k->sets)
                wrong(c, what, "another number of writes than were acknowledged");
}

static void stat_done(struct load *l, const struct conn *c, const struct conn_request *what, struct jute_reader *body)
{
        struct jute_stat stat;
        jute_get_stat(body, &stat);
        if (body->error)
                wrong(c, what, "no stat");
        l->dir_children += stat.num_children;
        l->dir_changes += stat.cversion;
}

/* Remembers the number, which is the end of the path. */
static void seq_done(struct load *l, const struct conn *c, const struct conn_request *what, struct jute_reader *body)
{
        struct jute_str path = jute_get_str(body);
        uint64_t number = 0;
        if (body->error || path.len < 10)
                wrong(c, what, "no path");
        for (int32_t i = path.len - 10; i < path.len; i++) {
                if (path.data[i] < '0' || path.data[i] > '9')
                        wrong(c, what, "a path that does not end with ten digits");
                number = number * 10 + (uint64_t)(path.data[i] - '0');
        }
        if (number >= KEY_NUMBERS)
                wrong(c, what, "a number of more than eight digits");
        l->seqs = mem_grow(l->seqs, &l->seqs_size, (size_t)what->key + 1, sizeof *l->seqs);
        l->seqs[what->key] = (uint32_t)number;
}

void request_check(struct load *l, struct conn *c, const struct conn_request *what,
                   const struct jute_reply_header *head, struct jute_reader *body)
{
        int32_t wanted = what->op == DO_WATCH_ABSENT ? ZK_NO_NODE : ZK_OK;
        if (head->err != wanted)
                bench_fail("%s (connection %u, key %u): error %d", op_names[what->op], c->index, what->key, head->err);
        if (l->o->canned)
                return; /* an echo is long enough, and that is all that can be said of it */
        switch ((enum do_op)what->op) {
        case DO_SET_KEY:
                set_done(l, c, what, body);
                break;
        case DO_READ_KEY:
        case DO_READ_NODE:
        case DO_VERIFY_KEY:
        case DO_WATCH_KEY:
                read_done(l, c, what, body);
                break;
        case DO_STAT_DIR:
                stat_done(l, c, what, body);
                break;
        case DO_CREATE_SEQ:
                seq_done(l, c, what, body);
                break;
        case DO_MAKE_KEY:
        case DO_DELETE_KEY:
        case DO_MAKE_ROOT:
        case DO_DELETE_ROOT:
        case DO_MAKE_DIR:
        case DO_DELETE_DIR:
        case DO_CREATE_NODE:
        case DO_DELETE_NODE:
        case DO_DELETE_SEQ:
        case DO_CREATE_OWN:
        case DO_WATCH_ABSENT:
        case DO_SYNC_ROOT:
        case DO_CLOSE:
        case DO_MAX:
                break;
        }
}
