/* Facts about the process and its directory that four-letter words show (mntr, conf). */
#ifndef BATON_ENGINE_FACTS_H
#define BATON_ENGINE_FACTS_H

#include "daemon/engine/storage_posix.h"
#include "election/server/server.h"

/* Reading them walks two directories, so it is done at most this often. */
#define FACTS_AGE_MS 1000
/* Input up to this long may be a four-letter word ("srvr\r\n"); no request of a client is so short. */
#define FACTS_WORD_BYTES 8

/* What can't change while the process lives: once, before the first facts_read(). What can't be read is empty. */
void facts_once(struct server_facts *ret);
/* The rest. What cannot be read is 0. `storage` may be NULL: no sizes. Leaves queued_client_bytes alone. */
void facts_read(const struct storage_posix *storage, struct server_facts *ret);

#endif
