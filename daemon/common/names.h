/* Names that cross a wall: nodes, groups, plugin instances. They stand in znode paths, file names, unit names and
 * journal fields, so they are letters, digits, `-`, `_` and `.`, beginning with a letter or digit. */
#ifndef BATON_COMMON_NAMES_H
#define BATON_COMMON_NAMES_H

#include <stdbool.h>

/* Bytes of the name of a node, a group or a plugin instance. */
#define NAME_BYTES_MAX 48

struct name {
        char text[NAME_BYTES_MAX + 1];
};

/* Whether `text` is a name as said above. Pure. */
bool name_is_valid(const char *text);

#endif
