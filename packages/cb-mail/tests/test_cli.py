"""The command, run as a user runs it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cb_mail
import pytest
import trustme
from cb_mail import Message, Spool, cli_check
from cb_mail.session import Capabilities
from cb_mail.testing import Server
from mail_support import command, free_port, until

SEND = ("send", "--from", "me@example.com", "--to", "bob@example.org", "--subject", "Lunch ä")


TALK = {
    "tls": None,
    "ca": None,
    "helo": "",
    "timeout": 5.0,
    "bind": "",
    "password_command": "",
    "no_pipelining": False,
}


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No server, spool or password of whoever runs the tests; and a folder of one's own."""
    for name in ("CB_MAIL_SERVER", "CB_MAIL_FROM", "CB_MAIL_SPOOL", "CB_MAIL_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    """A catching server."""
    with Server() as running:
        yield running


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    assert command("--version").stdout == f"cb-mail, version {cb_mail.__version__}\n"


@pytest.mark.parametrize("name", ["send", "merge", "preview", "queue", "serve", "check"])
def test_help(name: str) -> None:
    """Every command says what it is for."""
    done = command(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) > 8
    assert name in command("--help").stdout


def test_help_imports_little() -> None:
    """``--help`` needs neither TLS, nor SQLite, nor Jinja2."""
    code = "import sys; from cb_mail.cli import main; sys.argv[1:] = ['--help']\ntry: main()\nexcept SystemExit: pass\n"
    code += (
        "print(*sorted({'ssl', 'sqlite3', 'jinja2', 'asyncio', 'email', 'idna'} & set(sys.modules)), file=sys.stderr)"
    )
    # Not measured: coverage itself imports sqlite3.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == "\n"


def test_send(server: Server) -> None:
    """The text from stdin; each receiver's result on stdout, words on stderr."""
    done = command(*SEND, "--server", server.url, text="At noon?\n.\n")
    assert (done.returncode, done.stderr) == (0, "cb-mail: message sent\n")
    assert done.stdout == "bob@example.org: accepted (250 2.0.0 Ok, kept)\n"
    (caught,) = server.wait(1)
    assert caught.data.endswith(b"\r\n\r\nAt noon?\r\n.\r\n")
    done = command(*SEND, "--server", server.url, "--format", "json", "-q", text="x")
    assert (json.loads(done.stdout)["state"], done.stderr) == ("accepted", "")


def test_send_all_options(server: Server, tmp_path: Path) -> None:
    """HTML, files, images, headers, several receivers."""
    Path("x.html").write_text('<p>Hi <img src="cid:logo">')
    Path("logo.png").write_bytes(b"\x89PNG")
    Path("ü.txt").write_text("file")
    options = ["--html", "x.html", "--attach", "ü.txt", "--inline", "logo=logo.png", "--header", "X-Note: n"]
    options += ["--cc", "c@example.org, D <d@example.org>", "--bcc", "e@example.org", "--reply-to", "r@example.com"]
    options += ["--unsubscribe", "https://example.com/u", "f@example.org"]
    done = command(*SEND, *options, "--server", server.url, CB_MAIL_FROM="x@example.com")
    assert done.returncode == 0, done.stderr
    (caught,) = server.wait(1)
    assert set(caught.recipients) == {f"{name}@example.org" for name in ("bob", "c", "d", "e", "f")}
    assert b"e@example.org" not in caught.data
    for part in (
        b"X-Note: n",
        b"List-Unsubscribe-Post",
        b"Content-ID: <logo>",
        b"filename*=utf-8''%C3%BC.txt",
        b"\r\nHi\r\n",
    ):
        assert part in caught.data


def test_dry_run_and_eml(server: Server) -> None:
    """What is printed instead is a whole message, which ``--eml`` sends as it is."""
    done = command(*SEND, "--dry-run", "-o", "x.eml", text="At noon?")
    assert (done.returncode, done.stdout) == (0, "")
    raw = Path("x.eml").read_bytes()
    assert raw.startswith(b"From: me@example.com\r\nTo: bob@example.org\r\nSubject: =?utf-8?")
    assert command(*SEND, "--dry-run", text="At noon?").stdout.replace("\r\n", "\n").endswith("\n\nAt noon?\n")
    assert command("send", "--eml", "x.eml", "--server", server.url).returncode == 0
    assert server.wait(1)[0].data == raw
    assert command("send", "-i", "-f", "z@example.com", "-t", "--server", server.url, text=raw).returncode == 0
    assert server.wait(2)[1].sender == "z@example.com"


def test_queue(server: Server) -> None:
    """Nobody there: kept, and sent when there is."""
    done = command(*SEND, "--queue", "--server", f"127.0.0.1:{free_port()}", text="x")
    assert done.returncode == 75
    assert "kept as 1 (cb-mail queue run)" in done.stderr
    assert "queued" in command("queue", "list").stdout
    shown = command("queue", "show", "1")
    assert "Subject: " in shown.stdout
    assert "bob@example.org: queued" in shown.stderr
    done = command("queue", "run", "--server", server.url)
    assert (done.returncode, done.stdout) == (0, "bob@example.org: accepted (250 2.0.0 Ok, kept)\n")
    assert json.loads(command("queue", "list", "--format", "json").stdout)["state"] == "done"
    assert command("queue", "export", "-o", "all.csv").returncode == 0
    assert "accepted" in Path("all.csv").read_text()
    assert command("queue", "retry").stderr == "cb-mail: 0 messages\n"
    assert command("queue", "release", "9").returncode == 1
    assert command("queue", "remove").stderr == "cb-mail: 1 message\n"


def test_queue_watch(server: Server, tmp_path: Path) -> None:
    """It goes on until it is told to end, and sends what comes meanwhile."""
    line = [sys.executable, "-m", "cb_mail", "queue", "run", "--watch", "--every", "0.1", "--server", server.url]
    process = subprocess.Popen([*line, "--spool", "spool"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with Spool(tmp_path / "spool") as spool:
        spool.put(Message("a@example.com", "b@example.org", "s", "t"))
    server.wait(1, 30)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1].endswith(b"cb-mail: interrupted\n")
    assert process.returncode == 130


def test_merge(server: Server) -> None:
    """All rows, a results file, and never twice unawares."""
    Path("t.txt").write_text(
        "From: me@example.com\nTo: {{ name }} <{{ mail }}>\nSubject: Hi {{ name }}\n\nDear {{ name }}\n"
    )
    Path("r.csv").write_text("name,mail\n" + "".join(f"Ann {n},r{n}@example.org\n" for n in range(20)))
    dry = command("merge", "t.txt", "r.csv", "--dry-run")
    assert "--- first: row 1" in dry.stdout
    assert "20 messages to 20 receivers" in dry.stderr
    half = command("merge", "t.txt", "r.csv", "--limit", "8", "--server", server.url)
    assert half.returncode == 0
    assert "8 of 20 done, 12 left (--resume); results in r.csv.results.csv" in half.stderr
    assert "begun, and has 12 of 20 rows left" in command("merge", "t.txt", "r.csv", "--server", server.url).stderr
    done = command("merge", "t.txt", "r.csv", "--resume", "--connections", "2", "--server", server.url)
    assert (done.returncode, done.stderr) == (0, "cb-mail: 20 of 20 done; results in r.csv.results.csv\n")
    receivers = [one for message in server.wait(20) for one in message.recipients]
    assert sorted(receivers) == sorted(f"r{n}@example.org" for n in range(20))
    with Path("r.csv.results.csv").open(newline="") as file:
        results = list(csv.DictReader(file))
    assert [row["row"] for row in results] == [str(n) for n in range(1, 21)]
    assert {row["state"] for row in results} == {"accepted"}
    again = command("merge", "t.txt", "r.csv", "--server", server.url)
    assert (again.returncode, len(server.messages)) == (2, 20)
    assert "was sent (--resume goes on with it, --again sends all once more)" in again.stderr
    assert command("merge", "t.txt", "r.csv", "--again", "--rate", "1000/s", "-q", "--server", server.url).stderr == ""
    assert len(server.wait(40)) == 40


def test_merge_with_refusals() -> None:
    """Some refused: exit 1, and the results file says who and why."""
    Path("t.txt").write_text("From: me@example.com\nTo: {{ mail }}\nSubject: Hi\n\nx\n")
    Path("r.jsonl").write_text('{"mail": "a@example.org"}\n{"mail": "bad@example.org"}\n')
    with Server(faults=["RCPT:550:bad@*"]) as server:
        done = command("merge", "t.txt", "r.jsonl", "--results", "out.jsonl", "--server", server.url)
    assert done.returncode == 1
    results = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [(row["row"], row["state"], row["code"]) for row in results] == [(1, "accepted", 250), (2, "refused", 550)]


def test_merge_killed_and_resumed() -> None:
    """Kill -9 in mid-merge; --resume sends the rest."""
    Path("t.txt").write_text("From: me@example.com\nTo: {{ mail }}\nSubject: Hi {{ mail }}\n\nx\n")
    Path("r.csv").write_text("mail\n" + "".join(f"r{n}@example.org\n" for n in range(100)))
    with Server() as server:
        line = [sys.executable, "-m", "cb_mail", "merge", "t.txt", "r.csv", "--rate", "50/s", "--window", "1"]
        process = subprocess.Popen([*line, "--server", server.url], stderr=subprocess.DEVNULL)
        server.wait(5, 60)
        process.kill()
        process.wait()
        done = command("merge", "t.txt", "r.csv", "--resume", "--server", server.url)
        unknown = command("queue", "list", "--state", "unknown").stdout.splitlines()
        assert len(unknown) <= 1
        assert done.returncode == (75 if unknown else 0), done.stderr
        receivers = [one for message in server.messages for one in message.recipients]
        assert len(receivers) == len(set(receivers)) >= 100 - len(unknown)


def test_merge_interrupted() -> None:
    """Ctrl-C: what is under way ends, the results are written, 130."""
    Path("t.txt").write_text("From: me@example.com\nTo: {{ mail }}\nSubject: Hi\n\nx\n")
    Path("r.csv").write_text("mail\n" + "".join(f"r{n}@example.org\n" for n in range(200)))
    with Server() as server:
        line = [sys.executable, "-m", "cb_mail", "merge", "t.txt", "r.csv", "--rate", "20/s", "--server", server.url]
        process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
        server.wait(3, 60)
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert words.endswith("cb-mail: interrupted\n")
    assert "Traceback" not in words
    assert Path("r.csv.results.csv").exists()


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ([], 2, ""),
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["send", "--nope"], 2, "No such option"),
        (["send", "--to", "b@c.d"], 2, "Missing option '--from' (or $CB_MAIL_FROM)"),
        ([*SEND], 2, "Missing option '--server'"),
        ([*SEND, "--server", "ftp://x"], 2, "not smtp://"),
        ([*SEND, "--server", "smtp://u:p@x"], 2, "a password in a URL"),
        ([*SEND, "--server", "127.0.0.1:1"], 69, "127.0.0.1:1: connection refused"),
        ([*SEND, "--server", "sendmail:/no/such"], 69, "/no/such: No such file"),
        (["send", "--from", "x", "--to", "b@c.d", "--dry-run"], 65, "'x' is no address"),
        (["send", "--from", "a@b", "--dry-run"], 65, "wants a receiver"),
        (
            [*SEND, "--dry-run", "--body", "none.txt"],
            2,
            "none.txt: No such file or directory (look at the name and the rights)",
        ),
        ([*SEND, "--dry-run", "--attach", "none.txt"], 2, "none.txt: No such file"),
        ([*SEND, "--dry-run", "--header", "nocolon"], 2, "no : in 'nocolon'"),
        ([*SEND, "--dry-run", "--body", "latin.txt"], 65, "latin.txt:2: not UTF-8"),
        (["send", "--eml", "latin.txt", "--dry-run"], 65, "latin.txt: line 1 is no header field"),
        (["send", "--eml", "none.eml", "--dry-run"], 2, "none.eml: No such file"),
        (["merge", "none.txt", "r.csv"], 2, "none.txt: No such file"),
        (["merge", "t.txt", "none.csv"], 2, "none.csv: No such file"),
        (["merge", "t.txt", "bad.csv", "--dry-run"], 65, "bad.csv:3: 2 fields; the header has 1"),
        (["merge", "t.txt", "other.csv", "--dry-run"], 65, "row 1: there is no column 'mail'"),
        (["merge", "t.txt", "empty.csv"], 2, "no rows"),
        (["merge", "t.txt", "r.csv", "--rate", "fast"], 2, "'fast' is no rate"),
        (["merge", "t.txt", "folder"], 2, "folder: Is a directory (look at the name and the rights)"),
        ([*SEND, "--dry-run", "--html", "none.html"], 2, "none.html: No such file"),
        ([*SEND, "--dry-run", "--inline", "logo=none.png"], 2, "none.png: No such file"),
        ([*SEND, "--server", "smtp://x", "--ca", "none.pem"], 2, "none.pem: No such file"),
        ([*SEND, "--dkim-key", "none.pem", "--dkim-selector", "s", "--dkim-domain", "x.org"], 2, "none.pem: No such"),
        (["serve", "--certificate", "none.pem"], 2, "none.pem: No such file"),
        (["check", "none.eml"], 2, "none.eml: No such file"),
        (["check", "no/such/file"], 2, "no/such/file: No such file"),
        (["preview", "none.eml"], 2, "none.eml: No such file"),
        (["preview", "t.txt", "r.csv", "--row", "9"], 2, "r.csv has 1 rows"),
        (["queue", "show", "4"], 75, "no message 4"),
        (["queue", "list", "--spool", "latin.txt"], 75, "latin.txt: file is not a database"),
        (["serve", "--fail", "RCPT:nonsense"], 2, "not POINT:ACTION"),
        (["serve", "--tls"], 2, "--tls wants --certificate"),
        (["serve", "--certificate", "latin.txt"], 2, "no certificate with its key"),
        (["serve", "--host", "203.0.113.1", "--port", "0", "--web", "0"], 69, "cannot listen"),
        (["check", "a@b..c"], 65, "is no domain"),
        (["check", "127.0.0.1:1"], 69, "connection refused"),
    ],
)
def test_bad_input_is_one_line(line: list[str], status: int, says: str) -> None:
    """One line on stderr that says what and what to do, the documented status, and no traceback."""
    Path("latin.txt").write_bytes(b"ok\nl\xe4tin\n" + b"x" * 600)
    Path("t.txt").write_text("From: a@b.c\nTo: {{ mail }}\nSubject: s\n\nx\n")
    Path("r.csv").write_text("mail\na@example.org\n")
    Path("bad.csv").write_text("mail\na@example.org\nb,c\n")
    Path("other.csv").write_text("name\nx\n")
    Path("empty.csv").write_text("")
    Path("folder").mkdir()
    done = command(*line)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    if line:
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("cb-mail: ")
        assert says in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read() -> None:
    """2, and its rights are named."""
    Path("secret.txt").touch(0o200)
    done = command(*SEND, "--dry-run", "--body", "secret.txt")
    assert (done.returncode, done.stderr) == (
        2,
        "cb-mail: secret.txt: Permission denied (look at the name and the rights)\n",
    )


