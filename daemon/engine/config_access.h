/* The settings of access control: what they mean to the core, judged. */
#ifndef BATON_ENGINE_CONFIG_ACCESS_H
#define BATON_ENGINE_CONFIG_ACCESS_H

#include "daemon/common/problems.h"
#include "election/server/server.h"

/* Longest list of schemes as text. */
#define ACCESS_SCHEMES_TEXT_MAX 128
/* Longest name of a hash. */
#define ACCESS_ALGORITHM_MAX 32

/* As read from the file. */
struct access_settings {
        char super_digest[SERVER_SUPER_DIGEST_MAX];
        char digest_algorithm[ACCESS_ALGORITHM_MAX];
        bool digest_enabled, skip_acl;
        char enforce_auth_schemes[ACCESS_SCHEMES_TEXT_MAX];
};

/* Where each was set, for problems. */
struct access_origins {
        struct origin super_digest, digest_algorithm, enforce_auth_schemes;
};

/* Writes them to `ret`, or adds what is wrong to `problems`. Pure. */
void access_judge(const struct access_settings *s, const struct access_origins *at, struct server_config *ret,
                  struct problems *problems);

#endif
