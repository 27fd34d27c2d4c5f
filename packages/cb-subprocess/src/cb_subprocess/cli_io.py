"""What the commands share: words to stderr, bytes to stdout, types of options."""

from __future__ import annotations

import math
import os
import re
import sys
from typing import Any, TextIO

import click

__all__ = ["SECONDS", "SIZE", "passed_on", "say", "with_all_streams"]

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class _Seconds(click.FloatRange):
    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a valid {self.name}", param, ctx)
        return number


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+)\s*([kmgt]?)(?:i?b)?", str(value).lower())
        if not match:
            self.fail(f"{value!r} is no size (a number, and K, M, G or T)", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


SECONDS = _Seconds(0)
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


def with_all_streams() -> None:
    """Open what is closed of the standard streams: else the next file opened got its number, and was written to.

    Input is at its end then, to write is an error, and words are lost.
    """
    for number, (name, mode, flags) in enumerate(
        (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))
    ):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # the lowest number that is free: this one
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115
