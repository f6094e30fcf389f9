/* What clients and servers say to each other. Source: client-protocol.md 2 and 4. */
#include "election/jute/record_internal.h"

/* clang-format off */

/* ---- headers ---- */
#define FIELDS_request_header(F) F(int, xid) F(int, type)
#define FIELDS_reply_header(F)   F(int, xid) F(long, zxid) F(int, err)
#define FIELDS_multi_header(F)   F(int, type) F(bool, done) F(int, err)

/* ---- requests ---- */
#define FIELDS_create_request(F)     F(str, path) F(str, data) F(acl_vec, acl) F(int, flags)
#define FIELDS_create_ttl_request(F) F(str, path) F(str, data) F(acl_vec, acl) F(int, flags) F(long, ttl)
#define FIELDS_path_version(F)       F(str, path) F(int, version)
#define FIELDS_path_watch(F)         F(str, path) F(bool, watch)
#define FIELDS_set_data_request(F)   F(str, path) F(str, data) F(int, version)
#define FIELDS_path(F)               F(str, path)
#define FIELDS_set_acl_request(F)    F(str, path) F(acl_vec, acl) F(int, version)
#define FIELDS_reconfig_request(F)   F(str, joining) F(str, leaving) F(str, new_members) F(long, cur_config_id)
#define FIELDS_path_type(F)          F(str, path) F(int, type)
#define FIELDS_auth_packet(F)        F(int, type) F(str, scheme) F(str, auth)
#define FIELDS_set_watches(F)        F(long, relative_zxid) F(str_vec, data) F(str_vec, exist) F(str_vec, child)
#define FIELDS_set_watches2(F)       FIELDS_set_watches(F) F(str_vec, persistent) F(str_vec, recursive)
#define FIELDS_sasl(F)               F(str, token)

/* ---- replies ---- */
#define FIELDS_create2_response(F)       F(str, path) F(stat, stat)
#define FIELDS_get_data_response(F)      F(str, data) F(stat, stat)
#define FIELDS_get_acl_response(F)       F(acl_vec, acl) F(stat, stat)
#define FIELDS_get_children_response(F)  F(str_vec, children)
#define FIELDS_get_children2_response(F) F(str_vec, children) F(stat, stat)
#define FIELDS_who_am_i_response(F)      F(id_vec, client_info)
#define FIELDS_error_response(F)         F(int, err)
#define FIELDS_watcher_event(F)          F(int, type) F(int, state) F(str, path)

/* clang-format on */

JUTE_RECORD(request_header)
JUTE_RECORD(reply_header)
JUTE_RECORD(multi_header)
JUTE_RECORD(create_request)
JUTE_RECORD(create_ttl_request)
JUTE_RECORD(path_version)
JUTE_RECORD(path_watch)
JUTE_RECORD(set_data_request)
JUTE_RECORD(path)
JUTE_RECORD(set_acl_request)
JUTE_RECORD(reconfig_request)
JUTE_RECORD(path_type)
JUTE_RECORD(auth_packet)
JUTE_RECORD(set_watches)
JUTE_RECORD(set_watches2)
JUTE_RECORD(sasl)
JUTE_RECORD(create2_response)
JUTE_RECORD(get_data_response)
JUTE_RECORD(get_acl_response)
JUTE_RECORD(get_children_response)
JUTE_RECORD(get_children2_response)
JUTE_RECORD(who_am_i_response)
JUTE_RECORD(error_response)
JUTE_RECORD(watcher_event)

/* The readOnly byte at the end of both connect records is the one optional field of the protocol:
 * clients up to 3.3 (C: 3.4) do not send it and must not be sent it (client-protocol.md 2.2, 2.3). */
static bool get_read_only(struct jute_reader *r, bool *ret_present)
{
        *ret_present = !r->error && jute_left(r) > 0;
        return *ret_present && jute_get_bool(r);
}

void jute_get_connect_request(struct jute_reader *r, struct jute_connect_request *ret)
{
        ret->protocol_version = jute_get_int(r);
        ret->last_zxid_seen = jute_get_long(r);
        ret->timeout = jute_get_int(r);
        ret->session_id = jute_get_long(r);
        ret->passwd = jute_get_str(r);
        ret->read_only = get_read_only(r, &ret->has_read_only);
}

void jute_put_connect_request(struct jute_writer *w, const struct jute_connect_request *v)
{
        jute_put_int(w, v->protocol_version);
        jute_put_long(w, v->last_zxid_seen);
        jute_put_int(w, v->timeout);
        jute_put_long(w, v->session_id);
        jute_put_str(w, v->passwd);
        if (v->has_read_only)
                jute_put_bool(w, v->read_only);
}

void jute_get_connect_response(struct jute_reader *r, struct jute_connect_response *ret)
{
        ret->protocol_version = jute_get_int(r);
        ret->timeout = jute_get_int(r);
        ret->session_id = jute_get_long(r);
        ret->passwd = jute_get_str(r);
        ret->read_only = get_read_only(r, &ret->has_read_only);
}

void jute_put_connect_response(struct jute_writer *w, const struct jute_connect_response *v)
{
        jute_put_int(w, v->protocol_version);
        jute_put_int(w, v->timeout);
        jute_put_long(w, v->session_id);
        jute_put_str(w, v->passwd);
        if (v->has_read_only)
                jute_put_bool(w, v->read_only);
}