def test_a_pipe_is_a_file(tmp_path: Path) -> None:
    """What a shell gives as ``<(command)`` is read once."""
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_text, args=["from a pipe\n"])
    writer.start()
    done = command(*SEND, "--dry-run", "--body", "pipe")
    writer.join(30)
    assert (done.returncode, "from a pipe" in done.stdout) == (0, True)


@pytest.mark.parametrize("connections", [1, 4])
def test_ctrl_c_ends_a_merge(connections: int) -> None:
    """130 at once although the server has stopped to answer; what it had not answered is unknown, nothing is lost."""
    Path("t.txt").write_text("From: a@b.c\nTo: {{ mail }}\nSubject: s\n\nx\n")
    Path("r.csv").write_text("mail\n" + "".join(f"r{number}@example.org\n" for number in range(400)))
    with Server(faults=["RCPT:stall:r[23]??@*"]) as server:
        line = [sys.executable, "-m", "cb_mail", "merge", "t.txt", "r.csv", "--server", server.url, "--spool", "s"]
        merge = subprocess.Popen([*line, "--connections", str(connections)], stderr=subprocess.PIPE, text=True)
        until(lambda: len(server.messages) == 200)
        merge.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, words = merge.communicate(timeout=60)
        assert time.monotonic() - start < 30, "it waited for the server"  # whose time is 60 s
        assert merge.returncode == 130, words
        caught = [one for message in server.messages for one in message.recipients]
    with Spool("s") as spool:
        states = {entry.row: entry.state for entry in spool.entries()}
        accepted = {one.recipient for entry in spool.entries(state="done") for one in entry.results}
    assert "in_flight" not in states.values()
    assert accepted <= set(caught)
    assert set(caught) - accepted <= {f"r{row - 1}@example.org" for row, state in states.items() if state == "unknown"}
    assert len(states) == 400


