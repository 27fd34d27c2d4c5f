"""nginx and the slow server, for the time of a ``with`` block."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

CONFIG = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 4096; }}
http {{
  log_format starts '$server_addr $msec $request_time'; access_log {folder}/access.log starts;
  keepalive_requests 1000000; sendfile on; tcp_nopush on; tcp_nodelay on; open_file_cache max=10000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen {plain} backlog=4096; listen 127.0.0.1:{tls} ssl http2; root {www};
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/cert.pem;
  }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit(f"no server came on port {port}")


def made_up(folder: Path) -> str:
    """A certificate for clients that must be given one."""
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    return str(folder / "ca.pem")


@contextmanager
def nginx(folder: Path, www: Path) -> Iterator[tuple[int, int, Path, str]]:
    """Yield the ports for http and https, the log, and the certificate to trust."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or sys.exit("nginx is needed")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    plain, tls = free_port(), free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, www=www, plain=plain, tls=tls, user=user))
    process = subprocess.Popen(
        [program, "-p", folder, "-c", config, "-e", folder / "error.log"], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(plain)
        yield plain, tls, folder / "access.log", str(folder / "ca.pem")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def slow(www: Path) -> Iterator[int]:
    """Yield the port of the slow server."""
    command = [sys.executable, str(Path(__file__).with_name("slow_server.py")), str(www)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
