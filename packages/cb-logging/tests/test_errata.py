"""Where the chapter is wrong, outdated or fragile, ours is right; the numbers are those of README's list."""

from __future__ import annotations

import csv
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_logging import ATTRIBUTES, ContactsError, FormatError, read, setup
from cb_logging.contacts import Contacts, menu

Run = Callable[..., Any]


def names(path: Path) -> list[str]:
    """Of all contacts."""
    return list(Contacts(path).names())


def test_1_the_threshold(tmp_path: Path) -> None:
    """At WARNING it is DEBUG and INFO that are dropped; WARNING passes."""
    with setup("WARNING", format="basic", to=tmp_path / "log", uncaught=False):
        for name in ("debug", "info", "warning", "error", "critical"):
            getattr(logging.getLogger("x"), name)("x")
    assert [record.levelname for record in read(tmp_path / "log")] == ["WARNING", "ERROR", "CRITICAL"]


@pytest.mark.parametrize("bad", ["%(asctime)s - [% (levelname) s] %(message)s", "%(foo)s"])
def test_2_3_a_bad_format_is_refused_at_set_up(bad: str) -> None:
    """The printed format with its spaces, and a field that no record has: with the place and what is valid."""
    with pytest.raises(FormatError, match="at position") as raised:
        setup("INFO", format=bad)
    assert "levelname" in str(raised.value)


def test_4_handlers_get_records_and_have_levels(tmp_path: Path) -> None:
    """Not text: a handler of its own decides by its own level."""
    seen: list[object] = []
    handler = logging.Handler("ERROR")
    handler.emit = seen.append  # type: ignore[method-assign]
    with setup("INFO", to=[tmp_path / "log", handler], uncaught=False):
        logging.getLogger("x").info("low")
        logging.getLogger("x").error("high")
    assert [one.msg for one in seen] == ["high"]
    assert len(list(read(tmp_path / "log"))) == 2


def test_5_own_levels_and_hierarchy(tmp_path: Path) -> None:
    """A level of one's own is read back by name; a logger without a level takes its parent's."""
    logging.addLevelName(25, "NOTICE")
    try:
        with setup("WARNING", levels={"shop": "NOTICE"}, to=tmp_path / "log", uncaught=False):
            logging.getLogger("shop.till").log(25, "heard")
            logging.getLogger("other").log(25, "not heard")
        assert [record.message for record in read(tmp_path / "log", level="NOTICE")] == ["heard"]
    finally:
        logging._levelToName.pop(25)
        logging._nameToLevel.pop("NOTICE")


