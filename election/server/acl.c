#include "election/server/acl.h"

#include <string.h>

/* ---- well-formed ids (client-protocol.md 8.3.3) ---- */

/* Exactly two parts at ':', the second not empty. */
static bool digest_id_ok(struct jute_str id)
{
        const uint8_t *colon = id.len > 0 ? memchr(id.data, ':', (size_t)id.len) : NULL;
        if (!colon)
                return false;
        size_t rest = (size_t)(id.data + id.len - (colon + 1));
        return rest > 0 && !memchr(colon + 1, ':', rest);
}

/* Reads a decimal number of at most three digits; returns false without one, or above max. */
static bool take_number(const uint8_t **at, const uint8_t *end, uint32_t max, uint32_t *ret)
{
        uint32_t value = 0;
        int digits = 0;
        for (; *at < end && **at >= '0' && **at <= '9' && digits < 4; (*at)++, digits++)
                value = value * 10 + (uint32_t)(**at - '0');
        *ret = value;
        return digits > 0 && value <= max;
}

/* An IPv4 address with an optional prefix length: false when it is none. */
static bool ip_parse(struct jute_str text, uint32_t *ret_address, uint32_t *ret_bits)
{
        if (text.len <= 0)
                return false;
        const uint8_t *at = text.data, *end = text.data + text.len;
        uint32_t address = 0;
        for (int i = 0; i < 4; i++) {
                uint32_t octet;
                if ((i && (at == end || *at++ != '.')) || !take_number(&at, end, 255, &octet))
                        return false;
                address = address << 8 | octet;
        }
        *ret_bits = 32;
        if (at < end && (*at++ != '/' || !take_number(&at, end, 32, ret_bits)))
                return false;
        *ret_address = address;
        return at == end;
}

static bool ip_id_ok(struct jute_str id)
{
        uint32_t address, bits;
        return ip_parse(id, &address, &bits);
}

static bool ip_matches(struct jute_str id, struct jute_str rule)
{
        uint32_t a, b, a_bits, bits;
        if (!ip_parse(id, &a, &a_bits) || !ip_parse(rule, &b, &bits))
                return false;
        uint32_t mask = bits ? UINT32_MAX << (32 - bits) : 0;
        return (a & mask) == (b & mask);
}

/* ---- fix-up ---- */

static bool acl_same(const struct jute_acl *a, const struct jute_acl *b)
{
        return a->perms == b->perms && jute_str_equal(a->id.scheme, b->id.scheme) && jute_str_equal(a->id.id, b->id.id);
}

/* Whether entry `index` stands in the list before too. */
static bool acl_repeated(struct jute_vec acl, int32_t index, const struct jute_acl *entry)
{
        struct jute_reader r = jute_vec_reader(&acl);
        for (int32_t i = 0; i < index; i++) {
                struct jute_acl other;
                jute_get_acl(&r, &other);
                if (acl_same(&other, entry))
                        return true;
        }
        return false;
}

/* One entry per identity that authentication gave; returns how many. */
static int32_t put_authenticated(struct jute_vec ids, int32_t perms, struct jute_writer *w)
{
        struct jute_reader r = jute_vec_reader(&ids);
        int32_t count = 0;
        for (int32_t i = 0; i < ids.count; i++) {
                struct jute_acl entry = {.perms = perms};
                jute_get_id(&r, &entry.id);
                if (!jute_str_is(entry.id.scheme, "digest"))
                        continue;
                jute_put_acl(w, &entry);
                count++;
        }
        return count;
}

/* Writes one entry as stored; returns how many entries it became, 0 when it is not acceptable. */
static int32_t put_fixed(const struct jute_acl *entry, struct jute_vec ids, struct jute_writer *w)
{
        bool ok = false;
        if (jute_str_is(entry->id.scheme, "auth"))
                return put_authenticated(ids, entry->perms, w);
        if (jute_str_is(entry->id.scheme, "world"))
                ok = jute_str_is(entry->id.id, "anyone");
        else if (jute_str_is(entry->id.scheme, "digest"))
                ok = digest_id_ok(entry->id.id);
        else if (jute_str_is(entry->id.scheme, "ip"))
                ok = ip_id_ok(entry->id.id);
        if (ok)
                jute_put_acl(w, entry);
        return ok;
}

int acl_fixup(struct jute_vec acl, struct jute_vec ids, struct jute_writer *w)
{
        if (acl.count <= 0 || acl.count > ACL_ENTRIES_MAX)
                return ZK_INVALID_ACL;
        struct jute_reader r = jute_vec_reader(&acl);
        size_t count_at = w->len;
        int32_t count = 0;
        jute_put_int(w, 0);
        for (int32_t i = 0; i < acl.count; i++) {
                struct jute_acl entry;
                jute_get_acl(&r, &entry);
                if (acl_repeated(acl, i, &entry))
                        continue;
                int32_t made = put_fixed(&entry, ids, w);
                if (!made)
                        return ZK_INVALID_ACL;
                count += made;
        }
        jute_patch_int(w, count_at, count);
        return ZK_OK;
}

/* ---- the check ---- */

static bool id_matches(const struct jute_id *id, const struct jute_id *rule)
{
        if (!jute_str_equal(id->scheme, rule->scheme))
                return false;
        if (jute_str_is(rule->scheme, "ip"))
                return ip_matches(id->id, rule->id);
        return jute_str_equal(id->id, rule->id);
}

static bool any_id_matches(struct jute_vec ids, const struct jute_id *rule)
{
        struct jute_reader r = jute_vec_reader(&ids);
        for (int32_t i = 0; i < ids.count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                if (id_matches(&id, rule))
                        return true;
        }
        return false;
}

static bool is_super(struct jute_vec ids)
{
        struct jute_reader r = jute_vec_reader(&ids);
        for (int32_t i = 0; i < ids.count; i++) {
                struct jute_id id;
                jute_get_id(&r, &id);
                if (jute_str_is(id.scheme, "super"))
                        return true;
        }
        return false;
}

bool acl_allows(struct jute_vec acl, int32_t needed, struct jute_vec ids)
{
        if (acl.count <= 0)
                return true;
        struct jute_reader r = jute_vec_reader(&acl);
        for (int32_t i = 0; i < acl.count; i++) {
                struct jute_acl entry;
                jute_get_acl(&r, &entry);
                if (!(entry.perms & needed))
                        continue;
                if (jute_str_is(entry.id.scheme, "world") && jute_str_is(entry.id.id, "anyone"))
                        return true;
                if (any_id_matches(ids, &entry.id))
                        return true;
        }
        return is_super(ids);
}
