/* See line_words.h. */
#include "daemon/ctl/line_words.h"

#include "election/base/alloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct splitter {
        const char *at, *end;
        char *word;
        size_t len;
        const char *wrong;
};

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r';
}

static int hex(char c)
{
        static const char digits[] = "0123456789abcdef";
        const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
        return at ? (int)(at - digits) : -1;
}

/* What follows a backslash within double quotes. */
static void escape(struct splitter *s)
{
        static const char letters[] = "ntr\"\\", stands_for[] = "\n\t\r\"\\";
        const char *known = s->at < s->end && *s->at ? strchr(letters, *s->at) : NULL;
        int high = s->end - s->at >= 3 && *s->at == 'x' ? hex(s->at[1]) : -1;
        int low = high >= 0 ? hex(s->at[2]) : -1;
        if (known) {
                s->word[s->len++] = stands_for[known - letters];
                s->at++;
        } else if (low >= 0) {
                s->word[s->len++] = (char)(high * 16 + low);
                s->at += 3;
        } else {
                s->wrong = "within double quotes a backslash stands before \\ \" n t r or xHH";
        }
}

static void quoted(struct splitter *s, char quote)
{
        while (s->at < s->end && *s->at != quote && !s->wrong) {
                char c = *s->at++;
                if (c == '\\' && quote == '"')
                        escape(s);
                else
                        s->word[s->len++] = c;
        }
        if (s->at == s->end && !s->wrong)
                s->wrong = quote == '"' ? "a \" is not closed" : "a ' is not closed";
        if (!s->wrong)
                s->at++;
}

static void take_word(struct splitter *s)
{
        s->len = 0;
        while (s->at < s->end && !is_blank(*s->at) && !s->wrong) {
                char c = *s->at++;
                if (c == '"' || c == '\'')
                        quoted(s, c);
                else if (c != '\\')
                        s->word[s->len++] = c;
                else if (s->at == s->end)
                        s->wrong = "nothing follows the backslash";
                else
                        s->word[s->len++] = *s->at++;
        }
}

int line_words_split(const char *line, size_t len, struct line_words *ret, char *why, size_t why_size)
{
        struct splitter s = {.at = line, .end = line + len, .word = mem_alloc(len + 1)};
        size_t words = 0, sizes = 0;
        *ret = (struct line_words){.words = mem_grow(NULL, &words, 1, sizeof *ret->words)};
        ret->words[0] = NULL;
        for (;;) {
                while (s.at < s.end && is_blank(*s.at))
                        s.at++;
                if (s.at == s.end || *s.at == '#')
                        break;
                take_word(&s);
                if (s.wrong)
                        break;
                s.word[s.len] = '\0';
                ret->words = mem_grow(ret->words, &words, ret->count + 2, sizeof *ret->words);
                ret->sizes = mem_grow(ret->sizes, &sizes, ret->count + 1, sizeof *ret->sizes);
                ret->words[ret->count] = mem_dup(s.word, s.len + 1);
                ret->sizes[ret->count++] = s.len;
                ret->words[ret->count] = NULL;
        }
        mem_free(s.word);
        if (s.wrong)
                (void)snprintf(why, why_size, "%s", s.wrong);
        return s.wrong ? -EINVAL : 0;
}

void line_words_done(struct line_words *w)
{
        for (size_t i = 0; i < w->count; i++)
                mem_free(w->words[i]);
        mem_free(w->words);
        mem_free(w->sizes);
        *w = (struct line_words){.words = NULL};
}