def test_a_login_that_is_refused() -> None:
    """77, without the password in what is said."""
    with Server(users={"u": "right"}) as server:
        url = server.url.replace("//", "//u@")
        done = command(*SEND, "--server", url, text="x", CB_MAIL_PASSWORD="hunter2")
        assert (done.returncode, "hunter2" in done.stderr) == (77, False)
        assert command(*SEND, "--server", url, "--password-command", "echo right", text="x").returncode == 0
        done = command(*SEND, "--server", url, text="x")
    assert (done.returncode, done.stderr.count("\n")) == (77, 1)
    assert "no password for u" in done.stderr


def test_tls_that_is_wanted() -> None:
    """76 where STARTTLS is wanted and not there."""
    with Server() as server:
        done = command(*SEND, "--tls", "starttls", "--server", server.url, text="x")
    assert done.returncode == 76
    assert "offers no STARTTLS" in done.stderr


def test_sendmail(tmp_path: Path) -> None:
    """The program of this machine's MTA is given the message; its status says what became of it."""
    program = tmp_path / "mta"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > args; cat > message; exit "${MTA:-0}"\n')
    program.chmod(0o755)
    assert command(*SEND, "--server", f"sendmail:{program}", text="x\n.\n").returncode == 0
    assert Path("args").read_text().split() == ["-i", "-f", "me@example.com", "--", "bob@example.org"]
    assert Path("message").read_bytes().endswith(b"\n\nx\n.\n")
    assert command(*SEND, "--server", f"sendmail:{program}", text="x", MTA="75").returncode == 75
    assert command(*SEND, "--server", f"sendmail:{program}", text="x", MTA="67").returncode == 1


