/* See fake_store.h. */
#include "tests/unit/engine/fake_store.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void fake_store_init(struct store *s)
{
        *s = (struct store){.reach = true};
        pthread_mutex_init(&s->mutex, NULL);
        pthread_cond_init(&s->changed, NULL);
}

void fake_store_done(struct store *s)
{
        pthread_cond_destroy(&s->changed);
        pthread_mutex_destroy(&s->mutex);
}

void fake_store_hold(struct store *s, bool hold)
{
        pthread_mutex_lock(&s->mutex);
        s->hold_syncs = hold;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->mutex);
}

void fake_store_await_sync(struct store *s)
{
        pthread_mutex_lock(&s->mutex);
        while (!s->in_sync)
                pthread_cond_wait(&s->changed, &s->mutex);
        pthread_mutex_unlock(&s->mutex);
}

char *fake_store_journal(struct store *s)
{
        pthread_mutex_lock(&s->mutex);
        char *copy = mem_dup(s->journal, s->journal_len + 1);
        pthread_mutex_unlock(&s->mutex);
        return copy;
}

static void note(struct store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct store *s, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        int n = vsnprintf(s->journal + s->journal_len, sizeof s->journal - s->journal_len, format, ap);
        va_end(ap);
        assert(n > 0 && s->journal_len + (size_t)n < sizeof s->journal);
        s->journal_len += (size_t)n;
}

/* Letter and ticket of an effect; an append shows its first byte, so that the bytes are read too. */
static void note_effect(struct store *s, const struct effect *e)
{
        switch (e->type) {
        case EFFECT_LOG_APPEND:
                note(s, "a%" PRIu64 "%c ", e->ticket, e->log.blob->data[e->log.offset]);
                break;
        case EFFECT_LOG_ROLL:
                note(s, "r%" PRIu64 " ", e->ticket);
                break;
        case EFFECT_EPOCH_WRITE:
                note(s, "e%" PRIu64 " ", e->ticket);
                break;
        case EFFECT_TRUNCATE:
                note(s, "t%" PRIu64 " ", e->ticket);
                break;
        case EFFECT_SNAPSHOT_BEGIN:
                note(s, "B%" PRIu64 " ", e->ticket);
                break;
        case EFFECT_SNAPSHOT_CHUNK:
                note(s, "C%" PRIu64 "%c ", e->ticket, e->snapshot.blob->data[0]);
                break;
        case EFFECT_SNAPSHOT_END:
                note(s, "E%" PRIu64 " ", e->ticket);
                break;
        case EFFECT_SNAPSHOT_ABORT:
                note(s, "A%" PRIu64 " ", e->ticket);
                break;
        default:
                note(s, "?%" PRIu64 " ", e->ticket);
                break;
        }
}

/* What a result may carry: only its address matters. */
static int reload(struct store *s, struct recovered *reloaded)
{
        assert(reloaded);
        if (!s->reach)
                return 0;
        s->reloads_alive++;
        *reloaded = (struct recovered){.last_zxid = 77, .history = (struct store_txn *)(void *)s};
        return 1;
}

int store_perform(struct store *s, const struct effect *e, struct recovered *reloaded, char why[STORE_WHY_MAX])
{
        int r = 0;
        pthread_mutex_lock(&s->mutex);
        note_effect(s, e);
        s->performed = e->ticket;
        if (e->ticket == s->fail_ticket) {
                (void)snprintf(why, STORE_WHY_MAX, "effect %" PRIu64 " fails", e->ticket);
                r = -EIO;
        } else if (e->ticket == s->warn_ticket) {
                (void)snprintf(why, STORE_WHY_MAX, "effect %" PRIu64 " warns", e->ticket);
        } else if (e->type == EFFECT_TRUNCATE && e->truncate.reload) {
                r = reload(s, reloaded);
        }
        pthread_mutex_unlock(&s->mutex);
        return r;
}

void store_uncache(struct store *s)
{
        (void)s;
}

int store_sync(struct store *s, char why[STORE_WHY_MAX])
{
        pthread_mutex_lock(&s->mutex);
        s->in_sync = true;
        pthread_cond_broadcast(&s->changed);
        while (s->hold_syncs)
                pthread_cond_wait(&s->changed, &s->mutex);
        s->in_sync = false;
        note(s, "s ");
        s->syncs++;
        int r = s->fail_sync;
        if (r < 0)
                (void)snprintf(why, STORE_WHY_MAX, "the sync fails");
        else
                s->synced = s->performed;
        pthread_mutex_unlock(&s->mutex);
        return r;
}

int snapstore_perform(struct snapstore *s, const struct effect *e, char why[STORE_WHY_MAX])
{
        return store_perform(&s->noted, e, NULL, why);
}

/* Of this store's results only: `history` points at the store. */
void recovered_done(struct recovered *r)
{
        struct store *s = (struct store *)(void *)r->history;
        if (s)
                s->reloads_alive--;
        r->history = NULL;
}
