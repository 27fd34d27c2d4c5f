"""A throw-away certificate for the TLS cells."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def make(folder: Path) -> Path | None:
    """Write ``server.pem`` (certificate and key) into `folder`; None where trustme is not installed."""
    if importlib.util.find_spec("trustme") is None:
        return None
    import trustme

    target = folder / "server.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(target))
    return target
