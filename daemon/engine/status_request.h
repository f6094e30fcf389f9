/* The one line that a client of the status socket says: a command and its numbers (docs/status.md). */
#ifndef BATON_ENGINE_STATUS_REQUEST_H
#define BATON_ENGINE_STATUS_REQUEST_H

#include <stddef.h>
#include <stdint.h>

/* Longest line, its end included. */
#define STATUS_LINE_MAX 128
/* Connections told of in one answer, unless fewer are asked for; more are never. */
#define STATUS_PAGE_MAX 1000

enum status_command {
        STATUS_STATUS,
        STATUS_CONNECTIONS,
        STATUS_SNAPSHOT,
        STATUS_RESET,
        STATUS_COMMAND_MAX,
};

struct status_request {
        enum status_command command;
        uint64_t after; /* connections: those behind the one of this number */
        size_t count;   /* connections: how many, 1 to STATUS_PAGE_MAX */
};

/* `line` has no line end. 0, or -EINVAL with a sentence in *why, which lives for ever. */
int status_request_parse(const char *line, size_t len, struct status_request *ret, const char **why);
/* As it is said. */
const char *status_command_name(enum status_command command);

#endif
