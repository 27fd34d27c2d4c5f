"""Mail servers of others, started by the tests: Exim and OpenSMTPD from Debian, Haraka and maildev from npm.

Debian's are not installed, for they are in each other's way: their packages are laid over ``/usr``, with users of their
own, in a mount namespace that ends with the server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mail_support import FULL, free_port, node_modules, until

_EXIM = """\
primary_hostname = mx.example.org
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = {plain} : {implicit}
tls_on_connect_ports = {implicit}
tls_certificate = {folder}/cert.pem
tls_privatekey = {folder}/key.pem
tls_advertise_hosts = *
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
queue_only = true
smtp_accept_queue_per_connection = 0
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin acl
accept:
  accept
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail
  maildir_format
  user = mail
  group = mail
"""
_OPENSMTPD = """\
listen on lo port {plain} hostname mx.example.org
table users {{ "@" = mail }}
action keep maildir "{folder}/mail" virtual <users>
match from any for any action keep
"""
_KEEP = """\
const fs = require("node:fs");
let number = 0;
exports.hook_rcpt = (next) => next(OK);
exports.hook_queue = (next, connection) => {
  const [partial, whole] = ["tmp", "new"].map((one) => `${process.env.KEEP}/${one}/${process.pid}.${number}`);
  number += 1;
  const file = fs.createWriteStream(partial);
  file.on("finish", () => fs.rename(partial, whole, () => next(OK)));
  connection.transaction.message_stream.pipe(file);
};
"""


@dataclass
class Running:
    """A server: its ports (0: has none), what it has to offer, and where its mail is."""

    plain: int
    implicit: int
    starttls: bool
    folder: Path

    def received(self, count: int) -> list[bytes]:
        """Return all that came, as soon as there are *count*."""
        until(lambda: len(self._files()) >= count, 90)
        return [path.read_bytes() for path in self._files()]

    def _files(self) -> list[Path]:
        return sorted([*self.folder.glob("new/*"), *self.folder.glob("*.eml")])


@contextlib.contextmanager
def exim(folder: Path) -> Iterator[Running]:
    """Exim: PIPELINING, CHUNKING, STARTTLS and TLS from the start."""
    running = Running(free_port(), free_port(), True, folder / "mail")
    places = {"folder": folder, "plain": running.plain, "implicit": running.implicit}
    (folder / "exim.conf").write_text(_EXIM.format(**places))
    (folder / "spool").mkdir()
    start = f"/usr/sbin/exim4 -C {folder}/exim.conf -bdf -q1s"  # its own user may not use -C: the queue runner is root
    with _laid_over(folder, ("exim4-daemon-light", "libidn12"), ("Debian-exim",), start, running):
        yield running


@contextlib.contextmanager
def opensmtpd(folder: Path) -> Iterator[Running]:
    """OpenSMTPD: neither PIPELINING nor CHUNKING; and no TLS: why is not known.

    Its key process ends each handshake with an internal error, with RSA and with ECDSA, TLS 1.2 and 1.3.
    """
    running = Running(free_port(), 0, False, folder / "mail")
    (folder / "smtpd.conf").write_text(_OPENSMTPD.format(folder=folder, plain=running.plain))
    start = (
        "mount -t tmpfs none /var/spool && mount -t tmpfs none /run && mount -t tmpfs none /var/lib"
        f" && mkdir -p /var/lib/opensmtpd/empty && exec /usr/sbin/smtpd -d -f {folder}/smtpd.conf"
    )
    with _laid_over(folder, ("opensmtpd", "libevent-2.1-7"), ("opensmtpd", "opensmtpq"), start, running):
        yield running


@contextlib.contextmanager
def haraka(folder: Path) -> Iterator[Running]:
    """Haraka: PIPELINING, STARTTLS and TLS from the start."""
    running = Running(free_port(), free_port(), True, folder / "mail")
    modules = _modules("Haraka")
    shutil.copytree(modules / "Haraka" / "config", folder / "config")
    for name in ("plugins", "mail/tmp", "mail/new"):
        (folder / name).mkdir(parents=True)
    (folder / "config" / "smtp.ini").write_text(
        f"listen=127.0.0.1:{running.plain},127.0.0.1:{running.implicit}\nsmtps_port={running.implicit}\nnodes=0\n"
    )
    (folder / "config" / "plugins").write_text("tls\nkeep\n")
    (folder / "config" / "me").write_text("mx.example.org\n")
    shutil.copy(folder / "key.pem", folder / "config" / "tls_key.pem")
    shutil.copy(folder / "cert.pem", folder / "config" / "tls_cert.pem")
    (folder / "plugins" / "keep.js").write_text(_KEEP)
    command = ["node", str(modules / "Haraka" / "bin" / "haraka"), "-c", str(folder)]
    with _process(folder, command, running, {"KEEP": str(folder / "mail")}):
        yield running


@contextlib.contextmanager
def maildev(folder: Path) -> Iterator[Running]:
    """maildev: PIPELINING, in the open."""
    running = Running(free_port(), 0, False, folder / "mail")
    modules = _modules("maildev")
    command = ["node", str(modules / ".bin" / "maildev"), "--smtp", str(running.plain), "--ip", "127.0.0.1"]
    command += ["--disable-web", "--mail-directory", str(folder / "mail")]
    with _process(folder, command, running):
        yield running


def _modules(name: str) -> Path:
    modules = node_modules(name)
    if modules is None:
        pytest.skip(f"npm's {name} is not at hand (CB_NODE_MODULES=FOLDER, or at full count npm and its registry)")
    return modules


@contextlib.contextmanager
def _laid_over(
    folder: Path, packages: tuple[str, ...], users: tuple[str, ...], start: str, running: Running
) -> Iterator[None]:
    """Start what is in Debian's *packages*, with *users* that this machine has not."""
    root = _unpacked(packages)
    numbers = [(user, 8 if user == "Debian-exim" else 990 + n) for n, user in enumerate(users)]  # 8 is Debian's mail
    entries = {
        "passwd": [f"{user}:x:{number}:{number}::/:/usr/sbin/nologin" for user, number in numbers],
        "group": [f"{user}:x:{number}:" for user, number in numbers],
    }
    for name, lines in entries.items():
        (folder / name).write_text("\n".join([Path("/etc", name).read_text().rstrip(), *lines, ""]))
    running.folder.mkdir()
    for path in (running.folder, *folder.glob("spool")):
        shutil.chown(path, "mail", "mail")
    script = folder / "start.sh"
    script.write_text(
        f"mount -t overlay overlay -o lowerdir={root}/usr:/usr /usr"
        f" && mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/group /etc/group"
        f" && {start if start.startswith('mount') else 'exec ' + start}\n"
    )
    with _process(folder, ["unshare", "--mount", "sh", str(script)], running):
        yield


