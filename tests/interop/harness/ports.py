"""Free TCP ports on the loopback address."""
import random
import socket

# Below the range that Linux hands to outgoing connections, so that none of those takes one.
LOWEST, HIGHEST = 20000, 32000
TRIES_MAX = 2000

_taken = set()
_share = (0, 1)


def share(number, count):
    """Keeps this process to its own ports where `count` processes look for some."""
    global _share
    _share = (number, count)


def share_of(number, count):
    """The arguments of share() for one of `count` processes that this one starts: they split its ports among them."""
    mine, of = _share
    return mine + of * number, of * count


def free_port():
    """A port nobody listens on, given out once by this process."""
    for _ in range(TRIES_MAX):
        number, count = _share
        port = random.randrange(LOWEST + number, HIGHEST, count)
        if port in _taken:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _taken.add(port)
        return port
    raise AssertionError("no free port found")
