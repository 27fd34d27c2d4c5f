"""Hand-over to real engines: rsyslog, syslog-ng, systemd's journal, an OTLP receiver. All comes there, whole."""

from __future__ import annotations

import http.server
import json
import logging
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cb_logging import ConfigError, JournalHandler, OtlpHandler, SyslogHandler, context, handler, journal_entry, setup
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

Until = Callable[..., None]
ODD = 'two\nlines ] " \\ ä \x00 end'


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with closing(socket.socket()) as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether somebody listens."""
    with closing(socket.socket()) as made:
        return made.connect_ex(("127.0.0.1", port)) == 0


def takes_datagrams(port: int) -> bool:
    """Whether somebody has bound the port for UDP: what is sent before that is lost."""
    return f" 0100007F:{port:04X} " in Path("/proc/net/udp").read_text()


def send(one: logging.Handler, records: int) -> None:
    """Records through a logger of their own, one with a traceback, one with odd text."""
    log = logging.Logger("shop.till")  # noqa: LOG001 - not part of the hierarchy
    log.addHandler(one)
    for number in range(records):
        log.info("record %d", number, extra={"user": 'ann "x" ]'})
    log.error("failed", exc_info=ValueError("deep"))
    log.warning("%s", ODD)
    one.close()


@contextmanager
def running(command: list[object], ready: Callable[[], object], until: Until, words: str) -> Iterator[None]:
    """A server, from when it is ready."""
    with subprocess.Popen([str(one) for one in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            until(lambda: server.poll() is not None or ready(), f"{words} to listen")
            assert server.poll() is None, server.stdout.read().decode() if server.stdout else ""
            yield
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """Certificates, written beside the test."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = made.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    return made


RSYSLOG = """
global(workDirectory="{0}" defaultNetstreamDriverCAFile="{0}/ca.pem" defaultNetstreamDriverCertFile="{0}/cert.pem"
  defaultNetstreamDriverKeyFile="{0}/key.pem" maxMessageSize="2m" parser.escapeControlCharactersOnReceive="on")
module(load="imtcp" {2})
module(load="imudp")
input(type="imtcp" port="{1}" address="127.0.0.1")
input(type="imudp" port="{1}" address="127.0.0.1")
template(name="t" type="string" string="%syslogseverity%|%app-name%|%structured-data%|%msg%\\n")
*.* action(type="omfile" file="{0}/got" template="t" asyncWriting="off")
"""
TLS = 'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"'


@pytest.mark.parametrize("transport", ["tcp", "tls", "udp"])
def test_rsyslog(tmp_path: Path, until: Until, authority: trustme.CA, transport: Any) -> None:
    """Every record is one message, structured data kept, tracebacks whole, over each transport."""
    program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("rsyslogd is not there")
    port = free_port()
    (tmp_path / "conf").write_text(RSYSLOG.format(tmp_path, port, TLS if transport == "tls" else ""))
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    command: list[object] = [program, "-n", "-f", tmp_path / "conf", "-i", tmp_path / "pid"]
    records = 20 if transport == "udp" else 500
    got = tmp_path / "got"
    with running(command, lambda: accepts(port) and takes_datagrams(port), until, "rsyslogd"):
        one = SyslogHandler(("localhost", port), transport=transport, facility="local3", app="my shop", context=trusted)
        send(one, records)
        until(lambda: got.exists() and got.read_text().count("\n") >= records + 2, f"{records + 2} messages")
    lines = got.read_text().splitlines()
    assert len(lines) == records + 2
    for number, line in enumerate(lines[:records]):
        severity, app, data, text = line.split("|", 3)
        assert (severity, app, text.lstrip("\ufeff ")) == ("6", "my_shop", f"record {number}")
        assert 'logger="shop.till"' in data
        assert 'user="ann \\"x\\" \\]"' in data
    assert "ValueError: deep" in lines[-2]
    assert "two#012lines" in lines[-1]


SYSLOG_NG = """
@version: 3.38
options {{ create-dirs(no); stats-freq(0); }};
source s {{ syslog(ip("127.0.0.1") port({1}) transport("{2}") {3}); }};
destination d {{ file("{0}/got"
  template("$LEVEL|$PROGRAM|${{.SDATA.cb@32473.logger}}|$(indent-multi-line $MSG)\\n")); }};
log {{ source(s); destination(d); }};
"""


