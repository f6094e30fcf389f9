"""Every four-letter word, in ZooKeeper's own layout, on one server and on three (client protocol, 10).

Each answer is held against a grammar, letter by letter but for numbers and names; `--ours zookeeper-3.9` holds the
original against the same. What two servers say after the same conversation is also compared side by side.
"""
import fnmatch
import re
from pathlib import Path

import pytest

from harness.servers import BATON, ZOOKEEPER_39
from harness.waiting import wait_until
from harness.wire import EPHEMERAL, Client, Raw, four_letter_word, i64
from conftest import need

DATE = r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \w+ \d{4}"
VERSION = r"3\.\d+\.\d+-\S+, built on \d{4}-\d\d-\d\d \d\d:\d\d UTC"
ADDRESS = r"/(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):\d+"
READERS_TAKE = 4095                     # of mntr, at least
FIGURES = (r"Latency min/avg/max: \d+/\d+\.\d{1,4}/\d+\nReceived: \d+\nSent: \d+\nConnections: \d+\n"
           r"Outstanding: \d+\nZxid: 0x[0-9a-f]+\nMode: (?:standalone|leader|follower|observer)\nNode count: \d+\n"
           r"(?:Proposal sizes last/min/max: -?\d+/-?\d+/-?\d+\n)?")
CLIENT = r" %s\[[0-5]\]\(queued=\d+,recved=\d+,sent=\d+" % ADDRESS
SESSION = (r",sid=0x[0-9a-f]+,lop=[A-Z0-9]{2,6},est=\d{13},to=\d+(?:,lcxid=0x[0-9a-f]+)?,lzxid=0x[0-9a-f]+,"
           r"lresp=\d+,llat=\d+,minlat=\d+,avglat=\d+,maxlat=\d+")
CONF = (r"clientPort=\d+\nsecureClientPort=-1\ndataDir=/\S+/version-2\ndataDirSize=\d+\ndataLogDir=/\S+/version-2\n"
        r"dataLogSize=\d+\ntickTime=\d+\nmaxClientCnxns=\d+\nminSessionTimeout=\d+\nmaxSessionTimeout=\d+\n"
        r"clientPortListenBacklog=-1\nserverId=\d+\n")
QUORUM = (r"initLimit=\d+\nsyncLimit=\d+\nelectionAlg=3\nelectionPort=\d+\nquorumPort=\d+\npeerType=[01]\n"
          r"membership: \n(?:server\.\d+=\S+\n)+version=[0-9a-f]+")
SESSIONS = (r"(?:Session Sets \(\d+\)/\(\d+\):\n(?:\d+ expire at %s:\n(?:\t0x[0-9a-f]+\n)*)*"
            r"|Global Sessions\(\d+\):\n(?:0x[0-9a-f]+\t\d+ms\n)*)" % DATE)
EPHEMERALS = r"ephemeral nodes dump:\nSessions with Ephemerals \(\d+\):\n(?:0x[0-9a-f]+:\n(?:\t/\S+\n)*)*"
CONNECTIONS = (r"Connections dump:\nConnections Sets \(\d+\)/\(\d+\):\n"
               r"(?:\d+ expire at %s:\n(?:\tip: %s sessionId: 0x[0-9a-f]+\n)*)*" % (DATE, ADDRESS))
ENVIRONMENT = ["zookeeper.version", "host.name", "java.version", "java.vendor", "java.home", "java.class.path",
               "java.library.path", "java.io.tmpdir", "java.compiler", "os.name", "os.arch", "os.version",
               "user.name", "user.home", "user.dir", "os.memory.free", "os.memory.max", "os.memory.total"]

