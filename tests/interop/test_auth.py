"""Who may do what: authentication, access lists, and each operation's check.

All of it runs against ZooKeeper 3.9.5 too (--ours zookeeper-3.9), and every row of the tables is what that server
does. Sections are those of the client protocol.
"""
import pytest

from harness import wire
from harness.servers import BATON, ZOOKEEPER_39
from harness.waiting import wait_until
from harness.wire import (ADMIN, ALL, AUTH, AUTH_FAILED, CHECK, CREATE, CREATE2, CREATE_CHILD, CREATE_CONTAINER, DELETE,
                          DELETE_CHILD, EXISTS, GET_ACL, GET_ALL_CHILDREN_NUMBER, GET_CHILDREN, GET_CHILDREN2, GET_DATA,
                          INVALID_ACL, MARSHALLING, MULTI, NO_AUTH, OK, OPEN_ACL, READ, SASL,
                          SESSION_CLOSED_REQUIRE_SASL_AUTH, SET_ACL, SET_DATA, WHO_AM_I, WRITE, XID_AUTH,
                          Client, Disconnected, Reader, acls, auth_body, boolean, buf, create_body,
                          digest_identity, frame, i32, multi_body, multi_results, ustr)

from conftest import need

SUPER = "super:admin"
# What an administrator sets, as each kind of server is told.
WITH_SUPER = {"java_properties": ["-Dzookeeper.DigestAuthenticationProvider.superDigest=" + digest_identity(SUPER)],
              "baton_extra": {"super_digest": digest_identity(SUPER)}}
TIMES = {"tick_time": 400, "init_limit": 25, "sync_limit": 10}



@pytest.fixture(scope="module")
def server(module_lab, ours):
    return module_lab.ensemble({1: ours}, **WITH_SUPER).start()[1]


@pytest.fixture
def address(server):
    return server.address


@pytest.fixture
def client(address):
    with Client(address) as made:
        yield made


@pytest.fixture
def root(client, request):
    return client.create("/" + "".join(c if c.isalnum() else "-" for c in request.node.name))


def identified(address, *users):
    made = Client(address)
    for user in users:
        made.authenticate("digest", user.encode("utf-8"))
    return made


# --- 4.4: auth and sasl -------------------------------------------------------------------------

@pytest.mark.parametrize("data, text", [
    (b"u:p", "u:p"), (b"nocolon", "nocolon"), (b"", ""), (b"a:b:c", "a:b:c"), (b":p", ":p"), (b"u:", "u:"),
    (b"u\x00v:p", "u\x00v:p"), (b"u\xff:p", "u\ufffd:p"), (b"u:\xed\xa0\x80", "u:\ufffd"),
    (b"\xc3\xa9:\xf0\x9f\x98\x80", "\xe9:\U0001f600")])
def test_any_data_identifies_somebody(address, data, text):
    """`text` is what Java reads."""
    with Client(address) as client:
        client.authenticate("digest", data)
        assert sorted(client.who_am_i()) == [("digest", text.partition(":")[0]), ("ip", "127.0.0.1")]
        path = client.create("/any-", b"", wire.SEQUENTIAL, [(ALL, "auth", "")])
        assert client.get_acl(path)[0] == [(ALL, "digest", digest_identity(text))]


@pytest.mark.parametrize("scheme, data", [
    ("digest", None), ("world", b"anyone"), ("auth", b""), ("sasl", b""), ("x509", b""), ("super", b""),
    ("nope", b"x"), ("", b"x"), (None, b"x"), ("Digest", b"u:p")])
def test_refused_with_the_requests_xid_and_closed(client, scheme, data):
    reply = client.request(AUTH, auth_body(scheme, data), xid=77)
    assert (reply.zxid, reply.err, reply.body) == (0, AUTH_FAILED, b"")
    client.expect_close()


def test_ip_is_known_whatever_is_said(client):
    client.authenticate("ip", b"10.0.0.1")
    client.authenticate("ip", None)
    assert client.who_am_i() == [("ip", "127.0.0.1")]


def test_answered_before_earlier_requests_and_any_xid_comes_back(client, root):
    client.send(b"".join(frame(i32(n) + i32(CREATE) + create_body("%s/%d" % (root, n), b"x" * 1000))
                         for n in range(1, 200)) + frame(i32(777) + i32(AUTH) + auth_body("digest", b"u:p")))
    replies = [client.read_reply() for _ in range(200)]
    assert sorted(r.xid for r in replies) == [*range(1, 200), 777]
    assert [r.xid for r in replies if r.xid != 777] == [*range(1, 200)]
    assert {r.err for r in replies} == {OK}


