"""Reading: what is found equals what a slow reader finds, whatever is asked for and wherever blocks are cut."""

from __future__ import annotations

import gzip
import logging
import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from cb_logging import BASIC, BOOK, ConfigError, ReadError, Template, bisecting, following, read, setup, summarise
from cb_logging import blocks as blocks_module
from cb_logging.following import follow
from cb_logging.records import moment
from cb_logging.rotation import RotatingSink, Rotation
from cb_logging.schema import detect, schema_of

sys.path.insert(0, str(Path(__file__).parent))

from corpus import make

Run = Callable[..., Any]


def oracle(path: Path, text: str = BOOK) -> list[tuple[dict[str, Any], str]]:
    """All records of a log with their fields, read the slow way."""
    template = Template(text)
    found: list[tuple[dict[str, Any], list[str]]] = []
    for line in path.read_text().splitlines():
        fields = template.parse(line.encode())
        if fields is not None:
            found.append((dict(fields), [line]))
        elif found:
            found[-1][1].append(line)
    return [(fields, "\n".join(lines)) for fields, lines in found]


def bad(fields: dict[str, Any]) -> bool:
    """An error or worse."""
    return fields["levelname"] in {"ERROR", "CRITICAL"}


def main(fields: dict[str, Any]) -> bool:
    """Of the main thread."""
    return bool(fields["threadName"] == "MainThread")


def debug(fields: dict[str, Any]) -> bool:
    """Of the lowest level."""
    return bool(fields["levelname"] == "DEBUG")


def time_of(fields: dict[str, Any]) -> float:
    """Of a record in the chapter's format."""
    return Template().time_of(fields) or 0


FORMATS = [BOOK, BASIC, "%(levelno)d %(message)s", "%(asctime)s %(levelname)-8s %(name)s %(message)s"]


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("block", [97, 1000, 1 << 20])
def test_levels_as_a_slow_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, block: int) -> None:
    """Every record of a level with its traceback, none missed at an edge, none for a level that a message names."""
    monkeypatch.setattr(blocks_module.blocks, "__defaults__", (b"", block))
    log = tmp_path / "app.log"
    make(log, 400, text=text)
    template = Template(text)
    for least in (0, 10, 30, 40, 50):
        wanted = [
            one
            for fields, one in oracle(log, text)
            if (fields.get("levelno") or template.level_of(str(fields.get("levelname")).encode())) >= least
        ]
        assert [record.text for record in read(log, level=least, format=text)] == wanted


@pytest.mark.parametrize(
    ("asked", "keeps"),
    [
        ({"module": "a"}, lambda fields, text: fields["module"] == "a"),
        ({"thread": ["MainThread"], "level": "ERROR"}, lambda fields, text: main(fields) and bad(fields)),
        ({"grep": "ValueError"}, lambda fields, text: "ValueError" in text),
        ({"grep": "order 1?7$", "level": 20}, lambda fields, text: re.search("order 1?7$", text) and not debug(fields)),
        ({"since": 1448000100.0}, lambda fields, text: time_of(fields) >= 1448000100),
        ({"until": 1448000100.25}, lambda fields, text: time_of(fields) < 1448000100.25),
        ({"since": 1448000050, "until": 1448000051}, lambda fields, text: 0 <= time_of(fields) - 1448000050 < 1),
        ({"since": 1}, lambda fields, text: True),
        ({"until": 1}, lambda fields, text: False),
    ],
)  # fmt: skip
def test_conditions(tmp_path: Path, asked: dict[str, Any], keeps: Callable[[dict[str, Any], str], bool]) -> None:
    """Alone and together, they give what a slow reader gives."""
    log = tmp_path / "app.log"
    make(log, 1000)
    assert [record.text for record in read(log, **asked)] == [
        text for fields, text in oracle(log) if keeps(fields, text)
    ]


