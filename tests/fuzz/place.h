/* A directory of the fuzzer's own, for what is read from files: in memory where there is /dev/shm, gone when
 * the process ends by itself. */
#ifndef BATON_TESTS_FUZZ_PLACE_H
#define BATON_TESTS_FUZZ_PLACE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a path in it. */
#define PLACE_PATH_MAX 256

/* The path of a file in it, whose folder is made. The same for the same name. */
void place_path(const char *name, char ret[PLACE_PATH_MAX]);
/* Replaces the file's content. */
void place_put(const char *name, const void *data, size_t len);

#endif
