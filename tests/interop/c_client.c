/* The C client library of Apache ZooKeeper against our servers.
 *
 *   c_client all     HOSTS ROOT   every kind of request once, below the existing node ROOT
 *   c_client survive HOSTS ROOT   keeps session, ephemeral and watch while its server is killed
 *
 * Prints one line per part that went well and exits 0; on the first surprise it says where and
 * exits 1. The interop tests compile and run it. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zookeeper.h>

enum { PATH_SIZE = 512, SESSION_TIMEOUT_MS = 10000, WAIT_S = 20 };

/* What the library's event thread has told us, under one lock. */
static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool connected;
        int connections; /* how often we were connected */
        int last_type;   /* of the last event on a node */
        char last_path[PATH_SIZE];
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

__attribute__((format(printf, 2, 3), noreturn)) static void fail(int line, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        printf("line %d: ", line);
        vprintf(format, args);
        printf("\n");
        va_end(args);
        exit(1);
}

#define EXPECT(call, wanted)                                                                                           \
        do {                                                                                                           \
                int got_ = (call);                                                                                     \
                if (got_ != (wanted))                                                                                  \
                        fail(__LINE__, "%s gave %d (%s)", #call, got_, zerror(got_));                                  \
        } while (0)

#define EXPECT_TRUE(condition)                                                                                         \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        fail(__LINE__, "not so: %s", #condition);                                                      \
        } while (0)

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *context)
{
        (void)zh;
        (void)context;
        pthread_mutex_lock(&seen.lock);
        if (type == ZOO_SESSION_EVENT) {
                seen.connected = state == ZOO_CONNECTED_STATE;
                seen.connections += seen.connected;
        } else {
                seen.last_type = type;
                snprintf(seen.last_path, sizeof seen.last_path, "%s", path);
        }
        pthread_cond_broadcast(&seen.changed);
        pthread_mutex_unlock(&seen.lock);
}

static bool connected_again(int connections)
{
        return seen.connected && seen.connections >= connections;
}

static void wait_connected(int connections)
{
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += WAIT_S;
        pthread_mutex_lock(&seen.lock);
        while (!connected_again(connections))
                if (pthread_cond_timedwait(&seen.changed, &seen.lock, &until) != 0)
                        fail(__LINE__, "not connected for the %dth time", connections);
        pthread_mutex_unlock(&seen.lock);
}

static void wait_event(int type, const char *path)
{
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += WAIT_S;
        pthread_mutex_lock(&seen.lock);
        while (seen.last_type != type || strcmp(seen.last_path, path) != 0)
                if (pthread_cond_timedwait(&seen.changed, &seen.lock, &until) != 0)
                        fail(__LINE__, "no event %d on %s", type, path);
        seen.last_type = 0;
        pthread_mutex_unlock(&seen.lock);
}

static const char *below(const char *root, const char *name)
{
        static char path[8][PATH_SIZE]; /* several are used in one call */
        static int next;

        next = (next + 1) % 8;
        snprintf(path[next], PATH_SIZE, "%s/%s", root, name);
        return path[next];
}

