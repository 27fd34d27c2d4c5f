"""Level methods written for one format: what a call does is what the format asks for, and nothing else.

`logging` builds a record with all attributes, hands it through loggers and handlers, and formats it. Where the root
logger has one handler and that is an `Output`, the same bytes can be made at once: the text of a call site (module,
line, function) is kept by ``(id(code), f_lasti)``, the time of day by the second, and one ``bytes`` goes to the sink.

Contract: at each call the generated method looks whether that is so still (handlers, filters, propagation, record
factory, as `Logger.callHandlers` would see them), and whether the call asks for more (an exception, a stack, a
``stacklevel``, arguments that do not fit); if so, it calls `Logger._log` as the standard library does. So foreign
handlers see every record, and both ways write the same bytes (tests/test_fast.py).

The methods are compiled under the name of logging's own source file: `findCaller` then passes them over, too.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from cb_logging.context import current
from cb_logging.json_form import RESERVED, JsonForm, more_fields, quote
from cb_logging.output import Formatter, Output
from cb_logging.template import Piece, Template
from cb_logging.text import escape

__all__ = ["install", "uninstall"]

_SITE = {"module", "filename", "pathname", "funcName", "lineno"}
_KNOWN = _SITE | {"asctime", "levelname", "levelno", "message", "name", "process", "threadName"}
_METHODS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_SOURCE = os.path.normcase(logging.addLevelName.__code__.co_filename)  # as findCaller compares
SiteText = Callable[[dict[str, Any]], str]
_SITES = 20_000  # call sites to keep; code that is made at run time again and again must not fill the memory

_METHOD = """
def {name}(self, msg, *args, **more):
    try:
        if not self._cache[{level}]:
            return
    except KeyError:
        if not self.isEnabledFor({level}):
            return
    logger = self
    while logger is not ROOT:
        if logger is None or logger.handlers or not logger.propagate:
            break
        logger = logger.parent
    else:
        handlers = ROOT.handlers
        if not (
            {special} or type(msg) is not str or self.disabled or self.filters or len(handlers) != 1
            or handlers[0] is not OUT or OUT.filters or OUT.level > {level} or OUT.formatter is not FORM
            or logging._logRecordFactory is not RECORD
        ):
            try:
                message = msg % args if args else msg
                {steps}
                data = f"{line}".encode()
            except Exception:
                return self._log({level}, msg, args, **more)
            try:
                WRITE(data)
            except Exception as error:
                OUT.failed(error)
            return
    self._log({level}, msg, args, **more)
