"""Where the certificates are that the system trusts."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["certificates"]

# Debian, Alpine; Fedora, RHEL; openSUSE; macOS, BSDs. A wheel's libcurl knows only where its builder had them.
_PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def certificates(given: str | None = None) -> str | None:
    """The file of certificates to trust: the one given, SSL_CERT_FILE, or the system's; None if it is not known."""
    named = given or os.environ.get("SSL_CERT_FILE")
    return named or next((place for place in _PLACES if Path(place).is_file()), None)
