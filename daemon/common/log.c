/* See log.h. The log target is the one global of the program, with a mutex around it. */
#include "daemon/common/log.h"

#include "election/base/hash.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

static struct {
        pthread_mutex_t mutex;
        const char *ident;
        enum log_level least;
        bool to_journal;
        struct log_limit limit;
        unsigned long lost; /* lines that found no room since the last one that did */
} target = {.mutex = PTHREAD_MUTEX_INITIALIZER, .least = LOG_LEVEL_INFO};

static const struct {
        const char *journal, *word;
} level_marks[] = {
        [LOG_LEVEL_DEBUG] = {SD_DEBUG, "debug: "},
        [LOG_LEVEL_INFO] = {SD_INFO, ""},
        [LOG_LEVEL_WARNING] = {SD_WARNING, "warning: "},
        [LOG_LEVEL_ERROR] = {SD_ERR, "error: "},
};
static_assert(sizeof level_marks / sizeof *level_marks == LOG_LEVEL_MAX, "every level has its marks");

/* JOURNAL_STREAM holds device:inode of the stream systemd gave us; it is stale when stderr was
 * redirected since (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        struct stat st;
        char here[64];
        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        (void)snprintf(here, sizeof here, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(stream, here) == 0;
}

void log_open(const char *ident, enum log_level least)
{
        pthread_mutex_lock(&target.mutex);
        target.ident = ident;
        target.least = least;
        target.to_journal = stderr_is_journal();
        pthread_mutex_unlock(&target.mutex);
}

static unsigned long long now_ms(void)
{
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t); /* cannot fail for this clock */
        return (unsigned long long)t.tv_sec * 1000 + (unsigned long long)t.tv_nsec / 1000000;
}

int log_limit_pass(struct log_limit *l, const char *text, unsigned long long now, unsigned long *left_out)
{
        unsigned long hash = (unsigned long)hash_bytes(text, strlen(text), 0);
        size_t slot = 0;
        *left_out = 0;
        for (size_t i = 0; i < LOG_TEXTS_MAX; i++) {
                if (l->texts[i].count > 0 && l->texts[i].hash == hash) {
                        slot = i;
                        break;
                }
                if (l->texts[i].last_ms < l->texts[slot].last_ms)
                        slot = i;
        }
        bool known = l->texts[slot].count > 0 && l->texts[slot].hash == hash;
        if (!known || now - l->texts[slot].since_ms >= LOG_WINDOW_MS) {
                if (known && l->texts[slot].count > LOG_BURST)
                        *left_out = l->texts[slot].count - LOG_BURST;
                l->texts[slot].hash = hash;
                l->texts[slot].since_ms = now;
                l->texts[slot].count = 0;
        }
        l->texts[slot].last_ms = now;
        l->texts[slot].count++;
        return l->texts[slot].count <= LOG_BURST;
}

/* Appends what fits of `s`, control characters replaced. Returns the new length. */
static size_t put(char *buffer, size_t size, size_t len, const char *s)
{
        for (; *s && len < size; s++)
                buffer[len++] = ((unsigned char)*s < 0x20 || *s == 0x7f) ? '?' : *s;
        return len;
}

size_t log_format(char *buffer, size_t size, const char *ident, enum log_level level, int to_journal, const char *text)
{
        size_t len = 0;
        size_t room = size - 1; /* for the line's end */
        assert(size >= 16 && (unsigned)level < LOG_LEVEL_MAX);
        if (to_journal) {
                len = put(buffer, room, len, level_marks[level].journal);
        } else {
                if (ident) {
                        len = put(buffer, room, len, ident);
                        len = put(buffer, room, len, ": ");
                }
                len = put(buffer, room, len, level_marks[level].word);
        }
        len = put(buffer, room, len, text);
        buffer[len++] = '\n';
        return len;
}

/* Whoever reads our lines may have stopped, and then the pipe is full: a server must not wait for its log. A pipe
 * or socket that is ready takes a line whole, whatever else waits in it. */
static bool stderr_has_room(void)
{
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        return poll(&p, 1, 0) != 0; /* where it can't be told, writing will */
}

/* One write per line, so that lines of several programs on one stderr do not mix. */
static void put_line(enum log_level level, const char *text)
{
        char line[LOG_LINE_MAX];
        size_t len = log_format(line, sizeof line, target.ident, level, target.to_journal, text);
        ssize_t r = write(STDERR_FILENO, line, len);
        (void)r; /* there is nowhere to say that saying failed */
}

static void write_line(enum log_level level, const char *text)
{
        if (target.lost > 0 && stderr_has_room()) {
                char note[64];
                (void)snprintf(note, sizeof note, "(%lu lines are lost: nobody was reading)", target.lost);
                target.lost = 0;
                put_line(LOG_LEVEL_WARNING, note);
        }
        if (stderr_has_room())
                put_line(level, text);
        else
                target.lost++;
}

void log_line(enum log_level level, const char *format, ...)
{
        char text[LOG_LINE_MAX];
        unsigned long left_out = 0;
        va_list ap;
        va_start(ap, format);
        (void)vsnprintf(text, sizeof text, format, ap); /* cut, as documented */
        va_end(ap);
        pthread_mutex_lock(&target.mutex);
        if (level >= target.least && log_limit_pass(&target.limit, text, now_ms(), &left_out)) {
                if (left_out > 0) {
                        char note[64];
                        (void)snprintf(note, sizeof note, "(the next line was left out %lu times)", left_out);
                        write_line(level, note);
                }
                write_line(level, text);
        }
        pthread_mutex_unlock(&target.mutex);
}

struct log_quoted log_quote_bytes(const void *s, size_t len)
{
        const unsigned char *bytes = s;
        struct log_quoted q;
        size_t at = 0;
        q.text[at++] = '"';
        for (size_t i = 0; i < len && i < LOG_QUOTE_MAX; i++) {
                unsigned char c = bytes[i];
                if (c == '"' || c == '\\') {
                        q.text[at++] = '\\';
                        q.text[at++] = (char)c;
                } else if (c >= 0x20 && c < 0x7f) {
                        q.text[at++] = (char)c;
                } else {
                        at += (size_t)snprintf(q.text + at, 5, "\\x%02x", c);
                }
        }
        (void)snprintf(q.text + at, sizeof q.text - at, "\"%s", len > LOG_QUOTE_MAX ? "…" : "");
        return q;
}

struct log_quoted log_quote(const char *s)
{
        return log_quote_bytes(s, strlen(s));
}