"""
# As `LogRecord` computes it: whole nanoseconds since 3.13, a float before that.
_CLOCK = (
    ["now, ms = divmod(time_ns() // 1_000_000, 1000)"]
    if sys.version_info >= (3, 13)
    else ["created = clock()", "now = int(created)", "ms = int((created - now) * 1000)"]
)
_CLOCK += ["second = SECOND[0]", "if second[0] != now: second = tick(now)"]
_HINTS = ("=", ":", "@", "_", "-", "eyJ", "IA", "AIza", "SG.", "earer")


def install(output: Output) -> bool:
    """Give the loggers methods made for *output*, which is the root logger's only handler.

    Returns:
        Whether that can be done: its format asks for nothing that only a record has.
    """
    formatter = output.formatter
    if not isinstance(formatter, Formatter) or formatter.color:
        return False
    form = formatter.form
    if isinstance(form, Template) and not form.needs - set(form.fields) <= _KNOWN:
        return False
    methods = _methods(output, formatter)
    plain = type("Logger", (logging.Logger,), {"__module__": __name__, **methods})
    root = type("RootLogger", (logging.RootLogger,), {"__module__": __name__, **methods})
    logging.setLoggerClass(plain)
    for logger in _loggers():
        if type(logger) is logging.Logger:
            logger.__class__ = plain
    logging.root.__class__ = root
    return True


def uninstall() -> None:
    """Give all loggers back the methods of the standard library."""
    if logging.getLoggerClass().__module__ == __name__:
        logging.setLoggerClass(logging.Logger)
    for logger in (logging.root, *_loggers()):
        if type(logger).__module__ == __name__:
            logger.__class__ = type(logger).__bases__[0]


def _loggers() -> list[logging.Logger]:
    return [one for one in list(logging.root.manager.loggerDict.values()) if isinstance(one, logging.Logger)]


def _methods(output: Output, formatter: Formatter) -> dict[str, Any]:
    """Compile the level methods."""
    form = formatter.form
    space = _namespace(output, formatter)
    for level, name in _METHODS.items():
        steps: list[str] = []
        if formatter.redactor is not None:
            hints = " or ".join(f"{one!r} in message" for one in _HINTS)
            steps.append(f"if {'True' if formatter.redactor.near('') else hints}: message = REDACT(message)")
        if isinstance(form, JsonForm):
            line, sites = _json_line(level), list[SiteText]([_json_site])
            steps.append("fields = {**CONTEXT(), **more['extra']} if more else CONTEXT()")
            steps.append("rest = MORE(fields) if fields else ''")
            steps.append("thread = (ACTIVE.get(get_ident()) or current_thread())._name")
        else:
            line, sites, more = _text_line(form, level)
            steps += more
        if sites:
            steps += ["frame = getframe(1)", "site = SITES.get((id(frame.f_code), frame.f_lasti)) or find(frame)"]
        if "second[" in line:
            steps += _CLOCK
        space["makers"] = sites
        special = "(more and special(more))" if isinstance(form, JsonForm) else "more"
        source = _METHOD.format(
            name=name, level=level, special=special, steps="\n                ".join(steps), line=line
        )
        exec(compile(source, _SOURCE, "exec"), space)  # noqa: S102 - of this file's own words
    return {name: space[name] for name in _METHODS.values()}


def _literal(text: str) -> str:
    """Text as it stands in an f-string."""
    return text.replace("{", "{{").replace("}", "}}").encode("unicode_escape").decode().replace('"', '\\"')


def _text_line(form: Template, level: int) -> tuple[str, list[SiteText], list[str]]:
    """The f-string of a line, what to keep of a call site (a text for each run of pieces), and what to do before."""
    line, run, steps = "", [], []  # type: str, list[Piece], list[str]
    sites: list[SiteText] = []
    needs = form.needs

    def close() -> str:
        """End a run of pieces that depend on nothing but the call site."""
        kept, run[:] = run[:], []
        if not any(one.name in _SITE for one in kept):
            return "".join(_literal(one.literal) for one in kept)
        sites.append(functools.partial(_site_text, kept))
        return f"{{site[{len(sites) - 1}]}}"

    values = {
        "message": "message",
        "asctime": "second[1]}{MS[ms]" if form.datefmt is None else "second[1]",
        "name": "name",
        "process": "getpid()",
        "threadName": "thread",
    }
    if "threadName" in needs:
        steps.append("thread = (ACTIVE.get(get_ident()) or current_thread())._name")
    if "name" in needs:
        steps.append("name = self.name")
    for name in form.fields:
        if name in needs:
            values[name] = f"field_{name}"
            steps.append(f"field_{name} = str(CONTEXT().get({name!r}, '-'))")
    # What could hold a control character; most do not, and `str.isprintable` is quick to say so.
    risky = [values[one] for one in needs if one in {"message", "name", "threadName", *form.fields}]
    steps += [f"if not {one}.isprintable(): {one} = escape({one})" for one in risky]
    for piece in form.pieces:
        if not piece.name or piece.name in _SITE:
            run.append(piece)
        elif piece.name in {"levelname", "levelno"}:
            run.append(Piece(piece.of(logging.getLevelName(level) if piece.name == "levelname" else level)))
        else:
            line += close()
            plain = piece.spec in {"s", "d"} or (piece.name == "process" and piece.spec == "i")
            line += f"{{{values[piece.name]}}}" if plain else _formatted(piece, values[piece.name])
    return f"{line}{close()}\\n", sites, steps


def _formatted(piece: Piece, value: str) -> str:
    if piece.name == "asctime":
        value = value.replace("}{", "+")
    return f"{{'%{piece.spec}' % ({value},)}}"


def _json_line(level: int) -> str:
    name = quote(logging.getLevelName(level)).replace("{", "{{").replace("}", "}}")
    line = '{{"time":"{second[1]}{MS[ms]}{second[2]}","level":' + name + ',"logger":{quote(self.name)}'
    line += ',"message":{quote(message)},"thread":{quote(thread)}{site[0]}{rest}}}'
    return line.replace("\\", "\\\\").replace('"', '\\"') + "\\n"


def _site_text(pieces: list[Piece], values: dict[str, Any]) -> str:
    return "".join(one.of(values[one.name]) if one.name else one.literal for one in pieces)


def _json_site(values: dict[str, Any]) -> str:
    return f',"module":{quote(values["module"])},"line":{values["lineno"]}'


def _namespace(output: Output, formatter: Formatter) -> dict[str, Any]:
    """What the generated code names."""
    form = formatter.form
    sites: dict[tuple[int, int], tuple[str, ...]] = {}
    alive: dict[int, CodeType] = {}  # an id is good for as long as its object lives
    seconds: list[tuple[int | str, ...]] = [(-1, "", "")]
    space: dict[str, Any] = {}
    lock = threading.RLock()

    def find(frame: FrameType | None) -> tuple[str, ...]:
        """The texts of a call site that is new, or behind frames of logging itself (``logging.info``)."""
        while frame is not None and os.path.normcase(frame.f_code.co_filename) == _SOURCE:
            frame = frame.f_back
        if frame is None or "importlib" in frame.f_code.co_filename:
            raise LookupError  # the standard library knows what to do
        code, key = frame.f_code, (id(frame.f_code), frame.f_lasti)
        with lock:
            return sites.get(key) or keep(code, key, frame.f_lineno)

    def keep(code: CodeType, key: tuple[int, int], line: int) -> tuple[str, ...]:
        """Make the texts."""
        if len(sites) >= _SITES:
            sites.clear()
            alive.clear()
        path = code.co_filename
        filename = os.path.basename(path)  # noqa: PTH119 - as LogRecord does
        values = {
            "pathname": escape(path),
            "filename": escape(filename),
            "module": escape(os.path.splitext(filename)[0]),  # noqa: PTH122 - as LogRecord does
            "funcName": code.co_name,
            "lineno": line,
        }
        alive[id(code)] = code
        sites[key] = texts = tuple(make(values) for make in space["makers"])
        return texts

    def tick(now: int) -> tuple[int | str, ...]:
        output.tick(now)
        text = form.second(now)
        seconds[0] = (now, *text) if isinstance(text, tuple) else (now, text)
        return seconds[0]

    def special(more: dict[str, Any]) -> bool:
        """Whether a call asks for more than fields that no record has."""
        return len(more) > 1 or not isinstance(fields := more.get("extra"), dict) or not RESERVED.isdisjoint(fields)

    redactor = formatter.redactor
    space |= {
        "ACTIVE": threading._active,  # type: ignore[attr-defined] # noqa: SLF001 - current_thread() is this and a call
        "CONTEXT": current.get,
        "MORE": lambda fields: more_fields(fields, redactor),
        "MS": [f"{'' if isinstance(form, JsonForm) else ','}{ms:03d}" for ms in range(1000)],
        "FORM": formatter,
        "OUT": output,
        "RECORD": logging.LogRecord,
        "REDACT": redactor,
        "ROOT": logging.root,
        "SECOND": seconds,
        "SITES": sites,
        "WRITE": output.sink.write,
        "clock": time.time,
        "current_thread": threading.current_thread,
        "escape": escape,
        "find": find,
        "getframe": sys._getframe,  # noqa: SLF001 - what logging uses
        "get_ident": threading.get_ident,
        "getpid": os.getpid,
        "logging": logging,
        "quote": quote,
        "special": special,
        "tick": tick,
        "time_ns": time.time_ns,
    }
    return space
