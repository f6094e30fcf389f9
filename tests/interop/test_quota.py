"""Quotas (client protocol 6.4) and the reserved tree (6.3), byte by byte.

All of it runs against ZooKeeper too, except for the few requests that would end it.
"""
import pytest

from conftest import need
from harness.servers import ZOOKEEPER_39
from harness.tree import assert_equal_trees, read_tree
from harness.waiting import wait_until
from harness.wire import (BAD_ARGUMENTS, BAD_VERSION, CREATE, CREATE2, DELETE, EPHEMERAL, MARSHALLING,
                          NO_CHILDREN_FOR_EPHEMERALS, NO_NODE, NODE_EXISTS, OK,
                          RUNTIME_INCONSISTENCY, SEQUENTIAL, SET_DATA, Client, ZkError, buf, create_body,
                          i32, ustr)

QUOTA = "/zookeeper/quota"
NO_AUTH, QUOTA_EXCEEDED = -102, -125
ENFORCED = {"java_properties": ["-Dzookeeper.enforceQuota=true"],
            "baton_extra": {"enforce_quota": "yes"}}
TIMES = {"tick_time": 400, "init_limit": 25, "sync_limit": 10}


@pytest.fixture(scope="module")
def cluster(module_lab, ours):
    ensemble = module_lab.ensemble({sid: ours for sid in (1, 2, 3)}, **ENFORCED)
    ensemble.start()
    yield ensemble
    ensemble.stop()


@pytest.fixture
def client(cluster):
    """At the leader, which judges: a ZooKeeper leader may apply later than the follower that answers."""
    with Client(cluster.leader().address) as made:
        yield made


@pytest.fixture
def root(client, request):
    return client.create("/" + "".join(c if c.isalnum() else "-" for c in request.node.name))


def create_deep(client, path, data=b""):
    names = path.split("/")[1:]
    for depth in range(1, len(names)):
        try:
            client.create("/" + "/".join(names[:depth]))
        except ZkError as e:
            assert e.code == NODE_EXISTS
    return client.create(path, data)


def set_quota(client, path, limits):
    """As zkCli does: the limits, then the stats, which the server counts by itself."""
    create_deep(client, QUOTA + path + "/zookeeper_limits", limits)
    client.create(QUOTA + path + "/zookeeper_stats", b"count=0,bytes=0")


def stats(client, path):
    return client.get_data(QUOTA + path + "/zookeeper_stats")[0].decode()


def count_below(client, path):
    names = client.get_children(path)
    return len(names) + sum(count_below(client, path + "/" + name) for name in names)


def set_data_body(path, data, version=-1):
    return ustr(path) + buf(data) + i32(version)


# --- counting ---------------------------------------------------------------------------------

def test_changes_are_counted_where_nobody_sees_it(client, root):
    """No version, no time, no event; the length follows the text."""
    client.create(root + "/a", b"123")
    set_quota(client, root, b"count=-1,bytes=-1")
    assert stats(client, root) == "count=2,bytes=3"
    before = client.get_data(QUOTA + root + "/zookeeper_stats", watch=True)[1]
    client.create(root + "/b", b"4567890123456")
    after = client.get_data(QUOTA + root + "/zookeeper_stats")
    assert after[0] == b"count=3,bytes=16" and after[1] == before._replace(data_length=16)
    client.set_data(root + "/b", b"4")
    client.set_data(root, None)
    client.delete(root + "/a")
    client.multi((CREATE, create_body(root + "/c", b"55")), (DELETE, ustr(root + "/b") + i32(-1)))
    assert stats(client, root) == "count=2,bytes=2"
    client.no_event()


def test_ephemerals_are_counted_until_they_go(cluster, client, root):
    set_quota(client, root, b"count=-1")
    with Client(cluster.followers()[0].address) as other:
        other.create(root + "/e", b"12", flags=EPHEMERAL)
        assert stats(other, root) == "count=2,bytes=2"
        other.close_session()
    client.sync()
    assert stats(client, root) == "count=1,bytes=0"


