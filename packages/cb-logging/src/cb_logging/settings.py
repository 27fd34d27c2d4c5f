"""Logging set up in one call, from arguments, a dict, TOML, or the environment; undone by `Setup.close`."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cb_logging import fast
from cb_logging.errors import ConfigError
from cb_logging.handlers import handler
from cb_logging.levels import level as level_of
from cb_logging.outputs import Formatter, Output, output
from cb_logging.rotation import Rotation

__all__ = ["SETTINGS", "Setup", "setup", "setup_dict", "setup_env", "setup_toml"]

Place = str | os.PathLike[str] | logging.Handler
SETTINGS = (
    "level", "format", "datefmt", "to", "rotate", "keep", "compress", "spool", "levels", "fields", "redact", "warnings",
    "uncaught",
)  # fmt: skip


class Setup:
    """What `setup` did. A context manager; `close` puts everything back as it was."""

    def __init__(self) -> None:
        root = logging.root
        self.handlers: list[logging.Handler] = []
        self._before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
        self._levels: dict[str, int] = {}
        self._warnings = False
        self._open = True

    @property
    def failures(self) -> dict[str, int]:
        """Records that could not be written, by the name of the place."""
        return {one.sink.name: one.failures for one in self.handlers if isinstance(one, Output)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and put back handlers, levels, hooks and logger classes."""
        if not self._open:
            return
        self._open = False
        fast.uninstall()
        root = logging.root
        root.handlers[:], least, sys.excepthook, threading.excepthook = self._before
        root.setLevel(least)
        for name, before in self._levels.items():
            logging.getLogger(name).setLevel(before)
        if self._warnings:
            logging.captureWarnings(False)
        for one in self.handlers:
            one.close()
        if len(root.handlers) == 1 and isinstance(root.handlers[0], Output):
            fast.install(root.handlers[0])  # of the set-up that this one was made within

    def install(self, least: int, levels: Mapping[str, str | int], *, warnings: bool, uncaught: bool) -> None:
        """Take the root logger over."""
        root = logging.root
        numbers = {name: level_of(value) for name, value in levels.items()}
        for name, number in numbers.items():
            logger = logging.getLogger(name)
            self._levels[name] = logger.level
            logger.setLevel(number)
        fast.uninstall()
        root.handlers[:] = self.handlers
        root.setLevel(least)
        if len(self.handlers) == 1 and isinstance(self.handlers[0], Output):
            fast.install(self.handlers[0])
        if warnings:
            logging.captureWarnings(True)
            self._warnings = True
        if uncaught:
            self._catch()

    def _catch(self) -> None:
        """Log what nothing caught. The hooks before still run where the log is not the console itself."""
        _, _, program, thread = self._before
        console = any(one.sink.name == "stderr" for one in self.handlers if isinstance(one, Output))
        log = logging.getLogger("uncaught")

        def in_program(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            if issubclass(kind, Exception):
                log.critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))
            if not console or not issubclass(kind, Exception):
                program(kind, error, trace)

        def in_thread(arguments: threading.ExceptHookArgs) -> None:
            kind, error, trace = arguments.exc_type, arguments.exc_value, arguments.exc_traceback
            if issubclass(kind, Exception) and error is not None:
                name = arguments.thread.name if arguments.thread else "?"
                log.critical("uncaught %s in thread %s", kind.__name__, name, exc_info=(kind, error, trace))
            if not console:
                thread(arguments)

        sys.excepthook, threading.excepthook = in_program, in_thread


def setup(
    level: str | int = "INFO",
    *,
    format: str = "book",  # noqa: A002 - as basicConfig calls it
    datefmt: str | None = None,
    to: Place | Sequence[Place] = "stderr",
    rotate: str | int | None = None,
    keep: int | str = 5,
    compress: str = "",
    spool: bool = False,
    levels: Mapping[str, str | int] | None = None,
    fields: Iterable[str] = (),
    redact: bool | Sequence[str] = True,
    warnings: bool = True,
    uncaught: bool = True,
) -> Setup:
    """Set logging up for the whole program. It replaces what the root logger has; `Setup.close` brings that back.

    Args:
        level: Of the root logger: what is below is not logged.
        format: ``book``, ``basic``, ``color``, ``json``, or a ``%`` format; see `Formatter`.
        datefmt: As `time.strftime` takes it; without it ``2003-07-08 16:49:45,896``.
        to: ``stderr``, ``stdout``, a path, the text of any handler (see `handler`), a handler, or a list of these.
        rotate: When a file is put aside: ``"10 MB"``, ``"midnight"``, ``"10 MB, 1 day"``. Any number of processes may
            write to it.
        keep: Rotated files to keep, or for how long: ``5``, ``"30 days"``.
        compress: ``gz`` or ``zst`` for rotated files.
        spool: Do not wait for files: records go through memory that survives the process, see `cb_logging.spool`.
        levels: Of other loggers, by name.
        fields: Context fields that the format uses.
        redact: Hide secrets; a list of keys hides those, too, and ``pii`` e-mail addresses and long numbers.
        warnings: Log what the `warnings` module shows.
        uncaught: Log exceptions that nothing catches, in threads too.

    Raises:
        ConfigError: A setting cannot be; nothing has changed then. `FormatError` says where in a format.
        OSError: A file cannot be opened.

    >>> with setup("DEBUG", format="%(levelname)s %(message)s", to="stdout"):
    ...     logging.getLogger("shop").debug("sold %d", 7)
    DEBUG sold 7
    """
    numbers = {name: level_of(value) for name, value in (levels or {}).items()}
    least = level_of(level)
    formatter = Formatter(format, datefmt=datefmt, fields=fields, redact=redact)
    if rotate is not None:
        Rotation.parse(rotate, keep, compress)  # also where no place of these is a file
    made = Setup()
    places: Sequence[Place] = [to] if isinstance(to, (str, os.PathLike, logging.Handler)) else to
    try:
        for place in places:
            if isinstance(place, logging.Handler):
                one = place
            elif isinstance(place, str) and re.match(r"[A-Za-z][\w.+-]*:", place):
                one = handler(place)
            else:
                one = output(place, rotate=rotate, keep=keep, compress=compress, spool=spool)
            if not isinstance(place, logging.Handler) or one.formatter is None:
                one.setFormatter(formatter)
            made.handlers.append(one)
    except BaseException:
        for one in made.handlers:
            one.close()
        raise
    made.install(least, numbers, warnings=warnings, uncaught=uncaught)
    return made


