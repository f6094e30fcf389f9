/* Lines of the agent as the journal has them: each kind with its MESSAGE_ID and fields (daemon/common/events.h). */
#ifndef BATON_AGENT_AGENT_LOG_H
#define BATON_AGENT_AGENT_LOG_H

#include "daemon/agent/agent.h"

/* Writes it. Any thread. */
void agent_log_write(const struct agent_line *line);

#endif
