"""Ensembles of baton and Apache ZooKeeper together.

Who leads, who learns and how a learner is synchronised are forced, not hoped for, and read from the
logs of both sides. At the end all data trees are compared node by node, each read from its server.
"""
import pytest

from harness import wire
from harness.tree import assert_equal_trees
from harness.txnlog import last_logged
from harness.waiting import wait_until
from harness.writer import SteadyWriter, Write, final_data, mixed_writes

# Java needs longer than a tick of 200 ms lets it on two busy cores.
TIMES = {"tick_time": 400, "init_limit": 25, "sync_limit": 10}
# More transactions than a leader keeps for DIFF: ZooKeeper 500 (quorum protocol 3.4), baton 5000.
MORE_THAN_KEPT = {"zookeeper": 1200, "baton": 6000}
OLD_EPOCH_TIMEOUT_MS = 40000            # keeps expiries out of a fresh epoch


def write_some(server, root, count, create_root=True, timeout_ms=10000):
    """`count` creates below `root`, through `server`, in a session that is closed again."""
    client = wire.Client(server.address, timeout_ms=timeout_ms, timeout=30.0)
    if create_root:
        client.create(root)
    client.carry_out((wire.CREATE, wire.create_body("%s/%05d" % (root, n), b"%d" % n)) for n in range(count))
    client.close_session()


def exercise(server, name):
    """One of everything through `server`: what a follower forwards and an observer too."""
    root = "/" + name
    with wire.Client(server.address) as client, wire.Client(server.address) as guest:
        client.create(root, b"r")
        stat = client.set_data(root, b"rr", 0)
        assert client.get_data(root) == (b"rr", stat)
        assert client.create(root + "/s-", b"", wire.SEQUENTIAL) == root + "/s-0000000000"
        assert client.error_of(wire.CREATE, wire.create_body(root)) == wire.NODE_EXISTS
        results = client.multi((wire.CREATE, wire.create_body(root + "/m", b"1")),
                               (wire.SET_DATA, wire.ustr(root + "/m") + wire.buf(b"2") + wire.i32(0)),
                               (wire.CHECK, wire.ustr(root + "/m") + wire.i32(1)))
        assert [err for _, err, _ in results] == [0, 0, 0]
        failed = client.multi((wire.CREATE, wire.create_body(root + "/never")),
                              (wire.DELETE, wire.ustr(root + "/nope") + wire.i32(-1)))
        assert [err for _, err, _ in failed] == [0, wire.NO_NODE]
        guest.exists(root + "/e", watch=True)
        client.create(root + "/e", flags=wire.EPHEMERAL)
        assert guest.next_event().type == wire.NODE_CREATED
        assert guest.exists(root + "/e", watch=True).ephemeral_owner == client.session.id
        client.delete(root + "/m")
        assert client.sync(root) == root
        client.close_session()
        assert guest.next_event().type == wire.NODE_DELETED
        guest.close_session()


def resume(server, session, last_zxid):
    """A client that moves to `server`, which refuses it for as long as it is behind what the client
    has seen (client protocol 2.4): every client tries again then."""
    def attempt():
        try:
            return wire.Client(server.address, session=session, last_zxid=last_zxid)
        except wire.Disconnected:
            return None
    return wait_until(attempt, 10, "%r has caught up with 0x%x" % (server, last_zxid))


def exercise_all(ensemble, name):
    """`exercise` through every server; then a session that visits all of them; then equal trees."""
    for server in ensemble:
        exercise(server, "%s-%d" % (name, server.sid))
    session, last_zxid, path = wire.Session(0, bytes(16)), 0, "/%s-visits" % name
    for server in ensemble:
        with resume(server, session, last_zxid) as client:
            if session.id:
                assert client.session == session
            else:
                client.create(path, flags=wire.EPHEMERAL)
            client.sync()
            client.set_data(path, b"at %d" % server.sid)
            session, last_zxid = client.session, client.last_zxid
    assert_equal_trees(ensemble)
    for server in ensemble:
        with wire.Client(server.address, timeout_ms=400) as dying:
            dying.create("%s-expires-%d" % (path, server.sid), flags=wire.EPHEMERAL)
            dying.expect_close()        # the leader expires it, whoever it is connected to
    wait_until(lambda: not [p for p in assert_equal_trees(ensemble) if "-expires-" in p], 10,
               "the ephemerals of the expired sessions are gone")


# --- who leads, who follows -------------------------------------------------------------------