GRAMMAR = {
    "srvr": r"Zookeeper version: %s\n%s" % (VERSION, FIGURES),
    "stat": r"Zookeeper version: %s\nClients:\n(?:%s\)\n)+\n%s" % (VERSION, CLIENT, FIGURES),
    "cons": r"(?:%s(?:%s)?\)\n)+\n" % (CLIENT, SESSION),
    "conf": r"%s(?:%s)?" % (CONF, QUORUM),
    "dump": r"SessionTracker dump:\n" + SESSIONS + EPHEMERALS + CONNECTIONS,
    "envi": "Environment:\n" + "".join(r"%s=.*\n" % re.escape(key) for key in ENVIRONMENT),
    "dirs": r"datadir_size: \d+\nlogdir_size: \d+\n",
    "hash": r"(?:[0-9a-f]+: -?\d+\n)*",
    "mntr": r"zk_version\t%s\nzk_server_state\t\w+\n(?:zk_peer_state\t\w+ - \w+\n)?(?:zk_[\w-]+\t-?[0-9.]+\n)+" % VERSION,
    "gtmk": r"-?\d+",
    "isro": r"rw",
    "ruok": r"imok",
    "wchs": r"\d+ connections watching \d+ paths\nTotal watches:\d+\n",
    "wchc": r"(?:0x[0-9a-f]+\n(?:\t\S+\n)*)*\n",
    "wchp": r"(?:\S+\n(?:\t0x[0-9a-f]+\n)+)*\n",
    "crst": r"Connection stats reset\.\n",
    "srst": r"Server stats reset\.\n",
}


@pytest.fixture(scope="module", params=[1, 3], ids=["one-server", "three-servers"])
def cluster(request, module_lab, ours):
    ensemble = module_lab.ensemble({sid: ours for sid in range(1, request.param + 1)}, words="*")
    ensemble.start()
    yield ensemble
    ensemble.stop()


@pytest.fixture
def server(cluster):
    return (cluster.followers() or [cluster.leader()])[0]


@pytest.fixture
def client(server):
    with Client(server.address, timeout_ms=20000) as made:
        yield made


@pytest.mark.parametrize("word", sorted(GRAMMAR))
def test_answer_has_zookeepers_layout(cluster, server, client, word):
    path = "/layout-" + word
    client.create(path)
    client.create(path + "/e", flags=EPHEMERAL)
    for each in cluster:
        answer = each.word(word)
        assert re.fullmatch(GRAMMAR[word], answer), answer
    client.delete(path + "/e")


def test_conf_tells_of_the_ensemble_where_there_is_one(cluster):
    for server in cluster:
        assert ("electionAlg=3" in server.word("conf")) == (len(cluster) > 1)


# --- connections and sessions -----------------------------------------------------------------

def line_of(server, client, word="cons"):
    mark = ":%d[" % client.sock.getsockname()[1]
    return next((line for line in server.word(word).splitlines() if mark in line), None)


def fields(line):
    return dict(pair.split("=") for pair in re.search(r"\((.*)\)", line).group(1).split(","))


def test_cons_tells_of_each_connection(server, client):
    port = client.sock.getsockname()[1]
    first = fields(line_of(server, client))
    assert (first["recved"], first["sent"], first["lop"], first["lcxid"]) == ("1", "1", "SESS", "0x0")
    assert int(first["sid"], 16) == client.session.id and first["to"] == "20000"
    client.create("/cons")
    made = fields(line_of(server, client))
    assert (made["lop"], made["lcxid"], made["recved"], made["sent"]) == ("CREA", "0x1", "2", "2")
    assert int(made["lzxid"], 16) == client.exists("/cons").czxid
    client.ping()
    pinged = fields(line_of(server, client))
    assert (pinged["lop"], pinged["lcxid"]) == ("PING", "0x2")      # of the request before it
    with Raw(server.address) as raw:
        bare = line_of(server, raw)
        assert bare.endswith("[1](queued=0,recved=0,sent=0)")
    assert ":%d[1](" % port in line_of(server, client, "stat")
    client.delete("/cons")


@pytest.mark.parametrize("names, operation", [
    ("CREA", lambda c: c.create("/op/new")), ("CREA", lambda c: c.create2("/op/new2")),
    ("SETD", lambda c: c.set_data("/op", b"")), ("GETD", lambda c: c.get_data("/op")),
    ("EXIS", lambda c: c.exists("/op")), ("GETC", lambda c: c.get_children("/op")),
    ("GETC", lambda c: c.get_children2("/op")), ("GETA", lambda c: c.get_acl("/op")),
    ("SYNC", lambda c: c.sync("/op")), ("DELE", lambda c: c.delete("/op/new")),
    ("SETW", lambda c: c.set_watches(0)), ("MULT", lambda c: c.multi()),
    ("NA", lambda c: c.error_of(1, b"\0\0\0\3/op\0\0\0\0\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone\0\0\0\0")),
], ids=lambda value: value if isinstance(value, str) else "")
def test_last_operation_has_its_name(server, client, names, operation):
    if client.exists("/op") is None:
        client.create("/op")
    if names == "DELE" and client.exists("/op/new") is None:
        client.create("/op/new")
    operation(client)
    assert fields(line_of(server, client))["lop"] == names


