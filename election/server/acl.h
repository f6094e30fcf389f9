/* Access control lists in encoded form: fix-up at create and setACL, and the permission check
 * (zookeeper/client-protocol.md 8.2, 8.3). Identities are a vector<Id> in encoded form, as a REQUEST
 * packet carries them. Schemes known: world, auth, digest, ip; identities of scheme super may do all.
 *
 * Everything here is pure, and the same on every server that has the same policy. */
#ifndef BATON_SERVER_ACL_H
#define BATON_SERVER_ACL_H

#include "election/jute/record.h"

/* Entries accepted in one list, as it is sent and as it is stored; more is InvalidACL. */
#define ACL_ENTRIES_MAX 1024

/* Bytes of an address as an identity has it, NUL included. */
#define ACL_IP_TEXT_MAX 64

/* What an administrator may choose; alike on all servers of an ensemble, for each judges by its own. */
struct acl_policy {
        bool skip;       /* nothing is refused (ZooKeeper's skipACL); lists are kept and must be well formed still */
        bool digest_off; /* there is no scheme digest */
};

enum acl_perm {
        ACL_READ = 1,
        ACL_WRITE = 2,
        ACL_CREATE = 4,
        ACL_DELETE = 8,
        ACL_ADMIN = 16,
        ACL_ALL = 31,
};

/* Writes the list as it is to be stored (vector<ACL>) to `w`: exact duplicates removed, `auth` replaced
 * in place by the digest identities. Returns ZK_OK, ZK_INVALID_ACL, or ZK_MARSHALLING_ERROR for a null id (nothing
 * useful in `w` then). */
int acl_fixup(const struct acl_policy *policy, struct jute_vec acl, struct jute_vec ids, struct jute_writer *w);
/* Whether one of the needed bits is granted. An empty list allows all. */
bool acl_allows(const struct acl_policy *policy, struct jute_vec acl, int32_t needed, struct jute_vec ids);
/* The address of a connection, numeric as the system writes it, as an identity of scheme ip has it. */
void acl_ip_identity(const char *address, char ret[ACL_IP_TEXT_MAX]);

#endif
