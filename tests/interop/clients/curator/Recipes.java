import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Scanner;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.ACLProvider;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMultiLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;
import org.apache.curator.retry.RetryOneTime;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/* Apache Curator's recipes as a program uses them. Reads the names of steps, one a line, carries each out against the
 * servers in its first argument and answers "ok" or "failed: why" in one line. `before` and `after` belong together: what
 * is done to the servers between them must not be felt. */
public class Recipes {
    static final int WAIT_S = 20;
    static final int SESSION_MS = 10000;

    interface Step { void run() throws Exception; }

    static String hosts;
    static final List<CuratorFramework> opened = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        hosts = args[0];
        Scanner in = new Scanner(System.in, StandardCharsets.UTF_8);
        while (in.hasNextLine()) {
            String name = in.nextLine();
            String answer = "ok";
            try {
                step(name).run();
            } catch (Throwable t) {
                StackTraceElement at = Arrays.stream(t.getStackTrace())
                    .filter(e -> e.getClassName().startsWith("Recipes")).findFirst().orElse(null);
                answer = "failed: " + t + " at " + at;
            }
            System.out.println(answer.replace('\n', ' '));
            System.out.flush();
            if (!name.equals("before"))
                closeAll();
        }
        System.exit(0);
    }

    static Step step(String name) {
        switch (name) {
        case "nodes": return Recipes::nodes;
        case "transactions": return Recipes::transactions;
        case "latch": return Recipes::latch;
        case "selector": return Recipes::selector;
        case "locks": return Recipes::locks;
        case "barriers": return Recipes::barriers;
        case "counters": return Recipes::counters;
        case "queue": return Recipes::queue;
        case "caches": return Recipes::caches;
        case "persistent": return Recipes::persistent;
        case "ttl": return Recipes::ttl;
        case "acls": return Recipes::acls;
        case "watchers": return Recipes::watchers;
        case "ensemble": return Recipes::ensemble;
        case "before": return Recipes::before;
        case "after": return Recipes::after;
        default: throw new IllegalArgumentException(name);
        }
    }

    // ---- helpers ----

    static CuratorFramework open() throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(hosts, SESSION_MS, 5000, new RetryForever(50));
        return started(client);
    }

    static CuratorFramework started(CuratorFramework client) throws Exception {
        opened.add(client);
        client.start();
        check(client.blockUntilConnected(WAIT_S, TimeUnit.SECONDS), "no connection");
        return client;
    }

    static void closeAll() {
        Collections.reverse(opened);
        for (CuratorFramework client : opened)
            client.close();
        opened.clear();
    }

    static void check(boolean fact, String otherwise) {
        if (!fact)
            throw new AssertionError(otherwise);
    }

    static void eventually(String what, Callable<Boolean> fact) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        while (!fact.call()) {
            check(System.nanoTime() < end, "not within " + WAIT_S + " s: " + what);
            Thread.sleep(5);
        }
    }

    static void expect(BlockingQueue<String> events, String expected) throws Exception {
        String found = events.poll(WAIT_S, TimeUnit.SECONDS);
        check(expected.equals(found), "expected " + expected + ", got " + found);
    }

    static byte[] bytes(String text) { return text.getBytes(StandardCharsets.UTF_8); }

    static String text(byte[] data) { return new String(data, StandardCharsets.UTF_8); }

    static <E extends KeeperException> E refused(Class<E> kind, Step step) throws Exception {
        try {
            step.run();
        } catch (Exception e) {
            if (kind.isInstance(e))
                return kind.cast(e);
            throw e;
        }
        throw new AssertionError("not refused with " + kind.getSimpleName());
    }

    // ---- steps ----

    static void nodes() throws Exception {
        CuratorFramework client = open();
        client.create().creatingParentContainersIfNeeded().forPath("/nodes/box/one", bytes("1"));
        Stat stat = new Stat();
        check(text(client.getData().storingStatIn(stat).forPath("/nodes/box/one")).equals("1"), "other data");
        check(stat.getVersion() == 0 && stat.getDataLength() == 1, "other stat");
        check(client.checkExists().forPath("/nodes/box").getEphemeralOwner() == 0, "a container shows its mark");
        client.setData().withVersion(0).forPath("/nodes/box/one", bytes("2"));
        refused(KeeperException.BadVersionException.class,
            () -> client.setData().withVersion(0).forPath("/nodes/box/one", bytes("3")));
        refused(KeeperException.NotEmptyException.class, () -> client.delete().forPath("/nodes/box"));
        String safe = client.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/nodes/safe-");
        check(safe.matches("/nodes/_c_[0-9a-f-]+-safe-\\d{10}"), safe);
        check(client.checkExists().forPath(safe).getEphemeralOwner() == client.getZookeeperClient().getZooKeeper()
            .getSessionId(), "whose is it?");
        Stat made = new Stat();
        client.create().orSetData().storingStatIn(made).forPath("/nodes/box/one", bytes("4"));
        check(text(client.getData().forPath("/nodes/box/one")).equals("4"), "orSetData");
        client.delete().guaranteed().deletingChildrenIfNeeded().forPath("/nodes");
        check(client.checkExists().forPath("/nodes") == null, "still there");
        CountDownLatch done = new CountDownLatch(1);
        client.sync().inBackground((c, e) -> done.countDown()).forPath("/");
        check(done.await(WAIT_S, TimeUnit.SECONDS), "no sync");
        check(client.getZookeeperClient().getZooKeeper().getAllChildrenNumber("/") >= 3, "too few nodes");
    }

    static void transactions() throws Exception {
        CuratorFramework client = open();
        List<CuratorTransactionResult> results = client.transaction().forOperations(
            client.transactionOp().create().forPath("/tx", bytes("a")),
            client.transactionOp().create().withMode(CreateMode.EPHEMERAL).forPath("/tx/gone", bytes("b")),
            client.transactionOp().setData().withVersion(0).forPath("/tx", bytes("c")),
            client.transactionOp().check().withVersion(1).forPath("/tx"),
            client.transactionOp().delete().forPath("/tx/gone"));
        check(results.size() == 5, "results: " + results.size());
        check(results.get(2).getResultStat().getVersion() == 1, "version");
        refused(KeeperException.NoNodeException.class, () -> client.transaction().forOperations(
            client.transactionOp().setData().forPath("/tx", bytes("no")),
            client.transactionOp().delete().forPath("/tx/nope")));
        check(text(client.getData().forPath("/tx")).equals("c"), "half of a transaction");
        client.delete().forPath("/tx");
    }

    static void latch() throws Exception {
        CuratorFramework one = open(), two = open();
        List<LeaderLatch> latches = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            LeaderLatch latch = new LeaderLatch(i % 2 == 0 ? one : two, "/latch", "n" + i);
            latch.start();
            latches.add(latch);
        }
        while (!latches.isEmpty()) {
            eventually("one leads", () -> latches.stream().filter(LeaderLatch::hasLeadership).count() == 1);
            LeaderLatch leader = latches.stream().filter(LeaderLatch::hasLeadership).findFirst().get();
            check(leader.getLeader().getId().equals(leader.getId()), "who leads?");
            eventually("all take part", () -> leader.getParticipants().size() == latches.size());
            latches.remove(leader);
            leader.close();
        }
    }

    static void selector() throws Exception {
        CuratorFramework one = open(), two = open();
        BlockingQueue<String> led = new LinkedBlockingQueue<>();
        AtomicInteger leaders = new AtomicInteger();
        List<LeaderSelector> selectors = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            String name = "n" + i;
            LeaderSelector selector = new LeaderSelector(i == 1 ? two : one, "/selector", new LeaderSelectorListenerAdapter() {
                @Override public void takeLeadership(CuratorFramework client) throws Exception {
                    check(leaders.incrementAndGet() == 1, "two lead");
                    led.add(name);
                    Thread.sleep(20);
                    leaders.decrementAndGet();
                }
            });
            selector.setId(name);
            selector.autoRequeue();
            selectors.add(selector);
            selector.start();
        }
        List<String> seen = new ArrayList<>();
        while (!seen.containsAll(Arrays.asList("n0", "n1", "n2"))) {
            String name = led.poll(WAIT_S, TimeUnit.SECONDS);
            check(name != null, "nobody leads after " + seen);
            seen.add(name);
        }
        for (LeaderSelector selector : selectors)
            selector.close();
    }

    static void locks() throws Exception {
        CuratorFramework[] clients = {open(), open()};
        AtomicInteger inside = new AtomicInteger();
        ExecutorService threads = Executors.newFixedThreadPool(8);
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            InterProcessMutex mutex = new InterProcessMutex(clients[i % 2], "/locks/mutex");
            all.add(threads.submit(() -> {
                for (int k = 0; k < 5; k++) {
                    check(mutex.acquire(WAIT_S, TimeUnit.SECONDS), "no mutex");
                    mutex.acquire();        // it may be taken again by its owner
                    check(inside.incrementAndGet() == 1, "two are inside");
                    inside.decrementAndGet();
                    mutex.release();
                    mutex.release();
                }
                return null;
            }));
        }
        for (Future<?> each : all)
            each.get(WAIT_S, TimeUnit.SECONDS);
        threads.shutdown();

        InterProcessReadWriteLock a = new InterProcessReadWriteLock(clients[0], "/locks/rw");
        InterProcessReadWriteLock b = new InterProcessReadWriteLock(clients[1], "/locks/rw");
        check(a.readLock().acquire(1, TimeUnit.SECONDS), "first reader");
        check(b.readLock().acquire(1, TimeUnit.SECONDS), "second reader");
        check(!b.writeLock().acquire(100, TimeUnit.MILLISECONDS), "a writer beside readers");
        a.readLock().release();
        b.readLock().release();
        check(b.writeLock().acquire(WAIT_S, TimeUnit.SECONDS), "writer");
        check(!a.readLock().acquire(100, TimeUnit.MILLISECONDS), "a reader beside the writer");
        b.writeLock().release();

        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(clients[0], "/locks/semaphore", 2);
        InterProcessSemaphoreV2 other = new InterProcessSemaphoreV2(clients[1], "/locks/semaphore", 2);
        Lease first = semaphore.acquire(), second = other.acquire();
        check(other.acquire(100, TimeUnit.MILLISECONDS) == null, "a third lease of two");
        semaphore.returnLease(first);
        Lease third = other.acquire(WAIT_S, TimeUnit.SECONDS);
        check(third != null, "the lease that was given back");
        other.returnAll(Arrays.asList(second, third));

        InterProcessMultiLock multi = new InterProcessMultiLock(clients[0], Arrays.asList("/locks/m1", "/locks/m2"));
        check(multi.acquire(WAIT_S, TimeUnit.SECONDS), "both at once");
        InterProcessSemaphoreMutex m2 = new InterProcessSemaphoreMutex(clients[1], "/locks/x");
        check(m2.acquire(WAIT_S, TimeUnit.SECONDS), "semaphore mutex");
        m2.release();
        multi.release();
    }

    static void barriers() throws Exception {
        CuratorFramework one = open(), two = open();
        DistributedBarrier barrier = new DistributedBarrier(one, "/barriers/single");
        barrier.setBarrier();
        DistributedBarrier waiting = new DistributedBarrier(two, "/barriers/single");
        check(!waiting.waitOnBarrier(50, TimeUnit.MILLISECONDS), "it is open");
        barrier.removeBarrier();
        check(waiting.waitOnBarrier(WAIT_S, TimeUnit.SECONDS), "it stays closed");
        ExecutorService threads = Executors.newFixedThreadPool(3);
        List<Future<Boolean>> all = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            DistributedDoubleBarrier both = new DistributedDoubleBarrier(i == 1 ? two : one, "/barriers/double", 3);
            all.add(threads.submit(() -> both.enter(WAIT_S, TimeUnit.SECONDS) && both.leave(WAIT_S, TimeUnit.SECONDS)));
        }
        for (Future<Boolean> each : all)
            check(each.get(2 * WAIT_S, TimeUnit.SECONDS), "not all came together");
        threads.shutdown();
    }

    static void counters() throws Exception {
        CuratorFramework one = open(), two = open();
        ExecutorService threads = Executors.newFixedThreadPool(4);
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            DistributedAtomicLong each = new DistributedAtomicLong(i % 2 == 0 ? one : two, "/counters/atomic",
                new RetryForever(1));
            all.add(threads.submit(() -> {
                for (int k = 0; k < 10; k++)
                    check(each.increment().succeeded(), "no increment");
                return null;
            }));
        }
        for (Future<?> each : all)
            each.get(2 * WAIT_S, TimeUnit.SECONDS);
        threads.shutdown();
        check(new DistributedAtomicLong(one, "/counters/atomic", new RetryOneTime(1)).get().postValue() == 40, "sum");
        SharedCount here = new SharedCount(one, "/counters/shared", 7), there = new SharedCount(two, "/counters/shared", 0);
        here.start();
        there.start();
        here.setCount(8);
        eventually("the other sees the count", () -> there.getCount() == 8);
        check(there.trySetCount(there.getVersionedValue(), 9), "by version");
        eventually("and back", () -> here.getCount() == 9);
        here.close();
        there.close();
    }

    static void queue() throws Exception {
        SimpleDistributedQueue in = new SimpleDistributedQueue(open(), "/queue");
        SimpleDistributedQueue out = new SimpleDistributedQueue(open(), "/queue");
        for (int i = 0; i < 10; i++)
            check(in.offer(bytes("item " + i)), "offer");
        check(text(out.peek()).equals("item 0"), "peek");
        for (int i = 0; i < 10; i++)
            check(text(out.poll(WAIT_S, TimeUnit.SECONDS)).equals("item " + i), "order");
        check(out.poll(20, TimeUnit.MILLISECONDS) == null, "more than was put in");
    }

    @SuppressWarnings("deprecation")
    static void caches() throws Exception {
        CuratorFramework client = open(), writer = open();
        writer.create().creatingParentsIfNeeded().forPath("/caches/a", bytes("1"));
        PathChildrenCache children = new PathChildrenCache(client, "/caches", true);
        children.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
        check(children.getCurrentData().size() == 1, "first children");
        NodeCache node = new NodeCache(client, "/caches/a");
        node.start(true);
        TreeCache tree = new TreeCache(client, "/caches");
        tree.start();
        CuratorCache cache = CuratorCache.build(client, "/caches");
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        CountDownLatch initialized = new CountDownLatch(1);
        cache.listenable().addListener(CuratorCacheListener.builder()
            .forCreates(n -> events.add("created " + n.getPath()))
            .forChanges((o, n) -> events.add("changed " + n.getPath() + " " + text(n.getData())))
            .forDeletes(n -> events.add("deleted " + n.getPath()))
            .forInitialized(initialized::countDown).build());
        cache.start();
        check(initialized.await(WAIT_S, TimeUnit.SECONDS), "not initialized");
        events.clear();
        // One after the other: the cache reads what an event names, and does not tell of a node that is gone by then.
        writer.setData().forPath("/caches/a", bytes("2"));
        expect(events, "changed /caches/a 2");
        writer.create().forPath("/caches/b", bytes("b"));
        expect(events, "created /caches/b");
        writer.create().forPath("/caches/b/deep", bytes("d"));
        expect(events, "created /caches/b/deep");
        writer.delete().forPath("/caches/b/deep");
        expect(events, "deleted /caches/b/deep");
        eventually("the children", () -> children.getCurrentData().size() == 2
            && text(children.getCurrentData("/caches/a").getData()).equals("2"));
        eventually("the node", () -> text(node.getCurrentData().getData()).equals("2"));
        eventually("the tree", () -> tree.getCurrentChildren("/caches") != null
            && tree.getCurrentChildren("/caches").size() == 2
            && tree.getCurrentChildren("/caches/b").isEmpty()
            && text(tree.getCurrentData("/caches/a").getData()).equals("2"));
        writer.delete().forPath("/caches/b");
        eventually("gone everywhere", () -> children.getCurrentData().size() == 1
            && tree.getCurrentChildren("/caches").size() == 1 && !cache.get("/caches/b").isPresent());
        cache.close();
        tree.close();
        node.close();
        children.close();
    }

    static void persistent() throws Exception {
        CuratorFramework client = open(), other = open();
        PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, "/persistent/node", bytes("x"));
        node.start();
        check(node.waitForInitialCreate(WAIT_S, TimeUnit.SECONDS), "not created");
        other.delete().forPath("/persistent/node");
        eventually("it is made again", () -> other.checkExists().forPath("/persistent/node") != null);
        node.close();
        eventually("it ends with its owner", () -> other.checkExists().forPath("/persistent/node") == null);
        GroupMember one = new GroupMember(client, "/persistent/group", "one", bytes("1"));
        GroupMember two = new GroupMember(other, "/persistent/group", "two", bytes("2"));
        one.start();
        two.start();
        eventually("both are members", () -> one.getCurrentMembers().size() == 2 && two.getCurrentMembers().size() == 2);
        two.close();
        eventually("one is left", () -> one.getCurrentMembers().size() == 1);
        one.close();
    }

    static void ttl() throws Exception {
        CuratorFramework client = open();
        client.create().creatingParentsIfNeeded().forPath("/ttl");
        client.create().withTtl(60000).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/ttl/long", bytes("x"));
        check(client.checkExists().forPath("/ttl/long").getEphemeralOwner() == 0, "a TTL node shows its mark");
        client.create().withTtl(200).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/ttl/short", bytes("x"));
        PersistentTtlNode node = new PersistentTtlNode(client, "/ttl/kept", 1000, bytes("x"));
        node.start();
        check(node.waitForInitialCreate(WAIT_S, TimeUnit.SECONDS), "not created");
        eventually("the sweep takes it", () -> client.checkExists().forPath("/ttl/short") == null);
        Thread.sleep(1500);
        check(client.checkExists().forPath("/ttl/kept") != null, "what is touched stays");
        check(client.checkExists().forPath("/ttl/long") != null, "and what has time");
        node.close();
        eventually("left alone it goes", () -> client.checkExists().forPath("/ttl/kept") == null);
    }

    static void acls() throws Exception {
        String secret = "ann:secret";
        ACL own = new ACL(ZooDefs.Perms.ALL, new Id("digest", DigestAuthenticationProvider.generateDigest(secret)));
        ACLProvider provider = new ACLProvider() {
            @Override public List<ACL> getDefaultAcl() { return Collections.singletonList(own); }
            @Override public List<ACL> getAclForPath(String path) { return getDefaultAcl(); }
        };
        CuratorFramework ann = started(CuratorFrameworkFactory.builder().connectString(hosts).namespace("acls")
            .sessionTimeoutMs(SESSION_MS).retryPolicy(new RetryForever(50)).aclProvider(provider)
            .authorization("digest", bytes(secret)).build());
        CuratorFramework anyone = open();
        ann.create().creatingParentsIfNeeded().forPath("/mine/deep", bytes("x"));
        check(ann.getACL().forPath("/mine").equals(Collections.singletonList(own)), "another list");
        refused(KeeperException.NoAuthException.class, () -> anyone.checkExists().forPath("/acls/mine"));
        refused(KeeperException.NoAuthException.class, () -> anyone.getData().forPath("/acls/mine/deep"));
        refused(KeeperException.NoAuthException.class, () -> anyone.setData().forPath("/acls/mine/deep", bytes("y")));
        refused(KeeperException.NoAuthException.class, () -> anyone.create().forPath("/acls/mine/other"));
        refused(KeeperException.NoAuthException.class, () -> anyone.delete().forPath("/acls/mine/deep"));
        refused(KeeperException.InvalidACLException.class, () -> anyone.create().withACL(Collections.singletonList(
            new ACL(1, new Id("nonsense", "x")))).forPath("/acls-odd"));
        ann.setACL().withACL(Arrays.asList(own, new ACL(ZooDefs.Perms.READ, ZooDefs.Ids.ANYONE_ID_UNSAFE))).forPath("/mine/deep");
        check(text(anyone.getData().forPath("/acls/mine/deep")).equals("x"), "reading was allowed");
        check(ann.getZookeeperClient().getZooKeeper().whoAmI().stream().anyMatch(c -> c.getUser().equals("ann")), "who am I?");
        ann.delete().deletingChildrenIfNeeded().forPath("/mine");
    }

    static void watchers() throws Exception {
        CuratorFramework client = open(), writer = open();
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        Watcher watcher = e -> { if (e.getType() != Watcher.Event.EventType.None) events.add(e.getType() + " " + e.getPath()); };
        writer.create().forPath("/watchers", bytes("x"));
        try (PersistentWatcher all = new PersistentWatcher(client, "/watchers", true)) {
            all.getListenable().addListener(watcher);
            all.start();
            eventually("it is set", () -> {
                writer.setData().forPath("/watchers", bytes("y"));
                return events.poll(50, TimeUnit.MILLISECONDS) != null;
            });
            events.clear();
            writer.create().forPath("/watchers/a");
            writer.create().forPath("/watchers/a/b");
            writer.delete().forPath("/watchers/a/b");
            for (String expected : Arrays.asList("NodeCreated /watchers/a", "NodeCreated /watchers/a/b",
                "NodeDeleted /watchers/a/b")) {
                String found = events.poll(WAIT_S, TimeUnit.SECONDS);
                while (found != null && found.equals("NodeDataChanged /watchers"))
                    found = events.poll(WAIT_S, TimeUnit.SECONDS);
                check(expected.equals(found), "expected " + expected + ", got " + found);
            }
        }
        events.clear();
        client.getData().usingWatcher(watcher).forPath("/watchers/a");
        client.getChildren().usingWatcher(watcher).forPath("/watchers/a");
        client.checkExists().usingWatcher(watcher).forPath("/watchers/c");
        client.watchers().remove(watcher).ofType(Watcher.WatcherType.Data).forPath("/watchers/a");
        expect(events, "DataWatchRemoved /watchers/a");
        writer.setData().forPath("/watchers/a", bytes("unseen"));
        writer.create().forPath("/watchers/a/child");
        expect(events, "NodeChildrenChanged /watchers/a");
        writer.create().forPath("/watchers/c");
        expect(events, "NodeCreated /watchers/c");
        refused(KeeperException.NoWatcherException.class,
            () -> client.watchers().remove(watcher).ofType(Watcher.WatcherType.Data).forPath("/watchers/a"));
    }

    static void ensemble() throws Exception {
        CuratorFramework client = open();
        Stat stat = new Stat();
        String config = text(client.getConfig().storingStatIn(stat).forEnsemble());
        int servers = hosts.split(",").length;
        if (servers > 1) {
            check(config.lines().filter(line -> line.startsWith("server.")).count() == servers, config);
            check(config.lines().anyMatch(line -> line.startsWith("version=")), config);
        }
        // Curator asks for the configuration by itself and goes on with the addresses it finds there.
        String current = client.getZookeeperClient().getCurrentConnectionString();
        check(Arrays.asList(current.split(",")).size() == servers, current);
        refused(KeeperException.ReconfigDisabledException.class,
            () -> client.reconfig().leaving("1").forEnsemble());
    }

    // ---- what must not be felt ----

    static CuratorFramework held, watching;
    static InterProcessMutex heldMutex;
    static LeaderLatch heldLatch;
    static PersistentNode heldNode;
    static CuratorCache heldCache;
    static long heldSession;
    static final BlockingQueue<ConnectionState> states = new LinkedBlockingQueue<>();
    static final BlockingQueue<String> fired = new LinkedBlockingQueue<>();

    static void before() throws Exception {
        states.clear();
        fired.clear();
        held = open();
        watching = open();
        held.getConnectionStateListenable().addListener((c, state) -> states.add(state));
        watching.getConnectionStateListenable().addListener((c, state) -> states.add(state));
        heldSession = held.getZookeeperClient().getZooKeeper().getSessionId();
        heldMutex = new InterProcessMutex(held, "/held/mutex");
        check(heldMutex.acquire(WAIT_S, TimeUnit.SECONDS), "no mutex");
        heldLatch = new LeaderLatch(held, "/held/latch");
        heldLatch.start();
        check(heldLatch.await(WAIT_S, TimeUnit.SECONDS), "no latch");
        heldNode = new PersistentNode(held, CreateMode.EPHEMERAL, false, "/held/node", bytes("x"));
        heldNode.start();
        check(heldNode.waitForInitialCreate(WAIT_S, TimeUnit.SECONDS), "no node");
        held.create().orSetData().forPath("/held/data", bytes("0"));
        heldCache = CuratorCache.build(watching, "/held");
        heldCache.start();
        watching.sync().forPath("/held");
        watching.getData().usingWatcher((Watcher) e -> fired.add(e.getType() + " " + e.getPath())).forPath("/held/data");
        eventually("the cache is filled", () -> heldCache.get("/held/data").isPresent());
    }

    static void after() throws Exception {
        held.setData().forPath("/held/data", bytes("after"));
        check(held.getZookeeperClient().getZooKeeper().getSessionId() == heldSession, "another session");
        CuratorFramework fresh = open();
        fresh.sync().forPath("/held");
        check(fresh.checkExists().forPath("/held/node").getEphemeralOwner() == heldSession, "the node is another's");
        check(heldMutex.isOwnedByCurrentThread(), "the mutex is lost");
        check(!new InterProcessMutex(fresh, "/held/mutex").acquire(100, TimeUnit.MILLISECONDS), "two hold the mutex");
        eventually("it leads again", heldLatch::hasLeadership);
        eventually("the cache sees what was written since",
            () -> heldCache.get("/held/data").map(d -> text(d.getData()).equals("after")).orElse(false));
        // A one-shot watch set before is set again on the next server, or fires there at once.
        String event;
        do {
            event = fired.poll(WAIT_S, TimeUnit.SECONDS);
        } while (event != null && event.startsWith("None "));
        check("NodeDataChanged /held/data".equals(event), "the watch told " + event);
        check(!states.contains(ConnectionState.LOST), "a session was lost");
        heldMutex.release();
        heldLatch.close();
        heldNode.close();
        heldCache.close();
    }
}