def test_crst_forgets_what_connections_did(server, client):
    client.create("/crst")
    assert server.word("crst") == "Connection stats reset.\n"
    reset = fields(line_of(server, client))
    assert (reset["recved"], reset["sent"], reset["lop"], reset["lzxid"]) == ("0", "0", "NA", "0x" + 16 * "f")
    assert "lcxid" not in reset and reset["maxlat"] == "0" and reset["lresp"] == "0"
    client.delete("/crst")


def test_dump_names_sessions_with_their_ephemerals(cluster, server, client):
    client.create("/dump-e", flags=EPHEMERAL)
    session = "0x%x" % client.session.id
    for each in cluster:
        with Client(each.address) as there:
            there.sync()
        answer = each.word("dump")
        assert "%s:\n\t/dump-e\n" % session in answer
        sessions = answer.partition("ephemeral nodes dump:")[0]
        leads = each.mode() in ("leader", "standalone")
        assert ("\t%s\n" if leads else "%s\t20000ms\n") % session in sessions
        assert leads == ("expire at" in sessions)
    assert "sessionId: %s\n" % session in server.word("dump").partition("Connections dump:")[2]


# --- watches ------------------------------------------------------------------------------------

def test_words_of_watches_name_who_watches_what(server, client):
    """Data watches alone; a connection that has had one is listed without a path (observed on 3.9.5)."""
    client.create("/watched")
    client.get_data("/watched", watch=True)
    client.exists("/none-yet", watch=True)
    client.get_children("/watched", watch=True)
    session = "0x%x" % client.session.id
    listed = re.search(r"^%s\n((?:\t\S+\n)*)" % session, server.word("wchc"), re.M).group(1)
    assert sorted(listed.split()) == ["/none-yet", "/watched"]
    by_path = server.word("wchp")
    assert "/watched\n\t%s\n" % session in by_path and "/none-yet\n\t%s\n" % session in by_path
    assert server.word("wchs") == "1 connections watching 2 paths\nTotal watches:2\n"
    client.delete("/watched")
    assert server.word("wchs") == "1 connections watching 1 paths\nTotal watches:1\n"
    client.create("/none-yet")
    assert server.word("wchs") == "1 connections watching 0 paths\nTotal watches:0\n"
    assert server.word("wchc") == session + "\n\n" and server.word("wchp") == "\n"
    client.delete("/none-yet")


# --- figures that can be reset ------------------------------------------------------------------

def test_srst_begins_anew(cluster):
    leader = cluster.leader()
    with Client(leader.address) as client:
        client.create("/srst")
        client.delete("/srst")
    if len(cluster) > 1:
        assert "Proposal sizes last/min/max: -1" not in leader.word("srvr")
    assert leader.word("srst") == "Server stats reset.\n"
    answer = leader.word("srvr")
    assert int(re.search(r"^Received: (\d+)$", answer, re.M).group(1)) <= 2
    assert re.search(r"^Latency min/avg/max: 0/0.0/0$", answer, re.M)


# --- the trace mask, the telnet close, and digests ------------------------------------------------

def test_stmk_takes_a_mask_and_gtmk_shows_it(server):
    before = int(server.word("gtmk"))
    for mask in (5, -1, before):
        assert server.word(b"stmk" + i64(mask)) == str(mask)
        assert server.word("gtmk") == str(mask)


def test_telnet_close_closes_without_a_word(server):
    assert four_letter_word(server.address, b"\xff\xf4\xff\xfd") == ""


