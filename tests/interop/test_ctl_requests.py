"""batonctl: ACLs, identities, kinds of znodes, and whole subtrees, against one server."""
import pytest

from conftest import need
from harness import ctl as ctl_harness
from harness import servers

ALL = "cdrwa"


@pytest.fixture(scope="module", params=[servers.BATON, servers.ZOOKEEPER_39])
def server(request, module_lab):
    ensemble = module_lab.ensemble({1: need(request.param)}, **ctl_harness.SETTINGS).start()
    yield ensemble[1]
    ensemble.stop()


def test_an_acl_is_read_as_it_is_written(ctl):
    ctl("create", "/a", "v", "world:anyone:r,digest:u:smGaoVKd/cQkjm7b88GyorAUz20=:cdrwa,ip:10.0.0.0/8:rw")
    assert ctl("getacl", "/a") == "world:anyone:r,digest:u:x:cdrwa,ip:10.0.0.0/8:rw\n"      # masked: we are not admin
    assert ctl.json("getacl", "/a")["acl"][2] == {"scheme": "ip", "id": "10.0.0.0/8", "perms": "rw"}
    assert "not allowed" in ctl("set", "/a", "w", status=1)
    assert "not allowed" in ctl("setacl", "/a", "world:anyone:cdrwa", status=1)


def test_an_identity_opens_what_its_acl_grants(ctl):
    me = ctl.having("--auth", "digest:user:pass")
    me("create", "/a", "v", "auth::" + ALL)
    assert me("getacl", "/a") == "digest:user:smGaoVKd/cQkjm7b88GyorAUz20=:cdrwa\n"
    assert me("get", "/a") == "v"
    assert "not allowed" in ctl("get", "/a", status=1)
    assert "not allowed" in ctl.having("--auth", "digest:user:wrong")("get", "/a", status=1)
    me("setacl", "-v", "0", "/a", "world:anyone:r")
    assert "not allowed" in me("setacl", "-v", "0", "/a", "world:anyone:r", status=1)
    assert ctl("get", "/a") == "v"
    boss = ctl.having("--auth", ctl_harness.SUPER)
    assert "another version" in boss("setacl", "-v", "0", "/a", "world:anyone:" + ALL, status=1)
    assert boss.json("setacl", "/a", "world:anyone:" + ALL)["aversion"] == 2


def test_identities_may_stand_in_a_file(ctl, tmp_path):
    (tmp_path / "auth").write_text("# mine\ndigest:one:1\n\ndigest:two:2\n")
    who = ctl.having("--auth-file", str(tmp_path / "auth"))("whoami")
    assert sorted(who.split()) == ["digest:one", "digest:two", "ip:127.0.0.1"]
    assert "SCHEME:DATA" in ctl.having("--auth", "nonsense")("ls", "/", status=2)
    assert "No such file" in ctl.having("--auth-file", "/nonexistent")("ls", "/", status=2)


def test_an_identity_that_is_refused_is_said(ctl):
    assert "scheme 'nonsense'" in ctl.having("--auth", "nonsense:x")("ls", "/", status=1)
    assert "--auth" in ctl("addauth", "digest", "u:p", status=2)


def test_an_acl_that_is_none_is_said_before_anything_is_asked(ctl):
    for acl in ("", "world", "world:anyone", "world:anyone:", "world:anyone:x", ":id:r", "world:anyone:r,"):
        assert "batonctl setacl: '" in ctl("setacl", "/", acl, status=2)
    assert "does not accept that ACL" in ctl("create", "/a", "", "nonsense:id:r", status=1)


def test_an_acl_is_set_all_the_way_down(ctl):
    me = ctl.having("--auth", "digest:user:pass")
    me("create", "-p", "/a/b/c")
    me("create", "/a/d")
    assert me("setacl", "-R", "/a", "auth::" + ALL) == "4 znodes\n"
    assert "not allowed" in ctl("get", "/a/b/c", status=1)
    assert "not allowed" in ctl("ls", "-R", "/a", status=1)
    boss = ctl.having("--auth", ctl_harness.SUPER)
    boss("setacl", "/a", "world:anyone:r")
    boss("setacl", "/a/d", "world:anyone:" + ALL)
    boss("setacl", "/a/b", "world:anyone:r")
    boss("setacl", "/a/b/c", "world:anyone:r")
    said = ctl("setacl", "-R", "/a", "world:anyone:r", status=1)
    assert "/a/b/c: not allowed" in said and "1 of 4 znodes have the new ACL" in said


