"""Talk with a program that asks: send a line, wait for an answer. Over pipes, or over a terminal of its own.

`Dialogue` is what is said, in steps that wait for nothing: a step yields until when it waits for which descriptors, and
is told whether one is ready. `Talk` polls between the steps; its asyncio twin awaits.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import termios
import time
from collections.abc import Generator, Mapping
from typing import Self, TypeAlias, TypeVar

from cb_subprocess.child import Child, environment, new_token
from cb_subprocess.command import Command, which, words
from cb_subprocess.errors import CommandFailed, ExpectFailed
from cb_subprocess.limits import LONGEST, seconds
from cb_subprocess.result import Result
from cb_subprocess.tree import kill_tree

__all__ = ["Talk", "interact"]

T = TypeVar("T")
# A step waits until then, for these descriptors and events, and is sent whether it is one of them.
Steps: TypeAlias = Generator[tuple[float, dict[int, int]], bool, T]
LINE = r"([^\n]*?)\r?\n"


class Dialogue:
    """A program, and what was said so far: ``seen`` is all that came from it."""

    def __init__(
        self,
        command: Command,
        *,
        pty: bool,
        timeout: float,
        cwd: str | os.PathLike[str] | None,
        env: Mapping[str, str | None] | None,
    ) -> None:
        seconds("timeout", timeout)
        self.timeout = timeout
        self.seen: str = ""
        self._unread = ""
        self._token = new_token()
        self._pty = pty
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._ended = False
        argv = words(command)
        self._began = time.monotonic()
        if pty:
            which(argv[0])
            ours, theirs = os.openpty()
            _without_echo(theirs)
            self._in = self._out = ours
            ends = [theirs, theirs]
            argv = ["setsid", "--ctty", "--wait", *argv]  # a session of its own, whose terminal this is
        else:
            stdin, self._in = os.pipe()
            self._out, stdout = os.pipe()
            ends = [stdin, stdout]
        try:
            made = environment(env, self._token)
            one, other = ends
            self._child = Child(argv, made, stdin=one, stdout=other, stderr=other, cwd=cwd, own_group=not pty)
        except BaseException as error:
            self._close()
            if not isinstance(error, OSError):
                kill_tree((), self._token, 1.0)  # an interrupt: it may have been started
            raise
        finally:
            for fd in set(ends):
                os.close(fd)
        for fd in {self._in, self._out}:
            os.set_blocking(fd, False)

    def sending(self, text: str) -> Steps[None]:
        data = text.encode("utf-8", "surrogateescape")
        until = time.monotonic() + self.timeout
        while data:
            if not (yield from self._turn(until, writing=True)) and time.monotonic() >= until:
                raise ExpectFailed(f"{self._name}: took no more input in {self.timeout:g} s", self._unread)
            try:
                data = data[os.write(self._in, data) :]
            except BlockingIOError:
                continue
            except OSError:
                raise ExpectFailed(f"{self._name}: takes no more input (it has ended?)", self._unread) from None

    def ending_input(self) -> Steps[None]:
        if self._pty:
            yield from self.sending("\x04")
        elif self._in >= 0:
            os.close(self._in)
            self._in = -1

    def expecting(self, pattern: str | re.Pattern[str], timeout: float | None) -> Steps[re.Match[str]]:
        limit = self.timeout if timeout is None else timeout
        until = time.monotonic() + limit
        expression = re.compile(pattern)
        while not (match := expression.search(self._unread)):
            if self._ended or not (yield from self._turn(until)):
                why = "it ended" if self._ended else f"not in {limit:g} s"
                last = self._unread[-200:]
                raise ExpectFailed(f"{self._name}: no {expression.pattern!r} ({why}); it said {last!r}", self._unread)
        self._unread = self._unread[match.end() :]
        return match

    def waiting(self, timeout: float | None, *, check: bool) -> Steps[Result[str]]:
        limit = self.timeout if timeout is None else timeout
        until = time.monotonic() + limit
        with contextlib.suppress(ExpectFailed):
            yield from self.ending_input()
        while not self._ended and (yield from self._turn(until)):
            pass
        if not self._child.wait(0) and not (yield until, {self._child.fileno(): select.POLLIN}):
            raise ExpectFailed(f"{self._name}: did not end in {limit:g} s", self._unread)
        ended = self._child.reap()
        args = tuple(self._child.argv[3:] if self._pty else self._child.argv)
        if check and ended.code:
            raise CommandFailed(ended.code, args, self._unread, "")
        return Result(args, ended.code, self._unread, "", time.monotonic() - self._began, ended.cpu, ended.max_rss)

    def close(self) -> None:
        """End what still runs of it."""
        try:
            if self._child.ended is None:
                kill_tree([self._child.pid], self._token, 1.0)
                self._child.reap()
        finally:
            self._close()

    @property
    def _name(self) -> str:
        return self._child.argv[3 if self._pty else 0]

    def _turn(self, until: float, *, writing: bool = False) -> Steps[bool]:
        """Read what is there; return whether anything came, or can be written."""
        wanted = {} if self._ended else {self._out: select.POLLIN}
        if writing and self._in >= 0:
            wanted[self._in] = wanted.get(self._in, 0) | select.POLLOUT
        came = yield until, wanted
        if came and not self._ended:
            try:
                data = os.read(self._out, 1 << 16)
            except BlockingIOError:
                return came
            except OSError:
                data = b""  # the other end of a terminal is closed
            text = self._decoder.decode(data, final=not data)
            self._unread += text
            self.seen += text
            self._ended = not data
        return came

    def _close(self) -> None:
        for fd in {self._in, self._out} - {-1}:
            os.close(fd)


class Talk:
    """A program that is talked with. Leaving the ``with`` block kills what still runs of it."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._dialogue.close()

    @property
    def seen(self) -> str:
        """All that came from the program."""
        return self._dialogue.seen

    def send(self, text: str) -> None:
        """Send text as it is; what comes meanwhile is kept for `expect`.

        Raises:
            ExpectFailed: The program takes no more.
        """
        _polled(self._dialogue.sending(text))

    def send_line(self, text: str = "") -> None:
        """Send a line."""
        self.send(f"{text}\n")

    def end_input(self) -> None:
        """Let the program read an end of file."""
        _polled(self._dialogue.ending_input())

    def expect(self, pattern: str | re.Pattern[str], *, timeout: float | None = None) -> re.Match[str]:
        """Wait for what matches, and go on behind it next time.

        Raises:
            ExpectFailed: It did not come in time, or the program ended without it; the message has what came.
        """
        return _polled(self._dialogue.expecting(pattern, timeout))

    def read_line(self, *, timeout: float | None = None) -> str:
        """The next line, without its end."""
        return self.expect(LINE, timeout=timeout)[1]

    def wait(self, *, timeout: float | None = None, check: bool = True) -> Result[str]:
        """End the input, wait for the program's end; ``stdout`` is all that it said and that was not expected.

        Raises:
            CommandFailed: Its status is not 0.
            ExpectFailed: It did not end in time.
        """
        return _polled(self._dialogue.waiting(timeout, check=check))


