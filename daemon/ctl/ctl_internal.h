/* What session.c, request.c and watch.c share. */
#ifndef BATON_CTL_INTERNAL_H
#define BATON_CTL_INTERNAL_H

#include "daemon/common/client_loop.h"
#include "daemon/ctl/ctl.h"

/* Longest answer that is taken: the list of a znode with millions of children has to be read before they can go. */
#define CTL_REPLY_MAX (256 << 20)

/* One request under way. It outlives the wait for it: the client completes it at the latest when it is freed. */
struct call {
        struct ctl_reply *ret; /* NULL: nobody waits any more */
        bool done;
        enum client_outcome outcome;
        size_t size_bytes; /* of the request */
};

struct ctl {
        struct ctl_options options;
        struct node_config *config;
        struct client_server *servers;
        size_t server_count;
        uv_loop_t loop;
        uv_timer_t timer;
        uv_signal_t interrupted, terminated;
        struct client_loop *client;
        struct client *session;
        const char *chroot; /* within options.hosts; NULL: none */
        struct ctl_hooks hooks;
        bool late;    /* the request's time is over */
        bool refused; /* an identity was */
        bool renew;   /* an expired session is followed by a new one */
        bool quiet;   /* failures are not printed */
        int signal;   /* that set `end` */
        bool end;     /* a signal said so */
        bool started;
        bool over; /* the session is */
        bool data_watched, children_watched;
        enum client_event event;
        bool has_event;
        char server[CLIENT_HOST_MAX + 16];
};

/* Says that no server answered in time. Returns CTL_UNREACHABLE. */
int ctl__unreachable(const struct ctl *c);

/* request.c */
/* Begins to connect, the first time. */
void ctl__start(struct ctl *c);
/* Waits until *done, as long as one request may take. Returns CTL_DONE, or an exit status, the reason printed. */
int ctl__await(struct ctl *c, const bool *done);
/* Say why a request of so many bytes was not made, or has no answer; return an exit status. */
int ctl__not_made(const struct ctl *c, int status);
int ctl__not_answered(const struct ctl *c, enum client_outcome outcome, size_t size_bytes);
/* A call whose answer goes to `ret`; starts the client, and the time that the request may take. */
struct client_call ctl__begin(struct ctl *c, struct ctl_reply *ret, struct call **call);
/* Waits for the answer. `status` is what the request's function returned. Returns an exit status, the reason printed.
 */
int ctl__finish(struct ctl *c, struct call *call, int status);

#endif
