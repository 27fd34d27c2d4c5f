"""The command, run as a user runs it: options, streams, statuses, and one line for every mistake."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import EllipsisType
from typing import Any

import cb_sockets
import pytest
import trustme
from cb_sockets import (
    Address,
    Delimited,
    LengthPrefixed,
    MessageSocket,
    PeerClosed,
    Raw,
    TimeoutExceeded,
    connect,
    loadgen,
    talk,
)
from cb_sockets.transport import reset

ERROR = b"cb-sockets: "
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield "{}:{}".format(*listener.getsockname())


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> tuple[str, str]:
    """Files: a server's certificate chain with its key, and the authority behind it."""
    chain, trust = tmp_path / "server.pem", tmp_path / "ca.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
    authority.cert_pem.write_to_path(trust)
    return str(chain), str(trust)


def one_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """What stands on stderr, which is one line of ours."""
    assert done.stderr.startswith(ERROR), done.stderr
    assert done.stderr.count(b"\n") == 1, done.stderr
    return done.stderr.decode()


def test_version(command: Callable[..., Any]) -> None:
    """``--version`` prints the package's version and nothing else."""
    assert command("--version").stdout == f"cb-sockets, version {cb_sockets.__version__}\n".encode()


def test_help_opens_with_an_example_that_runs(command: Callable[..., Any]) -> None:
    """``--help`` shows an example and the exit codes; each sub-command has an example of its own."""
    text = command("--help").stdout.decode()
    assert "cb-sockets serve echo" in text
    assert "130 interrupted" in text
    for name in ("serve", "send", "chat", "bench", "inspect"):
        assert f"Example:\n    cb-sockets {name}" in command(name, "--help").stdout.decode()