def _polled(steps: Steps[T]) -> T:
    try:
        until, wanted = next(steps)
        while True:
            poller = select.poll()
            for fd, events in wanted.items():
                poller.register(fd, events)
            left = min(max(0.0, until - time.monotonic()), LONGEST)
            until, wanted = steps.send(bool(poller.poll(left * 1000)))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # what the steps return


def interact(
    command: Command,
    *,
    pty: bool = False,
    timeout: float = 30.0,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str | None] | None = None,
) -> Talk:
    """Start a program to talk with.

    >>> with interact(["sh", "-c", "printf 'name? '; read name; echo hello $name"]) as talk:
    ...     _ = talk.expect(r"name\\? ")
    ...     talk.send_line("you")
    ...     talk.read_line()
    'hello you'

    Args:
        command: As for `run`.
        pty: Give it a terminal, for what asks only there (passwords), or keeps its words back in a pipe.
        timeout: Seconds for each step.
        cwd: The folder to run in.
        env: Changes to the environment.
    """
    return Talk(Dialogue(command, pty=pty, timeout=timeout, cwd=cwd, env=env))


def _without_echo(fd: int) -> None:
    mode = termios.tcgetattr(fd)
    mode[1] &= ~termios.OPOST
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(fd, termios.TCSANOW, mode)
