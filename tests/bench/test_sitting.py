"""What goes wrong in a sitting, and what it must not take along. No server is started. Run by ctest as bench/sitting."""
import contextlib
import io
import json
import tempfile
import unittest
from unittest import mock

import fleet
import measures
import plan
import sitting


class Sittings(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        said = contextlib.redirect_stderr(io.StringIO())
        said.__enter__()
        self.addCleanup(said.__exit__, None, None, None)
        self.one = sitting.Sitting(["baton", "zookeeper-3.8"], "zookeeper-3.8", 2, home.name)
        self.addCleanup(self.one.close)

    def test_one_that_fails_does_not_lose_the_others(self):
        def measure(_lab, kind):
            if kind == "baton":
                raise AssertionError("not within 60 s")
            return {"seconds": 1.0}
        with mock.patch.dict(measures.ALONE, {"start-empty": measure, "session-memory": lambda _l, _k: {"bytes_each": 2}}):
            self.one.measure(["start-empty", "session-memory"])
        self.assertEqual(self.one.results["start-empty"], {"zookeeper-3.8": [{"seconds": 1.0}] * 3})
        self.assertEqual(set(self.one.results["session-memory"]), {"baton", "zookeeper-3.8"})
        self.assertEqual(self.one.errors, ["start-empty, baton: AssertionError: not within 60 s"] * 3)

    def test_one_with_fewer_rounds_takes_its_turns_first(self):
        self.one.kinds = ["baton", "etcd"]
        self.one.rounds = plan.ETCD_LONG["storm"].rounds + 1
        self.assertEqual(self.one.turns("storm"), ["baton", "etcd"] * plan.ETCD_LONG["storm"].rounds + ["baton"])
        self.assertEqual(self.one.turns("seq-512"), ["baton"] * self.one.rounds)

    def test_a_fault_of_the_measuring_is_told_too(self):
        with mock.patch.dict(measures.ALONE, {"start-empty": lambda _lab, _kind: {}["missing"]}):
            self.one.measure(["start-empty"])
        self.assertEqual(len(self.one.errors), 6)
        self.assertIn("KeyError", self.one.errors[0])

    def test_servers_that_are_gone_are_replaced(self):
        sound, loads, made = {"zookeeper-3.8"}, [], []

        class Ensemble(list):
            def __getitem__(self, _sid):
                return None

            def stop(self):
                pass

        def ensemble(_lab, kind, _count):
            made.append(kind)
            sound.add(kind)
            return Ensemble()

        def load(_self, name, kind, _ensemble):
            loads.append((name, kind))
            if (name, kind) == ("set-512", "baton"):
                sound.discard("baton")
                raise fleet.Failed("the server closed it")
            _self.keep(name, kind, {"per_second": 1})

        with mock.patch.multiple(fleet, ensemble=ensemble, start=lambda _made: 0, version=lambda _server: "1",
                                 sound=lambda _made: "baton" in sound), \
                mock.patch.object(sitting.Sitting, "load", load), \
                mock.patch.object(sitting.Sitting, "echo", lambda _self, _name: None):
            self.one.measure(["set-512", "read-512"])
        self.assertEqual(made, ["baton", "zookeeper-3.8", "baton", "baton"])
        self.assertEqual(loads.count(("read-512", "baton")), 2)
        self.assertEqual(set(self.one.results["set-512"]), {"zookeeper-3.8"})
        self.assertEqual(set(self.one.results["read-512"]), {"baton", "zookeeper-3.8"})

    def test_servers_are_looked_at_after_the_loads_before_it(self):
        done = []
        with mock.patch.object(sitting.Sitting, "start", lambda _self, made, kind, _count: made.update({kind: None})), \
                mock.patch.object(sitting.Sitting, "attempt_stop", lambda *_: None), \
                mock.patch.object(sitting.Sitting, "load", lambda _self, name, _kind, _made: done.append(name)), \
                mock.patch.object(sitting.Sitting, "look", lambda _self, name, _kind, _made: done.append(name)):
            self.one.measure(["set-512", "after-load", "read-512", "set-1s-1c"])
        self.assertEqual(list(dict.fromkeys(done)), ["set-512", "after-load", "read-512", "set-1s-1c"])

    def test_when_the_time_is_over_nothing_is_begun_and_that_is_told_once(self):
        begun = []
        self.one.bound(0)
        with mock.patch.dict(measures.ALONE, {"start-empty": lambda _lab, kind: begun.append(kind)}):
            self.one.measure(["start-empty"])
        self.assertEqual(begun, [])
        self.assertEqual(len(self.one.errors), 2)
        self.assertIn("left out", self.one.errors[0])

    def test_what_is_measured_is_kept_at_once(self):
        kept = []
        self.one.keeping = lambda: kept.append(json.loads(self.one.as_json())["results"])
        self.one.keep("set-512", "baton", {"per_second": 1})
        self.assertEqual(kept, [{"set-512": {"baton": [{"per_second": 1}]}}])


class Holding(unittest.TestCase):
    def hold(self, script, in_peace=True):
        with mock.patch.object(fleet, "command_for", lambda *_: ["/bin/sh", "-c", script]):
            return fleet.Held(None, "sessions", in_peace)

    def test_who_holds_until_the_input_ends_has_held(self):
        with self.hold("echo holding; read line; exit 0"):
            pass

    def test_who_is_not_waited_for_may_end_as_it_likes(self):
        with self.hold("echo holding; read line; sleep 60", in_peace=False):
            pass

    def test_who_ends_before_that_or_with_an_error_is_told(self):
        ended = self.hold("echo holding; exit 0", in_peace=False)
        ended.process.wait()
        self.assertRaises(fleet.Failed, ended.close)
        self.assertRaises(fleet.Failed, self.hold("echo holding; read line; exit 1").close)
        self.assertRaises(fleet.Failed, self.hold, "exit 1")


if __name__ == "__main__":
    unittest.main()
