"""Talking with programs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cb_subprocess import CommandFailed, CommandNotFound, ExpectFailed, interact

ECHO = ["sh", "-c", "while read line; do echo got $line; done; echo end"]


@pytest.mark.parametrize("pty", [False, True], ids=["pipes", "terminal"])
def test_a_conversation(pty: bool) -> None:
    """Line by line, over pipes and over a terminal; our own words do not come back."""
    with interact(ECHO, pty=pty) as talk:
        for word in ("one", "two"):
            talk.send_line(word)
            assert talk.expect(r"got (\w+)\n")[1] == word
        talk.send_line("three")
        talk.end_input()
        done = talk.wait()
        assert (done.stdout, done.code, done.args) == ("got three\nend\n", 0, tuple(ECHO))
        assert talk.seen == "got one\ngot two\ngot three\nend\n"


def test_what_does_not_come() -> None:
    """The error has what came instead: too late, or never."""
    with interact(["sh", "-c", "echo something; sleep 60"]) as talk:
        with pytest.raises(ExpectFailed, match=r"not in 1 s.*something") as caught:
            talk.expect("else", timeout=1)
        assert caught.value.seen == "something\n"
        with pytest.raises(ExpectFailed, match="did not end"):
            talk.wait(timeout=0.1)
    with interact(["echo", "something"]) as talk, pytest.raises(ExpectFailed, match="it ended"):
        talk.expect("else")


def test_what_is_not_taken() -> None:
    """A program that reads nothing does not hold us for ever; one that has ended says so."""
    with interact(["sleep", "60"], timeout=0.3) as talk, pytest.raises(ExpectFailed, match=r"no more input in 0\.3 s"):
        talk.send("x" * 1_000_000)
    with interact(["true"]) as talk:
        talk.expect("$")
        with pytest.raises(ExpectFailed, match="takes no more"):
            talk.send("x" * 1_000_000)


def test_large_answers_while_sending() -> None:
    """What a program answers while it is sent to is read, so that neither waits for the other."""
    with interact(["cat"]) as talk:
        text = "".join(f"{number}\n" for number in range(100_000))
        talk.send(text)
        assert talk.wait().stdout == text


def test_its_status() -> None:
    """A program that fails is an error at the end."""
    with interact(["sh", "-c", "read x; exit 3"]) as talk:
        talk.send_line()
        with pytest.raises(CommandFailed, match="exit status 3"):
            talk.wait()
    with interact(["sh", "-c", "exit 3"], pty=True) as talk:
        assert talk.wait(check=False).code == 3
    for pty in (False, True):
        with pytest.raises(CommandNotFound):
            interact(["no-such-program"], pty=pty)


def test_left_early(alive: Callable[[str], list[int]], tmp_path: Path) -> None:
    """Leaving the block ends it, with all that it started."""
    for pty in (False, True):
        with interact(["sh", "-c", "echo $PWD; sleep 67.25 & sleep 67.25"], pty=pty, cwd=tmp_path) as talk:
            assert talk.read_line() == str(tmp_path)
        assert not alive("67.25")


def test_a_password_is_asked_for_on_the_terminal() -> None:
    """What opens /dev/tty itself is answered there."""
    asks = "import getpass; print('got', getpass.getpass('password: '))"
    with interact([sys.executable, "-c", asks], pty=True) as talk:
        talk.expect("password: ")
        talk.send_line("secret")
        talk.expect("got secret")
