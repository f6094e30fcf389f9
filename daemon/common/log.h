/* Logging: plain lines on stderr, without a time (journal, supervisor or terminal add their own).
 *
 *   to the journal   "<4>text": the level as sd-daemon(3) has it, recognised by JOURNAL_STREAM. Lines that have fields,
 *                    of their own or standing ones, go to journald's socket with them, as sd_journal_send(3) does
 *   elsewhere        "ident: warning: text"; plain "ident: text" for information. Fields are left out
 *
 * Control characters never reach the output, so nothing foreign can forge a line; foreign strings should
 * be quoted with log_quote() besides. The same text again and again is held back: LOG_BURST lines in
 * LOG_WINDOW_MS, then one line says how many were left out. Nobody ever waits for the reader of stderr: lines
 * that find it full are dropped and counted. Any thread. */
#ifndef BATON_COMMON_LOG_H
#define BATON_COMMON_LOG_H

#include <stddef.h>

enum log_level {
        LOG_LEVEL_DEBUG,
        LOG_LEVEL_INFO,
        LOG_LEVEL_WARNING,
        LOG_LEVEL_ERROR,
        LOG_LEVEL_MAX,
};

/* Longer lines are cut. */
#define LOG_LINE_MAX 1024
/* Equal texts let through in one window. */
#define LOG_BURST     5
#define LOG_WINDOW_MS 10000
/* Different texts remembered for that; the one not heard for longest makes room. */
#define LOG_TEXTS_MAX 16
/* What log_quote() shows of a foreign string. */
#define LOG_QUOTE_MAX 64
/* Fields of one line, and standing ones besides. */
#define LOG_FIELDS_MAX   16
#define LOG_STANDING_MAX 8
/* Bytes of a field, NUL included; longer ones are cut. */
#define LOG_FIELD_BYTES_MAX 192

/* Names the program and looks where stderr leads. `ident` is borrowed for ever. Levels below `least` are
 * dropped. Call it first, once; before it, lines come out with no name. */
void log_open(const char *ident, enum log_level least);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line of a kind that programs may wait for.
 *   message_id   32 hexadecimal digits (events.h), or NULL
 *   fields       "KEY=value" each, NULL behind the last; NULL for none. Capitals, digits and _; BATON_… are ours */
void log_event(enum log_level level, const char *message_id, const char *const *fields, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* Fields being gathered: struct log_fields f = {.count = 0}; log_field(&f, "BATON_PID", "%d", pid);
 * log_event(…, f.list, …). Longer ones are cut. */
struct log_fields {
        char text[LOG_FIELDS_MAX][LOG_FIELD_BYTES_MAX];
        const char *list[LOG_FIELDS_MAX + 1];
        size_t count;
};
void log_field(struct log_fields *f, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A line that is let through whatever the level and however often it was said before. `text` is whole, not a format. */
void log_record(enum log_level level, const char *message_id, const char *const *fields, const char *text);
/* A field that every line from now on has: log_standing("BATON_NODE", "n1"). A NULL value takes it away. */
void log_standing(const char *key, const char *value);

#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)

/* A quoted foreign string: at most LOG_QUOTE_MAX bytes are shown, the rest is `…`; what is not printable
 * ASCII becomes \xNN. */
struct log_quoted {
        char text[4 * LOG_QUOTE_MAX + 8];
};
struct log_quoted log_quote(const char *s);
struct log_quoted log_quote_bytes(const void *s, size_t len);

/* ---- the parts, for tests ---- */

/* Decides whether a text may pass now: 1 yes, 0 no (counted). `*left_out` gets how many equal ones were
 * held back in a window that has ended (0: none). */
struct log_limit {
        struct {
                unsigned long hash;
                unsigned long long since_ms, last_ms;
                unsigned long count;
        } texts[LOG_TEXTS_MAX];
};
int log_limit_pass(struct log_limit *l, const char *text, unsigned long long now_ms, unsigned long *left_out);
/* Writes one finished line with its end into `buffer` (at least 16 bytes); returns its length. */
size_t log_format(char *buffer, size_t size, const char *ident, enum log_level level, int to_journal, const char *text);

#endif
