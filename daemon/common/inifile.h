/* Reading a configuration file: INI as inih understands it, with line numbers, strictly.
 *
 *   [section]            at most INIFILE_SECTION_MAX bytes between the brackets
 *   key = value          blanks around either are dropped; key : value means the same
 *   ; comment            also #; after a value only `;` with a blank before it, so that
 *                        ZooKeeper's "…:participant;127.0.0.1:2181" keeps its second half
 *
 * Refused, each with its line: text that is none of these, a key before the first section, an empty
 * key, a line or section name that is too long, a NUL byte. A line that begins with blanks is a line
 * like any other (inih would take it for a continuation of the value above). */
#ifndef BATON_COMMON_INIFILE_H
#define BATON_COMMON_INIFILE_H

#include "daemon/common/problems.h"

/* Bytes of one line, without its end. */
#define INIFILE_LINE_MAX 2046
/* inih keeps section names in 50 bytes and cuts longer ones silently. */
#define INIFILE_SECTION_MAX 48
/* A file beyond this is refused unread: it is no configuration. */
#define INIFILE_SIZE_MAX (4u << 20)

struct inifile_entry {
        struct origin at;
        const char *section;
        const char *key;   /* NULL: the section begins here */
        const char *value; /* NULL with it; otherwise maybe "" */
};

typedef void (*inifile_fn)(void *ctx, const struct inifile_entry *entry);

/* Calls `fn` for every section header and every key in the order of the file; what breaks the syntax is
 * added to `problems` and passed over. Strings live until `fn` returns. Main thread only: inih's own
 * settings are global.
 * Returns 0 when the file could be read, however wrong it was; else -errno, noted in `problems` too. */
int inifile_read(const char *path, inifile_fn fn, void *ctx, struct problems *problems);

#endif
