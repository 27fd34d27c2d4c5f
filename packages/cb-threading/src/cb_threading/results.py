"""What became of a URL, and of a whole list."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Progress", "Report", "Result"]

State = Literal["saved", "kept", "failed"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one URL.

    Args:
        url: As it was requested first.
        path: The file, relative to the folder.
        state: "saved"; "kept": an earlier run had saved it; "failed": see *error*.
        size: Bytes of the file.
        sha256: Of the file; empty if it was not wanted.
        status: The last HTTP status, 0 if there was none.
        final_url: Where redirects led, else the same as *url*.
        attempts: Requests, redirects not counted.
        seconds: From the first request's start to the end.
        error: One line, its kind first: "status: 404", "stall: ...".
    """

    url: str
    path: str
    state: State
    size: int = 0
    sha256: str = ""
    status: int = 0
    final_url: str = ""
    attempts: int = 0
    seconds: float = 0.0
    error: str = ""

    def json(self) -> str:
        """One line of JSON, without what says nothing."""
        fields = {name: value for name, value in asdict(self).items() if value not in ("", 0)}
        if fields.get("final_url") == self.url:
            del fields["final_url"]
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a list has come: URLs by state, bytes saved, transfers at this moment, and the slowest hosts.

    ``slowest``: (host, mean seconds a page), slowest first, three at most.
    """

    total: int
    saved: int
    kept: int
    failed: int
    size: int
    active: int
    seconds: float
    slowest: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a list. ``results`` are in the order in which they came."""

    results: tuple[Result, ...]
    seconds: float

    def count(self, state: State) -> int:
        """How many results are of that state."""
        return sum(result.state == state for result in self.results)

    @property
    def ok(self) -> bool:
        """All of them are files now."""
        return not self.count("failed")