def test_a_time_in_a_long_log(tmp_path: Path) -> None:
    """Is found by bisection: a fraction of the file is read, and the records are the same."""
    log = tmp_path / "app.log"
    make(log, 10_000, step=1)
    read_bytes = 0
    real = os.pread

    def counted(fd: int, size: int, at: int) -> bytes:
        nonlocal read_bytes
        data = real(fd, size, at)
        read_bytes += len(data)
        return data

    bisecting.os.pread = counted  # type: ignore[attr-defined]
    try:
        found = [record.text for record in read(log, since=1448007000, until=1448007060)]
    finally:
        bisecting.os.pread = real  # type: ignore[attr-defined]
    assert len(found) == 60
    assert found == [text for fields, text in oracle(log) if 1448007000 <= time_of(fields) < 1448007060]
    assert 0 < read_bytes < log.stat().st_size / 2


def test_times_out_of_order(tmp_path: Path) -> None:
    """A log put together from two, and a clock set back: what is seen to be so is read as a whole."""
    one, two, log = (tmp_path / name for name in ("one", "two", "app.log"))
    make(one, 4000, step=1, start=1448000000)
    make(two, 4000, step=1, start=1440000000)
    log.write_bytes(one.read_bytes() + two.read_bytes() + one.read_bytes())
    wanted = [text for fields, text in oracle(log) if time_of(fields) >= 1448003990]
    assert [record.text for record in read(log, since=1448003990)] == wanted


def test_the_hour_that_is_there_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When summer time ends: records of both passes are found."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        log = tmp_path / "app.log"
        start = 1445731200  # 2015-10-25 02:00 summer time
        make(log, 2000, step=10, start=start - 7200)
        found = [
            record.fields["asctime"]
            for record in read(log, since=moment("2015-10-25 02:30"), until=moment("2015-10-25 02:31"))
        ]
        assert len(found) in {6, 12}
        later = [record.fields["asctime"] for record in read(log, since=moment("2015-10-25 03:00"))]
        assert later[0].startswith("2015-10-25 03:00:00")
        assert len(later) == 2000 - 720 - 720
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"no log at all",
        b"INFO:a:b",
        b"INFO:a:b\r\nERROR:c:d\r\n",
        b"\xff\xfe\x00 bytes\nINFO:a:b\n",
        b"stray\nlines\nERROR:a:b\n  trace\n",
        bytes(range(256)) * 10,
    ],
)
def test_any_bytes_are_read(tmp_path: Path, data: bytes) -> None:
    """No line end, CR LF, invalid UTF-8, no log: nothing is raised, nothing lost; what is no record is counted."""
    log = tmp_path / "x.log"
    log.write_bytes(data)
    list(read(log))
    list(read(log, level="ERROR"))
    records = list(read(log, format="basic"))
    stray = summarise(log, format="basic").unparsed
    assert b"".join(record.raw for record in records) == data[stray:]
    assert "".join(record.text for record in read(log, format="plain")).count("\n") == 0
    if b"\r\n" in data:
        assert [record.message for record in records] == ["b", "d"]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed(tmp_path: Path, suffix: str) -> None:
    """Are read as they are, by time, too."""
    log = tmp_path / "app.log"
    make(log, 100)
    packed = tmp_path / f"app.log{suffix}"
    packed.write_bytes((gzip if suffix == ".gz" else zstd).compress(log.read_bytes()))
    for asked in ({}, {"level": "ERROR"}, {"since": 1448000010}):
        assert [one.raw for one in read(packed, **asked)] == [one.raw for one in read(log, **asked)]  # type: ignore[arg-type]