def test_hash_is_the_same_everywhere(cluster, client):
    for _ in range(300):
        client.set_data("/", b"x")
    for each in cluster:
        with Client(each.address) as there:
            there.sync()
    answers = {each.word("hash") for each in cluster}
    assert len(answers) == 1
    zxids = [int(line.partition(":")[0], 16) for line in answers.pop().splitlines()]
    assert len(zxids) >= 2 and all(zxid % 128 == 0 for zxid in zxids)
    assert [b - a for a, b in zip(zxids, zxids[1:])] == [128] * (len(zxids) - 1)


# --- who may ask, and when -------------------------------------------------------------------------

def test_without_a_quorum_only_some_words_are_answered(lab, ours):
    ensemble = lab.ensemble({sid: ours for sid in (1, 2, 3)}, words="*")
    alone = ensemble[1]
    alone.start()
    wait_until(lambda: alone.word("ruok") == "imok", 60, "the port is open")
    refusal = "This ZooKeeper instance is not currently serving requests"
    for word in sorted(set(GRAMMAR) - {"ruok", "isro", "envi", "gtmk", "hash"}):
        assert alone.word(word) == refusal + "\n", word
    assert alone.word("hash") == refusal
    assert alone.word("isro") == "null"
    assert alone.word("gtmk") == "306"
    assert re.fullmatch(GRAMMAR["envi"], alone.word("envi"))


# --- mntr ------------------------------------------------------------------------------------------

SUMMARY = re.compile(r"^(?:avg|min|max|cnt|sum|p50|p95|p99|p999)_")
# Since they have no summary: min_latency and the like.
PLAIN = re.compile(r"(?:avg|min|max)_(?:latency|client_response_size|proposal_size|file_descriptor_count)$")


def keys(server):
    """The keys of mntr, a summary's being one."""
    return {key if PLAIN.match(key) else SUMMARY.sub("summary_", key, count=1) for key in server.monitor()}


