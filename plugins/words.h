/* A command line in a setting, split into words as a shell would, without anything else a shell does: blanks separate;
 * '…' takes all literally; "…" takes all but \" and \\; \ before any character takes it literally. */
#ifndef BATON_PLUGINS_WORDS_H
#define BATON_PLUGINS_WORDS_H

#include <stddef.h>

/* Words of one command. */
#define WORDS_MAX 256

/* Returns 0 with a NULL-terminated list, to be freed with words_free(); -EINVAL with a sentence's rest in `why` for an
 * open quote, no word at all or too many; -ENOMEM. */
int words_split(const char *text, char ***ret, const char **why);
void words_free(char **words);

#endif
