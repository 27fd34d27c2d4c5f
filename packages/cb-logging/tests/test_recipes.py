"""The chapter's recipes, in its order: from code, TOML, the environment, and the command."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cb_logging import ATTRIBUTES, HANDLERS, Formatter, Level, handler, level, setup, setup_env, setup_toml
from cb_logging.cli import commands
from cb_logging.contacts import Contacts, menu

Python = Callable[..., subprocess.CompletedProcess[str]]

CALLS = """
logging.debug("Some additional information")
logging.info("Working...")
logging.warning("Watch out!")
logging.error("Oh NO!")
logging.critical("x.x")
"""
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
FORMATTED = [("INFO", 7, "Working..."), ("WARNING", 8, "Watch out!"), ("ERROR", 9, "Oh NO!"), ("CRITICAL", 10, "x.x")]
MENU = "1) Create Contact\n2) All Contacts\n3) Detail of a contact\n0) Exit\nWhat do you want to do? "


def is_formatted(text: str, lines: list[tuple[str, int, str]] = FORMATTED, module: str = "basic") -> bool:
    """Whether a text is these lines in the chapter's format."""
    wanted = [
        rf"{STAMP} - \[{name}\] \[MainThread\] \({module}:{number}\) {re.escape(words)}\n"
        for name, number, words in lines
    ]
    return re.fullmatch("".join(wanted), text) is not None


def test_levels(cb: Callable[..., object]) -> None:
    """4.1.1 levels and their meaning.

    Five, and NOTSET, by name and number, each with its meaning; a threshold passes what is at or above it.
    """
    assert [(str(one), int(one)) for one in Level][1:] == [
        ("DEBUG", 10),
        ("INFO", 20),
        ("WARNING", 30),
        ("ERROR", 40),
        ("CRITICAL", 50),
    ]
    assert level("warning") == logging.WARNING
    out = str(cb("levels").out)
    assert all(f"{one}" in out and one.meaning in out for one in Level)


def test_every_attribute(cb: Callable[..., object], tmp_path: Path) -> None:
    """4.1.3 every attribute of a record.

    Each attribute of the chapter's list, and those it lacks, is in the command's list and can be logged.
    """
    out = str(cb("attributes").out)
    assert [line.split()[0] for line in out.splitlines()] == list(ATTRIBUTES)
    assert len(ATTRIBUTES) == 23
    names = [one.name for one in ATTRIBUTES.values() if one.formatted and one.since <= sys.version_info[:2]]
    log = tmp_path / "all.log"
    with setup("INFO", format=" ".join(f"{name}=%({name})s" for name in names), to=log, uncaught=False):
        logging.getLogger("shop").info("%d sold", 3)
    assert re.findall(r"(\w+)=", log.read_text()) == names
    assert "message=3 sold" in log.read_text()


MADE = {
    "stderr": "StreamHandler",
    "stdout": "StreamHandler",
    "file:{0}/a.log": "FileHandler",
    "watched:{0}/b.log": "WatchedFileHandler",
    "rotating:{0}/c.log?max=1kB&keep=2": "RotatingFileHandler",
    "timed:{0}/d.log?when=H&keep=2&interval=2": "TimedRotatingFileHandler",
    "tcp://localhost:9": "SocketHandler",
    "tcp+unix:{0}/s": "SocketHandler",
    "udp://localhost:9": "DatagramHandler",
    "udp+unix:{0}/s": "DatagramHandler",
    "smtp://ann:pw@localhost?from=a@x&to=b@x,c@x&subject=s": "SMTPHandler",
    "smtp+tls://localhost:587?from=a@x&to=b@x": "SMTPHandler",
    "syslog+tcp://localhost": "SyslogHandler",
    "syslog+tls://localhost?facility=local3&app=shop": "SyslogHandler",
    "syslog://localhost:514?level=ERROR": "SyslogHandler",
    "journal:{0}/j": "JournalHandler",
    "otlp+http://localhost:4318/v1/logs?service=s": "OtlpHandler",
    "otlp+https://localhost:4318/v1/logs": "OtlpHandler",
    "memory:10?target=null:&flush=WARNING": "MemoryHandler",
    "queue:?target=null:": "QueueHandler",
    "http://localhost:80/log?method=get": "HTTPHandler",
    "https://localhost/log": "HTTPHandler",
    "null:": "NullHandler",
}


@pytest.mark.parametrize(("spec", "made"), MADE.items())
def test_every_handler(tmp_path: Path, spec: str, made: str) -> None:
    """4.1.2 every handler: each handler of the chapter is made from one line of text, and works under `setup`."""
    one = handler(spec.format(tmp_path))
    assert made in {kind.__name__ for kind in type(one).__mro__}
    one.close()


