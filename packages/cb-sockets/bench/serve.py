"""The child process that runs one of the servers: ``python serve.py NAME [--certificate PEM] [--files N]``.

Prints its port on stdout once it listens. `--files` lowers the limit of open files, for exhaustion.py; otherwise it is
raised as far as the system allows. On Linux the kernel ends this process when the one that started it has gone.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib
import logging
import resource
import signal
import ssl
import sys

from servers import BY_NAME

PR_SET_PDEATHSIG = 1


def announce(port: int) -> None:
    """Tell the parent process where to connect."""
    print(port, flush=True)


def end_with_parent() -> None:
    """Ask Linux for SIGKILL when the parent ends, so that even `kill -9` of the bench leaves no server behind."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=sorted(BY_NAME))
    parser.add_argument("--certificate", help="serve TLS with this file: certificate and key in PEM")
    parser.add_argument("--files", type=int, help="limit of open files")
    arguments = parser.parse_args()
    end_with_parent()
    logging.basicConfig()
    tls = None
    if arguments.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments.certificate)
    server = BY_NAME[arguments.name]
    module = importlib.import_module(f"servers.{server.module}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (arguments.files or most, most))
    with contextlib.suppress(KeyboardInterrupt):
        module.serve(announce, tls, **server.options)


if __name__ == "__main__":
    sys.exit(main())
