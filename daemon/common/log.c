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
#include <sys/uio.h>
/* SD_JOURNAL_SUPPRESS_LOCATION: a macro would add our own file and line to each call. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

static struct {
        pthread_mutex_t mutex;
        const char *ident;
        enum log_level least;
        bool to_journal;
        char standing[LOG_STANDING_MAX][LOG_FIELD_BYTES_MAX];
        size_t standing_count;
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

/* Where journald listens; without it sd_journal_sendv() says that all went well. */
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static struct iovec piece(const char *text)
{
        return (struct iovec){.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
}

/* Sends the text with all its fields. Returns whether journald has taken it. */
static bool send_fields(enum log_level level, const char *message_id, const char *const *fields, const char *text)
{
        struct iovec all[4 + LOG_STANDING_MAX + LOG_FIELDS_MAX];
        char message[sizeof "MESSAGE=" + LOG_LINE_MAX], priority[16], ident[64], id[64];
        size_t n = 0;
        if (access(JOURNAL_SOCKET, W_OK) < 0)
                return false;
        message[put(message, sizeof message - 1, put(message, sizeof message - 1, 0, "MESSAGE="), text)] = '\0';
        (void)snprintf(priority, sizeof priority, "PRIORITY=%c", level_marks[level].journal[1]);
        (void)snprintf(ident, sizeof ident, "SYSLOG_IDENTIFIER=%s", target.ident ? target.ident : "baton");
        all[n++] = piece(message);
        all[n++] = piece(priority);
        all[n++] = piece(ident);
        if (message_id) {
                (void)snprintf(id, sizeof id, "MESSAGE_ID=%s", message_id);
                all[n++] = piece(id);
        }
        for (size_t i = 0; i < target.standing_count; i++)
                all[n++] = piece(target.standing[i]);
        for (size_t i = 0; fields && fields[i] && i < LOG_FIELDS_MAX; i++)
                all[n++] = piece(fields[i]);
        return sd_journal_sendv(all, (int)n) >= 0;
}

static void say(enum log_level level, const char *message_id, const char *const *fields, const char *text)
{
        bool has_fields = message_id || fields || target.standing_count > 0;
        if (!target.to_journal || !has_fields || !send_fields(level, message_id, fields, text))
                write_line(level, text);
}

static void __attribute__((format(printf, 4, 0)))
log_va(enum log_level level, const char *message_id, const char *const *fields, const char *format, va_list ap)
{
        char text[LOG_LINE_MAX];
        unsigned long left_out = 0;
        (void)vsnprintf(text, sizeof text, format, ap); /* cut, as documented */
        pthread_mutex_lock(&target.mutex);
        if (level >= target.least && log_limit_pass(&target.limit, text, now_ms(), &left_out)) {
                if (left_out > 0) {
                        char note[64];
                        (void)snprintf(note, sizeof note, "(the next line was left out %lu times)", left_out);
                        say(level, NULL, NULL, note);
                }
                say(level, message_id, fields, text);
        }
        pthread_mutex_unlock(&target.mutex);
}

void log_line(enum log_level level, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        log_va(level, NULL, NULL, format, ap);
        va_end(ap);
}

void log_event(enum log_level level, const char *message_id, const char *const *fields, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        log_va(level, message_id, fields, format, ap);
        va_end(ap);
}

void log_record(enum log_level level, const char *message_id, const char *const *fields, const char *text)
{
        pthread_mutex_lock(&target.mutex);
        say(level, message_id, fields, text);
        pthread_mutex_unlock(&target.mutex);
}

void log_field(struct log_fields *f, const char *key, const char *format, ...)
{
        char *text = f->text[f->count];
        va_list ap;
        assert(f->count < LOG_FIELDS_MAX);
        size_t len = put(text, LOG_FIELD_BYTES_MAX - 2, 0, key);
        text[len++] = '=';
        va_start(ap, format);
        (void)vsnprintf(text + len, LOG_FIELD_BYTES_MAX - len, format, ap); /* cut, as documented */
        va_end(ap);
        f->list[f->count++] = text;
        f->list[f->count] = NULL;
}

void log_standing(const char *key, const char *value)
{
        size_t key_len = strlen(key), i = 0;
        pthread_mutex_lock(&target.mutex);
        while (i < target.standing_count &&
               (strncmp(target.standing[i], key, key_len) != 0 || target.standing[i][key_len] != '='))
                i++;
        bool known = i < target.standing_count;
        assert(known || i < LOG_STANDING_MAX);
        if (value) {
                (void)snprintf(target.standing[i], sizeof target.standing[i], "%s=%s", key, value);
                target.standing_count += !known;
        } else if (known) {
                target.standing_count--;
                memmove(target.standing[i], target.standing[i + 1],
                        (target.standing_count - i) * sizeof target.standing[0]);
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
