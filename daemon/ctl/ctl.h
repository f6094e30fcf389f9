/* batonctl's conversation with the ensemble: one request after the other, each waited for.
 *
 *   main.c          options
 *   commands.c      the table of commands, help
 *   args.c          a command's own options
 *   session.c       the servers, the client, its loop
 *   request.c       requests, each waited for
 *   pipeline.c      many requests of one kind, some at a time
 *   question.c      commands that ask one question
 *   watch.c         watches, and waiting
 *   answer.c        answers copied, errors as sentences
 *   acl_text.c      ACLs as text and JSON
 *   control_text.c  control characters in foreign text
 *   show.c          values, Stats, JSON
 *   output.c        aligned tables
 *   view.c          members and groups, read from their znodes
 *   walk.c          all znodes below one
 *   line_words.c    a line taken apart into words
 *   secret_line.c   lines that are not remembered
 *   multi_file.c    a multi as a file
 *   tree_file.c     a subtree as JSON
 *   tree_read.c     a subtree read from the ensemble
 *   tree_apply.c    a subtree written to it
 *   cmd_tree.c      ls get stat set create sync
 *   cmd_acl.c       getacl setacl addauth whoami
 *   cmd_count.c     count ephemerals
 *   cmd_delete.c    delete rm
 *   cmd_multi.c     multi
 *   quota_text.c    limits and use of a quota
 *   cmd_quota.c     setquota listquota delquota
 *   cmd_export.c    export import cp
 *   restore.c       a snapshot put into an empty data directory
 *   cmd_restore.c   restore
 *   shell.c         shell
 *   shell_edit.c    its lines: editing, history, completion
 *   cmd_watch.c     watch
 *   cmd_cluster.c   status members groups plugins
 *   cmd_engine.c    status --engine, snapshot
 *   cmd_module.c    plugins MODULE
 *   cmd_check.c     check (monitoring)
 *   cmd_config.c    config check */
#ifndef BATON_CTL_CTL_H
#define BATON_CTL_CTL_H

#include "daemon/common/node_config.h"
#include "daemon/ctl/acl_text.h"
#include "election/client/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses of all commands but `check`, which has those of monitoring plugins (0 ok, 1 warning, 2 critical,
 * 3 unknown). */
enum ctl_exit {
        CTL_DONE = 0,
        CTL_REFUSED = 1,     /* the ensemble answered with an error, or what was asked for is not there */
        CTL_USAGE = 2,       /* wrong usage, or a configuration that is wrong */
        CTL_UNREACHABLE = 3, /* no server answered in time */
};

/* What one request may wait for the ensemble, unless --wait says otherwise. */
#define CTL_WAIT_MS_DEFAULT 5000
/* Session timeout batonctl asks for; its sessions are short. */
#define CTL_SESSION_TIMEOUT_MS 4000
/* The longest request that --max-buffer may allow: well within CLIENT_LOOP_BACKLOG_BYTES. */
#define CTL_MAX_BUFFER_MAX (48 << 20)
/* The least. */
#define CTL_MAX_BUFFER_MIN 1024
/* Children of one znode that are listed. */
#define CTL_CHILDREN_MAX 100000

/* Identities that one command line may give. */
#define CTL_AUTHS_MAX 16

struct ctl;

struct ctl_auth {
        char *scheme, *data;
};

struct ctl_options {
        const char *config; /* file; NULL: the default one, where it exists */
        const char *hosts;  /* HOST:PORT,…[/CHROOT]; NULL: those of the configuration */
        uint64_t wait_ms;
        int32_t session_ms; /* timeout that is asked for; 0: CTL_SESSION_TIMEOUT_MS */
        int32_t max_buffer; /* longest request, jute.maxbuffer */
        bool json;
        bool colour;
        bool read_only; /* a server without a leader will do */
        struct ctl_auth auths[CTL_AUTHS_MAX];
        size_t auth_count;
        struct ctl *shared; /* the shell's session, which commands use then; NULL: each command has its own */
};

/* Chooses the servers; connects with the first request. Returns 0, or an exit status, the reason printed. */
int ctl_open(const struct ctl_options *options, struct ctl **ret);
/* Ends the session politely. Takes NULL. */
void ctl_close(struct ctl *c);
/* The shell's own session: ctl_close() ends it from now on. Commands that were given it by options.shared do not. */
void ctl_unshare(struct ctl *c);
const struct ctl_options *ctl_options(const struct ctl *c);
/* The node's own configuration; NULL where --hosts was enough and there is none. */
const struct node_config *ctl_config(const struct ctl *c);
/* For the shell: connects at once, and begins a new session where one expires. */
void ctl_keep(struct ctl *c);
/* The session has ended for good: an identity was refused. */
bool ctl_is_over(const struct ctl *c);
/* Then: a new client, with the identities of the options. Returns an exit status, the reason printed. */
int ctl_begin_anew(struct ctl *c);
/* The server in use, or the next to be tried, with the root of all paths; for a prompt. */
void ctl_where(const struct ctl *c, char *ret, size_t size);
/* The server that answered last, as HOST:PORT. */
const char *ctl_server(const struct ctl *c);

