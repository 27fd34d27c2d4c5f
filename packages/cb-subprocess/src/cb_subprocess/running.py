"""`run` a command, take its output (`out`), or its lines as they come (`lines`, `stream`), or join several (`pipe`)."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from typing import Any, BinaryIO, Generic, Literal, Self, TypeVar, Unpack, overload

from cb_subprocess.child import Ended
from cb_subprocess.command import Command, words
from cb_subprocess.errors import BadCommand, CommandFailed
from cb_subprocess.execution import Execution, Plan, Reader, RunOptions
from cb_subprocess.flow import Capture, Handler, Lines
from cb_subprocess.result import PipeResult, Result, Stage

__all__ = ["LiveLines", "lines", "out", "pipe", "run", "stream"]

L = TypeVar("L")
_TAIL = 4096
_SIGPIPE = -13


@overload
def run(command: Command, *, text: Literal[True] = True, **options: Unpack[RunOptions]) -> Result[str]: ...
@overload
def run(command: Command, *, text: Literal[False], **options: Unpack[RunOptions]) -> Result[bytes]: ...
def run(command: Command, *, text: bool = True, **options: Unpack[RunOptions]) -> Result[Any]:
    """Run a command to its end and return what it left behind; if this raises, nothing of it is running any more.

    Both outputs are read while the input is given, so no size of any of them stops it.

    >>> run(["sed", "-e", "s/foo/bar/"], input="fooman events").stdout
    'barman events'

    Args:
        command: A list of words; a single word; or `shell` and a text.
        text: Outputs as str, or as bytes. Line ends stay as they are.
        options: See `RunOptions`.

    Raises:
        BadCommand: It is no command.
        CommandNotFound: There is no such program. `CommandNotRunnable` where it is there and does not start.
        CommandFailed: Its exit status is not 0, and ``check`` is true.
        CommandTimeout: It was not done in time. `OutputTooLarge` where that was asked for.
    """
    plan = Plan(**options)
    with Execution([words(command)], plan, text=text) as execution:
        execution.finish()
        return result_of(execution)


@overload
def out(command: Command, *, text: Literal[True] = True, **options: Unpack[RunOptions]) -> str: ...
@overload
def out(command: Command, *, text: Literal[False], **options: Unpack[RunOptions]) -> bytes: ...
def out(command: Command, *, text: bool = True, **options: Unpack[RunOptions]) -> Any:
    r"""Run a command and return what it wrote, to the byte. Raises what `run` raises.

    >>> out(["echo", "Hello world!"])
    'Hello world!\n'
    """
    return run(command, text=text, **options).stdout  # type: ignore[call-overload]  # a bool is one of both literals


@overload
def pipe(*commands: Command, text: Literal[True] = True, **options: Unpack[RunOptions]) -> PipeResult[str]: ...
@overload
def pipe(*commands: Command, text: Literal[False], **options: Unpack[RunOptions]) -> PipeResult[bytes]: ...
def pipe(*commands: Command, text: bool = True, **options: Unpack[RunOptions]) -> PipeResult[Any]:
    r"""Run commands, each reading what the one before writes; no shell is involved.

    >>> pipe(["seq", "100000"], ["grep", "7"], ["head", "-n", "2"]).stdout
    '7\n17\n'

    Raises:
        CommandFailed: A stage failed; it names the last that did. To be ended by SIGPIPE is a failure of the last only.
    """
    plan = Plan(**options)
    if not commands:
        raise BadCommand("a pipeline of no commands")
    with Execution([words(command) for command in commands], plan, text=text) as execution:
        execution.finish()
        return pipe_result_of(execution)


@overload
def lines(command: Command, *, text: Literal[True] = True, **options: Unpack[RunOptions]) -> LiveLines[str]: ...
@overload
def lines(command: Command, *, text: Literal[False], **options: Unpack[RunOptions]) -> LiveLines[bytes]: ...
def lines(command: Command, *, text: bool = True, **options: Unpack[RunOptions]) -> LiveLines[Any]:
    """Run a command and yield the lines that it writes, without their ends, as they come.

    It starts with the first line asked for. Leave off, and close what this returns or drop it, and the command is
    killed with all that it started. Memory: what one read brings, and the last words on stderr.

    >>> list(lines(["seq", "3"]))
    ['1', '2', '3']

    Raises what `run` raises; `CommandFailed` after the last line.
    """
    plan, argv = Plan(**options), words(command)

    def batches() -> Iterator[list[Any]]:
        got: list[list[Any]] = []

        def reader(fd: int, stream: str) -> Handler:
            return Lines(fd, got.append, plan.max_bytes, text=text) if stream == "stdout" else Tail(fd)

        with Execution([argv], plan, reader, text=text) as execution:
            while execution.handlers:
                execution.turn()
                yield from got
                got.clear()
            execution.finish()
            result_of(execution)

    return LiveLines(batches())


@overload
def stream(
    command: Command, *, text: Literal[True] = True, **options: Unpack[RunOptions]
) -> LiveLines[tuple[str, str]]: ...
@overload
def stream(
    command: Command, *, text: Literal[False], **options: Unpack[RunOptions]
) -> LiveLines[tuple[str, bytes]]: ...
def stream(command: Command, *, text: bool = True, **options: Unpack[RunOptions]) -> LiveLines[tuple[str, Any]]:
    """Yield ``("stdout", line)`` and ``("stderr", line)`` as they come; otherwise like `lines`.

    The order within one stream is the command's. Between the two it is that of arrival: two pipes keep no order.

    >>> from cb_subprocess import shell
    >>> sorted(stream(shell("echo data; echo words >&2")))
    [('stderr', 'words'), ('stdout', 'data')]
    """
    plan, argv = Plan(**options), words(command)

    def batches() -> Iterator[list[tuple[str, Any]]]:
        got: list[tuple[str, Any]] = []
        with Execution([argv], plan, tagged(got, plan, text=text), text=text) as execution:
            while execution.handlers:
                execution.turn()
                yield got
                got.clear()
            execution.finish()
            result_of(execution)

    return LiveLines(batches())


class LiveLines(Generic[L]):
    """What a running command writes, line by line; closed or dropped, it kills the command."""

    def __init__(self, batches: Iterator[Sequence[L]]) -> None:
        self._batches = batches
        self._each = itertools.chain.from_iterable(batches)  # a loop over it costs no call of ours a line

    def __iter__(self) -> Iterator[L]:
        return self._each

    def __next__(self) -> L:
        return next(self._each)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the command, if it still runs, and all that it started."""
        assert isinstance(self._batches, Generator)
        self._batches.close()