def test_preview(tmp_path: Path) -> None:
    """The tree of parts, and what may be wrong."""
    command(*SEND, "--dry-run", "-o", "x.eml", text="At noon?")
    done = command("preview", "x.eml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("text/plain")
    Path("t.txt").write_text("From: a@b.c\nTo: {{ mail }}\nSubject: s\nHtml: h.html\n\nx\n")
    Path("h.html").write_text('<p>{{ mail }} <img src="https://x.org/y.png"><img src="cid:gone">')
    Path("r.csv").write_text("mail\na@example.org\n")
    done = command("preview", "t.txt", "r.csv")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "multipart/alternative"
    assert "1 remote image" in done.stderr
    assert "cid:gone is shown and not there" in done.stderr
    assert "<p>a@example.org" in command("preview", "t.txt", "r.csv", "--html").stdout


def test_check(server: Server) -> None:
    """A server, an address, a message."""
    done = command("check", server.url)
    assert done.returncode == 0
    assert "PIPELINING" in done.stdout
    found = json.loads(command("check", server.url, "--format", "json").stdout)
    assert "CHUNKING" in found["offers"]
    assert (
        command("check", "jörg@bücher.example").stdout.splitlines()[1] == "only a server with SMTPUTF8 can be given it"
    )
    assert (
        json.loads(command("check", "a@bücher.example", "--format", "json").stdout)["ascii"]
        == "a@xn--bcher-kva.example"
    )
    Path("x.eml").write_text("Subject: s\n\nx\n")
    done = command("check", "x.eml")
    assert done.returncode == 1
    assert "no From field" in done.stderr


def test_check_over_tls(tmp_path: Path) -> None:
    """What is offered before and after TLS, the certificate with its names and its end; an authority of one's own."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path("ca.pem")
    certificate = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with Server(certificate=certificate, hide=["PIPELINING", "8BITMIME", "SMTPUTF8"]) as server:
        url = server.url.replace("//", "//anna@")
        line = ["check", url, "--tls", "starttls", "--ca", "ca.pem", "--password-command", "echo secret"]
        done = command(*line)
        found = json.loads(command(*line, "--format", "json").stdout)
        refused = command("check", server.url, "--tls", "starttls")
    assert done.returncode == 0, done.stderr
    assert "before TLS     CHUNKING" in done.stdout
    assert "names          127.0.0.1" in done.stdout
    for advice in ("no PIPELINING: each message costs four", "no 8BITMIME: texts are sent", "no SMTPUTF8: addresses"):
        assert f"cb-mail: {advice}" in done.stderr
    assert found["tls"].startswith("TLSv1")
    assert found["certificate"]["names"] == "127.0.0.1"
    assert found["certificate"]["expires"].endswith("GMT")
    assert ("STARTTLS" in found["before_tls"], "STARTTLS" in found["offers"]) == (True, False)
    assert found["round_trip_ms"] > 0
    assert (refused.returncode, refused.stderr.count("\n")) == (76, 1)


def test_check_a_server_that_is_far_away(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Judged by the quickest of three answers; a server that offers nothing before TLS says so in its own words."""
    seconds = iter([0.5, 0.03, 0.4])
    monkeypatch.setattr(cli_check, "_round_trip", lambda _: next(seconds))
    with Server() as server:
        assert cli_check._server({**TALK, "server": server.url}, "text") == 0
    assert "far away (30 ms)" in capsys.readouterr().err
    capabilities = Capabilities("mx", {"PIPELINING": "", "CHUNKING": "", "8BITMIME": "", "SMTPUTF8": ""})
    assert cli_check._advice(capabilities, 0.02) == ["far away (20 ms): use several --connections and --window 64"]
    assert cli_check._advice(capabilities, 0.0001) == []
    found = cli_check._before_tls({**TALK, "server": f"smtp://anna@127.0.0.1:{free_port()}"})
    assert found.keys() == {"(nothing)"}
    assert "connection refused" in found["(nothing)"]


def test_check_what_is_no_server() -> None:
    """An address and a message, for people and for programs."""
    assert command("check", "a@bücher.example").stdout.splitlines() == [
        "a@bücher.example: an address",
        "for servers without SMTPUTF8: a@xn--bcher-kva.example",
    ]
    found = json.loads(command("check", "Jörg <jörg@example.org>", "--format", "json").stdout)
    assert found == {"address": "jörg@example.org", "name": "Jörg", "needs_smtputf8": True}
    Path("good.eml").write_bytes(Message("a@b.c", "d@e.f", "s", "t").as_bytes())
    done = command("check", "good.eml", "--format", "json")
    assert (done.returncode, json.loads(done.stdout)["warnings"]) == (0, [])
    done = command("check", "good.eml")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_fixture(mail_server: Server) -> None:
    """Pytest finds ``mail_server`` by itself; it is empty at the beginning."""
    assert mail_server.messages == []
    assert command(*SEND, "--server", mail_server.url, text="x").returncode == 0
    assert len(mail_server.wait(1)) == 1


def test_output_that_nobody_reads(server: Server) -> None:
    """A closed pipe ends it quietly."""
    with Spool(Path("spool")) as spool:
        for number in range(3000):
            spool.put(Message("a@example.com", "b@example.org", f"{number}", "t")) if number < 3 else None
    line = f"{sys.executable} -m cb_mail queue list --spool spool | true; {sys.executable} -m cb_mail --help | head -1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""


def test_serve() -> None:
    """Messages as lines on stdout, kept in a Maildir, sent on; SIGTERM ends it with 0."""
    with Server() as behind:
        line = [
            sys.executable,
            "-m",
            "cb_mail",
            "serve",
            "--port",
            "0",
            "--no-web",
            "--maildir",
            "mail",
            "--format",
            "json",
        ]
        process = subprocess.Popen(
            [*line, "--relay", behind.url, "--fail", "RCPT:550:bad@*"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        assert process.stderr
        port = process.stderr.readline().strip().rpartition(":")[2]
        assert command(*SEND, "bad@example.org", "--server", f"127.0.0.1:{port}", text="x").returncode == 1
        row = json.loads(process.stdout.readline())
        assert row["recipients"] == ["bob@example.org"]
        behind.wait(1)
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert err == "cb-mail: 1 messages are in mail\n"
    until(lambda: len(list(Path("mail/new").iterdir())) == 1)
