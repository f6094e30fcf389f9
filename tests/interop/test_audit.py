"""The audit log: ours beside ZooKeeper's own.

One conversation, and what each kind of server writes of it. The values have ZooKeeper's names; where ours says more
or less it is written down here.
"""
import re

from harness import wire
from harness.servers import BATON
from harness.waiting import wait_until
from harness.wire import (CREATE, DELETE, OK, OPEN_ACL, READ, SET_ACL, SET_DATA, Client, acls, auth_body, buf,
                          create_body, i32, ustr)

SETTINGS = {"java_properties": ["-Dzookeeper.audit.enable=true"], "baton_extra": {"audit": "yes"}}
ANY_VERSION = i32(-1)


def entries(server):
    """The audit log as dicts, in order; server starts and ends left out."""
    found = []
    for line in server.log_text().splitlines():
        ours = re.search(r"baton-engine: (?:warning: )?audit: (.*)", line)
        theirs = re.search(r"Slf4jAuditLogger - (.*)", line)
        if ours or theirs:
            found.append(dict(pair.split("=", 1) for pair in (ours.group(1).split(" ") if ours else
                                                             theirs.group(1).split("\t"))))
    return found


def of_clients(server):
    return [e for e in entries(server) if not e["operation"].startswith("server")]


def talk(address):
    """Returns the session's id, closed."""
    with Client(address) as client:
        client.authenticate("digest", b"bob:x")
        client.create("/a", b"1")
        client.create("/q", b"", wire.EPHEMERAL)
        client.create("/s-", b"", wire.SEQUENTIAL)
        client.set_data("/a", b"2")
        client.set_acl("/a", [*OPEN_ACL, (READ, "digest", "u:h4sh=")])
        for op, body in ((CREATE, create_body("/a")), (DELETE, ustr("/nope") + ANY_VERSION),
                         (SET_DATA, ustr("/a") + buf(b"") + i32(9)),
                         (SET_ACL, ustr("/a") + acls([(READ, "foo", "x")]) + ANY_VERSION)):
            assert client.error_of(op, body) != OK
        client.multi((CREATE, create_body("/m")), (SET_DATA, ustr("/m") + buf(b"") + ANY_VERSION),
                     (DELETE, ustr("/m") + ANY_VERSION))
        client.multi((CREATE, create_body("/m")), (SET_DATA, ustr("/m") + buf(b"") + i32(5)))
        client.get_data("/a")
        client.close_session()
        return client.session.id


EXPECTED = [
    ("create", "/a", "persistent", None, "success"),
    ("create", "/q", "ephemeral", None, "success"),
    ("create", "/s-0000000002", "persistent_sequential", None, "success"),
    ("setData", "/a", None, None, "success"),
    ("setAcl", "/a", None, "world:anyone:cdrwa,digest:u:r", "success"),
    ("create", "/a", "persistent", None, "failure"),
    ("delete", "/nope", None, None, "failure"),
    ("setData", "/a", None, None, "failure"),
    ("setAcl", "/a", None, "foo:x:r", "failure"),
    ("create", "/m", "persistent", None, "success"),
    ("setData", "/m", None, None, "success"),
    ("delete", "/m", None, None, "success"),
    ("multiOperation", "/m", None, None, "failure"),
    ("ephemeralZNodeDeletionOnSessionCloseOrExpire", "/q", None, None, "success"),
]


def test_what_is_written_of_one_conversation(lab, ours):
    server = lab.ensemble({1: ours}, **SETTINGS).start()[1]
    session = "0x%x" % talk(server.address)
    if ours == BATON:
        wanted = [("auth", None, None, None, "success")] + EXPECTED
    else:                               # neither commas, nor what of a multi failed, but the hashes
        wanted = [(op, None if op.startswith("multi") else znode, kind,
                   acl and acl.replace(",", "").replace("u:", "u:h4sh=:"), result)
                  for op, znode, kind, acl, result in EXPECTED]
    found = wait_until(lambda: (lambda e: e if len(e) >= len(wanted) else None)(of_clients(server)), 10, "the entries")
    assert [(e["operation"], e.get("znode"), e.get("znode_type"), e.get("acl"), e["result"]) for e in found] == wanted
    for e in found:
        assert e["session"] == session
        if "Session" not in e["operation"]:
            assert (set(e["user"].split(",")), e["ip"]) == ({"bob", "127.0.0.1"}, "127.0.0.1")
    server.stop()
    assert [e["operation"] for e in entries(server) if e not in found] == ["serverStart", "serverStop"]


def test_only_the_clients_server_writes_it_and_the_leader_what_a_session_leaves(only_baton, lab, ours):
    ensemble = lab.ensemble({1: ours, 2: ours, 3: ours}, **SETTINGS).start()
    leader, follower = ensemble.wait_leader(), ensemble.followers()[0]
    talk(follower.address)
    wait_until(lambda: of_clients(leader), 10, "the leader tells of the ephemeral")
    assert [e["operation"] for e in of_clients(leader)] == ["ephemeralZNodeDeletionOnSessionCloseOrExpire"]
    assert [(e["operation"], e.get("znode")) for e in of_clients(follower)] == [
        ("auth", None), *[(op, znode) for op, znode, *_ in EXPECTED[:-1]]]
    assert [e["operation"] for server in ensemble if server not in (leader, follower) for e in of_clients(server)] == []


def test_equal_entries_are_all_written_and_foreign_text_is_one_value(only_baton, lab, ours):
    server = lab.ensemble({1: ours}, **SETTINGS).start()[1]
    with Client(server.address) as client:
        for _ in range(50):
            client.error_of(CREATE, create_body("/x operation=delete\nbaton-engine: audit: operation=\u00e9"))
        client.request(wire.AUTH, auth_body("no pe", b"x"))
        client.expect_close()
    wait_until(lambda: len(of_clients(server)) >= 51, 10, "51 entries")
    found = of_clients(server)
    assert [e["znode"] for e in found[:50]] == [
        r"/x\x20operation=delete\x0abaton-engine:\x20audit:\x20operation=\xc3\xa9"] * 50
    assert (found[50]["scheme"], found[50]["error"]) == (r"no\x20pe", "-115")
    assert len(found) == 51


def test_nothing_is_written_unless_asked_for(only_baton, lab, ours):
    server = lab.ensemble({1: ours}).start()[1]
    talk(server.address)
    server.stop()
    assert entries(server) == []
