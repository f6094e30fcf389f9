/* What is wrong with a configuration: a list of sentences, each with its file and line, so that a
 * person mends all of them at once. A configuration may consist of several files. */
#ifndef BATON_COMMON_PROBLEMS_H
#define BATON_COMMON_PROBLEMS_H

#include <stddef.h>
#include <stdio.h>

/* Problems beyond this many are counted, not kept. */
#define PROBLEMS_MAX 20
/* Longer sentences are cut. */
#define PROBLEM_TEXT_MAX 384
/* Bytes of a file's path; of a longer one the end is shown. */
#define PROBLEM_FILE_MAX 256

/* Where a line stands. */
struct origin {
        const char *file; /* borrowed */
        int line;         /* from 1; 0: the file as a whole, or nowhere */
};

struct problem {
        char file[PROBLEM_FILE_MAX + 1]; /* "": the list's */
        int line;                        /* from 1; 0: the file as a whole */
        char text[PROBLEM_TEXT_MAX];     /* without file and line */
};

struct problems {
        const char *file; /* borrowed */
        size_t count;     /* all of them, kept or not */
        struct problem list[PROBLEMS_MAX];
};

/* `file` is borrowed for as long as the list is used. */
void problems_init(struct problems *p, const char *file);
/* Notes one of the list's file. Foreign text belongs in quotes (log_quote()). */
void problems_add(struct problems *p, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Notes one of any file, whose name is copied; NULL means the list's. */
void problems_add_at(struct problems *p, struct origin at, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Orders the list: its own file, the others by name, each by line. */
void problems_sort(struct problems *p);
/* Writes "FILE:LINE: sentence" (a problem of the whole file: "FILE: sentence"); returns the length that
 * was needed, as snprintf. `i` is below both count and PROBLEMS_MAX. */
int problems_text(const struct problems *p, size_t i, char *buffer, size_t size);
/* All that were kept, a line each, and how many there are beyond. */
void problems_print(const struct problems *p, FILE *out);

/* Another place as a sentence about `here` names it: "line 12", or "FILE:12" where that is another file. */
struct origin_text {
        char text[PROBLEM_FILE_MAX + 16];
};
struct origin_text origin_text(struct origin here, struct origin other);

#endif