def _unpacked(packages: tuple[str, ...]) -> Path:
    """Return a folder with what is in Debian's *packages*, downloaded once."""
    if os.geteuid() != 0 or not shutil.which("apt-get") or not shutil.which("unshare"):
        pytest.skip("wants root, apt-get and unshare")
    if not FULL:
        pytest.skip("downloads Debian packages: at full count alone (CB_FAULTS=full)")
    home = Path(tempfile.gettempdir()) / f"cb-mail-tests-{os.getuid()}" / packages[0]
    if not home.exists():
        home.parent.mkdir(mode=0o755, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as partial:
            fetch = ["apt-get", "-q", "download", *packages]
            if subprocess.run(fetch, cwd=partial, capture_output=True, check=False, timeout=120).returncode:
                pytest.skip(f"apt-get cannot download {', '.join(packages)}")
            root = Path(partial) / "root"
            for package in Path(partial).glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(root)], check=True, timeout=60)
            root.rename(home)
    home.parent.chmod(0o755)
    return home


@contextlib.contextmanager
def _process(
    folder: Path, command: list[str], running: Running, environment: dict[str, str] | None = None
) -> Iterator[None]:
    """Run *command* while the block runs, once it listens; in a group of its own, which ends as a whole."""
    log = folder / "out"
    with log.open("wb") as out:
        ran = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        until(lambda: _listens(running.plain) or ran.poll() is not None, 60)
        if ran.poll() is not None:
            pytest.skip(f"{command[0]} does not start here: {log.read_text('utf-8', 'replace')[-200:].strip()}")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(ran.pid, 15)
        try:
            ran.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(ran.pid, 9)
            ran.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
