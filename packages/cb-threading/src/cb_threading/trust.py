"""Where the certificates are that the system trusts."""

from __future__ import annotations

import os
from pathlib import Path

from cb_threading.errors import BadInput

__all__ = ["certificates", "readable"]

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


def readable(given: str) -> None:
    """Make sure that certificates can be read from the file *given*: else each single page would fail for it.

    Raises:
        BadInput: There is no such file, or none in it.
    """
    import ssl  # a hundredth of a second that nobody else needs

    try:
        ssl.create_default_context(cafile=given)
    except ssl.SSLError:
        raise BadInput(f"{given}: no certificate in it (a file in PEM: -----BEGIN CERTIFICATE-----)") from None
    except OSError as error:
        raise BadInput(f"{given}: {error.strerror} (the certificates to trust)") from error
