/* Growing texts, and the few notations of the scenarios' language: zxids "(epoch,counter)", times "500ms", "2s". */
#ifndef BATON_TESTS_SIM_SCENARIO_TEXT_H
#define BATON_TESTS_SIM_SCENARIO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
        char *data; /* NULL while empty */
        size_t len, capacity;
};

void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_put(struct text *t, const char *bytes, size_t len);
void text_clear(struct text *t);
void text_done(struct text *t);
/* "" while empty. */
const char *text_of(const struct text *t);

/* Each takes the whole word, or returns false. */
bool text_number(const char *word, int64_t *ret);
bool text_zxid(const char *word, int64_t *ret);
bool text_duration(const char *word, uint64_t *ret_ms);

/* Room for one zxid as text. */
#define TEXT_ZXID_BYTES 32
const char *text_of_zxid(int64_t zxid, char out[TEXT_ZXID_BYTES]);

#endif
