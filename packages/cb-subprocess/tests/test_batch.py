"""batch: order, retries, limits, the log, and what is left when it is killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cb_subprocess import BadCommand, BatchHalted, JobLogError, JobResult, StatusLost, batch, limits, read_joblog, shell
from cb_subprocess.spawn import Spawner
from cb_subprocess.turns import Turns

module = sys.modules["cb_subprocess.batch"]
UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
PROGRAM = Path(__file__).with_name("batch_program.py")


def echoes(count: int) -> Iterator[list[str]]:
    """So many jobs that say their numbers."""
    return (["echo", str(number)] for number in range(1, count + 1))


def test_results_in_the_order_of_the_jobs() -> None:
    """Whatever is done first, the order is that of the jobs; nothing is mixed."""
    jobs = [shell(f"sleep 0.0{9 - number}; seq {number} {number + 2000}") for number in range(9)]
    results = list(batch(jobs, at_once=9))
    assert [job.seq for job in results] == list(range(1, 10))
    for number, job in enumerate(results):
        assert job.stdout == "".join(f"{value}\n" for value in range(number, number + 2001))


def test_results_as_they_are_done() -> None:
    """With ``order="done"`` nobody waits for a slow job."""
    jobs = [shell("sleep 0.5"), ["echo", "quick"]]
    assert [job.seq for job in batch(jobs, at_once=2, order="done")] == [2, 1]


def test_a_result_has_it_all() -> None:
    """Status, outputs, times; a program that is not there is a failed job, as in a shell."""
    failed, killed, missing, barred = batch(
        [shell("echo data; echo words >&2; exit 3"), shell("kill -9 $$"), ["no-such-program"], ["/etc/passwd"]]
    )
    assert (failed.code, failed.stdout, failed.stderr, failed.ok) == (3, "data\n", "words\n", False)
    assert failed.args == ("/bin/sh", "-c", "echo data; echo words >&2; exit 3")
    assert (killed.code, missing.code, barred.code) == (-9, 127, 126)
    assert "no such program" in missing.stderr
    assert "not executable" in barred.stderr


def test_so_many_at_once() -> None:
    """No more run at a time than there are slots, and each knows its slot."""
    job = "echo {0} >> log; test $(ls -d busy.* 2>/dev/null | wc -l) -lt 3 || exit 9; "
    assert {job.stdout for job in batch((lambda slot: ["echo", str(slot)] for _ in range(30)), at_once=3)} <= {
        "1\n",
        "2\n",
        "3\n",
    }
    assert job
    with pytest.raises(ValueError, match="at_once"):
        batch([], at_once=0)


def test_jobs_are_taken_as_they_start() -> None:
    """An endless source is fine; leaving off kills what runs."""
    taken = itertools.count()
    results = batch((["echo", str(next(taken))] for _ in itertools.repeat(None)), at_once=2)
    assert [job.stdout for job in itertools.islice(results, 5)] == ["0\n", "1\n", "2\n", "3\n", "4\n"]
    results.close()  # type: ignore[attr-defined]
    assert next(taken) < 20


def test_retries(tmp_path: Path) -> None:
    """A failed job is tried again, so often, with pauses; the last try is the result."""
    script = shell(f"echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) -ge 3")
    (job,) = batch([script], retries=5, backoff=0.01)
    assert (job.ok, job.tries) == (True, 3)
    (job,) = batch(["false"], retries=2, backoff=0.01)
    assert (job.code, job.tries) == (1, 3)


def test_time_out_of_a_job(alive: Callable[[str], list[int]]) -> None:
    """A job that takes too long is killed with all that it started, the others go on."""
    slow, quick = batch([shell("setsid sleep 63.25 & echo so far; sleep 63.25"), ["echo", "a"]], timeout=2, at_once=1)
    assert (slow.timed_out, slow.ok, slow.stdout) == (True, False, "so far\n")
    assert (quick.timed_out, quick.stdout) == (False, "a\n")
    assert not alive("63.25")


def test_a_job_that_ignores_sigterm(alive: Callable[[str], list[int]]) -> None:
    """While one job has its grace the others run on; then it is killed."""
    stubborn = shell("trap '' TERM; (trap '' TERM; sleep 61.0625) & while :; do sleep 0.05; done; : stubborn-job")
    results = list(batch([stubborn, *echoes(5)], timeout=1, grace=0.5, at_once=2, order="done"))
    assert [job.seq for job in results][-1] == 1
    assert not alive("stubborn-job")
    assert not alive("61.0625")


def test_what_a_job_leaves_running_holds_nothing_up(alive: Callable[[str], list[int]]) -> None:
    """A daemon that a job started keeps the output open; the job is over all the same, and the daemon lives."""
    (job,) = batch([shell("sleep 63.5 & echo done; : daemon-mark")])
    assert job.stdout == "done\n"
    for pid in alive("63.5"):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("when", ["soon", "now"])
def test_halt(when: str, alive: Callable[[str], list[int]]) -> None:
    """``soon`` lets what runs end, ``now`` kills it; the error comes after the results."""
    jobs = [shell("sleep 1; echo slow") if when == "soon" else ["sleep", "63.75"], ["false"], *echoes(50)]
    got: list[JobResult] = []
    with pytest.raises(BatchHalted, match="halt policy"):
        got.extend(batch(jobs, at_once=2, halt=f"{when},fail=1"))
    assert [job.seq for job in got] == ([1, 2] if when == "soon" else [2])
    assert not alive("63.75")


def test_halt_by_a_share_and_by_success() -> None:
    """A share of the finished jobs, from the tenth on; or the first that succeeds."""
    jobs = [["true"]] * 9 + [["false"]] * 20
    got: list[JobResult] = []
    with pytest.raises(BatchHalted):
        got.extend(batch(jobs, at_once=1, halt="soon,fail=20%"))
    assert len(got) == 12
    with pytest.raises(BatchHalted, match="1 jobs done, 1 failed"):
        list(batch([["false"], ["true"], ["true"]], at_once=1, halt="now,success=1", retries=0))
    with pytest.raises(BatchHalted):  # whose next try will not come has failed
        list(batch([["false"], ["true"]], at_once=1, halt="soon,success=1", retries=3, backoff=100))
    for bad in ("later", "now,fail=0", "soon"):
        with pytest.raises(ValueError, match="no halt policy"):
            batch([], halt=bad)


def test_limits_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing starts while load is high or memory short."""
    assert limits.load() >= 0
    assert limits.free_memory() > 1_000_000
    loads = iter([9.0, 9.0, 1.0])
    monkeypatch.setattr(limits, "load", lambda: next(loads, 1.0))
    frees = iter([1, 1 << 40])
    monkeypatch.setattr(limits, "free_memory", lambda: next(frees, 1 << 40))
    assert len(list(batch(echoes(3), max_load=2.0, min_free=1 << 30))) == 3
    assert next(loads, None) is None
    assert next(frees, None) is None


