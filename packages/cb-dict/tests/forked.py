"""The package's command in processes forked from one that has imported it: as separate as others, sooner there.

A start costs a twentieth of what one of ``python -m`` does, less still where coverage is measured.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")


def run(
    module: str,
    words: Sequence[str],
    *,
    data: bytes = b"",
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
    preload: Sequence[str] = (),
    both: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``python -m module`` with *words* to its end; stdin is a pipe, stdout and stderr are files.

    With *both*, stderr goes with stdout, as on a terminal. Of what Python itself reads from *env* when it starts, only
    PYTHONPATH counts. What *preload* names is imported beforehand, for all runs: those of the first count.
    """
    _CONTEXT.set_forkserver_preload([f"{module}.__main__", f"{module}.cli", *preload])
    reader, writer = _CONTEXT.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        process = _CONTEXT.Process(
            target=_main,
            args=(module, [*words], reader, folder, both, os.fspath(cwd or Path.cwd()), dict(env or os.environ)),
        )
        process.start()
        reader.close()
        feeder = threading.Thread(target=_feed, args=(writer, data))
        feeder.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            feeder.join()
            raise subprocess.TimeoutExpired([module, *words], timeout, *_outputs(folder))
        feeder.join()
        status = process.exitcode
        process.close()
        return subprocess.CompletedProcess([module, *words], status, *_outputs(folder))


def _feed(writer: Connection, data: bytes) -> None:
    with writer, contextlib.suppress(BrokenPipeError), open(writer.fileno(), "wb", closefd=False) as file:
        file.write(data)


def _outputs(folder: str) -> tuple[bytes, bytes]:
    return Path(folder, "stdout").read_bytes(), Path(folder, "stderr").read_bytes()


def _main(
    module: str, words: list[str], reader: Connection, folder: str, both: bool, cwd: str, env: dict[str, str]
) -> None:
    """In the child: be as a process that was just started."""
    os.dup2(reader.fileno(), 0)
    reader.close()
    for number, name in enumerate(["stdout", "stderr"], 1):
        file = os.open(Path(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(1 if both and number == 2 else file, number)
        os.close(file)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)))
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), errors="backslashreplace", write_through=True)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:0] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = [f"{module}/__main__.py", *words]
    importlib.import_module(f"{module}.__main__").main()
