/* A multi as a file: one operation a line, all or nothing.
 *
 *     create [-e] [-s] [-c] [-t MS] [-b] PATH [VALUE [ACL]]
 *     set [-v VERSION] [-b] PATH VALUE
 *     delete [-v VERSION] PATH
 *     check [-v VERSION] PATH
 *
 * Words and comments as in line_words.h. -b: the value is base64. -v: only if that is the version now; a check without
 * it asks whether the znode is there. */
#ifndef BATON_CTL_MULTI_FILE_H
#define BATON_CTL_MULTI_FILE_H

#include "daemon/common/problems.h"
#include "election/client/client.h"

/* Bytes of such a file for each of the request: \xHH is one byte. */
#define MULTI_FILE_BYTES_RATIO 4

struct multi_line;

struct multi_file {
        struct client_op *ops;
        size_t count;
        struct multi_line *lines; /* what the operations point into; as many */
};

/* Notes all that is wrong; usable when nothing was. To be ended by multi_file_done() in any case. Pure. */
void multi_file_parse(const char *text, size_t len, struct multi_file *ret, struct problems *problems);
void multi_file_done(struct multi_file *m);
/* Where operation `index` stands, from 1. */
int multi_file_line(const struct multi_file *m, size_t index);

#endif
