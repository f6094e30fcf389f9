/* How a history is kept; for its reader and writer of text, and for the checker. */
#ifndef BATON_TESTS_SIM_HISTORY_INTERNAL_H
#define BATON_TESTS_SIM_HISTORY_INTERNAL_H

#include "tests/sim/history/history.h"

struct text {
        const char *at;
        uint32_t len;
        uint64_t hash;
};

struct history {
        struct history_entry *entries;
        size_t count, capacity;
        struct text *texts; /* by number */
        size_t text_count, text_capacity;
        text_id *slots; /* by hash; 0 is free */
        size_t slot_count;
        char **blocks;
        size_t block_count, block_capacity;
        char *block_at;
        size_t block_left;
        text_id *items; /* of all lists, one list after the other */
        size_t item_count, item_capacity;
};

/* The number of a string that is there, TEXT_ABSENT for others. */
text_id history__find(const struct history *h, const void *bytes, size_t len);

/* ---- the words of the text (history_text.c) ---- */

/* A longer line is refused. */
#define HISTORY_LINE_BYTES_MAX (1u << 20)
#define HISTORY_EVENT_NAMES    5

/* A slot that is not used has no name. */
extern const char *const history__kind_name[HISTORY_KIND_MAX],
        *const history__verb_name[VERB_MAX], *const history__event_name[HISTORY_EVENT_NAMES],
                                                     *const history__watch_name[HISTORY_WATCH_MAX];
extern const char history__flag_letter[]; /* by bit */

#endif
