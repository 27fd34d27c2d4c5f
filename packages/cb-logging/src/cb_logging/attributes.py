"""The attributes of a `logging.LogRecord`: what a format may name."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ATTRIBUTES", "Attribute"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of every record."""

    name: str
    kind: type
    meaning: str
    formatted: bool = True  # makes sense in a format
    since: tuple[int, int] = (3, 11)


_ALL = (
    Attribute("args", tuple, "what is merged into msg", formatted=False),
    Attribute("asctime", str, "time of the call, as 2003-07-08 16:49:45,896 or by datefmt"),
    Attribute("created", float, "time of the call, in seconds since 1970"),
    Attribute("exc_info", tuple, "the exception's type, value and traceback, or None", formatted=False),
    Attribute("exc_text", str, "the traceback as text, once a formatter has made it", formatted=False),
    Attribute("filename", str, "file name of the source"),
    Attribute("funcName", str, "function that made the call"),
    Attribute("levelname", str, "name of the level"),
    Attribute("levelno", int, "number of the level"),
    Attribute("lineno", int, "line of the call"),
    Attribute("message", str, "msg % args"),
    Attribute("module", str, "file name of the source, without .py"),
    Attribute("msecs", float, "milliseconds of the time"),
    Attribute("msg", str, "the message before args are merged in", formatted=False),
    Attribute("name", str, "name of the logger"),
    Attribute("pathname", str, "path of the source"),
    Attribute("process", int, "process id"),
    Attribute("processName", str, "name of the process"),
    Attribute("relativeCreated", float, "milliseconds since logging was imported"),
    Attribute("stack_info", str, "the stack down to the call, if asked for", formatted=False),
    Attribute("taskName", str, "name of the asyncio task, or None", since=(3, 12)),
    Attribute("thread", int, "thread id"),
    Attribute("threadName", str, "name of the thread"),
)

ATTRIBUTES: dict[str, Attribute] = {one.name: one for one in _ALL}