def test_create2_of_stats_answers_with_what_was_sent(client, root):
    create_deep(client, QUOTA + root + "/zookeeper_limits")
    _, stat = client.create2(QUOTA + root + "/zookeeper_stats", b"x")
    assert stat.data_length == 1 and stats(client, root) == "count=1,bytes=0"


def test_only_the_innermost_quota_counts(client, root):
    client.create(root + "/in")
    set_quota(client, root, b"count=-1")
    set_quota(client, root + "/in", b"count=-1")
    client.create(root + "/in/x", b"123")
    client.create(root + "/out", b"1")
    assert stats(client, root) == "count=3,bytes=1"
    assert stats(client, root + "/in") == "count=2,bytes=3"


def test_deleting_the_limits_ends_it(client, root):
    set_quota(client, root, b"count=-1")
    client.delete(QUOTA + root + "/zookeeper_limits")
    client.create(root + "/a", b"1")
    assert stats(client, root) == "count=1,bytes=0"
    client.create(QUOTA + root + "/zookeeper_limits")
    client.create(root + "/b", b"1")
    assert stats(client, root) == "count=2,bytes=1"


def test_a_text_of_a_client_is_counted_on(client, root):
    set_quota(client, root, b"count=-1")
    path = QUOTA + root + "/zookeeper_stats"
    client.set_data(path, b"z=1;bytes=100=;a=2")
    client.create(root + "/a", b"123")
    assert stats(client, root) == "count=0,bytes=103=;a=2;z=1"
    client.set_data(path, b"")
    client.create(root + "/b", b"1")
    assert stats(client, root) == "count=0,bytes=0"


def test_names_are_taken_as_the_path_trie_takes_them(client, root):
    """Blank names are none: "/R/ /x" is charged to the quota of "/R/x"; and "/zookeeper/quotaX" too is
    below "/zookeeper/quota"."""
    name = root[1:]
    client.create(root + "/x")
    set_quota(client, root + "/x", b"count=-1")
    client.create(root + "/ ")
    client.create(root + "/ /x", b"123")
    assert stats(client, root + "/x") == "count=2,bytes=3"
    client.delete(QUOTA + root + "/x/zookeeper_limits")
    create_deep(client, QUOTA + "-" + name + "/zookeeper_limits", b"")
    create_deep(client, QUOTA + "/-" + name + "/zookeeper_stats", b"")
    client.create("/-" + name, b"12")
    assert stats(client, "/-" + name) == "count=1,bytes=2"
    client.delete(QUOTA + "-" + name + "/zookeeper_limits")


def test_a_limits_node_elsewhere_may_end_a_quota(client, root):
    """Deletion cuts sixteen characters off whatever parent begins with /zookeeper."""
    client.create("/eat")
    set_quota(client, "/eat", b"count=-1")
    create_deep(client, "/zookeeper_is_great/zookeeper_limits")
    client.delete("/zookeeper_is_great/zookeeper_limits")
    client.create("/eat/1")
    assert stats(client, "/eat") == "count=1,bytes=0"


def test_a_quota_of_quotas_counts_them_and_itself(client, root):
    """Of /zookeeper/quota: its nodes are in the tree that it is of, and what it counts changes its own size unseen."""
    whole = QUOTA + QUOTA
    client.create(QUOTA + root, b"12345")
    before = count_below(client, QUOTA) + 1
    create_deep(client, whole + "/zookeeper_stats", b"any text")
    assert stats(client, QUOTA).startswith("count=%d," % (before + 3))     # counted when it is made
    client.create(whole + "/zookeeper_limits", b"count=-1")
    assert stats(client, QUOTA).startswith("count=%d," % (before + 4))     # and from now on with each change
    client.create(QUOTA + root + "/zookeeper_limits", b"count=-1,bytes=-1=;countHardLimit=1")
    size = int(stats(client, QUOTA).partition("bytes=")[2])
    client.set_data(QUOTA + root, b"123")
    assert stats(client, QUOTA) == "count=%d,bytes=%d" % (before + 5, size - 2)
    client.create(root + "/free")       # its stats are missing, and so it has no limit
    client.create(QUOTA + root + "/zookeeper_stats")
    assert stats(client, root) == "count=2,bytes=0"
    assert client.error_of(CREATE, create_body(root + "/x")) == QUOTA_EXCEEDED
    client.set_data(whole + "/zookeeper_limits", b"countHardLimit=%d" % (before + 6))
    assert client.error_of(CREATE, create_body(QUOTA + root + "/x")) == QUOTA_EXCEEDED
    assert client.error_of(DELETE, ustr(QUOTA + root + "/zookeeper_limits") + i32(-1)) == OK
    for path in ("/zookeeper_limits", "/zookeeper_stats", ""):
        client.delete(whole + path)
    client.delete(QUOTA + "/zookeeper")


