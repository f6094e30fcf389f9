"""What a torture run does to its servers and when: drawn from the seed alone, before anything has started.

A target is a server's number, all of them, or a role ("leader", "follower") that is looked up when the moment has come: so the same
seed makes the same choices, while who leads by then is up to the servers.
"""
import collections
import random

SERVERS = (1, 2, 3)
SMALL_DISK = 3                          # whose data lie on a small disk that can be filled
ROLES = ("leader", "follower")
ALL = "all"

# Seconds from one fault to the next: some meet healed servers, some a fault that still lasts.
GAP_S = (0.4, 2.0)
FIRST_S = 1.0                           # load alone

Fault = collections.namedtuple("Fault", "at kind target other seconds")

# What a kind lasts, in seconds, and what it does to its target.
KINDS = {
    "kill": (0.0, 2.5),                 # SIGKILL; down so long
    "kill-all": (0.0, 1.0),             # SIGKILL to all three
    "restart": (0.0, 1.5),              # SIGTERM; down so long
    "pause": (0.2, 3.5),                # SIGSTOP, then SIGCONT
    "disk-full": (1.5, 4.0),            # all space taken, then given back
    "isolate": (0.5, 4.0),              # nothing comes in or out: neither from servers nor from clients
    "cut": (0.5, 4.0),                  # from one other server, both ways
    "cut-one-way": (0.5, 4.0),          # from `other` nothing arrives; what it sends does
    "cut-clients": (0.5, 4.0),          # from the clients, while the servers see each other
    "cut-servers": (0.5, 4.0),          # from both servers, while clients still reach it
    "depose": (1.0, 3.0),               # the leader from both others, while clients go on writing through it
    "cable": (0.3, 2.0),                # pulled: the kernel knows, unlike in the cuts
    "flap": (1.0, 4.0),                 # pulled and plugged, again and again
    "loss": (1.0, 5.0),                 # three packets in ten get lost on their way in, whoever sent them
    "reset": (0.1, 0.5),                # whoever sends to it gets a reset, of which it learns nothing
}


def draw(seed, seconds):
    """The faults of a run, by time. All kinds come once before one comes again."""
    rng = random.Random("plan %d" % seed)
    faults, deck, at = [], [], FIRST_S
    while at < seconds:
        if not deck:
            deck = sorted(KINDS)
            rng.shuffle(deck)
        kind = deck.pop()
        target = rng.choice(SERVERS + 2 * ROLES)
        other = rng.choice((1, 2))      # the next server, or the one after it
        lasts = round(rng.uniform(*KINDS[kind]), 2)
        if kind == "disk-full":
            target = SMALL_DISK
        elif kind == "kill-all":
            target = ALL
        elif kind == "depose":
            target = "leader"
        faults.append(Fault(round(at, 2), kind, target, other, lasts))
        at += rng.uniform(*GAP_S)
    return faults


def flaps(fault):
    """Of a flapping cable: seconds after the fault's begin at which it changes, first to pulled, last to plugged."""
    rng = random.Random("flap %r" % (fault,))
    times, at = [0.0], 0.0
    while True:
        at += rng.uniform(0.05, 0.5)
        if at >= fault.seconds:
            break
        times.append(at)
    if len(times) % 2:
        times.append(fault.seconds)
    return times


def describe(fault):
    return "%6.2f s  %-11s %-8s %4.2f s%s" % (
        fault.at, fault.kind, fault.target, fault.seconds,
        "  (other: %+d)" % fault.other if fault.kind in ("cut", "cut-one-way") else "")
