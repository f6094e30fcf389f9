/* Which lines of a shell may hold what nobody else may know: they are never remembered. */
#ifndef BATON_CTL_SECRET_LINE_H
#define BATON_CTL_SECRET_LINE_H

#include <stdbool.h>

/* Judges the words that the shell would see, however they are quoted, and the line as it was typed too: it may have
 * been mistyped, and yet hold a password. Rather a line too many than one too few. Pure. */
bool secret_line(const char *line);

#endif
