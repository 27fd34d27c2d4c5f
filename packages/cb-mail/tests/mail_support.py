"""What the tests share: the command, waiting until something has happened, and a real Postfix."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import forked
import pytest

FULL = os.environ.get("CB_FAULTS") == "full"
"""Whether faults are injected at full count."""


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Return as soon as *condition* holds; fail when it does not in time."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.005)


def command(*arguments: str | Path, text: str | bytes = b"", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    data = text.encode() if isinstance(text, str) else text
    done = forked.run("cb_mail", [*map(str, arguments)], data=data, env={**os.environ, **environment})
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def node_modules(*packages: str) -> Path | None:
    """Return a folder with npm's *packages*: $CB_NODE_MODULES, or at full count one into which npm installs them."""
    if given := os.environ.get("CB_NODE_MODULES"):
        return Path(given) if all((Path(given) / one).exists() for one in packages) else None
    if not FULL or not shutil.which("npm"):
        return None
    home = Path(tempfile.gettempdir()) / f"cb-mail-tests-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    modules = home / "node_modules"
    if not all((modules / one).exists() for one in packages):
        install = ["npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", "--loglevel=error", *packages]
        if subprocess.run(install, capture_output=True, check=False, timeout=300).returncode:
            return None
    return modules


class Lmtp:
    """A server of LMTP at a socket of Unix, for one connection: it refuses whoever is called *bad*."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[tuple[list[str], bytes]] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, connection.makefile("rwb", buffering=0) as file:
            file.write(b"220 lmtp\r\n")
            recipients: list[str] = []
            while line := file.readline():
                verb = line[:4].upper()
                if verb == b"LHLO":
                    file.write(b"250-lmtp\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 8BITMIME\r\n")
                elif verb == b"RCPT":
                    recipients.append(line.decode().split("<")[1].split(">")[0])
                    file.write(b"550 5.1.1 Nobody\r\n" if recipients[-1].startswith("nobody") else b"250 Ok\r\n")
                elif verb == b"DATA":
                    file.write(b"354 Go\r\n")
                    data = b"".join(iter(file.readline, b".\r\n"))
                    wanted = [one for one in recipients if not one.startswith("nobody")]
                    self.messages.append((wanted, data))
                    for one in wanted:  # RFC 2033, 4.2: an answer for each of them
                        file.write(b"452 4.2.2 Full\r\n" if one.startswith("full") else b"250 2.0.0 Kept\r\n")
                    recipients = []
                elif verb == b"QUIT":
                    file.write(b"221 Bye\r\n")
                    return
                else:
                    file.write(b"250 Ok\r\n")


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Return a folder that every user may enter; pytest closes its own to others whenever another session begins."""
    with tempfile.TemporaryDirectory(prefix="cb-mail-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


class Postfix:
    """A real Postfix in *folder*, on a free port of loopback, that delivers to a Maildir; its own, not the system's."""

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        if not (shutil.which("postfix") or Path("/usr/sbin/postfix").exists()):
            pytest.skip("Postfix is not installed (apt install postfix)")
        if os.geteuid() != 0:
            pytest.skip("Postfix starts for root alone")
        self.folder = folder
        self.port = free_port()
        self.tls_port = free_port()
        self.maildir = folder / "mail"
        self._etc, spool, data = folder / "etc", folder / "spool", folder / "data"
        for path in (self._etc, spool, data, self.maildir):
            path.mkdir(parents=True)
        for path in (data, self.maildir):
            shutil.chown(path, "postfix")
        import pwd

        user = pwd.getpwnam("postfix")
        tls = f"smtpd_tls_cert_file = {certificate}\nsmtpd_tls_key_file = {certificate}\n" if certificate else ""
        (self._etc / "main.cf").write_text(
            f"compatibility_level = 3.6\nqueue_directory = {spool}\ndata_directory = {data}\n"
            "inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mx.example.org\nmydestination =\n"
            "mynetworks = 127.0.0.0/8\nvirtual_mailbox_domains = example.org\n"
            f"virtual_mailbox_base = {self.maildir}\nvirtual_mailbox_maps = static:all/\nvirtual_mailbox_limit = 0\n"
            f"virtual_uid_maps = static:{user.pw_uid}\nvirtual_gid_maps = static:{user.pw_gid}\n"
            "message_size_limit = 0\n"
            # What a busy machine makes it put off is tried again at once, not in five minutes.
            "queue_run_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\ntransport_retry_time = 1s\n"
            f"virtual_minimum_uid = 1\nmaillog_file = {folder}/mail.log\nmaillog_file_prefixes = {folder}\n"
            f"smtpd_tls_security_level = {'may' if certificate else 'none'}\n{tls}"
        )
        master = Path("/etc/postfix/master.cf")
        proto = master if master.exists() else Path("/usr/share/postfix/master.cf.dist")
        lines = [line for line in proto.read_text().splitlines() if not line.startswith(("smtp      inet", "#"))]
        lines = [line.replace("y       -", "n       -") for line in lines]
        (self._etc / "master.cf").write_text(
            f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
            f"127.0.0.1:{self.tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n"
            + "\n".join(lines)
            + "\npostlog unix-dgram n - n - 1 postlogd\n"
        )
        self._run("start")
        until(self._listens)

    def _run(self, what: str) -> None:
        done = subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self._etc), what], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr

    def _listens(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def smtps(self) -> str:
        """Where it speaks TLS from the start."""
        return f"smtps://127.0.0.1:{self.tls_port}"

    def delivered(self, count: int) -> list[bytes]:
        """Return all that came, as soon as there are *count*."""
        new = self.maildir / "all" / "new"
        until(lambda: new.exists() and len(list(new.iterdir())) >= count, 90)
        return [path.read_bytes() for path in sorted(new.iterdir())]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._run("stop")
