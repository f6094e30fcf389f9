"""What befalls all of a node's processes at once: nothing of baton is left on the active host that could do its part."""
import signal
import time

from harness.cluster import lost_limit, now, wait_moved
from harness.hosts import wait_until
from harness.probe import Probe

DROP_IN = "/etc/systemd/system/batond.service.d/stay-dead.conf"


def served_until(probe, host, since):
    """Seconds after `since` at which the host was seen to serve last."""
    return max((a.ended - since for a in probe.seen(since) if a.served and a.host is host), default=0.0)


def test_the_guard_stops_what_a_dead_node_held(cluster):
    active = cluster.wait_settled()
    drop_in = active.path(DROP_IN)
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Service]\nRestart=no\n")       # nobody comes back to take it up
    active.run("systemctl", "daemon-reload")
    try:
        with Probe(cluster.hosts) as probe:
            wait_until(lambda: probe.active() == [active.name], "the probe sees it")
            began = now()
            active.run("systemctl", "kill", "--signal=KILL", "batond")
            other, took = wait_moved(probe, active, began, 30)
            time.sleep(1.0)     # nothing announces that it does not come back
            print("killed with all of it: served until %.2f s, by %s after %.2f s"
                  % (served_until(probe, active, began), other.name, took))
            assert took <= lost_limit()
            assert probe.overlaps() == []
            assert not cluster.serves(active)
    finally:
        drop_in.unlink()
        active.run("systemctl", "daemon-reload")
        active.run("systemctl", "reset-failed", "batond", check=False)
        active.run("systemctl", "start", "batond")
    cluster.wait_settled()


def test_a_node_that_stands_still_never_makes_two_active(cluster):
    active = cluster.wait_settled()
    pids = cluster.children(active)
    with Probe(cluster.hosts) as probe:
        wait_until(lambda: probe.active() == [active.name], "the probe sees it")
        began = now()
        active.run("kill", "-%d" % signal.SIGSTOP, *(str(pid) for pid in pids.values()))
        # systemd's watchdog, the guard and the new batond are all there is; it may go on here, or elsewhere.
        wait_until(lambda: cluster.children(active)["batond"] != pids["batond"], "batond is another", 30, step=0.1)
        cluster.wait_settled()
        time.sleep(1.0)
        print("all stopped: served until %.2f s" % served_until(probe, active, began))
        assert probe.overlaps() == []