def test_the_list_of_handlers(cb: Callable[..., object]) -> None:
    """4.1.2 every handler: is whole: those of the chapter that are to be instantiated, each shown by the command."""
    classes = {one.made_of for one in HANDLERS.values()}
    assert classes >= {
        "StreamHandler", "FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler", "SocketHandler",
        "DatagramHandler", "SMTPHandler", "SysLogHandler", "NTEventLogHandler", "MemoryHandler", "HTTPHandler",
        "WatchedFileHandler", "QueueHandler", "NullHandler",
    }  # fmt: skip
    schemes = {spec.partition(":")[0] for spec in MADE} | {"syslog", "nteventlog"}
    assert schemes == set(HANDLERS)
    assert "RotatingFileHandler" in str(cb("handlers", "rotating").out)


def test_basic_as_it_comes(python: Python, cb: Callable[..., object]) -> None:
    """4.2 basic.py as it comes.

    Without a set-up, and with the default one: WARNING and above, as level, logger, message.
    """
    wanted = "WARNING:root:Watch out!\nERROR:root:Oh NO!\nCRITICAL:root:x.x\n"
    assert python("import logging" + CALLS, name="basic.py").stderr == wanted
    ours = "import logging, cb_logging\ncb_logging.setup('WARNING', format='basic')" + CALLS
    ran = python(ours, name="basic.py")
    assert (ran.stdout, ran.stderr) == ("", wanted)
    assert cb("demo", "basic").err == wanted


SETUPS = {
    "code": 'import logging\n\nfrom cb_logging import setup\nsetup("INFO")\n',
    "environment": "import logging\n\nfrom cb_logging import setup_env\nsetup_env()\n",
    "toml": 'import logging\n\nfrom cb_logging import setup_toml\nsetup_toml("log.toml")\n',
    "dict": 'import logging\n\nfrom cb_logging import setup_dict\nsetup_dict({"level": "INFO", "format": "book"})\n',
    "dictConfig": "import logging\nimport cb_logging\ncb_logging.setup_dict({'version': 1, 'formatters': {'f': {'()': "
    "'cb_logging.Formatter'}},\n'handlers': {'h': {'()': 'cb_logging.output', 'to': 'stderr', 'formatter': 'f'}},"
    " 'root': {'level': 'INFO', 'handlers': ['h']}})\n",
}


@pytest.mark.parametrize("way", SETUPS)
def test_basic_with_a_format(
    tmp_path: Path, python: Python, monkeypatch: pytest.MonkeyPatch, cb: Callable[..., object], way: str
) -> None:
    """4.2 basic.py with a format.

    INFO and above, with time, level, thread, module and line: lines 7 to 10, however it is set up.
    """
    (tmp_path / "log.toml").write_text('[logging]\nlevel = "INFO"\n')
    monkeypatch.setenv("CB_LOGGING_LEVEL", "INFO")
    ran = python(SETUPS[way] + CALLS, name="basic.py")
    assert is_formatted(ran.stderr), ran.stderr
    assert is_formatted(str(cb("demo", "format").err), [(a, b + 6, c) for a, b, c in FORMATTED])


def test_basic_to_a_file(tmp_path: Path, python: Python, cb: Callable[..., object]) -> None:
    """4.2 basic.py to a file: the same lines in a file, none on the console; `cat` shows them."""
    ran = python(SETUPS["code"].replace('"INFO"', '"INFO", to="basic.log"') + CALLS, name="basic.py")
    assert (ran.stdout, ran.stderr) == ("", "")
    assert is_formatted((tmp_path / "basic.log").read_text())
    assert is_formatted(str(cb("cat", tmp_path / "basic.log").out))
    cb("demo", "file", "--to", tmp_path / "demo.log")
    assert (tmp_path / "demo.log").read_text().count("\n") == 4


FIRST = ["1", "Michael", "1234-5678", "2", "1", "Sarah", "9876-5432", "2", "3", "Sarah", "0"]
FIRST_DIALOG = "".join(
    [
        f"{MENU}name: number: Done!\n",
        f"{MENU}- Michael\n",
        f"{MENU}name: number: Done!\n",
        f"{MENU}- Michael\n- Sarah\n",
        f"{MENU}name: name: Sarah\nnumber: 9876-5432\n",
        MENU,
    ]
)
SECOND = ["2", "3", "Michael", "3", "Qwerty", "0"]
SECOND_DIALOG = "".join(
    [
        f"{MENU}- Michael\n- Sarah\n",
        f"{MENU}name: name: Michael\nnumber: 1234-5678\n",
        f"{MENU}name: contact not found.\n",
        MENU,
    ]
)


