"""Free TCP ports on the loopback address."""
import random
import socket

# Below the range that Linux hands to outgoing connections, so that none of those takes one.
LOWEST, HIGHEST = 20000, 32000
TRIES_MAX = 2000

_taken = set()


def free_port():
    """A port nobody listens on, given out once by this process."""
    for _ in range(TRIES_MAX):
        port = random.randrange(LOWEST, HIGHEST)
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
