/* The audit log's way out: the journal with a field for each value, else a line on stderr. */
#ifndef BATON_ENGINE_AUDIT_LOG_H
#define BATON_ENGINE_AUDIT_LOG_H

#include <stdbool.h>

/* Longest field, its key and NUL included; AUDIT_ZNODE_MAX and what belongs to it fits. */
#define AUDIT_FIELD_MAX 400

/* Writes one entry, as EFFECT_AUDIT has it. It is neither held back nor left out, however alike entries are; but like
 * any line it is lost, and counted, where nobody reads stderr. */
void audit_log(bool failed, const char *text);
/* The same for what the process itself did: "serverStart" or "serverStop". */
void audit_log_server(const char *operation, const char *result);

#endif