def test_contacts_without_a_log(tmp_path: Path, cb: Callable[..., object]) -> None:
    """4.2 contacts, no log: the two dialogs, word for word, what is typed left out."""
    file = tmp_path / "contacts.csv"
    ran = cb("contacts", "--file", file, stdin="\n".join(FIRST) + "\n")
    assert ran.out == FIRST_DIALOG
    assert ran.err == ""
    assert cb("contacts", "--file", file, stdin="\n".join(SECOND)).out == SECOND_DIALOG
    assert file.read_text() == "name,number\nMichael,1234-5678\nSarah,9876-5432\n"
    said: list[str] = []
    answers = iter(SECOND)
    menu(Contacts(file), lambda prompt: next(answers), said.append)
    assert "- Sarah" in said


def test_contacts_with_the_log_on_the_console(tmp_path: Path, cb: Callable[..., object]) -> None:
    """4.2 contacts, log on the console: the same dialog, and a line for each step on stderr."""
    file = tmp_path / "contacts.csv"
    ran = cb("contacts", "--file", file, "--log-to", "-", stdin="\n".join(FIRST) + "\n")
    assert ran.out == FIRST_DIALOG
    lines = str(ran.err).splitlines()
    assert [re.sub(rf"^{STAMP} - \[INFO\] \[MainThread\] \(contacts:\d+\) ", "", line) for line in lines] == [
        f"initializing contacts repository with file at: {file}",
        "creating contact: {'name': 'Michael', 'number': '1234-5678'}",
        "retrieving all contact names",
        "creating contact: {'name': 'Sarah', 'number': '9876-5432'}",
        "retrieving all contact names",
        "retrieving full contact for name: Sarah",
    ]


def test_contacts_with_the_log_in_a_file(tmp_path: Path, cb: Callable[..., object]) -> None:
    """4.2 contacts, log in a file: a clean dialog; five lines in the log, the last a warning."""
    file, log = tmp_path / "contacts.csv", tmp_path / "contacts.log"
    cb("contacts", "--file", file, stdin="\n".join(FIRST) + "\n")
    ran = cb("contacts", "--file", file, "--log-to", log, stdin="\n".join(SECOND) + "\n")
    assert (ran.out, ran.err) == (SECOND_DIALOG, "")
    shown = str(cb("cat", log).out).splitlines()
    assert [re.sub(rf"^{STAMP} - (\[\w+\]) \[MainThread\] \(contacts:\d+\) ", r"\1 ", line) for line in shown] == [
        f"[INFO] initializing contacts repository with file at: {file}",
        "[INFO] retrieving all contact names",
        "[INFO] retrieving full contact for name: Michael",
        "[INFO] retrieving full contact for name: Qwerty",
        "[WARNING] contact was not found for name: Qwerty",
    ]


def test_every_setting_from_toml_and_the_environment(tmp_path: Path) -> None:
    """4.2 set-up outside the code: levels by logger, several places, rotation, fields, redaction."""
    (tmp_path / "log.toml").write_text(
        f'[tool.cb-logging]\nlevel = "WARNING"\nformat = "[%(request)s] %(message)s"\nfields = ["request"]\n'
        f'to = ["{tmp_path}/a.log", "file:{tmp_path}/b.log"]\nrotate = "1 MB"\nkeep = 3\n'
        f'compress = "gz"\nspool = true\n'
        f'redact = ["pin"]\nwarnings = false\nuncaught = false\n'
        f'datefmt = "%H"\n[tool.cb-logging.levels]\nshop = "DEBUG"\n'
    )
    with setup_toml(tmp_path / "log.toml"):
        logging.getLogger("shop").debug("pin=1234")
        logging.getLogger("other").info("no")
    assert (tmp_path / "a.log").read_text() == (tmp_path / "b.log").read_text() == "[-] pin=***\n"
    assert logging.getLogger("shop").level == 0
    environment = {
        "CB_LOGGING_CONFIG": str(tmp_path / "log2.toml"),
        "CB_LOGGING_TO": f"{tmp_path}/c.log null:",
        "CB_LOGGING_LEVELS": "shop=ERROR,other=DEBUG",
        "CB_LOGGING_REDACT": "no",
        "CB_LOGGING_UNCAUGHT": "0",
        "OTHER": "x",
    }
    (tmp_path / "log2.toml").write_text('[logging]\nformat = "basic"\nlevel = "ERROR"\n')
    with setup_env(environment=environment):
        logging.getLogger("shop").warning("no")
        logging.getLogger("other").debug("password=x")
    assert (tmp_path / "c.log").read_text() == "DEBUG:other:password=x\n"


def test_the_command_has_every_sub_command() -> None:
    """all: as many as there are to be."""
    assert commands.list_commands(None) == [  # type: ignore[arg-type]
        "cat", "tail", "stats", "levels", "handlers", "attributes", "format", "check", "send", "run", "recover",
        "contacts", "demo",
    ]  # fmt: skip
    assert isinstance(Formatter("color"), logging.Formatter)
