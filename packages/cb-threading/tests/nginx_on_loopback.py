"""nginx on two free ports of loopback, one of them with TLS."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CONFIG = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 512; }}
http {{
  log_format short '$server_protocol $request_uri'; access_log {folder}/access.log short;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  gzip on; gzip_min_length 100; gzip_types text/plain;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl http2; root {folder}/www;
    location /slow/ {{ limit_rate_after 1m; limit_rate 4m; }}
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/cert.pem;
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """Where it is, what it serves, what it logged, and the certificate to trust."""

    plain: str
    tls: str
    www: Path
    log: Path
    ca: str

    def lines(self) -> list[str]:
        """What was asked for: protocol and path."""
        return self.log.read_text().splitlines()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def _answers(port: int) -> bool:
    with suppress(OSError, ssl.SSLError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def started(program: str, folder: Path) -> Iterator[Nginx]:
    """Start it; the ports that were free may be taken when it comes, so it may be started again."""
    (folder / "www").mkdir()
    import trustme  # not everywhere: the toolkit's tests run on free-threaded Pythons, too

    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    user = "user root;" if os.geteuid() == 0 else ""
    pause = threading.Event()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        plain, tls = _free(), _free()
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, plain=plain, tls=tls, user=user))
        command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not (_answers(plain) and _answers(tls)) and time.monotonic() < end:
                pause.wait(0.01)
            if process.poll() is None:
                try:
                    urls = f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}"
                    yield Nginx(*urls, folder / "www", folder / "access.log", str(folder / "ca.pem"))
                finally:
                    process.terminate()
                return
    raise AssertionError((folder / "error.log").read_text())
