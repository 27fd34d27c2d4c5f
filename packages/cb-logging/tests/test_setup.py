"""Set-up: what it takes, what it refuses before anything has changed, and that it gives back what was."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cb_logging import ConfigError, FormatError, Formatter, LogError, handler, setup, setup_dict, setup_env, setup_toml
from cb_logging.fields import ContextFilter, context


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"level": "loud"}, "'loud' is no level"),
        ({"levels": {"a": "loud"}}, "'loud' is no level"),
        ({"format": "nice"}, "use one of: book, basic, color, json"),
        ({"colour": True}, "is no setting"),
        ({"spool": "yes"}, "is no bool"),
        ({"keep": True}, "is no str or int"),
        ({"rotate": "often", "to": "x.log"}, "neither a size nor a time"),
        ({"to": "tcp://nowhere"}, "names no host and port"),
        ({"to": "tcp://nowhere:99999"}, "names no host and port"),
        ({"to": "file:"}, "names no path"),
        ({"to": "smtp://host"}, "names no sender"),
        ({"to": "memory:x"}, "is no number"),
        ({"to": "queue:"}, "names no handler behind"),
        ({"to": "timed:x.log?when=never"}, "is no time"),
        ({"to": "syslog+tcp://host?facility=x"}, "no syslog facility"),
        ({"version": 1, "handlers": {"x": {"class": "no.such"}}}, "cannot"),
    ],
)
def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], words: str) -> None:
    """With the setting's name, and what would do; logging is as it was."""
    monkeypatch.chdir(tmp_path)
    before = logging.root.handlers[:], logging.root.level
    with pytest.raises(LogError) as raised:
        setup_dict(settings)
    assert words in str(raised.value) or words == "cannot"
    assert (logging.root.handlers, logging.root.level) == before
    with pytest.raises(ConfigError, match="is no kind of handler"):
        handler("nonsense:x")


def test_files_that_say_it(tmp_path: Path) -> None:
    """The name of the file is in the message."""
    (tmp_path / "a.toml").write_text("level = 'loud'\n")
    with pytest.raises(ConfigError, match=r"a.toml: level"):
        setup_toml(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_text("level = \n")
    with pytest.raises(ConfigError, match=r"b.toml:1:9: Invalid value"):
        setup_toml(tmp_path / "b.toml")
    with pytest.raises(ConfigError, match="format"):
        setup_env(environment={"CB_LOGGING_FORMAT": "odd"})


def test_given_back() -> None:
    """Handlers, levels, hooks, warnings: as before."""
    root = logging.root
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook, warnings.showwarning
    with setup("ERROR", levels={"a.b": "DEBUG"}, to="null:") as made:
        assert logging.getLogger("a.b").level == 10
        made.close()
    assert before == (root.handlers, root.level, sys.excepthook, threading.excepthook, warnings.showwarning)
    assert logging.getLogger("a.b").level == 0


def test_warnings(tmp_path: Path) -> None:
    """What the warnings module shows is logged."""
    with setup("INFO", format="basic", to=tmp_path / "log", uncaught=False), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    assert "WARNING:py.warnings:" in (tmp_path / "log").read_text()


UNCAUGHT = """
import sys, threading
import cb_logging
cb_logging.setup("INFO", format="basic", to=sys.argv[1])
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
raise {0}("the end")
"""


@pytest.mark.parametrize("kind", ["ValueError", "KeyboardInterrupt"])
@pytest.mark.parametrize("to", ["app.log", "stderr"])
def test_uncaught(tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]], to: str, kind: str) -> None:
    """Is logged with its traceback, in threads too; shown once on the console; Ctrl-C is no error."""
    ran = python(UNCAUGHT.format(kind), to)
    logged = (tmp_path / "app.log").read_text() if to == "app.log" else ran.stderr
    assert "CRITICAL:uncaught:uncaught ZeroDivisionError in thread worker\nTraceback" in logged
    assert ("CRITICAL:uncaught:uncaught ValueError\n" in logged) == (kind == "ValueError")
    if kind == "ValueError":
        assert ran.stderr.count("\nValueError: the end") == 1
    assert ran.returncode != 0


def test_color(capsys: pytest.CaptureFixture[str]) -> None:
    """The level's colour around the line."""
    with setup("DEBUG", format="color", uncaught=False):
        logging.getLogger("x").error("red")
        logging.getLogger("x").info("plain")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("\x1b[31m")
    assert first.endswith("\x1b[0m")
    assert "\x1b" not in second


def test_handlers_together(tmp_path: Path) -> None:
    """A queue and a memory handler hand on; a handler of one's own keeps its formatter; the context reaches all."""
    mine = logging.FileHandler(tmp_path / "mine.log", encoding="utf-8")
    mine.setFormatter(logging.Formatter("mine %(request)s %(message)s"))
    mine.addFilter(ContextFilter())
    places = [
        f"queue:?target=file:{tmp_path}/queue.log",
        f"memory:9?flush=ERROR&target=file:{tmp_path}/memory.log",
        mine,
    ]
    with setup("INFO", format="basic", to=places, uncaught=False), context(request="r1"):
        logging.getLogger("x").info("one")
        assert not (tmp_path / "memory.log").read_text()
        logging.getLogger("x").error("two")
        assert "two" in (tmp_path / "memory.log").read_text()
    assert (tmp_path / "queue.log").read_text() == "INFO:x:one\nERROR:x:two\n"
    assert (tmp_path / "mine.log").read_text() == "mine r1 one\nmine r1 two\n"


def test_dict_config(tmp_path: Path) -> None:
    """The standard library's schema, with this package's classes by name."""
    made = setup_dict(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": "cb_logging.Formatter", "format": "json"}},
            "filters": {"context": {"()": "cb_logging.ContextFilter"}},
            "handlers": {
                "file": {"()": "cb_logging.output", "to": str(tmp_path / "log"), "rotate": "1 MB", "formatter": "json"}
            },
            "root": {"level": "INFO", "handlers": ["file"]},
        }
    )
    with made:
        logging.getLogger("x").info("one")
    assert (tmp_path / "log").read_text().startswith('{"time":"')


def test_formatter_alone() -> None:
    """Works in a handler of the standard library."""
    assert Formatter("basic", redact=False).format(logging.makeLogRecord({"msg": "token=x", "levelname": "INFO"})) == (
        "INFO:None:token=x"
    )
    with pytest.raises(FormatError):
        Formatter("%(nope)s")
