/* What ties tally and channel together; for the room and its tests. */
#ifndef BATON_VOTE_VOTE_INTERNAL_H
#define BATON_VOTE_VOTE_INTERNAL_H

#include "election/vote/channel.h"
#include "election/vote/tally.h"

struct vote {
        const struct ensemble *ensemble; /* borrowed */
        int64_t sid;
        struct prng prng;
        char *config_text; /* in every notification */
        size_t config_len;
        struct vote_tally tally;
        struct vote_channel channel;
        bool begun;           /* vote_look() was called once */
        uint64_t begin_at_ms; /* an observer's delay before it looks again; VOTE_NEVER: none */
        int64_t begin_zxid, begin_epoch;
        uint64_t looking_since_ms;
        /* By place in the ensemble: each voter's last message on any connection. Before the first
         * vote_look() it waits here to be counted then. */
        struct vote_notification heard[ENSEMBLE_MEMBERS_MAX];
        bool has_heard[ENSEMBLE_MEMBERS_MAX];
        struct member_set asked; /* leaders asked whether they lead, since the proposal was last told to all */
};

/* Asserts the rules of all parts. */
void vote__check(const struct vote *v);

#endif
