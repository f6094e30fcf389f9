/* Two small files with a checksum: a worker's grant record and the agent's session. The first byte chooses the file,
 * and whether the input is its bytes, or what is written into it by the real writer: also what no program of ours
 * would write. What is read back is then what was written, or it is refused. */
#include "daemon/agent/session_file.h"
#include "daemon/common/grant_record.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define BOOT_ID "11111111-2222-3333-4444-555555555555"

static void text_of(struct fuzz_input *in, char *ret, size_t size)
{
        struct fuzz_bytes b = fuzz_take(in, fuzz_byte(in) % size);
        memset(ret, 0, size);
        for (size_t i = 0; i < b.len && b.data[i]; i++)
                ret[i] = (char)b.data[i];
        mem_free(b.data);
}

/* ---- a grant record ---- */

static void check_grant(int fd, int was_written)
{
        struct grant_record r;
        memset(&r, 0, sizeof r);
        int status = grant_record_read(fd, &r);
        assert(status == 0 || status == -EBADMSG || (status == -ENOENT && !was_written));
        if (status < 0)
                return;
        assert((unsigned)r.state < WORKER_STATE_COUNT);
        assert(!r.plugin.text[0] || name_is_valid(r.plugin.text));
        assert(!r.group.text[0] || name_is_valid(r.group.text));
        assert(!r.boot_id[0] || strlen(r.boot_id) == 36);
        (void)grant_record_holds(&r, BOOT_ID, 1000);
}

static void grant(struct fuzz_input *in, bool raw)
{
        char path[PLACE_PATH_MAX];
        struct grant_record r, again;
        place_put("grant", in->at, raw ? fuzz_left(in) : 0);
        place_path("grant", path);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert(fd >= 0);
        if (!raw) {
                memset(&r, 0, sizeof r);
                text_of(in, r.boot_id, sizeof r.boot_id);
                text_of(in, r.plugin.text, sizeof r.plugin.text);
                text_of(in, r.group.text, sizeof r.group.text);
                r.state = (enum worker_state)fuzz_byte(in);
                r.token = (int64_t)fuzz_u64(in);
                r.deadline_ms = fuzz_u64(in);
                r.lease_ms = fuzz_u16(in);
                r.budget_ms = fuzz_u16(in);
                int status = grant_record_write(fd, &r);
                assert(status == 0);
                if (grant_record_read(fd, &again) == 0) {
                        assert(strcmp(r.boot_id, again.boot_id) == 0 && strcmp(r.plugin.text, again.plugin.text) == 0);
                        assert(strcmp(r.group.text, again.group.text) == 0 && r.state == again.state);
                        assert(r.token == again.token && r.deadline_ms == again.deadline_ms);
                        assert(r.lease_ms == again.lease_ms && r.budget_ms == again.budget_ms);
                }
        }
        check_grant(fd, !raw);
        (void)close(fd);
}

/* ---- the agent's session ---- */

static void session(struct fuzz_input *in, bool raw)
{
        struct session_file f = {.boot_id = BOOT_ID, .servers = 7};
        struct client_session s, again;
        char path[PLACE_PATH_MAX];
        memset(&s, 0, sizeof s);
        memset(&again, 0, sizeof again);
        place_put("agent/session", in->at, raw ? fuzz_left(in) : 0);
        place_path("agent/session", path);
        (void)snprintf(f.path, sizeof f.path, "%s", path);
        if (!raw) {
                s.id = (int64_t)fuzz_u64(in);
                s.last_zxid = (int64_t)fuzz_u64(in);
                for (size_t i = 0; i < sizeof s.passwd; i++)
                        s.passwd[i] = fuzz_byte(in);
                int status = session_file_write(&f, &s);
                assert(status == 0);
        }
        int r = session_file_read(&f, &again);
        assert(r == 0 || r == -EBADMSG || r == -ESTALE);
        if (raw || r < 0) {
                assert(raw || s.id == 0);
                assert(r < 0 || again.id != 0);
        } else {
                assert(s.id == again.id && s.last_zxid == again.last_zxid);
                assert(memcmp(s.passwd, again.passwd, sizeof s.passwd) == 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct fuzz_input in = fuzz_input(data, size);
        uint8_t which = fuzz_byte(&in);
        if (which & 1)
                session(&in, which & 2);
        else
                grant(&in, which & 2);
        return 0;
}
