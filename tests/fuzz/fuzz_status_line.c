/* The line that a client of the status socket says (daemon/engine/status_request.h): what is taken is within its
 * range, what is refused has a sentence. */
#include "daemon/engine/status_request.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct status_request r = {.count = 7};
        const char *why = NULL;
        char *line = size ? mem_dup(data, size) : mem_alloc(1); /* so that a step beyond its end is seen */
        int result = status_request_parse(line, size, &r, &why);
        if (result == 0) {
                assert(r.command < STATUS_COMMAND_MAX);
                assert(r.command == STATUS_CONNECTIONS ? r.count >= 1 && r.count <= STATUS_PAGE_MAX : r.count == 0);
                assert(r.command == STATUS_CONNECTIONS || r.after == 0);
                assert(size >= strlen(status_command_name(r.command)));
        } else {
                assert(result == -EINVAL && why && *why);
        }
        mem_free(line);
        return 0;
}
