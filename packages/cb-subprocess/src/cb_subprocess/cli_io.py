"""What the commands share: words to stderr, bytes to stdout, types of options."""

from __future__ import annotations

import re
from typing import TextIO

import click

__all__ = ["SECONDS", "SIZE", "passed_on", "say"]

SECONDS = click.FloatRange(0)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+)\s*([kmgt]?)(?:i?b)?", str(value).lower())
        if not match:
            self.fail(f"{value!r} is no size (a number, and K, M, G or T)", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


SIZE = _Size()


def say(text: str) -> None:
    """One line on stderr."""
    line = f"cb-subprocess: {text}".replace("\n", " ")
    click.echo(line.encode("utf-8", "replace").decode(), err=True)


def passed_on(text: str, stream: TextIO) -> None:
    """Write a command's output to the byte."""
    stream.flush()
    stream.buffer.write(text.encode("utf-8", "surrogateescape"))
    stream.buffer.flush()
