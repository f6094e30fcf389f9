/* ACLs as people and JSON write them.
 *
 * Text: entries SCHEME:ID:PERMISSIONS, joined by commas, as zkCli takes them: world:anyone:r, digest:user:HASH=:cdrwa,
 * auth::cdrwa, ip:10.0.0.0/8:r. The scheme ends at the first colon, the permissions begin after the last. Permissions
 * are letters, of create, delete, read, write and admin; a number stands where other bits are set, which servers keep
 * unvalidated. A backslash makes the comma or backslash behind it part of an id.
 * JSON: [{"scheme": …, "id": …, "perms": "cdrwa" or a number}, …]. */
#ifndef BATON_CTL_ACL_TEXT_H
#define BATON_CTL_ACL_TEXT_H

#include "election/jute/record.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Entries of one ACL that is read from a text or JSON. */
#define ACL_ENTRIES_MAX 1000

struct acl_entry {
        int32_t perms;
        char *scheme, *id;
};

struct acl_list {
        struct acl_entry *entries;
        size_t count;
};

void acl_done(struct acl_list *a);
void acl_add(struct acl_list *a, int32_t perms, struct jute_str scheme, struct jute_str id);
/* Fills `ret`, to be ended by acl_done() in any case. -EINVAL with what is wrong in `why`. Pure. */
int acl_parse(const char *text, struct acl_list *ret, char *why, size_t why_size);
int acl_from_json(const json_t *value, struct acl_list *ret, char *why, size_t why_size);
/* To be freed with mem_free(). */
char *acl_text(const struct acl_list *a);
/* NULL where an id is no text. */
json_t *acl_json(const struct acl_list *a);
/* world:anyone with all permissions and nothing else. */
bool acl_is_open(const struct acl_list *a);
bool acl_equal(const struct acl_list *a, const struct acl_list *b);
/* Its elements, written to `w` (begun by the caller and to outlive the vector). */
struct jute_vec acl_encode(const struct acl_list *a, struct jute_writer *w);

#endif
