"""Nothing that a client sends may leave a transaction which some server can't replay or ship: what is largest,
proposed by a baton leader, goes to ZooKeeper servers of both versions as it is proposed, as a DIFF, and from their
own logs after a restart.

Sources: the client protocol, 1 (limits); the quorum protocol, 3; the storage format, 2 and 3.
"""
from conftest import need
from harness.servers import ZOOKEEPER_38, ZOOKEEPER_39
from harness.txnlog import read_log
from harness.wire import (CLOSE_SESSION, CREATE, CREATE_CONTAINER, CREATE_TTL, DELETE, EPHEMERAL, GET_CHILDREN,
                          MAX_BUFFER, MULTI, OK, SEQUENTIAL, Client, Reader, boolean, create_body, i32, i64,
                          multi_body, multi_results, ustr)

SETTINGS = {"tick_time": 400, "init_limit": 25, "sync_limit": 20, "max_session_timeout": 60000,
            "java_properties": ["-Dzookeeper.extendedTypesEnabled=true"], "baton_extra": {"extended_types": "yes"}}
PER_MULTI = 1000
# Ephemerals of one session, and children of one znode: more than one transaction, or one answer, may list.
MANY, VERY_MANY = 11_000, 100_000
HEADER = 8                              # of a request


def submit_multis(client, ops):
    """All of them, some at a time on their way."""
    ops, under_way = list(ops), 0
    for at in range(0, len(ops), PER_MULTI):
        client.submit(MULTI, multi_body(*ops[at:at + PER_MULTI]))
        under_way += 1
        if under_way == 4:
            expect_ok(client)
            under_way -= 1
    for _ in range(under_way):
        expect_ok(client)


def expect_ok(client):
    reply = client.read_reply()
    assert reply.err == OK and all(err == OK for _, err, _ in multi_results(reply.body))


def close_with_many_ephemerals(server, count):
    """The list of their paths is more than a transaction may hold."""
    with Client(server.address, timeout_ms=60000, timeout=60.0) as client:
        client.create("/e")
        name = "/e/" + "x" * 100
        submit_multis(client, ((CREATE, create_body("%s%06d" % (name, n), flags=EPHEMERAL))
                               for n in range(count)))
        client.close_session()


def many_children(server, count):
    with Client(server.address, timeout_ms=60000, timeout=60.0) as client:
        client.create("/c")
        submit_multis(client, ((CREATE, create_body("/c/%06d" % n)) for n in range(count)))
        reply = client.call(GET_CHILDREN, ustr("/c") + boolean(False))
        assert len(Reader(reply.body).strings()) == count
        submit_multis(client, ((DELETE, ustr("/c/%06d" % n) + i32(-1)) for n in range(count - 10)))
        client.close_session()


def largest_requests(server):
    """Each frame as long as a frame may be; what is made of it is longer."""
    with Client(server.address, timeout_ms=60000, timeout=60.0) as client:
        client.create("/m")
        # One znode, one path, one set.
        body = len(create_body("/m/data", b""))
        assert client.error_of(CREATE, create_body("/m/data", b"d" * (MAX_BUFFER - HEADER - body))) == OK
        body = len(create_body("/m/", b""))
        assert client.error_of(CREATE, create_body("/m/" + "p" * (MAX_BUFFER - HEADER - body),
                                                   flags=SEQUENTIAL)) == OK
        # As many operations as there is room for, each of which grows by its number.
        op = (CREATE, create_body("/m/", flags=SEQUENTIAL))
        one, frame = len(multi_body(op)) - len(multi_body()), HEADER + len(multi_body())
        reply = client.request(MULTI, multi_body(*[op] * ((MAX_BUFFER - frame) // one)))
        assert reply.err == OK and len(multi_results(reply.body)) > 15000
        # Of every kind, the last one as large as there is room for.
        ops = [(CREATE_CONTAINER, create_body("/m/box", flags=4)),
               (CREATE_TTL, create_body("/m/ttl", flags=5) + i64(10**9)),
               (CREATE, create_body("/m/box/e", flags=EPHEMERAL))]
        last = (CREATE_TTL, create_body("/m/box/t", b"", 5) + i64(10**9))
        room = MAX_BUFFER - HEADER - len(multi_body(*ops, last))
        ops.append((CREATE_TTL, create_body("/m/box/t", b"t" * room, 5) + i64(10**9)))
        assert len(multi_body(*ops)) == MAX_BUFFER - HEADER
        assert all(err == OK for _, err, _ in client.multi(*ops))
        client.close_session()


def assert_healthy(ensemble):
    for server in ensemble.running():
        with Client(server.address, timeout_ms=30000) as client:
            client.sync()
            client.close_session()
        assert server.monitor()["digest_mismatches_count"] == "0", server


def test_largest_transactions_reach_everybody_and_are_replayed(lab, ours, full):
    count = VERY_MANY if full else MANY
    ensemble = lab.ensemble({1: need(ZOOKEEPER_38), 2: need(ZOOKEEPER_39), 3: ours}, **SETTINGS)
    ensemble.start(1, 3)
    ensemble.start(2)
    leader = ensemble[3]
    assert leader.mode() == "leader"
    with Client(ensemble[1].address) as client:
        client.create("/before")        # without any, it would be sent a snapshot
        client.close_session()
    ensemble[1].stop()
    close_with_many_ephemerals(leader, count)
    many_children(leader, count)
    largest_requests(leader)
    mark = ensemble[1].log_mark()
    ensemble.start(1)
    # What very many make of it is more than a leader keeps for a DIFF.
    assert ensemble[1].sync_ways(mark) == ["SNAP" if full else "DIFF"]
    assert_healthy(ensemble)
    sizes = [len(r.payload) for path in leader.log_files() for r in read_log(path) if r.type == CLOSE_SESSION]
    assert max(sizes) > MAX_BUFFER * 9 // 10
    ensemble.restart(2)                 # from its own log
    assert_healthy(ensemble)
