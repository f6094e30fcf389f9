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
        client__set_state(k, CLIENT_ENDING); /* and is shown as one that is not read */
        k->received++;
        c->stats.received++;
        jute_writer_reset(&c->scratch);
        c->host.word(c->host.ctx, e, data, &c->scratch);
        struct blob *b = c->scratch.len ? jute_writer_blob(&c->scratch) : NULL;
        if (b)
                effect_send(fx, k->conn, b);
        clients__scratch_rest(c);
        c->stats.sent++;
        client__close(k, true, fx);
}

/* ---- what is not taken yet ---- */

bool client__ready(const struct client *k)
{
        const struct clients *c = k->all;
        if (k->state == CLIENT_NEW)
                return true;
        return k->state == CLIENT_OPEN && c->serving && !k->choked && c->turn_bytes < CLIENTS_TURN_BYTES_MAX &&
               !client__full(k);
}

static void input_resize(struct client *k, size_t capacity)
{
        k->all->input_bytes += capacity - k->input_capacity;
        k->input = mem_realloc(k->input, capacity);
        k->input_capacity = capacity;
}

void client__drop_input(struct client *k)
{
        k->all->input_bytes -= k->input_capacity;
        mem_free(k->input);
        k->input = NULL;
        k->input_len = 0;
        k->input_capacity = 0;
}

static void input_add(struct client *k, const uint8_t *data, size_t len)
{
        size_t want = k->input_len + len;
        if (!len)
                return;
        if (want > k->input_capacity)
                input_resize(k, want > 2 * k->input_capacity ? want : 2 * k->input_capacity);
        memcpy(k->input + k->input_len, data, len);
        k->input_len = want;
        if (k->all->input_bytes > CLIENTS_INPUT_BYTES_MAX)
                clients__shed_input(k->all); /* perhaps this one */
}

static void input_taken(struct client *k, size_t len)
{
        if (len)
                memmove(k->input, k->input + len, k->input_len - len);
        k->input_len -= len;
        if (!k->input_len && k->input_capacity > CLIENT_INPUT_KEEP_BYTES)
                client__drop_input(k);
}

/* ---- frames ---- */

static uint32_t frame_length(const uint8_t *at)
{
        return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* How many bytes are still to come until the next thing can be judged: a length, then its frame. 0: it is there, or it
 * is bad, or it is a four-letter word. */
static size_t bytes_missing(const struct client *k)
{
        const struct clients *c = k->all;
        size_t whole = 4;
        if (k->input_len >= 4 && frame_length(k->input) <= (uint32_t)c->config->max_buffer)
                whole = 4 + (size_t)frame_length(k->input);
        return whole > k->input_len ? whole - k->input_len : 0;
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
                        if (len - at < c->host.word_bytes(c->host.ctx, data + at))
                                break;
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

/* Not read from until client__ready() holds again. */
static void client_pause(struct client *k, struct effects *fx)
{
        if (!list_empty(&k->paused_link))
                return;
        list_push(&k->all->paused, &k->paused_link);
        effect_read(fx, k->conn, false);
}

/* What follows the end of a session is not executed: nothing is kept of it. */
static void input_settle(struct client *k, struct effects *fx)
{
        if (k->state == CLIENT_ENDING)
                client__drop_input(k);
        else if (!client__ready(k) && (k->input_len || k->state == CLIENT_OPEN))
                client_pause(k, fx);
}

void client__feed(struct client *k, const struct event *e, const uint8_t *data, size_t len, struct effects *fx)
{
        if (k->state == CLIENT_ENDING)
                return;
        int64_t used;
        /* What was begun is completed by what it lacks; what follows is taken where it lies. */
        while (k->input_len && len && k->state != CLIENT_ENDING) {
                size_t missing = client__ready(k) ? bytes_missing(k) : 0;
                size_t added = missing && missing < len ? missing : len;
                input_add(k, data, added);
                data += added;
                len -= added;
                used = client_frames(k, e, k->input, k->input_len, fx);
                if (used < 0)
                        return;
                input_taken(k, (size_t)used);
        }
        if (len && k->state != CLIENT_ENDING) {
                used = client_frames(k, e, data, len, fx);
                if (used < 0)
                        return;
                input_add(k, data + used, len - (size_t)used);
        }
        input_settle(k, fx);
}

/* The connection is in no list of paused ones. */
void client__resume_input(struct client *k, const struct event *e, struct effects *fx)
{
        int64_t used = client_frames(k, e, k->input, k->input_len, fx);
        if (used < 0)
                return;
        input_taken(k, (size_t)used);
        if (k->state == CLIENT_ENDING)
                client__drop_input(k);
        else if (client__ready(k))
                effect_read(fx, k->conn, true);
        else
                list_push(&k->all->paused, &k->paused_link);
}
