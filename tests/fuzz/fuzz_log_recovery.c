/* Recovery from a directory that may hold anything: log segments, snapshots, epoch files and what a crash leaves.
 *
 * The input is a list of files: a byte chooses the name and whether the piece behind it is the file as it is, or is to
 * be put into a form whose checksums are right. Of a log that is a list of payloads, each a piece of its own; of a
 * snapshot it is the stream between the seals, behind two bytes of zxid; of baton.ends all lines but the last.
 *
 * Where the directory is refused, nothing in it was changed (unless a truncation had been begun, which is finished
 * first). Where it is taken, it is taken again with the same result, and more can be written behind it. */
#include "election/tree/tree_internal.h"
#include "election/txnlog/snapfile.h"
#include "election/txnlog/txnlog_internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sim/world/memory_storage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define SEALED 0x80
/* Files of one input. */
#define FILES_MAX 24

enum form { FORM_LOG, FORM_SNAPSHOT, FORM_ENDS, FORM_OTHER };

static const struct {
        const char *name;
        enum form form;
} names[] = {
        {"snapshot.0", FORM_SNAPSHOT},
        {"log.1", FORM_LOG},
        {"acceptedEpoch", FORM_OTHER},
        {"currentEpoch", FORM_OTHER},
        {"log.3", FORM_LOG},
        {"log.100000001", FORM_LOG},
        {"log.200000001", FORM_LOG},
        {"snapshot.2", FORM_SNAPSHOT},
        {"snapshot.100000000", FORM_SNAPSHOT},
        {"snapshot.100000002", FORM_SNAPSHOT},
        {"snapshot.7fffffffffffffff", FORM_SNAPSHOT},
        {"log.7fffffffffffffff", FORM_LOG},
        {"snapshot.1.gz", FORM_OTHER},
        {"snapshot.1.snappy", FORM_OTHER},
        {"currentEpoch.tmp", FORM_OTHER},
        {"acceptedEpoch.tmp", FORM_OTHER},
        {"truncate.pending", FORM_OTHER},
        {"truncate.pending.tmp", FORM_OTHER},
        {"tmp.log", FORM_LOG},
        {"tmp.snapshot", FORM_SNAPSHOT},
        {"../" STORE_MARK, FORM_OTHER},
        {"log.0", FORM_LOG},
        {"snapshot.", FORM_OTHER},
        {"log.1.gz", FORM_OTHER},
        {TXNLOG__ENDS, FORM_ENDS},
        {TXNLOG__TMP_ENDS, FORM_OTHER},
};
#define NAMES (sizeof names / sizeof *names)

static const struct store_config config = {
        .item_max = 64 << 10,
        .preallocate_bytes = 4096,
        .history_max = 100,
        .history_bytes_max = 1u << 20,
        .retain_snapshots = 3,
};

/* ---- the directory ---- */

static void seal_log(struct fuzz_input *in, struct jute_writer *w)
{
        txnlog__header_put(w);
        while (fuzz_left(in)) {
                struct fuzz_bytes b = fuzz_piece(in);
                if (b.len >= JUTE_TXN_HEADER_SIZE)
                        txnlog__record_put(w, b.data, (uint32_t)b.len);
                else if (b.len)
                        jute_put_raw(w, b.data, b.len); /* a fault in between */
                mem_free(b.data);
        }
}

static void seal_snapshot(struct fuzz_input *in, struct jute_writer *w)
{
        struct snapfile_writer f;
        int64_t zxid = (int64_t)fuzz_byte(in) << 32;
        zxid |= fuzz_byte(in);
        snapfile_begin(&f, w);
        size_t offset = w->len;
        if (fuzz_left(in))
                jute_put_raw(w, in->at, fuzz_left(in));
        snapfile_note(&f, w, offset);
        snapfile_end(&f, w, zxid, 0);
}

static void seal_ends(struct fuzz_input *in, struct jute_writer *w)
{
        char line[24];
        if (fuzz_left(in))
                jute_put_raw(w, in->at, fuzz_left(in));
        unsigned long crc = crc32(crc32(0, NULL, 0), w->data, (uInt)w->len);
        int n = snprintf(line, sizeof line, "crc %lx\n", crc);
        jute_put_raw(w, (const uint8_t *)line, (size_t)n);
}

static void put_file(struct memory_storage *disk, struct fuzz_input *in)
{
        uint8_t which = fuzz_byte(in);
        size_t i = (which & 0x7f) % NAMES;
        struct fuzz_bytes b = fuzz_piece(in);
        struct fuzz_input content = fuzz_input(b.data, b.len);
        struct jute_writer w;
        jute_writer_init(&w, SIZE_MAX);
        if (which & SEALED && names[i].form == FORM_LOG)
                seal_log(&content, &w);
        else if (which & SEALED && names[i].form == FORM_SNAPSHOT)
                seal_snapshot(&content, &w);
        else if (which & SEALED && names[i].form == FORM_ENDS)
                seal_ends(&content, &w);
        else if (b.len)
                jute_put_raw(&w, b.data, b.len);
        memory_storage_put(disk, names[i].name, w.data ? w.data : (const uint8_t *)"", w.len);
        jute_writer_done(&w);
        mem_free(b.data);
}