def left_out():
    """The patterns of docs/compatibility.md, as a function of a key."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")
    table = page.partition("### Keys of mntr")[2].partition("| --- | --- |\n")[2].partition("\n\n")[0]
    patterns = [p for row in table.splitlines() for p in re.findall(r"`([a-z_*]+)`", row.split("|")[1])]
    assert patterns
    return lambda key: any(fnmatch.fnmatch(key.replace("summary_", ""), p) for p in patterns)


def test_mntr_has_zookeepers_keys_or_the_page_says_why_not(module_lab, ours):
    """A leader and a follower of each kind; what is left out is in docs/compatibility.md, and only that."""
    need(ZOOKEEPER_39)
    said = []
    for kind in (ours, ZOOKEEPER_39):
        ensemble = module_lab.ensemble({1: kind, 2: kind}, words="*")
        ensemble.start()
        with Client(ensemble[1].address) as client:
            client.create("/a")
        said.append({server.mode(): keys(server) for server in ensemble})
        ensemble.stop()
    assert set(said[0]) == {"leader", "follower"}
    excused = left_out()
    for mode, theirs in said[1].items():
        missing = {key for key in theirs - said[0][mode] if not excused(key)}
        assert not missing, (mode, missing)
        shown = {key for key in said[0][mode] & theirs if excused(key)}
        assert not shown or ours != BATON, (mode, shown)


def test_mntr_begins_with_what_readers_of_its_beginning_look_for(cluster):
    """collectd's plugin reads 4095 bytes. ZooKeeper's gauges stand there, and so must ours."""
    wanted = {"version", "server_state", "avg_latency", "max_latency", "min_latency", "packets_received", "packets_sent",
              "num_alive_connections", "outstanding_requests", "znode_count", "watch_count", "ephemerals_count",
              "approximate_data_size", "open_file_descriptor_count", "max_file_descriptor_count", "global_sessions"}
    leading = {"learners", "synced_followers", "synced_observers", "pending_syncs", "last_proposal_size",
               "max_proposal_size", "min_proposal_size", "leader_uptime", "quorum_size"}
    for server in cluster:
        beginning = server.word("mntr")[:READERS_TAKE].splitlines()[:-1]
        there = {line.partition("\t")[0].removeprefix("zk_") for line in beginning}
        missing = (wanted | leading if server.mode() == "leader" else wanted) - there
        assert not missing, (server, missing)


def test_mntr_counts_what_happens(server, client):
    before = {key: float(value) for key, value in server.monitor().items() if re.fullmatch(r"-?[\d.]+", value)}
    client.create("/counted", b"x" * 100)
    client.get_data("/counted", watch=True)
    client.set_data("/counted", b"y")
    client.delete("/counted")
    after = {key: float(value) for key, value in server.monitor().items() if re.fullmatch(r"-?[\d.]+", value)}
    for key, least in (("cnt_updatelatency", 3), ("cnt_readlatency", 1), ("cnt_fsynctime", 1), ("watch_bytes", 20),
                       ("cnt_propagation_latency", 3), ("sync_processor_request_queued", 3), ("packets_received", 4)):
        assert after[key] - before[key] >= least, key
    for key in after:
        if key.startswith("cnt_"):
            name = key[len("cnt_"):]
            least, mean, most = after["min_" + name], after["avg_" + name], after["max_" + name]
            assert least <= mean <= most + 1, name
            assert "p99_" + name not in after or after["p50_" + name] <= after["p99_" + name] <= most, name


# --- side by side ------------------------------------------------------------------------------------

def converse(server):
    """The same conversation with any server; leaves two connections open."""
    clients = [Client(server.address, timeout_ms=timeout) for timeout in (40000, 30000)]
    clients[0].create("/same")
    clients[0].create("/same/e", flags=EPHEMERAL)
    clients[1].create("/same/f", flags=EPHEMERAL)
    clients[1].get_data("/same")
    for path in ("/same", "/none"):
        for client in clients:
            client.exists(path, watch=True)
    clients[0].get_children("/same", watch=True)
    clients[1].get_data("/same/e", watch=True)
    clients[0].add_watch("/same", 0)
    clients[1].set_data("/same", b"x")          # uses up both one-shot watches
    clients[1].next_event()
    clients[1].ping()
    return clients


def normalised(answer):
    """Without what differs from run to run; lists in an order of their own."""
    answer = re.sub(DATE, "DATE", answer)
    answer = re.sub(VERSION, "VERSION", answer)
    answer = re.sub(r"^\d+ expire at DATE:\n", "", answer, flags=re.M)  # the moment decides who shares a set
    answer = re.sub(r"(Sets) \(\d+\)", r"\1 (n)", answer)
    answer = re.sub(r"(ip|sid|sessionId)(: |=)0x0*[1-9a-f][0-9a-f]*", r"\1\2SESSION", answer)
    answer = re.sub(r"0x[0-9a-f]{6,}", "SESSION", answer)
    answer = re.sub(r"(lzxid|Zxid)(=|: )(SESSION|0x[0-9a-f]+)", r"\1\2ZXID", answer)
    answer = re.sub(ADDRESS, "ADDRESS", answer)
    answer = re.sub(r"(est|lresp|llat|minlat|avglat|maxlat)=\d+", r"\1=n", answer)
    answer = re.sub(r"(Latency min/avg/max: )\S+", r"\1n", answer)
    answer = re.sub(r"(Received: |Sent: |[a-zA-Z]+dir_size: )\d+", r"\1n", answer)
    answer = re.sub(r"((?:Port|Size|serverId|maxClientCnxns|data\w*Dir)=)\S+", r"\1n", answer)
    return sorted(answer.splitlines())


@pytest.mark.parametrize("word", ["srvr", "stat", "cons", "conf", "dump", "dirs", "hash", "wchs", "wchc",
                                  "wchp"])
def test_says_what_zookeeper_says(pair, word):
    ours, theirs = pair
    assert normalised(ours.word(word)) == normalised(theirs.word(word))


@pytest.fixture(scope="module")
def pair(module_lab, ours):
    need(ZOOKEEPER_39)
    servers, clients = [], []
    for kind in (ours, ZOOKEEPER_39):
        ensemble = module_lab.ensemble({1: kind}, words="*")
        ensemble.start()
        servers.append(ensemble[1])
    for server in servers:
        clients += converse(server)
    yield servers
    for client in clients:
        client.close()
    for server in servers:
        server.stop()
