"""Talk with a program that asks: send a line, wait for an answer. Over pipes, or over a terminal of its own."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import select
import termios
import time
from collections.abc import Mapping
from typing import Self

from cb_subprocess.child import Child, environment, new_token
from cb_subprocess.command import Command, which, words
from cb_subprocess.errors import CommandFailed, ExpectFailed
from cb_subprocess.result import Result
from cb_subprocess.tree import kill_tree

__all__ = ["Talk", "interact"]


class Talk:
    """A program that is talked with. Leaving the ``with`` block kills what still runs of it."""

    def __init__(
        self,
        command: Command,
        *,
        pty: bool,
        timeout: float,
        cwd: str | os.PathLike[str] | None,
        env: Mapping[str, str | None] | None,
    ) -> None:
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
        except BaseException:
            self._close()
            raise
        finally:
            for fd in set(ends):
                os.close(fd)
        os.set_blocking(self._in, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._child.ended is None:
                kill_tree([self._child.pid], self._token, 1.0)
                self._child.reap()
        finally:
            self._close()

    def send(self, text: str) -> None:
        """Send text as it is; what comes meanwhile is kept for `expect`.

        Raises:
            ExpectFailed: The program takes no more.
        """
        data = text.encode("utf-8", "surrogateescape")
        until = time.monotonic() + self.timeout
        while data:
            if not self._turn(until, writing=True) and time.monotonic() >= until:
                raise ExpectFailed(f"{self._name}: took no more input in {self.timeout:g} s", self._unread)
            try:
                data = data[os.write(self._in, data) :]
            except BlockingIOError:
                continue
            except OSError:
                raise ExpectFailed(f"{self._name}: takes no more input (it has ended?)", self._unread) from None

    def send_line(self, text: str = "") -> None:
        """Send a line."""
        self.send(f"{text}\n")

    def end_input(self) -> None:
        """Let the program read an end of file."""
        if self._pty:
            self.send("\x04")
        elif self._in >= 0:
            os.close(self._in)
            self._in = -1

    def expect(self, pattern: str | re.Pattern[str], *, timeout: float | None = None) -> re.Match[str]:
        """Wait for what matches, and go on behind it next time.

        Raises:
            ExpectFailed: It did not come in time, or the program ended without it; the message has what came.
        """
        limit = self.timeout if timeout is None else timeout
        until = time.monotonic() + limit
        expression = re.compile(pattern)
        while not (match := expression.search(self._unread)):
            if self._ended or not self._turn(until):
                why = "it ended" if self._ended else f"not in {limit:g} s"
                last = self._unread[-200:]
                raise ExpectFailed(f"{self._name}: no {expression.pattern!r} ({why}); it said {last!r}", self._unread)
        self._unread = self._unread[match.end() :]
        return match

    def read_line(self, *, timeout: float | None = None) -> str:
        """The next line, without its end."""
        return self.expect(r"([^\n]*?)\r?\n", timeout=timeout)[1]

    def wait(self, *, timeout: float | None = None, check: bool = True) -> Result[str]:
        """End the input, wait for the program's end; ``stdout`` is all that it said and that was not expected.

        Raises:
            CommandFailed: Its status is not 0.
            ExpectFailed: It did not end in time.
        """
        limit = self.timeout if timeout is None else timeout
        until = time.monotonic() + limit
        with contextlib.suppress(ExpectFailed):
            self.end_input()
        while not self._ended and self._turn(until):
            pass
        if not self._child.wait(until - time.monotonic()):
            raise ExpectFailed(f"{self._name}: did not end in {limit:g} s", self._unread)
        ended = self._child.reap()
        args = tuple(self._child.argv[3:] if self._pty else self._child.argv)
        if check and ended.code:
            raise CommandFailed(ended.code, args, self._unread, "")
        return Result(args, ended.code, self._unread, "", time.monotonic() - self._began, ended.cpu, ended.max_rss)

    @property
    def _name(self) -> str:
        return self._child.argv[3 if self._pty else 0]

    def _turn(self, until: float, *, writing: bool = False) -> bool:
        """Read what is there; return whether anything came, or can be written."""
        poller = select.poll()
        if not self._ended:
            poller.register(self._out, select.POLLIN)
        if writing and self._in >= 0:
            both = select.POLLOUT | (select.POLLIN if self._in == self._out and not self._ended else 0)
            poller.register(self._in, both)
        events = poller.poll(max(0.0, until - time.monotonic()) * 1000)
        for fd, event in events:
            if fd == self._out and event & (select.POLLIN | select.POLLHUP):
                try:
                    data = os.read(fd, 1 << 16)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""  # the other end of a terminal is closed
                text = self._decoder.decode(data, final=not data)
                self._unread += text
                self.seen += text
                self._ended = not data
        return bool(events)

    def _close(self) -> None:
        for fd in {self._in, self._out} - {-1}:
            os.close(fd)


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
    return Talk(command, pty=pty, timeout=timeout, cwd=cwd, env=env)


def _without_echo(fd: int) -> None:
    mode = termios.tcgetattr(fd)
    mode[1] &= ~termios.OPOST
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(fd, termios.TCSANOW, mode)
