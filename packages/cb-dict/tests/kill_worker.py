"""Kill -9 children that edit a file, again and again, and look at the file each time. Arguments: FILE ROUNDS."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from cb_dict import edit, load


def child(file: str, pipe: int) -> None:
    """Count up in the file for ever, and say so after each time."""
    while True:
        with edit(file) as document:
            number = document.add({"count": 1, "again": 1})["count"]
            document.set("padding", "x" * (number % 7000))
        os.write(pipe, b"%d\n" % number)


def main() -> None:
    """Print how many rounds left the old or the new document whole."""
    file, rounds = sys.argv[1], int(sys.argv[2])
    random_ = random.Random(3)
    for _ in range(rounds):
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(reading)
            child(file, writing)
        os.close(writing)
        said = os.read(reading, 1 << 16)
        time.sleep(random_.random() * 0.004)  # not to wait for anything: the moment of the kill is what varies
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        while more := os.read(reading, 1 << 16):
            said += more
        os.close(reading)
        last = int(said.split()[-1])
        found = load(file)
        if found["count"] not in (last, last + 1) or found["again"] != found["count"]:
            sys.exit(f"acknowledged {last}, found {found['count']} and {found['again']}")
        if len(found["padding"]) != found["count"] % 7000:
            sys.exit("half of an edit is in the file")
    sys.stdout.write(f"{rounds}\n")


if __name__ == "__main__":
    main()
