"""Files in four formats: what is written is read again, what is wrong is said with its line, all or nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cb_riddles.formats import csv, gift, jsonl, moodle
from cb_riddles.formats.record import Fault, Record
from cb_riddles.importing import load, records
from cb_riddles.models import Category, Option, Riddle
from hypothesis import given, settings
from hypothesis import strategies as st

PIANO = Record("What has keys?", (("A piano", True), ("A map", False)))

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=1, max_size=20
)
options = st.lists(st.tuples(texts, st.booleans()), min_size=2, max_size=5, unique_by=lambda one: one[0]).filter(
    lambda many: any(correct for _, correct in many)
)
riddles = st.builds(Record, texts, options.map(tuple), hint=texts, explanation=texts, category=st.just(""))


@pytest.mark.parametrize("form", [csv, gift, jsonl, moodle], ids=lambda form: form.__name__)
@given(many=st.lists(riddles, max_size=4))
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_again(form: Any, many: list[Record]) -> None:
    """Any text survives, special characters too; GIFT alone has no place for the hint."""
    lines = "".join(form.dumps(many)).splitlines(keepends=True)
    expected = [Record(r.riddle_text, r.options, "" if form is gift else r.hint, r.explanation) for r in many]
    assert list(form.loads(lines)) == expected


@pytest.mark.parametrize("form", [csv, jsonl], ids=lambda form: form.__name__)
def test_dates_and_categories_survive(form: Any) -> None:
    """The two formats that hold everything do."""
    record = Record("What?", PIANO.options, "h", "e", "Things", dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    assert list(form.loads("".join(form.dumps([record])).splitlines(keepends=True))) == [record]


def read(form: Any, text: str) -> list[Any]:
    """Read *text* by a format."""
    return list(form.loads(text.splitlines(keepends=True)))


GIFT = r"""// a comment
$CATEGORY: $course$/top/Music

::Title::What has keys\: what? {
  =A piano # well done
  ~A \~map\~
  #### It has 88.
}

The sun is a star. {TRUE}

[html]Which are even? {~%50%Two ~%50%Four ~%-100%Five}