def test_delay() -> None:
    """Starts keep their distance."""
    starts = [job.started for job in batch(echoes(4), delay=0.1, at_once=4)]
    assert starts[-1] - starts[0] > 0.25
    assert len(list(batch(echoes(1), delay=3600))) == 1  # nobody waits for a job that does not come


def test_large_outputs_wait_in_files() -> None:
    """A result holds the first ``max_bytes``; the rest is in an unnamed file; what waits for its turn is bounded."""
    jobs = [shell("sleep 0.3; echo first"), *(["seq", "10000"] for _ in range(100))]
    results = []
    for job in batch(jobs, at_once=2, max_bytes=100):
        results.append(job.stdout)
        assert len(job.stdout) <= 100
        if job.stdout_file is not None:
            with job.stdout_file as file:
                assert len(file.read()) == 48894
    assert len(results) == 101


def test_a_log(tmp_path: Path) -> None:
    """The log has GNU parallel's columns, a line a job, and refuses to be overwritten."""
    log = tmp_path / "log"
    list(batch([["echo", "a\tb\nc"], shell("exit 3"), shell("kill -9 $$")], joblog=log, at_once=1))
    lines = log.read_text().splitlines()
    assert lines[0].split("\t")[:4] == ["Seq", "Host", "Starttime", "JobRuntime"]
    assert lines[1].split("\t")[8] == r"echo $'a\tb\nc'"
    done = read_joblog(log)
    assert [(one.seq, one.received, one.code, one.signal) for one in done.values()] == [
        (1, 6, 0, 0),
        (2, 0, 3, 0),
        (3, 0, 0, 9),
    ]
    with pytest.raises(JobLogError, match="holds 3 finished jobs"):
        list(batch(echoes(3), joblog=log))
    with pytest.raises(ValueError, match="joblog"):
        batch([], resume="all")


