/* What is wrong with a configuration: a list of sentences, each with its file and line, so that a
 * person mends all of them at once. */
#ifndef BATON_COMMON_PROBLEMS_H
#define BATON_COMMON_PROBLEMS_H

#include <stddef.h>

/* Problems beyond this many are counted, not kept. */
#define PROBLEMS_MAX 20
/* Longer sentences are cut. */
#define PROBLEM_TEXT_MAX 384

struct problem {
        int line;                    /* from 1; 0: the file as a whole */
        char text[PROBLEM_TEXT_MAX]; /* without file and line */
};

struct problems {
        const char *file; /* borrowed */
        size_t count;     /* all of them, kept or not */
        struct problem list[PROBLEMS_MAX];
};

/* `file` is borrowed for as long as the list is used. */
void problems_init(struct problems *p, const char *file);
/* Notes one. Foreign text belongs in quotes (log_quote()). */
void problems_add(struct problems *p, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Orders the list by line. */
void problems_sort(struct problems *p);
/* Writes "FILE:LINE: sentence" (a problem of the whole file: "FILE: sentence"); returns the length that
 * was needed, as snprintf. `i` is below both count and PROBLEMS_MAX. */
int problems_text(const struct problems *p, size_t i, char *buffer, size_t size);

#endif