def test_body_that_cannot_be_read_closes(address):
    for op, body in ((AUTH, i32(0)), (AUTH, i32(0) + i32(-5)), (SASL, b""), (SASL, i32(9))):
        with Client(address) as client:
            client.submit(op, body)
            client.expect_close()


def test_sasl_gets_a_null_token(client):
    reply = client.request(SASL, buf(b""))
    assert (reply.zxid, reply.err, reply.body) == (0, OK, i32(-1))
    client.ping()


# --- 8.1: identities ----------------------------------------------------------------------------

def test_identities_add_up_in_the_order_of_javas_set(address):
    with identified(address, "u:p", "a:1", "b:2", "c:3", "a:1") as client:
        assert client.who_am_i() == [("digest", "a"), ("digest", "b"), ("ip", "127.0.0.1"), ("digest", "c"),
                                     ("digest", "u")]
        path = client.create("/auth-", b"", wire.SEQUENTIAL, [(1, "auth", "x"), (ALL, "auth", ""), (1, "world", "anyone")])
        ids = [digest_identity(u) for u in ("a:1", "b:2", "c:3", "u:p")]
        assert client.get_acl(path)[0] == (
            [(1, "digest", i) for i in ids] + [(ALL, "digest", i) for i in ids] + [(1, "world", "anyone")])
    with Client(address) as client:
        for n in range(1, 13):
            client.authenticate("digest", b"user%d:%d" % (n, n))
        assert [user for _, user in client.who_am_i()] == [
            "user11", "user10", "user3", "user12", "user7", "127.0.0.1", "user2", "user6", "user4", "user8",
            "user5", "user1", "user9"]


def test_number_of_identities_is_bounded(only_baton, address):
    """ZooKeeper has no bound."""
    with Client(address) as client:
        for n in range(1, 64):
            client.authenticate("digest", b"user%d:" % n)
        client.authenticate("digest", b"user1:")
        assert client.request(AUTH, auth_body("digest", b"one:more"), xid=XID_AUTH).err == AUTH_FAILED
        client.expect_close()
    with Client(address) as client:
        assert client.request(AUTH, auth_body("digest", b"x" * 20000), xid=XID_AUTH).err == AUTH_FAILED
        client.expect_close()


def test_identities_end_with_the_connection(address):
    with identified(address, "me:1") as first:
        path = first.create("/mine-", b"", wire.SEQUENTIAL, [(ALL, "auth", "")])
        assert first.exists(path)
        session = first.session
    with Client(address, session=session) as second:
        assert second.session == session
        assert second.error_of(GET_DATA, ustr(path) + boolean(False)) == NO_AUTH
        assert second.who_am_i() == [("ip", "127.0.0.1")]


def test_request_is_judged_by_the_identities_when_it_was_read(client, address):
    with identified(address, "me:1") as owner:
        path = owner.create("/judged-", b"", wire.SEQUENTIAL, [(ALL, "auth", "")])
    read = ustr(path) + boolean(False)
    # The second waits for the first.
    client.send(frame(i32(1) + i32(CREATE) + create_body(path + "-slow")) + frame(i32(2) + i32(GET_DATA) + read)
                + frame(i32(3) + i32(WHO_AM_I)) + frame(i32(-4) + i32(AUTH) + auth_body("digest", b"me:1"))
                + frame(i32(4) + i32(GET_DATA) + read))
    replies = {r.xid: r for r in (client.read_reply() for _ in range(5))}
    assert [replies[xid].err for xid in (1, 2, 3, -4, 4)] == [OK, NO_AUTH, OK, OK, OK]
    assert Reader(replies[3].body).i32() == 1


def test_super_user(address):
    with Client(address) as maker:
        path = maker.create("/closed-", b"", wire.SEQUENTIAL, [(0, "world", "anyone")])
    with identified(address, "super:guess") as client:
        assert client.error_of(GET_DATA, ustr(path) + boolean(False)) == NO_AUTH
    with identified(address, SUPER) as client:
        assert client.who_am_i() == [("digest", "super"), ("super", ""), ("ip", "127.0.0.1")]
        assert client.get_acl(path)[0] == [(0, "world", "anyone")]
        own = client.create(path + "/own", acl=[(ALL, "auth", "")])
        assert client.get_acl(own)[0] == [(ALL, "digest", digest_identity(SUPER))]
        client.delete(own)


