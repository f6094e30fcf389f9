/* Entries and interned strings of a history. */
#include "tests/sim/history/history_internal.h"

#include "election/base/alloc.h"
#include "election/base/hash.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* Strings lie in blocks so that they never move. */
#define BLOCK_BYTES (64u << 10)
/* Data that is longer is kept as its beginning and a hash. */
#define DATA_KEPT_BYTES 48

struct history *history_new(void)
{
        struct history *h = mem_zalloc(sizeof *h);
        /* Number 0 is TEXT_ABSENT. */
        h->texts = mem_grow(h->texts, &h->text_capacity, 1, sizeof *h->texts);
        h->texts[0] = (struct text){0};
        h->text_count = 1;
        return h;
}

void history_free(struct history *h)
{
        if (!h)
                return;
        for (size_t i = 0; i < h->block_count; i++)
                mem_free(h->blocks[i]);
        mem_free(h->blocks);
        mem_free(h->texts);
        mem_free(h->slots);
        mem_free(h->entries);
        mem_free(h->items);
        mem_free(h);
}

struct history_entry history_blank(enum history_kind kind)
{
        return (struct history_entry){.kind = kind, .version = -1, .parent_cversion = -1};
}

void history_add(struct history *h, const struct history_entry *e)
{
        h->entries = mem_grow(h->entries, &h->capacity, h->count + 1, sizeof *h->entries);
        h->entries[h->count] = *e;
        if (!e->line)
                h->entries[h->count].line = (uint32_t)h->count + 1;
        h->count++;
}

/* ---- strings ---- */

static char *room_for(struct history *h, size_t len)
{
        if (!h->block_count || h->block_left < len) {
                size_t size = len > BLOCK_BYTES ? len : BLOCK_BYTES;
                h->blocks = mem_grow(h->blocks, &h->block_capacity, h->block_count + 1, sizeof *h->blocks);
                h->blocks[h->block_count++] = mem_alloc(size);
                h->block_at = h->blocks[h->block_count - 1];
                h->block_left = size;
        }
        char *at = h->block_at;
        h->block_at += len;
        h->block_left -= len;
        return at;
}

/* The slot of this string, or the free one where it belongs. */
static size_t slot_of(const struct history *h, const void *bytes, size_t len, uint64_t hash)
{
        size_t at = (size_t)hash & (h->slot_count - 1);
        for (;; at = (at + 1) & (h->slot_count - 1)) {
                const struct text *t = &h->texts[h->slots[at]];
                if (!h->slots[at] || (t->hash == hash && t->len == len && (!len || !memcmp(t->at, bytes, len))))
                        return at;
        }
}

static void slots_grow(struct history *h)
{
        mem_free(h->slots);
        h->slot_count = h->slot_count ? 2 * h->slot_count : 1024;
        h->slots = mem_zalloc(h->slot_count * sizeof *h->slots);
        for (text_id i = 1; i < h->text_count; i++) {
                const struct text *t = &h->texts[i];
                h->slots[slot_of(h, t->at, t->len, t->hash)] = i;
        }
}

text_id history_text(struct history *h, const void *bytes, size_t len)
{
        if (2 * (h->text_count + 1) > h->slot_count)
                slots_grow(h);
        uint64_t hash = hash_bytes(bytes, len, 0);
        size_t slot = slot_of(h, bytes, len, hash);
        if (h->slots[slot])
                return h->slots[slot];
        assert(len < UINT32_MAX && h->text_count < UINT32_MAX);
        char *copy = room_for(h, len + 1);
        if (len)
                memcpy(copy, bytes, len);
        copy[len] = 0;
        h->texts = mem_grow(h->texts, &h->text_capacity, h->text_count + 1, sizeof *h->texts);
        h->texts[h->text_count] = (struct text){.at = copy, .len = (uint32_t)len, .hash = hash};
        h->slots[slot] = (text_id)h->text_count;
        return (text_id)h->text_count++;
}

text_id history_cstr(struct history *h, const char *text)
{
        return history_text(h, text, strlen(text));
}

text_id history_data(struct history *h, const void *bytes, size_t len)
{
        char kept[DATA_KEPT_BYTES + 64];
        if (len <= sizeof kept)
                return history_text(h, bytes, len);
        memcpy(kept, bytes, DATA_KEPT_BYTES);
        /* Data is mostly text with zeros behind: those say nothing. */
        size_t begin = DATA_KEPT_BYTES;
        while (begin && !kept[begin - 1])
                begin--;
        int n = snprintf(kept + begin, sizeof kept - begin, "~%zu~%016" PRIx64, len, hash_bytes(bytes, len, 0));
        return history_text(h, kept, begin + (size_t)n);
}

text_id history__find(const struct history *h, const void *bytes, size_t len)
{
        if (!h->slot_count)
                return TEXT_ABSENT;
        return h->slots[slot_of(h, bytes, len, hash_bytes(bytes, len, 0))];
}

const char *history_string(const struct history *h, text_id text)
{
        assert(text < h->text_count);
        return text ? h->texts[text].at : NULL;
}

size_t history_string_len(const struct history *h, text_id text)
{
        assert(text < h->text_count);
        return h->texts[text].len;
}

text_id history_text_end(const struct history *h)
{
        return (text_id)h->text_count;
}

/* ---- lists ---- */

struct history_list history_list_begin(struct history *h)
{
        return (struct history_list){.first = (uint32_t)h->item_count, .known = true};
}

void history_list_add(struct history *h, struct history_list *list, text_id item)
{
        assert(list->first + list->count == h->item_count);
        h->items = mem_grow(h->items, &h->item_capacity, h->item_count + 1, sizeof *h->items);
        h->items[h->item_count++] = item;
        list->count++;
}

text_id history_list_at(const struct history *h, const struct history_list *list, uint32_t index)
{
        assert(index < list->count);
        return h->items[list->first + index];
}

size_t history_count(const struct history *h)
{
        return h->count;
}

const struct history_entry *history_at(const struct history *h, size_t index)
{
        assert(index < h->count);
        return &h->entries[index];
}
