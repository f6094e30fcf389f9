/* What fuzzing starts from: valid encodings, made by the real encoders, so that they follow them.
 *
 *   seeds DIRECTORY   writes DIRECTORY/TARGET/NAME for every target */
#ifndef BATON_TESTS_FUZZ_SEEDS_H
#define BATON_TESTS_FUZZ_SEEDS_H

#include "election/jute/record.h"

/* An input under way. */
struct jute_writer *seed_begin(void);
/* It is done: written to its file. */
void seed_end(struct jute_writer *w, const char *target, const char *name);
/* It was for parts of others only. */
void seed_drop(struct jute_writer *w);
/* A whole input of text; `head` >= 0: a byte in front of it. */
void seed_text(const char *target, const char *name, int head, const char *text);

/* Two bytes, as fuzz_u16() reads them. */
void seed_u16(struct jute_writer *w, size_t value);
/* A piece, as fuzz_piece() reads it. */
void seed_piece(struct jute_writer *w, const void *data, size_t len);
/* The same of what was written; empties it. */
void seed_piece_of(struct jute_writer *w, struct jute_writer *content);

/* world:anyone, everything. */
struct jute_vec seed_acl(void);

void seeds_text(void);
void seeds_wire(void);
void seeds_servers(void);
void seeds_files(void);

#endif
