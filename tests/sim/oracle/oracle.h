/* The checkers of the ensemble that look on from outside: log, epochs, election, commits, disks, trees
 * (docs/safety.md: Z*, E*, D*, S1-S3, S10, S11).
 *
 * The oracle is a witness of the world (world.h). It sees each event with its effects before they are carried out,
 * each durable ticket, each recovery and each end; it reads what servers send with a parser of its own, and looks at
 * the insides of servers where nothing else tells. From that it keeps a history that no crash forgets: every
 * transaction ever proposed, by whom and after which, the one line of committed ones, each server's log and epochs as
 * they are known to be on its disk, who led which epoch. The first contradiction goes to the verdict.
 *
 * It changes nothing, draws nothing from the world, and costs a constant amount per event; what is dear (disks copied,
 * crashed and recovered) is done for some commits only, which ones is decided by the world's seed. */
#ifndef BATON_TESTS_SIM_ORACLE_ORACLE_H
#define BATON_TESTS_SIM_ORACLE_ORACLE_H

#include "tests/sim/coverage.h"
#include "tests/sim/oracle/model.h"
#include "tests/sim/verdict.h"
#include "tests/sim/world/world.h"

struct oracle;

/* To be called before the first server is started, on disks that hold nothing. All three are borrowed; `c` may be
 * NULL. */
struct oracle *oracle_new(struct world *w, struct verdict *v, struct coverage *c);
/* Takes NULL. Only when the world has been freed: to the last it tells its witnesses. */
void oracle_free(struct oracle *o);

/* This server's disk has been tampered with (bits flipped, reads that fail): what it recovers from then on is not
 * held against it, and it counts as holding what it held (a minority may be so). */
void oracle_disk_damaged(struct oracle *o, int sid);

/* How often a commit is followed by a test of all disks, and of the trees that stand there: every n-th on average;
 * 0 never. */
void oracle_set_image_period(struct oracle *o, uint32_t commits);

/* At the end of a life, when nothing more happens and all running servers serve: their trees are the model's, node by
 * node, and what their disks hold is what they have in memory. */
void oracle_finish(struct oracle *o);

/* The model at the latest commit. Valid until the next event. */
const struct model *oracle_model(const struct oracle *o);
/* How many transactions were committed; the i-th one's zxid and bytes (borrowed). */
size_t oracle_commits(const struct oracle *o);
int64_t oracle_commit(const struct oracle *o, size_t i, const uint8_t **ret_txn, size_t *ret_len);

#endif