def test_resume(tmp_path: Path) -> None:
    """Finished jobs are not run again; with ``failed`` those that failed are."""
    log = tmp_path / "log"
    jobs = [["echo", "1"], ["false"], ["echo", "3"]]
    list(batch(jobs, joblog=log))
    assert list(batch(jobs, joblog=log, resume="all")) == []
    assert [job.seq for job in batch(jobs, joblog=log, resume="failed")] == [2]
    with log.open("ab") as file:
        file.write(b"4\t:\t1.0\t0.1\t0\t0\t0\t0\tech")  # cut in the middle: never acknowledged
    again = [*jobs, ["echo", "4"]]
    assert [job.stdout for job in batch(again, joblog=log, resume="all", order="done")] == ["4\n"]
    assert read_joblog(log)[4].command == "echo 4"
    with pytest.raises(JobLogError, match="job 1 was echo 1, not echo 9"):
        list(batch([["echo", "9"]], joblog=log, resume="all"))


def test_a_log_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and line are named; a log in use is not touched; a folder is no log."""
    log = tmp_path / "log"
    log.write_text("something else\n")
    with pytest.raises(JobLogError, match="log:1: not a job log"):
        list(batch(echoes(1), joblog=log))
    assert log.read_text() == "something else\n"
    log.unlink()
    list(batch(echoes(1), joblog=log))
    log.write_text(log.read_text() + "nonsense\n")
    with pytest.raises(JobLogError, match="log:3: not a job's line"):
        read_joblog(log)
    with pytest.raises(JobLogError, match="directory"):
        list(batch(echoes(1), joblog=tmp_path))
    monkeypatch.setattr("cb_subprocess.joblog._LOCK_WAIT", 0.1)
    first = batch(echoes(2), joblog=tmp_path / "busy", at_once=1)
    next(first)
    with pytest.raises(JobLogError, match="in use"):
        list(batch(echoes(1), joblog=tmp_path / "busy"))
    assert len(list(first)) == 1


@pytest.mark.parametrize(("room", "reason"), [(20, "(the disk is full)"), (0, "File too large")])
def test_a_full_disk_is_no_silent_loss(tmp_path: Path, room: int, reason: str) -> None:
    """A log that takes no more lines ends the batch with the reason; what is cut off is dropped when it goes on."""
    script = (
        "import resource, sys; from cb_subprocess import batch\n"
        "room = int(sys.argv[2]); resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))\n"
        "list(batch([['true']] * 3, joblog=sys.argv[1]))\n"
    )
    log = tmp_path / "log"
    list(batch([], joblog=log))
    room += log.stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", script, log, str(room)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=UNMEASURED,  # whose file would be too large, too
    )
    assert done.stderr.splitlines()[-1].endswith(reason)
    assert len(list(batch([["true"]] * 3, joblog=log, resume="all"))) == 3


def test_without_capture(capfd: pytest.CaptureFixture[str]) -> None:
    """Jobs write where this process does."""
    assert [job.stdout for job in batch(echoes(2), capture=False, at_once=1)] == ["", ""]
    assert capfd.readouterr().out == "1\n2\n"


def test_a_bad_job_ends_the_batch(alive: Callable[[str], list[int]]) -> None:
    """What is no command is the caller's error; what runs is killed."""
    with pytest.raises(BadCommand):
        list(batch([["sleep", "64.25"], "echo a"], at_once=2))
    assert not alive("64.25")


def test_no_room_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """EAGAIN at a start is waited out; for ever only while something of ours runs."""
    start = Spawner.spawn
    failures = iter([errno.EAGAIN, errno.ENOMEM])

    def crowded(*arguments: Any) -> int:
        if number := next(failures, None):
            raise OSError(number, "no room")
        return start(*arguments)

    monkeypatch.setattr(Spawner, "spawn", crowded)
    assert [job.stdout for job in batch(echoes(3), at_once=2)] == ["1\n", "2\n", "3\n"]
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    failures = iter(itertools.repeat(errno.EAGAIN))
    (job,) = batch(echoes(1))
    assert (job.code, job.tries) == (126, 1)
    assert "no more processes" in job.stderr


