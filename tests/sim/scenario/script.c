#include "tests/sim/scenario/script.h"

#include "election/base/alloc.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest file. */
#define FILE_BYTES_MAX (1u << 20)

static bool read_file(const char *path, char **ret, struct text *why)
{
        FILE *f = fopen(path, "re");
        if (!f) {
                text_add(why, "%s: can't be read: %s", path, strerror(errno));
                return false;
        }
        char *bytes = mem_alloc(FILE_BYTES_MAX + 1);
        size_t len = fread(bytes, 1, FILE_BYTES_MAX + 1, f);
        bool failed = ferror(f);
        (void)fclose(f);
        if (failed) {
                text_add(why, "%s: can't be read to its end", path);
                mem_free(bytes);
                return false;
        }
        if (len > FILE_BYTES_MAX || memchr(bytes, 0, len)) {
                text_add(why, "%s: is no text, or longer than %u bytes", path, FILE_BYTES_MAX);
                mem_free(bytes);
                return false;
        }
        bytes[len] = 0;
        *ret = bytes;
        return true;
}

static char *copy(const char *from, size_t len)
{
        char *to = mem_alloc(len + 1);
        memcpy(to, from, len);
        to[len] = 0;
        return to;
}

/* Cuts the line into words. Returns NULL, or what is wrong. */
static const char *cut_words(struct script_line *l)
{
        const char *at = l->text;
        for (;;) {
                while (*at == ' ')
                        at++;
                if (!*at || *at == '#')
                        return NULL;
                if (l->count == SCRIPT_WORDS_MAX)
                        return "too many words";
                bool quoted = *at == '"';
                const char *from = quoted ? at + 1 : at;
                size_t len = strcspn(from, quoted ? "\"" : " ");
                if (quoted && from[len] != '"')
                        return "a quote is not closed";
                l->words[l->count++] = copy(from, len);
                at = from + len + quoted;
                if (*at && *at != ' ')
                        return "a space is missing behind a quote";
        }
}

static void add_line(struct script *s, int number, const char *from, size_t len)
{
        s->lines = mem_grow(s->lines, &s->capacity, s->count + 1, sizeof *s->lines);
        s->lines[s->count++] = (struct script_line){.number = number, .text = copy(from, len)};
}

static const char *take_line(struct script *s, size_t open[SCRIPT_DEPTH_MAX], size_t *depth)
{
        struct script_line *l = &s->lines[s->count - 1];
        const char *wrong = cut_words(l);
        if (wrong || !l->count)
                return wrong;
        l->opens = strcmp(l->words[l->count - 1], "{") == 0;
        l->closes = strcmp(l->words[0], "}") == 0;
        if (l->closes && (l->count > 1 || !*depth))
                return "this } closes nothing, or is not alone";
        if (l->closes)
                s->lines[open[--*depth]].end = s->count - 1;
        if (l->opens && *depth == SCRIPT_DEPTH_MAX)
                return "too many blocks in blocks";
        if (l->opens)
                open[(*depth)++] = s->count - 1;
        return NULL;
}

/* Comments alone play nothing, and would pass. */
static bool has_command(const struct script *s)
{
        for (size_t i = 0; i < s->count; i++)
                if (s->lines[i].count)
                        return true;
        return false;
}

bool script_read(const char *path, struct script *ret, struct text *why)
{
        size_t open[SCRIPT_DEPTH_MAX], depth = 0;
        int number = 0;
        *ret = (struct script){.path = copy(path, strlen(path))};
        if (!read_file(path, &ret->original, why))
                return false;
        for (const char *at = ret->original; *at;) {
                size_t len = strcspn(at, "\n");
                number++;
                if (strncmp(at, SCRIPT_MARGIN, sizeof SCRIPT_MARGIN - 2) != 0) { /* else a transcript */
                        add_line(ret, number, at, len);
                        const char *wrong = take_line(ret, open, &depth);
                        if (wrong) {
                                text_add(why, "%s:%d: %s", path, number, wrong);
                                return false;
                        }
                }
                at += len + (at[len] == '\n');
        }
        if (depth) {
                text_add(why, "%s:%d: this block is not closed", path, ret->lines[open[depth - 1]].number);
                return false;
        }
        if (!has_command(ret)) {
                text_add(why, "%s: nothing is to be done in it", path);
                return false;
        }
        return true;
}

void script_done(struct script *s)
{
        for (size_t i = 0; i < s->count; i++) {
                for (size_t k = 0; k < s->lines[i].count; k++)
                        mem_free(s->lines[i].words[k]);
                mem_free(s->lines[i].text);
                text_done(&s->lines[i].said);
        }
        mem_free(s->lines);
        mem_free(s->original);
        mem_free(s->path);
}

void script_render(const struct script *s, struct text *ret)
{
        for (size_t i = 0; i < s->count; i++) {
                text_add(ret, "%s\n", s->lines[i].text);
                const char *at = text_of(&s->lines[i].said);
                while (*at) {
                        size_t len = strcspn(at, "\n");
                        text_put(ret, SCRIPT_MARGIN, sizeof SCRIPT_MARGIN - 1);
                        text_put(ret, at, len + 1);
                        at += len + 1;
                }
        }
}
