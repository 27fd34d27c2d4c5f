"""What a worker does with a chunk of rows: rows in, an `Outcome` out, and no exception of the function ever escapes.

It runs in threads, child processes and on other machines, so it knows nothing of the engine.
"""

from __future__ import annotations

import pickle
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from threading import current_thread, main_thread
from time import perf_counter
from typing import Any

from cb_map.errors import UnpicklableFunction
from cb_map.lazy import stopped


@dataclass(slots=True)
class Job:
    """What to do with every row: call *fn* with it, or with its parts where *spread*."""

    fn: Callable[..., Any]
    spread: bool
    retries: int = 0
    stop: bool = True
    """End the chunk at the first row that failed."""


@dataclass(slots=True)
class Outcome:
    """A result for every row, up to the first failure where the job stops there."""

    results: list[Any] = field(default_factory=list)
    failures: list[tuple[int, BaseException]] = field(default_factory=list)
    """Positions in ``results`` that stand for nothing, and why."""
    retried: int = 0
    seconds: float = 0.0


def run_chunk(job: Job, rows: Sequence[Any]) -> Outcome:
    """Call the function with every row. O(rows); the loop runs in C as long as nothing fails."""
    began = perf_counter()
    outcome = Outcome()
    results = outcome.results
    waiting = iter(rows)
    while True:
        error: BaseException | None = None
        try:
            results.extend(starmap(job.fn, waiting) if job.spread else map(job.fn, waiting))
        except BaseException as caught:  # noqa: BLE001  # an item's error, even SystemExit, is its outcome
            error = of_item(caught)
        # extend() keeps what it had taken before the error. A StopIteration of the function just ends it early.
        if error is None and len(results) == len(rows):
            break
        row = rows[len(results)]
        value, error = _again(job, row, error or stopped(job.fn), outcome)
        if error is not None:
            outcome.failures.append((len(results), with_traceback(error)))
        results.append(value)
        if error is not None and job.stop:
            break
    outcome.seconds = perf_counter() - began
    return outcome


def of_item(error: BaseException) -> BaseException:
    """The error, if it is the item's; Ctrl-C is raised where it can arrive: elsewhere the function itself raised it."""
    can_arrive = current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if isinstance(error, KeyboardInterrupt) and can_arrive:
        raise error
    return error


def _again(job: Job, row: Any, error: BaseException, outcome: Outcome) -> tuple[Any, BaseException | None]:
    """Try a row that has failed once more, as often as the job allows."""
    for _ in range(job.retries):
        outcome.retried += 1
        try:
            return (job.fn(*row) if job.spread else job.fn(row)), None
        except StopIteration:
            error = stopped(job.fn)
        except BaseException as caught:  # noqa: BLE001  # the last one is reported
            error = of_item(caught)
    return None, error


def with_traceback(error: BaseException) -> BaseException:
    """Keep the traceback as a note: the object itself is lost with its frames when an error travels."""
    if not getattr(error, "__notes__", None) and error.__traceback__ is not None:
        frames = "".join(traceback.format_tb(error.__traceback__)[1:])
        error.add_note(f"in the worker:\n{frames}".rstrip())
    return error


# For workers that share no memory with us ------------------------------------------------------


def pack_job(job: Job) -> bytes:
    """Pickle a job, with cloudpickle where pickle alone cannot and it is installed; raises UnpicklableFunction."""
    try:
        return pickle.dumps(job, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001  # pickle raises what __reduce__ raises
        failed = error
    try:
        import cloudpickle  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        extra = "; or pip install 'cb-map[lambda]'"
    else:
        extra = ""
        try:
            packed: bytes = cloudpickle.dumps(job)
            return packed
        except Exception as error:  # noqa: BLE001
            failed = error
    name = getattr(job.fn, "__qualname__", repr(job.fn))
    how = "define it at the top of a module, or use backend='thread'"
    raise UnpicklableFunction(f"{name} cannot be sent to another process: {failed} ({how}{extra})") from failed


_last_job: tuple[bytes, Job] | None = None


def _unpack_job(packed: bytes) -> Job:
    """The job, loaded once for as long as the same one comes."""
    global _last_job  # noqa: PLW0603  # one job at a time is what a worker has
    if _last_job is None or _last_job[0] != packed:
        try:
            _last_job = packed, pickle.loads(packed)  # noqa: S301  # made by pack_job
        except Exception as error:  # noqa: BLE001  # loading runs the module
            how = "it must be importable there: install its module, or use backend='thread'"
            raise UnpicklableFunction(f"the function cannot be loaded in a worker: {error} ({how})") from None
    return _last_job[1]


def run_packed(packed: bytes, rows: bytes) -> bytes:
    """`run_chunk` on pickled rows; the outcome comes pickled. Raises what concerns the whole chunk, not one row."""
    job = _unpack_job(packed)
    began = perf_counter()
    outcome = run_chunk(job, pickle.loads(rows))  # noqa: S301  # made by the engine
    try:
        answer = pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)
        if outcome.failures:
            pickle.loads(answer)  # noqa: S301  # an exception may pickle and not come back
    except Exception:  # noqa: BLE001
        answer = pickle.dumps(_sendable(outcome), pickle.HIGHEST_PROTOCOL)
    # Pickling is part of the price of a chunk; the field is in the pickle already, so it is told beside it.
    return (perf_counter() - began).hex().encode().ljust(32) + answer


def unpack_outcome(answer: bytes) -> Outcome:
    """What `run_packed` gave."""
    outcome: Outcome = pickle.loads(memoryview(answer)[32:])  # noqa: S301  # made by run_packed
    outcome.seconds = float.fromhex(answer[:32].decode())
    return outcome


def _sendable(outcome: Outcome) -> Outcome:
    """Put a failure in the place of each result that cannot travel, and a description in that of such an error."""
    failures = {position: _travels(error) for position, error in outcome.failures}
    for position, value in enumerate(outcome.results):
        try:
            pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # noqa: BLE001
            outcome.results[position] = None
            failures[position] = TypeError(f"the result cannot be sent back: {error} (return plain values)")
    outcome.failures = sorted(failures.items(), key=lambda pair: pair[0])
    return outcome


def _travels(error: BaseException) -> BaseException:
    try:
        copy: BaseException = pickle.loads(pickle.dumps(error))  # noqa: S301
        return copy
    except Exception:  # noqa: BLE001
        substitute = RuntimeError(f"{type(error).__qualname__}: {error}")
        for note in getattr(error, "__notes__", ()):
            substitute.add_note(note)
        return substitute