# --- limits -----------------------------------------------------------------------------------

@pytest.mark.parametrize("limits, allowed", [
    (b"count=2,bytes=-1", 9), (b"countHardLimit=3", 2), (b"count=9;countHardLimit=3", 2),
    (b"bytes=3", 9), (b"bytes=1,count=1=;byteHardLimit=4", 2), (b"countHardLimit=", 0),
    (b"byteHardLimit==7", 9), (b"", 9)],
    ids=["soft-count", "hard-count", "hard-beats-soft", "soft-bytes", "hard-bytes", "no-value", "empty-value",
         "nothing"])
def test_hard_limits_refuse(client, root, limits, allowed):
    """Each node has two bytes, the root none. Limits that cannot be read refuse everything with -5."""
    set_quota(client, root, limits)
    errors = [client.error_of(CREATE, create_body("%s/%d" % (root, n), b"12")) for n in range(9)]
    refusal = MARSHALLING if limits.endswith(b"Limit=") else QUOTA_EXCEEDED
    assert errors == [OK] * allowed + [refusal] * (9 - allowed)
    assert stats(client, root) == "count=%d,bytes=%d" % (allowed + 1, 2 * allowed)
    client.delete(QUOTA + root + "/zookeeper_limits")   # ZooKeeper's mntr says nothing while one can't be read


def test_set_data_is_judged_by_what_it_adds(client, root):
    client.create(root + "/a", b"1" * 8)
    set_quota(client, root, b"byteHardLimit=6")
    for data, err in ((b"1" * 9, QUOTA_EXCEEDED), (b"2" * 8, OK), (b"1" * 7, QUOTA_EXCEEDED), (b"1" * 6, OK)):
        assert client.error_of(SET_DATA, set_data_body(root + "/a", data)) == err
    assert stats(client, root) == "count=2,bytes=6"


def test_every_kind_of_create_is_judged(client, root):
    set_quota(client, root, b"countHardLimit=1")
    for op, flags in ((CREATE, SEQUENTIAL), (CREATE, EPHEMERAL), (CREATE2, 0)):
        assert client.error_of(op, create_body(root + "/x", flags=flags)) == QUOTA_EXCEEDED
    assert client.error_of(CREATE, create_body(root + "x")) == OK


def test_in_a_multi_what_came_before_does_not_count(client, root):
    set_quota(client, root, b"countHardLimit=2")
    results = client.multi(*[(CREATE, create_body("%s/%d" % (root, n))) for n in range(3)])
    assert [err for _, err, _ in results] == [OK] * 3
    assert stats(client, root) == "count=4,bytes=0"
    results = client.multi((CREATE, create_body(root + "-free")), (CREATE, create_body(root + "/x")),
                           (CREATE, create_body(root + "-free-too")))
    assert [err for _, err, _ in results] == [OK, QUOTA_EXCEEDED, RUNTIME_INCONSISTENCY]
    assert client.error_of(DELETE, ustr(root + "-free") + i32(-1)) == NO_NODE


