"""What became of a URL, and of a whole list."""

from __future__ import annotations

from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from typing import Literal

__all__ = ["Progress", "Report", "Result", "State"]

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
        """One line of JSON, without what says nothing.

        >>> Result("http://a/x", "x", "saved", size=3, status=200, final_url="http://a/x").json()
        '{"url":"http://a/x","path":"x","state":"saved","size":3,"status":200}'
        """
        line = f'{{"url":{quoted(self.url)},"path":{quoted(self.path)},"state":"{self.state}"'
        line += f',"size":{self.size}' if self.size else ""
        line += f',"sha256":"{self.sha256}"' if self.sha256 else ""
        line += f',"status":{self.status}' if self.status else ""
        line += f',"final_url":{quoted(self.final_url)}' if self.final_url not in ("", self.url) else ""
        line += f',"attempts":{self.attempts}' if self.attempts else ""
        line += f',"seconds":{self.seconds}' if self.seconds else ""
        return line + (f',"error":{quoted(self.error)}}}' if self.error else "}")


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
