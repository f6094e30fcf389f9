/* See status_request.h. */
#include "daemon/engine/status_request.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const char *const command_names[] = {
        [STATUS_STATUS] = "status",
        [STATUS_CONNECTIONS] = "connections",
        [STATUS_SNAPSHOT] = "snapshot",
        [STATUS_RESET] = "reset",
};
static_assert(sizeof command_names / sizeof *command_names == STATUS_COMMAND_MAX, "a name for each command");

const char *status_command_name(enum status_command command)
{
        assert(command < STATUS_COMMAND_MAX);
        return command_names[command];
}

struct words {
        const char *at, *end;
};

/* The next word, separated by one blank or more. Returns its length, 0 at the end. */
static size_t next_word(struct words *w, const char **ret)
{
        while (w->at < w->end && *w->at == ' ')
                w->at++;
        *ret = w->at;
        while (w->at < w->end && *w->at != ' ')
                w->at++;
        return (size_t)(w->at - *ret);
}

static int read_number(const char *text, size_t len, uint64_t *ret)
{
        uint64_t n = 0;
        for (size_t i = 0; i < len; i++) {
                if (text[i] < '0' || text[i] > '9' || n > (UINT64_MAX - 9) / 10)
                        return -EINVAL;
                n = 10 * n + (uint64_t)(text[i] - '0');
        }
        *ret = n;
        return 0;
}

static int read_page(struct words *w, struct status_request *ret, const char **why)
{
        const char *word;
        uint64_t count = STATUS_PAGE_MAX;
        size_t len = next_word(w, &word);
        *why = "connections takes two numbers: behind which connection to begin, and how many are wanted, 1 to 1000";
        if (len && read_number(word, len, &ret->after) < 0)
                return -EINVAL;
        len = next_word(w, &word);
        if (len && (read_number(word, len, &count) < 0 || count < 1 || count > STATUS_PAGE_MAX))
                return -EINVAL;
        ret->count = (size_t)count;
        return 0;
}

int status_request_parse(const char *line, size_t len, struct status_request *ret, const char **why)
{
        struct words w = {.at = line, .end = line + len};
        const char *word;
        size_t word_len = next_word(&w, &word);
        int command = 0;
        while (command < STATUS_COMMAND_MAX &&
               (strlen(command_names[command]) != word_len || memcmp(command_names[command], word, word_len) != 0))
                command++;
        *why = "unknown command: status, connections [AFTER [COUNT]], snapshot or reset";
        if (command == STATUS_COMMAND_MAX)
                return -EINVAL;
        *ret = (struct status_request){.command = (enum status_command)command};
        if (ret->command == STATUS_CONNECTIONS && read_page(&w, ret, why) < 0)
                return -EINVAL;
        *why = "more words than the command takes";
        return next_word(&w, &word) ? -EINVAL : 0;
}