def test_java_leader_with_our_follower_and_observer(lab, ours, theirs):
    ensemble = lab.ensemble({1: ours, 2: theirs, 3: theirs, 4: ours}, observers={4}, **TIMES)
    ensemble.start(2, 3)
    ensemble.start(1, 4)
    assert [ensemble[sid].mode() for sid in (1, 2, 3, 4)] == [
        "follower", "follower", "leader", "observer"]
    exercise_all(ensemble, "java-leads")
    ensemble[2].kill()                  # now each commit needs our follower's ack
    exercise(ensemble[1], "two-left")
    exercise(ensemble[4], "two-left-observed")
    ensemble.start(2)
    assert_equal_trees(ensemble)


def test_our_leader_with_java_followers_and_observer(lab, ours, theirs):
    ensemble = lab.ensemble({1: theirs, 2: theirs, 3: ours, 4: theirs}, observers={4}, **TIMES)
    ensemble.start(1, 3)
    ensemble.start(2, 4)
    assert [ensemble[sid].mode() for sid in (1, 2, 3, 4)] == [
        "follower", "follower", "leader", "observer"]
    exercise_all(ensemble, "we-lead")
    ensemble[2].kill()                  # now each commit needs Java's ack
    exercise(ensemble[1], "two-left")
    exercise(ensemble[4], "two-left-observed")
    ensemble.start(2)
    assert_equal_trees(ensemble)


# --- how a learner is synchronised --------------------------------------------------------------

def make_pair(lab, leads, learns, observers=(), **more):
    """Servers 2 and 3 of the kind that shall lead, 1 of the kind that shall learn."""
    ensemble = lab.ensemble({1: learns, 2: leads, 3: leads}, observers=observers, **TIMES, **more)
    ensemble.start(2, 3)
    return ensemble, ensemble[1], ensemble.wait_leader()


def wait_logged(learner, leader):
    """A write is acknowledged before every server has it; one that is stopped without any would
    truthfully report zxid 0, and get a SNAP."""
    zxid = last_logged(leader)
    wait_until(lambda: last_logged(learner) >= zxid, 10, "%r has logged 0x%x" % (learner, zxid))


def start_and_see_sync(learner, leader):
    """Starts `learner`; returns the ways of syncing that its log and its leader's log name."""
    marks = learner.log_mark(), leader.log_mark()
    learner.start()
    learner.wait_serving()
    return set(learner.sync_ways(marks[0])), set(leader.sync_ways(marks[1]))


@pytest.fixture(params=["java-leads", "we-lead"])
def roles(request, ours, theirs):
    """(kind of the leader, kind of the learner), both directions."""
    return (theirs, ours) if request.param == "java-leads" else (ours, theirs)


@pytest.mark.parametrize("observing", [False, True], ids=["follower", "observer"])
def test_short_absence_is_made_up_by_diff(lab, roles, observing):
    ensemble, learner, leader = make_pair(lab, *roles, observers={1} if observing else ())
    ensemble.start(1)
    write_some(leader, "/before", 20)
    wait_logged(learner, leader)
    learner.stop()
    write_some(leader, "/meanwhile", 100)
    assert start_and_see_sync(learner, leader) == ({"DIFF"}, {"DIFF"})
    write_some(learner, "/after", 20)
    assert_equal_trees(ensemble)


def test_long_absence_is_made_up_by_snap(lab, roles):
    """Longer than the leader's memory, and over several log files: ZooKeeper sends a DIFF from disk
    only where the logs are smaller than a third of the snapshot (3.4 rule 5)."""
    ensemble, learner, leader = make_pair(lab, *roles, snap_count=200)
    ensemble.start(1)
    write_some(leader, "/before", 20)
    wait_logged(learner, leader)
    learner.stop()
    write_some(leader, "/meanwhile", MORE_THAN_KEPT[leader.kind.partition("-")[0]])
    assert start_and_see_sync(learner, leader) == ({"SNAP"}, {"SNAP"})
    write_some(learner, "/after", 20)
    assert_equal_trees(ensemble)
    wait_logged(learner, leader)
    # What it got that way is on its disk: it comes back with it, and needs no more than a DIFF.
    learner.kill()
    assert start_and_see_sync(learner, leader) == ({"DIFF"}, {"DIFF"})
    assert_equal_trees(ensemble)


def test_newcomer_without_data_gets_everything(lab, roles):
    ensemble, learner, leader = make_pair(lab, *roles)
    write_some(leader, "/before", 600)
    assert start_and_see_sync(learner, leader) == ({"SNAP"}, {"SNAP"})
    assert_equal_trees(ensemble)