@pytest.fixture(scope="module")
def syslog_ng(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The program: installed, or unpacked from Debian's package, as it and rsyslog exclude each other.

    The package comes from apt's folder, or by apt, once a run. Where apt cannot give it the tests are skipped.
    """
    program = shutil.which("syslog-ng", path="/usr/sbin:/usr/bin")
    if program is not None:
        return [program]
    folder = tmp_path_factory.mktemp("syslog-ng")
    package = next(Path("/var/cache/apt/archives").glob("syslog-ng-core_*.deb"), None)
    try:
        if package is None:
            apt = ["apt-get", "download", "-qq", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10"]
            subprocess.run([*apt, "syslog-ng-core"], cwd=folder, capture_output=True, timeout=40, check=True)
            (package,) = folder.glob("syslog-ng-core_*.deb")
        subprocess.run(["dpkg", "-x", package, folder / "unpacked"], timeout=40, check=True)
        root = folder / "unpacked" / "usr"
        modules = next((root / "lib" / "syslog-ng").glob("[0-9]*"))
        libraries = f"LD_LIBRARY_PATH={root / 'lib'}:{root / 'lib' / 'syslog-ng'}:{modules}"
        command: list[object] = ["env", libraries, root / "sbin" / "syslog-ng", f"--module-path={modules}"]
        subprocess.run([str(one) for one in [*command, "--version"]], capture_output=True, timeout=40, check=True)
    except (OSError, subprocess.SubprocessError, ValueError, StopIteration) as error:
        pytest.skip(f"syslog-ng is not there, and apt does not have syslog-ng-core: {error}")
    return command


@pytest.mark.xdist_group("syslog-ng")
@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_syslog_ng(
    tmp_path: Path, until: Until, authority: trustme.CA, syslog_ng: list[object], transport: Any
) -> None:
    """The same to the other server."""
    port = free_port()
    files = f'tls(key-file("{tmp_path}/key.pem") cert-file("{tmp_path}/cert.pem") peer-verify(optional-untrusted))'
    (tmp_path / "conf").write_text(SYSLOG_NG.format(tmp_path, port, transport, files if transport == "tls" else ""))
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    places = [f"--{name}={tmp_path / name}" for name in ("pidfile", "control", "persist-file")]
    got = tmp_path / "got"
    with running(
        [*syslog_ng, "-F", "--no-caps", f"--cfgfile={tmp_path / 'conf'}", *places],
        lambda: accepts(port),
        until,
        "syslog-ng",
    ):
        send(SyslogHandler(("localhost", port), transport=transport, app="shop", context=trusted), 500)
        until(lambda: got.exists() and "ä" in got.read_text(), "the last message")
    lines = got.read_text().splitlines()
    heads = [line for line in lines if line.startswith(("info|", "err|", "warning|"))]
    assert len(heads) == 502
    assert [line.split("|")[3].lstrip("\ufeff") for line in heads[:500]] == [
        f"record {number}" for number in range(500)
    ]
    assert {tuple(line.split("|")[1:3]) for line in heads} == {("shop", "shop.till")}
    assert "\tValueError: deep" in lines


def test_syslog_server_that_goes_and_comes_back(until: Until) -> None:
    """The next record makes a new connection; while there is none, `Handler.handleError` hears of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    one = handler(f"syslog+tcp://127.0.0.1:{port}")
    failed: list[object] = []
    one.handleError = failed.append  # type: ignore[method-assign]
    record = logging.makeLogRecord({"msg": "x", "levelname": "INFO", "levelno": 20})
    one.handle(record)
    with listener.accept()[0] as first:
        first.settimeout(30)
        assert first.recv(1 << 16).split(b" ", 1)[1].startswith(b"<14>1 ")
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    until(lambda: one.handle(record) is not None and bool(_pending(listener)), "a new connection")
    listener.close()
    until(lambda: one.handle(record) is not None and failed, "a failure to be told")
    one.close()


def test_syslog_over_tls_to_what_does_not_speak_it() -> None:
    """Is told of; the default context trusts nobody that it does not know."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = SyslogHandler(("127.0.0.1", listener.getsockname()[1]), transport="tls", timeout=10)
        failed: list[object] = []
        one.handleError = failed.append  # type: ignore[method-assign]

        def refuse() -> None:
            for _ in range(2):
                made, _ = listener.accept()
                made.sendall(b"220 mail\r\n")
                made.close()

        server = threading.Thread(target=refuse)
        server.start()
        one.handle(logging.makeLogRecord({"msg": "x", "levelno": 20}))
        server.join(30)
        one.close()
    assert len(failed) == 1


def test_the_syslog_of_this_machine(tmp_path: Path) -> None:
    """By its Unix socket, in the format of the set-up."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server:
        server.bind(str(tmp_path / "log"))
        server.settimeout(30)
        with setup("INFO", format="%(message)s", to=f"syslog:{tmp_path}/log?facility=local3", uncaught=False):
            logging.getLogger("x").warning("password=%s", "hunter2")
        assert server.recv(1 << 12) == b"<156>password=***\x00"


def _pending(listener: socket.socket) -> bool:
    listener.settimeout(0.01)
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return False
    return True


def test_journal_remote(tmp_path: Path) -> None:
    """systemd-journal-remote takes the export format, and journalctl shows what was sent."""
    program = Path("/lib/systemd/systemd-journal-remote")
    reader = shutil.which("journalctl")
    if not program.exists() or reader is None:
        pytest.skip("systemd-journal-remote is not there")
    records: list[logging.LogRecord] = []
    keep = logging.Handler()
    keep.emit = records.append  # type: ignore[method-assign]
    send(keep, 50)
    data = b"".join(journal_entry(record) for record in records)
    target = tmp_path / "x.journal"
    subprocess.run([program, f"--output={target}", "-"], input=data, capture_output=True, check=True, timeout=60)
    shown = subprocess.run(
        [reader, f"--file={target}", "-o", "json", "--all"], capture_output=True, text=True, check=True, timeout=60
    )
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [one["MESSAGE"] for one in found[:50]] == [f"record {number}" for number in range(50)]
    assert (found[0]["PRIORITY"], found[0]["LOGGER"], found[0]["USER"]) == ("6", "shop.till", 'ann "x" ]')
    assert "ValueError: deep" in found[50]["MESSAGE"]
    odd = found[51]["MESSAGE"]
    assert (bytes(odd).decode() if isinstance(odd, list) else odd) == ODD


def test_journal_socket(tmp_path: Path) -> None:
    """The native protocol: a datagram a record."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(30)
        send(JournalHandler(str(tmp_path / "socket")), 1)
        assert server.recv(1 << 16).startswith(b"MESSAGE=record 0\nPRIORITY=6\nLOGGER=shop.till\n")
        assert server.recv(1 << 16).startswith(b"MESSAGE\n")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Decodes with OpenTelemetry's own protocol classes."""

    got: list[ExportLogsServiceRequest]
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(Parse(body, ExportLogsServiceRequest()))
        self.send_response(self.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[Receiver]]]:
    """An OTLP/HTTP receiver: its URL, and what it got."""
    kind = type("Kind", (Receiver,), {"got": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/logs", kind
        server.shutdown()
        thread.join(30)


def test_otlp(receiver: tuple[str, type[Receiver]]) -> None:
    """All records, with severity, body, attributes, exception; in batches; the context too."""
    url, kind = receiver
    with context(request="r1"):
        send(handler(f"otlp+{url}?service=shop"), 600)
    records = [one for got in kind.got for scope in got.resource_logs[0].scope_logs for one in scope.log_records]
    assert [one.body.string_value for one in records[:600]] == [f"record {number}" for number in range(600)]
    assert kind.got[0].resource_logs[0].resource.attributes[0].value.string_value == "shop"
    assert kind.got[0].resource_logs[0].scope_logs[0].scope.name == "shop.till"
    assert (records[0].severity_number, records[0].severity_text) == (9, "INFO")
    values = {one.key: one.value for one in records[600].attributes}
    assert values["exception.type"].string_value == "ValueError"
    assert values["request"].string_value == "r1"
    assert values["code.line.number"].int_value > 0
    assert records[601].body.string_value == ODD
    assert len(kind.got) < 602


def test_otlp_receiver_that_fails(receiver: tuple[str, type[Receiver]]) -> None:
    """What cannot be sent, or has no room to wait, is counted, and stops nothing."""
    url, kind = receiver
    kind.status = 500
    one = OtlpHandler(url, capacity=1000)
    send(one, 10)
    assert one.dropped == 12
    full = OtlpHandler("http://127.0.0.1:9/", capacity=1, timeout=0.1)
    send(full, 200)
    assert full.dropped > 0
    kind.status = 200
    for number in (True, 1.5):
        one.handle(logging.makeLogRecord({"msg": "x", "levelno": 20, "n": number}))
    one.close()
    sent = kind.got[-1].resource_logs[0].scope_logs[0].log_records[-1]
    assert sent.attributes[-1].value.double_value == 1.5
    with pytest.raises(ConfigError, match="no URL"):
        OtlpHandler("ftp://x")


def test_otlp_record_that_is_none(receiver: tuple[str, type[Receiver]]) -> None:
    """`Handler.handleError` hears of it, as of all handlers of the standard library."""
    one = OtlpHandler(receiver[0])
    failed: list[object] = []
    one.handleError = failed.append  # type: ignore[method-assign]
    one.handle(logging.makeLogRecord({"msg": "without a level"}))
    one.close()
    assert len(failed) == 1