# --- 8.3: what lists are accepted ---------------------------------------------------------------

ACCEPTED = [("world", "anyone"), ("digest", "a:b"), ("digest", ":b"), ("digest", "a:b:"), ("digest", "a:b::")] + [
    ("ip", text) for text in (
        "1.2.3.4", "1.2.3.4/0", "1.2.3.4/32", "1.2.3.4/+8", "1.2.3.4/-0", "+1.2.3.4", "-0.2.3.4", "01.002.0003.4",
        "::", "::1", "::1/128", "::1/0", "1::", "1:2:3:4:5:6:7:8", "::1:2:3:4:5:6:7", "1::2:3:4:5:6:7", "::+1",
        "::-1", "::-001", "::0001", "1:2:3:4:5:6:7:8/64", "A:b:0:D:e:F:0:1")]
REFUSED = [("digest", text) for text in ("a", "a:", "a:b:c", ":", "::b", "a::", "")] + [
    ("world", "x"), ("world", ""), ("super", ""), ("sasl", "x"), ("x509", "CN=x"), ("foo", "x"), ("", ""), (None, "x"),
    ("auth", "")] + [
    ("ip", text) for text in (
        "", "1", "/8", ":/8", "a.b.c.d", "1.2.3", "1.2.3.4.5", "1.2.3.256", "-1.2.3.4", "1.2.3.4/", "1.2.3.4/33",
        "1.2.3.4/-1", "1.2.3.4/8/9", "::1/129", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2::3:4:5:6:7:8", "1::2::3",
        ":::", "::ffff:1.2.3.4", "fe80::1%1", "::12345", "::g")]


def one_entry(perms, scheme, ident):
    return i32(1) + i32(perms) + b"".join(i32(-1) if t is None else ustr(t) for t in (scheme, ident))


def test_lists_that_are_accepted_and_not(client, root):
    for n, (scheme, ident) in enumerate(ACCEPTED):
        path = client.create("%s/%d" % (root, n), acl=[(0, scheme, ident), (ALL, "world", "anyone")])
        assert client.get_acl(path)[0] == [(0, scheme, ident), (ALL, "world", "anyone")]
    for scheme, ident in REFUSED + [("world", None), ("digest", None), ("ip", None)]:
        wanted = MARSHALLING if ident is None else INVALID_ACL
        body = one_entry(ALL, scheme, ident)
        assert client.error_of(CREATE, ustr(root + "/x") + buf(b"") + body + i32(0)) == wanted, (scheme, ident)
        assert client.error_of(SET_ACL, ustr(root) + body + i32(-1)) == wanted, (scheme, ident)
    for acl in (None, ()):
        assert client.error_of(CREATE, create_body(root + "/x", acl=acl)) == INVALID_ACL
        assert client.error_of(SET_ACL, ustr(root) + acls(acl) + i32(-1)) == INVALID_ACL


@pytest.mark.parametrize("rule, matches", [
    ("127.0.0.1", True), ("127.0.0.2", False), ("127.0.0.2/30", True), ("127.0.0.4/30", False), ("126.0.0.0/7", True),
    ("1.2.3.4/0", True), ("+127.0.-0.01/+8", True), ("::1", False), ("::/0", False), ("::7f00:1", False)])
def test_networks(client, rule, matches):
    path = client.create("/net-", b"", wire.SEQUENTIAL, [(READ, "ip", rule)])
    assert client.error_of(GET_DATA, ustr(path) + boolean(False)) == (OK if matches else NO_AUTH)


# --- 8.2: every operation against every right -----------------------------------------------------

def multi_error(client, op, body):
    """What an operation gets as the only one of a multi."""
    return multi_results(client.call(MULTI, multi_body((op, body))).body)[0][1]


def put(op):
    return lambda client, path, acl: client.error_of(op, create_body(path + "/new-", flags=wire.SEQUENTIAL))


def on(op, name="", tail=b"", in_multi=False):
    ask = multi_error if in_multi else Client.error_of
    return lambda client, path, acl: ask(client, op, ustr(path + name) + tail)


