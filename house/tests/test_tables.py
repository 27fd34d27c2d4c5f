"""The benches' tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from house.tables import Table, put

if TYPE_CHECKING:
    from pathlib import Path

TABLE = Table("Tea", ("", "cups", "÷ it"), [["ours", "12", ""], ["a|b", "3", "4.0"]], "two cores")


def test_text_stands_in_columns() -> None:
    """The first left, the others right; a note below."""
    assert TABLE.text() == "Tea\n---\n      cups  ÷ it\nours    12\na|b      3   4.0\ntwo cores"


def test_markdown_escapes_bars() -> None:
    """A bar in a cell is no new cell."""
    assert TABLE.markdown().splitlines()[2:6] == [
        "|  | cups | ÷ it |",
        "| --- | ---: | ---: |",
        "| ours | 12 |  |",
        "| a\\|b | 3 | 4.0 |",
    ]


def test_a_row_that_is_too_short_is_no_table() -> None:
    """It is told, not filled."""
    with pytest.raises(ValueError, match="shorter"):
        Table("Tea", ("", "cups"), [["ours"]]).text()


def test_put_changes_one_place(tmp_path: Path) -> None:
    """What stood there is gone, the rest stays, and a second time changes nothing."""
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- bench: one -->\nold\n<!-- end -->\nb\n<!-- bench: two -->\n<!-- end -->\n")
    for _ in range(2):
        put(readme, "one", "new")
        assert readme.read_text() == (
            "a\n<!-- bench: one -->\n\nnew\n\n<!-- end -->\nb\n<!-- bench: two -->\n<!-- end -->\n"
        )


@pytest.mark.parametrize(
    "text", ["", "<!-- bench: one -->\n", "<!-- bench: one -->\n<!-- bench: two -->\n<!-- end -->"]
)
def test_a_place_that_is_not_there_is_named(tmp_path: Path, text: str) -> None:
    """And nothing is written."""
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match="no place for one"):
        put(readme, "one", "new")
    assert readme.read_text() == text
