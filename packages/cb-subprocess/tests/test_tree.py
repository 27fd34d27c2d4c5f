"""Time-outs: the whole tree goes, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cb_subprocess import CommandTimeout, run, start, tree
from cb_subprocess.child import new_token

FAMILY = (
    "sleep {0} & setsid sleep {0} & sh -c 'sleep {0} & sleep {0}' & setsid sh -c 'sleep {0} & sleep {0}' & sleep {0}"
)


def test_grandchildren_and_those_in_other_sessions_are_killed(alive: Callable[[str], list[int]]) -> None:
    """After a time-out nothing of a command is left, though it forked and used setsid, and held the pipes."""
    with pytest.raises(CommandTimeout) as caught:
        run(["sh", "-c", FAMILY.format("61.25")], timeout=1)
    assert not alive("61.25")
    assert len(caught.value.killed) >= 7


def test_orphans_are_found_by_their_token(alive: Callable[[str], list[int]]) -> None:
    """Who has left its session and lost its parents is found, too."""
    with start(["sh", "-c", "(setsid sh -c 'sleep 61.75 & sleep 61.75' &) ; sleep 61.75"]) as process:
        while len(alive("61.75")) < 4:
            assert process.running, "the command ended by itself"
        process.kill()
        assert not alive("61.75")


def test_who_ignores_sigterm_is_killed_after_the_grace(alive: Callable[[str], list[int]]) -> None:
    """SIGTERM first, so that a command can clean up; SIGKILL when the grace is over."""
    stubborn = "trap '' TERM; echo ready; while :; do sleep 0.1; done; : stubborn-mark"
    with pytest.raises(CommandTimeout) as caught:
        run(["sh", "-c", stubborn], timeout=1, grace=0.2)
    assert caught.value.stdout == "ready\n"
    assert not alive("stubborn-mark")
    with pytest.raises(CommandTimeout) as caught:
        run(["sh", "-c", "trap 'echo cleaned up; exit' TERM; echo ready; while :; do sleep 0.05; done"], timeout=1)
    assert caught.value.stdout == "ready\ncleaned up\n"


def test_a_stopped_command_is_killed() -> None:
    """SIGTERM reaches a process that was stopped."""
    with pytest.raises(CommandTimeout):
        run(["sh", "-c", "kill -STOP $$"], timeout=0.3, grace=60)


def test_one_that_forks_all_the_time_is_killed(alive: Callable[[str], list[int]]) -> None:
    """What was started while it was killed is looked for again."""
    forks = "i=0; while [ $i -lt 1500 ]; do setsid sleep 61.625 & i=$((i+1)); done"
    with pytest.raises(CommandTimeout):
        run(["sh", "-c", forks], timeout=0.2, grace=0)
    assert not alive("61.625")


def test_other_processes_are_left_alone() -> None:
    """A neighbour of the same parent, in the same session, lives on."""
    with subprocess.Popen(["sleep", "60"]) as neighbour:
        with pytest.raises(CommandTimeout):
            run(["sleep", "60"], timeout=0.05)
        assert neighbour.poll() is None
        neighbour.kill()


def test_a_number_that_was_given_away_is_not_signalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is at a process number now is compared with what was found there: another start time, no signal."""
    with subprocess.Popen(["sleep", "60"]) as other:
        entry = tree.look(other.pid)
        assert entry is not None
        found = {other.pid: entry._replace(born=entry.born - 1)}
        monkeypatch.setattr(tree, "members", lambda *_: found)
        assert tree.kill_tree((), b"token", 1.0) == []
        assert other.poll() is None
        other.kill()
    assert tree.look(other.pid) is None


def test_what_is_gone_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has ended by the time that it is opened is no error."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    monkeypatch.setattr(tree, "members", lambda *_: {gone.pid: tree.Entry(gone.pid, 1, 1, 1, 1)})
    assert tree.kill_tree((), b"token", 1.0) == []


def test_what_cannot_be_killed_is_given_up(monkeypatch: pytest.MonkeyPatch, alive: Callable[[str], list[int]]) -> None:
    """A process that waits inside the kernel outlives SIGKILL: we say so after a while, and do not wait for it."""
    monkeypatch.setattr(tree, "_GIVE_UP", 0.2)
    monkeypatch.setattr(tree.TreeKill, "_send", lambda *_: True)  # as if no signal had an effect
    with subprocess.Popen(["sleep", "60"]) as process:
        assert tree.kill_tree([process.pid], new_token(), 0.05) == [process.pid]
        process.kill()


def test_interrupted_while_waiting_for_the_grace(alive: Callable[[str], list[int]]) -> None:
    """Ctrl-C during the grace ends the grace; the interrupt comes out when all are gone."""
    script = (
        "import signal, sys, threading, os\n"
        "from cb_subprocess import run, CommandTimeout\n"
        "threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try: run(['sh', '-c', 'trap \"\" TERM; while :; do sleep 0.1; done; : grace-mark'], timeout=0.2, grace=3600)\n"
        "except KeyboardInterrupt: sys.exit(7)\n"
    )
    assert run([sys.executable, "-c", script], check=False, timeout=60).code == 7
    assert not alive("grace-mark;")


@pytest.mark.parametrize("start", ["run(command)", "pipe(command, command)", "start(command)", "interact(command)"])
def test_interrupted_while_it_starts(start: str, alive: Callable[[str], list[int]]) -> None:
    """Ctrl-C when the command runs already, and this is not yet known: it is ended all the same."""
    mark = f"61.{len(start)}77"
    script = (
        "import subprocess, sys\n"
        "from cb_subprocess import interact, pipe, run, start\n"
        "class Interrupted(subprocess.Popen):\n"
        "    def __init__(self, *arguments, **options):\n"
        "        super().__init__(*arguments, **options)\n"
        "        raise KeyboardInterrupt\n"
        "subprocess.Popen = Interrupted\n"
        f"command = ['sh', '-c', 'setsid sleep {mark} & sleep {mark}']\n"
        f"try: {start}\n"
        "except KeyboardInterrupt: sys.exit(7)\n"
    )
    assert run([sys.executable, "-W", "ignore", "-c", script], check=False, timeout=60).code == 7
    assert not alive(mark)


def test_guard(alive: Callable[[str], list[int]]) -> None:
    """A guard whose input ends kills what has the token; one that got a byte does not."""
    for word, left in ((b"", False), (b".", True)):
        with subprocess.Popen(["sleep", "60"], env={**os.environ, "CB_SUBPROCESS_TOKEN": "guard-mark"}) as process:
            subprocess.run(
                [sys.executable, "-I", "-S", Path(tree.__file__), "guard-mark", "1"], input=word, check=True, timeout=60
            )
            assert bool(alive("guard-mark")) is left
            process.kill()


@pytest.mark.faults
def test_time_outs(count: Callable[[int, int], int], alive: Callable[[str], list[int]]) -> None:
    """Time-outs of 0.5 s, with forking and setsid: no survivor. How soon they are back, the bench tells."""

    def one(number: int) -> int:
        mark = f"62.{number:04}1"
        with pytest.raises(CommandTimeout) as caught:
            run(["sh", "-c", FAMILY.format(mark)], timeout=0.5)
        assert not alive(mark)
        return len(caught.value.killed)

    many = count(10, 1000)
    with ThreadPoolExecutor(2) as pool:
        assert max(pool.map(one, range(many))) >= 7  # on a busy machine some families are cut off while they grow
