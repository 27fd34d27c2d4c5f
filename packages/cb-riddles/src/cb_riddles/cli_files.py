"""``import``, ``export``, ``sample``: riddles in files."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import click

from cb_riddles import ready
from cb_riddles.errors import NoInput, Refused
from cb_riddles.formats.record import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SUFFIXES = {".gift": "gift", ".txt": "gift", ".csv": "csv", ".jsonl": "jsonl", ".xml": "moodle"}
_FORMATS = ("gift", "csv", "jsonl", "moodle")
_LOSES = {
    "gift": ("hint", "pub_date"),
    "moodle": ("pub_date",),
}
SAMPLE: Path = Path(__file__).with_name("sample.jsonl")


@click.command("import")
@click.argument("file", type=click.Path(readable=False, allow_dash=True))  # to open it is to find out
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Taken from the file's name otherwise.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--on-duplicate", type=click.Choice(["skip", "update", "error"]), default="skip", show_default=True)
def import_file(
    file: str, form: str | None, *, dry_run: bool, on_duplicate: Literal["skip", "update", "error"]
) -> None:
    """Put the riddles of FILE into the database: all, or none where one is wrong; every error is named.

    \b
    Example:
      cb-riddles import --dry-run riddles.gift
    """
    module = _module(form, file)
    ready.migrated()
    with contextlib.ExitStack() as stack:
        raw: BinaryIO = sys.stdin.buffer
        if file != "-":
            try:
                raw = stack.enter_context(Path(file).open("rb"))
            except OSError as error:
                raise NoInput(file, error) from error
        size = Path(file).stat().st_size if file != "-" else 0
        lines: Iterable[bytes] = raw
        if size > 1_000_000 and sys.stderr.isatty():  # pragma: no cover - a terminal
            lines = _with_bar(raw, stack.enter_context(click.progressbar(length=size, file=sys.stderr)))
        report = load(module, _decoded(lines), dry_run=dry_run, on_duplicate=on_duplicate)
    name = "stdin" if file == "-" else file
    for fault in report.notes:
        click.echo(f"cb-riddles: {name}:{fault.line}: note: {fault.reason}", err=True)
    if len(report.errors) == 1:
        (fault,) = report.errors
        raise Refused(f"{name}:{fault.line}: {fault.reason}; nothing was imported")
    for fault in report.errors:
        click.echo(f"cb-riddles: {name}:{fault.line}: {fault.reason}", err=True)
    if report.errors:
        raise Refused(f"{name}: {len(report.errors)} errors, nothing was imported (mend them and run it again)")
    done = "would be " if dry_run else ""
    click.echo(f"{report.created} {done}created, {report.updated} {done}updated, {report.skipped} {done}skipped")


def load(module: Any, lines: Iterable[str], **options: Any) -> Any:
    """Load *lines* by a format's module; what is no UTF-8 is an error like any other."""
    from cb_riddles import importing

    def _read() -> Iterator[Any]:
        try:
            yield from module.loads(lines)
        except _NotText as error:
            yield Fault(error.line, "not UTF-8 (convert it: iconv -f latin1 -t utf-8)")
        except ModuleNotFoundError as error:
            raise Refused(f"{error.name} is not installed (pip install 'cb-riddles[moodle]')") from error

    return importing.load(_read(), **options)


class _NotText(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise _NotText(number) from None


def _with_bar(lines: Iterable[bytes], bar: Any) -> Iterator[bytes]:  # pragma: no cover - a terminal
    for line in lines:
        yield line
        bar.update(len(line))


def _module(form: str | None, file: str) -> Any:
    name = form or _SUFFIXES.get(Path(file).suffix.lower())
    if name is None:
        raise click.UsageError(f"{file}: which format is it? (--format {'|'.join(_FORMATS)})")
    return importlib.import_module(f"cb_riddles.formats.{name}")


@click.command()
@click.option("--format", "form", type=click.Choice(_FORMATS), help="jsonl, unless the file's name says otherwise.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), default="-", help="A file that is replaced when whole."
)
def export(form: str | None, output: str) -> None:
    """Write all riddles. JSON Lines and CSV hold everything; what GIFT or Moodle XML cannot is said.

    \b
    Example:
      cb-riddles export --format gift -o riddles.gift
    """
    module = _module(form or ("jsonl" if output == "-" else None), output)
    ready.migrated()
    from cb_riddles import importing

    lost = dict.fromkeys(_LOSES.get(module.__name__.rpartition(".")[2], ()), 0)

    def _counted() -> Iterator[Any]:
        for record in importing.records():
            for name in lost:
                lost[name] += bool(getattr(record, name))
            yield record

    _write(module.dumps(_counted()), output)
    for name, count in lost.items():
        if count:
            click.echo(f"cb-riddles: {name} of {count} riddles is left out, the format has no place for it", err=True)


def _write(pieces: Iterable[str], output: str) -> None:
    if output == "-":
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    target = Path(output)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise Refused(f"{output}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@click.command()
def sample() -> None:
    """Put some sample riddles in; those that are there already are skipped."""
    ready.migrated()
    put_sample()


def put_sample() -> None:
    """Load the riddles that come with the package."""
    from cb_riddles.formats import jsonl

    with SAMPLE.open(encoding="utf-8") as lines:
        report = load(jsonl, lines)
    click.echo(f"{report.created} sample riddles created", err=True)


COMMANDS: tuple[click.Command, ...] = (import_file, export, sample)
