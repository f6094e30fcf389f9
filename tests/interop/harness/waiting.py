"""Waiting for something to become true, with a deadline and a reason."""
import time


def wait_until(condition, timeout, what, interval=0.01):
    """Polls `condition` until it returns something true, and returns that. `what` names what was
    awaited; where it is callable it is asked only when time has run out."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %g s: %s" % (timeout, what() if callable(what) else what))
        time.sleep(interval)
