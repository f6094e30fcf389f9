/* A scenario as it stands in its file: comments, commands, and below each command the transcript that came of it.
 *
 *   # prose
 *   command word "a word with spaces" key=value
 *     | what came of it
 *
 * A command that ends with "{" opens a block, a line "}" closes it. */
#ifndef BATON_TESTS_SIM_SCENARIO_SCRIPT_H
#define BATON_TESTS_SIM_SCENARIO_SCRIPT_H

#include "tests/sim/scenario/text.h"

/* Words of a command. */
#define SCRIPT_WORDS_MAX 40
/* Blocks in blocks. */
#define SCRIPT_DEPTH_MAX 4
/* Before each line of a transcript. */
#define SCRIPT_MARGIN "  | "

struct script_line {
        int number;                        /* in its file, from 1 */
        char *text;                        /* as written */
        char *words[SCRIPT_WORDS_MAX + 1]; /* without quotes; the last one is NULL */
        size_t count;                      /* 0: a comment or nothing */
        bool opens, closes;
        size_t end; /* of one that opens: the line that closes */
        struct text said;
};

struct script {
        char *path;
        char *original;            /* the file's bytes */
        struct script_line *lines; /* without transcripts */
        size_t count, capacity;
};

/* Reads the file; false with a reason, which begins with "file:line: ". `why` is to be freed with text_done(). */
bool script_read(const char *path, struct script *ret, struct text *why);
void script_done(struct script *s);
/* The file as it should be: with the transcripts that have been said. Caller frees with text_done(). */
void script_render(const struct script *s, struct text *ret);

#endif
