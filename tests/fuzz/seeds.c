#include "tests/fuzz/seeds.h"

#include "election/base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 512

static const char *directory;

/* ---- inputs ---- */

struct jute_writer *seed_begin(void)
{
        struct jute_writer *w = mem_alloc(sizeof *w);
        jute_writer_init(w, 1u << 20);
        return w;
}

static void make_folder(const char *path)
{
        if (mkdir(path, 0755) < 0 && errno != EEXIST) {
                perror(path);
                exit(1);
        }
}

void seed_end(struct jute_writer *w, const char *target, const char *name)
{
        char path[PATH_BYTES];
        assert(!w->error);
        (void)snprintf(path, sizeof path, "%s/%s", directory, target);
        make_folder(path);
        (void)snprintf(path, sizeof path, "%s/%s/%s", directory, target, name);
        FILE *f = fopen(path, "we");
        if (!f || fwrite(w->data, 1, w->len, f) != w->len || fclose(f) != 0) {
                perror(path);
                exit(1);
        }
        seed_drop(w);
}

void seed_drop(struct jute_writer *w)
{
        jute_writer_done(w);
        mem_free(w);
}

void seed_text(const char *target, const char *name, int head, const char *text)
{
        struct jute_writer *w = seed_begin();
        if (head >= 0)
                jute_put_byte(w, (uint8_t)head);
        jute_put_raw(w, text, strlen(text));
        seed_end(w, target, name);
}

void seed_u16(struct jute_writer *w, size_t value)
{
        assert(value <= UINT16_MAX);
        jute_put_byte(w, (uint8_t)(value >> 8));
        jute_put_byte(w, (uint8_t)value);
}

void seed_piece(struct jute_writer *w, const void *data, size_t len)
{
        seed_u16(w, len);
        if (len)
                jute_put_raw(w, data, len);
}

void seed_piece_of(struct jute_writer *w, struct jute_writer *content)
{
        seed_piece(w, content->data, content->len);
        jute_writer_reset(content);
}

struct jute_vec seed_acl(void)
{
        static const uint8_t acl[] = {0,   0, 0, 31, 0, 0,   0,   5,   'w', 'o', 'r', 'l',
                                      'd', 0, 0, 0,  6, 'a', 'n', 'y', 'o', 'n', 'e'};
        return (struct jute_vec){.data = acl, .size = sizeof acl, .count = 1};
}

/* ---- texts ---- */

static void words(void)
{
        seed_text("status_line", "status", -1, "status");
        seed_text("status_line", "page", -1, "connections 42 100");
        seed_text("status_line", "snapshot", -1, " snapshot ");
        seed_text("words", "plain", -1, "/usr/bin/nginx -g 'daemon off;'");
        seed_text("words", "quotes", -1, "a \"b \\\" \\\\ c\" 'd e'\\ f\t\"\" ''");
        seed_text("words", "open", -1, "a 'b");
        seed_text("words", "backslash", -1, "a\\");
}

static void quotas(void)
{
        seed_text("quota", "limits", 0, "count=1,bytes=5=;byteHardLimit=10;countHardLimit=3");
        seed_text("quota", "odd", 0, "bytes=-1,,;a==5;count=+7;note=9=x;");
        seed_text("quota", "paths", 1, "\x00\x04/a/b\x00\x02/a\x02\x06/a/b/c\x01\x06/a/ /b\x02\x04/a/x");
}

static void ensembles(void)
{
        seed_text("ensemble", "member", 1, "10.0.0.1:2888:3888:participant;0.0.0.0:2181");
        seed_text("ensemble", "observer", 1, "[fe80::1]:2888:3888:observer;[::1]:2181");
        seed_text("ensemble", "short", 1, "host:1:65535");
        seed_text("ensemble", "bare", 1, "host.example:2888:3888;2181");
        seed_text("ensemble", "whole", 0,
                  "server.1=a:2888:3888:participant;0.0.0.0:2181\n"
                  "server.2=[::2]:2888:3888:observer\nserver.10=c:1:2;3\nversion=100000000");
        seed_text("ensemble", "version", 0, "version=0");
}

