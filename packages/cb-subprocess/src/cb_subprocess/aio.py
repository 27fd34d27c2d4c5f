"""The asyncio twins: the same executions, served by the event loop. Cancelled, they leave nothing behind either."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Literal, Unpack, overload

from cb_subprocess.command import Command, words
from cb_subprocess.execution import Execution, Plan, Reader, RunOptions
from cb_subprocess.flow import TooLarge
from cb_subprocess.result import PipeResult, Result
from cb_subprocess.running import Tail, pipe_result_of, result_of, tagged

__all__ = ["alines", "aout", "apipe", "arun", "astream"]


class _Served:
    """An execution whose descriptors the event loop watches."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._error: BaseException | None = None
        self._watched: set[int] = set()
        for fd in list(execution.handlers):
            self._watch(fd)

    def _watch(self, fd: int) -> None:
        reads = self.execution.handlers[fd].events == 1  # POLLIN
        (self._loop.add_reader if reads else self._loop.add_writer)(fd, self._ready, fd)
        self._watched.add(fd)

    def _ready(self, fd: int) -> None:
        handler = self.execution.handlers[fd]
        try:
            going = handler.ready(handler.events)
        except Exception as error:  # noqa: BLE001  # whatever an input raises belongs to who awaits
            self._error, going = error, True
        if not going or self._error:
            self._forget(fd)
        if not going:
            self.execution.drop(fd)
        self._news.set()

    def _forget(self, fd: int) -> None:
        self._watched.discard(fd)
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)

    async def turn(self) -> None:
        """Wait until something came; raises what `Execution.turn` does."""
        until = self.execution.until
        try:
            async with asyncio.timeout_at(None if until is None else self._loop.time() + self.execution.left()):
                await self._news.wait()
        except TimeoutError:
            self.unwatch()
            await asyncio.to_thread(self.execution.late)
        self._news.clear()
        if isinstance(self._error, TooLarge):
            self.unwatch()
            await asyncio.to_thread(self.execution.too_large)
        if self._error is not None:
            raise self._error

    async def finish(self) -> None:
        """Wait for the end of all."""
        while self.execution.handlers:
            await self.turn()
        for child in self.execution.children:
            if not child.wait(0):
                fd = child.fileno()
                self._loop.add_reader(fd, self._news.set)
                self._watched.add(fd)
                while not child.wait(0):
                    await self.turn()
                self._forget(fd)
            child.reap()

    def unwatch(self) -> None:
        for fd in tuple(self._watched):
            self._forget(fd)


@contextlib.asynccontextmanager
async def _serving(
    commands: list[list[str]], plan: Plan, reader: Reader | None = None, *, text: bool
) -> AsyncIterator[_Served]:
    served = _Served(Execution(commands, plan, reader, text=text))
    try:
        yield served
    finally:
        served.unwatch()
        await asyncio.shield(asyncio.to_thread(served.execution.close))


@overload
async def arun(command: Command, *, text: Literal[True] = True, **options: Unpack[RunOptions]) -> Result[str]: ...
@overload
async def arun(command: Command, *, text: Literal[False], **options: Unpack[RunOptions]) -> Result[bytes]: ...
async def arun(command: Command, *, text: bool = True, **options: Unpack[RunOptions]) -> Result[Any]:
    r"""Like `run`, for ``await``. Cancelled, it kills the command with all that it started.

    >>> asyncio.run(arun(["echo", "hello"])).stdout
    'hello\n'
    """
    async with _serving([words(command)], Plan(**options), text=text) as served:
        await served.finish()
        return result_of(served.execution)


@overload
async def aout(command: Command, *, text: Literal[True] = True, **options: Unpack[RunOptions]) -> str: ...
@overload
async def aout(command: Command, *, text: Literal[False], **options: Unpack[RunOptions]) -> bytes: ...
async def aout(command: Command, *, text: bool = True, **options: Unpack[RunOptions]) -> Any:
    """Like `out`, for ``await``."""
    async with _serving([words(command)], Plan(**options), text=text) as served:
        await served.finish()
        return result_of(served.execution).stdout


@overload
async def apipe(*commands: Command, text: Literal[True] = True, **options: Unpack[RunOptions]) -> PipeResult[str]: ...
@overload
async def apipe(*commands: Command, text: Literal[False], **options: Unpack[RunOptions]) -> PipeResult[bytes]: ...
async def apipe(*commands: Command, text: bool = True, **options: Unpack[RunOptions]) -> PipeResult[Any]:
    """Like `pipe`, for ``await``."""
    async with _serving([words(command) for command in commands], Plan(**options), text=text) as served:
        await served.finish()
        return pipe_result_of(served.execution)


@overload
def astream(
    command: Command, *, text: Literal[True] = True, **options: Unpack[RunOptions]
) -> AsyncGenerator[tuple[str, str], None]: ...
@overload
def astream(
    command: Command, *, text: Literal[False], **options: Unpack[RunOptions]
) -> AsyncGenerator[tuple[str, bytes], None]: ...
async def astream(
    command: Command, *, text: bool = True, **options: Unpack[RunOptions]
) -> AsyncGenerator[tuple[str, Any], None]:
    """Like `stream`, for ``async for``. Leave off inside ``contextlib.aclosing``, and the command is killed at once."""
    got: list[tuple[str, Any]] = []
    plan = Plan(**options)
    async with _serving([words(command)], plan, tagged(got, plan, text=text), text=text) as served:
        while served.execution.handlers:
            await served.turn()
            for item in got:
                yield item
            got.clear()
        await served.finish()
        result_of(served.execution)


@overload
def alines(
    command: Command, *, text: Literal[True] = True, **options: Unpack[RunOptions]
) -> AsyncGenerator[str, None]: ...
@overload
def alines(command: Command, *, text: Literal[False], **options: Unpack[RunOptions]) -> AsyncGenerator[bytes, None]: ...
async def alines(command: Command, *, text: bool = True, **options: Unpack[RunOptions]) -> AsyncGenerator[Any, None]:
    """Like `lines`, for ``async for``; see `astream`."""
    got: list[tuple[str, Any]] = []
    plan = Plan(**options)
    reader = tagged(got, plan, text=text)

    async with _serving(
        [words(command)], plan, lambda fd, name: reader(fd, name) if name == "stdout" else Tail(fd), text=text
    ) as served:
        while served.execution.handlers:
            await served.turn()
            for _, line in got:
                yield line
            got.clear()
        await served.finish()
        result_of(served.execution)