def test_znodes_of_every_kind_are_made(ctl):
    assert ctl("create", "-c", "/box") == "/box\n"
    assert ctl("create", "-t", "60000", "/ttl", "v") == "/ttl\n"
    assert ctl("create", "-s", "-t", "60000", "/ttl/n-", "v") == "/ttl/n-0000000000\n"
    assert ctl.json("stat", "/box")["stat"]["ephemeral_owner"] == 0
    assert "data_length 1\n" in ctl("stat", "/ttl")
    assert "no such znode" in ctl("stat", "/none", status=1)
    assert "container" in ctl("create", "-c", "-e", "/x", status=2)
    assert "-t wants a number" in ctl("create", "-t", "0", "/x", status=2)


def test_counts(ctl):
    ctl("create", "-p", "/a/b/c")
    assert ctl("count", "/a") == "2\n"
    assert ctl.json("getAllChildrenNumber", "/a") == {"path": "/a", "below": 2}
    assert ctl("getEphemerals") == ""
    assert ctl("sync", "/a") == ""
    assert ctl.json("ls", "-s", "/a")["children"] == ["b"]
    assert "num_children 1\n" in ctl("ls", "-s", "/a")


def test_a_subtree_is_removed_and_first_shown(ctl):
    ctl("create", "-p", "/a/b/c")
    ctl("create", "/a/b2")
    assert "has children" in ctl("rm", "/a", status=1)
    assert ctl("rm", "-r", "--dry-run", "/a") == "".join("would remove %s\n" % p for p in ("/a/b2", "/a/b/c", "/a/b", "/a"))
    assert ctl("count", "/a") == "3\n"
    assert ctl.json("deleteall", "/a") == {"deleted": "/a", "znodes": 4}
    assert "no such znode" in ctl("rm", "-r", "/a", status=1)
    for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
        assert "is not removed" in ctl("rm", "-r", path, status=2)


def test_what_could_not_be_removed_is_said(ctl):
    ctl("create", "-p", "/a/b/c")
    ctl("create", "-p", "/a/z/y")
    ctl("setacl", "/a/b", "world:anyone:r")
    said = ctl("rm", "-r", "/a", status=1)
    assert "/a/b/c: not allowed" in said and "2 of 5 znodes are removed" in said
    assert ctl("ls", "-R", "/a") == "/a/b\n/a/b/c\n"


def test_a_chroot_stands_behind_the_last_server(ctl, server):
    ctl("create", "-p", "/a/b/c")
    below = ctl_harness.Ctl(server.host + "/a")
    assert below("ls", "-R", "/") == "/b\n/b/c\n"
    assert below("create", "/d") == "/d\n"
    assert ctl("ls", "/a") == "b\nd\n"


def test_a_quota_is_set_shown_changed_and_removed(ctl):
    ctl("create", "-p", "/q/a/b", "12345")
    ctl("setquota", "-n", "10", "/q/a")
    assert ctl("listquota", "/q/a") == "/q/a\n  znodes: 2 used, soft limit 10\n  bytes: 5 used\n"
    ctl("setquota", "-N", "3", "-B", "8", "/q/a")
    assert ctl.json("listquota") == [{"path": "/q/a", "count": {"used": 2, "soft": 10, "hard": 3},
                                      "bytes": {"used": 5, "soft": None, "hard": 8}}]
    assert ctl("get", "/zookeeper/quota/q/a/zookeeper_limits") == "count=10,bytes=-1=;byteHardLimit=8;countHardLimit=3"
    assert "the quota is used up" in ctl("set", "/q/a", "12345", status=1)
    ctl("create", "/q/a/c")
    assert "the quota is used up" in ctl("create", "/q/a/d", status=1)
    assert "/q/a above it has a quota" in ctl("setquota", "-n", "1", "/q/a/b", status=1)
    assert "/q/a below it has a quota" in ctl("setquota", "-n", "1", "/q", status=1)
    ctl("delquota", "-N", "/q/a")
    ctl("create", "/q/a/d")
    ctl("delquota", "-n", "-B", "/q/a")
    assert ctl("listquota") == "" and ctl("ls", "/zookeeper/quota") == ""
    assert "has no quota" in ctl("listquota", "/q/a", status=1)
    assert "has no quota" in ctl("delquota", "/q/a", status=1)
    assert "no such znode" in ctl("setquota", "-n", "1", "/none", status=1)
    assert "which limit" in ctl("setquota", "/q", status=2)
    below = ctl_harness.Ctl(ctl.hosts + "/q")
    for command in (("setquota", "-n", "1", "/a"), ("listquota",), ("delquota", "/a")):
        assert "quotas are the ensemble's" in below(*command, status=2)
    for path in ("/", "/zookeeper", "/zookeeper/quota"):
        assert "has no quota" in ctl("setquota", "-n", "1", path, status=2)