/* Told while anything is waited for. */
struct ctl_hooks {
        void (*on_state)(void *ctx, enum client_state state, const char *why);
        void (*on_event)(void *ctx, enum client_event event, const char *path); /* of ctl_add_watch(), …_watched() */
        void *ctx;
};
void ctl_hook(struct ctl *c, const struct ctl_hooks *hooks);

struct ctl_op_reply {
        int32_t error;
        char *path; /* of a create */
};

/* An answer, copied. */
struct ctl_reply {
        int32_t error; /* enum zk_error, when answered */
        int64_t zxid;
        struct jute_stat stat;
        bool has_stat;
        char *data; /* with a NUL behind it; NULL for null data */
        size_t size;
        char **children; /* in order */
        size_t child_count;
        char *path;
        struct acl_list acl; /* get_acl; of who_am_i too, without permissions */
        int32_t number;
        struct ctl_op_reply *ops; /* of a multi */
        size_t op_count;
};
void ctl_reply_done(struct ctl_reply *r);

/* Each returns CTL_DONE when a server answered (look at ret->error), else an exit status, the reason printed.
 * ctl_reply_done() in any case. */
int ctl_get(struct ctl *c, const char *path, struct ctl_reply *ret);
int ctl_children(struct ctl *c, const char *path, struct ctl_reply *ret);
int ctl_exists(struct ctl *c, const char *path, struct ctl_reply *ret);
/* `op` is one of the creates. */
int ctl_create(struct ctl *c, const struct client_op *op, struct ctl_reply *ret);
int ctl_set(struct ctl *c, const char *path, struct jute_str data, int32_t version, struct ctl_reply *ret);
int ctl_delete(struct ctl *c, const char *path, int32_t version, struct ctl_reply *ret);
int ctl_get_acl(struct ctl *c, const char *path, struct ctl_reply *ret);
int ctl_set_acl(struct ctl *c, const char *path, const struct acl_list *acl, int32_t version, struct ctl_reply *ret);
int ctl_sync(struct ctl *c, const char *path, struct ctl_reply *ret);
int ctl_ephemerals(struct ctl *c, const char *path, struct ctl_reply *ret);
int ctl_all_children_number(struct ctl *c, const char *path, struct ctl_reply *ret);
int ctl_who_am_i(struct ctl *c, struct ctl_reply *ret);
/* CTL_REFUSED, the reason printed, when a server does not take it; the session is over then. */
int ctl_add_auth(struct ctl *c, const char *scheme, const char *data);
/* All or nothing; look at ret->ops where ret->error is not ZK_OK. */
int ctl_multi(struct ctl *c, const struct client_op *ops, size_t count, struct ctl_reply *ret);
/* Data and children of `path`, with a watch on each where none stands; then ctl_wait_event(). */
int ctl_watch(struct ctl *c, const char *path, struct ctl_reply *ret);
/* Waits for a watch of ctl_watch(), without a limit of time. CLIENT_EVENT_NONE: the session ended, or we were told to
 * end (SIGINT, SIGTERM). */
enum client_event ctl_wait_event(struct ctl *c);
/* A watch that stays; its events go to the hooks. */
int ctl_add_watch(struct ctl *c, const char *path, enum client_watch_mode mode, struct ctl_reply *ret);
int ctl_remove_watches(struct ctl *c, const char *path, enum client_watch_type type, struct ctl_reply *ret);
/* A read with a one-shot watch, whose event goes to the hooks: OP_GET_DATA, OP_EXISTS or OP_GET_CHILDREN2. */
int ctl_read_watched(struct ctl *c, enum opcode op, const char *path, struct ctl_reply *ret);

/* Waits until there is something to read, while the session is kept and hooks are called. 1, 0 when we were told to end
 * (see ctl_told()), -errno. */
int ctl_wait_readable(struct ctl *c, int fd);
/* From now on SIGINT and SIGTERM end no process, but whatever is waited for: for what would be half done, and has to
 * say so. */
void ctl_heed_signals(struct ctl *c);
/* SIGINT or SIGTERM, where it came since the last call, and it is forgotten; else 0. */
int ctl_told(struct ctl *c);
/* ctl_children() that prints nothing; CTL_DONE only when they are there. */
int ctl_children_for_completion(struct ctl *c, const char *path, uint64_t wait_ms, struct ctl_reply *ret);

