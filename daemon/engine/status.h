/* The status socket: clients say one line, get one JSON object, and are closed. Several at once, each within bounds of
 * size and time; what they read slowly waits in memory, never in the loop. Loop thread only. */
#ifndef BATON_ENGINE_STATUS_H
#define BATON_ENGINE_STATUS_H

#include "daemon/engine/status_request.h"

#include <stdbool.h>
#include <uv.h>

/* Clients at a time; further ones are closed at once. */
#define STATUS_CLIENTS_MAX 16
/* A client has this long to say its line, and as long again to read its answer. */
#define STATUS_CLIENT_MS 10000

struct status;

struct status_host {
        void *ctx;
        /* The answer, to be freed with free(); or NULL: status_answer() will bring it. That is asked for by one client
         * at a time. */
        char *(*ask)(void *ctx, const struct status_request *r);
        uint32_t client_ms; /* STATUS_CLIENT_MS */
};

/* Takes `fd`, a listening Unix socket, also when it fails. 0 or -errno. */
int status_new(uv_loop_t *loop, int fd, const struct status_host *host, struct status **ret);
/* The answer for the client that waits, if it still does. Takes `text`, which free() will free. */
void status_answer(struct status *s, char *text);
/* Whether one waits. */
bool status_waits(const struct status *s);
/* Closes all; the loop has to run until it is empty, then the memory is gone. Takes NULL. */
void status_close(struct status *s);

#endif
