/* What the files of access control share. */
#ifndef BATON_SERVER_ACL_INTERNAL_H
#define BATON_SERVER_ACL_INTERNAL_H

#include "election/jute/jute.h"

#include <stdbool.h>

/* ---- acl_ip.c ---- */
/* Whether an entry of scheme ip is well formed: an address, IPv4 or IPv6, with or without a prefix length. */
bool acl__ip_ok(struct jute_str rule);
/* Whether an address is within the network that an entry names. Addresses of different families never are. */
bool acl__ip_matches(struct jute_str address, struct jute_str rule);

#endif
