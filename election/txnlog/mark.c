/* The mark: one word in the directory above the files, which outlives their loss (safety: E5, ZOOKEEPER-261).
 *
 * A server whose files are gone looks like one that starts for the first time. If it voted like one, it could
 * make a quorum with servers that lack what it had acknowledged, and that would be lost. So the first epoch that
 * is written also leaves a word outside the files: "whole". Where that word is and the files hold nothing, they
 * were lost. Then the word becomes "lost", before anything else is written, and stays so, whatever is written
 * meanwhile, until a leader has synchronised this server and that is durable: currentEpoch, then "whole", then
 * the ACK of NEWLEADER. Until then nothing this server says may count.
 *
 * Files without a word beside them are those of another program, or a copy: they get it when they are read. A
 * disk that was lost with its mark can't be told from a first start. */
#include "election/txnlog/txnlog_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const mark_word[] = {
        [TXNLOG__MARK_NONE] = "",
        [TXNLOG__MARK_WHOLE] = "whole",
        [TXNLOG__MARK_LOST] = "lost",
};
static_assert(sizeof mark_word / sizeof *mark_word == TXNLOG__MARK_MAX, "every mark has its word");

int txnlog__mark_read(const struct storage *io, enum txnlog__mark *ret, char why[STORE_WHY_MAX])
{
        char text[TXNLOG__SMALL_MAX];
        int64_t n = io->read_above(io->ctx, STORE_MARK, text, sizeof text);
        *ret = TXNLOG__MARK_NONE;
        if (n == -ENOENT)
                return 0;
        if (n < 0)
                return txnlog__fail(why, (int)n, STORE_MARK " can't be read: %s", strerror((int)-n));
        size_t len = (size_t)n - (n > 0 && text[n - 1] == '\n'); /* a person may write it without */
        for (int mark = TXNLOG__MARK_WHOLE; mark < TXNLOG__MARK_MAX; mark++)
                if (len == strlen(mark_word[mark]) && memcmp(text, mark_word[mark], len) == 0)
                        *ret = (enum txnlog__mark)mark;
        if (*ret != TXNLOG__MARK_NONE)
                return 0;
        return txnlog__fail(why, -EUCLEAN,
                            STORE_MARK " holds neither \"whole\" nor \"lost\"; remove it if version-2 is known to be "
                                       "complete, write \"lost\" into it if not");
}

int txnlog__mark_write(const struct storage *io, enum txnlog__mark mark, char why[STORE_WHY_MAX])
{
        assert(mark > TXNLOG__MARK_NONE && mark < TXNLOG__MARK_MAX);
        char text[TXNLOG__SMALL_MAX];
        (void)snprintf(text, sizeof text, "%s\n", mark_word[mark]); /* a short word */
        int r = io->write_above(io->ctx, STORE_MARK, text);
        return r < 0 ? txnlog__fail(why, r, STORE_MARK " can't be written: %s", strerror(-r)) : 0;
}
