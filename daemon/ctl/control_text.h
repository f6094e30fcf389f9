/* Control characters in text that somebody else has written, a file to be imported say. No server takes them in a path,
 * and on a terminal they are commands: ESC and its like, DEL, and those of Latin 1, which are two bytes in UTF-8. */
#ifndef BATON_CTL_CONTROL_TEXT_H
#define BATON_CTL_CONTROL_TEXT_H

#include <stdbool.h>

bool control_text_has(const char *text);
/* Puts ? in their place, for a message of one line. */
void control_text_mask(char *text);

#endif
