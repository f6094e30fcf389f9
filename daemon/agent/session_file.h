/* The session of this node's agent, where a successor finds it: RUNTIME_DIR/agent/session, readable by its user alone,
 * for the password is in it. Written aside and renamed, so nobody reads half of one.
 *
 * Of use only in the same boot and with the same servers: after a restart of the machine nothing of that time runs, and
 * another ensemble does not know the session. */
#ifndef BATON_AGENT_SESSION_FILE_H
#define BATON_AGENT_SESSION_FILE_H

#include "election/client/client.h"

/* Bytes of its path. */
#define SESSION_FILE_PATH_MAX 512

struct session_file {
        char path[SESSION_FILE_PATH_MAX];
        char boot_id[37];
        uint64_t servers; /* session_file_servers() */
};

/* What `servers` is: the same for the same servers in whatever order. Pure. */
uint64_t session_file_servers(const struct client_server *servers, size_t count);
/* 0; -ENOENT there is none; -ESTALE of another boot or other servers; -EBADMSG not such a file; -errno. */
int session_file_read(const struct session_file *f, struct client_session *ret);
/* 0 or -errno: then the file is what it was. The folder is made where it is missing. */
int session_file_write(const struct session_file *f, const struct client_session *s);
/* 0, also when there is none; or -errno. */
int session_file_remove(const struct session_file *f);

#endif
