"""The asyncio twins."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cb_subprocess import (
    BadCommand,
    CommandFailed,
    CommandTimeout,
    ExpectFailed,
    OutputTooLarge,
    ainteract,
    alines,
    aout,
    apipe,
    arun,
    astart,
    astream,
    shell,
)


def test_results() -> None:
    """The same results, many at once, with input and more output than a pipe holds."""

    async def main() -> None:
        done = await arun(shell("cat; head -c 300000 /dev/zero >&2"), input="x" * 1_000_000)
        assert (len(done.stdout), len(done.stderr)) == (1_000_000, 300_000)
        assert await asyncio.gather(*(aout(["echo", str(n)]) for n in range(20))) == [f"{n}\n" for n in range(20)]
        assert (await apipe(["yes"], ["head", "-n", "1"])).stdout == "y\n"
        assert await aout(["echo", "a"], text=False) == b"a\n"
        assert (await arun("true", input=b"x" * 1_000_000)).ok
        with pytest.raises(CommandFailed, match="why"):
            await arun(shell("echo why >&2; exit 1"))

    asyncio.run(main())


def test_lines() -> None:
    """Lines as they come; a failure after the last."""

    async def main() -> None:
        assert [line async for line in alines(["seq", "50000"])] == [str(n) for n in range(1, 50_001)]
        got = [item async for item in astream(shell("echo a; echo b >&2"))]
        assert sorted(got) == [("stderr", "b"), ("stdout", "a")]
        with pytest.raises(CommandFailed, match="why"):
            await anext(alines(shell("echo why >&2; exit 1")))

    asyncio.run(main())


def test_in_time(alive: Callable[[str], list[int]]) -> None:
    """Time-outs and limits kill the tree; the loop goes on meanwhile."""

    async def main() -> None:
        with pytest.raises(CommandTimeout) as caught:
            await arun(["sh", "-c", "echo so far; setsid sleep 68.25 & sleep 68.25"], timeout=2)
        assert caught.value.stdout == "so far\n"
        with pytest.raises(CommandTimeout):
            await arun(["sh", "-c", "exec >&- 2>&-; sleep 68.25"], timeout=0.2)
        with pytest.raises(OutputTooLarge):
            await arun(["yes", "68.25"], max_bytes=1000, spill=False)

    asyncio.run(main())
    assert not alive("68.25")


def test_cancelled(alive: Callable[[str], list[int]]) -> None:
    """A task that is cancelled, and a loop that is left, kill the command."""

    async def main() -> None:
        task = asyncio.create_task(arun(["sh", "-c", "sleep 68.5 & sleep 68.5"]))
        until = asyncio.get_running_loop().time() + 60
        while len(alive("68.5")) < 3:
            assert asyncio.get_running_loop().time() < until, "the command did not start"
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not alive("68.5")
        async with contextlib.aclosing(alines(["sh", "-c", "echo a; sleep 68.75"])) as live:
            async for line in live:
                assert line == "a"
                break
        assert not alive("68.75")

    asyncio.run(main())


def test_an_input_that_raises() -> None:
    """What it raises comes out of the await; nothing is left open."""

    def broken() -> Iterator[str]:
        yield "a"
        raise ZeroDivisionError

    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(arun("cat", input=broken()))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_started(alive: Callable[[str], list[int]]) -> None:
    """A command goes on while we await something else; asked, signalled, killed, waited for, left."""

    async def main() -> None:
        async with astart(shell("head -c 300000 /dev/zero; echo end")) as process:
            done = await process.wait()
            assert (len(done.stdout), done.args) == (300_004, process.args)
            assert await process.wait() == done
        async with astart(["sh", "-c", "setsid sleep 68.125 & sleep 68.125"]) as process:
            assert process.running
            assert process.pid in alive("68.125")
            assert process.pid in await process.kill()
            assert (process.running, process.output()) == (False, "")
        async with astart(["sleep", "68.125"]) as process:
            process.send_signal(signal.SIGINT)
            with pytest.raises(CommandFailed, match="SIGINT"):
                await process.wait()
        async with astart(["sleep", "68.125"]):
            pass
        with pytest.raises(BadCommand):
            astart("sleep 68.125")

    asyncio.run(main())
    assert not alive("68.125")


def test_started_with_a_limit(alive: Callable[[str], list[int]]) -> None:
    """Late, it is killed with its tree, and what had come is told; cancelled, it runs until the block is left."""

    async def main() -> None:
        async with astart(["sleep", "68.375"], timeout=0.05) as process:
            with pytest.raises(CommandTimeout, match=r"0\.05 s"):
                await process.wait()
        async with astart(["sh", "-c", "echo so far; sleep 68.375 & sleep 68.375"]) as process:
            with pytest.raises(CommandTimeout) as caught:
                await process.wait(timeout=1)
            assert (caught.value.stdout, process.running) == ("so far\n", False)
        async with astart(["sleep", "68.375"]) as process:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.05)
            assert process.running

    asyncio.run(main())
    assert not alive("68.375")


@pytest.mark.parametrize("pty", [False, True], ids=["pipes", "terminal"])
def test_talking(pty: bool, alive: Callable[[str], list[int]]) -> None:
    """Many programs are talked with at once; large answers come while we send; what does not come is told."""
    echo = ["sh", "-c", "while read line; do echo got $line; done; echo end"]

    async def one(word: str) -> str:
        async with ainteract(echo, pty=pty) as talk:
            await talk.send_line(word)
            assert (await talk.expect(r"got (\w+)\n"))[1] == word
            await talk.send_line("more")
            assert await talk.read_line() == "got more"
            done = await talk.wait()
            assert talk.seen == f"got {word}\ngot more\nend\n"
            return done.stdout

    async def main() -> None:
        assert await asyncio.gather(*(one(f"w{number}") for number in range(5))) == ["end\n"] * 5
        async with ainteract(["cat"]) as talk:
            text = "".join(f"{number}\n" for number in range(50_000))
            await talk.send(text)
            await talk.end_input()
            assert (await talk.wait()).stdout == text
        async with ainteract(["sleep", "68.875"], pty=pty) as talk:
            with pytest.raises(ExpectFailed, match=r"not in 0\.05 s"):
                await talk.expect("x", timeout=0.05)
            with pytest.raises(ExpectFailed, match="did not end"):
                await talk.wait(timeout=0.05)

    asyncio.run(main())
    assert not alive("68.875")
