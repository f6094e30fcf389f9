/* A store that writes nothing: it keeps a journal of what was asked of it, can be made to fail, and can be
 * made to wait inside a sync until the test lets it go on. It stands in for store.h behind the writers. */
#ifndef BATON_TESTS_ENGINE_FAKE_STORE_H
#define BATON_TESTS_ENGINE_FAKE_STORE_H

#include "election/txnlog/store.h"

#include <pthread.h>
#include <stdbool.h>

/* Longest journal. */
#define FAKE_JOURNAL_MAX 65536

struct store {
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        char journal[FAKE_JOURNAL_MAX]; /* "a1 a2 s e3 …": one word for each call */
        size_t journal_len;
        uint64_t synced; /* last ticket performed before the last sync */
        uint64_t performed;
        unsigned syncs;
        bool hold_syncs; /* a sync waits while this is set */
        bool in_sync;
        int fail_sync;        /* -errno of the next sync; 0: none */
        uint64_t fail_ticket; /* store_perform() fails with -EIO for this one */
        uint64_t warn_ticket; /* it succeeds for this one, and says something all the same */
        bool reach;           /* TRUNCATE with reload reaches its zxid */
        unsigned reloads_alive;
};

void fake_store_init(struct store *s);
void fake_store_done(struct store *s);
/* Lets syncs wait, or go on. */
void fake_store_hold(struct store *s, bool hold);
/* Waits until the thread is inside a sync. */
void fake_store_await_sync(struct store *s);
/* A copy of the journal, to be freed. */
char *fake_store_journal(struct store *s);

/* Snapshot effects are noted the same way. */
struct snapstore {
        struct store noted;
};

#endif
