"""The chapter's recipes, as one would write them now; each returns the lines that it has to show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from tempfile import gettempdir

from cb_subprocess.command import quote, shell
from cb_subprocess.errors import CommandFailed
from cb_subprocess.execution import DISCARD, MERGE
from cb_subprocess.interact import interact
from cb_subprocess.running import out, run
from cb_subprocess.size import size
from cb_subprocess.starting import start

__all__ = ["RECIPES"]

_HOSTILE = "/dev/null; ls -l /tmp"
_ASKS = """
import sys
from cb_subprocess import size
print("directory to check:", end=" ", file=sys.stderr, flush=True)
found = size(sys.stdin.readline().rstrip("\\n"))
print(found.disk)
"""


def call() -> Iterator[str]:
    """Run a command, take its exit status."""
    yield str(run(["ls", "-l", "/"], stdout=DISCARD, check=False).code)


def call_shell() -> Iterator[str]:
    """Run a text by a shell, which has to be said."""
    yield str(run(shell("ls -l / | wc -l"), check=False).code)


def security_issues() -> Iterator[str]:
    """A hostile name stays one word: no shell reads it."""
    try:
        run(["du", "-sh", "--", _HOSTILE])
    except CommandFailed as error:
        yield f"{error.returncode}: {error.stderr.strip()}"
    yield quote(["du", "-sh", "--", _HOSTILE])
    yield f"{size('/dev/null').disk}\t/dev/null"


def check_call() -> Iterator[str]:
    """A status other than 0 is an error, unless told otherwise."""
    try:
        run(shell("exit 1"))
    except CommandFailed as error:
        yield str(error)


def check_output() -> Iterator[str]:
    """Take the output, as text or bytes; give an input."""
    yield repr(out(["echo", "Hello world!"], text=False))
    yield repr(out(["echo", "Hello World!"]))
    yield repr(out(["sed", "-e", "s/foo/bar/"], input=b"when in the course of fooman events\n", text=False))
    yield repr(out(["sed", "-e", "s/foo/bar/"], input="when in the course of fooman events\n"))


def merge() -> Iterator[str]:
    """Both outputs as one stream, or each by itself."""
    both = shell("echo data; echo words >&2")
    yield repr(out(both, stderr=MERGE))
    yield repr(run(both).stderr)


def popen() -> Iterator[str]:
    """Start a command, do something else, wait for its end."""
    with start(["ls", "-l", "/"]) as process:
        yield "started"
        yield str(process.wait().code)


def size_recipe() -> Iterator[str]:
    """What a folder takes, as numbers, without du; errors beside the result, not instead of it."""
    found = size("/dev/null", "/no/such/folder")
    yield f"{found.disk}\t/dev/null"
    yield from found.errors


def size_of_tmp() -> Iterator[str]:
    """Answer a program that asks; its prompt is not in the answer."""
    with interact([sys.executable, "-c", _ASKS]) as talk:
        talk.expect("directory to check: ")
        talk.send_line(gettempdir())
        yield f"{talk.read_line()}\t{gettempdir()}"
        talk.wait()


RECIPES: dict[str, Callable[[], Iterator[str]]] = {
    "call": call,
    "call-shell": call_shell,
    "security-issues": security_issues,
    "check-call": check_call,
    "check-output": check_output,
    "stderr": merge,
    "popen": popen,
    "size": size_recipe,
    "size-of-tmp": size_of_tmp,
}
