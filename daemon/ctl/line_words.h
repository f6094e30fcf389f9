/* A line taken apart into words, for the shell and for the files of `multi`.
 *
 * Words are parted by blanks. Within "double quotes" blanks stay, and a backslash makes \" \\ \n \t \r or \xHH of what
 * follows; within 'single quotes' all stays as it is. Outside of quotes a backslash takes the next character as it is.
 * A # that begins a word begins a comment. */
#ifndef BATON_CTL_LINE_WORDS_H
#define BATON_CTL_LINE_WORDS_H

#include <stddef.h>

struct line_words {
        char **words;  /* NULL behind the last */
        size_t *sizes; /* a word may hold NULs, by \x00; each has a NUL behind it */
        size_t count;
};

/* Fills `ret`, to be ended by line_words_done() in any case. 0, or -EINVAL with what is wrong in `why`. Pure. */
int line_words_split(const char *line, size_t len, struct line_words *ret, char *why, size_t why_size);
void line_words_done(struct line_words *w);

#endif
