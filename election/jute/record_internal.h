/* Records from one list of their fields, in wire order, so that reading and writing cannot differ.
 *
 *   #define FIELDS_path_version(F) F(str, path) F(int, version)
 *   JUTE_RECORD(path_version)
 *
 * defines jute_get_path_version() and jute_put_path_version(). A field's kind is one of byte-sized
 * bool, int, long, str, the vectors str_vec, acl_vec, id_vec, op_vec, or a record: stat, id. */
#ifndef BATON_JUTE_RECORD_INTERNAL_H
#define BATON_JUTE_RECORD_INTERNAL_H

#include "election/jute/record.h"

/* vector of {int type, buffer body}, the operations of a multi transaction. */
struct jute_vec jute__get_op_vec(struct jute_reader *r);

#define JUTE__GET_bool(field)    ret->field = jute_get_bool(r);
#define JUTE__GET_int(field)     ret->field = jute_get_int(r);
#define JUTE__GET_long(field)    ret->field = jute_get_long(r);
#define JUTE__GET_str(field)     ret->field = jute_get_str(r);
#define JUTE__GET_str_vec(field) ret->field = jute_get_str_vec(r);
#define JUTE__GET_acl_vec(field) ret->field = jute_get_acl_vec(r);
#define JUTE__GET_id_vec(field)  ret->field = jute_get_id_vec(r);
#define JUTE__GET_op_vec(field)  ret->field = jute__get_op_vec(r);
#define JUTE__GET_stat(field)    jute_get_stat(r, &ret->field);
#define JUTE__GET_id(field)      jute_get_id(r, &ret->field);

#define JUTE__PUT_bool(field)    jute_put_bool(w, v->field);
#define JUTE__PUT_int(field)     jute_put_int(w, v->field);
#define JUTE__PUT_long(field)    jute_put_long(w, v->field);
#define JUTE__PUT_str(field)     jute_put_str(w, v->field);
#define JUTE__PUT_str_vec(field) jute_put_vec(w, v->field);
#define JUTE__PUT_acl_vec(field) jute_put_vec(w, v->field);
#define JUTE__PUT_id_vec(field)  jute_put_vec(w, v->field);
#define JUTE__PUT_op_vec(field)  jute_put_vec(w, v->field);
#define JUTE__PUT_stat(field)    jute_put_stat(w, &v->field);
#define JUTE__PUT_id(field)      jute_put_id(w, &v->field);

#define JUTE__GET(kind, field) JUTE__GET_##kind(field)
#define JUTE__PUT(kind, field) JUTE__PUT_##kind(field)

#define JUTE_RECORD(record)                                                                                            \
        void jute_get_##record(struct jute_reader *r, struct jute_##record *ret)                                       \
        {                                                                                                              \
                FIELDS_##record(JUTE__GET)                                                                             \
        }                                                                                                              \
        void jute_put_##record(struct jute_writer *w, const struct jute_##record *v)                                   \
        {                                                                                                              \
                FIELDS_##record(JUTE__PUT)                                                                             \
        }

#endif
