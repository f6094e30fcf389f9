/* Reading snapshot files, plain or gzip, to check them or to load them. One pass: every byte goes to the
 * seal check and, up to the end marker, to the loader. A loader starts from nothing for each file
 * (storage-format.md 4.4, leak trap). */
#include "election/txnlog/txnlog_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

/* A snapshot is read and loaded in blocks of this size. */
#define BLOCK_BYTES (256u << 10)
#define HEADER_SIZE 16
#define MAGIC       0x5a4b534e /* "ZKSN" */

struct source {
        const struct storage *io;
        struct storage_file *file;
        uint64_t offset; /* in the file */
        bool gzip, inflating, ended;
        z_stream z;
        uint8_t *input; /* gzip only */
};

static void *zlib_alloc(void *ctx, unsigned items, unsigned size)
{
        (void)ctx;
        return mem_zalloc((size_t)items * size);
}

static void zlib_free(void *ctx, void *p)
{
        (void)ctx;
        mem_free(p);
}

static void source_close(struct source *s)
{
        if (s->inflating)
                (void)inflateEnd(&s->z); /* only frees */
        if (s->file)
                s->io->close(s->file);
        mem_free(s->input);
}

static int source_open(struct source *s, const struct storage *io, const struct txnlog__file *f)
{
        memset(s, 0, sizeof *s);
        s->io = io;
        int r = io->open(io->ctx, f->name, &s->file);
        if (r < 0 || f->form != TXNLOG__GZ) {
                if (r < 0)
                        s->file = NULL;
                return r;
        }
        s->gzip = true;
        s->input = mem_alloc(BLOCK_BYTES);
        s->z.zalloc = zlib_alloc;
        s->z.zfree = zlib_free;
        if (inflateInit2(&s->z, 15 + 16 /* a gzip header */) != Z_OK)
                return -EBADMSG;
        s->inflating = true;
        return 0;
}

static int64_t read_plain(struct source *s, uint8_t *buffer, size_t len)
{
        int64_t n = s->io->read_at(s->file, s->offset, buffer, len);
        if (n > 0)
                s->offset += (uint64_t)n;
        return n;
}

static int64_t read_gzip(struct source *s, uint8_t *buffer, size_t len)
{
        s->z.next_out = buffer;
        s->z.avail_out = (unsigned)len;
        while (!s->ended && s->z.avail_out == len) {
                if (s->z.avail_in == 0) {
                        int64_t n = read_plain(s, s->input, BLOCK_BYTES);
                        if (n <= 0)
                                return n < 0 ? n : -EBADMSG; /* ends before its trailer */
                        s->z.next_in = s->input;
                        s->z.avail_in = (unsigned)n;
                }
                int r = inflate(&s->z, Z_NO_FLUSH);
                if (r == Z_STREAM_END)
                        s->ended = true;
                else if (r != Z_OK)
                        return -EBADMSG;
        }
        return (int64_t)(len - s->z.avail_out);
}

/* Uncompressed bytes: how many, 0 at the end, -EBADMSG for bad compression, -errno. */
static int64_t source_read(struct source *s, uint8_t *buffer, size_t len)
{
        return s->gzip ? read_gzip(s, buffer, len) : read_plain(s, buffer, len);
}

/* One pass over one file. */
struct pass {
        struct source source;
        struct txnlog__seal_check seal;
        struct database_loader *loader; /* NULL: only check */
        uint64_t fed;                   /* bytes seen */
        uint64_t stream_end;            /* where the loader met the end marker */
        bool loaded;
        uint8_t *buffer;
};

/* The first block holds the whole header: blocks are read until they are full or the file ends. */
static int feed_header(const uint8_t *data, size_t len)
{
        struct jute_reader r;
        struct jute_file_header h;
        jute_reader_init(&r, data, len, 0);
        jute_get_file_header(&r, &h);
        return r.error || h.magic != MAGIC ? -EBADMSG : 0;
}

