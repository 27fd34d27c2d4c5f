"""Who takes part in a run: the servers that can run here. What is left out is said aloud."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from children import python_server
from servers import SERVERS
from toolchain import build

LIMIT = "C epoll"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that can be started. `program`: a compiled one; None: one of servers/."""

    name: str
    tls: bool
    ours: bool
    program: Path | None = None

    def command(self, *, certificate: Path | None = None, files: int | None = None) -> list[str]:
        """How to start it."""
        if self.program:
            return [str(self.program)]
        return python_server(self.name, certificate=certificate, files=files)


def names() -> list[str]:
    """Every server that this bench knows."""
    return [*(server.name for server in SERVERS), LIMIT]


def contenders(wanted: Sequence[str] | None, say: Callable[[str], None]) -> list[Contender]:
    """The servers of a run: ours, and those of `wanted` (default: all) that can run here."""
    chosen = []
    for server in SERVERS:
        if wanted is not None and not server.ours and server.name not in wanted:
            continue
        if missing := server.missing():
            say(f"left out: {server.name} (not installed: {', '.join(missing)})")
            continue
        chosen.append(Contender(server.name, server.tls, server.ours))
    if wanted is None or LIMIT in wanted:
        program = build("server.c")
        if program:
            chosen.append(Contender(LIMIT, tls=False, ours=False, program=program))
        else:
            say(f"left out: {LIMIT} (no C compiler: install gcc or clang)")
    return chosen