def test_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotated ones first, in their order; patterns in the order of names."""
    monkeypatch.setattr("cb_logging.rotation.GRACE", -1)
    log = tmp_path / "app.log"
    sink = RotatingSink(log, Rotation.parse(100, keep=0, compress="gz"))
    for number in range(50):
        sink.write(b"INFO:x:line %d\n" % number)
    sink.close()
    assert [record.message for record in read(log, rotated=True)] == [f"line {number}" for number in range(50)]
    assert len(list(read(tmp_path / "app.log*"))) == 50
    with pytest.raises(ReadError, match="no such file"):
        list(read(tmp_path / "none*"))
    with pytest.raises(ReadError, match="No such file"):
        list(read(tmp_path / "none"))


def test_json(tmp_path: Path) -> None:
    """Ours, and those of others: levels, times and loggers by their usual names."""
    log = tmp_path / "app.log"
    with setup("DEBUG", format="json", to=log, uncaught=False):
        logging.getLogger("shop").error("broken %d", 1, extra={"user": "ann"})
        logging.getLogger("shop").info("ERROR in a message")
        logging.getLogger("shop").critical("with", exc_info=ValueError("v"))
    with log.open("a") as file:
        file.write(
            '{"severity": "error", "msg": "theirs", "ts": 1448000000.5, "logger_name": "x"}\n{broken "ERROR"\n[1]\n'
        )
        file.write(
            '{"level": 50, "msg": "fifty", "ts": 1448000000500}\n{"level": null, "time": "?"}\n{"level": "odd"}\n'
        )
    found = list(read(log, level="ERROR"))
    assert [(one.message, one.logger, one.level) for one in found] == [
        ("broken 1", "shop", 40), ("with", "shop", 50), ("theirs", "x", 40),
    ]  # fmt: skip
    assert found[0].fields["user"] == "ann"
    assert "ValueError: v" in found[1].fields["exception"]
    assert found[2].time == 1448000000.5
    assert [one.message for one in read(log, until=1448000001)] == ["theirs", "fifty"]
    assert found[0].levelname == "ERROR"


def test_formats_are_found_out() -> None:
    """Those that are usual, from the first lines; what is told is taken, and what cannot be is refused."""
    for text in FORMATS[:2]:
        assert (
            detect(
                Template(text).render(logging.makeLogRecord({"levelname": "INFO", "msg": "x"})).encode()
            ).template.text
            == text
        )
    with pytest.raises(ConfigError, match="is no format"):
        read("x", format="nonsense")
    for bad in ({"level": "loud"}, {"since": "whenever"}, {"grep": "("}):
        with pytest.raises((ConfigError, ReadError)):
            read("x", **bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="nothing to count by"):
        summarise("x", by=["color"])
    with pytest.raises(ConfigError, match="no time to count by"):
        summarise("x", bucket="year")


def test_moments() -> None:
    """Times as people write them."""
    now = time.time()
    assert moment("15m") == pytest.approx(now - 900, abs=5)
    assert moment("2 h ago") == pytest.approx(now - 7200, abs=5)
    assert moment("2015-11-20T06:13:20+00:00") == 1448000000
    assert moment("2015-11-20 06:13:20,500+00:00") == 1448000000.5
    assert time.localtime(moment("04:05"))[3:6] == (4, 5, 0)


@pytest.mark.parametrize("text", [BOOK, BASIC, "%(asctime)s %(levelname)-8s %(name)s %(message)s", "%(message)s"])
@pytest.mark.parametrize("bucket", [None, "second", "minute", "hour", "day"])
@pytest.mark.parametrize("asked", [{}, {"level": "WARNING"}])
def test_counts_as_a_slow_reader(tmp_path: Path, text: str, bucket: str | None, asked: dict[str, str]) -> None:
    """By level, module, thread, logger and time, by the quick ways and the slow one."""
    log = tmp_path / "app.log"
    few = "COVERAGE_RUN" in os.environ  # there a line costs three times as much
    make(log, 500 if few else 2000, text=text, step=120 if few else 30)
    template = Template(text)
    size = {"second": 19, "minute": 16, "hour": 13, "day": 10}.get(bucket or "", 0)
    names = {"level": "levelname", "module": "module", "thread": "threadName", "logger": "name"}
    for by in (["level"], ["level", "module"], ["thread"], ["logger", "level"]):
        wanted: Counter[tuple[str, ...]] = Counter()
        for fields, _ in oracle(log, text):
            if asked and template.level_of(str(fields.get("levelname", "")).encode()) < 30:
                continue
            key = [str(fields.get(names[one], "")) for one in by]
            wanted[(*key, str(fields.get("asctime", ""))[:size]) if bucket else tuple(key)] += 1
        found = summarise(log, by=by, bucket=bucket, format=text, **asked)  # type: ignore[arg-type]
        assert found.counts == wanted
        assert found.records == wanted.total()


class Following(threading.Thread):
    """Follows a log and keeps what it gets, until it is told that there is no more."""

    def __init__(self, path: Path, **more: Any) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.found: list[str] = []
        self._records = follow(path, interval=0.001, stop=self.done.is_set, **more)
        self.start()

    def run(self) -> None:
        for record in self._records:
            self.found.append(record.message)


@pytest.mark.faults
@pytest.mark.parametrize("compress", ["", "gz"])
def test_follow_across_rotations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Run, count: Callable[[int, int], int], compress: str
) -> None:
    """Every line once and in order, while the log is rotated under the reader, also several times between two looks."""
    monkeypatch.setattr("cb_logging.rotation.GRACE", -1)
    log = tmp_path / "app.log"
    sink = RotatingSink(log, Rotation.parse(20_000 if compress else 2000, keep=0, compress=compress))
    reader = Following(log)
    records = count(2000, 100_000)
    wanted = [f"line {number}" for number in range(records)]
    sink.write(b"INFO:x:line 0\n")
    until(lambda: reader.found, "the first line")
    for number in range(1, records):
        sink.write(b"INFO:x:line %d\n" % number)
    sink.close()
    until(lambda: len(reader.found) >= records, f"{records} lines followed")
    reader.done.set()
    reader.join(60)
    assert reader.found == wanted


def test_follow_a_log_that_comes_and_is_cut(tmp_path: Path, until: Run) -> None:
    """Not there yet, then there, then cut off, then removed and made again; half a line waits for its end."""
    log = tmp_path / "app.log"
    reader = Following(log)
    log.write_bytes(b"INFO:x:one\nINFO:x:tw")
    until(lambda: reader.found == ["one"], "the first line")
    with log.open("ab") as file:
        file.write(b"o\n")
    until(lambda: reader.found == ["one", "two"], "the second line")
    os.truncate(log, 0)
    until(lambda: True, "")
    log.write_bytes(b"INFO:x:3\n")
    until(lambda: reader.found[-1] == "3", "the line after the cut")
    log.unlink()
    log.write_bytes(b"INFO:x:four\n")
    until(lambda: reader.found[-1] == "four", "the line of the new file")
    reader.done.set()
    reader.join(60)
    never = Following(tmp_path / "never")
    never.done.set()
    never.join(60)
    assert never.found == []


def test_follow_from_the_end_and_from_the_beginning(tmp_path: Path) -> None:
    """The last records, all, or the rotated ones first; also through `read`."""
    log = tmp_path / "app.log"
    sink = RotatingSink(log, Rotation.parse(100, keep=0))
    for number in range(53):
        sink.write(b"INFO:x:line %d\n" % number)
    sink.close()

    def got(**more: Any) -> list[str]:
        return [one.message for one in follow(log, stop=lambda: True, **more)]

    now = [record.message for record in read(log)]
    assert got() == now
    assert got(last=2) == now[-2:]
    assert got(last=0) == []
    assert got(last=10_000) == now
    assert got(rotated=True) == [f"line {number}" for number in range(53)]
    assert next(iter(read(log, follow=True))).message == now[0]


def test_a_traceback_that_looks_like_records(tmp_path: Path) -> None:
    """Is never counted or found as records, not even by a reader that looks at the level alone."""
    log = tmp_path / "app.log"
    fakes = [
        "2015-12-30 10:00:00,000 - [ERROR] [MainThread] (x:1) a whole one",
        "2015-12-30 10:00:00,000 - [ERROR] [half of one",
        "x" * 23 + " - [ERROR] [MainThread] (x:1) without a time",
    ]
    with setup("INFO", to=log, uncaught=False):
        logging.getLogger("x").info("real", exc_info=ValueError("\n" + "\n".join(fakes)))
    assert summarise(log).counts == {("INFO",): 1}
    assert summarise(log, bucket="day").records == 1
    assert list(read(log, level="ERROR")) == []
    (record,) = read(log)
    assert [line.strip() for line in record.traceback.splitlines()][1:] == fakes


@pytest.mark.parametrize("text", [BOOK, "%(asctime)s %(levelname)-9s %(message)s", BASIC])
@pytest.mark.parametrize("least", [1, 9, 10, 25, 26, 39, 45, 99, 100, 101, 1000])
def test_levels_without_a_name(tmp_path: Path, text: str, least: int) -> None:
    """A level that nobody named is shown by its number, and found by it."""
    log = tmp_path / "app.log"
    template = Template(text)
    numbers = [5, 9, 10, 15, 25, 26, 40, 45, 46, 50, 99, 100, 101, 999, 1001]
    with log.open("w") as file:
        for number in numbers:
            record = {"levelno": number, "levelname": logging.getLevelName(number), "msg": f"{number}", "module": "m"}
            file.write(template.render(logging.makeLogRecord({"threadName": "t", "lineno": 1, **record})) + "\n")
    found = [int(record.message) for record in read(log, level=least, format=text)]
    assert found == [number for number in numbers if number >= least]
    assert summarise(log, level=least, format=text).records == len(found)


def test_times_that_cannot_be(tmp_path: Path) -> None:
    """A record of the 45th of a month, or of a time beyond all calendars, has none; asked for, it is refused."""
    log = tmp_path / "app.log"
    head = "- [INFO] [MainThread] (a:1)"
    log.write_text(f"2015-45-99 99:99:99,000 {head} odd\n2015-11-20 00:00:00,000 {head} even\n")
    assert [one.message for one in read(log, since="2015-01-01")] == ["even"]
    assert [one.time for one in read(log)][0] is None  # noqa: RUF015
    odd = ["1e300", "Infinity", "NaN", "99999999999999999999", '"9999-99-99"', '"0001-01-01T00:00"', "-1e18"]
    lines = "".join(f'{{"ts": {one}, "msg": "m"}}\n' for one in odd) + '{"a":' * 100_000 + "\n"
    (tmp_path / "json.log").write_text(lines)
    assert [one.time for one in read(tmp_path / "json.log", format="json")][:5] == [None] * 5
    assert summarise(tmp_path / "json.log", bucket="day", format="json").records == len(odd) + 1
    assert list(read(tmp_path / "json.log", since="2015-01-01", format="json")) == []
    for bad in ("9" * 30 + "w", 1e300, "0000-01-01", "25:00"):
        with pytest.raises(ReadError, match="is no time"):
            read(log, since=bad)
    assert time.localtime(moment("4:05:06"))[3:6] == (4, 5, 6)


def test_the_last_of_a_large_log(tmp_path: Path) -> None:
    """Is read from its end, also where nothing in it is a record."""
    log = tmp_path / "app.log"
    make(log, 5000)
    everything = [one.text for one in read(log)]
    assert [one.text for one in follow(log, stop=lambda: True, last=3000)] == everything[-3000:]
    log.write_text("no record\n" * 20_000)
    assert list(follow(log, schema_of("json"), stop=lambda: True, last=5)) == []
    empty = tmp_path / "empty.log"
    empty.touch()
    assert list(follow(empty, stop=lambda: True)) == []
    assert list(read(tmp_path / "app.log", since=1448000000, format="json")) == []


def test_a_record_of_megabytes(tmp_path: Path) -> None:
    """Is one, in time in proportion to its size."""
    log = tmp_path / "app.log"
    log.write_bytes(b"INFO:a:b\n" + b"ERROR:till:x\n" + b" trace\n" * 500_000 + b"INFO:a:c\n")
    assert [len(one.raw) for one in read(log)] == [9, 13 + 7 * 500_000, 9]
    assert [len(one.raw) for one in read(log, level="ERROR")] == [13 + 7 * 500_000]


def test_out_of_order_inside(tmp_path: Path) -> None:
    """Where a probe of the bisection meets a time that cannot be there, the log is read as a whole."""
    log = tmp_path / "app.log"
    parts = []
    for number, start in enumerate((1448000000, 1500000000, 1448010000)):
        make(tmp_path / str(number), 3000, step=1, start=start)
        parts.append((tmp_path / str(number)).read_bytes())
    log.write_bytes(b"".join(parts))
    wanted = [text for fields, text in oracle(log) if 1448011000 <= time_of(fields) < 1448011005]
    assert [one.text for one in read(log, since=1448011000, until=1448011005)] == wanted
    assert len(wanted) == 5


def test_levels_without_a_column(tmp_path: Path) -> None:
    """Where the level stands behind a name, it is searched for by what stands around it."""
    log = tmp_path / "app.log"
    text = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
    lines = [
        "2015-11-20 00:00:00,000 - a.b - INFO - no - ERROR - at - ERROR - all",
        "2015-11-20 00:00:00,000 - a.b - ERROR - one - ERROR - indeed",
        " - ERROR - in a traceback",
        "2015-11-20 00:00:00,000 - c - CRITICAL - two",
    ]
    log.write_text("\n".join(lines) + "\n")
    assert [one.text for one in read(log, level="ERROR", format=text)] == ["\n".join(lines[1:3]), lines[3]]
    assert Template(text).level_column is None
    assert Template(text).records(40) is None


def test_a_zone_in_the_time(tmp_path: Path) -> None:
    """A format of one's own, with an offset."""
    log = tmp_path / "app.log"
    log.write_text("2015-11-20T06:13:20+0000 INFO x\n2015-11-20T08:13:21+0200 INFO y\n")
    text, datefmt = "%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"
    assert [one.time for one in read(log, format=text, datefmt=datefmt)] == [1448000000, 1448000001]
    assert [one.message for one in read(log, format=text, datefmt=datefmt, since=1448000000.5)] == ["y"]


