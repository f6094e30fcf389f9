/* See grant_record.h. The layout, big-endian as jute has it:
 *
 *   magic 4 | version 4 | boot id 36 | plugin 48 | group 48 | state 4 | token 8 | deadline 8 | lease 4 | budget 4 |
 * hash 8
 *
 * Texts are filled up with NUL. The hash covers all before it. */
#include "daemon/common/grant_record.h"

#include "election/base/hash.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAGIC    0x42544752 /* "BTGR" */
#define RECORD_VERSION  1
#define BOOT_ID_BYTES   36
#define RECORD_HASHED   168
#define RECORD_BYTES    (RECORD_HASHED + 8)
#define RECORD_HASHSEED 0x6772616e74ull

static_assert(RECORD_HASHED == 4 + 4 + BOOT_ID_BYTES + 2 * NAME_BYTES_MAX + 4 + 8 + 8 + 4 + 4, "as the head says");

static int64_t hash_of(const uint8_t *bytes)
{
        return (int64_t)hash_bytes(bytes, RECORD_HASHED, RECORD_HASHSEED);
}

/* Without what may stand behind the text's end in memory. */
static void put_text(struct jute_writer *w, const char *text, size_t size)
{
        char field[NAME_BYTES_MAX] = "";
        assert(size <= sizeof field);
        memcpy(field, text, strnlen(text, size));
        jute_put_raw(w, field, size);
}

int grant_record_write(int fd, const struct grant_record *r)
{
        struct jute_writer w;
        jute_writer_init(&w, RECORD_BYTES);
        jute_put_int(&w, RECORD_MAGIC);
        jute_put_int(&w, RECORD_VERSION);
        put_text(&w, r->boot_id, BOOT_ID_BYTES);
        put_text(&w, r->plugin.text, NAME_BYTES_MAX);
        put_text(&w, r->group.text, NAME_BYTES_MAX);
        jute_put_int(&w, (int32_t)r->state);
        jute_put_long(&w, r->token);
        jute_put_long(&w, (int64_t)r->deadline_ms);
        jute_put_int(&w, (int32_t)r->lease_ms);
        jute_put_int(&w, (int32_t)r->budget_ms);
        assert(w.error == 0 && w.len == RECORD_HASHED);
        jute_put_long(&w, hash_of(w.data));
        ssize_t n = 0;
        do
                n = pwrite(fd, w.data, w.len, 0);
        while (n < 0 && errno == EINTR);
        int status = n < 0 ? -errno : n == RECORD_BYTES ? 0 : -EIO;
        jute_writer_done(&w);
        return status;
}

/* A text of a fixed place; nothing may stand behind its end. */
static void get_text(struct jute_reader *r, char *ret, size_t size)
{
        const uint8_t *at = jute_get_raw(r, size);
        memset(ret, 0, size + 1);
        if (!at)
                return;
        memcpy(ret, at, size);
        for (size_t i = strlen(ret); i < size; i++)
                if (ret[i] != '\0')
                        jute_fail(r);
}

static bool is_sound(const struct grant_record *r)
{
        return (unsigned)r->state < WORKER_STATE_COUNT &&
               (r->boot_id[0] == '\0' || strlen(r->boot_id) == BOOT_ID_BYTES) &&
               (r->plugin.text[0] == '\0' || name_is_valid(r->plugin.text)) &&
               (r->group.text[0] == '\0' || name_is_valid(r->group.text));
}

static int decode(const uint8_t *bytes, struct grant_record *ret)
{
        struct grant_record record = {.state = WORKER_OPENING};
        struct jute_reader r;
        jute_reader_init(&r, bytes, RECORD_BYTES, 0);
        if (jute_get_int(&r) != RECORD_MAGIC || jute_get_int(&r) != RECORD_VERSION)
                return -EBADMSG;
        get_text(&r, record.boot_id, BOOT_ID_BYTES);
        get_text(&r, record.plugin.text, NAME_BYTES_MAX);
        get_text(&r, record.group.text, NAME_BYTES_MAX);
        record.state = (enum worker_state)jute_get_int(&r);
        record.token = jute_get_long(&r);
        record.deadline_ms = (uint64_t)jute_get_long(&r);
        record.lease_ms = (uint32_t)jute_get_int(&r);
        record.budget_ms = (uint32_t)jute_get_int(&r);
        int64_t hash = jute_get_long(&r);
        if (r.error || hash != hash_of(bytes) || !is_sound(&record))
                return -EBADMSG;
        *ret = record;
        return 0;
}

int grant_record_read(int fd, struct grant_record *ret)
{
        uint8_t bytes[RECORD_BYTES + 1]; /* one more, to notice a longer file */
        ssize_t n = 0;
        do
                n = pread(fd, bytes, sizeof bytes, 0);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n == 0)
                return -ENOENT;
        return n == RECORD_BYTES ? decode(bytes, ret) : -EBADMSG;
}

bool grant_record_holds(const struct grant_record *r, const char *boot_id, uint64_t now_ms)
{
        return (r->state == WORKER_STARTING || r->state == WORKER_ACTIVE) && boot_id[0] != '\0' &&
               strcmp(r->boot_id, boot_id) == 0 && now_ms < r->deadline_ms;
}
