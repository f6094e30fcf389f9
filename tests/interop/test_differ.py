"""A short differential test (./dev differ is the long one), and that it would find what it looks for."""
import struct

import pytest

from conftest import need
from differ import lab, matrix, record, sequence, shrink
from harness import servers, wire

SEEDS = 80
ENSEMBLE_SEEDS = 30
CANARY_SEEDS = 60


@pytest.fixture
def rig():
    made = []

    def make(ours, theirs, **kinds):
        made.append(lab.Rig(ours, theirs, **kinds))
        return made[-1]
    yield make
    for each in made:
        each.close()


def play(rig, seeds, options=""):
    """Fails with the smallest sequence that shows the first difference."""
    for seed in seeds:
        steps = rig.sequence(seed)
        found = rig.play(steps)
        if found:
            less, _ = shrink.shrink(rig, steps, found)
            transcript = []
            rig.play(less, transcript)
            pytest.fail("seed %d: %s\n%s\nreplay: ./dev differ --seed %d --trace%s" % (
                seed, found.what, shrink.show(transcript, rig.names()), seed, options))


@pytest.mark.parametrize("setup", ["usual", "default"])
def test_baton_answers_as_zookeeper(rig, ours, setup):
    play(rig(ours, need(servers.ZOOKEEPER_39), setup=setup), range(1, 1 + SEEDS), " --setup %s" % setup)


def test_three_answer_as_three(rig, ours):
    """Sessions are spread over the servers; before the next step every server has applied what the last one did."""
    play(rig(ours, need(servers.ZOOKEEPER_39), count=3), range(1, 1 + ENSEMBLE_SEEDS), " --servers 3")


@pytest.mark.parametrize("leader", ["ours", "theirs"])
def test_members_of_one_ensemble_answer_alike(rig, ours, leader):
    play(rig(ours, need(servers.ZOOKEEPER_39), mixed=leader), range(1, 1 + ENSEMBLE_SEEDS), " --mixed %s" % leader)


def test_bad_input_is_answered_as_by_zookeeper(rig, ours):
    """By system: every request, cut at each byte, with wrong lengths, paths, versions, flags, ACLs, sizes."""
    one = rig(ours, need(servers.ZOOKEEPER_39))
    differ = ["%s: %s\n%s" % (name, label, shrink.show(transcript, one.names()))
              for name, prelude, cases in matrix.groups() for label, transcript in matrix.play(one, name, prelude, cases)]
    assert not differ, "%d differ; ./dev differ --matrix shows all\n%s" % (len(differ), "\n".join(differ[:5]))


# --- canaries: one thing altered in what one of two equal servers answers -----------------------

def version_of_stat(payload):
    """The version in the Stat of an exists or a setData."""
    if len(payload) != 16 + 68:
        return payload
    at = 16 + 32
    return payload[:at] + struct.pack(">i", struct.unpack_from(">i", payload, at)[0] ^ 4) + payload[at + 4:]


def zxid_of_errors(payload):
    xid, zxid, err = struct.unpack_from(">iqi", payload)
    return struct.pack(">iqi", xid, zxid + 1, err) if err and xid > 0 and zxid > 0 else payload


def another_error(payload):
    return payload[:12] + struct.pack(">i", -101) if payload[12:16] == struct.pack(">i", -110) else payload


def lost_event(payload):
    return None if payload[:4] == b"\xff\xff\xff\xff" else payload


def byte_behind_a_reply(payload):
    return payload + b"\x00" if len(payload) == 16 and payload[:4] < b"\x80" else payload


def old_time(payload):
    """The ctime of an exists is an hour off."""
    if len(payload) != 16 + 68:
        return payload
    at = 16 + 16
    ms = struct.unpack_from(">q", payload, at)[0]
    return payload[:at] + struct.pack(">q", ms - 3600000) + payload[at + 8:] if ms else payload


CANARIES = (version_of_stat, zxid_of_errors, another_error, lost_event, byte_behind_a_reply, old_time)


@pytest.fixture
def twins(rig, ours):
    """Two servers of one kind."""
    return rig(ours, ours)


def test_what_is_altered_is_found(twins):
    """And nothing is found where nothing is altered, so that the comparison itself is sound."""
    seeds = range(1, 1 + CANARY_SEEDS)
    play(twins, seeds)
    for canary in CANARIES:
        twins.pair.theirs.alter = canary
        for seed in seeds:
            steps = twins.sequence(seed)
            found = twins.play(steps)
            if found:
                break
        else:
            pytest.fail("%s is not found" % canary.__name__)
        less, again = shrink.shrink(twins, steps, found)
        assert again.what == found.what and len(less) <= min(len(steps), 6), (canary.__name__, less)
        twins.pair.theirs.alter = None


def test_a_server_that_ends_is_named(twins):
    """With what was played, and what it said; fresh ones play on."""
    steps = twins.sequence(1)
    twins.lab.servers()[1].process.kill()
    with pytest.raises(lab.Ended) as caught:
        twins.play(steps)
    assert caught.value.what == "%r stopped serving" % twins.lab.servers()[1]
    assert "ended with code -9; its log:" in str(caught.value)
    twins.recover(caught.value)
    assert twins.play(steps) is None


def test_directories_are_equally_long():
    assert {len(record.root_of(side, n)) for side in "ab" for n in (0, 999, 250000)} == {len(record.SAMPLE_ROOT)}


def test_what_ends_zookeeper_is_not_drawn():
    def spoilt(op, mangle, **fields):
        return sequence.ends_zookeeper(record.request(op, mangle=mangle, **fields))
    create = {"path": "~/e", "data": b"", "acl": [(31, "world", "anyone")], "flags": 0, "ttl": 1}
    body = record.encode(record.CREATE_TTL, create, record.SAMPLE_ROOT, None)
    negative, less = ("put", len(body) - 8, b"\xff\xff\xff\xff"), ("cut", len(body) - 1)
    assert spoilt(record.CREATE_TTL, negative, **create)
    assert not spoilt(record.CREATE_TTL, negative, **{**create, "flags": 5})        # refused for its time
    assert not spoilt(record.CREATE_TTL, less, **create)
    assert spoilt(wire.MULTI, negative, ops=[(record.CREATE_TTL, create)])
    assert spoilt(wire.SET_DATA, ("put", 60, b"\x00"), path="Q/zookeeper_stats", data=b"count=1,bytes=0", version=-1)
