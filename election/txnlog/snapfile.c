/* Seals of a snapshot file: writing them, and checking them without understanding what lies between.
 *
 * A seal is the running Adler-32 of everything before it and the string "/". After the node stream's end
 * marker stand seal 1 and then nothing, the digest section (33 bytes with its seal), both sections (54),
 * or the last-zxid section alone (21): storage-format.md 4.1. So the place of seal 1 is known from the end
 * of the file, and a file can be checked in one pass with a window of its last bytes. */
#include "election/txnlog/snapfile.h"

#include "election/base/checksum.h"
#include "election/txnlog/txnlog_internal.h"

#include <errno.h>
#include <string.h>

#define MAGIC       0x5a4b534e /* "ZKSN" */
#define VERSION     2
#define SEAL_SIZE   13
#define MARKER_SIZE 5

static const uint8_t marker[MARKER_SIZE] = {0, 0, 0, 1, '/'};

/* ---- writing ---- */

void snapfile_note(struct snapfile_writer *f, const struct jute_writer *w, size_t offset)
{
        if (!w->error && w->len > offset)
                f->adler = checksum_adler32(f->adler, w->data + offset, w->len - offset);
}

void snapfile_begin(struct snapfile_writer *f, struct jute_writer *w)
{
        size_t offset = w->len;
        struct jute_file_header h = {.magic = MAGIC, .version = VERSION, .dbid = -1};
        f->adler = CHECKSUM_ADLER32;
        jute_put_file_header(w, &h);
        snapfile_note(f, w, offset);
}

static void put_seal(struct snapfile_writer *f, struct jute_writer *w)
{
        size_t offset = w->len;
        jute_put_long(w, (int64_t)f->adler);
        jute_put_cstr(w, "/");
        snapfile_note(f, w, offset);
}

void snapfile_end(struct snapfile_writer *f, struct jute_writer *w, int64_t zxid, uint64_t digest)
{
        put_seal(f, w);
        size_t offset = w->len;
        jute_put_long(w, zxid);
        jute_put_int(w, JUTE_DIGEST_VERSION);
        jute_put_long(w, (int64_t)digest);
        snapfile_note(f, w, offset);
        put_seal(f, w);
        offset = w->len;
        jute_put_long(w, zxid);
        snapfile_note(f, w, offset);
        put_seal(f, w);
}

/* ---- checking ---- */

void txnlog__seal_begin(struct txnlog__seal_check *c)
{
        memset(c, 0, sizeof *c);
        c->adler = CHECKSUM_ADLER32;
}

void txnlog__seal_feed(struct txnlog__seal_check *c, const uint8_t *data, size_t len)
{
        size_t over = c->tail_len + len > sizeof c->tail ? c->tail_len + len - sizeof c->tail : 0;
        size_t old = over < c->tail_len ? over : c->tail_len;
        c->adler = checksum_adler32(c->adler, c->tail, old);
        memmove(c->tail, c->tail + old, c->tail_len - old);
        c->tail_len -= old;
        c->adler = checksum_adler32(c->adler, data, over - old);
        c->absorbed += over;
        if (len > over - old)
                memcpy(c->tail + c->tail_len, data + (over - old), len - (over - old));
        c->tail_len += len - (over - old);
}

/* Reads the seal at the reader; `adler` runs over everything from `from` up to it. */
static bool seal_ok(struct jute_reader *r, uint32_t *adler, const uint8_t **from)
{
        *adler = checksum_adler32(*adler, *from, (size_t)(r->at - *from));
        *from = r->at;
        int64_t sum = jute_get_long(r);
        struct jute_str slash = jute_get_str(r);
        return r->error == 0 && sum == (int64_t)*adler && jute_str_is(slash, "/");
}

/* Whether the file's last `left` bytes are what stands behind a seal 1 that is in its place. */
static bool try_sections(const struct txnlog__seal_check *c, size_t left, struct txnlog__snapshot_info *ret)
{
        if (c->tail_len < MARKER_SIZE + SEAL_SIZE + left)
                return false;
        const uint8_t *seal = c->tail + c->tail_len - SEAL_SIZE - left;
        const uint8_t *from = c->tail;
        uint32_t adler = c->adler;
        struct jute_reader r;
        if (memcmp(seal - MARKER_SIZE, marker, MARKER_SIZE) != 0)
                return false;
        jute_reader_init(&r, seal, SEAL_SIZE + left, 1);
        if (!seal_ok(&r, &adler, &from))
                return false;
        memset(ret, 0, sizeof *ret);
        ret->body_end = c->absorbed + (uint64_t)(seal - c->tail);
        if (left == 33 || left == 54) {
                ret->has_digest = true;
                ret->digest_zxid = jute_get_long(&r);
                int32_t version = jute_get_int(&r);
                ret->digest = (uint64_t)jute_get_long(&r);
                if (version != JUTE_DIGEST_VERSION || !seal_ok(&r, &adler, &from))
                        return false;
        }
        if (left == 21 || left == 54) {
                (void)jute_get_long(&r); /* for Java's admin commands; the name's zxid counts */
                if (!seal_ok(&r, &adler, &from))
                        return false;
        }
        return true;
}

int txnlog__seal_end(const struct txnlog__seal_check *c, struct txnlog__snapshot_info *ret)
{
        static const size_t sections[] = {54, 33, 0, 21};
        if (c->tail_len < MARKER_SIZE || memcmp(c->tail + c->tail_len - MARKER_SIZE, marker, MARKER_SIZE) != 0)
                return -ENODATA;
        for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
                if (try_sections(c, sections[i], ret))
                        return 0;
        return -EBADMSG;
}