def leave_a_tail(ensemble, doomed, others):
    """Makes `doomed`, the leader, log writes that no other server ever sees, and kills it.

    Its followers are stopped while it proposes, and killed before they can read what waits in
    their sockets. Returns the zxid of the last write that all had in common."""
    client = wire.Client(doomed.address, timeout_ms=OLD_EPOCH_TIMEOUT_MS)
    client.create("/common")
    for server in others:
        wait_until(lambda s=server: last_logged(s) >= client.last_zxid, 10, "%r logged it" % server)
    common = last_logged(doomed)
    for server in others:
        server.pause()
    for n in range(5):
        client.submit(wire.CREATE, wire.create_body("/lost-%d" % n))
    wait_until(lambda: last_logged(doomed) >= common + 5, 5, "%r logs what it proposes" % doomed)
    doomed.kill()
    for server in others:
        server.kill()
    client.close()
    return common


@pytest.mark.parametrize("later_writes", [False, True], ids=["nothing-since", "new-epoch-has-writes"])
def test_tail_that_was_never_committed_is_cut(lab, roles, later_writes):
    """TRUNC (3.4 rule 3). With writes in the new epoch ZooKeeper prefers SNAP (rule 4c): a leader
    of ours may do either, but the tail must be gone from memory and from disk."""
    leads, learns = roles
    ensemble = lab.ensemble({1: leads, 2: leads, 3: learns}, **TIMES)
    ensemble.start(3, 1)
    ensemble.start(2)
    doomed, others = ensemble[3], [ensemble[1], ensemble[2]]
    assert doomed.mode() == "leader"
    common = leave_a_tail(ensemble, doomed, others)

    ensemble.start(1, 2)
    leader = ensemble.wait_leader()
    if later_writes:
        write_some(leader, "/later", 30)
    assert last_logged(doomed) == common + 5
    told = start_and_see_sync(doomed, leader)
    if later_writes:
        assert told[0] == told[1] and told[0] in ({"SNAP"}, {"TRUNC"}, {"TRUNC", "DIFF"}), told
    else:
        assert told == ({"TRUNC"}, {"TRUNC"})
    write_some(doomed, "/after", 10)
    tree = assert_equal_trees(ensemble)
    assert "/common" in tree and not [path for path in tree if path.startswith("/lost-")]

    # The tail must not come back from a log or a snapshot either (ZOOKEEPER-1549).
    doomed.kill()
    doomed.start()
    doomed.wait_serving()
    assert_equal_trees(ensemble)


def test_epochs_go_on_when_leadership_changes_kind(lab, ours, theirs):
    """Leaders of both kinds in turn; each epoch is one above the last, each log is the other's."""
    ensemble = lab.ensemble({1: ours, 2: theirs, 3: ours}, **TIMES)
    ensemble.start()
    last_epoch, kinds = 0, set()
    for turn in range(4):
        leader = ensemble.wait_leader()
        kinds.add(leader.kind)
        with wire.Client(leader.address) as client:
            stat = client.create2("/turn-%d" % turn)[1]
            assert stat.czxid >> 32 > last_epoch
            last_epoch = stat.czxid >> 32
            client.close_session()
        leader.kill()
        # The one killed comes back last and so does not lead the next time.
        ensemble.wait_leader(other_than=leader)
        leader.start()
        leader.wait_serving()
    assert len(kinds) == (2 if ours != theirs else 1)
    tree = assert_equal_trees(ensemble)
    assert {"/turn-%d" % turn for turn in range(4)} <= set(tree)


# --- under load -------------------------------------------------------------------------------

WRITES = 10000
ROLLS = 2                               # times every member is restarted


def test_ten_thousand_writes_under_rolling_restarts(lab, ours, theirs):
    """One client writes all the time; every member is restarted in turn, cleanly in the first
    round and by SIGKILL in the second. No acknowledged write is missing, all trees are equal."""
    ensemble = lab.ensemble({1: theirs, 2: ours, 3: ours}, **TIMES)
    ensemble.start()
    writes = [Write("create", "/w", b"")] + mixed_writes("/w", WRITES // 2, WRITES // 2)
    restarts = ROLLS * len(ensemble)
    share = len(writes) // (restarts + 1)
    writer = SteadyWriter(ensemble.addresses(), writes, limit=share)
    writer.start()
    for n in range(restarts):
        writer.allow((n + 2) * share)
        writer.wait_acked(n * share + share // 2, 120)
        server = ensemble[n % len(ensemble) + 1]
        if n < len(ensemble):
            server.stop()
        else:
            server.kill()
        writer.wait_acked(len(writer.acked) + 100, 60)      # two are enough to go on
        server.start()
        server.wait_serving()
    writer.finish(180)
    assert writer.reconnects >= 2 and len(set(writer.sessions)) == 1
    tree = assert_equal_trees(ensemble)
    expected = final_data(writes)
    assert {path: tree[path].data for path in tree if path.startswith("/w")} == expected