class Tail(Capture):
    """Keep the last words only."""

    def ready(self, event: int) -> bool:
        going = super().ready(event)
        if len(kept := self.value()) > 2 * _TAIL:
            self._kept.seek(0)
            self._kept.truncate()
            self._kept.write(kept[-_TAIL:])
        return going


def tagged(got: list[tuple[str, Any]], plan: Plan, *, text: bool) -> Reader:
    """Make readers that put lines into `got`, with the stream's name."""

    def reader(fd: int, stream: str) -> Handler:
        def take(batch: list[Any]) -> None:
            got.extend((stream, line) for line in batch)

        return Lines(fd, take, plan.max_bytes, text=text)

    return reader


def result_of(execution: Execution) -> Result[Any]:
    """The result of one finished command, or its failure."""
    child, (stderr,) = execution.children[0], execution.stderr
    ended = status(child.ended)
    output, errors = (execution.output(one) for one in (execution.stdout, stderr))
    if ended.code and execution.plan.check:
        raise CommandFailed(ended.code, child.argv, output, errors)
    execution.delivered = True
    files = (_rewound(execution.stdout), _rewound(stderr))
    return Result(tuple(child.argv), ended.code, output, errors, execution.seconds, ended.cpu, ended.max_rss, *files)


def pipe_result_of(execution: Execution) -> PipeResult[Any]:
    """The result of a finished pipeline, or its failure."""
    stages: list[Stage[Any]] = []
    failed: Stage[Any] | None = None
    for child, handler in zip(execution.children, execution.stderr, strict=True):
        ended = status(child.ended)
        errors = execution.output(handler)
        stage: Stage[Any] = Stage(tuple(child.argv), ended.code, errors, ended.cpu)
        stages.append(stage)
        if ended.code and (ended.code != _SIGPIPE or child is execution.children[-1]):
            failed = stage
    output = execution.output(execution.stdout)
    if failed and execution.plan.check:
        raise CommandFailed(failed.code, failed.args, output, failed.stderr)
    execution.delivered = True
    file = _rewound(execution.stdout)
    return PipeResult(tuple(stages), failed.code if failed else 0, output, execution.seconds, file)


def status(ended: Ended | None) -> Ended:
    """What is known once it is finished."""
    assert ended is not None
    return ended


def _rewound(handler: Handler | None) -> BinaryIO | None:
    file = handler.file if isinstance(handler, Capture) else None
    if file is not None:
        file.seek(0)
    return file