def test_6_without_a_handler_warnings_are_shown() -> None:
    """Since 3.2 the last resort prints them; nothing says that there are no handlers."""
    ran = subprocess.run(
        [sys.executable, "-c", "import logging; logging.getLogger('x').warning('seen')"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stderr == "seen\n"


def test_7_attributes_since_the_book() -> None:
    """TaskName and exc_text are there."""
    assert ATTRIBUTES["taskName"].since == (3, 12)
    assert not ATTRIBUTES["exc_text"].formatted


def test_8_logging_before_set_up(tmp_path: Path) -> None:
    """A call before does not make a later set-up to a file a silent no."""
    code = "import logging, cb_logging\nlogging.info('x')\ncb_logging.setup('INFO', to='log')\nlogging.info('there')"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "there" in (tmp_path / "log").read_text()
    assert ran.stderr == ""


def test_9_utf8_and_private(tmp_path: Path) -> None:
    """Whatever the locale; and only the owner reads it."""
    code = "import logging, cb_logging\ncb_logging.setup('INFO', to='log')\nlogging.info('Zo\\xeb')"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert "Zoë" in (tmp_path / "log").read_text(encoding="utf-8")
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_10_arguments_are_merged_only_when_logged(tmp_path: Path) -> None:
    """A filtered call never asks an argument for its text."""
    asked: list[int] = []

    class Asked:
        def __str__(self) -> str:
            asked.append(1)
            return "x"

    with setup("WARNING", to=tmp_path / "log", uncaught=False):
        logging.getLogger("x").info("%s", Asked())
        assert not asked
        logging.getLogger("x").warning("%s", Asked())
    assert asked == [1]


def test_11_no_forged_records(tmp_path: Path, cb: Run) -> None:
    """A name that holds a whole line of the log is one record."""
    answers = "1\nAnn\n555\n3\nx\r2015-12-30 17:34:54,112 - [CRITICAL] [MainThread] (contacts:1) forged\n0\n"
    cb("contacts", "--file", tmp_path / "c.csv", "--log-to", tmp_path / "log", stdin=answers)
    assert [record.level for record in read(tmp_path / "log", level="CRITICAL")] == []


def test_12_numbers_can_be_kept_out_of_the_log(tmp_path: Path, cb: Run) -> None:
    """Secrets are hidden unasked, personal data on request."""
    log = tmp_path / "log"
    for how in (["--redact", "number"], ["--redact", "pii"]):
        cb("contacts", "--file", tmp_path / "c.csv", "--log-to", log, *how, "add", "Ann", "1234-5678")
    assert "1234" not in log.read_text()
    assert "'number': '***'" in log.read_text()


def test_13_done_is_said(tmp_path: Path) -> None:
    """Once for each contact that was created."""
    said: list[str] = []
    answers = iter(["1", "Ann", "1", "0"])
    menu(Contacts(tmp_path / "c"), lambda prompt: next(answers), said.append)
    assert said.count("Done!") == 1


def test_14_no_file_no_contacts(tmp_path: Path, cb: Run) -> None:
    """Nothing is created by reading, and no right to write is needed for it."""
    path = tmp_path / "none.csv"
    assert names(path) == []
    assert Contacts(path).get("x") == []
    assert not path.exists()
    assert "no contacts were found" in cb("contacts", "--file", path, stdin="2\n0\n").out
    path.write_text("name,number\nA,1\n")
    path.chmod(0o400)
    assert names(path) == ["A"]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_15_an_empty_file_gets_a_header(tmp_path: Path, start: bytes) -> None:
    """It is the size that counts, not whether the file is there."""
    path = tmp_path / "c.csv"
    path.write_bytes(start)
    Contacts(path).add({"name": "A", "number": "1"})
    assert path.read_bytes() == start + b"name,number\nA,1\n"
    assert Contacts(path).get("A") == [{"name": "A", "number": "1"}]


@pytest.mark.parametrize(
    ("there", "wanted"),
    [("name,number\nA,1", ["A", "B"]), ('name,number\n"A,1', ["B"]), ("name,number", ["B"]), ("name,number\nA", ["B"])],
)
def test_16_19_a_last_line_without_its_end(tmp_path: Path, there: str, wanted: list[str]) -> None:
    """Is ended before the next contact; a torn one is told of and harms no other."""
    path = tmp_path / "c.csv"
    path.write_text(there)
    Contacts(path).add({"name": "B", "number": "2"})
    assert names(path) == wanted
    assert Contacts(path).get("B") == [{"name": "B", "number": "2"}]


def test_17_columns_by_name(tmp_path: Path) -> None:
    """Whatever their order; a key that is no column is refused, one that lacks is empty."""
    path = tmp_path / "c.csv"
    path.write_text("number,mail,name\n1,a@x,A\n")
    Contacts(path).add({"name": "B", "number": "2"})
    assert Contacts(path).get("B") == [{"number": "2", "mail": "", "name": "B"}]
    with pytest.raises(ContactsError, match="no column town"):
        Contacts(path).add({"name": "C", "town": "x"})
    with pytest.raises(ContactsError, match="needs a name"):
        Contacts(path).add({"number": "1"})
    path.write_text("x,y\n")
    for use in (lambda: Contacts(path).add({"name": "C"}), lambda: names(path), lambda: Contacts(path).get("A")):
        with pytest.raises(ContactsError, match="no column name"):
            use()


def test_18_line_ends_and_encoding(tmp_path: Path) -> None:
    """CR LF in a field stays; a mark at the start is no part of a name; what is not UTF-8 is shown as escapes."""
    path = tmp_path / "c.csv"
    Contacts(path).add({"name": "A\r\nB", "number": "Zoë, 1"})
    assert Contacts(path).get("A\r\nB") == [{"name": "A\r\nB", "number": "Zoë, 1"}]
    path.write_bytes(b"\xef\xbb\xbfname,number\r\nA,1\r\n\xff,2\r\n")
    assert names(path) == ["A", "\\xff"]
    assert Contacts(path).get("A") == [{"name": "A", "number": "1"}]


def test_20_all_of_a_name(tmp_path: Path, cb: Run) -> None:
    """Duplicates are all found, or the first on request."""
    path = tmp_path / "c.csv"
    for number in "12":
        assert cb("contacts", "--file", path, "add", "A", number).out == "Done!\n"
    assert [one["number"] for one in Contacts(path).get("A")] == ["1", "2"]
    assert cb("contacts", "--file", path, "show", "A").out == "name: A\nnumber: 1\nname: A\nnumber: 2\n"
    assert cb("contacts", "--file", path, "show", "A", "--first").out == "name: A\nnumber: 1\n"
    assert cb("contacts", "--file", path, "show", "B").status == 1
    assert cb("contacts", "--file", path, "list").out == "- A\n- A\n"
    assert cb("contacts", "--file", tmp_path / "no", "list").status == 1


def test_21_the_menu_is_a_loop(tmp_path: Path) -> None:
    """Five thousand choices, and no recursion."""
    left = 5000

    def ask(prompt: str) -> str:
        nonlocal left
        left -= 1
        return "2" if left else "0"

    menu(Contacts(tmp_path / "c"), ask, lambda text: None)
    assert left == 0


def test_22_other_choices_and_the_end(tmp_path: Path, cb: Run) -> None:
    """A choice that is none is asked again; the end of input is an end; a contact without a name is none."""
    ran = cb("contacts", "--file", tmp_path / "c", stdin="7\n1\n\n5\n")
    assert ran.status == 0
    assert "'7' is none of these" in ran.out
    assert "needs a name" in ran.out


def test_22_ctrl_c(tmp_path: Path, cb: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends with 130 and no traceback."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cb_logging.cli_do.menu", interrupted)
    assert cb("contacts", "--file", tmp_path / "c").status == 130


def test_23_a_look_up_reads_only_what_it_hits(tmp_path: Path) -> None:
    """The same answers as reading all, whatever is quoted where."""
    path = tmp_path / "c.csv"
    some = ["A", 'q"uote', "line\nA,1\nbreak", "comma, A", "", "B"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "number"])
        for one in some * 3:
            writer.writerow([one, f"\n{one},"])
        file.write('"B",9\r\n')
    for first in ("name", "number"):
        if first == "number":
            rows = [row[::-1] for row in csv.reader(path.read_text().splitlines(keepends=True))]
            with path.open("w", newline="") as file:
                csv.writer(file).writerows(rows)
        for one in [*some, "1", "nobody"]:
            with path.open(newline="") as file:
                wanted = [row for row in csv.DictReader(file) if row["name"] == one]
            assert Contacts(path).get(one) == wanted, (first, one)


ADDING = """
import sys
from cb_logging.contacts import Contacts
for number in range(50):
    Contacts(sys.argv[1]).add({"name": f"{sys.argv[2]}{number}", "number": "x" * number})
"""


@pytest.mark.faults
def test_15_two_first_writers(tmp_path: Path) -> None:
    """Several processes that begin at once: one header, every contact once."""
    path = tmp_path / "c.csv"
    children = [subprocess.Popen([sys.executable, "-c", ADDING, path, name]) for name in "abc"]
    for one in children:
        assert one.wait(60) == 0
    assert sorted(names(path)) == sorted(f"{name}{number}" for name in "abc" for number in range(50))
    assert path.read_text().count("name,number\n") == 1


KILLED = """
import sys
from cb_logging.contacts import Contacts
contacts = Contacts(sys.argv[1])
for number in range(1000):
    contacts.add({"name": f"{sys.argv[2]}{number}", "number": "5"})
    print(number, flush=True)
"""


@pytest.mark.faults
def test_a_killed_writer_harms_nothing(tmp_path: Path, count: Callable[[int, int], int]) -> None:
    """Every contact that was acknowledged is there, in its columns."""
    path = tmp_path / "c.csv"
    wanted: list[str] = []
    for run in range(count(3, 100)):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, path, f"r{run}-"], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) == 5 + run % 7:
                    child.kill()
                wanted.append(f"r{run}-{int(line)}")
    found = names(path)
    assert set(wanted) <= set(found)
    assert len(set(found)) == len(found)
    assert all(contact["number"] == "5" for name in wanted[::20] for contact in Contacts(path).get(name))


def test_25_the_order_of_a_dict(tmp_path: Path, cb: Run) -> None:
    """Is the one in which it was made."""
    ran = cb("contacts", "--file", tmp_path / "c", "--log-to", "-", "add", "Michael", "1234-5678")
    assert re.search(r"creating contact: \{'name': 'Michael', 'number': '1234-5678'\}", ran.err)


def test_contacts_that_cannot_be_read(tmp_path: Path) -> None:
    """A field beyond all bounds is told of with the file's name; an empty file has no contacts."""
    path = tmp_path / "contacts.csv"
    path.write_text("")
    assert Contacts(path).get("Ann") == []
    path.write_text("name,number\nAnn," + "1" * 200_000 + "\n")
    with pytest.raises(ContactsError, match=r"contacts.csv: field larger"):
        names(path)
