"""The generated methods write the bytes of the standard library's way, and step aside where it must be asked."""

from __future__ import annotations

import _thread
import io
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cb_logging import BASIC, BOOK, Formatter, Output, context, fast, setup
from cb_logging.text import escape
from hypothesis import given
from hypothesis import strategies as st

FORMATS = [
    BOOK,
    BASIC,
    "%(asctime)s|%(levelname)-8s|%(levelno)d|%(process)d|%(name)-12s|%(message)s",
    '%(asctime)30s {%(filename)s} "%(pathname)s" %(funcName)s:%(lineno)5d \\ %(message)20s',
    "%(message)r %(threadName)12s 100%% %(process)5d",
    "json",
]


class Kept:
    """A sink that keeps what it is given."""

    name = "kept"

    def __init__(self) -> None:
        self.data: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.data.append(data)

    def tick(self, seconds: int) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@contextmanager
def logged(form: str, **more: Any) -> Iterator[Kept]:
    """A set-up that writes to a list."""
    sink = Kept()
    with setup("DEBUG", to=Output(sink, Formatter(form, **more)), uncaught=False, warnings=False):
        yield sink


class Passing(logging.Filter):
    """A filter that changes nothing: with it, every record goes the standard library's way."""


def both_ways(form: str, call: Callable[[logging.Logger], object], **more: Any) -> tuple[bytes, bytes]:
    """What a call writes by the generated method, and by the standard library's."""
    with logged(form, **more) as sink:
        assert type(logging.root).__module__ == fast.__name__
        log = logging.getLogger("shop.till")
        for passing in (None, Passing()):
            if passing:
                logging.root.handlers[0].addFilter(passing)
            call(log)
    first, second = sink.data
    return first, second


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still."""
    monkeypatch.setattr(time, "time", lambda: 1448000000.25)
    monkeypatch.setattr(time, "time_ns", lambda: 1448000000_250_000_000)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("form", FORMATS)
def test_same_bytes(form: str) -> None:
    """Over formats, and messages with control characters, surrogates, and secrets."""

    @given(message=st.text(max_size=60), level=st.sampled_from(["debug", "info", "warning", "error", "critical"]))
    def check(message: str, level: str) -> None:
        first, second = both_ways(form, lambda log: getattr(log, level)("said %s at %d", message, 7))
        assert first == second

    check()


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "call",
    [
        lambda log: log.info("plain"),
        lambda log: log.info("100% %s"),
        lambda log: log.info("%(a)s of %(b)d", {"a": "x", "b": 2}),
        lambda log: log.info("too many %s", 1, 2),  # noqa: PLE1205
        lambda log: log.info(12345),
        lambda log: log.info("password=%s", "hunter2"),
        lambda log: log.info("to %s", "https://ann:pw@host/"),
        lambda log: log.warning("stack", stack_info=True),
        lambda log: log.error("wrapped", stacklevel=2),
        lambda log: log.log(25, "between"),
        lambda log: log.error("with", exc_info=ValueError("v")),
        lambda log: logging.LoggerAdapter(log).info("adapted"),
        lambda log: log.critical("x" * 1_000_000),
        lambda log: log.info("\ud800 \0 \x1b[0m \r\n"),
    ],
)
def test_same_bytes_of_odd_calls(form: str, call: Callable[[logging.Logger], object]) -> None:
    """Whatever a call may ask for."""
    first, second = both_ways(form, call)
    assert first == second


@pytest.mark.usefixtures("still")
def test_same_bytes_with_fields() -> None:
    """JSON takes ``extra`` and the context on the quick way; secrets in them are hidden by key."""

    def call(log: logging.Logger) -> None:
        with context(request="r1", level="mine"):
            log.info("x", extra={"user": "ann", "n": 1 << 70, "db": {"password": "p"}, "when": object})

    first, second = both_ways("json", call)
    assert first == second
    assert b'"password":"***"' in first
    assert b'"level_":"mine"' in first
    with pytest.raises(KeyError), logged("json"):
        logging.getLogger("x").info("x", extra={"name": "taken"})  # noqa: G101


def test_the_standard_library_agrees() -> None:
    """The line is what `logging.Formatter` makes of the record that a foreign handler gets."""
    with logged(BOOK) as sink:
        seen: list[logging.LogRecord] = []
        foreign = logging.Handler()
        foreign.emit = seen.append  # type: ignore[method-assign]
        logging.root.addHandler(foreign)
        for message in ("plain", "two\nlines", "säure"):
            logging.getLogger("a.b").info("%s", message)
        assert len(seen) == 3
        for record, data in zip(seen, sink.data, strict=True):
            record.msg = escape(record.getMessage())
            record.args = ()
            assert logging.Formatter(BOOK).format(record) + "\n" == data.decode()
            assert record.funcName == "test_the_standard_library_agrees"


def test_foreign_handlers_filters_and_propagation() -> None:
    """All of logging's own rules hold, whenever they are made use of."""
    with logged(BASIC) as sink:
        log = logging.getLogger("rules.of")
        log.info("one")
        log.propagate = False
        log.info("stopped")
        log.propagate = True
        log.disabled = True
        log.info("disabled")
        log.disabled = False
        log.addFilter(lambda record: "drop" not in record.getMessage())
        log.info("drop this")
        log.filters.clear()
        stream = io.StringIO()
        parent = logging.getLogger("rules")
        parent.addHandler(logging.StreamHandler(stream))
        log.info("both")
        parent.handlers.clear()
        logging.root.handlers[0].setLevel("ERROR")
        log.info("below the handler")
        logging.root.handlers[0].setLevel(0)
        logging.disable(logging.INFO)
        log.info("switched off")
        logging.disable(logging.NOTSET)
        log.setLevel("WARNING")
        log.info("below the logger")
        log.setLevel("NOTSET")
        logging.setLogRecordFactory(lambda *a, **k: logging.LogRecord(*a[:4], "from a factory", (), *a[6:], **k))
        log.info("x")
        logging.setLogRecordFactory(logging.LogRecord)
        logging.root.handlers[0].setFormatter(logging.Formatter("other %(message)s"))
        log.info("format")
    assert b"".join(sink.data).decode().splitlines() == [
        "INFO:rules.of:one",
        "INFO:rules.of:both",
        "INFO:rules.of:from a factory",
        "other format",
    ]
    assert stream.getvalue() == "both\n"


