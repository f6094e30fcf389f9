/* What leaders proposed, and what stands in logs.
 *
 * Each transaction knows the one that stood before it in its leader's log. A log that ends with it must be its whole
 * line: so one comparison for each record appended says that no log anywhere has a hole, a fork, or a record that
 * nobody proposed (safety: Z3, Z4, Z7, Z10, Z11, Z14). */
#include "tests/sim/oracle/oracle_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <string.h>

/* Where the type stands in a transaction's header, and how long its digest is. */
#define TXN_TYPE_AT      28
#define TXN_HEADER_BYTES 32
#define TXN_DIGEST_BYTES 12

struct oracle_txn *oracle__txn(const struct oracle *o, int64_t zxid)
{
        return map_get(&o->txns, (uint64_t)zxid);
}

int64_t oracle__log_end(const struct oracle_server *s)
{
        return s->count ? s->log[s->count - 1].zxid : s->base;
}

int64_t oracle__durable_end(const struct oracle_server *s)
{
        return s->durable ? s->log[s->durable - 1].zxid : s->base;
}

/* ---- proposals ---- */

static bool follows(int64_t last, int64_t next)
{
        if (oracle__epoch_of(last) == oracle__epoch_of(next))
                return oracle__counter_of(next) > 0 && next == last + 1;
        return oracle__epoch_of(next) > oracle__epoch_of(last) && oracle__counter_of(next) == 1;
}

static void check_proposal(struct oracle *o, const struct oracle_server *s, const struct oracle_txn *t, int64_t leads)
{
        size_t place =
                oracle__floor(o, t->zxid & ~INT64_C(0xffffffff)); /* a leader that is deposed may not know of more */
        int64_t end = place == SIZE_MAX ? 0 : o->commits[place].txn->zxid;
        if (!leads)
                ORACLE_BREAK(o, "Z4", "server %d logs " ZX ", which nobody proposed", s->sid, (uint64_t)t->zxid);
        else if (leads != oracle__epoch_of(t->zxid))
                ORACLE_BREAK(o, "Z7", "server %d leads epoch %" PRId64 " and proposes " ZX, s->sid, leads,
                             (uint64_t)t->zxid);
        if (oracle__counter_of(t->zxid) == INT64_C(0xffffffff))
                ORACLE_BREAK(o, "Z26", "server %d proposes " ZX ": the counter is used up", s->sid, (uint64_t)t->zxid);
        if (!follows(t->before, t->zxid))
                ORACLE_BREAK(o, "Z11", "server %d proposes " ZX " after " ZX, s->sid, (uint64_t)t->zxid,
                             (uint64_t)t->before);
        if (!oracle__holds(o, t->before, end))
                ORACLE_BREAK(o, "Z9", "server %d proposes " ZX " on " ZX ", without " ZX ", which was committed",
                             s->sid, (uint64_t)t->zxid, (uint64_t)t->before, (uint64_t)end);
}

static void propose(struct oracle *o, const struct oracle_server *s, int64_t zxid, const uint8_t *bytes, size_t len,
                    int64_t leads)
{
        struct oracle_txn *t = mem_zalloc(sizeof *t);
        t->zxid = zxid;
        t->before = oracle__log_end(s);
        t->proposer = s->sid;
        t->hash = hash_bytes(bytes, len, 0);
        t->bytes = mem_dup(bytes, len);
        t->len = len;
        t->place = SIZE_MAX;
        check_proposal(o, s, t, leads);
        map_put(&o->txns, (uint64_t)zxid, t);
        o->txn_list = mem_grow(o->txn_list, &o->txn_capacity, o->txn_count + 1, sizeof(struct oracle_txn *));
        o->txn_list[o->txn_count++] = t;
}

static void check_record(struct oracle *o, const struct oracle_server *s, const struct oracle_txn *t,
                         const uint8_t *bytes, size_t len, int64_t leads)
{
        int64_t end = oracle__log_end(s);
        if (leads)
                ORACLE_BREAK(o, "Z10", "server %d proposes " ZX " as leader of epoch %" PRId64 "; server %d did before",
                             s->sid, (uint64_t)t->zxid, leads, t->proposer);
        if (len != t->len || memcmp(bytes, t->bytes, len) != 0)
                ORACLE_BREAK(o, "Z10",
                             "server %d logs " ZX " with other bytes (%zu) than server %d proposed it with (%zu)",
                             s->sid, (uint64_t)t->zxid, len, t->proposer, t->len);
        if (end != t->before)
                ORACLE_BREAK(o, "Z11", "server %d logs " ZX " after " ZX "; server %d proposed it after " ZX, s->sid,
                             (uint64_t)t->zxid, (uint64_t)end, t->proposer, (uint64_t)t->before);
}