def test_order_of_checks(client, root):
    """5.3: a create's quota comes last, a setData's before the version."""
    client.create(root + "/there")
    client.create(root + "/e", flags=EPHEMERAL)
    client.create(root + "/closed", acl=[(1, "world", "anyone")])
    set_quota(client, root, b"countHardLimit=0,byteHardLimit=0")
    for path, err in (("/none/x", NO_NODE), ("/closed/x", NO_AUTH), ("/there/", BAD_ARGUMENTS),
                      ("/there", NODE_EXISTS), ("/e/x", NO_CHILDREN_FOR_EPHEMERALS), ("/x", QUOTA_EXCEEDED)):
        assert client.error_of(CREATE, create_body(root + path, b"1")) == err, path
    for path, data, err in (("/none", b"1", NO_NODE), ("/closed", b"1", NO_AUTH),
                            ("/there", b"1", QUOTA_EXCEEDED), ("/there", b"", BAD_VERSION)):
        assert client.error_of(SET_DATA, set_data_body(root + path, data, 7)) == err, path


def test_mntr_adds_up_by_first_name(cluster, client, root):
    name = root[1:]
    for n, limits in enumerate((b"count=3,bytes=-1=;countHardLimit=2", b"count=5,bytes=7")):
        client.create("%s/%d" % (root, n), b"12")
        set_quota(client, "%s/%d" % (root, n), limits)
    assert client.error_of(CREATE, create_body(root + "/0/a")) == OK
    assert client.error_of(CREATE, create_body(root + "/0/b")) == QUOTA_EXCEEDED
    client.sync()
    found = {k: v for k, v in cluster.leader().monitor().items() if k.startswith(name + "_")}
    assert found == {name + "_quota_%s_per_namespace" % key: value for key, value in (
        ("count_limit", "7"), ("bytes_limit", "6"), ("count_usage", "3"), ("bytes_usage", "4"),
        ("exceeded_error", "1"))}


@pytest.mark.parametrize("path", [QUOTA + "/zookeeper_limits", QUOTA + "/ /zookeeper_limits",
                                  "/zookeeper/zookeeper_limits"])
def test_limits_nodes_that_end_zookeeper_are_refused(only_baton, client, path):
    """IllegalArgumentException, NullPointerException and StringIndexOutOfBoundsException where they
    are applied, or where they are deleted, and at each start after that."""
    with pytest.raises(ZkError) as refused:
        create_deep(client, path)
    assert refused.value.code == BAD_ARGUMENTS


def test_stats_texts_that_end_zookeeper_are_refused(only_baton, client, root):
    set_quota(client, root, b"count=-1")
    for text in (b"count", b"count=x", b"=", None, b"count=1" + b";" * 5000):
        assert client.error_of(SET_DATA, set_data_body(QUOTA + root + "/zookeeper_stats", text)) == BAD_ARGUMENTS
    client.create(root + "/a")
    assert stats(client, root) == "count=2,bytes=0"


# --- the reserved tree ------------------------------------------------------------------------

def test_reserved_nodes_are_there_for_good(cluster, client):
    assert sorted(client.get_children("/zookeeper")) == ["config", "quota"] + [
        name for name in sorted(client.get_children("/zookeeper")) if name not in ("config", "quota")]
    for path in ("/", "/zookeeper", "/zookeeper/config", QUOTA):
        assert client.error_of(DELETE, ustr(path) + i32(-1)) == BAD_ARGUMENTS
    assert client.get_acl("/zookeeper/config")[0] == [(1, "world", "anyone")]
    assert client.error_of(SET_DATA, set_data_body("/zookeeper/config", b"x")) == NO_AUTH
    assert client.error_of(CREATE, create_body("/zookeeper/config/x")) == NO_AUTH
    for path in ("/zookeeper", QUOTA):
        assert client.error_of(SET_DATA, set_data_body(path, b"x")) == OK
        client.create(path + "/mine")
        client.delete(path + "/mine")


# --- several servers --------------------------------------------------------------------------

