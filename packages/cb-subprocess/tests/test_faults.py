"""Faults: sizes that deadlock others, many runs, descriptors that run out."""

from __future__ import annotations

import os
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cb_subprocess import CommandNotRunnable, run

WORK = """
import os, sys, threading
steps, chance = eval(sys.argv[1])
def write(fd, count):
    block = b"x" * 65536
    while count:
        count -= os.write(fd, block[:count])
def read():
    total = 0
    while data := os.read(0, 65536):
        total += len(data)
    os.write(2, b"%d\\n" % total)
for step, count in steps:
    if step == "in":
        read()
    else:
        write(1 if step == "out" else 2, count)
"""


@pytest.mark.faults
def test_any_sizes_in_any_order(count: Callable[[int, int], int]) -> None:
    """Whatever a command reads and writes, how much and in which order: it does not hang, and nothing is missing."""
    chance = random.Random(2026)
    full = count(0, 1)
    many = count(12, 1000)
    for number in range(many):
        largest = (64 << 20) if full and number % 50 == 0 else (2 << 20)
        given, first, second, third = (
            chance.choice([0, 1, 4096, 65536, 65537, chance.randrange(largest)]) for _ in range(4)
        )
        steps = [("out", first), ("err", second), ("out", third), ("in", 0)]
        chance.shuffle(steps)
        limit = chance.choice([None, 100_000])
        done = run(
            [sys.executable, "-I", "-S", "-c", WORK, repr((steps, 0))],
            input=b"i" * given,
            text=False,
            timeout=100,
            max_bytes=limit,
        )
        sizes = []
        for data, file in ((done.stdout, done.stdout_file), (done.stderr, done.stderr_file)):
            if file is not None:
                with file:
                    sizes.append(os.fstat(file.fileno()).st_size)
            else:
                sizes.append(len(data))
        assert sizes == [first + third, second + len(b"%d\n" % given)], (steps, given)


@pytest.mark.faults
def test_many_runs_leave_nothing(count: Callable[[int, int], int]) -> None:
    """No descriptor, no zombie, no memory."""
    for _ in range(20):
        run(["true"])
    descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(count(200, 10_000)):
        assert run(["true"]).ok
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == descriptors
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < memory + 4_000
    zombies = []
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        zombies += [pid] if state == b"Z" else []
    assert not zombies


def test_no_descriptors_left() -> None:
    """EMFILE is an error of ours that says so, at every descriptor that is missing, and leaks none."""
    script = (
        "import os, resource\n"
        "from cb_subprocess import run\n"
        "run(['true'])\n"
        "said = set()\n"
        "for number in range(4, 24):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (number, 64))\n"
        "    try: run(['true'], input='x')\n"
        "    except OSError as error: said.add(error.errno)\n"
        "    else: break\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "print(number < 23, said, sorted(map(int, os.listdir('/proc/self/fd'))))\n"
    )
    done = run([sys.executable, "-c", script])
    assert done.stdout == "True {24} [0, 1, 2, 3]\n"


def test_no_room_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """EAGAIN from the system is an error of ours that says so, and leaves nothing open."""
    import subprocess

    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    monkeypatch.setattr(subprocess, "Popen", full)
    with pytest.raises(CommandNotRunnable, match="no more processes"):
        run(["true"], input="x")
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
