/* What a client sends, cut into frames: a four-letter word or a ConnectRequest first, then requests
 * (zookeeper/client-protocol.md 1, 2.1, 10). */
#include "election/server/clients_internal.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <string.h>

/* An input buffer larger than this is given back once it is empty. */
#define CLIENT_INPUT_KEEP_BYTES 4096

static const char known_words[][5] = {"conf",
                                      "cons",
                                      "crst",
                                      "dirs",
                                      "dump",
                                      "envi",
                                      "gtmk",
                                      "ruok",
                                      "stmk",
                                      "srst",
                                      "srvr",
                                      "stat",
                                      "wchc",
                                      "wchp",
                                      "wchs",
                                      "mntr",
                                      "isro",
                                      "hash",
                                      "\377\364\377\375"};

static bool word_is_known(const uint8_t *data)
{
        for (size_t i = 0; i < sizeof known_words / sizeof *known_words; i++)
                if (!memcmp(known_words[i], data, 4))
                        return true;
        return false;
}

static void client_word(struct client *k, const struct event *e, const uint8_t *data, struct effects *fx)
{
        struct clients *c = k->all;
        char word[4];
        memcpy(word, data, sizeof word);
        k->received++;
        c->stats.received++;
        jute_writer_reset(&c->scratch);
        c->host.word(c->host.ctx, e, word, &c->scratch);
        struct blob *b = jute_writer_blob(&c->scratch);
        if (b)
                effect_send(fx, k->conn, b);
        client__close(k, true, fx);
}

bool client__ready(const struct client *k)
{
        return !k->paused && (k->state == CLIENT_NEW || k->state == CLIENT_OPEN);
}

static void client_pause(struct client *k, struct effects *fx)
{
        if (!list_empty(&k->paused_link))
                return;
        list_push(&k->all->paused, &k->paused_link);
        effect_read(fx, k->conn, false);
}

static uint32_t frame_length(const uint8_t *at)
{
        return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Handles whole frames from the window; returns how many bytes they were, or -1 when the connection was
 * closed on the way. */
static int64_t client_frames(struct client *k, const struct event *e, const uint8_t *data, size_t len,
                             struct effects *fx)
{
        struct clients *c = k->all;
        const conn_id conn = k->conn;
        size_t at = 0;
        while (client__ready(k) && len - at >= 4) {
                if (k->state == CLIENT_NEW && word_is_known(data + at)) {
                        client_word(k, e, data + at, fx);
                        return -1;
                }
                uint32_t frame = frame_length(data + at);
                if (frame > (uint32_t)c->config->max_buffer) {
                        client__reject(k, fx);
                        return -1;
                }
                if (len - at - 4 < frame)
                        break;
                if (k->state == CLIENT_NEW)
                        client__connect(k, e, data + at + 4, frame, fx);
                else
                        client__request(k, e, data + at + 4, frame, fx);
                if (map_get(&c->by_conn, conn) != k)
                        return -1;
                at += 4 + (size_t)frame;
        }
        return (int64_t)at;
}

static void client_keep(struct client *k, const uint8_t *data, size_t len)
{
        if (!len)
                return;
        k->input = mem_grow(k->input, &k->input_capacity, k->input_len + len, 1);
        memcpy(k->input + k->input_len, data, len);
        k->input_len += len;
}

static bool client_kept_frames(struct client *k, const struct event *e, struct effects *fx)
{
        int64_t used = client_frames(k, e, k->input, k->input_len, fx);
        if (used < 0)
                return false;
        k->input_len -= (size_t)used;
        memmove(k->input, k->input + used, k->input_len);
        if (!k->input_len && k->input_capacity > CLIENT_INPUT_KEEP_BYTES) {
                mem_free(k->input);
                k->input = NULL;
                k->input_capacity = 0;
        }
        return true;
}

bool client__feed(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx)
{
        if (k->state == CLIENT_ENDING)
                return true; /* dropped: what follows closeSession is not executed */
        if (k->input_len) {
                client_keep(k, data, len);
                if (!client_kept_frames(k, e, fx))
                        return false;
        } else {
                int64_t used = client_frames(k, e, data, len, fx);
                if (used < 0)
                        return false;
                client_keep(k, data + used, len - (size_t)used);
        }
        if (k->input_len && !client__ready(k))
                client_pause(k, fx);
        else if (k->paused)
                client_pause(k, fx);
        return true;
}

bool client__resume_input(struct client *k, const struct event *e, struct effects *fx)
{
        k->paused = false;
        if (!client__ready(k))
                return true;
        list_remove(&k->paused_link);
        if (k->input_len && !client_kept_frames(k, e, fx))
                return false;
        if (k->paused || (k->input_len && !client__ready(k)))
                list_push(&k->all->paused, &k->paused_link);
        else
                effect_read(fx, k->conn, true);
        return true;
}
