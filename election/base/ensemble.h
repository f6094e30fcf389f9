/* The members of the ensemble, their text form, and the quorum rule.
 *
 * The text form is ZooKeeper's (quorum-protocol.md 7.1):
 *   server.<sid>=<host>:<quorumPort>:<electionPort>[:participant|observer][;[<clientHost>:]<clientPort>]
 * IPv6 hosts stand in brackets. Majority is the only rule now; weights, groups and a second (last
 * seen) configuration belong behind ensemble_is_quorum(), which is the one place that counts. */
#ifndef BATON_BASE_ENSEMBLE_H
#define BATON_BASE_ENSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More members than this are refused (a quorum of 31 voters is far beyond use; observers included). */
#define ENSEMBLE_MEMBERS_MAX 63
#define ENSEMBLE_HOST_MAX    255

struct member {
        int64_t sid; /* 1..255 */
        bool observer;
        char host[ENSEMBLE_HOST_MAX + 1]; /* without brackets */
        uint16_t quorum_port, election_port;
        char client_host[ENSEMBLE_HOST_MAX + 1]; /* "" when no client part was given; a bare port means 0.0.0.0 */
        uint16_t client_port;                    /* 0 when no client part was given */
};

struct ensemble {
        struct member members[ENSEMBLE_MEMBERS_MAX]; /* ascending sid */
        size_t count;
        int64_t version; /* of the configuration: 0 for a static one */
};

/* A set of members by their place in ensemble.members. */
struct member_set {
        uint64_t bits;
};

/* Parses what stands right of `server.<sid> =`. Returns 0, or -EINVAL with one clear sentence in
 * `why` (no file:line; the caller knows it). */
int ensemble_parse_member(int64_t sid, const char *text, struct member *ret, char *why, size_t why_size);
/* Inserts in order of sid. -EEXIST for a sid already there, -E2BIG for too many. */
int ensemble_add(struct ensemble *e, const struct member *m);
/* Parses the whole text form ("server.N=…" lines and `version=<hex>`); unknown lines are -EINVAL. */
int ensemble_parse(const char *text, size_t len, struct ensemble *ret);
/* Writes the text form with its version line, no trailing newline; returns the length that was
 * needed (as snprintf). Client parts are printed where given. */
size_t ensemble_text(const struct ensemble *e, char *buffer, size_t size);

/* NULL for a sid that is no member. */
const struct member *ensemble_find(const struct ensemble *e, int64_t sid);
bool ensemble_is_voter(const struct ensemble *e, int64_t sid);
size_t ensemble_voters(const struct ensemble *e);

/* Adds a sid; sids that are no member are ignored. */
void member_set_add(struct member_set *s, const struct ensemble *e, int64_t sid);
void member_set_remove(struct member_set *s, const struct ensemble *e, int64_t sid);
bool member_set_has(const struct member_set *s, const struct ensemble *e, int64_t sid);
/* The quorum rule: whether the voters in `s` are more than half of all voters. Observers in `s`
 * never count (safety: Z16). Pure. */
bool ensemble_is_quorum(const struct ensemble *e, const struct member_set *s);

#endif