def test_without_arguments_the_help_is_shown(command: Callable[..., Any]) -> None:
    """The bare command is wrong usage, and shows how it is used."""
    done = command()
    assert done.returncode == 2
    assert b"Commands:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["send", "127.0.0.1:99999", "x"], "port '99999' is not a number from 0 to 65535"),
        (["send", "nowhere", "x"], "use HOST:PORT"),
        (["send", "unix:", "x"], "has no path"),
        (["send", "127.0.0.1:1", "--frame", "len:9"], "width must be 1 to 8"),
        (["send", "127.0.0.1:1", "--frame", "words"], "use line, crlf"),
        (["send", "127.0.0.1:1", "--in", "xml"], "or hex, json"),
        (["send", "127.0.0.1:1", "--replies", "some"], "neither each, eof nor a number"),
        (["send", "127.0.0.1:1", "--max-size", "big"], "is not a size"),
        (["serve"], "give one of"),
        (["serve", "echo", "--exec", "cat"], "give one of"),
        (["serve", "--handler", "nowhere"], "is not MODULE:FUNCTION"),
        (["serve", "--handler", "nowhere:x"], "No module named 'nowhere'"),
        (["serve", "--handler", "json:nowhere"], "has no attribute 'nowhere'"),
        (["serve", "echo", "--tls-key", __file__], "need --tls-cert"),
        (["serve", "echo", "--tls-cert", __file__], "no usable certificate and key"),
        (["serve", "echo", "--idle-timeout", "-1"], "-1"),
        (["frobnicate"], "No such command"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(command: Callable[..., Any], arguments: list[str], text: str) -> None:
    """Whatever is wrong with the arguments, one line says what, and where the help is."""
    done = command(*arguments)
    assert done.returncode == 2
    line = one_line(done)
    assert text in line
    assert "--help)" in line


def test_a_refused_connection_is_status_1(command: Callable[..., Any]) -> None:
    """Nobody listens: one line with the address and what to look at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = command("send", "{}:{}".format(*free.getsockname()), "x")
    assert done.returncode == 1
    assert "connection refused (is the server running" in one_line(done)


def test_a_taken_port_is_status_1(command: Callable[..., Any], silent: str) -> None:
    """Somebody else listens there: one line that says what to do."""
    done = command("serve", "echo", "--listen", silent)
    assert done.returncode == 1
    assert "choose another port" in one_line(done)


def test_a_taken_port_for_workers_is_status_1(command: Callable[..., Any], silent: str) -> None:
    """With several workers, too, it is found before any of them starts."""
    done = command("serve", "echo", "--workers", "2", "--listen", silent)
    assert done.returncode == 1
    assert "choose another port" in one_line(done)


def test_workers_need_a_tcp_port(command: Callable[..., Any], tmp_path: Path) -> None:
    """A Unix socket cannot be shared by workers, and the line says so."""
    done = command("serve", "echo", "--workers", "2", "--listen", f"unix:{tmp_path}/s")
    assert done.returncode == 1
    assert "use --workers 1" in one_line(done)


def test_a_message_that_does_not_fit_is_status_3(command: Callable[..., Any], silent: str) -> None:
    """A message that holds its own delimiter is refused, not torn in two."""
    done = command("send", silent, "--frame", "delim:2c", "a,b")
    assert done.returncode == 3
    assert "contains its own delimiter" in one_line(done)


def test_a_silent_server_is_status_4(command: Callable[..., Any], silent: str) -> None:
    """No reply in time: one line and the status of a time-out."""
    done = command("send", silent, "--timeout", "0.1", "x")
    assert done.returncode == 4
    assert "within 0.1 s" in one_line(done)


def test_a_traceback_only_where_it_is_asked_for(command: Callable[..., Any]) -> None:
    """``CB_DEBUG=1`` shows the traceback behind an error."""
    done = command("send", "127.0.0.1:1", "x", env={**os.environ, "CB_DEBUG": "1"})
    assert done.returncode == 1
    assert b"Traceback" in done.stderr


def test_interrupted_is_status_130() -> None:
    """Ctrl-C while waiting: one line, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "{}:{}".format(*listener.getsockname())
        line = [sys.executable, "-m", "cb_sockets", "send", address, "--timeout", "60", "x"]
        with subprocess.Popen(line, stderr=subprocess.PIPE) as child:
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(1) == b"x"  # sent: now it waits for a reply
                child.send_signal(signal.SIGINT)
                _, words = child.communicate(timeout=30)
    assert child.returncode == 130
    assert words == b"cb-sockets: interrupted\n"


def wait_for_connection(child: subprocess.Popen[bytes]) -> None:
    """Until the child has a socket."""
    while child.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            if any(link.readlink().name.startswith("socket:") for link in Path(f"/proc/{child.pid}/fd").iterdir()):
                return


def test_a_closed_pipe_ends_quietly(serving: Callable[..., Any]) -> None:
    """``cb-sockets send ... | head -1`` says nothing and fails nothing."""
    server = serving("serve", "echo")
    line = [sys.executable, "-m", "cb_sockets", "send", server.address, "-q"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(b"one\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"one\n"
        child.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(b"two\n" * 10_000)
            child.stdin.close()
        assert child.wait(30) == 0
        assert child.stderr.read() == b""
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def test_messages_from_files_and_stdin(
    command: Callable[..., Any], serving: Callable[..., Any], tmp_path: Path
) -> None:
    """Arguments, files and stdin, in this order; a last line without a newline is a message too."""
    server = serving("serve", "echo")
    file = tmp_path / "messages"
    file.write_bytes(b"two\nthree")
    done = command("send", server.address, "one", "-f", str(file), "-f", "-", stdin=b"four\n")
    assert done.stdout == b"one\ntwo\nthree\nfour\n"


def test_boundaries_survive_pipes(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """Binary messages with newlines and NULs inside come out as they went in, in every form."""
    server = serving("serve", "echo", "--frame", "len:4be")
    messages = [b"line\nbreak", b"\0\xff", b"", "grün".encode()]
    binary = LengthPrefixed(width=2, byteorder="little").encode_many(messages)
    options = ("send", server.address, "--frame", "len:4be", "-q")
    as_json = command(*options, "--in", "len:2le", "--out", "json", stdin=binary).stdout
    assert [json.loads(line) for line in as_json.splitlines()] == [
        {"text": "line\nbreak"},
        {"base64": "AP8="},
        {"text": ""},
        {"text": "grün"},
    ]
    as_hex = command(*options, "--in", "json", "--out", "hex", stdin=as_json).stdout
    assert [bytes.fromhex(line) for line in as_hex.decode().splitlines()] == messages
    assert command(*options, "--in", "hex", "--out", "len:2le", stdin=as_hex).stdout == binary


def test_a_plain_json_string_is_a_message(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """``--in json`` takes JSON strings as they are."""
    server = serving("serve", "echo")
    assert command("send", server.address, "--in", "json", stdin=b'"a"\n').stdout == b"a\n"


@pytest.mark.parametrize(
    ("form", "data", "text"),
    [
        ("hex", b"00\n0g\n", "-:2: not pairs of hexadecimal digits"),
        ("json", b'{"text": "a"}\n{"txt": "b"}\n', '-:2: not {"text"'),
        ("json", b'{"base64": "?"}\n', "-:1: not"),
        ("json", b"7\n", "-:1: not"),
        ("len:2", b"\0\x05ab", "-: stream ended inside a message"),
    ],
)
def test_bad_input_names_file_and_line(
    command: Callable[..., Any], serving: Callable[..., Any], form: str, data: bytes, text: str
) -> None:
    """Input that is not what ``--in`` says is status 3, with file and line."""
    server = serving("serve", "echo")
    done = command("send", server.address, "--in", form, stdin=data)
    assert done.returncode == 3
    assert text in one_line(done)


def test_a_reply_that_the_output_cannot_hold_is_refused(
    command: Callable[..., Any], serving: Callable[..., Any]
) -> None:
    """A reply with a newline does not become two lines of ``--out line``; nothing is lost without a word."""
    server = serving("serve", "echo", "--frame", "null")
    done = command("send", server.address, "--frame", "null", "two\nlines")
    assert done.returncode == 3
    assert "contains its own delimiter" in one_line(done)


def test_output_file_appears_only_when_whole(
    command: Callable[..., Any], serving: Callable[..., Any], tmp_path: Path
) -> None:
    """``-o`` replaces the file at the end; after a failure the old one is still there, and nothing else."""
    server = serving("serve", "echo")
    target = tmp_path / "replies"
    assert command("send", server.address, "-o", str(target), "new").returncode == 0
    assert target.read_bytes() == b"new\n"
    assert command("send", server.address, "-o", str(target), "--in", "hex", stdin=b"61\nx\n").returncode == 3
    assert target.read_bytes() == b"new\n"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("option", ["-o", "-f"])
def test_a_wrong_name_is_status_2(command: Callable[..., Any], serving: Callable[..., Any], option: str) -> None:
    """A file that cannot be read or written: one line with its name, before anything is sent."""
    server = serving("serve", "echo")
    done = command("send", server.address, option, "/nonexistent/replies", "x")
    assert done.returncode == 2
    assert re.search(r"/nonexistent/.*: No such file or directory \(look at", one_line(done))


def test_a_pipe_is_read_once(serving: Callable[..., Any]) -> None:
    """``-f`` takes what a shell makes of ``<(…)``, too."""
    server = serving("serve", "echo")
    line = f"'{sys.executable}' -m cb_sockets send {server.address} -q -f <(printf 'one\\ntwo\\n')"
    assert subprocess.check_output(["bash", "-c", line], timeout=60) == b"one\ntwo\n"


def test_files_as_framings(command: Callable[..., Any], serving: Callable[..., Any], tmp_path: Path) -> None:
    """A file read with a delimiter may lack the last one; an empty file read whole is an empty message."""
    server = serving("serve", "echo", "--frame", "len:2be")
    (tmp_path / "a").write_bytes(b"one\0two")
    options = ("send", server.address, "--frame", "len:2be", "--out", "json")
    assert command(*options, "--in", "null", "-f", str(tmp_path / "a")).stdout == b'{"text": "one"}\n{"text": "two"}\n'
    (tmp_path / "a").write_bytes(b"")
    assert command(*options, "--in", "eof", "-f", str(tmp_path / "a")).stdout == b'{"text": ""}\n'


def test_a_number_of_replies_and_none(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """``--replies N`` waits for N replies, 0 for none."""
    server = serving("serve", "discard")
    assert command("send", server.address, "--replies", "0", "x").returncode == 0
    echoing = serving("serve", "echo")
    assert command("send", echoing.address, "--replies", "1", "x", "y").stdout == b"x\n"


def test_serve_a_function_of_your_own(command: Callable[..., Any], serving: Callable[..., Any], tmp_path: Path) -> None:
    """``--handler`` finds a module in the current folder."""
    (tmp_path / "mine.py").write_text("def reply(message):\n    return message[::-1]\n")
    server = serving("serve", "--handler", "mine:reply", cwd=tmp_path)
    assert command("send", server.address, "abc").stdout == b"cba\n"


def test_serve_with_a_verbose_factory(command: Callable[..., Any], serving: Callable[..., Any], tmp_path: Path) -> None:
    """``-v`` shows the messages of a per-connection handler too."""
    source = "from cb_sockets import per_connection\n@per_connection\ndef reply(peer):\n    return bytes.upper\n"
    (tmp_path / "mine.py").write_text(source)
    server = serving("serve", "--handler", "mine:reply", "-v", cwd=tmp_path)
    assert command("send", server.address, "abc").stdout == b"ABC\n"
    server.stop()
    assert "received 3 bytes: b'abc'" in server.log


def test_a_command_ends_its_line(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """``--exec`` with a command that prints a line: the line's end is the message's; elsewhere it is a byte of it."""
    for frame, reply in (("line", b'{"text": "hello"}\n'), ("len:2be", b'{"text": "hello\\n"}\n')):
        server = serving("serve", "--exec", "echo hello", "--frame", frame)
        assert command("send", server.address, "--frame", frame, "--out", "json", "x").stdout == reply


def test_a_failing_command_closes_the_connection(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """``--exec`` with a command that fails: no reply, the connection ends, the server goes on."""
    server = serving("serve", "--exec", "false")
    for _ in range(2):
        assert command("send", server.address, "x").returncode == 1


@pytest.mark.parametrize("mode", ["select", "thread", "asyncio"])
def test_sigterm_drains_and_ends_with_status_0(serving: Callable[..., Any], mode: str) -> None:
    """SIGTERM: idle connections get a clean end, the server a closing line and status 0."""
    server = serving("serve", "echo", "--mode", mode)
    with connect(server.address, Delimited()) as peer:
        assert peer.request(b"x") == b"x"
        server.process.send_signal(signal.SIGTERM)
        assert list(peer) == []
    assert server.stop() == 0
    assert server.lines[-1] == "cb-sockets: stopped; 0 connections cut off\n"


def test_asyncio_without_uvloop(command: Callable[..., Any], serving: Callable[..., Any], tmp_path: Path) -> None:
    """``--mode asyncio`` takes uvloop where it is installed, and does without where it is not."""
    (tmp_path / "uvloop.py").write_text("raise ImportError('hidden by the test')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    server = serving("serve", "echo", "--mode", "asyncio", env={**os.environ, "PYTHONPATH": path})
    assert command("send", server.address, "x").stdout == b"x\n"
    assert server.stop() == 0


@pytest.mark.parametrize("mode", ["select", "asyncio"])
def test_sigint_ends_with_status_130(serving: Callable[..., Any], mode: str) -> None:
    """Ctrl-C drains too, and says that it was an interruption."""
    assert serving("serve", "echo", "--mode", mode).stop(signal.SIGINT) == 130


@pytest.mark.parametrize("mode", ["select", "asyncio"])
def test_a_second_signal_ends_at_once(serving: Callable[..., Any], mode: str) -> None:
    """Asked twice, the server does not wait for a message under way any longer."""
    server = serving("serve", "echo", "--mode", mode, "--drain", "60")
    with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])), timeout=10) as sock:
        sock.sendall(b"whole\nhalf")
        assert sock.recv(100) == b"whole\n"
        server.process.send_signal(signal.SIGTERM)
        # The listener refuses once the drain has begun; the second signal is then really the second.
        with contextlib.suppress(OSError):
            while True:
                connect(server.address, Delimited(), timeout=0.2).close()
        assert server.stop() == 0


@linux
def test_workers_share_a_port_and_end_together(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """Two processes answer on one port; SIGTERM to the parent drains both."""
    server = serving("serve", "echo", "--workers", "2")
    done = command("bench", server.address, "-c", "20", "--seconds", "0.2")
    assert done.returncode == 0, done.stderr
    children = workers_of(server.process.pid)
    assert len(children) == 2
    assert server.stop() == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def workers_of(pid: int) -> list[int]:
    """The children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@linux
def test_a_dead_worker_is_started_again(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """A worker that is killed is replaced, and the parent says so."""
    server = serving("serve", "echo", "--workers", "2")
    first, second = wait_for_workers(server.process.pid, set())
    os.kill(first, signal.SIGKILL)
    server.expect("started again")
    wait_for_workers(server.process.pid, {first})
    assert command("send", server.address, "x").stdout == b"x\n"
    assert second in workers_of(server.process.pid)
    assert server.stop() == 0


def test_workers_that_cannot_start_end_the_command(command: Callable[..., Any], tmp_path: Path) -> None:
    """Workers that fail at once are not started again for ever."""
    (tmp_path / "mine.py").write_text("raise ImportError('no')\n")
    done = command("serve", "--handler", "mine:reply", "--workers", "2", "--listen", "127.0.0.1:0", cwd=tmp_path)
    assert done.returncode == 1
    assert b"the workers did not start" in done.stderr


def wait_for_workers(pid: int, gone: set[int]) -> tuple[int, int]:
    """Two workers that are not among `gone`."""
    while True:
        found = [child for child in workers_of(pid) if child not in gone]
        if len(found) == 2:
            return found[0], found[1]


@linux
@pytest.mark.parametrize("mode", ["select", "asyncio"])
def test_workers_end_when_their_parent_is_killed(
    mode: str, serving: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    """Kill -9 of the parent leaves no worker behind."""
    server = serving("serve", "echo", "--workers", "2", "--mode", mode)
    children = wait_for_workers(server.process.pid, set())
    server.process.kill()
    server.process.wait()
    eventually(lambda: not any(running(child) for child in children), 30)


def running(pid: int) -> bool:
    """Whether a process is there and not a zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_unix_socket(command: Callable[..., Any], tmp_path: Path) -> None:
    """``unix:PATH`` is an address like any other, and its file goes with the server."""
    path = tmp_path / "s"
    line = [sys.executable, "-m", "cb_sockets", "serve", "echo", "--listen", f"unix:{path}"]
    with subprocess.Popen(line, stderr=subprocess.PIPE) as server:
        assert server.stderr is not None
        assert server.stderr.readline() == f"cb-sockets: listening on unix:{path}\n".encode()
        assert command("send", f"unix:{path}", "x").stdout == b"x\n"
        server.terminate()
        assert server.wait(30) == 0
    assert not path.exists()


def test_tls(command: Callable[..., Any], serving: Callable[..., Any], certificate: tuple[str, str]) -> None:
    """With ``--tls-cert`` the server speaks TLS; a client checks it, with ``--ca`` for an authority of one's own."""
    chain, trust = certificate
    server = serving("serve", "echo", "--tls-cert", chain)
    assert server.address.startswith("tls://127.0.0.1:")
    assert command("send", server.address, "--ca", trust, "x").stdout == b"x\n"
    assert command("send", server.address, "--insecure", "x").stdout == b"x\n"
    refused = command("send", server.address, "x")
    assert refused.returncode == 1
    assert "certificate not trusted" in one_line(refused)


def test_tls_with_client_certificates(
    serving: Callable[..., Any], certificate: tuple[str, str], authority: trustme.CA, client_tls: ssl.SSLContext
) -> None:
    """``--client-ca`` lets in only who shows a certificate of that authority."""
    chain, trust = certificate
    server = serving("serve", "echo", "--tls-cert", chain, "--client-ca", trust)
    context = ssl.create_default_context(cafile=trust)
    authority.issue_cert("client").configure_cert(context)
    with connect(server.address, Delimited(), tls=context) as peer:
        assert peer.request(b"x") == b"x"
    # TLS 1.3 tells the client of the refusal only with the first read.
    with pytest.raises(cb_sockets.SocketsError), connect(server.address, Delimited(), tls=client_tls) as peer:
        peer.request(b"x")


def test_chat(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """Lines go out, replies come back, the end of input ends the talk."""
    server = serving("serve", "echo")
    done = command("chat", server.address, stdin=b"one\ntwo\n")
    assert (done.returncode, done.stdout) == (0, b"one\ntwo\n")
    assert done.stderr == b"cb-sockets: sent 2 messages (6 bytes), received 2 (6 bytes)\n"


def test_chat_with_a_silent_peer_ends_in_time(command: Callable[..., Any], silent: str) -> None:
    """After the end of input the peer has ``--timeout`` seconds to say its last."""
    assert command("chat", silent, "--timeout", "0.1", stdin=b"x\n").returncode == 0


def test_chat_waits_for_input_longer_than_for_the_peer(serving: Callable[..., Any]) -> None:
    """While input is open, a silent peer is no reason to end."""
    server = serving("serve", "echo")
    line = [sys.executable, "-m", "cb_sockets", "chat", server.address, "--timeout", "0.05"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1)
        child.stdin.write(b"late\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"late\n"
        child.communicate(timeout=30)
    assert child.returncode == 0


def test_chat_has_all_its_time_after_the_end_of_input() -> None:
    """A wait that ends just after the input does is not the one that the peer is owed."""
    ours, theirs = socket.socketpair()

    class Waiting(MessageSocket):
        def recv(self, *, timeout: float | EllipsisType | None = ...) -> bytes:
            if theirs.fileno() != -1:
                assert theirs.recv(1) == b""  # the end of input comes while we wait
                theirs.sendall(b"late\n")
                theirs.close()
                raise TimeoutExceeded("the wait has begun long before")
            return super().recv(timeout=timeout)

    seen: list[bytes] = []
    with Waiting(ours, Delimited()) as peer:
        talk.chat(peer, [], seen.append, linger=30)
    assert seen == [b"late"]


def test_chat_says_when_the_connection_is_lost() -> None:
    """A reset in the middle of a talk is an error, not an end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = [sys.executable, "-m", "cb_sockets", "chat", "{}:{}".format(*listener.getsockname())]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            accepted, _ = listener.accept()
            assert child.stdin is not None
            assert child.stderr is not None
            child.stdin.write(b"x\n")
            child.stdin.flush()
            assert accepted.recv(2) == b"x\n"
            reset(accepted)
            accepted.close()
            assert child.wait(30) == 1
            assert child.stderr.read().startswith(b"cb-sockets: connection lost")


@pytest.mark.parametrize("name", ["send", "chat"])
def test_the_peer_ends_while_input_is_open(name: str) -> None:
    """The command ends with its peer, also while it waits for more input."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = [sys.executable, "-m", "cb_sockets", name, "{}:{}".format(*listener.getsockname())]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            accepted, _ = listener.accept()
            assert child.stdin is not None
            assert child.stderr is not None
            child.stdin.write(b"x\n")
            child.stdin.flush()
            assert accepted.recv(2) == b"x\n"
            accepted.close()
            assert child.wait(30) == (1 if name == "send" else 0)
            assert child.stderr.read().count(b"\n") == 1


def test_chat_refuses_bad_input(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """A line that is not what ``--in`` says ends the talk with status 3."""
    server = serving("serve", "echo")
    assert command("chat", server.address, "--in", "hex", "--timeout", "0.2", stdin=b"zz\n").returncode == 3


def test_chat_on_a_terminal_has_a_prompt(serving: Callable[..., Any]) -> None:
    """On a terminal there is a prompt, and what comes stands above it."""
    import pty

    server = serving("serve", "echo")
    master, slave = pty.openpty()
    line = [sys.executable, "-m", "cb_sockets", "chat", server.address]
    with subprocess.Popen(line, stdin=slave, stdout=slave, stderr=subprocess.PIPE) as child:
        os.close(slave)
        seen = b""
        while not seen.endswith(b"> "):
            seen += os.read(master, 1024)
        os.write(master, b"hello\n")
        while seen.count(b"hello") < 2 or seen.count(b"> ") < 2:
            seen += os.read(master, 1024)
        os.write(master, b"\x04")
        with contextlib.suppress(OSError):  # how a terminal's end shows itself on Linux
            while os.read(master, 1024):
                continue
        assert child.wait(30) == 0
    os.close(master)
    assert b"hello\r\n> " in seen


@pytest.mark.parametrize("frame", ["len:4be", "line"])
def test_bench_prints_a_table_and_json(command: Callable[..., Any], serving: Callable[..., Any], frame: str) -> None:
    """Rates and latencies, for people and for programs."""
    server = serving("serve", "echo", "--frame", frame)
    options = ("bench", server.address, "--frame", frame, "--seconds", "0.2", "-c", "2", "-d", "8", "--size", "1K")
    table = command(*options).stdout.decode().splitlines()
    assert table[0].split()[:3] == ["size", "conns", "depth"]
    assert table[1].split()[:3] == ["1024", "2", "8"]
    result = json.loads(command(*options, "--format", "json").stdout)
    assert result["messages"] > 0
    assert 0 < result["p50_us"] <= result["p99_us"] <= result["max_us"]


def test_bench_of_a_server_that_does_not_echo(
    command: Callable[..., Any], serving: Callable[..., Any], tmp_path: Path
) -> None:
    """Replies that differ, connections that end, streams that break the framing: an error, not a figure."""
    shout = serving("serve", "--handler", "builtins:bytes.upper")
    assert "is it an echo server?" in one_line(command("bench", shout.address, "--seconds", "0.2"))
    (tmp_path / "mine.py").write_text("def reply(message):\n    return message * 10\n")
    loud = serving("serve", "--handler", "mine:reply", cwd=tmp_path)
    longer = command("bench", loud.address, "--max-size", "64", "--seconds", "5")
    assert longer.returncode == 3
    assert "does the server use the same framing?" in one_line(longer)
    ending = serving("serve", "--exec", "false")
    assert "closed a connection" in one_line(command("bench", ending.address, "--seconds", "5"))
    other = command("bench", shout.address, "--frame", "len:4be", "--seconds", "0.2", "--size", "10")
    assert other.returncode == 4
    assert "with the same framing?" in one_line(other)


def test_inspect_prints_frames_and_changes_nothing(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """Between client and server, each message is a JSON line with its direction and size."""
    server = serving("serve", "--handler", "builtins:bytes.upper")
    relay = serving("inspect", "--to", server.address)
    assert command("send", relay.address, "--half-close", "--replies", "eof", "hello").stdout == b"HELLO\n"
    line = relay.process.stdout.readline
    records = [json.loads(line()) for _ in range(4)]
    assert {record["connection"] for record in records} == {1}
    said = [(record["from"], record["size"], record["text"]) for record in records if "size" in record]
    assert sorted(said) == [("client", 5, "hello"), ("server", 5, "HELLO")]
    assert [record["end"] for record in records if "end" in record] == ["clean", "clean"]
    assert relay.stop(signal.SIGINT) == 130


def test_inspect_shows_what_breaks_the_framing(serving: Callable[..., Any]) -> None:
    """A stream that breaks the framing is shown as an error and still gets through; long messages are cut for show."""
    server = serving("serve", "echo", "--frame", "raw")
    relay = serving("inspect", "--to", server.address, "--max-size", "10", "--preview", "4")
    with connect(relay.address, Raw()) as peer:
        for text in (b"short\n", b"long" * 10, b"more\n"):
            assert peer.request(text) == text
    assert relay.process.stdout is not None
    records = [json.loads(relay.process.stdout.readline()) for _ in range(6)]
    assert any(record.get("text") == "shor" and record["truncated"] for record in records)
    assert any("exceeds the limit of 10" in record.get("error", "") for record in records)
    relay.stop(signal.SIGINT)


def test_bench_with_messages_larger_than_buffers(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """Messages that no socket buffer takes at once are sent as the server takes them."""
    server = serving("serve", "echo", "--frame", "len:4be")
    done = command(
        "bench", server.address, "--frame", "len:4be", "--size", "8M", "-d", "2", "-c", "2", "--seconds", "0.5"
    )
    assert done.returncode == 0, done.stderr


def test_bench_of_a_server_that_is_killed(serving: Callable[..., Any]) -> None:
    """A server that dies under load ends the run with one line."""
    server = serving("serve", "echo")
    line = [sys.executable, "-m", "cb_sockets", "bench", server.address, "--seconds", "60"]
    with subprocess.Popen(line, stderr=subprocess.PIPE) as child:
        wait_for_connection(child)
        server.process.kill()
        _, words = child.communicate(timeout=30)
    assert child.returncode == 1
    assert words.startswith(b"cb-sockets: tcp://127.0.0.1:")


def test_bench_of_a_server_that_is_gone_before_the_first_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending fails then, before anything is read, and the line names the server all the same."""
    ours, theirs = socket.socketpair()
    theirs.close()
    monkeypatch.setattr(loadgen, "open_connection", lambda *_, **__: ours)
    with pytest.raises(PeerClosed, match=r"^tcp://127\.0\.0\.1:7: connection lost: "):
        loadgen.run_load(Address.parse("127.0.0.1:7"), Delimited(), connections=1, seconds=60)
    assert ours.fileno() == -1


def test_inspect_of_a_connection_that_is_reset(serving: Callable[..., Any]) -> None:
    """A client that resets is shown as such."""
    server = serving("serve", "echo")
    relay = serving("inspect", "--to", server.address)
    peer = connect(relay.address, Delimited())
    assert peer.request(b"x") == b"x"
    peer.abort()
    assert relay.process.stdout is not None
    records = [json.loads(relay.process.stdout.readline()) for _ in range(4)]
    assert any("reset" in record.get("end", "") for record in records)
    relay.stop(signal.SIGINT)


def test_inspect_with_no_server_behind(command: Callable[..., Any], serving: Callable[..., Any]) -> None:
    """Where the server cannot be reached, the line says so, and the client is let go."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        relay = serving("inspect", "--to", "{}:{}".format(*free.getsockname()))
        assert command("send", relay.address, "x").returncode == 1
        record = json.loads(relay.process.stdout.readline())
    assert "connection refused" in record["error"]
    relay.stop(signal.SIGINT)
