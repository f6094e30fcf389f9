/* A snapshot looked at from outside: for whoever is about to put it where a server starts. */
#include "election/txnlog/txnlog_internal.h"

#include <errno.h>
#include <string.h>

int snapshot_inspect(const struct storage *io, const struct store_config *config, const char *name, int64_t zxid,
                     bool gzip, struct snapshot_report *ret, char why[STORE_WHY_MAX])
{
        struct txnlog__file f = {.zxid = zxid, .form = gzip ? TXNLOG__GZ : TXNLOG__PLAIN};
        struct txnlog__snapshot_info info;
        struct database *db = NULL;
        if (strlen(name) >= sizeof f.name)
                return txnlog__fail(why, -ENAMETOOLONG, "%s is no name of a snapshot", name);
        memcpy(f.name, name, strlen(name) + 1);
        int r = txnlog__snapshot_load(io, &f, config, &db, &info, why);
        if (r < 0)
                return r;
        bool same = info.has_digest && tree_digest(database_tree(db)) == info.digest;
        *ret = (struct snapshot_report){
                .reaches_zxid = info.has_digest && info.digest_zxid > zxid ? info.digest_zxid : zxid,
                .exact = same && info.digest_zxid <= zxid,
                .fuzzy = info.has_digest && (info.digest_zxid > zxid || (info.digest_zxid > 0 && !same)),
                .znodes = tree_count(database_tree(db)),
                .sessions = session_table_count(database_sessions(db)),
        };
        database_free(db);
        return 0;
}
