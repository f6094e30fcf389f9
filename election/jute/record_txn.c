/* Transactions, as proposed and as logged. Source: storage-format.md 2 and 3. */
#include "election/jute/record_internal.h"

/* clang-format off */
#define FIELDS_txn_header(F) F(long, session_id) F(int, cxid) F(long, zxid) F(long, time) F(int, type)
#define FIELDS_txn_digest(F) F(int, version) F(long, tree_digest)

#define FIELDS_create_container_txn(F) F(str, path) F(str, data) F(acl_vec, acl) F(int, parent_cversion)
#define FIELDS_create_ttl_txn(F)       F(str, path) F(str, data) F(acl_vec, acl) F(int, parent_cversion) F(long, ttl)
#define FIELDS_set_data_txn(F)         F(str, path) F(str, data) F(int, version)
#define FIELDS_set_acl_txn(F)          F(str, path) F(acl_vec, acl) F(int, version)
#define FIELDS_create_session_txn(F)   F(int, timeout)
#define FIELDS_close_session_txn(F)    F(str_vec, paths)
#define FIELDS_multi_txn(F)            F(op_vec, ops)
#define FIELDS_txn_op(F)               F(int, type) F(str, body)

#define FIELDS_file_header(F) F(int, magic) F(int, version) F(long, dbid)
/* clang-format on */

JUTE_RECORD(txn_header)
JUTE_RECORD(txn_digest)
JUTE_RECORD(create_container_txn)
JUTE_RECORD(create_ttl_txn)
JUTE_RECORD(set_data_txn)
JUTE_RECORD(set_acl_txn)
JUTE_RECORD(create_session_txn)
JUTE_RECORD(close_session_txn)
JUTE_RECORD(multi_txn)
JUTE_RECORD(txn_op)
JUTE_RECORD(file_header)

/* ZooKeeper 3.3 logged creates without parentCVersion: known by the bytes ending right before it
 * (storage-format.md 3). No digest can follow such a body, digests are younger. */
void jute_get_create_txn(struct jute_reader *r, struct jute_create_txn *ret)
{
        ret->path = jute_get_str(r);
        ret->data = jute_get_str(r);
        ret->acl = jute_get_acl_vec(r);
        ret->ephemeral = jute_get_bool(r);
        if (!r->error && jute_left(r) == 0)
                ret->parent_cversion = -1;
        else
                ret->parent_cversion = jute_get_int(r);
}

void jute_put_create_txn(struct jute_writer *w, const struct jute_create_txn *v)
{
        jute_put_str(w, v->path);
        jute_put_str(w, v->data);
        jute_put_vec(w, v->acl);
        jute_put_bool(w, v->ephemeral);
        jute_put_int(w, v->parent_cversion);
}
