"""AUTH: PLAIN, LOGIN, SCRAM-SHA-256, XOAUTH2 (RFC 4954, 4616, 7677). What is said, step by step; no I/O."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Generator, Iterable
from typing import Final

from cb_mail.credentials import Credentials
from cb_mail.errors import AuthError

__all__ = ["choose", "steps"]

_BEST_FIRST: Final = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
_MOST_ROUNDS: Final = 1_000_000  # a server could keep us computing


def choose(offered: Iterable[str], credentials: Credentials) -> str:
    """Return the mechanism to use.

    Raises:
        AuthError: The server has none that fits.
    """
    names = {one.upper() for one in offered}
    wanted = ("XOAUTH2",) if credentials.token else _BEST_FIRST
    for mechanism in wanted:
        if mechanism in names:
            return mechanism
    said = ", ".join(sorted(names)) or "none"
    raise AuthError(f"the server offers AUTH {said}; this needs {' or '.join(wanted)}")


def steps(mechanism: str, credentials: Credentials) -> Generator[bytes, bytes, None]:
    """Yield what to answer, decoded; the first is the initial response, and each challenge is sent in.

    Raises:
        AuthError: The server does not know the password either (SCRAM), or breaks the rules.
    """
    user, password = credentials.user.encode(), credentials.password.encode()
    if mechanism == "PLAIN":
        yield b"\0" + user + b"\0" + password
    elif mechanism == "LOGIN":
        yield user
        yield password
    elif mechanism == "XOAUTH2":
        yield b"user=" + user + b"\1auth=Bearer " + credentials.token.encode() + b"\1\1"
        yield b""  # its refusal comes as a challenge, to be answered with nothing
    else:
        yield from _scram(user, password)


def _scram(user: bytes, password: bytes) -> Generator[bytes, bytes, None]:
    nonce = secrets.token_urlsafe(24).encode()
    first = b"n=" + user.replace(b"=", b"=3D").replace(b",", b"=2C") + b",r=" + nonce
    challenge = yield b"n,," + first
    found = re.fullmatch(rb"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,6})(?:,.*)?", challenge)
    if not found or not found[1].startswith(nonce) or found[1] == nonce or int(found[3]) > _MOST_ROUNDS:
        raise AuthError("the server's SCRAM-SHA-256 challenge breaks the rules (RFC 5802)")
    salted = hashlib.pbkdf2_hmac("sha256", password, b64decode(found[2]), int(found[3]))
    key = _hmac(salted, b"Client Key")
    final = b"c=biws,r=" + found[1]
    signed = b",".join([first, challenge, final])
    proof = bytes(a ^ b for a, b in zip(key, _hmac(hashlib.sha256(key).digest(), signed), strict=True))
    answer = yield final + b",p=" + b64encode(proof)
    expected = b"v=" + b64encode(_hmac(_hmac(salted, b"Server Key"), signed))
    if not hmac.compare_digest(answer.partition(b",")[0], expected):
        raise AuthError("the server cannot show that it knows the password (SCRAM-SHA-256)")
    yield b""


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")