def test_callers_are_found() -> None:
    """Module functions, threads, a lambda, the top of a stack: each line says where it was called."""
    with logged("%(funcName)s %(threadName)s %(message)s") as sink:
        logging.info("module")  # noqa: LOG015
        thread = threading.Thread(target=lambda: logging.getLogger("t").info("thread"), name="worker\n7")
        thread.start()
        thread.join()
        threading.current_thread().name, name = "renamed", threading.current_thread().name
        logging.getLogger("t").info("after")
        threading.current_thread().name = name
        done = threading.Event()
        raw = logging.getLogger("raw")
        _thread.start_new_thread(lambda: (raw.info("bare"), done.set()), ())
        assert done.wait(30), "the bare thread did not log"
    here = "test_callers_are_found"
    lines = b"".join(sink.data).decode().splitlines()
    assert lines[:3] == [f"{here} MainThread module", "<lambda> worker\\n7 thread", f"{here} renamed after"]
    assert lines[3].startswith("<lambda> Dummy")


def test_called_without_a_frame() -> None:
    """A logger's method as the function that a bare thread runs."""
    with logged(BASIC) as sink:
        _thread.start_new_thread(logging.getLogger("raw").info, ("alone",))
        end = time.monotonic() + 30
        while not sink.data and time.monotonic() < end:
            time.sleep(0.005)
    assert sink.data == [b"INFO:raw:alone\n"]


