/* Command lines of plugins' settings, split into words (plugins/words.h). */
#include "plugins/words.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_text(data, size);
        char **words = NULL;
        const char *why = NULL;
        int r = words_split(text, &words, &why);
        if (r == 0) {
                size_t count = 0, bytes = 0;
                for (; words[count]; count++)
                        bytes += strlen(words[count]);
                assert(count >= 1 && count <= WORDS_MAX);
                assert(bytes <= strlen(text)); /* quotes go, nothing comes */
                words_free(words);
        } else {
                assert(r == -EINVAL);
                assert(why && *why);
        }
        mem_free(text);
        return 0;
}
