/* The real baton-worker as a process, with a supervisor and an agent played by the test, over socketpairs. What it says
 * is written down as lines:
 *
 *   hello stopped 0x0 budget 5000   state active 0x7 [: why]   health bad: why   note: text   set answer = x v-1
 *   ready   holding active 0x7      pong 5
 */
#ifndef BATON_TESTS_STAGE_H
#define BATON_TESTS_STAGE_H

#include "daemon/common/grant_record.h"
#include "daemon/common/ipc.h"

#include <sys/types.h>

struct stage {
        char dir[64];
        char settings[1024];       /* more lines of [plugin shop] */
        bool group;                /* of [plugin shop] */
        uint32_t budget_ms;        /* of grants; 5000 */
        uint32_t check_timeout_ms; /* 5000: a busy machine is no check that hangs */
        uv_loop_t loop;
        struct ipc *control, *link;
        int record_fd;
        pid_t pid;
        bool gone;
        char said[1 << 16];
};

/* A directory, a configuration and an empty record; nothing runs yet. Stop budget 1000, check every 50. */
void stage_init(struct stage *s);
/* Kills what runs. */
void stage_done(struct stage *s);
/* The worker, with a control channel and a link. */
void stage_start(struct stage *s);
/* A new link in place of the old one; -link: only cuts it. */
void stage_link(struct stage *s);
void stage_cut(struct stage *s);
void stage_kill(struct stage *s, int signal);
/* Waits for its end; returns the status of waitpid(). */
int stage_await_end(struct stage *s);
/* Runs the program with these arguments to its end; what it prints goes into `out`. Returns its exit status. */
int stage_run(struct stage *s, const char *const *arguments, char *out, size_t out_size);

/* Waits until the line has been said since the last stage_forget(). Fails the test when it isn't in time. */
void stage_await(struct stage *s, const char *line);
void stage_forget(struct stage *s);
bool stage_said(const struct stage *s, const char *line);
/* The same for the probe's trace. */
void stage_await_trace(struct stage *s, const char *line);
bool stage_traced(struct stage *s, const char *line);
size_t stage_trace_count(struct stage *s, const char *line);
void stage_mood(struct stage *s, const char *moods);
bool stage_runs(struct stage *s); /* the resource */
struct grant_record stage_record(struct stage *s);

/* From the supervisor and the agent. */
void stage_stop(struct stage *s, enum stop_how how);
void stage_ping(struct stage *s, int64_t number);
/* `for_ms` from now. */
void stage_grant(struct stage *s, int64_t token, uint32_t for_ms);
void stage_revoke(struct stage *s, int64_t token, enum revoke_reason reason);
void stage_config(struct stage *s, const char *path, const char *value, int32_t version, int64_t zxid);
void stage_tell(struct stage *s, const struct message *m);

#endif
