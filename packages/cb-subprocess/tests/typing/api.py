"""The public API as a user's type checker sees it. Read, never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import cb_subprocess as cb

assert_type(cb.run(["ls", Path("/")]), cb.Result[str])
assert_type(cb.run(["ls"], text=False).stdout, bytes)
assert_type(cb.run(cb.shell("ls"), timeout=1.0, check=False, input="x").code, int)
assert_type(cb.out("ls"), str)
assert_type(cb.out("ls", text=False), bytes)
assert_type(cb.lines(["ls"]), cb.LiveLines[str])
assert_type(list(cb.stream(["ls"], text=False)), list[tuple[str, bytes]])
assert_type(cb.pipe(["ls"], ["wc"]).stages[0].stderr, str)
assert_type(cb.batch([["ls"], cb.shell("ls")], at_once=2), Iterator[cb.JobResult])
assert_type(cb.size("a", Path("b")).disk, int)
assert_type(cb.lint("x"), list[cb.Finding])
with cb.start(["ls"], stdout=cb.DISCARD) as process:
    assert_type(process.wait(), cb.Result[str])
with cb.interact("ls") as talk:
    assert_type(talk.read_line(), str)


async def twins() -> None:
    assert_type(await cb.arun(["ls"]), cb.Result[str])
    assert_type(await cb.aout(["ls"], text=False), bytes)
    async for source, line in cb.astream(["ls"]):
        assert_type(source, str)
        assert_type(line, str)
    async for one in cb.alines(["ls"], text=False):
        assert_type(one, bytes)
    async with cb.astart(["ls"], stdout=cb.DISCARD) as process:
        assert_type(await process.wait(timeout=1), cb.Result[str])
    async with cb.ainteract("ls", pty=True) as talk:
        assert_type(await talk.read_line(), str)
