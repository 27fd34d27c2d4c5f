"""``cat`` and ``stats`` with their usual options, without click: to import that takes as long as to read 100 MB."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["plain"]

_OPTIONS = {"-l": "level", "--level": "level", "--since": "since", "--until": "until"}


def plain(arguments: Sequence[str]) -> Callable[[], int] | None:
    """What runs the command that the arguments say; None if it is not one of these."""
    if len(arguments) < 2 or arguments[0] not in {"cat", "stats"}:
        return None
    files: list[str] = []
    by: list[str] = []
    conditions: dict[str, str] = {}
    rest = iter(arguments[1:])
    for one in rest:
        if one in _OPTIONS or (one in {"-b", "--by"} and arguments[0] == "stats"):
            value = next(rest, None)
            if value is None:
                return None
            if one in _OPTIONS:
                conditions[_OPTIONS[one]] = value
            else:
                by.append(value)
        elif one.startswith("-"):
            return None
        else:
            files.append(one)
    if not files or (arguments[0] == "stats" and len(files) > 1):
        return None
    if arguments[0] == "cat":
        return lambda: _cat(files, conditions)
    return lambda: _stats(files[0], by, conditions)


def _cat(files: list[str], conditions: dict[str, str]) -> int:
    from cb_logging.printing import print_records
    from cb_logging.records import make_query

    return print_records(files, make_query(**conditions), None)


def _stats(file: str, by: list[str], conditions: dict[str, str]) -> int:
    from cb_logging.printing import print_summary
    from cb_logging.stats import summarise

    return print_summary(summarise(file, by=by or ("level",), spread=True, **conditions))  # type: ignore[arg-type]
