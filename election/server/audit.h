/* The audit log: who has changed what, or tried to, and who has authenticated (off by default).
 *
 * An entry is one line of `key=value` with single spaces between, in the words of ZooKeeper's:
 * session user ip operation znode znode_type acl result, and where it failed error; those that apply. A value holds
 * nothing but printable ASCII without spaces: other bytes, and backslashes, are written \xNN, so that no name can
 * forge an entry. What is longer than its limit is cut, and ends in "...". An entry is made once, by the server that
 * the client is connected to, when the outcome is known; the ephemerals that go with a session are told by the
 * leader. Requests whose outcome this server does not learn, because it left the ensemble meanwhile, have none.
 *
 * Part of the room. */
#ifndef BATON_SERVER_AUDIT_H
#define BATON_SERVER_AUDIT_H

#include "election/server/clients_internal.h"

/* Characters shown of each kind of value. All of an entry together stay below LOG_LINE_MAX. */
#define AUDIT_ZNODE_MAX 360
#define AUDIT_ACL_MAX   200
#define AUDIT_USER_MAX  128
/* Ephemerals told of one by one when their session ends; of the rest their number. */
#define AUDIT_EPHEMERALS_MAX 1000
/* Changes of a multi told of one by one; of the rest their number. All wait for the loop while it writes them. */
#define AUDIT_OPERATIONS_MAX 10000

/* A write of a client has had its outcome. `q` still has its body. */
void audit_write(const struct clients *c, const struct client_request *q, const struct outcome *o, struct effects *fx);
/* An auth packet was accepted (`err` 0) or refused, or a request because there was none (`scheme` null then). */
void audit_auth(const struct client *k, struct jute_str scheme, int32_t err, struct effects *fx);
/* A session has ended. */
void audit_session_end(const struct outcome *o, struct effects *fx);

#endif
