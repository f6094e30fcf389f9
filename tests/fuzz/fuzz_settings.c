/* Values of settings (daemon/common/settings.h): every kind of row, the value as given. What is refused changes
 * nothing; what is taken is within its range. */
#include "daemon/common/settings.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>

struct values {
        int64_t number;
        bool flag;
        char text[32];
        char end;
};

static const struct setting rows[] = {
        {"s", "wide", SETTING_NUMBER, SETTING_FIELD(struct values, number), INT64_MIN, INT64_MAX, NULL, "any"},
        {"s", "port", SETTING_NUMBER, SETTING_FIELD(struct values, number), 1, 65535, "2181", "a port"},
        {"s", "signed", SETTING_NUMBER, SETTING_FIELD(struct values, number), -100, 100, "0", "around 0"},
        {"s", "flag", SETTING_BOOL, SETTING_FIELD(struct values, flag), .fallback = "no", .help = "a flag"},
        {"s", "text", SETTING_TEXT, SETTING_FIELD(struct values, text), .help = "a text"},
};
#define COUNT (sizeof rows / sizeof *rows)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        const struct setting *s = &rows[fuzz_byte(&in) % COUNT];
        char *value = fuzz_text(in.at, fuzz_left(&in));
        char why[64] = "";
        struct values before, v;
        memset(&before, 0, sizeof before);
        before.number = 55;
        memcpy(&v, &before, sizeof v);
        int r = settings_set(s, value, &v, why, sizeof why);
        if (r < 0) {
                assert(r == -EINVAL && *why && memchr(why, 0, sizeof why));
                assert(memcmp(&v, &before, sizeof v) == 0);
        } else if (s->type == SETTING_NUMBER) {
                assert(v.number >= s->min && v.number <= s->max);
        } else if (s->type == SETTING_TEXT) {
                assert(strcmp(v.text, value) == 0);
        }
        assert(v.end == 0);
        mem_free(value);
        return 0;
}