Water boils at {=100 ~90} degrees.
"""


def test_gift_as_moodle_writes_it() -> None:
    """Title, category, escapes, weights, true/false, and a gap in the sentence."""
    first, second, third, fourth = read(gift, GIFT)
    assert first == Record(
        "What has keys: what?", (("A piano", True), ("A ~map~", False)), explanation="It has 88.", category="Music"
    )
    assert (first.line, first.notes) == (4, ("feedback for one option is left out",))
    assert second.options == (("True", True), ("False", False))
    assert third.options == (("Two", True), ("Four", True), ("Five", False))
    assert fourth.riddle_text == "Water boils at _____ degrees."


MOODLE = """<?xml version="1.0"?>
<quiz>
<question type="category"><category><text>$course$/Music</text></category></question>
<question type="multichoice">
<questiontext format="html"><text><![CDATA[<p>What has <b>keys</b> &amp; no lock?</p>]]></text></questiontext>
<answer fraction="100"><text>A piano</text><feedback><text>yes</text></feedback></answer>
<answer fraction="0"><text>A map</text></answer>
</question>
<question type="essay"></question>
<question type="truefalse"><questiontext><text>x</text></questiontext><answer fraction="much"/></question>
</quiz>
"""


def test_moodle_as_moodle_writes_it() -> None:
    """HTML becomes text; a kind of question that is no riddle, and a share that is no number, are errors."""
    first, second, third = read(moodle, MOODLE)
    assert first == Record("What has keys & no lock?", PIANO.options, category="Music")
    assert second == Fault(9, "a question of type 'essay' cannot be a riddle")
    assert third == Fault(10, "fraction: could not convert string to float: 'much'")


@pytest.mark.parametrize(
    ("form", "text", "line", "says"),
    [
        (gift, "\n\nWhat?\n", 3, "no answers"),
        (gift, "What? {#3.14}\n", 1, "neither a choice nor true/false"),
        (gift, "::title What? {=a ~b}\n", 1, "the title has no end"),
        (gift, "What? {=a ~b\n", 1, "no answers"),
        (csv, "riddle,correct\n", 1, "the header has no column 'option_1'"),
        (csv, "riddle,correct,option_1,option_2,hnt\n", 1, "no column is called 'hnt'"),
        (csv, "riddle,correct,option_1,option_2,option_2\n", 1, "the column 'option_2' is there twice"),
        (csv, "", 1, "the header has no column"),
        (csv, 'riddle,correct,option_1,option_2\n"a\nb",1,x,y\nc,1,x\n', 4, "3 fields, the header has 4"),
        (csv, "riddle,correct,option_1,option_2\na,3,x,y\n", 2, "correct names option 3"),
        (csv, "riddle,correct,option_1,option_2\na,one,x,y\n", 2, "not numbers"),
        (csv, 'riddle,correct,option_1,option_2\na,1,"x"y,z\n', 2, "not CSV"),
        (csv, "riddle,correct,option_1,option_2,pub_date\na,1,x,y,2026-03-01\n", 2, "no time zone"),
        (jsonl, "\n{", 2, "not JSON"),
        (jsonl, "[]", 1, "not an object"),
        (jsonl, '{"riddle": "a", "opts": []}', 1, "no field is called 'opts'"),
        (jsonl, '{"riddle": 1, "options": []}', 1, "riddle is 1, not a string"),
        (jsonl, '{"riddle": "a", "options": 1}', 1, "options must be a list"),
        (jsonl, '{"riddle": "a", "options": ["x"]}', 1, "is no option"),
        (jsonl, '{"riddle": "a", "options": [{"text": "x", "correct": 1}]}', 1, "not true or false"),
        (jsonl, '{"riddle": "a", "options": [], "pub_date": "soon"}', 1, "soon"),
        (moodle, "<quiz>\n<question>\n</quiz>", 3, "not XML"),
        (moodle, '<!DOCTYPE q [<!ENTITY a "b">]>\n<quiz/>', 1, "a DOCTYPE or an entity"),
    ],
)
def test_faults_have_a_line(form: Any, text: str, line: int, says: str) -> None:
    """What is wrong is one line that says what, where it is."""
    fault = read(form, text)[-1]
    assert isinstance(fault, Fault)
    assert fault.line == line
    assert says in fault.reason


def test_all_or_nothing() -> None:
    """One riddle that cannot be won keeps all out, and every error is in the report."""
    many = [Record(f"Riddle {n}?", PIANO.options, line=n) for n in range(2500)]
    bad = [Record("", (("a", False),), "\0", category="?", line=7), Fault(9, "no JSON")]
    report = load([*many[:1200], *bad, *many[1200:]])
    assert {(fault.line, fault.reason.split()[0]) for fault in report.errors} >= {(7, "no"), (7, "the"), (9, "no")}
    assert not Riddle.objects.exists()
    assert not Option.objects.exists()


def test_a_dry_run_changes_nothing() -> None:
    """It says what would be done."""
    assert load([PIANO], dry_run=True).created == 1
    assert not Riddle.objects.exists()


def test_duplicates() -> None:
    """The same text is skipped, refused or brought up to date, as asked; in one file, too."""
    assert (load([PIANO, PIANO]).created, load([PIANO]).skipped) == (1, 1)
    assert load([PIANO], on_duplicate="error").errors[0].reason == "the riddle 'What has keys?' is there already"
    newer = Record("What has keys?", (("A map", False), ("A lock", False), ("A piano", True)), "88", category="Music")
    assert load([newer], on_duplicate="update").updated == 1
    (now,) = records()
    assert (now.options, now.hint, now.category) == (newer.options, "88", "Music")


def test_categories_are_found_again() -> None:
    """A category is made once; two names with one slug are one category."""
    load([Record(f"{n}?", PIANO.options, category=name) for n, name in enumerate(["Music", "Music", "music!"])])
    assert [category.name for category in Category.objects.all()] == ["Music"]
