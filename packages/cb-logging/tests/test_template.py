"""A template renders as the standard library does, reads back what it wrote, and refuses what cannot be."""

from __future__ import annotations

import logging
import sys
import time

import pytest
from cb_logging import BASIC, BOOK, FormatError, Template
from cb_logging.text import escape
from hypothesis import given
from hypothesis import strategies as st

FORMATS = [
    BOOK,
    BASIC,
    "%(message)s",
    "%(asctime)s|%(levelname)-8s|%(process)d|%(message)s",
    "%(levelno)03d %(created)f %(msecs)d %(relativeCreated).2f %(name)10s: %(message)r",
    "%(asctime)s %(pathname)s %(filename)s %(funcName)s %(processName)s %(thread)d 100%% %(message)s",
    "<%(levelname).4s> %(name)s\t%(message)s",
]
TEXT = st.text(max_size=40)


def record_of(
    message: str, *, level: int = 20, error: BaseException | None = None, **values: object
) -> logging.LogRecord:
    """A record as a logger makes it."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("shop.till", level, "/srv/shop/till.py", 7, "%s", (message,), info, "sell")
    record.__dict__.update(values)
    return record


def standard(text: str, record: logging.LogRecord) -> str:
    """What the standard library writes, if it is given a message without control characters."""
    safe = logging.makeLogRecord(
        {**record.__dict__, "msg": "%s", "args": (escape(record.getMessage()),), "exc_text": None}
    )
    return logging.Formatter(text).format(safe)


@given(message=TEXT, level=st.sampled_from([10, 20, 30, 40, 50, 35]), text=st.sampled_from(FORMATS))
def test_renders_as_the_standard_library(message: str, level: int, text: str) -> None:
    """Byte for byte, over formats, levels, and any text without control characters."""
    record = record_of(message, level=level)
    assert Template(text).render(record) == standard(text, record)


@pytest.mark.parametrize("text", FORMATS[:2])
def test_renders_exceptions_as_the_standard_library(text: str) -> None:
    """Chained tracebacks, too, and the stack."""
    try:
        try:
            raise KeyError("a")  # noqa: TRY301
        except KeyError as inner:
            raise ValueError("b\nsecond line") from inner
    except ValueError as error:
        record = record_of("failed", level=40, error=error, stack_info="Stack (most recent call last):\n  here")
    assert Template(text).render(record) == standard(text, record)


@given(message=TEXT, level=st.sampled_from([10, 20, 30, 40, 50]), text=st.sampled_from([*FORMATS[:2], FORMATS[3]]))
def test_round_trip(message: str, level: int, text: str) -> None:
    """What is rendered is parsed to the same fields, and is one line."""
    template = Template(text)
    record = record_of(message, level=level)
    line = template.render(record)
    assert "\n" not in line
    fields = template.parse(line.encode("utf-8", "backslashreplace"))
    assert fields is not None
    shown = escape(message).encode("utf-8", "backslashreplace").decode()
    assert (fields["levelname"], fields["message"]) == (record.levelname, shown)
    assert template.level_of(str(fields["levelname"]).encode()) == level
    again = logging.makeLogRecord({**record.__dict__, **fields, "msg": fields["message"], "args": ()})
    assert template.render(again) == line.encode("utf-8", "backslashreplace").decode()
    if "asctime" in fields:
        assert template.time_of(fields) == pytest.approx(record.created, abs=0.002)


@given(TEXT)
def test_no_text_forges_a_record(text: str) -> None:
    """A message, or an exception's, that holds whole log lines gives one record."""
    forged = "2015-12-30 16:43:39,600 - [CRITICAL] [MainThread] (basic:10) gone"
    for message in (f"{text}\n{forged}", f"{forged}\r{forged}", f"{text}\u2028{forged}\x85{forged}\x1b[2K"):
        template = Template()
        try:
            raise ValueError(message)  # noqa: TRY301
        except ValueError as error:
            lines = template.render(record_of(message, error=error)).encode("utf-8", "backslashreplace").split(b"\n")
        assert [bool(template.head.match(line)) for line in lines].count(True) == 1


@pytest.mark.parametrize(
    ("text", "position", "better"),
    [
        ("%(asctime)s - [% (levelname) s] %(message)s", 15, "'%(levelname)s'"),
        ("%(asctime)s %(foo)s", 12, "levelname"),
        ("100% %(message)s", 3, "%"),
        ("%(message)d", 0, "'d' cannot show"),
        ("%(message)", 0, "is no field"),
        ("%s", 0, "is no field"),
    ],
)
def test_refuses_what_no_record_has(text: str, position: int, better: str) -> None:
    """At set-up, with the place, and what would be valid."""
    with pytest.raises(FormatError) as raised:
        Template(text)
    assert raised.value.position == position
    assert better in str(raised.value)


@pytest.mark.parametrize("datefmt", ["%H:%M:%S", "%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%dT%H:%M:%S", "%x %%"])
def test_datefmt(datefmt: str) -> None:
    """Another way to write the time is rendered, found again, and read where it says the day."""
    template = Template("%(asctime)s %(levelname)s %(message)s", datefmt=datefmt)
    record = record_of("x", created=time.time(), msecs=0)
    line = template.render(record)
    assert line == logging.Formatter(template.text, datefmt).format(record)
    fields = template.parse(line.encode())
    assert fields is not None
    if "%Y" in datefmt:
        assert template.time_of(fields) == int(record.created)


def test_level_column() -> None:
    """Where all before the level has one width, it is known; also which literals a level shows as."""
    assert Template(BOOK).level_column == 27
    assert Template(BASIC).level_column == 0
    assert Template("%(name)s %(levelname)s").level_column is None
    assert Template("%(message)s").level_column is None
    assert Template("%(asctime)s %(levelname)s", datefmt="%B").level_column is None
    assert b" - [ERROR] [" in (Template(BOOK).needles(40) or [])
    assert Template("%(message)s").needles(40) is None
    assert Template("%(levelname)5.1s!").level_of(b"    C") == 50
    assert Template(BOOK).level_of(b"Level 35") == 35
    assert Template(BOOK).level_of(b"nonsense") == 0


def test_numbers_are_numbers() -> None:
    """A parsed field has its attribute's type; what is written otherwise stays text."""
    template = Template("%(lineno)d %(process)5d %(created)f %(levelno)s %(msecs)s %(lineno)x %(thread)x")
    fields = template.parse(template.render(record_of("x")).encode())
    assert fields is not None
    assert (fields["lineno"], fields["levelno"]) == (7, 20)
    assert isinstance(fields["created"], float)
    assert template.time_of(fields) == fields["created"]
    assert isinstance(fields["thread"], (str, int, float))


def test_fields_of_the_context() -> None:
    """Names that were declared may be used; a record without them shows a dash."""
    template = Template("[%(request)s] %(message)s", fields=["request"])
    assert template.render(record_of("x")) == "[-] x"
    assert template.render(record_of("x", request="r\n1")) == "[r\\n1] x"
    assert template.parse(b"[r1] x") == {"request": "r1", "message": "x"}
    assert template.time_of({}) is None
    assert repr(template).startswith("Template(")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="taskName came with 3.12")
def test_task_name() -> None:
    """The attribute that came with 3.12."""
    assert Template("%(taskName)s %(message)s").render(record_of("x", taskName="t")) == "t x"