ANY_VERSION, ALWAYS = i32(-1), None
# What is asked of a node, and which right on that node lets it pass.
OPERATIONS = {
    "exists": (on(EXISTS, tail=b"\0"), READ),
    "getData": (on(GET_DATA, tail=b"\0"), READ),
    "getChildren": (on(GET_CHILDREN, tail=b"\0"), READ),
    "getChildren2": (on(GET_CHILDREN2, tail=b"\0"), READ),
    "getAllChildrenNumber": (on(GET_ALL_CHILDREN_NUMBER), READ),
    "getACL": (on(GET_ACL), READ | ADMIN),
    "setData": (on(SET_DATA, tail=buf(b"new") + ANY_VERSION), WRITE),
    "create": (put(CREATE), CREATE_CHILD),
    "create2": (put(CREATE2), CREATE_CHILD),
    "createContainer": (put(CREATE_CONTAINER), CREATE_CHILD),
    "delete of a child": (on(DELETE, "/kid", ANY_VERSION), DELETE_CHILD),
    "delete of no child": (on(DELETE, "/none", ANY_VERSION), DELETE_CHILD),
    "check": (on(CHECK, tail=ANY_VERSION, in_multi=True), READ),
    "setData in a multi": (on(SET_DATA, tail=buf(b"m") + ANY_VERSION, in_multi=True), WRITE),
    "create in a multi": (lambda c, path, acl: multi_error(c, CREATE, create_body(path + "/m")), CREATE_CHILD),
    "delete in a multi": (on(DELETE, "/kid2", ANY_VERSION, in_multi=True), DELETE_CHILD),
    "setACL": (lambda c, path, acl: c.error_of(SET_ACL, ustr(path) + acls(acl) + ANY_VERSION), ADMIN),
    "sync": (on(wire.SYNC), ALWAYS),
}
RIGHTS = (0, READ, WRITE, CREATE_CHILD, DELETE_CHILD, ADMIN, ALL, 32, -1)

# Whom an entry names, whether it is the one who asks.
NAMED = {
    "world": (("world", "anyone"), True),
    "digest": (("digest", digest_identity("me:1")), True),
    "somebody else": (("digest", digest_identity("you:2")), False),
    "my second identity": (("digest", digest_identity("also:me")), True),
    "ip": (("ip", "127.0.0.0/8"), True),
    "another ip": (("ip", "10.0.0.0/8"), False),
}


@pytest.mark.parametrize("named", NAMED)
def test_every_operation_against_every_right(client, address, named):
    """A node for each set of rights, one after the other with one of its own; then the same by the super user."""
    (scheme, ident), is_me = NAMED[named]
    root = client.create("/rights-", b"", wire.SEQUENTIAL)
    with identified(address, "me:1", "also:me") as me, identified(address, SUPER) as god:
        for rights in RIGHTS:
            path = client.create("%s/%d" % (root, rights), b"old")
            acl = [(rights, scheme, ident)]
            found = {}
            for who, actor in ((me, "me"), (god, "god")):
                if who is god:
                    god.set_acl(path, OPEN_ACL)
                for kid in ("/kid", "/kid2"):
                    if not client.exists(path + kid):
                        client.create(path + kid)
                client.error_of(DELETE, ustr(path + "/m") + ANY_VERSION)
                client.set_acl(path, acl)
                found[actor] = {name: ask(who, path, acl) for name, (ask, _) in OPERATIONS.items()}
            for name, (_, needed) in OPERATIONS.items():
                passes = OK if name != "delete of no child" else wire.NO_NODE
                allowed = needed is ALWAYS or (is_me and rights & needed)
                assert found["me"][name] == (passes if allowed else NO_AUTH), (name, rights, found)
                assert found["god"][name] == passes, (name, rights, found)


def test_lists_do_not_inherit(client, root):
    client.create(root + "/closed", acl=[(CREATE_CHILD | ADMIN, "world", "anyone")])
    client.create(root + "/closed/open", b"x")
    assert client.get_data(root + "/closed/open")[0] == b"x"
    assert client.error_of(GET_DATA, ustr(root + "/closed") + boolean(False)) == NO_AUTH