enum ctl_wait {
        CTL_WAIT_DONE, /* *what is true */
        CTL_WAIT_TOLD, /* to end, by SIGINT or SIGTERM */
        CTL_WAIT_OVER, /* the session is */
        CTL_WAIT_LATE,
};
/* Waits until *what, which a hook sets; at most so long, 0 for ever. */
enum ctl_wait ctl_wait(struct ctl *c, const bool *what, uint64_t timeout_ms);
/* Waits until we are told to end, keeping the session. */
void ctl_wait_end(struct ctl *c);

/* ---- answer.c ---- */

/* Fills `ret`, which was zero. */
void ctl_reply_copy(const struct client_result *r, struct ctl_reply *ret);
/* A sentence without its subject; NULL for a number that no server sends. */
const char *ctl_error_text(int32_t error);
/* Prints "batonctl: PATH: sentence" and returns CTL_REFUSED. */
int ctl_refused(const char *path, int32_t error);

/* ---- cmd_engine.c ---- */

/* Prints what the engine says of itself: at `socket_path`, or of this node (NULL). Returns an exit status. */
int ctl_engine_status(const struct ctl_options *o, const char *socket_path);

/* ---- cmd_module.c ---- */

/* Prints what the plugin `name` (a name, or an absolute path) says of itself. Loads it, which runs its constructors.
 * Returns an exit status. */
int ctl_show_module(const struct ctl_options *options, const char *name);

/* ---- cmd_tree.c ---- */

/* Makes the parents of a path, as far as they are missing. */
int ctl_make_parents(struct ctl *c, const char *path);
/* A child's path, to be freed with mem_free(). */
char *ctl_child_path(const char *parent, const char *name);

/* ---- cmd_watch.c ---- */

/* One line, or one JSON object. */
void ctl_show_event(bool json, enum client_event event, const char *path);

/* ---- commands.c ---- */

/* Does what argv says: a command and its arguments. */
int ctl_run(const struct ctl_options *o, int argc, char **argv);
/* Names of commands, zkCli's too, one after the other; NULL behind the last. */
const char *ctl_command_name(size_t index);
void ctl_print_help(void);

/* ---- commands: argv[0] is the command's name; each prints what is wrong with its arguments ---- */

int cmd_ls(const struct ctl_options *o, int argc, char **argv);
int cmd_get(const struct ctl_options *o, int argc, char **argv);
int cmd_stat(const struct ctl_options *o, int argc, char **argv);
int cmd_set(const struct ctl_options *o, int argc, char **argv);
int cmd_create(const struct ctl_options *o, int argc, char **argv);
int cmd_sync(const struct ctl_options *o, int argc, char **argv);
int cmd_delete(const struct ctl_options *o, int argc, char **argv);
int cmd_rm(const struct ctl_options *o, int argc, char **argv);
int cmd_getacl(const struct ctl_options *o, int argc, char **argv);
int cmd_setacl(const struct ctl_options *o, int argc, char **argv);
int cmd_addauth(const struct ctl_options *o, int argc, char **argv);
int cmd_whoami(const struct ctl_options *o, int argc, char **argv);
int cmd_count(const struct ctl_options *o, int argc, char **argv);
int cmd_ephemerals(const struct ctl_options *o, int argc, char **argv);
int cmd_multi(const struct ctl_options *o, int argc, char **argv);
int cmd_setquota(const struct ctl_options *o, int argc, char **argv);
int cmd_listquota(const struct ctl_options *o, int argc, char **argv);
int cmd_delquota(const struct ctl_options *o, int argc, char **argv);
int cmd_restore(const struct ctl_options *o, int argc, char **argv);
int cmd_cp(const struct ctl_options *o, int argc, char **argv);
int cmd_export(const struct ctl_options *o, int argc, char **argv);
int cmd_import(const struct ctl_options *o, int argc, char **argv);
int cmd_removewatches(const struct ctl_options *o, int argc, char **argv);
int cmd_shell(const struct ctl_options *o, int argc, char **argv);
int cmd_watch(const struct ctl_options *o, int argc, char **argv);
int cmd_status(const struct ctl_options *o, int argc, char **argv);
int cmd_members(const struct ctl_options *o, int argc, char **argv);
int cmd_groups(const struct ctl_options *o, int argc, char **argv);
int cmd_plugins(const struct ctl_options *o, int argc, char **argv);
int cmd_check(const struct ctl_options *o, int argc, char **argv);
int cmd_config(const struct ctl_options *o, int argc, char **argv);
int cmd_snapshot(const struct ctl_options *o, int argc, char **argv);

#endif