static int feed(struct pass *p, const uint8_t *data, size_t len)
{
        size_t skip = 0, consumed = 0;
        txnlog__seal_feed(&p->seal, data, len);
        if (p->fed == 0) {
                int r = feed_header(data, len);
                if (r < 0)
                        return r;
                skip = HEADER_SIZE;
        }
        if (p->loader && !p->loaded && len > skip) {
                int r = database_loader_feed(p->loader, data + skip, len - skip, &consumed);
                if (r < 0)
                        return -EBADMSG;
                p->loaded = r > 0;
                p->stream_end = p->fed + skip + consumed;
        }
        p->fed += len;
        return 0;
}

static int64_t read_block(struct pass *p)
{
        size_t fill = 0;
        while (fill < BLOCK_BYTES) {
                int64_t n = source_read(&p->source, p->buffer + fill, BLOCK_BYTES - fill);
                if (n < 0)
                        return n;
                if (n == 0)
                        break;
                fill += (size_t)n;
        }
        return (int64_t)fill;
}

static int run(struct pass *p, struct txnlog__snapshot_info *ret)
{
        for (;;) {
                int64_t n = read_block(p);
                if (n < 0)
                        return (int)n;
                if (n == 0)
                        break;
                int r = feed(p, p->buffer, (size_t)n);
                if (r < 0)
                        return r;
        }
        int r = txnlog__seal_end(&p->seal, ret);
        if (r < 0)
                return r;
        if (p->loader && (!p->loaded || p->stream_end != ret->body_end))
                return -EBADMSG;
        return 0;
}

static int explain(const struct txnlog__file *f, int error, char why[STORE_WHY_MAX])
{
        if (error == -EBADMSG)
                return txnlog__fail(why, error, "%s is damaged: its contents do not match its checksums", f->name);
        if (error == -ENODATA)
                return txnlog__fail(why, error, "%s is incomplete", f->name);
        return txnlog__fail(why, error, "%s can't be read: %s", f->name, strerror(-error));
}

/* Java's cheap test of a plain file: does it end with the marker? Tells a write that was cut short from
 * damage, where the pass gave up before the end. */
static int cut_short(const struct storage *io, const struct txnlog__file *f)
{
        uint8_t end[5];
        struct storage_file *file = NULL;
        if (f->form != TXNLOG__PLAIN || io->open(io->ctx, f->name, &file) < 0)
                return -EBADMSG;
        int64_t size = io->size(file);
        bool cut = size < 10;
        if (!cut && io->read_at(file, (uint64_t)size - sizeof end, end, sizeof end) == (int64_t)sizeof end)
                cut = memcmp(end, (const uint8_t[]){0, 0, 0, 1, '/'}, sizeof end) != 0;
        io->close(file);
        return cut ? -ENODATA : -EBADMSG;
}

static int pass_over(const struct storage *io, const struct txnlog__file *f, struct database_loader *loader,
                     struct txnlog__snapshot_info *ret, char why[STORE_WHY_MAX])
{
        struct pass p = {.loader = loader};
        if (f->form == TXNLOG__SNAPPY)
                return txnlog__fail(why, -ENOTSUP,
                                    "%s is compressed with snappy, which is not supported: start ZooKeeper once with "
                                    "zookeeper.snapshot.compression.method empty or gz and let it write a snapshot",
                                    f->name);
        int r = source_open(&p.source, io, f);
        if (r >= 0) {
                txnlog__seal_begin(&p.seal);
                p.buffer = mem_alloc(BLOCK_BYTES);
                r = run(&p, ret);
                mem_free(p.buffer);
        }
        source_close(&p.source);
        if (r == -EBADMSG)
                r = cut_short(io, f);
        return r < 0 ? explain(f, r, why) : 0;
}

int txnlog__snapshot_check(const struct storage *io, const struct txnlog__file *f, struct txnlog__snapshot_info *ret,
                           char why[STORE_WHY_MAX])
{
        return pass_over(io, f, NULL, ret, why);
}

int txnlog__snapshot_load(const struct storage *io, const struct txnlog__file *f, const struct store_config *config,
                          struct database **ret_db, struct txnlog__snapshot_info *ret, char why[STORE_WHY_MAX])
{
        struct database_loader *loader = database_loader_new_hashed(config->item_max, config->hash_seed);
        int r = pass_over(io, f, loader, ret, why);
        if (r >= 0)
                *ret_db = database_loader_take(loader, f->zxid);
        database_loader_free(loader);
        return r;
}
