/* Four-letter words: which is answered, refused, or left until the server serves (zookeeper/client-protocol.md 10.1).
 * What the answers say is in the words_*.c. */
#include "election/server/words.h"

#include <string.h>

#define TELNET_CLOSE "\377\364\377\375"

struct word {
        char word[5];
        bool always; /* also while the server does not serve */
        void (*answer)(struct server *s, struct jute_writer *w);
};

static void answer_ruok(struct server *s, struct jute_writer *w)
{
        (void)s;
        words__put(w, "imok");
}

static void answer_isro(struct server *s, struct jute_writer *w)
{
        words__put(w, "%s", s->serving ? "rw" : server__read_only(s) ? "ro" : "null");
}

/* Closed without an answer. */
static void answer_nothing(struct server *s, struct jute_writer *w)
{
        (void)s;
        (void)w;
}

static const struct word *word_find(const uint8_t *word)
{
        static const struct word words[] = {
                {"conf", false, words__conf}, {"cons", false, words__cons},
                {"crst", false, words__crst}, {"dirs", false, words__dirs},
                {"dump", false, words__dump}, {"envi", true, words__envi},
                {"gtmk", true, words__gtmk},  {"hash", false, words__hash},
                {"isro", true, answer_isro},  {"mntr", false, words__mntr},
                {"ruok", true, answer_ruok},  {"srst", false, words__srst},
                {"srvr", false, words__srvr}, {"stat", false, words__stat},
                {"stmk", true, words__gtmk}, /* the mask is shown once it is set */
                {"wchc", false, words__wchc}, {"wchp", false, words__wchp},
                {"wchs", false, words__wchs}, {TELNET_CLOSE, true, answer_nothing},
        };
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (!memcmp(word, words[i].word, 4))
                        return &words[i];
        return NULL;
}

static bool word_allowed(const struct server *s, const uint8_t *word)
{
        if (!memcmp(word, "srvr", 4) || (s->config.read_only_mode && !memcmp(word, "isro", 4)))
                return true;
        for (size_t i = 0; i < s->config.word_count; i++)
                if (!strcmp(s->config.words[i], "*") || !memcmp(s->config.words[i], word, 4))
                        return true;
        return false;
}

/* Also said of words that are known and not there: whoever allows them can't have them executed. */
static void word_refused(const uint8_t *word, struct jute_writer *w)
{
        if (!memcmp(word, TELNET_CLOSE, 4))
                words__put(w, "telnet close");
        else
                jute_put_raw(w, word, 4);
        words__put(w, " is not executed because it is not in the whitelist.\n");
}

size_t server__word_bytes(void *ctx, const uint8_t word[4])
{
        const struct server *s = ctx;
        return word_allowed(s, word) && !memcmp(word, "stmk", 4) ? 4 + WORDS_TRACE_MASK_BYTES : 4;
}

static void set_trace_mask(struct server *s, const uint8_t *argument)
{
        struct jute_reader r;
        jute_reader_init(&r, argument, WORDS_TRACE_MASK_BYTES, 0);
        s->trace_mask = jute_get_long(&r);
}

/* `hash` is the one whose refusal has no line end. */
static void word_not_served(const uint8_t *word, struct jute_writer *w)
{
        words__put(w, "This ZooKeeper instance is not currently serving requests%s",
                   memcmp(word, "hash", 4) != 0 ? "\n" : "");
}

void server__word(void *ctx, const struct event *e, const uint8_t *word, struct jute_writer *w)
{
        struct server *s = ctx;
        const struct word *known = word_allowed(s, word) ? word_find(word) : NULL;
        (void)e;
        if (!known) {
                word_refused(word, w);
                return;
        }
        if (!s->serving && !server__read_only(s) && !known->always) {
                word_not_served(word, w);
                return;
        }
        if (!memcmp(word, "stmk", 4))
                set_trace_mask(s, word + 4);
        known->answer(s, w);
        if (words__full(w))
                words__put(w, "(cut: the answer is longer than %u bytes)\n", SERVER_WORD_BYTES_MAX);
}
