"""Copies lines from standard input to standard output, each with the monotonic time of its coming before it."""
import os
import time


def main():
    rest = b""
    while True:
        part = os.read(0, 65536)
        now = b"%.6f " % time.monotonic()
        lines = (rest + part).split(b"\n")
        rest = lines.pop()
        if not part and rest:
            lines.append(rest)
        if lines:
            os.write(1, b"".join(now + line + b"\n" for line in lines))
        if not part:
            return


if __name__ == "__main__":
    main()