def test_call_sites_are_not_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that is made and thrown away again and again gets its own lines, and does not fill the memory."""
    monkeypatch.setattr(fast, "_SITES", 10)
    with logged("%(module)s:%(lineno)d %(message)s") as sink:
        for number in range(50):
            code = compile("\n" * number + "log.info('x')", f"made{number}.py", "exec")
            exec(code, {"log": logging.getLogger("x")})
    assert sink.data == [b"made%d:%d x\n" % (number, number + 1) for number in range(50)]


def test_a_call_that_cannot_be_merged_is_written() -> None:
    """And marked; also an argument whose text raises, and whose repr does."""

    class Bad:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    with logged(BASIC) as sink:
        logging.getLogger("x").info("%d apples", "no")
        logging.getLogger("x").info("%s", Bad())
        logging.getLogger("x").info("%s", SimpleNamespace(bad=1))
    assert sink.data[0] == b"INFO:x:'%d apples' % ('no',) (cannot be merged: TypeError)\n"
    assert sink.data[1] == b"INFO:x:'%s' % <tuple> (cannot be merged: RuntimeError)\n"
    assert sink.data[2] == b"INFO:x:namespace(bad=1)\n"


def test_logging_while_logging() -> None:
    """An argument whose text logs gives both records, the inner one first."""

    class Chatty:
        def __str__(self) -> str:
            logging.getLogger("inner").info("asked")
            return "chatty"

    with logged(BASIC) as sink:
        logging.getLogger("outer").info("%s", Chatty())
    assert sink.data == [b"INFO:inner:asked\n", b"INFO:outer:chatty\n"]


def test_other_formats_take_the_long_way(tmp_path: Path) -> None:
    """What only a record has is asked of a record; set-ups within set-ups give back what was."""
    with logged("%(processName)s %(relativeCreated)d %(message)s") as sink:
        assert type(logging.root) is logging.RootLogger
        logging.getLogger("x").info("long")
        with logged(BASIC) as inner:
            logging.getLogger("x").info("inner")
            fresh = logging.getLogger(f"new.{tmp_path.name}")
        assert type(fresh) is logging.Logger
        logging.getLogger("x").info("again")
    assert len(sink.data) == 2
    assert inner.data == [b"INFO:x:inner\n"]
    assert logging.getLoggerClass() is logging.Logger


def test_context_in_text() -> None:
    """A declared field shows what the context says at the call."""
    with logged("[%(request)s] %(message)s", fields=["request"]) as sink:
        log = logging.getLogger("x")
        log.info("none")
        with context(request="r\n1"):
            log.info("one")
            log.info("one", extra={"request": "mine"})
    assert sink.data == [b"[-] none\n", b"[r\\n1] one\n", b"[mine] one\n"]


def test_a_sink_that_fails_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The program goes on, the records are counted."""

    class Broken(Kept):
        def write(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    with setup("INFO", to=Output(Broken(), Formatter(BASIC)), uncaught=False) as made:
        for _ in range(3):
            logging.getLogger("x").info("lost")
        logging.getLogger("x").error("lost, too", exc_info=ValueError("v"))
        assert made.failures == {"kept": 4}
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_without_a_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without a console logs to nowhere, quietly."""
    monkeypatch.setattr(sys, "stderr", None)
    with setup("INFO", uncaught=False) as made:
        logging.getLogger("x").info("into nothing")
    assert made.failures == {"stderr": 0}


class Odd:
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("redact", [True, False, ["pin"]])
@pytest.mark.parametrize("form", [BOOK, "%(levelname)s %(process)d %(message)s", "json"])
def test_same_bytes_whatever_is_hidden(form: str, redact: bool | list[str]) -> None:
    """With secrets hidden, shown, and with keys of one's own; with fields and without."""

    def call(log: logging.Logger) -> None:
        log.info("password=%s pin: %d", "hunter2", 1234)

    def with_fields(log: logging.Logger) -> None:
        log.info("x", extra={"pin": 1234, "token": "t", "n": {"pin": 5}, 7: "number"})

    first, second = both_ways(form, call, redact=redact)
    assert first == second
    assert (b"hunter2" in first) == (redact is False)
    first, second = both_ways(form, with_fields, redact=redact)
    assert first == second


@pytest.mark.usefixtures("still")
def test_same_bytes_of_odd_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Context fields that are no text, cannot be text, cannot be hashed; more of them than are kept."""
    monkeypatch.setattr(fast, "_NAMES", 3)

    def call(value: object) -> Callable[[logging.Logger], None]:
        def inside(log: logging.Logger) -> None:
            with context(request=value, other="o"):
                log.info("x")

        return inside

    names = ["request", "api_key"]
    for value in (1, True, 1.0, None, [1], {"token": "t"}, Odd(), *map(str, range(9))):
        first, second = both_ways("[%(request)s %(api_key)s] %(message)s", call(value), fields=names)
        assert first == second
        assert first.endswith(b" -] x\n")
        first, second = both_ways("json", call(value))
        assert first == second


@pytest.mark.usefixtures("still")
def test_fields_that_go_round() -> None:
    """A value that holds itself is shown as what can be shown of it."""
    ring: dict[str, object] = {}
    ring["ring"] = ring
    first, second = both_ways("json", lambda log: log.info("x", extra={"ring": ring}))
    assert first.rpartition(b"ring")[0] == second.rpartition(b"ring")[0]


def test_without_orjson(tmp_path: Path) -> None:
    """JSON is the standard library's, the same but for what orjson writes its own way."""
    code = """
import sys
if sys.argv[1] == "without":
    sys.modules["orjson"] = None
import logging, time
from cb_logging import context, setup
time.time = lambda: 1448000000.25
time.time_ns = lambda: 1448000000_250_000_000
with setup("INFO", format="json", to="stdout", uncaught=False):
    log = logging.getLogger("shop")
    log.info("sold %d", 7, extra={"user": "ann", "n": 1.5, "deep": {"password": "p", "list": [1, None]}})
    with context(request="r1", token="t"):
        log.error("s\u00e4ure", extra={"when": object})
"""
    found = [
        subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, check=True).stdout
        for how in ("with", "without")
    ]
    assert found[0] == found[1]
    assert found[0].count('"***"') == 2
