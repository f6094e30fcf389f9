/* The JSON in znodes: member values, and holders and candidates of groups, as any client may have left them. The first
 * byte chooses the reader.
 *
 * What could be read of a group's znode is written again and read to the same. Paths below /baton/config are judged
 * too. */
#include "daemon/agent/config_watch.h"
#include "daemon/agent/group_value.h"
#include "daemon/agent/member_value.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>

static struct jute_str str_of(const char *text)
{
        return jute_str_of(text, strlen(text));
}

static void check_holder(struct jute_str json)
{
        struct holder_value v, again;
        int r = holder_value_read(json, &v);
        assert(r == 0 || r == -EBADMSG);
        assert((unsigned)v.state < HOLDER_STATE_COUNT);
        assert(memchr(v.node.text, 0, sizeof v.node.text) && memchr(v.instance, 0, sizeof v.instance));
        assert(memchr(v.boot_id, 0, sizeof v.boot_id) && memchr(v.reason, 0, sizeof v.reason));
        if (r < 0)
                return;
        assert(v.state != HOLDER_ACTIVE || v.lease_ms > 0);
        value_text_clean(v.reason); /* may have been cut within a character */
        char *text = holder_value_write(&v);
        r = holder_value_read(str_of(text), &again);
        assert(r == 0);
        assert(strcmp(v.node.text, again.node.text) == 0 && strcmp(v.instance, again.instance) == 0);
        assert(strcmp(v.boot_id, again.boot_id) == 0 && strcmp(v.reason, again.reason) == 0);
        assert(v.state == again.state && v.lease_ms == again.lease_ms && v.budget_ms == again.budget_ms);
        assert(v.rate_ppm == again.rate_ppm && v.token == again.token);
        free(text);
}

static void check_candidate(struct jute_str json)
{
        struct group_candidate v, again;
        memset(&v, 0, sizeof v);
        memset(&again, 0, sizeof again);
        int r = candidate_value_read(json, &v);
        assert(r == 0 || r == -EBADMSG);
        assert(r == 0 || !v.who.healthy);
        assert(memchr(v.reason, 0, sizeof v.reason));
        if (r < 0)
                return;
        value_text_clean(v.reason);
        char *text = candidate_value_write(&v);
        r = candidate_value_read(str_of(text), &again);
        assert(r == 0);
        assert(v.who.priority == again.who.priority && v.who.healthy == again.who.healthy);
        assert(strcmp(v.reason, again.reason) == 0);
        free(text);
}

static void check_word(const char *text, size_t size)
{
        size_t len = strnlen(text, size);
        assert(len < size);
        for (size_t i = 0; i < len; i++)
                assert(text[i] > ' ' && text[i] <= '~');
}

static void check_member(const void *data, size_t len)
{
        struct member_said said;
        member_value_read(data, len, &said);
        assert((unsigned)said.role < ROLE_COUNT);
        check_word(said.instance, sizeof said.instance);
        check_word(said.boot_id, sizeof said.boot_id);
        check_word(said.address, sizeof said.address);
        assert(said.readable || (!*said.instance && !*said.boot_id && !*said.address));
}

static void check_path(const char *path, size_t len)
{
        const char *why = NULL;
        int r = config_path_check(path, len, &why);
        assert(r == 0 || (r == -EINVAL && why && *why));
        assert(r < 0 || (len > 0 && len <= CONFIG_PATH_MAX && !memchr(path, 0, len) && path[0] != '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        int which = fuzz_byte(&in) % 4;
        struct fuzz_bytes b = fuzz_take(&in, SIZE_MAX);
        struct jute_str json = jute_str_of(b.data, b.len);
        if (which == 0)
                check_member(b.data, b.len);
        else if (which == 1)
                check_holder(json);
        else if (which == 2)
                check_candidate(json);
        else
                check_path((const char *)b.data, b.len);
        mem_free(b.data);
        return 0;
}
