#include "election/vote/handshake.h"

#include "election/jute/jute.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Protocol versions are negative; a first long that is not is the sid of a 3.4 server. */
#define HANDSHAKE_V1 INT64_C(-65536)
#define HANDSHAKE_V2 INT64_C(-65535)
/* The historic "anonymous observer", which nobody can dial back. */
#define SID_ANONYMOUS INT64_MAX

#define PORT_DIGITS_MAX 5
/* "[host]:port" and NUL. */
#define ADDRESS_TEXT_MAX (ENSEMBLE_HOST_MAX + 2 + 1 + PORT_DIGITS_MAX + 1)

struct blob *vote__handshake_encode(int64_t sid, const char *host, uint16_t port)
{
        char text[ADDRESS_TEXT_MAX];
        bool v6 = strchr(host, ':') != NULL;
        int n = snprintf(text, sizeof text, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)port);
        assert(n > 0 && (size_t)n < sizeof text);
        struct jute_writer w;
        jute_writer_init(&w, VOTE_HANDSHAKE_MAX);
        jute_put_long(&w, HANDSHAKE_V1);
        jute_put_long(&w, sid);
        jute_put_str(&w, jute_str_of(text, (size_t)n));
        struct blob *b = jute_writer_blob(&w);
        jute_writer_done(&w);
        assert(b);
        return b;
}

static int parse_port(const char *text, size_t len, uint16_t *ret)
{
        unsigned port = 0;
        if (len == 0 || len > PORT_DIGITS_MAX)
                return -EPROTO;
        for (size_t i = 0; i < len; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return -EPROTO;
                port = port * 10 + (unsigned)(text[i] - '0');
        }
        if (port == 0 || port > UINT16_MAX)
                return -EPROTO;
        *ret = (uint16_t)port;
        return 0;
}

/* 0.0.0.0, ::, and Java's way of writing the latter, 0:0:0:0:0:0:0:0. */
static bool is_wildcard(const char *host)
{
        return host[strspn(host, "0:.")] == '\0';
}

/* One `host:port` or `[v6]:port`. */
static int parse_address(const char *text, size_t len, struct vote_address *ret)
{
        const char *colon = memrchr(text, ':', len);
        if (!colon)
                return -EPROTO;
        const char *host = text;
        size_t host_len = (size_t)(colon - text);
        if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
                host++;
                host_len -= 2;
        } else if (memchr(host, ':', host_len)) {
                return -EPROTO; /* a bare IPv6 literal: where it ends can't be told */
        }
        if (host_len == 0 || host_len > ENSEMBLE_HOST_MAX)
                return -EPROTO;
        for (size_t i = 0; i < host_len; i++) {
                if (host[i] <= ' ' || host[i] >= 0x7f || host[i] == '[' || host[i] == ']')
                        return -EPROTO;
        }
        memcpy(ret->host, host, host_len);
        ret->host[host_len] = '\0';
        return parse_port(colon + 1, len - (size_t)(colon + 1 - text), &ret->port);
}

/* Addresses joined by '|'. V1 promises one only, but Java splits both alike. */
static int parse_addresses(const char *text, size_t len, struct vote_handshake *ret)
{
        ret->address_count = 0;
        while (len > 0) {
                const char *bar = memchr(text, '|', len);
                size_t n = bar ? (size_t)(bar - text) : len;
                struct vote_address a;
                if (parse_address(text, n, &a) < 0)
                        return -EPROTO;
                if (!is_wildcard(a.host) && ret->address_count < VOTE_ADDRESSES_MAX)
                        ret->addresses[ret->address_count++] = a;
                text += bar ? n + 1 : n;
                len -= bar ? n + 1 : n;
        }
        return 0;
}

/* A sid that may be given a place in the tables. */
static bool sid_usable(int64_t sid)
{
        return sid >= 0 && sid != SID_ANONYMOUS;
}

int vote__handshake_decode(const uint8_t *data, size_t len, struct vote_handshake *ret)
{
        struct jute_reader r;
        jute_reader_init(&r, data, len, VOTE_HANDSHAKE_TEXT_MAX);
        int64_t version = jute_get_long(&r);
        if (r.error)
                return 0;
        if (version >= 0) {
                ret->sid = version;
                ret->address_count = 0;
                return sid_usable(ret->sid) ? (int)sizeof(int64_t) : -EPROTO;
        }
        if (version != HANDSHAKE_V1 && version != HANDSHAKE_V2)
                return -EPROTO;
        ret->sid = jute_get_long(&r);
        if (r.error)
                return 0;
        if (!sid_usable(ret->sid))
                return -EPROTO;
        int32_t n = jute_get_int(&r);
        if (r.error)
                return 0;
        if (n < 1 || n > VOTE_HANDSHAKE_TEXT_MAX)
                return -EPROTO;
        const uint8_t *text = jute_get_raw(&r, (size_t)n);
        if (!text)
                return 0;
        if (parse_addresses((const char *)text, (size_t)n, ret) < 0)
                return -EPROTO;
        return (int)(len - jute_left(&r));
}
