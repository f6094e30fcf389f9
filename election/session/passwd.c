/* A session's identity: first id of a process, and the password that follows from an id. */
#include "election/session/session.h"

#include <string.h>

/* ZooKeeper's "superSecret", and java.util.Random's multiplier, increment and modulus. */
#define PASSWD_SECRET     INT64_C(0xB3415C00)
#define RANDOM_MULTIPLIER UINT64_C(0x5DEECE66D)
#define RANDOM_INCREMENT  UINT64_C(0xB)
#define RANDOM_MASK       ((UINT64_C(1) << 48) - 1)

/* Bits 55 to 16 of a first id are the clock's low 40 bits. */
#define ID_CLOCK_MASK   ((UINT64_C(1) << 40) - 1)
#define ID_CLOCK_SHIFT  16
#define ID_SERVER_SHIFT 56

void session_passwd(int64_t id, uint8_t ret[SESSION_PASSWD_SIZE])
{
        uint64_t seed = ((uint64_t)(id ^ PASSWD_SECRET) ^ RANDOM_MULTIPLIER) & RANDOM_MASK;
        for (size_t i = 0; i < SESSION_PASSWD_SIZE; i += 4) {
                seed = (seed * RANDOM_MULTIPLIER + RANDOM_INCREMENT) & RANDOM_MASK;
                uint32_t r = (uint32_t)(seed >> 16);
                for (size_t k = 0; k < 4; k++) /* nextBytes() hands out the low byte first */
                        ret[i + k] = (uint8_t)(r >> (8 * k));
        }
}

bool session_passwd_ok(int64_t id, struct jute_str passwd)
{
        uint8_t expected[SESSION_PASSWD_SIZE];
        if (id == 0 || passwd.len != SESSION_PASSWD_SIZE)
                return false;
        session_passwd(id, expected);
        /* The password is a checksum of a public id (2.5): there is no secret whose timing could leak. */
        return memcmp(expected, passwd.data, SESSION_PASSWD_SIZE) == 0;
}

int64_t session_first_id(int64_t sid, uint64_t clock_ms)
{
        uint64_t id = (uint64_t)sid << ID_SERVER_SHIFT | (clock_ms & ID_CLOCK_MASK) << ID_CLOCK_SHIFT;
        if ((int64_t)id == INT64_MIN) /* the owner that marks containers */
                id++;
        return (int64_t)id;
}
