"""One large log on all cores: processes take parts of it in turn, what they make of them comes back in its order.

For programs that have no threads: it forks. A part is a few megabytes, and a process goes on when its last result was
taken, so memory depends on neither the log's size nor the results'.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from cb_logging.blocks import BLOCK, blocks, next_head
from cb_logging.compressed import SUFFIXES
from cb_logging.errors import LogError, ReadError
from cb_logging.records import Query
from cb_logging.schema import Schema, detect

__all__ = ["PART", "each_part", "shared"]

T = TypeVar("T")
PART = 4 << 20


def shared(path: str | os.PathLike[str], query: Query, schema: Schema | None) -> tuple[Schema, int] | None:
    """How a log is written and how many processes are worth it; None where one process is to read it.

    That is a log that is small, compressed, bisected by time, or does not begin with a record.
    """
    file = Path(path)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if not file.is_file() or file.stat().st_size < 4 * PART or file.suffix in SUFFIXES.values() or cores < 2:
        return None
    if query.since is not None or query.until is not None:
        return None
    with file.open("rb") as opened:
        sample = opened.read(1 << 16)
    known = schema or detect(sample)
    return (known, min(8, cores)) if known.head.match(sample) else None


def each_part(
    path: str | os.PathLike[str], schema: Schema, work: Callable[[Iterator[bytes]], T], workers: int
) -> Iterator[T]:
    """Give out what *work* makes of the blocks of each part of a file, in the file's order.

    Args:
        path: A plain file.
        schema: How it is written: a part begins where a record does.
        work: Takes the blocks of a part; its result is bytes, numbers, text, or tuples and dicts of these.
        workers: How many processes.
    """
    size = os.stat(path).st_size
    parts = range(0, size, PART)
    readers: list[IO[bytes]] = []
    children: list[int] = []
    sys.stdout.flush()
    try:
        for number in range(workers):
            out, into = os.pipe()
            # Ctrl-C between fork and our own lines would be met by whatever Python runs there.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                for one in (out, *(reader.fileno() for reader in readers)):
                    os.close(one)  # else nobody's pipe breaks when the parent has enough
                _child(into, (work(_blocks(path, schema, at, size)) for at in parts[number::workers]))
            os.close(into)
            children.append(child)
            readers.append(os.fdopen(out, "rb"))
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, _ in enumerate(parts):
            yield _received(readers[number % workers])
    finally:
        for reader in readers:
            reader.close()
        for child in children:  # they end with what they are at: their pipes are broken
            os.waitpid(child, 0)


def _child(into: int, results: Iterator[Any]) -> None:
    """Send results, and end."""
    status = 1
    try:
        with os.fdopen(into, "wb") as pipe:
            try:
                for one in results:
                    _send(pipe, (True, one))
            except (LogError, OSError) as error:
                _send(pipe, (False, str(error)))
        status = 0
    except BrokenPipeError:
        pass  # nobody wants more
    finally:
        os._exit(status)


def _send(pipe: IO[bytes], what: Any) -> None:
    data = marshal.dumps(what)
    pipe.write(len(data).to_bytes(8, "little"))
    pipe.write(data)
    pipe.flush()


def _received(pipe: IO[bytes]) -> Any:
    head = pipe.read(8)
    if len(head) < 8:
        raise ChildProcessError("a process that read a part of the log ended without a word")
    fine, what = marshal.loads(pipe.read(int.from_bytes(head, "little")))  # noqa: S302 - from our own child
    if not fine:
        raise ReadError(what)
    return what


def _blocks(path: str | os.PathLike[str], schema: Schema, at: int, size: int) -> Iterator[bytes]:
    """The blocks of the records that begin in a part."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a string, as it was given
        begin = next_head(file.fileno(), at, schema.head)
        end = min(next_head(file.fileno(), at + PART, schema.head), size) if at + PART < size else size
        file.seek(begin)
        if begin < end:
            yield from blocks(_Bounded(file, end - begin), schema.head)


class _Bounded:
    """A file that ends early."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file, self._left = file, left

    def read(self, size: int = BLOCK) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data
