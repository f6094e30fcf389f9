/* See words.h. */
#include "plugins/words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Copies one word to `out` and moves *at behind it. False: a quote is not closed, or nothing follows a backslash. */
static bool take_word(const char **at, char *out)
{
        const char *p = *at;
        char quote = 0;
        for (; *p && (quote || !strchr(" \t", *p)); p++) {
                if (quote == '\'' && *p != '\'') {
                        *out++ = *p;
                } else if (*p == quote) {
                        quote = 0;
                } else if (!quote && (*p == '\'' || *p == '"')) {
                        quote = *p;
                } else if (*p == '\\' && (!quote || p[1] == '"' || p[1] == '\\')) {
                        if (!*++p)
                                return false;
                        *out++ = *p;
                } else {
                        *out++ = *p;
                }
        }
        *out = '\0';
        *at = p;
        return !quote;
}

void words_free(char **words)
{
        for (size_t i = 0; words && words[i]; i++)
                free(words[i]);
        free(words);
}

int words_split(const char *text, char ***ret, const char **why)
{
        char **words = calloc(WORDS_MAX + 1, sizeof *words);
        size_t count = 0;
        if (!words)
                return -ENOMEM;
        *why = NULL;
        for (const char *at = text + strspn(text, " \t"); *at && !*why; at += strspn(at, " \t")) {
                char *word = count < WORDS_MAX ? malloc(strlen(at) + 1) : NULL;
                if (count == WORDS_MAX) {
                        *why = "has more than 256 words";
                        break;
                }
                if (!word) {
                        words_free(words);
                        return -ENOMEM;
                }
                words[count++] = word;
                if (!take_word(&at, word))
                        *why = "ends within a quote or behind a backslash";
        }
        if (count == 0 && !*why)
                *why = "has no word";
        if (!*why) {
                *ret = words;
                return 0;
        }
        words_free(words);
        return -EINVAL;
}
