"""The parts of a gap from stamped logs that are made up. Run by ctest as bench/phases."""
import subprocess
import unittest

import phases

BATON = """\
10.000100 baton-engine: zab: following (broadcast) -> idle (discovery): the leader's connection failed
10.002000 baton-engine: looking
10.005000 baton-engine: election: leading, leader is server 2 (round 2, after 3 ms)
10.006000 baton-engine: zab: idle (discovery) -> leading (discovery): elected
10.015000 baton-engine: zab: leading (synchronization) -> leading (broadcast): a quorum has this history
"""
FOLLOWER = """\
10.001000 baton-engine: looking
10.004000 baton-engine: election: following, leader is server 2 (round 2, after 3 ms)
"""
JAVA = """\
10.100000 2026-11-30 09:36:59,753 - INFO  [QuorumPeer[myid=1](plain=127.0.0.1:1):QuorumPeer@1438] - LOOKING
10.300000 2026-11-30 09:36:59,953 - INFO  [QuorumPeer[myid=1](plain=127.0.0.1:1):QuorumPeer@1524] - LEADING
10.310000 2026-11-30 09:36:59,953 - INFO  [QuorumPeer[myid=1]:Leader@1] - LEADING - LEADER ELECTION TOOK - 200 MS
10.700000 2026-11-30 09:37:00,353 - INFO  [QuorumPeer[myid=1]:Leader@1] - Have quorum of supporters, sids: [[1, 2]]; starting
"""


class Phases(unittest.TestCase):
    def parts(self, texts, began, ended):
        return [round(ms, 3) for ms in phases.split(texts, began, ended).values()]

    def test_the_parts_add_up_to_the_gap(self):
        self.assertEqual(self.parts([FOLLOWER, BATON], 10.0, 10.02), [2, 3, 10, 5])
        self.assertEqual(self.parts([JAVA, ""], 10.0, 11.0), [100, 200, 400, 300])

    def test_without_a_leader_nothing_is_told(self):
        self.assertEqual(phases.split([FOLLOWER], 10.0, 10.02), {})

    def test_an_earlier_election_is_none_of_this_gap(self):
        self.assertEqual(phases.split([BATON], 20.0, 21.0), {})
        self.assertEqual(self.parts([BATON, BATON.replace("10.0", "20.0")], 20.0, 20.02), [2, 3, 10, 5])

    def test_an_election_that_came_to_nothing_begins_anew(self):
        again = BATON.replace("10.0", "10.1")
        self.assertEqual(self.parts([BATON + again], 10.0, 10.12), [102, 3, 10, 5])

    def test_a_stamp_that_comes_late_counts_as_the_end(self):
        self.assertEqual(self.parts([BATON], 10.0, 10.014), [2, 3, 9, 0])

    def test_lines_are_stamped_as_they_come_and_none_is_lost(self):
        said = b"one\n\ntwo words\nno end"
        out = subprocess.run(phases.COMMAND, input=said, stdout=subprocess.PIPE, check=True, timeout=20).stdout.decode()
        found = [phases.STAMP.match(line) for line in out.splitlines()]
        self.assertEqual([m.group(2) for m in found], ["one", "", "two words", "no end"])
        stamps = [float(m.group(1)) for m in found]
        self.assertEqual(stamps, sorted(stamps))


if __name__ == "__main__":
    unittest.main()