def test_all_members_have_the_same_stats_before_and_after_a_start(lab, ours):
    ensemble = lab.ensemble({sid: ours for sid in (1, 2, 3)}, snap_count=30)
    ensemble.start()
    with Client(ensemble[1].address) as client:
        client.create("/q", b"x")
        set_quota(client, "/q", b"countHardLimit=1")
        for n in range(80):             # not enforced
            client.create("/q/%d" % n, b"%d" % n)
        for n in range(0, 80, 3):
            client.delete("/q/%d" % n)
        want = stats(client, "/q")
        client.close_session()
    assert want == "count=54,bytes=%d" % (1 + sum(len(str(n)) for n in range(80) if n % 3))
    before = assert_equal_trees(ensemble)
    ensemble.stop()
    ensemble.start()
    wait_until(lambda: all(server.mode() for server in ensemble), 20, "all serve")
    after = assert_equal_trees(ensemble)
    assert {p: n.data for p, n in before.items() if p.startswith(QUOTA)} == {
        p: n.data for p, n in after.items() if p.startswith(QUOTA)}


def test_a_java_member_and_ours_enforce_each_other_s_quotas(lab, ours):
    """The leader refuses; whoever leads, the quota was made through the other kind. 3.9 alone: 3.8 has the same code."""
    theirs = need(ZOOKEEPER_39)
    ensemble = lab.ensemble({1: ours, 2: theirs, 3: ours}, snap_count=40, **TIMES, **ENFORCED)
    ensemble.start(1, 2)
    assert ensemble[2].mode() == "leader"
    with Client(ensemble[1].address) as client:
        client.create("/a")
        set_quota(client, "/a", b"count=-1,bytes=-1=;countHardLimit=4")
        for n in range(3):
            client.create("/a/%d" % n, b"12")
        assert_equal_trees([ensemble[1], ensemble[2]])      # so the leader has applied it, too
        assert client.error_of(CREATE, create_body("/a/x")) == QUOTA_EXCEEDED
        client.close_session()
    assert_equal_trees([ensemble[1], ensemble[2]])
    ensemble.stop()
    ensemble.start(1, 3)
    assert ensemble.wait_leader().kind == ours
    ensemble.start(2)
    with Client(ensemble[2].address) as client:
        assert client.error_of(CREATE, create_body("/a/x")) == QUOTA_EXCEEDED
        client.create("/b", b"12")
        set_quota(client, "/b", b"byteHardLimit=8")
        for n in range(3):
            client.create("/b/%d" % n, b"12")
        assert_equal_trees(ensemble)
        assert client.error_of(CREATE, create_body("/b/x", b"1")) == QUOTA_EXCEEDED
        client.delete("/a/0")
        assert client.error_of(CREATE, create_body("/a/x")) == OK
        client.close_session()
    tree = assert_equal_trees(ensemble)
    assert tree[QUOTA + "/a/zookeeper_stats"].data == b"count=4,bytes=4"
    assert tree[QUOTA + "/b/zookeeper_stats"].data == b"count=4,bytes=8"


def test_each_reads_the_other_s_snapshots_with_quotas(lab, ours):
    """Data directories that change hands, with snapshots in the midst of the counting."""
    theirs = need(ZOOKEEPER_39)
    ensemble = lab.ensemble({1: ours}, snap_count=25)
    server, want = ensemble[1], None
    for turn, kind in enumerate((ours, theirs, ours)):
        server.kind = kind
        server.start()
        server.wait_serving()
        with Client(server.address) as client:
            if want is None:
                client.create("/q")
                set_quota(client, "/q", b"count=5")
            else:
                assert stats(client, "/q") == want
            for n in range(60):
                client.create("/q/%d-%d" % (turn, n), b"x" * n)
            for n in range(0, 60, 2):
                client.delete("/q/%d-%d" % (turn, n))
            want = stats(client, "/q")
            client.close_session()
        assert want == "count=%d,bytes=%d" % (30 * (turn + 1) + 1, 900 * (turn + 1))
        tree = read_tree(server)
        assert len([p for p in tree if p.startswith("/q/")]) == 30 * (turn + 1)
        wait_until(server.snapshot_files, 10, "a snapshot")
        server.stop()