def setup_dict(settings: Mapping[str, Any]) -> Setup:
    """`setup` from a dict; one with ``version`` is the schema of `logging.config.dictConfig`, and goes there.

    Raises:
        ConfigError: It has a setting that there is not, or one has a value of another type than `setup` takes.
    """
    if "version" in settings:
        import logging.config

        made = Setup()
        try:
            logging.config.dictConfig(dict(settings))
        except ValueError as error:
            raise ConfigError(
                "version", settings["version"], f"{error}: {error.__cause__ or 'see dictConfig'}"
            ) from error
        made.handlers = logging.root.handlers[:]
        if len(made.handlers) == 1 and isinstance(made.handlers[0], Output):
            fast.install(made.handlers[0])
        return made
    for name, value in settings.items():
        if name not in SETTINGS:
            raise ConfigError(name, value, "is no setting", SETTINGS)
        wanted = _TYPES.get(name, (str,))
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise ConfigError(name, value, f"is no {' or '.join(one.__name__ for one in wanted)}")
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
            if isinstance(one, bool) or not isinstance(one, _PARTS.get(name, (str,))):
                raise ConfigError(name, one, f"is none of the values that {name} may have")
    return setup(**settings)


_TYPES: dict[str, tuple[type, ...]] = {
    "level": (str, int),
    "to": (str, list, os.PathLike, logging.Handler),
    "rotate": (str, int),
    "keep": (str, int),
    "spool": (bool,),
    "levels": (dict,),
    "fields": (list, tuple),
    "redact": (bool, list),
    "warnings": (bool,),
    "uncaught": (bool,),
}
_PARTS: dict[str, tuple[type, ...]] = {"to": (str, os.PathLike, logging.Handler), "levels": (str, int)}


def setup_toml(path: str | os.PathLike[str]) -> Setup:
    """`setup_dict` from a TOML file: its table ``[tool.cb-logging]`` or ``[logging]``, or the whole file.

    Raises:
        ConfigError: With the name of the file.
    """
    found = _table(path)
    try:
        return setup_dict(found)
    except ConfigError as error:
        error.args = (f"{os.fspath(path)}: {error}",)
        raise


def _table(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings in a TOML file."""
    import tomllib

    data = Path(path).read_bytes()
    try:
        found: dict[str, Any] = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError.in_file(path, f"{line}:1: is not UTF-8 (save it as UTF-8)") from error
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).partition(" (at ")
        numbers = re.findall(r"\d+", place) or [str(data.count(b"\n") + 1), "1"]
        raise ConfigError.in_file(path, f"{':'.join(numbers)}: {what} (this is no TOML)") from error
    tool = found.get("tool")
    for table in (tool.get("cb-logging") if isinstance(tool, dict) else None, found.get("logging")):
        if isinstance(table, dict):
            return table
    return found


def setup_env(prefix: str = "CB_LOGGING_", environment: Mapping[str, str] | None = None) -> Setup:
    """`setup` from environment variables: ``CB_LOGGING_LEVEL``, ``CB_LOGGING_FORMAT`` and so on.

    ``CB_LOGGING_TO`` may name several, with blanks between; ``CB_LOGGING_LEVELS`` is ``urllib3=WARNING,shop.db=DEBUG``.
    What the TOML file ``CB_LOGGING_CONFIG`` says counts where no variable does.
    """
    variables = os.environ if environment is None else environment
    settings: dict[str, Any] = {}
    for name, text in variables.items():
        if not name.startswith(prefix):
            continue
        key = name.removeprefix(prefix).lower()
        if key == "config":
            continue
        settings[key] = _from_text(key, text)
    if path := variables.get(f"{prefix}CONFIG"):
        settings = {**_table(path), **settings}
    return setup_dict(settings)


def _from_text(key: str, text: str) -> Any:
    wanted = _TYPES.get(key, (str,))
    if key == "levels":
        pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
        if wrong := next((name for name, equal, value in pairs if not (name and equal and value)), None):
            raise ConfigError("levels", wrong, "says no level (write urllib3=WARNING,shop.db=DEBUG)")
        return {name: value for name, _, value in pairs}
    if key == "to":
        return text.split()
    if bool in wanted and text.lower() in {"1", "true", "yes", "on", "0", "false", "no", "off", ""}:
        return text.lower() in {"1", "true", "yes", "on"}
    return text.replace(",", " ").split() if list in wanted else text