static void settings(void)
{
        static const char *const values[] = {"-9223372036854775808", "65535", "-100", "yes", "a text"};
        for (int i = 0; i < 5; i++)
                seed_text("settings", values[i], i, values[i]);
        seed_text("settings", "off", 3, "off");
        seed_text("settings", "too large", 0, "9223372036854775808");
}

static void values(void)
{
        seed_text(
                "values", "member", 0,
                "{\"node\":\"n1\",\"instance\":\"ab12\",\"boot\":\"11111111-2222-3333-4444-555555555555\","
                "\"version\":\"0.1\",\"started\":1700000000,\"role\":\"leading\",\"addresses\":[\"10.0.0.1:2181\"],"
                "\"plugins\":{\"web\":{\"module\":\"unit\",\"group\":\"g\",\"state\":\"active\",\"health\":\"good\"}},"
                "\"groups\":{\"g\":{\"state\":\"held\",\"holder\":\"n1\",\"token\":77}}}");
        seed_text("values", "holder", 1,
                  "{\"node\":\"n1\",\"instance\":\"ab12\",\"boot\":\"11111111-2222-3333-4444-555555555555\","
                  "\"state\":\"active\",\"lease_ms\":2000,\"budget_ms\":5000,\"rate_ppm\":500,\"token\":0,\"reason\":"
                  "\"\"}");
        seed_text("values", "released", 1,
                  "{\"node\":\"n2\",\"instance\":\"ab\",\"boot\":\"\",\"state\":\"released\",\"lease_ms\":0,"
                  "\"budget_ms\":0,\"token\":4294967299,\"reason\":\"told to \\u00fcber\"}");
        seed_text("values", "candidate", 2, "{\"priority\":-5,\"healthy\":true,\"reason\":\"x\"}");
        seed_text("values", "path", 3, "web/nginx.conf");
}

static void inifiles(void)
{
        seed_text("inifile", "plain", -1,
                  "\xef\xbb\xbf# comment\n[node]\nname = a\n  id: 3 ; more\n\n[group g 1]\r\nkey=\n; end");
        seed_text("inifile", "odd", -1, "key = 1\n[no end\n= 5\n[s]\n[t]\nx\n y = ;z\n");
}

/* Files that batonctl reads. */
static void ctl_files(void)
{
        seed_text("multi_file", "all", -1,
                  "# all\ncreate -e -s /a \"v\\n\\x00\" world:anyone:r\ncreate -c /b\ncreate -t 5 /c 'w x'\n"
                  "create -b /d AAE=\nset -v 3 /a x\ndelete -v 0 /b\ncheck /a\n");
        seed_text("multi_file", "wrong", -1, "create\nset /a\ncreate /a b c\ncreate -b /a ?\ndelete \"\n");
        seed_text("tree_file", "all", -1,
                  "{\"format\":\"baton-tree\",\"version\":1,\"root\":\"/a\",\"nodes\":["
                  "{\"path\":\"/a\",\"data\":null},{\"path\":\"/a/b\",\"data\":\"v\",\"kind\":\"ttl\",\"ttl_ms\":7},"
                  "{\"path\":\"/a/b/c\",\"data_base64\":\"AAE=\",\"kind\":\"container\","
                  "\"acl\":[{\"scheme\":\"ip\",\"id\":\"::1\",\"perms\":\"rw\"}]},"
                  "{\"path\":\"/a/e\",\"data\":\"\",\"kind\":\"ephemeral\"}]}");
        seed_text("tree_file", "root", -1,
                  "{\"format\":\"baton-tree\",\"version\":1,\"root\":\"/\",\"nodes\":["
                  "{\"path\":\"/\",\"data\":\"\"},{\"path\":\"/a\",\"data\":\"\","
                  "\"acl\":[{\"scheme\":\"world\",\"id\":\"anyone\",\"perms\":255}]}]}");
}

void seeds_text(void)
{
        words();
        ensembles();
        quotas();
        settings();
        values();
        inifiles();
        ctl_files();
}

int main(int argc, char **argv)
{
        if (argc != 2) {
                (void)fprintf(stderr, "seeds DIRECTORY\n");
                return 2;
        }
        directory = argv[1];
        make_folder(directory);
        seeds_text();
        seeds_wire();
        seeds_servers();
        seeds_files();
        return 0;
}
