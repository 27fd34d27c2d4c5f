"""The asyncio twins of `start` and `interact`. Cancelled, they leave nothing behind either."""

from __future__ import annotations

import asyncio
import os
import re
import select
import time
from collections.abc import Mapping
from typing import Self, TypeVar, Unpack

from cb_subprocess.command import Command
from cb_subprocess.execution import RunOptions
from cb_subprocess.interact import LINE, Dialogue, Steps
from cb_subprocess.result import Result
from cb_subprocess.starting import Process

__all__ = ["AsyncProcess", "AsyncTalk", "ainteract", "astart"]

T = TypeVar("T")


class AsyncProcess:
    """A command that runs. Leaving the ``async with`` block kills what still runs of it, with all that it started."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.args: tuple[str, ...] = process.args
        self.pid: int = process.pid

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(asyncio.to_thread(self._process.close))

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.running

    def output(self) -> str:
        """What it has written so far."""
        return self._process.output()

    def send_signal(self, number: int) -> None:
        """Send the command, and it alone, a signal; nothing happens if it has ended."""
        self._process.send_signal(number)

    async def kill(self) -> tuple[int, ...]:
        """End it and all that it started; return the numbers of the processes signalled."""
        return await asyncio.to_thread(self._process.kill)

    async def wait(self, timeout: float | None = None) -> Result[str]:  # noqa: ASYNC109  # what is late is killed
        """Wait for its end; raises what `Process.wait` raises. Cancelled, it goes on until the block is left."""
        left = self._process.left(timeout)
        until = float("inf") if left is None else time.monotonic() + left
        if self._process.running and not await _ready(until, {self._process.fileno(): select.POLLIN}):
            await asyncio.to_thread(self._process.late, timeout)
        return self._process.result()


def astart(command: Command, **options: Unpack[RunOptions]) -> AsyncProcess:
    """Like `start`, for ``async with``.

    >>> async def main():
    ...     async with astart(["sh", "-c", "echo ready; sleep 60"]) as process:
    ...         return process.running
    >>> asyncio.run(main())
    True
    """
    return AsyncProcess(Process(command, **options))


class AsyncTalk:
    """A program that is talked with. Leaving the ``async with`` block kills what still runs of it."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(asyncio.to_thread(self._dialogue.close))

    @property
    def seen(self) -> str:
        """All that came from the program."""
        return self._dialogue.seen

    async def send(self, text: str) -> None:
        """Like `Talk.send`."""
        await _awaited(self._dialogue.sending(text))

    async def send_line(self, text: str = "") -> None:
        """Send a line."""
        await self.send(f"{text}\n")

    async def end_input(self) -> None:
        """Let the program read an end of file."""
        await _awaited(self._dialogue.ending_input())

    async def expect(
        self,
        pattern: str | re.Pattern[str],
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the error says what came by then
    ) -> re.Match[str]:
        """Like `Talk.expect`."""
        return await _awaited(self._dialogue.expecting(pattern, timeout))

    async def read_line(self, *, timeout: float | None = None) -> str:  # noqa: ASYNC109  # as for expect
        """The next line, without its end."""
        return (await self.expect(LINE, timeout=timeout))[1]

    async def wait(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # as for expect
        check: bool = True,
    ) -> Result[str]:
        """Like `Talk.wait`."""
        return await _awaited(self._dialogue.waiting(timeout, check=check))


def ainteract(
    command: Command,
    *,
    pty: bool = False,
    timeout: float = 30.0,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str | None] | None = None,
) -> AsyncTalk:
    """Like `interact`, for ``async with``.

    >>> async def main():
    ...     async with ainteract(["cat"]) as talk:
    ...         await talk.send_line("hello")
    ...         return await talk.read_line()
    >>> asyncio.run(main())
    'hello'
    """
    return AsyncTalk(Dialogue(command, pty=pty, timeout=timeout, cwd=cwd, env=env))


async def _awaited(steps: Steps[T]) -> T:
    try:
        until, wanted = next(steps)
        while True:
            until, wanted = steps.send(await _ready(until, wanted))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # what the steps return


async def _ready(until: float, wanted: Mapping[int, int]) -> bool:
    """Wait, in the loop, for one of the descriptors; return whether it is before `until`."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    for fd, events in wanted.items():
        if events & select.POLLIN:
            loop.add_reader(fd, news.set)
        if events & select.POLLOUT:
            loop.add_writer(fd, news.set)
    try:
        async with asyncio.timeout_at(loop.time() + until - time.monotonic()):
            await news.wait()
    except TimeoutError:
        return False
    finally:
        for fd in wanted:
            loop.remove_reader(fd)
            loop.remove_writer(fd)
    return True