static void check_unchanged(const struct memory_storage *was, const struct memory_storage *is)
{
        for (size_t i = 0; i < NAMES; i++) {
                size_t len_was = 0, len_is = 0;
                const uint8_t *a = memory_storage_bytes(was, names[i].name, &len_was);
                const uint8_t *b = memory_storage_bytes(is, names[i].name, &len_is);
                if (strncmp(names[i].name, "../", 3) == 0)
                        continue; /* the mark is written where there is a past */
                assert(!a == !b && len_was == len_is);
                assert(!a || len_was == 0 || memcmp(a, b, len_was) == 0);
        }
}

/* ---- what must hold ---- */

static int recover(struct memory_storage *disk, struct store **ret_store, struct recovered *ret)
{
        char why[STORE_WHY_MAX] = "";
        memset(ret, 0, sizeof *ret);
        *ret_store = store_new(memory_storage_io(disk), &config);
        int r = store_recover(*ret_store, ret, why);
        assert(r == 0 || *why);
        if (getenv("FUZZ_VERBOSE"))
                (void)fprintf(stderr, "recovery: %d, %s; note: %s\n", r, why, ret->note);
        return r;
}

static void check_recovered(const struct recovered *r)
{
        tree__check(database_tree(r->db));
        assert(r->last_zxid >= 0 && r->accepted_epoch >= r->current_epoch);
        assert(r->history_count <= config.history_max);
        for (size_t i = 0; i < r->history_count; i++)
                assert(database_reads(r->history[i].blob->data + r->history[i].offset, r->history[i].len));
        assert(r->history_count == 0 || r->history[r->history_count - 1].zxid == r->last_zxid);
}

/* Writes one more transaction; nothing stands in its way, but the end of an epoch's counter. */
static void check_append(struct memory_storage *disk, struct store *s, int64_t last)
{
        char why[STORE_WHY_MAX] = "";
        struct effects fx;
        struct jute_writer w;
        struct store *again;
        struct recovered r;
        if ((uint32_t)last == UINT32_MAX || last == INT64_MAX)
                return;
        jute_writer_init(&w, 256);
        jute_put_txn_header(&w, &(struct jute_txn_header){.zxid = last + 1, .type = OP_ERROR});
        jute_put_error_response(&w, &(struct jute_error_response){.err = ZK_NO_NODE});
        struct blob *b = jute_writer_blob(&w);
        effects_init(&fx);
        (void)effect_log_append(&fx, b, 0, b->len, last + 1);
        int status = store_perform(s, &fx.list[0], NULL, why);
        if (status == 0)
                status = store_sync(s, why);
        store_free(s);
        if (status < 0) {
                (void)fprintf(stderr, "after 0x%llx: %d, %s\n", (unsigned long long)last, status, why);
                abort();
        }
        status = recover(disk, &again, &r);
        assert(status == 0 && r.last_zxid == last + 1);
        recovered_done(&r);
        store_free(again);
        effects_done(&fx);
        blob_unref(b);
        jute_writer_done(&w);
}

static size_t count_logs(const struct memory_storage *disk)
{
        return memory_storage_count(disk, "log.");
}

/* `logs_before`: of them, the last one goes where it has a header and no record. Older ones that a snapshot made
 * superfluous were not looked at beside it; now the last of them is, and may be refused, or its end be found damaged.
 */
static void check_again(struct memory_storage *disk, const struct recovered *first, size_t logs_before)
{
        struct store *s;
        struct recovered second;
        int r = recover(disk, &s, &second);
        bool found = r == -EUCLEAN || (r == 0 && second.lost && !first->lost);
        if (found && count_logs(disk) < logs_before) {
                recovered_done(&second);
                store_free(s);
                return;
        }
        assert(r == 0);
        check_recovered(&second);
        assert(first->last_zxid == second.last_zxid && first->lost == second.lost);
        assert(first->accepted_epoch == second.accepted_epoch && first->current_epoch == second.current_epoch);
        assert(tree_digest(database_tree(first->db)) == tree_digest(database_tree(second.db)));
        int64_t last = second.last_zxid;
        recovered_done(&second);
        if (second.lost || first->lost)
                store_free(s);
        else
                check_append(disk, s, last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        struct memory_storage *disk = memory_storage_new();
        struct store *s;
        struct recovered first;
        for (size_t i = 0; i < FILES_MAX && fuzz_left(&in); i++)
                put_file(disk, &in);
        struct memory_storage *before = memory_storage_clone(disk);
        int r = recover(disk, &s, &first);
        store_free(s);
        if (r == 0) {
                check_recovered(&first);
                check_again(disk, &first, count_logs(before));
        } else if (!memory_storage_exists(before, TXNLOG__INTENT)) {
                assert(r == -EUCLEAN || r == -ENOTSUP || r == -EBADMSG || r == -E2BIG);
                check_unchanged(before, disk);
        }
        recovered_done(&first);
        memory_storage_free(before);
        memory_storage_free(disk);
        return 0;
}
