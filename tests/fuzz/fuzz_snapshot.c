/* The stream of a snapshot (sessions, ACLs, znodes), as it comes from a file or a leader in any portions; and
 * transactions applied to what it held.
 *
 * The input: a byte, the size of the portions; a piece, the stream; then pieces, each a transaction's payload. What was
 * loaded is sound, and written out it is loaded to the same, byte for byte from the second time on. A payload is
 * applied where database_reads() says so, and nowhere else. */
#include "election/tree/database.h"
#include "election/tree/tree_internal.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#define ITEM_MAX (64 << 10)
#define ZXID     5

static struct database *load(const uint8_t *data, size_t len, size_t portion)
{
        struct database_loader *l = database_loader_new(ITEM_MAX);
        struct database *db = NULL;
        for (size_t at = 0; at < len;) {
                size_t consumed = 0, n = len - at < portion ? len - at : portion;
                uint8_t *exact = mem_dup(data + at, n);
                int r = database_loader_feed(l, exact, n, &consumed);
                mem_free(exact);
                assert(r == 1 || r == 0 || r == -EPROTO);
                assert(r < 0 || consumed <= n);
                assert(r != 0 || consumed == n);
                if (r == 1)
                        db = database_loader_take(l, ZXID);
                if (r != 0)
                        break;
                at += n;
        }
        database_loader_free(l);
        return db;
}

static void write_out(struct database *db, struct jute_writer *w)
{
        int r = database_snapshot_begin(db);
        assert(r == 0);
        while (database_snapshot_read(db, w, 1000) > 0)
                assert(!w->error);
        database_snapshot_end(db);
}

static void check_again(struct database *db, size_t portion)
{
        struct jute_writer first, second;
        jute_writer_init(&first, SIZE_MAX);
        jute_writer_init(&second, SIZE_MAX);
        write_out(db, &first);
        struct database *copy = load(first.data, first.len, portion);
        assert(copy);
        tree__check(database_tree(copy));
        assert(tree_digest(database_tree(db)) == tree_digest(database_tree(copy)));
        write_out(copy, &second);
        assert(first.len == second.len);
        struct database *third = load(second.data, second.len, SIZE_MAX);
        assert(third && tree_digest(database_tree(third)) == tree_digest(database_tree(db)));
        database_free(third);
        database_free(copy);
        jute_writer_done(&first);
        jute_writer_done(&second);
}

static void apply(struct database *db, struct fuzz_input *in)
{
        struct outcome o;
        outcome_init(&o);
        while (fuzz_left(in)) {
                struct fuzz_bytes b = fuzz_piece(in);
                bool reads = database_reads(b.data, b.len);
                int64_t zxid = database_zxid(db);
                int r = database_apply(db, b.data, b.len, &o);
                assert(r == 0 || r == -EPROTO);
                assert((r == 0) == reads);
                assert(r == 0 || database_zxid(db) == zxid);
                tree__check(database_tree(db));
                mem_free(b.data);
        }
        outcome_done(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        size_t portion = (size_t)fuzz_byte(&in) + 1;
        struct fuzz_bytes stream = fuzz_piece(&in);
        struct database *db = load(stream.data, stream.len, portion);
        if (db) {
                tree__check(database_tree(db));
                check_again(db, portion);
        } else {
                db = database_new();
        }
        apply(db, &in);
        check_again(db, portion);
        database_free(db);
        mem_free(stream.data);
        return 0;
}
