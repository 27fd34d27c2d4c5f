"""Where cb-mail hands over: a socket of LMTP, and the tasks of Celery and RQ, each with the real thing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cb_mail import Address, Client, Message, RawMessage, send
from cb_mail.testing import Server
from mail_support import Lmtp, command, free_port, until

TASKS = """\
from cb_mail import ConnectError, Message, send

def mail(*args, **fields): send(Message(*args, **fields), "{url}").raise_for_refused()
"""
CELERY = """
from celery import Celery

app = Celery(broker="filesystem://")
app.conf.broker_transport_options = {{"data_folder_in": "{folder}", "data_folder_out": "{folder}"}}
mail = app.task(autoretry_for=(ConnectError,), retry_backoff=True)(mail)
"""
GIVEN = '("me@example.com", "bob@example.org", "Lunch", "At noon?\\n", cc=["eve@example.net"])'


def test_lmtp(tmp_path: Path) -> None:
    """Each receiver has an answer of their own at the message's end; several messages over one connection."""
    to = ["a@example.org", "nobody@example.org", "full@example.org"]
    with Lmtp(tmp_path / "s") as server, Client(f"lmtp://{server.path}", window=4) as client:
        first, second = client.send_many(
            [Message("me@example.com", to, "s", "x\n.y\n"), Message("me@example.com", "b@example.org", "s", "t")]
        )
    assert [(one.recipient, one.state, one.code) for one in first.recipients] == [
        ("a@example.org", "accepted", 250),
        ("nobody@example.org", "refused", 550),
        ("full@example.org", "deferred", 452),
    ]
    assert second.ok
    (wanted, data), (others, _) = server.messages
    assert (wanted, others) == (["a@example.org", "full@example.org"], ["b@example.org"])
    assert data.endswith(b"\r\n\r\nx\r\n..y\r\n")


def test_lmtp_from_the_command(tmp_path: Path) -> None:
    """The same by ``--server lmtp:///socket``, nobody's message among them (a bounce)."""
    line = ["send", "--from", "me@example.com", "--to", "b@example.org", "--subject", "s"]
    with Lmtp(tmp_path / "s") as server:
        assert command(*line, "--server", f"lmtp://{server.path}", text="x").returncode == 0
    bounce = RawMessage(b"Subject: s\r\n\r\nx\r\n", None, (Address("b@example.org"),))
    with Lmtp(tmp_path / "t") as server:
        assert send(bounce, f"lmtp://{server.path}").ok


@contextlib.contextmanager
def running(*line: str | Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs."""
    with (folder / "log").open("ab") as log:
        started = subprocess.Popen(
            line, cwd=folder, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(folder)}
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@pytest.mark.long
def test_celery(tmp_path: Path) -> None:
    """README's task, in a worker of Celery: tried again when there is no connection, and sent once."""
    with Server(faults=["CONNECT:cut:first=2"]) as server:
        (tmp_path / "queue").mkdir()
        text = TASKS + CELERY
        (tmp_path / "tasks.py").write_text(text.format(url=server.url, folder=tmp_path / "queue"))
        asked = subprocess.run(
            [sys.executable, "-c", f"import tasks; tasks.mail.delay{GIVEN}"], cwd=tmp_path, check=False, timeout=60
        )
        assert asked.returncode == 0
        assert server.messages == []
        worker = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "solo", "--without-mingle"]
        with running(*worker, folder=tmp_path):
            (message,) = server.wait(1, timeout=60)
    assert message.recipients == ("bob@example.org", "eve@example.net")
    assert message.data.endswith(b"\r\n\r\nAt noon?\r\n")


def test_rq(tmp_path: Path) -> None:
    """The same in a worker of RQ, with a Redis: sent once; a refusal is the job's failure."""
    redis = shutil.which("redis-server")
    if redis is None:
        pytest.skip("redis-server is not installed (apt install redis-server)")
    port = free_port()
    with (
        Server(faults=["RCPT:550:bad@*"]) as server,
        running(redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", folder=tmp_path),
    ):
        until(lambda: b"Ready to accept" in (tmp_path / "log").read_bytes())
        (tmp_path / "tasks.py").write_text(TASKS.format(url=server.url))
        script = (
            "import redis, rq, tasks\n"
            f"connection = redis.Redis(port={port})\n"
            "queue = rq.Queue(connection=connection)\n"
            f"good = queue.enqueue(tasks.mail, *{('me@example.com', 'bob@example.org', 'Lunch', 'At noon?')})\n"
            f"bad = queue.enqueue(tasks.mail, *{('me@example.com', 'bad@example.org', 'Lunch', 'At noon?')})\n"
            "rq.SimpleWorker([queue], connection=connection).work(burst=True)\n"
            "print(good.get_status().value, bad.get_status().value, bad.latest_result().exc_string.splitlines()[-1])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()[-1]
        assert said.startswith("finished failed cb_mail.errors.ServerError: bad@example.org: refused (550"), said
        (message,) = server.wait(1)
    assert message.recipients == ("bob@example.org",)
