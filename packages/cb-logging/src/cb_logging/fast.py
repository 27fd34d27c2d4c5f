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
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

from cb_logging import json_form
from cb_logging.fields import current
from cb_logging.json_form import DUMP, JsonForm, more_fields, plain_keys, quote
from cb_logging.outputs import Formatter, Output
from cb_logging.redact import HINTS
from cb_logging.sinks import FileSink
from cb_logging.template import Piece, Template
from cb_logging.text import escape, text_of

__all__ = ["install", "uninstall"]

_SITE = {"module", "filename", "pathname", "funcName", "lineno"}
_KNOWN = _SITE | {"asctime", "levelname", "levelno", "message", "name", "process", "threadName"}
_METHODS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_SOURCE = os.path.normcase(logging.addLevelName.__code__.co_filename)  # as findCaller compares
SiteText = Callable[[dict[str, Any]], str]
# Call sites, names, values to keep; code that is made at run time again and again must not fill the memory.
_SITES = 20_000
_NAMES = 2_000

# Most calls have few arguments: these do not go through a tuple if the level is not logged.
_METHOD = """
def {name}(self, msg, _0=NONE, _1=NONE, _2=NONE, *args, **more):
    try:
        if not self._cache[{level}]:
            return
    except KeyError:
        if not self.isEnabledFor({level}):
            return
    if _0 is not NONE:
        args = (_0,) if _1 is NONE else (_0, _1) if _2 is NONE else (_0, _1, _2, *args)
    logger = self
    while logger is not ROOT:
        if logger is None or logger.handlers or not logger.propagate:
            break
        logger = logger.parent
    else:
        if not (
            {special} or type(msg) is not str or self.disabled or self.filters or ROOT.handlers != ALONE
            or OUT.filters or OUT.level > {level} or OUT.formatter is not FORM
            or logging._logRecordFactory is not RECORD
        ):
            try:
                message = msg % args if args else msg
                {steps}
            except Exception:
                return self._log({level}, msg, args, **more)
            try:
                {write}
            except Exception as error:
                OUT.failed(error)
            return
    self._log({level}, msg, args, **more)
"""
_CLOCK = [
    "created = clock()",
    "second = SECOND[0]",
    "part = created - second[0]",
    "if not 0.0 <= part < 1.0: second = tick(created); part = created - second[0]",
]
_SITE_OF = [
    "frame = getframe(1)",
    "try: site = SITES[id(frame.f_code), frame.f_lasti]",
    "except KeyError: site = find(frame)",
]
_THREAD = "thread = NAMES[(ACTIVE.get(get_ident()) or current_thread())._name]"
# What `FileSink.write` does, without a call.
_WRITE_FILE = """if SINK.torn: WRITE(data)
                elif (done := os_write(SINK.fd, data)) < len(data): SINK.rest(data, done)"""


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
    write = _WRITE_FILE if type(output.sink) is FileSink else "WRITE(data)"
    for level, name in _METHODS.items():
        if isinstance(form, JsonForm):
            special = '(more and (len(more) > 1 or type(more.get("extra")) is not dict))'
            sites = list[SiteText]([_json_site])
            steps = [*_SITE_OF, *_CLOCK, _THREAD, *_json_line(level, formatter)]
        else:
            special = "more"
            line, sites, steps = _text_line(form, level)
            if formatter.redactor is not None:
                steps.insert(0, f"if {_hinted(formatter)}: message = REDACT(message)")
            steps += _SITE_OF if sites else []
            steps += _CLOCK if "second[" in line else []
            steps.append(f'data = f"{line}".encode()')
        space["makers"] = sites
        source = _METHOD.format(
            name=name, level=level, special=special, steps="\n                ".join(steps), write=write
        )
        exec(compile(source, _SOURCE, "exec"), space)  # noqa: S102 - of this file's own words
    return {name: space[name] for name in _METHODS.values()}