static void check_data(zhandle_t *zh, const char *root)
{
        const char *path = below(root, "c-data");
        char made[PATH_SIZE], data[64];
        int length = sizeof data;
        struct Stat stat, changed;

        EXPECT(zoo_create2(zh, path, "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made, &stat), ZOK);
        EXPECT_TRUE(strcmp(made, path) == 0 && stat.version == 0 && stat.dataLength == 3);
        EXPECT(zoo_get(zh, path, 0, data, &length, &stat), ZOK);
        EXPECT_TRUE(length == 3 && memcmp(data, "one", 3) == 0);
        EXPECT(zoo_set2(zh, path, "three", 5, 0, &changed), ZOK);
        EXPECT_TRUE(changed.version == 1 && changed.mzxid > stat.mzxid && changed.czxid == stat.czxid);
        EXPECT(zoo_set(zh, path, NULL, -1, -1), ZOK);
        length = sizeof data;
        EXPECT(zoo_get(zh, path, 0, data, &length, &stat), ZOK);
        EXPECT_TRUE(length == -1 && stat.dataLength == 0);
        EXPECT(zoo_delete(zh, path, 2), ZOK);
        EXPECT(zoo_exists(zh, path, 0, &stat), ZNONODE);
        printf("ok data\n");
}

static void check_ephemeral(zhandle_t *zh, const char *root)
{
        const char *path = below(root, "c-ephemeral");
        struct Stat stat;

        EXPECT(zoo_create(zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0), ZOK);
        EXPECT(zoo_exists(zh, path, 0, &stat), ZOK);
        EXPECT_TRUE(stat.ephemeralOwner == zoo_client_id(zh)->client_id);
        EXPECT(zoo_create(zh, below(root, "c-ephemeral/child"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0),
               ZNOCHILDRENFOREPHEMERALS);
        EXPECT(zoo_delete(zh, path, -1), ZOK);
        printf("ok ephemeral\n");
}

static void check_sequence(zhandle_t *zh, const char *root)
{
        char first[PATH_SIZE], second[PATH_SIZE];
        struct String_vector children;
        struct Stat stat;

        EXPECT(zoo_create(zh, below(root, "c-seq"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
        EXPECT(zoo_create(zh, below(root, "c-seq/n-"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, first, sizeof first),
               ZOK);
        EXPECT(zoo_create(zh, below(root, "c-seq/n-"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE | ZOO_EPHEMERAL,
                          second, sizeof second),
               ZOK);
        EXPECT_TRUE(strcmp(first, below(root, "c-seq/n-0000000000")) == 0);
        EXPECT_TRUE(strcmp(second, below(root, "c-seq/n-0000000001")) == 0);
        EXPECT(zoo_get_children2(zh, below(root, "c-seq"), 0, &children, &stat), ZOK);
        EXPECT_TRUE(children.count == 2 && stat.numChildren == 2 && stat.cversion == 2);
        deallocate_String_vector(&children);
        printf("ok sequence\n");
}

static void check_watch(zhandle_t *zh, const char *root)
{
        const char *path = below(root, "c-watched");
        struct String_vector children;
        char data[8];
        int length = sizeof data;
        struct Stat stat;

        EXPECT(zoo_exists(zh, path, 1, &stat), ZNONODE);
        EXPECT(zoo_get_children(zh, root, 1, &children), ZOK);
        deallocate_String_vector(&children);
        EXPECT(zoo_create(zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
        wait_event(ZOO_CHILD_EVENT, root); /* told after the creation of the node itself */
        EXPECT(zoo_get(zh, path, 1, data, &length, &stat), ZOK);
        EXPECT(zoo_set(zh, path, "x", 1, -1), ZOK);
        wait_event(ZOO_CHANGED_EVENT, path);
        EXPECT(zoo_exists(zh, path, 1, &stat), ZOK);
        EXPECT(zoo_delete(zh, path, -1), ZOK);
        wait_event(ZOO_DELETED_EVENT, path);
        printf("ok watch\n");
}

static void check_multi(zhandle_t *zh, const char *root)
{
        enum { OPS = 4 };
        zoo_op_t ops[OPS];
        zoo_op_result_t results[OPS];
        struct Stat stat;
        char made[PATH_SIZE];
        const char *path = below(root, "c-multi");

        zoo_create_op_init(&ops[0], path, "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
        zoo_set_op_init(&ops[1], path, "22", 2, 0, &stat);
        zoo_check_op_init(&ops[2], path, 1);
        zoo_delete_op_init(&ops[3], path, 1);
        EXPECT(zoo_multi(zh, OPS, ops, results), ZOK);
        for (int i = 0; i < OPS; i++)
                EXPECT(results[i].err, ZOK);
        EXPECT_TRUE(strcmp(made, path) == 0 && stat.version == 1 && stat.dataLength == 2);

        zoo_check_op_init(&ops[2], path, 7);
        EXPECT(zoo_multi(zh, OPS, ops, results), ZBADVERSION);
        EXPECT(results[0].err, ZOK);
        EXPECT(results[2].err, ZBADVERSION);
        EXPECT(results[3].err, ZRUNTIMEINCONSISTENCY);
        EXPECT(zoo_exists(zh, path, 0, &stat), ZNONODE);
        printf("ok multi\n");
}

/* The result of the asynchronous sync: there is no other one in the library. */
struct synced {
        pthread_mutex_t lock;
        pthread_cond_t done;
        int result;
        bool told;
};

static void on_synced(int result, const char *value, const void *context)
{
        struct synced *s = (struct synced *)context;

        (void)value;
        pthread_mutex_lock(&s->lock);
        s->result = result;
        s->told = true;
        pthread_cond_signal(&s->done);
        pthread_mutex_unlock(&s->lock);
}

static void check_sync(zhandle_t *zh, const char *root)
{
        struct synced s = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

        EXPECT(zoo_async(zh, root, on_synced, &s), ZOK);
        pthread_mutex_lock(&s.lock);
        while (!s.told)
                pthread_cond_wait(&s.done, &s.lock);
        pthread_mutex_unlock(&s.lock);
        EXPECT(s.result, ZOK);
        printf("ok sync\n");
}

static void check_errors(zhandle_t *zh, const char *root)
{
        struct ACL_vector acl;
        struct Stat stat;

        EXPECT(zoo_create(zh, root, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZNODEEXISTS);
        EXPECT(zoo_create(zh, below(root, "no/where"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZNONODE);
        EXPECT(zoo_delete(zh, below(root, "nowhere"), -1), ZNONODE);
        EXPECT(zoo_set(zh, root, "", 0, 99), ZBADVERSION);
        EXPECT(zoo_delete(zh, root, -1), ZNOTEMPTY);
        EXPECT(zoo_get_acl(zh, root, &acl, &stat), ZOK);
        EXPECT_TRUE(acl.count == 1 && acl.data[0].perms == ZOO_PERM_ALL);
        deallocate_ACL_vector(&acl);
        printf("ok errors\n");
}

static void survive(zhandle_t *zh, const char *root)
{
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int64_t session = zoo_client_id(zh)->client_id;
        struct Stat stat;

        EXPECT(zoo_create(zh, root, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
        EXPECT(zoo_create(zh, below(root, "mine"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0), ZOK);
        EXPECT(zoo_create(zh, below(root, "watched"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
        EXPECT(zoo_exists(zh, below(root, "watched"), 1, &stat), ZOK);
        EXPECT_TRUE(zookeeper_get_connected_host(zh, (struct sockaddr *)&address, &size) != NULL);
        printf("connected 127.0.0.1:%d\n", ntohs(((struct sockaddr_in *)&address)->sin_port));
        fflush(stdout);

        wait_connected(2); /* our server is killed meanwhile */
        EXPECT_TRUE(zoo_client_id(zh)->client_id == session);
        EXPECT(zoo_exists(zh, below(root, "mine"), 0, &stat), ZOK);
        EXPECT_TRUE(stat.ephemeralOwner == session);
        printf("same session\n");
        fflush(stdout);

        wait_event(ZOO_CHANGED_EVENT, below(root, "watched"));
        printf("watch fired\n");
}

int main(int argc, char **argv)
{
        if (argc != 4) {
                fprintf(stderr, "usage: c_client all|survive HOSTS ROOT\n");
                return 2;
        }
        zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
        zhandle_t *zh = zookeeper_init(argv[2], on_event, SESSION_TIMEOUT_MS, NULL, NULL, 0);

        EXPECT_TRUE(zh != NULL);
        wait_connected(1);
        if (strcmp(argv[1], "survive") == 0) {
                survive(zh, argv[3]);
        } else {
                check_data(zh, argv[3]);
                check_ephemeral(zh, argv[3]);
                check_sequence(zh, argv[3]);
                check_watch(zh, argv[3]);
                check_multi(zh, argv[3]);
                check_sync(zh, argv[3]);
                check_errors(zh, argv[3]);
        }
        EXPECT(zookeeper_close(zh), ZOK);
        return 0;
}
