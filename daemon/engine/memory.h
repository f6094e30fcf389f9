/* Giving back to the system what a load needed and the server does not need any more.
 *
 * malloc() keeps what is freed below something that lives. After many znodes went that is most of what the process
 * holds: 147 of 160 MiB after 80,000 of 1 KiB were made and removed. Giving it back stops the loop, and whoever else
 * asks for memory, for about 60 us per MiB (15 ms where a tree of 270 MiB went), and getting it anew costs a page fault
 * for every three such znodes, so it is done once the tree has stayed small for a while. */
#ifndef BATON_ENGINE_MEMORY_H
#define BATON_ENGINE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* How often it is looked whether there is something. */
#define MEMORY_REST_MS 1000
/* It is given back when the tree has shrunk by this much, and by this part of the most it was, and was found to be so
 * as often as this. */
#define MEMORY_TRIM_BYTES (32u << 20)
#define MEMORY_TRIM_PART  8
#define MEMORY_TRIM_LOOKS 10

/* Zeroed before the first use. */
struct memory {
        uint64_t rested_ms;  /* the last look; monotonic */
        uint64_t most_bytes; /* the most that the tree was since the last giving back */
        unsigned small;      /* looks in a row at which it was much smaller than that */
};

/* To be called at every turn of the loop: all but once in MEMORY_REST_MS it does nothing. `tree_bytes` is what the tree
 * takes now. Returns whether the heap was gone through. */
bool memory_rest(struct memory *m, uint64_t now_ms, uint64_t tree_bytes);

#endif
