/* batond at work: one loop that turns signals, ends of processes, messages and time into events of children
 * (children.h) and grants (grants.h), and does what they answer. */
#ifndef BATON_SUPERVISOR_SUPERVISOR_H
#define BATON_SUPERVISOR_SUPERVISOR_H

/* Exit statuses of batond. */
#define SUPERVISOR_EXIT_CLEAN   0
#define SUPERVISOR_EXIT_AT_ONCE 1 /* called wrongly, or something the system should give is missing */
#define SUPERVISOR_EXIT_CONFIG  2 /* the configuration is wrong: FILE:LINE: what; nothing was touched */
#define SUPERVISOR_EXIT_RUNTIME 3 /* the runtime directory cannot be used, or another batond has it */
#define SUPERVISOR_EXIT_LEFT    4 /* ended, but some resource could not be stopped; the log names it */

/* Runs a node on this configuration until it is told to end. Returns an exit status. */
int supervisor_run(const char *config_path);
/* Judges the configuration, what plugins say of their settings included, and says what is wrong on stderr. */
int supervisor_check(const char *config_path);

#endif