void oracle__append(struct oracle *o, struct oracle_server *s, int64_t zxid, const uint8_t *bytes, size_t len,
                    uint64_t ticket, int64_t leads)
{
        const struct oracle_txn *t = oracle__txn(o, zxid);
        if (t)
                check_record(o, s, t, bytes, len, leads);
        else
                propose(o, s, zxid, bytes, len, leads);
        s->log = mem_grow(s->log, &s->capacity, s->count + 1, sizeof *s->log);
        s->log[s->count++] = (struct oracle_record){.zxid = zxid, .ticket = ticket};
}

/* ---- lines ---- */

bool oracle__holds(const struct oracle *o, int64_t end, int64_t zxid)
{
        while (end > zxid) {
                const struct oracle_txn *t = oracle__txn(o, end);
                if (!t)
                        return false;
                if (t->place != SIZE_MAX) { /* from here down there is one line only */
                        const struct oracle_txn *wanted = oracle__txn(o, zxid);
                        return zxid == 0 || (wanted && wanted->place != SIZE_MAX);
                }
                end = t->before;
        }
        return end == zxid;
}

static int32_t int_at(const uint8_t *at)
{
        return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
}

bool oracle__digest(const struct oracle *o, int64_t zxid, uint64_t *ret)
{
        while (zxid != 0) {
                const struct oracle_txn *t = oracle__txn(o, zxid);
                if (!t || t->len < TXN_HEADER_BYTES)
                        return false;
                if (t->place != SIZE_MAX) {
                        *ret = o->commits[t->place].digest;
                        return true;
                }
                if (int_at(t->bytes + TXN_TYPE_AT) != OP_ERROR) {
                        const uint8_t *d = t->bytes + t->len - TXN_DIGEST_BYTES;
                        if (t->len < TXN_HEADER_BYTES + TXN_DIGEST_BYTES || int_at(d) != JUTE_DIGEST_VERSION)
                                return false;
                        *ret = (uint64_t)(uint32_t)int_at(d + 4) << 32 | (uint32_t)int_at(d + 8);
                        return true;
                }
                zxid = t->before; /* an error changes nothing and says nothing of the tree */
        }
        *ret = o->fresh_digest;
        return true;
}

/* ---- logs on disk ---- */

void oracle__replace(struct oracle_server *s, int64_t zxid)
{
        s->base = zxid;
        s->count = s->durable = 0;
        s->saving = -1;
}

void oracle__cut(struct oracle *o, struct oracle_server *s, int64_t zxid)
{
        int64_t end = oracle__log_end(s);
        while (s->count > 0 && s->log[s->count - 1].zxid > zxid)
                s->count--;
        s->durable = s->count;
        if (oracle__log_end(s) == zxid)
                return;
        if (!oracle__excused(o, s))
                ORACLE_BREAK(o, "D3", "server %d cuts its log to " ZX ", which is not in it (it ends at " ZX ")",
                             s->sid, (uint64_t)zxid, (uint64_t)end);
        oracle__replace(s, zxid);
}

void oracle__ask(struct oracle *o, struct oracle_server *s, enum oracle_ask_kind kind, int64_t value, uint64_t ticket)
{
        (void)o;
        assert(s->ask_count < ORACLE_ASKS_MAX);
        s->asks[s->ask_count++] = (struct oracle_ask){
                .kind = kind, .value = value, .ticket = ticket, .leads = kind == ASK_CURRENT && s->leads == value};
}

static void settled(struct oracle *o, struct oracle_server *s, const struct oracle_ask *a)
{
        switch (a->kind) {
        case ASK_ACCEPTED:
        case ASK_CURRENT:
                oracle__epoch_durable(o, s, a);
                break;
        case ASK_PREPARE:
                s->prepared = a->value;
                break;
        case ASK_CUT:
                s->cut_asked = a->value;
                break;
        case ASK_REPLACE:
                oracle__replace(s, a->value);
                break;
        }
}

void oracle__durable(struct oracle *o, struct oracle_server *s, uint64_t ticket)
{
        size_t done = 0;
        /* In the order of their tickets: an epoch may not be durable before what was appended ahead of it. */
        while (done < s->ask_count && s->asks[done].ticket <= ticket) {
                const struct oracle_ask *a = &s->asks[done++];
                while (s->durable < s->count && s->log[s->durable].ticket < a->ticket)
                        s->durable++;
                settled(o, s, a);
        }
        while (s->durable < s->count && s->log[s->durable].ticket <= ticket)
                s->durable++;
        s->ask_count -= done;
        memmove(s->asks, s->asks + done, s->ask_count * sizeof *s->asks);
}

void oracle__cut_done(struct oracle *o, struct oracle_server *s, bool made)
{
        if (s->cut_asked < 0)
                return;
        if (made)
                oracle__cut(o, s, s->cut_asked);
        s->cut_asked = -1;
}