def test_checks_come_in_their_order(client, root):
    """5.3: before what, and after what, rights are looked at."""
    client.create(root + "/no", b"", acl=[(ADMIN, "world", "anyone")])
    for op, body, err in (
            (CREATE, create_body(root + "/no/a", acl=[(ALL, "foo", "x")]), INVALID_ACL),
            (CREATE, create_body(root + "/no/"), NO_AUTH),
            (CREATE, create_body(root + "/no/a"), NO_AUTH),
            (DELETE, ustr(root + "/no/a") + i32(7), NO_AUTH),
            (SET_DATA, ustr(root + "/no") + buf(b"") + i32(7), NO_AUTH),
            (SET_DATA, ustr(root + "/nope") + buf(b"") + i32(7), wire.NO_NODE),
            (SET_ACL, ustr(root + "/no") + acls(OPEN_ACL) + i32(7), wire.BAD_VERSION),
            (SET_ACL, ustr(root + "/nope") + acls([(ALL, "foo", "x")]) + i32(7), INVALID_ACL),
            (SET_ACL, ustr(root + "/nope") + acls(OPEN_ACL) + i32(7), wire.NO_NODE)):
        assert client.error_of(op, body) == err, (op, body)
    client.set_acl(root + "/no", [(ALL & ~ADMIN, "world", "anyone")])
    assert client.error_of(SET_ACL, ustr(root + "/no") + acls(OPEN_ACL) + i32(7)) == NO_AUTH


def test_who_may_not_administer_sees_no_hashes(client, address, root):
    acl = [(READ, "world", "anyone"), (ALL, "digest", digest_identity("me:1")), (1, "digest", "a:b:"), (0, "ip", "1.2.3.4")]
    client.create(root + "/masked", acl=acl)
    assert client.get_acl(root + "/masked")[0] == [
        (READ, "world", "anyone"), (ALL, "digest", "me:x"), (1, "digest", "a:x"), (0, "ip", "1.2.3.4")]
    with identified(address, "me:1") as me:
        assert me.get_acl(root + "/masked")[0] == acl


def test_exists_sets_no_watch_where_it_may_not_read(client, root):
    path = client.create(root + "/no", acl=[(WRITE, "world", "anyone")])
    assert client.error_of(EXISTS, ustr(path) + boolean(True)) == NO_AUTH
    client.set_data(path, b"x")
    client.no_event()


# --- what an administrator may choose ---------------------------------------------------------------

def test_enforced_scheme(lab, ours):
    address = lab.ensemble({1: ours}, java_properties=["-Dzookeeper.enforce.auth.enabled=true",
                                                       "-Dzookeeper.enforce.auth.schemes=digest"],
                           baton_extra={"enforce_auth_schemes": "digest"}).start()[1].address
    for op, body in ((EXISTS, ustr("/") + boolean(False)), (wire.CLOSE_SESSION, b""), (77, b""), (wire.PING, b"")):
        with Client(address) as client:
            reply = client.request(op, body)
            assert (reply.zxid, reply.err, reply.body) == (0, SESSION_CLOSED_REQUIRE_SASL_AUTH, b"")
            client.expect_close()
    with Client(address) as client:
        assert client.request(SASL, buf(b"")).err == OK
        client.authenticate("ip", b"")
        client.authenticate("digest", b"u:p")
        assert client.exists("/")


@pytest.mark.parametrize("java, extra, scheme", [
    (["-Dzookeeper.DigestAuthenticationProvider.digestAlg=SHA-512/256"], {"digest_algorithm": "sha-512/256"},
     "sha512_256"),
    (["-Dzookeeper.DigestAuthenticationProvider.digestAlg=SHA3-384", "-Dzookeeper.skipACL=yes"],
     {"digest_algorithm": "SHA3-384", "skip_acl": "yes"}, "sha3_384"),
    (["-Dzookeeper.DigestAuthenticationProvider.enabled=false"], {"digest_enabled": "no"}, None)])
def test_other_choices(lab, ours, java, extra, scheme):
    address = lab.ensemble({1: ours}, java_properties=java, baton_extra=extra).start()[1].address
    with Client(address) as client, Client(address) as other:
        if scheme is None:
            assert client.error_of(CREATE, create_body("/x", acl=[(ALL, "digest", "a:b")])) == INVALID_ACL
            assert client.request(AUTH, auth_body("digest", b"u:p")).err == AUTH_FAILED
            client.expect_close()
            return
        client.authenticate("digest", b"u:p")
        client.create("/x", acl=[(ALL, "auth", "")])
        assert client.get_acl("/x")[0] == [(ALL, "digest", digest_identity("u:p", scheme))]
        skips = "skip_acl" in extra
        assert other.error_of(GET_DATA, ustr("/x") + boolean(False)) == (OK if skips else NO_AUTH)
        assert other.error_of(SET_DATA, ustr("/x") + buf(b"") + i32(-1)) == (OK if skips else NO_AUTH)
        assert other.error_of(CREATE, create_body("/y", acl=[])) == INVALID_ACL


# --- ensembles ------------------------------------------------------------------------------------