def test_more_keys_than_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are the same: memory does not grow with what is different."""
    log = tmp_path / "app.log"
    make(log, 1000)
    wanted = summarise(log, by=["level", "module"], bucket="minute").counts
    monkeypatch.setattr("cb_logging.stats._KEYS", 3)
    monkeypatch.setattr(blocks_module.blocks, "__defaults__", (b"", 1000))
    assert summarise(log, by=["level", "module"], bucket="minute").counts == wanted


def test_schemas() -> None:
    """White box: what a line is that is no record, has an odd level, or of which nothing is known."""
    schema = schema_of("json")
    assert schema is not None
    assert schema.parse(b"[1]") is None
    assert [schema.level_of({"levelname": one}) for one in ("odd", None, "error", 40)] == [0, 0, 40, 40]
    plain = schema_of("plain")
    assert plain is not None
    assert plain.time_of({}) is None
    assert schema_of(plain) is plain
    assert schema_of(Template(BASIC)).parse(b"INFO:a:b")["name"] == "a"  # type: ignore[union-attr,index]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_follow_what_is_compressed_by_now(tmp_path: Path, suffix: str) -> None:
    """Files that came and were compressed between two looks are read, each before what came later."""
    log = tmp_path / "app.log"
    log.write_bytes(b"INFO:x:1\n")
    looks = iter(range(9))

    def rotate() -> bool:
        look = next(looks)
        if look == 0:
            packed = tmp_path / f"app.log.1{suffix}"
            log.rename(tmp_path / "app.log.2")
            packed.write_bytes((gzip if suffix == ".gz" else zstd).compress(b"INFO:x:2\nINFO:x:3\n"))
            later = (tmp_path / "app.log.2").stat().st_mtime_ns + 10**9
            os.utime(packed, ns=(later, later))
            log.write_bytes(b"INFO:x:4\n")
            os.utime(log, ns=(later + 10**9, later + 10**9))
        return look > 2

    assert [one.message for one in follow(log, interval=0.001, stop=rotate)] == ["1", "2", "3", "4"]


def test_follow_in_the_middle_of_a_rotation(tmp_path: Path) -> None:
    """White box: the log's name leads to nothing for a moment, or for good."""
    log = tmp_path / "app.log"
    log.write_bytes(b"INFO:x:1\n")
    tail = following._Tail(log)
    log.unlink()
    assert not following._moved(log, tail)
    assert following._since(log, tail) == ([], [])
    tail.close()
