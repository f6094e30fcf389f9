#include "election/zab/packet_stream.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A buffer that grew beyond this is given back once it is empty. */
#define STREAM_KEEP_BYTES (64u << 10)

void zab__stream_init(struct packet_stream *s)
{
        memset(s, 0, sizeof *s);
}

void zab__stream_done(struct packet_stream *s)
{
        mem_free(s->kept);
        zab__stream_init(s);
}

/* Moves what is kept to the front and makes room for `len` more. */
static void make_room(struct packet_stream *s, size_t len)
{
        if (s->at > 0) {
                assert(s->kept);
                memmove(s->kept, s->kept + s->at, s->len - s->at);
                s->len -= s->at;
                s->at = 0;
        }
        if (s->capacity - s->len >= len)
                return;
        /* By halves rather than doubling: what is unused stays small beside the bound. */
        size_t want = s->len + len + s->len / 2;
        s->kept = mem_realloc(s->kept, want);
        s->capacity = want;
}

static void keep(struct packet_stream *s, const uint8_t *data, size_t len)
{
        if (len == 0)
                return;
        make_room(s, len);
        memcpy(s->kept + s->len, data, len);
        s->len += len;
}

void zab__stream_feed(struct packet_stream *s, const uint8_t *data, size_t len)
{
        assert(!s->window);
        if (s->at < s->len) {
                keep(s, data, len);
                return;
        }
        s->window = data;
        s->window_len = len;
}

void zab__stream_settle(struct packet_stream *s)
{
        if (s->at == s->len) {
                s->at = 0;
                s->len = 0;
                if (s->capacity > STREAM_KEEP_BYTES) {
                        mem_free(s->kept);
                        s->kept = NULL;
                        s->capacity = 0;
                }
        }
        if (!s->window)
                return;
        const uint8_t *rest = s->window;
        s->window = NULL;
        keep(s, rest, s->window_len);
        s->window_len = 0;
}

size_t zab__stream_peek(const struct packet_stream *s, const uint8_t **ret)
{
        if (s->window) {
                *ret = s->window;
                return s->window_len;
        }
        *ret = s->kept ? s->kept + s->at : NULL;
        return s->len - s->at;
}

void zab__stream_skip(struct packet_stream *s, size_t len)
{
        if (s->window) {
                assert(len <= s->window_len);
                s->window += len;
                s->window_len -= len;
                return;
        }
        assert(len <= s->len - s->at);
        s->at += len;
}

int zab__stream_next(struct packet_stream *s, int32_t item_max, struct jute_quorum_packet *ret)
{
        const uint8_t *data;
        size_t len = zab__stream_peek(s, &data);
        if (len == 0)
                return 0;
        struct jute_reader r;
        jute_reader_init(&r, data, len, item_max);
        jute_get_quorum_packet(&r, ret);
        if (r.error == -ENODATA)
                return len <= (size_t)item_max + STREAM_SLACK_BYTES ? 0 : -EPROTO;
        if (r.error != 0)
                return -EPROTO;
        zab__stream_skip(s, (size_t)(r.at - data));
        return 1;
}