def assert_enforced_everywhere(ensemble, name):
    """A node for one identity, made through each server, is closed and open through every other."""
    for maker in ensemble:
        path = "/%s-%d" % (name, maker.sid)
        with identified(maker.address, "me:1") as client:
            client.create(path, b"secret", acl=[(ALL, "auth", ""), (READ, "ip", "10.0.0.0/8")])
            stored = client.get_acl(path)[0]
            zxid = client.last_zxid
        for judge in ensemble:
            with wait_until(lambda: caught_up(judge, zxid), 10, "%r has caught up" % judge) as client:
                assert client.error_of(GET_DATA, ustr(path) + boolean(False)) == NO_AUTH
                assert client.error_of(SET_DATA, ustr(path) + buf(b"x") + i32(-1)) == NO_AUTH
                assert client.error_of(SET_ACL, ustr(path) + acls(OPEN_ACL) + i32(-1)) == NO_AUTH
                assert multi_error(client, DELETE, ustr(path + "/kid") + i32(-1)) == NO_AUTH
                assert client.error_of(CREATE, create_body(path + "/kid")) == NO_AUTH
                client.authenticate("digest", b"me:1")
                assert client.get_acl(path)[0] == stored
                assert client.create(path + "/kid", acl=[(ALL, "auth", "")]) == path + "/kid"
                assert client.get_acl(path + "/kid")[0] == [(ALL, "digest", digest_identity("me:1"))]
                assert multi_error(client, DELETE, ustr(path + "/kid") + i32(-1)) == OK
                zxid = client.last_zxid
        with identified(maker.address, SUPER) as god:
            god.sync()
            god.set_acl(path, OPEN_ACL)


def caught_up(server, zxid):
    try:
        return Client(server.address, last_zxid=zxid)
    except Disconnected:
        return None


def test_identities_are_forwarded_to_the_leader(lab, ours):
    ensemble = lab.ensemble({1: ours, 2: ours, 3: ours}, **WITH_SUPER, **(TIMES if ours != BATON else {})).start()
    assert_enforced_everywhere(ensemble, "three")


@pytest.mark.parametrize("we_lead", [True, False], ids=["we-lead", "java-leads"])
def test_identities_and_lists_between_java_and_us(lab, ours, we_lead):
    """A follower of either kind forwards identities to a leader of the other; a list set through one is obeyed by
    the other, also after a restart from what each has on disk as the other kind."""
    theirs = need(ZOOKEEPER_39)
    kinds = {1: theirs, 2: ours} if we_lead else {1: ours, 2: theirs}
    ensemble = lab.ensemble(kinds, **WITH_SUPER, **TIMES).start()
    assert ensemble[2].mode() == "leader"
    assert_enforced_everywhere(ensemble, "mixed")
    if not we_lead:
        return
    with identified(ensemble[1].address, "me:1") as client:
        client.create("/kept", b"", acl=[(ALL, "auth", ""), (READ, "ip", "fd00::/8")])
        stored = client.get_acl("/kept")
        zxid = client.last_zxid
    ensemble.stop()
    ensemble[1].kind, ensemble[2].kind = ours, theirs
    ensemble.start()
    for server in ensemble:
        with wait_until(lambda: caught_up(server, zxid), 20, "%r has caught up" % server) as client:
            assert client.error_of(GET_DATA, ustr("/kept") + boolean(False)) == NO_AUTH
            client.authenticate("digest", b"me:1")
            assert client.get_acl("/kept") == stored


# --- kazoo ------------------------------------------------------------------------------------------

def test_kazoo_authenticates_and_is_refused(server):
    kazoo_client = pytest.importorskip("kazoo.client")
    from kazoo.exceptions import AuthFailedError, NoAuthError
    from kazoo.security import make_acl, make_digest_acl
    mine = kazoo_client.KazooClient(hosts=server.host, auth_data=[("digest", "me:1")])
    other = kazoo_client.KazooClient(hosts=server.host)
    for kazoo in (mine, other):
        kazoo.start()
    try:
        mine.create("/kazoo", b"x", acl=[make_digest_acl("me", "1", all=True), make_acl("ip", "10.0.0.0/8", read=True)])
        assert mine.get("/kazoo")[0] == b"x"
        with pytest.raises(NoAuthError):
            other.get("/kazoo")
        other.add_auth("digest", "me:1")
        assert other.get("/kazoo")[0] == b"x"
        with pytest.raises(AuthFailedError):
            other.add_auth("nope", "x")
    finally:
        for kazoo in (mine, other):
            kazoo.stop()
            kazoo.close()
