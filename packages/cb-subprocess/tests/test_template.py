"""Replacement strings, and what is written for other runners."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cb_subprocess import BadCommand, Shell, Template, out, quote, read_joblog, shell, split
from cb_subprocess.emit import emit
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("place", "made"),
    [
        ("{}", "dir/a b.tar.gz"),
        ("{.}", "dir/a b.tar"),
        ("{/}", "a b.tar.gz"),
        ("{//}", "dir"),
        ("{/.}", "a b.tar"),
        ("{#}", "7"),
        ("{%}", "2"),
        ("{1}", "dir/a b.tar.gz"),
        ("{1/.}", "a b.tar"),
        ("x{}y{#}", "xdir/a b.tar.gzy7"),
        ("{nope}", "{nope}"),
    ],
)
def test_places(place: str, made: str) -> None:
    """Each is replaced; the value stays one word, and is quoted for a shell."""
    value = "dir/a b.tar.gz"
    assert Template(["echo", place, "{}"]).command([value], 7, 2) == ["echo", made, value]


def test_without_a_place() -> None:
    """The values go behind the command; without a command, the line is one."""
    assert Template(["echo", "{#}"]).command(["a", "b c"], 1, 1) == ["echo", "1", "a", "b c"]
    assert Template([]).command(["echo 'a b'"], 1, 1) == ["echo", "a b"]
    assert Template([], shell=True).command(["echo a | cat"], 1, 1) == Shell("echo a | cat")
    assert Template(["cat {}"], shell=True).command(["a b"], 1, 1) == shell("cat 'a b'")


def test_columns() -> None:
    """A column that is not there is an error that names it."""
    assert Template(["{2}", "{1}"]).command(["a", "b"], 1, 1) == ["b", "a"]
    with pytest.raises(BadCommand, match=r"\{3\} is not there, there are 2 values"):
        Template(["{3}"]).command(["a", "b"], 4, 1)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_quoted_words_come_back(words: list[str]) -> None:
    """What is quoted is one line; bash reads the same words from it."""
    line = quote(words)
    assert "\n" not in line
    read = out(["bash", "-c", f"printf '%s\\0' {line}"]).split("\0")[:-1]
    assert read == (words or [""])


@given(st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]))))
def test_split_takes_back_quote(words: list[str]) -> None:
    """Printable words are cut again as they were."""
    assert split(quote(words)) == words


def test_split_says_what_is_open() -> None:
    """An open quote is named."""
    with pytest.raises(BadCommand, match="no closing quotation"):
        split("echo 'a")


@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed (apt-get install parallel)")
@pytest.mark.parametrize("options", [{}, {"jobs": 2, "keep_order": True, "retries": 1, "halt": "soon,fail=1"}])
def test_for_gnu_parallel(options: dict[str, object], tmp_path: Path) -> None:
    """The script runs the same jobs: odd values stay words."""
    rows = [["a b"], ["it's"], ["x\ty\nz"], ["$(id)"]]
    script = emit(
        "parallel", ["printf", "%s|", "{}"], rows, {"keep_order": True, "joblog": tmp_path / "log", **options}
    )
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=100, check=True)
    assert ran.stdout == "a b|it's|x\ty\nz|$(id)|"
    assert [done.code for done in read_joblog(tmp_path / "log").values()] == [0] * 4


def test_for_slurm() -> None:
    """Each task of the array runs its line."""
    script = emit("slurm-array", ["echo", "{}"], [["a b"], ["c"]], {"jobs": 1})
    assert "#SBATCH --array=1-2%1\n" in script
    for task, said in (("1", "a b\n"), ("2", "c\n")):
        assert out(["bash", "-c", script], env={"SLURM_ARRAY_TASK_ID": task}) == said
    with pytest.raises(BadCommand, match="known only where"):
        emit("slurm-array", ["{%}"], [["a"]], {})