def _hinted(formatter: Formatter, name: str = "message", hints: Iterable[str] = HINTS) -> str:
    """The expression that says whether a text may hold a secret."""
    if formatter.redactor is None or formatter.redactor.near(""):
        return str(formatter.redactor is not None)
    found = []
    for one in hints:
        more = " or ".join(f"{each!r} in {name}" for each in HINTS[one])
        found.append(f"{one!r} in {name} and ({more})" if more else f"{one!r} in {name}")
    return " or ".join(found)


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
        "asctime": "second[1]}{MS[int(part * 1000)]" if form.datefmt is None else "second[1]",
        "name": "name",
        "process": "getpid()",
        "threadName": "thread",
    }
    if "threadName" in needs:
        steps.append(_THREAD)
    if "name" in needs:
        steps.append("name = NAMES[self.name]")
    for number, name in enumerate(form.fields):
        if name in needs:
            values[name] = f"field_{number}"
            steps.append(f"field_{number} = FIELDS[{name!r}, CONTEXT().get({name!r}, NONE)]")
    # It could hold a control character; most do not, and `str.isprintable` is quick to say so.
    if "message" in needs:
        steps.append("if not message.isprintable(): message = escape(message)")
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


def _json_line(level: int, formatter: Formatter) -> list[str]:
    """The statements that make a JSON line. Message and fields are looked at for secrets together.

    A colon behind each key is JSON's own, and so is a comma behind a quote that is not escaped.
    """
    name = quote(logging.getLevelName(level)).replace("{", "{{").replace("}", "}}")
    line = '{{"time":"{second[1]}{MS[int(part * 1000)]}{second[2]}","level":' + name + ',"logger":{NAMES[self.name]}'
    line += ',"message":{quote(message)},"thread":{thread}{site[0]}{rest}}}\n'
    steps = [
        "rest = ''",
        "fields = CONTEXT()",
        "if more: fields = {**fields, **more['extra']} if fields else more['extra']",
        f"if fields: rest = ',' + {DUMP}[1:-1] if PLAIN[(*fields,)] else MORE(fields)",
    ]
    if formatter.redactor is not None:
        both = _hinted(formatter, "both", [one for one in HINTS if one not in {":", '",'}])
        odd = """':' in message or '",' in message or rest.count(':') != len(fields) or '\\\\",' in rest"""
        steps += [
            "both = message + rest",
            f"if {odd} or {both}:",
            "    message = REDACT(message)",
            "    if fields: rest = MORE(fields)",
        ]
    return [*steps, f"data = f{line!r}.encode()"]


def _site_text(pieces: list[Piece], values: dict[str, Any]) -> str:
    return "".join(one.of(values[one.name]) if one.name else one.literal for one in pieces)


def _json_site(values: dict[str, Any]) -> str:
    return f',"module":{quote(values["module"])},"line":{values["lineno"]}'


def _namespace(output: Output, formatter: Formatter) -> dict[str, Any]:
    """What the generated code names."""
    form = formatter.form
    sites: dict[tuple[int, int], tuple[str, ...]] = {}
    alive: dict[int, CodeType] = {}  # an id is good for as long as its object lives
    seconds: list[tuple[float | str, ...]] = [(-1.0, "", "")]
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

    def tick(created: float) -> tuple[float | str, ...]:
        now = int(created)
        output.tick(now)
        text = form.second(now)
        seconds[0] = (float(now), *text) if isinstance(text, tuple) else (float(now), text)
        return seconds[0]

    redactor = formatter.redactor
    shown = quote if isinstance(form, JsonForm) else escape
    none = object()  # no argument, no field
    space |= {
        "ACTIVE": threading._active,  # type: ignore[attr-defined] # noqa: SLF001 - current_thread() is this and a call
        "ALONE": [output],
        "CONTEXT": current.get,
        "FIELDS": _Kept(
            lambda key: "-" if key[1] is none else escape(formatter.field(*key)),
            lambda key: key[1] is none or type(key[1]) is str,
        ),
        "NONE": none,
        "MORE": lambda fields: more_fields(fields, redactor),
        "ORJSON": json_form.orjson_dumps,
        "PLAIN_JSON": json_form.plain_json,
        "TEXT_OF": text_of,
        "NAMES": _Kept(shown),
        "PLAIN": _Kept(lambda keys: plain_keys(keys, redactor)),
        "SINK": output.sink,
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
        "os_write": os.write,
        "tick": tick,
    }
    return space


class _Kept(dict[Any, Any]):
    """What was made of a key, made once, for as long as there are not too many."""

    def __init__(self, make: Callable[[Any], Any], keeps: Callable[[Any], bool] = bool) -> None:
        super().__init__()
        self._make, self._keeps = make, keeps

    def __missing__(self, key: Any) -> Any:
        made = self._make(key)
        if len(self) >= _NAMES:
            self.clear()
        if self._keeps(key):
            self[key] = made
        return made
