/* See config_access.h. */
#include "daemon/engine/config_access.h"

#include "daemon/common/log.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* What digest_scheme.c knows; programs without an engine read the configuration, too, and bring no hashes with them. */
static const char algorithms[][sizeof((struct server_config *)NULL)->digest_algorithm] = {
        "SHA-1",       "SHA1",        "SHA",      "SHA-224",  "SHA-256",  "SHA-384",  "SHA-512",
        "SHA-512/224", "SHA-512/256", "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512", "MD5",
};

static void judge_algorithm(const struct access_settings *s, const struct access_origins *at, struct server_config *ret,
                            struct problems *problems)
{
        for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
                if (strcasecmp(algorithms[i], s->digest_algorithm) != 0)
                        continue;
                memcpy(ret->digest_algorithm, algorithms[i], sizeof ret->digest_algorithm);
                return;
        }
        problems_add_at(problems, at->digest_algorithm,
                        "digest_algorithm = %s: must be SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224, "
                        "SHA-512/256, SHA3-224, SHA3-256, SHA3-384, SHA3-512 or MD5",
                        log_quote(s->digest_algorithm).text);
}

static void judge_super(const struct access_settings *s, const struct access_origins *at, struct server_config *ret,
                        struct problems *problems)
{
        const char *colon = strchr(s->super_digest, ':');
        static_assert(sizeof s->super_digest == sizeof ret->super_digest, "what can be read fits");
        if (s->super_digest[0] && (!colon || !colon[1]))
                problems_add_at(problems, at->super_digest,
                                "super_digest: must be a user, a colon and a hash, as an access list has them: "
                                "super:BASE64");
        else
                memcpy(ret->super_digest, s->super_digest, sizeof ret->super_digest);
}

static bool scheme_exists(const struct access_settings *s, const char *at, size_t len)
{
        return (len == 2 && !strncmp(at, "ip", 2)) || (s->digest_enabled && len == 6 && !strncmp(at, "digest", 6));
}

static void judge_schemes(const struct access_settings *s, const struct access_origins *at, struct server_config *ret,
                          struct problems *problems)
{
        const char *text = s->enforce_auth_schemes;
        for (size_t len; *(text += strspn(text, ", \t")); text += len) {
                len = strcspn(text, ", \t");
                if (!scheme_exists(s, text, len)) {
                        problems_add_at(problems, at->enforce_auth_schemes,
                                        "enforce_auth_schemes: %s is no scheme of this server (%s)",
                                        log_quote_bytes(text, len).text, s->digest_enabled ? "digest, ip" : "ip");
                        return;
                }
                if (ret->enforced_scheme_count == SERVER_SCHEMES_MAX) {
                        problems_add_at(problems, at->enforce_auth_schemes, "enforce_auth_schemes: more than %d",
                                        SERVER_SCHEMES_MAX);
                        return;
                }
                memcpy(ret->enforced_schemes[ret->enforced_scheme_count++], text, len);
        }
}

void access_judge(const struct access_settings *s, const struct access_origins *at, struct server_config *ret,
                  struct problems *problems)
{
        ret->acl.skip = s->skip_acl;
        ret->acl.digest_off = !s->digest_enabled;
        judge_algorithm(s, at, ret, problems);
        judge_super(s, at, ret, problems);
        judge_schemes(s, at, ret, problems);
}
