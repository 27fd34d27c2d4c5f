"""A throw-away certificate for the TLS cells: made with trustme or the openssl command, whichever is there."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path


def make(folder: Path) -> Path | None:
    """Write ``server.pem`` (certificate and key) into `folder`; None where neither tool is found."""
    target = folder / "server.pem"
    if importlib.util.find_spec("trustme"):
        import trustme

        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(target))
        return target
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    call = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    call += ["-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    if subprocess.run(call, capture_output=True, check=False).returncode:
        return None
    target.write_bytes(key.read_bytes() + certificate.read_bytes())
    return target
