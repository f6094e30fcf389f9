"""Asks every host, from inside the host, whether the service answers; all of them every 20 ms.

Asking from inside sees a service on a host whose cable is pulled, too.
"""
import socket
import threading
import time

from .hosts import enter_network

PERIOD_S = 0.02
ANSWER_TIMEOUT_S = 0.25


class Answer:
    __slots__ = ("host", "began", "ended", "served")

    def __init__(self, host, began, ended, served):
        self.host, self.began, self.ended, self.served = host, began, ended, served


class Probe:
    """`with Probe(hosts) as probe:` asks until the block ends. Times are time.monotonic()."""

    def __init__(self, hosts, port=80):
        self.hosts = hosts
        self.port = port
        self.answers = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(h,), daemon=True) for h in hosts]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, host):
        inside = None
        due = time.monotonic()
        while not self._stop.is_set():
            began = time.monotonic()
            served = False
            pid = host.pid
            if pid != inside:
                inside = pid if pid is not None and self._enter(pid) else None
            if inside is not None:
                served = self._served()
            with self._lock:
                self.answers.append(Answer(host, began, time.monotonic(), served))
            due = max(due + PERIOD_S, time.monotonic())
            self._stop.wait(due - time.monotonic())

    @staticmethod
    def _enter(pid):
        try:
            enter_network("/proc/%d/ns/net" % pid)
        except OSError:
            return False
        return True

    def _served(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), ANSWER_TIMEOUT_S) as s:
                s.settimeout(ANSWER_TIMEOUT_S)
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return s.recv(12).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    # --- what was seen

    def seen(self, since=0.0):
        with self._lock:
            return sorted((a for a in self.answers if a.began >= since), key=lambda a: a.ended)

    def active(self):
        """Names of the hosts whose last answer was the service's."""
        last = {}
        for a in self.seen():
            last[a.host.name] = a.served
        return sorted(name for name, served in last.items() if served)

    def overlaps(self):
        """Whoever served after another had begun to serve, before that one was seen not to: two at once."""
        found, owner = [], None
        for a in self.seen():
            if not a.served:
                if a.host is owner:
                    owner = None
                continue
            if owner is not None and a.host is not owner:
                # `owner` served last and was not seen to fail since: both are up unless it has just stopped.
                later = [b for b in self.seen(a.ended) if b.host is owner][:1]
                if later and later[0].served:
                    found.append("%s and %s at %.3f" % (owner.name, a.host.name, a.ended))
            owner = a.host
        return found

    def away(self, since):
        """Seconds from `since` until any host is seen to serve after one did not: the longest silence."""
        longest, last = 0.0, since
        for a in self.seen(since):
            if a.served:
                longest = max(longest, a.ended - last)
                last = a.ended
        return longest, last
