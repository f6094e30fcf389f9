/* See secret_line.h. */
#include "daemon/ctl/secret_line.h"

#include "daemon/ctl/line_words.h"

#include <string.h>

/* Where one of these stands, an identity may. What servers hide of an ACL from those who may not administer it (the
 * hashes of scheme digest) is not kept either. */
static const char *const marks[] = {"addauth", "--auth", "digest", "password"};

/* "auth:" with an id behind it: servers make nothing of that id, but people who come from zkCli write theirs there. */
static bool has_auth_id(const char *text)
{
        for (const char *at = text; (at = strcasestr(at, "auth:")); at++)
                if (at[5] && at[5] != ':')
                        return true;
        return false;
}

static bool marked(const char *text)
{
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
                if (strcasestr(text, marks[i]))
                        return true;
        return has_auth_id(text);
}

bool secret_line(const char *line)
{
        struct line_words w;
        char why[200];
        bool broken = line_words_split(line, strlen(line), &w, why, sizeof why) < 0;
        bool secret = marked(line) || (broken && !w.count); /* which command it was to be can't be told */
        for (size_t i = 0; i < w.count && !secret; i++)
                secret = marked(w.words[i]);
        line_words_done(&w);
        return secret;
}
