"""Carries out a plan on a field, starts engines again as a supervisor would, and judges how each of them ended."""
import collections
import heapq
import itertools
import queue
import signal
import time

from . import plan

# As daemon/engine/engine.h numbers them.
EXIT_CLEAN, EXIT_DATA, EXIT_DISK = 0, 3, 4

RESTART_S = 0.3                         # from an end that nobody asked for to the next start
END_BOUND_S = 10.0                      # from SIGTERM to the end of a process that is not stopped
LOOK_S = 0.5
LOSS = "numgen random mod 10 < 3 drop"
RESET = "meta l4proto tcp reject with tcp reset"


class Nemesis:
    """Everything happens in turn(), in the main thread. `problems` are what engines must never do."""

    def __init__(self, field, say):
        self.field = field
        self.say = say
        self.began = None
        self.problems = []
        self.done = collections.Counter()       # faults by kind
        self.missed = 0                         # those whose target was not there
        self.restarts = 0
        self._todo = []                         # (monotonic s, order, function)
        self._order = itertools.count()
        self._down_until = dict.fromkeys(plan.SERVERS, 0.0)
        self._allowed = {sid: set() for sid in plan.SERVERS}    # exit codes of the present process
        self._full = False
        self._pauses = collections.Counter()
        self._pulls = collections.Counter()
        self._looked = 0.0
        self.keep_running = True

    # --- the loop

    def later(self, seconds, function, *arguments):
        heapq.heappush(self._todo, (time.monotonic() + seconds, next(self._order), lambda: function(*arguments)))

    def run(self, faults, seconds):
        self.began = time.monotonic()
        for fault in faults:
            self.later(fault.at, self._begin, fault)
        self.turn_until(lambda: False, seconds)

    def turn_until(self, condition, timeout):
        """Lives on until `condition` holds or time is up; returns whether it holds."""
        end = time.monotonic() + timeout
        while not condition():
            now = time.monotonic()
            if now >= end:
                return False
            if now >= self._looked + LOOK_S:
                self._looked = now
                for engine in self.field.engines.values():
                    engine.keep_logs()
            if self._todo and self._todo[0][0] <= now:
                heapq.heappop(self._todo)[2]()
                continue
            wait = min(end, self._todo[0][0] if self._todo else end, now + LOOK_S) - now
            try:
                engine, line, code = self.field.happened.get(timeout=max(wait, 0.0))
            except queue.Empty:
                continue
            engine.keep_logs()
            if line is None:
                self._ended(engine, code)
        return True

    # --- engines

    def start(self, sid):
        engine = self.field.engines[sid]
        if engine.process is not None:
            return
        if time.monotonic() < self._down_until[sid]:
            self.later(self._down_until[sid] - time.monotonic(), self.start, sid)
            return
        self._allowed[sid] = {EXIT_DISK, EXIT_DATA} if self._full and sid == plan.SMALL_DISK else set()
        self._pauses[sid] = 0
        engine.start()

    def _ended(self, engine, code):
        sid = engine.sid
        engine.process = None
        engine.paused = False
        if code not in self._allowed[sid]:
            self.problems.append("%r ended with code %d, which nothing had asked for:\n%s" % (
                engine, code, engine.log_tail(10)))
        self.done["engine ended with code %d" % code] += 1
        if self.keep_running:
            self.restarts += 1
            self.later(RESTART_S, self.start, sid)

    def kill(self, sid, down_s=0.0):
        engine = self.field.engines[sid]
        if not engine.running():
            return False
        self._allowed[sid].add(-signal.SIGKILL)
        self._down_until[sid] = time.monotonic() + down_s
        engine.process.kill()
        return True

    def stop(self, sid, down_s=0.0):
        engine = self.field.engines[sid]
        if not engine.running() or engine.asked_to_end:
            return False
        self._allowed[sid].add(EXIT_CLEAN)
        self._down_until[sid] = time.monotonic() + down_s
        self._pauses[sid] = 0
        engine.ask_to_end()
        self.later(END_BOUND_S, self._expect_end, engine, engine.process)
        return True

    def _expect_end(self, engine, process):
        if engine.process is not process or process.poll() is not None:
            return
        if engine.paused:
            self.later(END_BOUND_S, self._expect_end, engine, process)
            return
        self.problems.append("%r did not end within %g s of SIGTERM" % (engine, END_BOUND_S))
        self.kill(engine.sid)

    # --- faults

    def _target(self, fault):
        if fault.target in (*plan.SERVERS, plan.ALL):
            return fault.target
        leader = self.field.leader()
        if leader is None:
            return None
        return leader if fault.target == "leader" else self._other(leader, fault)

    @staticmethod
    def _other(sid, fault):
        return (sid - 1 + fault.other) % len(plan.SERVERS) + 1

    def _begin(self, fault):
        sid = self._target(fault)
        happens = sid is not None and getattr(self, "_" + fault.kind.replace("-", "_"))(sid, fault)
        if happens:
            self.done[fault.kind] += 1
        else:
            self.missed += 1
        self.say("%s  -> %s" % (plan.describe(fault), sid if happens else "nobody there"))

    def _kill(self, sid, fault):
        return self.kill(sid, fault.seconds)

    def _kill_all(self, _, fault):
        return any([self.kill(sid, fault.seconds) for sid in plan.SERVERS])

    def _restart(self, sid, fault):
        return self.stop(sid, fault.seconds)

    def _pause(self, sid, fault):
        engine = self.field.engines[sid]
        if not engine.running():
            return False
        try:
            if not engine.paused:
                engine.pause()
        except FileNotFoundError:
            return False                # it has just died of something else
        self._pauses[sid] += 1
        self.later(fault.seconds, self._go_on, engine, engine.process)
        return True

    def _go_on(self, engine, process):
        if engine.process is not process or not self._pauses[engine.sid]:
            return                      # it is another one by now
        self._pauses[engine.sid] -= 1
        if not self._pauses[engine.sid]:
            engine.resume()

    def _disk_full(self, sid, fault):
        if self._full:
            return False
        self._full = True
        self._allowed[sid] |= {EXIT_DISK, EXIT_DATA}
        self.field.fill_disk()
        self.later(fault.seconds, self._free)
        return True

    def _free(self):
        self._full = False
        self.field.free_disk()

    def _cut_pairs(self, pairs, fault, verdict="drop"):
        self.later(fault.seconds, self.field.cuts.remove, self.field.cuts.add(pairs, verdict))
        return True

    @staticmethod
    def _both_ways(sid, others):
        return [(sid, other) for other in others] + [(other, sid) for other in others]

    def _servers_but(self, sid):
        return [other for other in plan.SERVERS if other != sid]

    def _isolate(self, sid, fault):
        return self._cut_pairs(self._both_ways(sid, [0, *self._servers_but(sid)]), fault)

    def _cut(self, sid, fault):
        return self._cut_pairs(self._both_ways(sid, [self._other(sid, fault)]), fault)

    def _cut_one_way(self, sid, fault):
        return self._cut_pairs([(sid, self._other(sid, fault))], fault)

    def _cut_clients(self, sid, fault):
        return self._cut_pairs(self._both_ways(sid, [0]), fault)

    def _cut_servers(self, sid, fault):
        return self._cut_pairs(self._both_ways(sid, self._servers_but(sid)), fault)

    def _depose(self, sid, fault):
        return self._cut_servers(sid, fault)

    def _loss(self, sid, fault):
        return self._cut_pairs([(sid, other) for other in (0, *self._servers_but(sid))], fault, LOSS)

    def _reset(self, sid, fault):
        return self._cut_pairs([(sid, other) for other in (0, *self._servers_but(sid))], fault, RESET)

    def _pull(self, sid, pulled):
        """A cable is in place again when all who pulled it have plugged it."""
        self._pulls[sid] += 1 if pulled else -1
        self.field.cable(sid, self._pulls[sid] <= 0)

    def _cable(self, sid, fault):
        self._pull(sid, True)
        self.later(fault.seconds, self._pull, sid, False)
        return True

    def _flap(self, sid, fault):
        for n, at in enumerate(plan.flaps(fault)):
            self.later(at, self._pull, sid, n % 2 == 0)
        return True

    # --- the end of it

    def heal(self):
        """Nothing is cut, stopped or full any more, and who is down is started."""
        self._todo = [entry for entry in self._todo if entry[0] <= 0]
        self._down_until = dict.fromkeys(plan.SERVERS, 0.0)
        self._pulls.clear()
        self._pauses.clear()
        self.field.cuts.clear()
        self._free()
        for sid in plan.SERVERS:
            self.field.cable(sid, True)
            self.field.engines[sid].resume()
            self.later(0.0, self._start_if_down, sid)

    def _start_if_down(self, sid):
        engine = self.field.engines[sid]
        if engine.process is None:
            self.start(sid)

    def end_all(self, timeout):
        """SIGTERM to all; until they have ended."""
        self.keep_running = False
        for sid in plan.SERVERS:
            self.stop(sid)
        return self.turn_until(lambda: not any(e.process for e in self.field.engines.values()), timeout)

    def start_all(self):
        self.keep_running = True
        for sid in plan.SERVERS:
            self.start(sid)