def test_no_descriptors_left() -> None:
    """EMFILE: the jobs wait for each other's descriptors, none is lost."""
    script = (
        "import resource; from cb_subprocess import batch\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))\n"
        "print(sum(job.stdout == 'x\\n' for job in batch([['echo', 'x']] * 60, at_once=30)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.stderr) == ("60\n", "")


def test_ctrl_c(alive: Callable[[str], list[int]], eventually: Callable[..., None]) -> None:
    """An interrupt ends all jobs, in much less than their time, and comes out."""

    def interrupt() -> None:
        eventually(lambda: len(alive("64.5")) >= 2, "both jobs")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(batch([["sleep", "64.5"]] * 5, at_once=2))
    thread.join()
    assert not alive("64.5")


def test_options_that_make_no_sense() -> None:
    """They are refused before anything runs."""
    for bad in ({"order": "any"}, {"resume": "some"}, {"retries": -1}, {"timeout": float("nan")}, {"delay": -1}):
        with pytest.raises(ValueError, match=r"or more|None, 'all'"):
            batch(echoes(1), **bad)  # type: ignore[arg-type]
    assert [job.ok for job in batch(echoes(1), timeout=float("inf"), grace=float("inf"))] == [True]


def test_a_status_that_was_taken_away() -> None:
    """Who ignores SIGCHLD is told so, and not that all went well."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(StatusLost, match="SIGCHLD"):
            list(batch(["false", shell("sleep 0.2; exit 1")], at_once=1))
        with pytest.raises(StatusLost, match="SIGCHLD"):
            list(batch([shell("sleep 0.2; exit 1")]))
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_no_descriptor_to_watch_by(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A job that was started and cannot be watched is ended and tried again, not run twice at a time."""
    opened, failures = os.pidfd_open, iter([errno.EMFILE])

    def crowded(pid: int) -> int:
        if number := next(failures, None):
            raise OSError(number, "no room")
        return opened(pid)

    monkeypatch.setattr(os, "pidfd_open", crowded)
    (job,) = batch([shell(f"sleep 0.2; echo x >> {tmp_path}/ran; cat {tmp_path}/ran")])
    assert (job.stdout, job.tries) == ("x\n", 1)


def test_what_cannot_be_started_is_a_failed_job(tmp_path: Path) -> None:
    """A file that is no program is found out at its start; the job fails, the others run."""
    program = tmp_path / "garbage"
    program.write_text("garbage")
    program.chmod(0o755)
    bad, good = batch([[program], ["echo", "a"]])
    assert (bad.code, bad.stderr) == (
        126,
        f"{program}: cannot be started: not a program (does its first line say #!…?)\n",
    )
    assert good.stdout == "a\n"


def test_a_folder_without_unnamed_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system has none, the outputs' files have names for a moment."""
    opened = os.open

    def without(path: Any, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", without)
    assert [job.stdout for job in batch(echoes(3))] == ["1\n", "2\n", "3\n"]


def test_left_off_with_results_that_wait(alive: Callable[[str], list[int]], tmp_path: Path) -> None:
    """Results that wait for an earlier job are dropped, their files closed; jobs with their grace are killed."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    stubborn = shell("trap '' TERM; while :; do sleep 0.05; done; : left-off-mark")
    jobs = [["true"], stubborn, ["seq", "1000"], shell(f"seq 1000; touch {tmp_path}/done")]
    with contextlib.closing(batch(jobs, at_once=2, timeout=1, grace=0.4, max_bytes=10)) as results:  # type: ignore[type-var]
        assert next(results).ok
        late = next(results)
    assert (late.seq, late.timed_out) == (2, True)
    assert (tmp_path / "done").exists()
    assert not alive("left-off-mark")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_waits_is_bounded() -> None:
    """Neither many small results nor many ended jobs pile up behind one that takes long."""
    turns = Turns(ordered=True)
    for seq in range(2, 20_003):
        assert not turns.full
        turns.put(JobResult(seq, ("true",), 0))
    assert turns.full
    assert list(turns.take()) == []
    turns.put(JobResult(1, ("true",), 0))
    assert [result.seq for result in turns.take()] == list(range(1, 20_003))
    assert not turns.full
    slow = batch([["sleep", "1"], *echoes(300)], at_once=2, timeout=60)
    assert [job.seq for job in slow] == list(range(1, 302))


def test_left_off_while_a_job_has_its_grace(alive: Callable[[str], list[int]]) -> None:
    """A job that is being killed is killed at once, its grace is over."""
    stubborn = shell("trap '' TERM; while :; do sleep 0.05; done; : grace-left-mark")
    jobs = [stubborn, ["sleep", "0.7"], ["sleep", "0.7"]]
    results = batch(jobs, at_once=2, timeout=1, grace=3600, order="done")
    assert [next(results).seq for _ in range(2)] == [2, 3]
    results.close()  # type: ignore[attr-defined]
    assert not alive("grace-left-mark")


def test_a_log_tells_how_much_was_written(tmp_path: Path) -> None:
    """All of it, also what is in a file."""
    (job,) = batch([["seq", "1000"]], joblog=tmp_path / "log", max_bytes=10)
    job.close()
    assert read_joblog(tmp_path / "log")[1].received == 3893


def test_an_error_in_a_thread_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong where jobs are started, nobody waits for ever."""

    def broken(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(Spawner, "spawn", broken)
    with pytest.raises(ZeroDivisionError):
        list(batch(echoes(3)))


def test_an_exit_in_the_middle(alive: Callable[[str], list[int]], eventually: Callable[..., None]) -> None:
    """A program that ends with a batch half done, and never closed, ends at once; what ran is ended, too."""
    script = (
        "from cb_subprocess import batch, shell\n"
        "results = batch([['true'], ['sleep', '64.75'], ['sleep', '64.75']], at_once=2)\n"
        "print(next(results).ok)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
    eventually(lambda: not alive("64.75"), "the guard")


def test_nothing_is_left(alive: Callable[[str], list[int]]) -> None:
    """No descriptor, no guard, no zombie."""
    before = sorted(Path("/proc/self/fd").iterdir())
    list(batch(echoes(20), timeout=20))
    list(batch([["sleep", "30"]] * 3, timeout=0.05, at_once=2))
    assert len(sorted(Path("/proc/self/fd").iterdir())) == len(before)
    assert not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split() or not [
        pid
        for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        if "tree.py" in Path(f"/proc/{pid}/cmdline").read_text()
    ]


@pytest.mark.faults
def test_many_jobs_no_growth(count: Callable[[int, int], int]) -> None:
    """Many jobs: none lost, none mixed up, no descriptor and no memory kept."""
    many = count(300, 10_000)
    list(batch(echoes(50)))
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, job in enumerate(batch(echoes(many), at_once=4), 1):
        assert job.stdout == f"{number}\n"
    assert number == many
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < memory + 8_000


@pytest.mark.faults
def test_killed_and_resumed(
    count: Callable[[int, int], int], tmp_path: Path, alive: Callable[[str], list[int]]
) -> None:
    """Kill -9 of a batch at any moment: no orphan, no cut line, no job lost, no finished job run again."""
    rounds, kills, number = count(6, 500), 0, 0
    while kills < rounds:
        number += 1
        folder = tmp_path / f"round-{number}"
        folder.mkdir()
        command = [sys.executable, str(PROGRAM), str(folder), "60"]
        log = folder / "log"
        written: set[int] = set()
        runs: Counter[int] = Counter()
        ended = False
        while not ended:
            with subprocess.Popen(command, env=UNMEASURED) as process:
                ended = _runs_on(process, log, None if kills >= rounds else random.randrange(16))
                if not ended:
                    process.kill()
                    kills += 1
                status = process.wait(60)
            assert status == (0 if ended else -9)
            if not log.exists():
                continue
            with log.open("rb") as file:
                _locked(file.fileno())  # until the guard has done its work
                assert not alive(str(folder)), "orphans"
            found = set(read_joblog(log)) if log.stat().st_size else set()
            ran = [int(line) for line in (folder / "ran").read_text().split()] if (folder / "ran").exists() else []
            again = Counter(ran) - runs
            assert not set(again) & written, "a finished job was run again"
            assert written <= found, "a finished job was lost"
            written, runs = found, Counter(ran)
            assert found <= set(runs), "a job was written down and had not run"
        assert written == set(range(1, 61))
        assert set(runs) == set(range(1, 61))


def _runs_on(process: subprocess.Popen[bytes], log: Path, lines: int | None) -> bool:
    """Let it run until the log has so many more lines, or, with 0, for a random moment; return whether it ended."""
    before = log.read_bytes().count(b"\n") if log.exists() else 0
    until = time.monotonic() + (random.uniform(0, 0.3) if lines == 0 else 60)
    while process.poll() is None:
        if lines and log.exists() and log.read_bytes().count(b"\n") >= before + lines:
            return False
        if time.monotonic() > until:
            assert lines == 0, "a batch did nothing for 60 s"
            return False
        time.sleep(random.uniform(0, 0.004))
    return True


def _locked(fd: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            assert time.monotonic() < until, "the guard kept the log for 60 s"
            time.sleep(0.002)
        else:
            return
