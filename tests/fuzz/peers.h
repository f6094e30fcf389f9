/* The other servers of an ensemble of three, as one_server meets them: how they elect, and one that follows as it
 * should. The fuzzer plays the remaining one. */
#ifndef BATON_TESTS_FUZZ_PEERS_H
#define BATON_TESTS_FUZZ_PEERS_H

#include "tests/fuzz/one_server.h"

#define PEERS_VOTERS 3
/* Far above any real round or epoch of these servers. */
#define PEERS_ZXID(epoch, counter) ((int64_t)(epoch) << 32 | (counter))

/* Server 3 of three, elected: 1 and 2 have voted for it. It leads, nobody follows yet. */
struct one_server *peers_leader(void);
/* Server 1 of three: 2 and 3 have said that 3 leads. It has dialled 3, which is the connection returned. */
struct one_server *peers_learner(struct one_conn **ret_leader);
/* For one that looks: 2 and 3 connect (again) and say that 3 leads. The connection that it dials to 3, or NULL. */
struct one_conn *peers_elect_3(struct one_server *s);

/* A quorum packet on a connection. */
void peers_packet(struct one_server *s, struct one_conn *c, int32_t type, int64_t zxid, const void *data, size_t len);
/* FOLLOWERINFO or OBSERVERINFO, with the greatest epoch promised. */
void peers_hello(struct one_server *s, struct one_conn *c, int32_t type, int64_t sid, int64_t accepted);

/* Promises the epoch, with an empty history. */
void peers_ack_epoch(struct one_server *s, struct one_conn *c);
/* Follows: says hello as server `sid`, and from then on answers what the leader sends. */
struct one_conn *peers_follow(struct one_server *s, int64_t sid);
/* Answers all that a following peer has been sent. */
void peers_answer(struct one_server *s, struct one_conn *c);

/* A write by a client of the server's own, on a connection made for it (`*c` NULL at first). */
void peers_write(struct one_server *s, struct one_conn **c, int32_t opcode);

#endif
