/* See shell_edit.h. Stands on libedit; whatever it asks of the terminal's input comes through next_character(), where
 * the loop of the session turns. */
#include "daemon/ctl/shell_edit.h"

#include "daemon/ctl/secret_line.h"
#include "election/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <wchar.h>

/* Bytes of a prompt. */
#define PROMPT_MAX 400

struct shell_edit {
        struct ctl *c;
        EditLine *el;
        History *history;
        char *history_path; /* NULL: nowhere to keep it */
        char prompt[PROMPT_MAX];
        char *line;
        bool editing, interrupted, ended;
};

static struct shell_edit *of(EditLine *el)
{
        struct shell_edit *e = NULL;
        (void)el_get(el, EL_CLIENTDATA, &e); /* set at birth */
        return e;
}

/* ---- what is typed ---- */

/* One character, of as many bytes as the locale makes it. 1, 0 at the end, -1 when the line is to be left. */
static int next_character(EditLine *el, wchar_t *ret)
{
        struct shell_edit *e = of(el);
        mbstate_t state = {0};
        for (;;) {
                char byte;
                int r = ctl_wait_readable(e->c, STDIN_FILENO);
                if (r == 0) {
                        int number = ctl_told(e->c);
                        e->interrupted = number == SIGINT;
                        e->ended = number != SIGINT;
                        errno = EINTR;
                        return -1;
                }
                ssize_t n = r < 0 ? r : read(STDIN_FILENO, &byte, 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return 0;
                size_t used = mbrtowc(ret, &byte, 1, &state);
                if (used == (size_t)-2)
                        continue;
                if (used == (size_t)-1) { /* what is no character is passed over */
                        state = (mbstate_t){0};
                        continue;
                }
                return 1;
        }
}

static char *prompt(EditLine *el)
{
        struct shell_edit *e = of(el);
        char where[PROMPT_MAX - 8];
        ctl_where(e->c, where, sizeof where);
        (void)snprintf(e->prompt, sizeof e->prompt, "%s> ", where);
        return e->prompt;
}

void shell_edit_pause(struct shell_edit *e)
{
        if (e->editing)
                (void)fputs("\r\033[K", stdout);
}

void shell_edit_go_on(struct shell_edit *e)
{
        (void)fflush(stdout);
        if (e->editing)
                (void)el_set(e->el, EL_REFRESH); /* draws anew */
}

enum shell_line shell_edit_read(struct shell_edit *e, const char **ret)
{
        int count = 0;
        e->interrupted = e->ended = false;
        el_resize(e->el);
        e->editing = true;
        const char *text = el_gets(e->el, &count);
        e->editing = false;
        if (e->interrupted) {
                (void)fputs("^C\n", stdout);
                el_reset(e->el);
                return SHELL_DISCARD;
        }
        if (!text || count <= 0) {
                (void)putchar('\n');
                return SHELL_END;
        }
        mem_free(e->line);
        e->line = mem_strdup(text);
        e->line[strcspn(e->line, "\n")] = '\0';
        *ret = e->line;
        return SHELL_LINE;
}

/* ---- completion ---- */

struct matches {
        char **list; /* whole words as they are, without escapes */
        size_t count, capacity;
        bool more;
};

static void matches_done(struct matches *m)
{
        for (size_t i = 0; i < m->count; i++)
                mem_free(m->list[i]);
        mem_free(m->list);
}

static void add_match(struct matches *m, char *word)
{
        m->list = mem_grow(m->list, &m->capacity, m->count + 1, sizeof *m->list);
        m->list[m->count++] = word;
}

static void match_commands(const char *word, struct matches *m)
{
        static const char *const own[] = {"help", "history", "quit", "version"};
        const char *name;
        for (size_t i = 0; (name = ctl_command_name(i)); i++)
                if (strncasecmp(name, word, strlen(word)) == 0)
                        add_match(m, mem_strdup(name));
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
                if (strncasecmp(own[i], word, strlen(word)) == 0)
                        add_match(m, mem_strdup(own[i]));
}

static void match_paths(struct shell_edit *e, const char *word, struct matches *m)
{
        struct ctl_reply r;
        size_t parent_len = (size_t)(strrchr(word, '/') - word), name_len = strlen(word) - parent_len - 1;
        char *parent = mem_strdup(word);
        parent[parent_len ? parent_len : 1] = '\0';
        if (ctl_children_for_completion(e->c, parent, SHELL_COMPLETE_MS, &r) == CTL_DONE)
                for (size_t i = 0; i < r.child_count; i++)
                        if (strncmp(r.children[i], word + parent_len + 1, name_len) == 0)
                                add_match(m, ctl_child_path(parent, r.children[i]));
        ctl_reply_done(&r);
        mem_free(parent);
}

static bool has_children(struct shell_edit *e, const char *path)
{
        struct ctl_reply r;
        bool has = ctl_children_for_completion(e->c, path, SHELL_COMPLETE_MS, &r) == CTL_DONE && r.child_count > 0;
        ctl_reply_done(&r);
        return has;
}

/* The word that ends at the cursor, without its backslashes, to be freed; NULL: it stands in quotes. `ret_first`: it is
 * the line's first. */
static char *word_at_cursor(EditLine *el, bool *ret_first)
{
        const LineInfo *li = el_line(el);
        char *word = mem_alloc((size_t)(li->cursor - li->buffer) + 1);
        size_t len = 0;
        bool quoted = false, words = false;
        for (const char *at = li->buffer; at < li->cursor; at++) {
                quoted |= *at == '"' || *at == '\'';
                if (*at == ' ' || *at == '\t') {
                        words |= len > 0;
                        len = 0;
                        continue;
                }
                if (*at == '\\' && at + 1 < li->cursor)
                        at++;
                word[len++] = *at;
        }
        word[len] = '\0';
        *ret_first = !words;
        if (!quoted)
                return word;
        mem_free(word);
        return NULL;
}

static size_t common_length(const struct matches *m)
{
        size_t len = strlen(m->list[0]);
        for (size_t i = 1; i < m->count; i++) {
                size_t same = 0;
                while (same < len && m->list[0][same] == m->list[i][same])
                        same++;
                len = same;
        }
        while (len && ((unsigned char)m->list[0][len] & 0xc0) == 0x80)
                len--; /* no half of a character */
        return len;
}

/* What is missing of a word, with backslashes where the line needs them. */
static void insert(EditLine *el, const char *text, size_t len)
{
        char *escaped = mem_alloc(2 * len + 1);
        size_t size = 0;
        for (size_t i = 0; i < len; i++) {
                if (strchr(" \t\\\"'#", text[i]))
                        escaped[size++] = '\\';
                escaped[size++] = text[i];
        }
        escaped[size] = '\0';
        (void)el_insertstr(el, escaped); /* -1 where the line is full: then it stays as it is */
        mem_free(escaped);
}

static void show_matches(const struct matches *m)
{
        (void)putchar('\n');
        for (size_t i = 0; i < m->count && i < SHELL_MATCHES_MAX; i++) {
                const char *slash = strrchr(m->list[i], '/');
                const char *name = slash ? slash + 1 : m->list[i];
                for (; *name; name++)
                        (void)putchar((unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name);
                (void)fputs(i + 1 < m->count ? "  " : "", stdout);
        }
        if (m->count > SHELL_MATCHES_MAX)
                (void)printf("… and %zu more", m->count - SHELL_MATCHES_MAX);
        (void)putchar('\n');
        (void)fflush(stdout);
}

static unsigned char complete(EditLine *el, int key)
{
        struct shell_edit *e = of(el);
        struct matches m = {.count = 0};
        unsigned char result = CC_ERROR; /* a bell */
        bool first;
        char *word = word_at_cursor(el, &first);
        (void)key;
        if (word && first)
                match_commands(word, &m);
        else if (word && word[0] == '/')
                match_paths(e, word, &m);
        if (word && m.count) {
                size_t have = strlen(word), common = common_length(&m);
                if (common > have)
                        insert(el, m.list[0] + have, common - have);
                if (m.count == 1)
                        (void)el_insertstr(el, !first && has_children(e, m.list[0]) ? "/" : " ");
                if (m.count > 1 && common <= have) {
                        show_matches(&m);
                        result = CC_REDISPLAY;
                } else {
                        result = CC_REFRESH;
                }
        }
        matches_done(&m);
        mem_free(word);
        return result;
}

/* ---- history ---- */

/* $XDG_STATE_HOME/batonctl_history, or ~/.batonctl_history. */
static char *find_history(void)
{
        const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
        bool xdg = state && state[0] == '/';
        const char *folder = xdg ? state : home;
        if (!folder || folder[0] != '/')
                return NULL;
        size_t size = strlen(folder) + sizeof "/.batonctl_history";
        char *path = mem_alloc(size);
        (void)snprintf(path, size, "%s/%sbatonctl_history", folder, xdg ? "" : ".");
        return path;
}

void shell_edit_remember(struct shell_edit *e, const char *line)
{
        HistEvent event;
        if (!line[strspn(line, " \t")] || secret_line(line))
                return;
        (void)history(e->history, &event, H_ENTER, line); /* what is not remembered does no harm */
        if (!e->history_path)
                return;
        /* Nobody else may read it, from its first byte on. */
        int fd = open(e->history_path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return;
        (void)close(fd); /* nothing was written */
        (void)history(e->history, &event, H_SAVE, e->history_path);
}

void shell_edit_show_history(struct shell_edit *e)
{
        HistEvent event;
        for (int r = history(e->history, &event, H_LAST); r >= 0; r = history(e->history, &event, H_PREV))
                (void)printf("%s\n", event.str);
}

/* ---- life ---- */

struct shell_edit *shell_edit_new(struct ctl *c)
{
        HistEvent event;
        struct shell_edit *e = mem_zalloc(sizeof *e);
        (void)setlocale(LC_CTYPE, ""); /* failing, characters are bytes */
        e->c = c;
        e->el = el_init("batonctl", stdin, stdout, stderr);
        e->history = e->el ? history_init() : NULL;
        if (!e->history) {
                shell_edit_free(e);
                return NULL;
        }
        (void)history(e->history, &event, H_SETSIZE, SHELL_HISTORY_MAX);
        (void)history(e->history, &event, H_SETUNIQUE, 1);
        e->history_path = find_history();
        if (e->history_path)
                (void)history(e->history, &event, H_LOAD, e->history_path); /* the first time there is none */
        (void)el_set(e->el, EL_CLIENTDATA, e);
        (void)el_set(e->el, EL_EDITOR, "emacs");
        (void)el_set(e->el, EL_HIST, history, e->history);
        (void)el_set(e->el, EL_PROMPT, prompt);
        (void)el_set(e->el, EL_ADDFN, "baton-complete", "complete a command or a path", complete);
        (void)el_set(e->el, EL_BIND, "^I", "baton-complete", NULL);
        (void)el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
        (void)el_set(e->el, EL_GETCFN, next_character);
        return e;
}

void shell_edit_free(struct shell_edit *e)
{
        if (!e)
                return;
        if (e->history)
                history_end(e->history);
        if (e->el)
                el_end(e->el);
        mem_free(e->history_path);
        mem_free(e->line);
        mem_free(e);
}
