"""Shows what an ensemble is for: three servers on this machine, an ordinary ZooKeeper client, and a
leader that is killed without a word.

Every line it prints was observed, not assumed; it ends with 0 only if all of it came true. Run it by
`./dev demo`. `--kind zookeeper-3.8` plays the same with Apache's own servers, for comparison.
"""
import argparse
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

from harness import servers  # noqa: E402 (the path is set just above)
from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import KazooException  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402
from kazoo.retry import KazooRetry  # noqa: E402

PATH, VALUE, LATER = "/demo", b"exactly one node holds the baton", b"and now another one"
SESSION_TIMEOUT_S = 10.0
CLIENT_TIMEOUT_S = 20.0


def say(text):
    print(text, flush=True)


def expect(truth, what):
    if not truth:
        raise AssertionError(what)


def client_of(hosts):
    """A client that follows its session from server to server, and tries a refused request again."""
    retry = dict(max_tries=-1, delay=0.02, max_delay=0.5, max_jitter=0.0)
    client = KazooClient(hosts=hosts, timeout=SESSION_TIMEOUT_S, connection_retry=KazooRetry(**retry),
                         command_retry=KazooRetry(deadline=CLIENT_TIMEOUT_S, **retry))
    client.start(timeout=CLIENT_TIMEOUT_S)
    return client


def show(ensemble):
    for server in ensemble:
        if server.running():
            say("   server %d  pid %-7d client port %d  %s" % (
                server.sid, server.pid, server.client_port, server.mode()))
        else:
            say("   server %d  gone" % server.sid)


def value_at(server):
    """What one server by itself answers. sync first: it may be behind, it must not be wrong."""
    client = client_of(server.host)
    try:
        client.sync(PATH)
        return client.get(PATH)[0]
    finally:
        client.stop()
        client.close()


def start(ensemble):
    say("1. Three servers, each with its own data directory and three ports.")
    began = time.monotonic()
    ensemble.start()
    ensemble.wait_leader()
    say("   all three serve %d ms after the first was started" % ((time.monotonic() - began) * 1000))
    show(ensemble)


def write(ensemble, client):
    say("2. An ordinary ZooKeeper client (kazoo) writes; every server has it.")
    client.create(PATH, VALUE)
    client.create(PATH + "/alive", ephemeral=True)
    for server in ensemble:
        expect(value_at(server) == VALUE, "server %d does not have the value" % server.sid)
        say("   server %d reads %s = %r" % (server.sid, PATH, VALUE.decode()))


def lose_leader(ensemble, client):
    leader = ensemble.wait_leader()
    say("3. The leader, server %d, is killed (SIGKILL)." % leader.sid)
    session = client.client_id[0]
    began = time.monotonic()
    leader.kill()
    successor = ensemble.wait_leader(other_than=leader)
    say("   server %d leads, seen %d ms later" % (successor.sid, (time.monotonic() - began) * 1000))
    client.retry(client.set, PATH, LATER)
    say("   the client's next write was acknowledged %d ms after the kill" % ((time.monotonic() - began) * 1000))
    expect(client.client_id[0] == session, "the client's session was lost")
    expect(client.retry(client.exists, PATH + "/alive") is not None, "the session's ephemeral znode is gone")
    say("   its session 0x%x and its ephemeral znode are still there" % session)
    show(ensemble)
    for server in ensemble.running():
        expect(value_at(server) == LATER, "server %d does not have the new value" % server.sid)
    return leader


def come_back(ensemble, lost):
    say("4. Server %d comes back and fetches what it missed." % lost.sid)
    lost.start()
    lost.wait_serving()
    expect(value_at(lost) == LATER, "the server that came back does not have the new value")
    show(ensemble)


def stop(ensemble, client):
    say("5. All are asked to stop (SIGTERM).")
    client.stop()
    client.close()
    for server in ensemble:
        code = server.stop()
        clean = code == 0 if server.kind == servers.BATON else True     # a JVM says 143
        expect(clean, "server %d ended with code %s" % (server.sid, code))
    say("   all ended cleanly")


def play(ensemble):
    start(ensemble)
    client = client_of(ensemble.hosts())
    try:
        write(ensemble, client)
        lost = lose_leader(ensemble, client)
        come_back(ensemble, lost)
        stop(ensemble, client)
    finally:
        client.stop()
        client.close()


def main():
    options = argparse.ArgumentParser(description="An ensemble loses its leader and nothing else.")
    options.add_argument("--kind", choices=servers.KINDS, default=servers.BATON, help="whose servers")
    kind = options.parse_args().kind

    logging.getLogger("kazoo").setLevel(logging.CRITICAL)
    home = tempfile.mkdtemp(prefix="baton-demo-")
    ensemble = servers.Ensemble(home, {1: kind, 2: kind, 3: kind})
    try:
        play(ensemble)
    except (AssertionError, KazooTimeoutError, KazooException) as e:
        say("\nThe demo failed: %s" % (e or type(e).__name__))
        for server in ensemble:
            say("--- log of server %d\n%s" % (server.sid, server.log_tail(15)))
        say("Data and logs are left in %s" % home)
        return 1
    finally:
        for server in ensemble:
            server.kill()
    shutil.rmtree(home)
    say("Everything above came true.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
