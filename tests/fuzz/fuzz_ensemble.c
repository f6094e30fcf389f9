/* Members of the ensemble as text (election/base/ensemble.h): one line, and the whole form.
 *
 * What was taken is written again, and that is taken for the same. */
#include "election/base/ensemble.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#define WHY_BYTES 256

static void check_member(const struct member *m)
{
        assert(m->host[0] != '\0' && memchr(m->host, 0, sizeof m->host));
        assert(memchr(m->client_host, 0, sizeof m->client_host));
        assert(m->quorum_port != 0 && m->election_port != 0);
        assert((m->client_port != 0) == (m->client_host[0] != '\0'));
}

static void check_ensemble(const struct ensemble *e)
{
        assert(e->count <= ENSEMBLE_MEMBERS_MAX);
        for (size_t i = 0; i < e->count; i++) {
                check_member(&e->members[i]);
                assert(i == 0 || e->members[i - 1].sid < e->members[i].sid);
                assert(ensemble_find(e, e->members[i].sid) == &e->members[i]);
        }
}

static char *text_of(const struct ensemble *e, size_t *ret_len)
{
        size_t len = ensemble_text(e, NULL, 0);
        char *text = mem_alloc(len + 1);
        size_t written = ensemble_text(e, text, len + 1);
        assert(written == len && strlen(text) == len);
        *ret_len = len;
        return text;
}

/* Writing and reading yields the same text again. */
static void check_again(const struct ensemble *e)
{
        struct ensemble again;
        size_t len, len_again;
        char *text = text_of(e, &len);
        int r = ensemble_parse(text, len, &again);
        assert(r == 0);
        char *text_again = text_of(&again, &len_again);
        assert(len == len_again && memcmp(text, text_again, len) == 0);
        mem_free(text);
        mem_free(text_again);
}

static void one_member(struct fuzz_input *in)
{
        struct ensemble e = {.version = 0};
        struct member m;
        char why[WHY_BYTES] = "";
        int64_t sid = 1 + fuzz_byte(in) % 255;
        char *text = fuzz_text(in->at, fuzz_left(in));
        int r = ensemble_parse_member(sid, text, &m, why, sizeof why);
        if (r == 0) {
                assert(m.sid == sid);
                r = ensemble_add(&e, &m);
                assert(r == 0);
                m.sid = sid % 255 + 1;
                m.observer = false; /* without a voter there is no ensemble */
                r = ensemble_add(&e, &m);
                assert(r == 0);
                check_ensemble(&e);
                check_again(&e);
        } else {
                assert(r == -EINVAL && *why && memchr(why, 0, sizeof why));
        }
        mem_free(text);
}

static void whole(struct fuzz_input *in)
{
        struct ensemble e;
        struct fuzz_bytes b = fuzz_take(in, SIZE_MAX);
        if (ensemble_parse((const char *)b.data, b.len, &e) == 0) {
                check_ensemble(&e);
                check_again(&e);
        }
        mem_free(b.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        if (fuzz_byte(&in) % 2)
                one_member(&in);
        else
                whole(&in);
        return 0;
}
