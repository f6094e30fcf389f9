/* See inifile.h.
 *
 * inih reads lines through read_line() below, which counts them (the library's handler gets no line
 * numbers unless the library itself was built for it) and sorts out what inih would take silently: cut
 * lines, cut section names, continuations. Whatever it objects to reaches inih as an empty line. */
#include "daemon/common/inifile.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What inih takes for blanks, but for the line's end. */
#define BLANKS " \t\v\f\r"

struct reader {
        const char *path;
        FILE *file;
        size_t left; /* bytes that may still be read */
        int line;
        bool resume; /* inih begins anew: tell it the section first */
        bool in_section;
        char section[INIFILE_SECTION_MAX + 1];
        inifile_fn fn;
        void *ctx;
        struct problems *problems;
};

static struct origin here(const struct reader *r)
{
        return (struct origin){.file = r->path, .line = r->line};
}

/* Bytes inih's own buffer takes: the line, its end, NUL. */
#define LINE_BUFFER (INIFILE_LINE_MAX + 2)

/* What has no size (a pipe, a device) ends where a file would be too large. */
static int take_byte(struct reader *r)
{
        if (r->left == 0)
                return EOF;
        r->left--;
        return getc(r->file);
}

/* Reads up to and including the line's end, storing what fits. Returns the length without the end, -1 at
 * the end of the file; what lies beyond `size` is counted, not stored. */
static long take_line(struct reader *r, char *buffer, size_t size, bool *has_nul)
{
        size_t len = 0;
        int c = take_byte(r);
        if (c == EOF)
                return -1;
        for (; c != EOF && c != '\n'; c = take_byte(r)) {
                if (c == 0)
                        *has_nul = true;
                if (len < size)
                        buffer[len] = (char)c;
                len++;
        }
        if (len > 0 && len <= size && buffer[len - 1] == '\r')
                len--;
        return (long)len;
}

/* The length of a section's name as inih sees it: up to the bracket, or to a comment that begins before it. */
static size_t section_length(const char *name)
{
        size_t len = 0;
        while (name[len] && name[len] != ']' && !(name[len] == ';' && len > 0 && strchr(BLANKS, name[len - 1])))
                len++;
        return len;
}

/* Takes note of a section header and passes it on. Returns whether inih may see the line. */
static bool begin_section(struct reader *r, const char *text)
{
        size_t len = section_length(text + 1);
        if (text[1 + len] != ']')
                return true; /* inih objects itself */
        if (len > INIFILE_SECTION_MAX) {
                problems_add_at(r->problems, here(r), "the section's name is longer than %d bytes",
                                INIFILE_SECTION_MAX);
                return false;
        }
        memcpy(r->section, text + 1, len);
        r->section[len] = '\0';
        r->in_section = true;
        struct inifile_entry e = {.at = here(r), .section = r->section};
        r->fn(r->ctx, &e);
        return true;
}

/* Whether inih may see this line (without its end, NUL-terminated, cut when too long). */
static bool line_is_sound(struct reader *r, const char *text, bool too_long, bool has_nul)
{
        if (has_nul) {
                problems_add_at(r->problems, here(r), "a NUL byte: this is no text file");
                return false;
        }
        if (*text == ';' || *text == '#')
                return false;
        if (too_long) {
                problems_add_at(r->problems, here(r), "the line is longer than %d bytes", INIFILE_LINE_MAX);
                return false;
        }
        return *text != '[' || begin_section(r, text);
}

/* inih's fgets(). Leading blanks are dropped, else the line could pass for a continuation. */
static char *read_line(char *str, int num, void *stream)
{
        static const char bom[] = "\xef\xbb\xbf";
        struct reader *r = stream;
        char line[LINE_BUFFER];
        bool has_nul = false;
        assert(num >= LINE_BUFFER);
        if (r->resume) {
                r->resume = false;
                (void)snprintf(str, (size_t)num, "[%s]\n", r->section);
                return str;
        }
        long len = take_line(r, line, INIFILE_LINE_MAX, &has_nul);
        if (len < 0)
                return NULL;
        r->line++;
        line[len < INIFILE_LINE_MAX ? len : INIFILE_LINE_MAX] = '\0';
        const char *text = line;
        if (r->line == 1 && (size_t)len >= sizeof bom - 1 && memcmp(text, bom, sizeof bom - 1) == 0)
                text += sizeof bom - 1;
        text += strspn(text, BLANKS); /* all of them: no section may begin for inih that has not begun here */
        bool sound = line_is_sound(r, text, len > INIFILE_LINE_MAX, has_nul);
        (void)snprintf(str, (size_t)num, "%s\n", sound ? text : ""); /* fits: see LINE_BUFFER */
        return str;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
        struct reader *r = user;
        if (!r->in_section) {
                problems_add_at(r->problems, here(r), "a key before the first [section]");
        } else if (name[0] == '\0') {
                problems_add_at(r->problems, here(r), "a value without a key");
        } else {
                struct inifile_entry e = {.at = here(r), .section = section, .key = name, .value = value};
                r->fn(r->ctx, &e);
        }
        return 1;
}

/* inih tells only of the first line it could not read. It is made to stop there, and called again for
 * what is left of the file. */
static void parse(struct reader *r)
{
        ini_max_line = LINE_BUFFER;
        ini_allow_bom = false; /* it would look for one whenever it begins anew */
        ini_allow_multiline = false;
        ini_allow_no_value = false;
        ini_stop_on_first_error = true;
        while (ini_parse_stream(read_line, r, on_key, r) != 0) {
                problems_add_at(r->problems, here(r), "neither [section], nor key = value, nor a comment");
                r->resume = r->in_section;
        }
}

static int open_regular(const char *path, FILE **ret)
{
        FILE *f = fopen(path, "re");
        if (!f)
                return -errno;
        struct stat st;
        int r = 0;
        if (fstat(fileno(f), &st) < 0)
                r = -errno;
        else if (S_ISDIR(st.st_mode))
                r = -EISDIR;
        else if (st.st_size > (off_t)INIFILE_SIZE_MAX)
                r = -EFBIG;
        if (r < 0) {
                (void)fclose(f); /* nothing was written */
                return r;
        }
        *ret = f;
        return 0;
}

int inifile_read(const char *path, inifile_fn fn, void *ctx, struct problems *problems)
{
        struct reader r = {.path = path, .left = INIFILE_SIZE_MAX + 1, .fn = fn, .ctx = ctx, .problems = problems};
        int status = open_regular(path, &r.file);
        if (status < 0) {
                problems_add_at(problems, here(&r), "cannot be read: %s", strerror(-status));
                return status;
        }
        parse(&r);
        if (ferror(r.file)) {
                status = -EIO;
                problems_add_at(problems, here(&r), "cannot be read further: %s", strerror(EIO));
        }
        if (r.left == 0) {
                status = -EFBIG;
                problems_add_at(problems, here(&r), "cannot be read further: %s", strerror(EFBIG));
        }
        (void)fclose(r.file); /* nothing was written */
        return status;
}
