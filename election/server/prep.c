#include "election/server/prep.h"

#include "election/base/alloc.h"
#include "election/server/prep_internal.h"

#include <assert.h>

struct prep *prep_new(const struct database *db, struct session_clock *clock, int32_t item_max, size_t payload_max)
{
        struct prep *p = mem_zalloc(sizeof *p);
        p->db = db;
        p->clock = clock;
        p->item_max = item_max;
        p->payload_max = payload_max;
        p->hash_seed = tree_hash_seed(database_tree(db));
        p->digest = tree_digest(database_tree(db));
        prep__pending_init(p);
        return p;
}

void prep_free(struct prep *p)
{
        if (!p)
                return;
        prep__pending_done(p);
        mem_free(p);
}

void prep_set_acl_policy(struct prep *p, const struct acl_policy *policy)
{
        p->acl = *policy;
}

void prep_allow_ttl(struct prep *p, bool allow)
{
        p->ttl_allowed = allow;
}

bool prep_handles(int32_t opcode)
{
        switch (opcode) {
        case OP_CREATE:
        case OP_CREATE2:
        case OP_CREATE_CONTAINER:
        case OP_CREATE_TTL:
        case OP_DELETE:
        case OP_DELETE_CONTAINER:
        case OP_SET_DATA:
        case OP_SET_ACL:
        case OP_MULTI:
        case OP_RECONFIG:
        case OP_CREATE_SESSION:
        case OP_CLOSE_SESSION:
                return true;
        default:
                return false;
        }
}

bool prep_body_ok(int32_t opcode, struct jute_str body, int32_t item_max)
{
        struct jute_reader r = prep__reader(body, item_max);
        struct jute_reconfig_request reconfig;
        struct prep_op op;
        switch (opcode) {
        case OP_CLOSE_SESSION:
                return true;
        case OP_CREATE_SESSION:
                (void)jute_get_int(&r);
                return !r.error;
        case OP_RECONFIG:
                jute_get_reconfig_request(&r, &reconfig);
                return !r.error;
        case OP_MULTI:
                return prep__multi_takes_zxid(body, item_max);
        default:
                return prep__decode(&r, opcode, &op);
        }
}

static int prep_body(struct prep_txn *t, struct jute_writer *w)
{
        const struct prep_request *q = t->request;
        struct jute_reader r = prep__reader(q->body, t->prep->item_max);
        struct prep_op op;
        switch (q->opcode) {
        case OP_CREATE_SESSION:
                return prep__create_session(t, w);
        case OP_CLOSE_SESSION:
                return prep__close_session(t, w);
        case OP_RECONFIG:
                return ZK_RECONFIG_DISABLED;
        case OP_MULTI:
                return prep__multi(t, w);
        case OP_DELETE_CONTAINER:
                return q->sweep ? prep__sweep(t, w) : ZK_UNIMPLEMENTED;
        default:
                return prep__decode(&r, q->opcode, &op) ? prep__op(t, &op, w) : ZK_MARSHALLING_ERROR;
        }
}

static size_t payload_limit(const struct prep *p)
{
        const size_t made = p->payload_max + PREP_SLACK_BYTES, read = (size_t)p->item_max;
        return made < read ? made : read;
}

int prep_make(struct prep *p, uint64_t now_ms, const struct prep_request *r, int64_t zxid, int64_t wall_ms,
              struct jute_writer *w)
{
        struct prep_txn t = {.prep = p, .request = r, .zxid = zxid, .wall_ms = wall_ms, .now_ms = now_ms};
        struct jute_txn_header header = {
                .session_id = r->session, .cxid = r->cxid, .zxid = zxid, .time = wall_ms, .type = r->opcode};
        assert(w->len == 0 && prep_handles(r->opcode));
        assert(w->max >= p->payload_max + PREP_SLACK_BYTES);
        /* A body that fits leaves room for its digest: once the forecast has changed nothing may fail. */
        const size_t max = w->max;
        w->max = payload_limit(p) - JUTE_TXN_DIGEST_SIZE;
        jute_put_txn_header(w, &header);
        int err = prep_body(&t, w);
        w->max = max;
        if (err) {
                jute_writer_reset(w);
                header.type = OP_ERROR;
                jute_put_txn_header(w, &header);
                jute_put_int(w, err);
                return err;
        }
        struct jute_txn_digest digest = {.version = JUTE_DIGEST_VERSION, .tree_digest = (int64_t)p->digest};
        jute_put_txn_digest(w, &digest);
        return 0;
}
