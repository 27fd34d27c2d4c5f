"""User and password: where they come from, and that they are shown nowhere."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cb_mail.errors import AuthError

__all__ = ["Credentials", "find_credentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password, or an OAuth 2 access token. Neither is in its repr, nor in any error.

    >>> Credentials("anna", "secret")
    Credentials(user='anna')
    """

    user: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for what, text in (("user", self.user), ("password", self.password), ("token", self.token)):
            if any(letter in text for letter in "\r\n\0"):
                raise AuthError(f"the {what} has a line end or NUL in it (take it out)")


def find_credentials(
    user: str,
    host: str,
    *,
    command: str = "",
    environ: Mapping[str, str] = os.environ,
    netrc: Path | None = None,
    keyring: Callable[[str, str], str | None] | None = None,
) -> Credentials:
    """Look a password up: in the output of *command*, the environment, a file, netrc, the keyring, in this order.

    Args:
        user: Who logs in.
        host: Where; netrc and the keyring are asked for it.
        command: A command whose first line of output is the password (``pass show mail``). No shell.
        environ: ``CB_MAIL_PASSWORD``, ``CB_MAIL_TOKEN`` (OAuth 2), or ``CB_MAIL_PASSWORD_FILE``.
        netrc: By default ``~/.netrc``, which nobody else may be able to read.
        keyring: What to ask, instead of the keyring package if that is installed: service, user.

    Raises:
        AuthError: There is none, or its place is open to others, or the command failed.
    """
    if command:
        return Credentials(user, _output(command))
    if token := environ.get("CB_MAIL_TOKEN"):
        return Credentials(user, token=token)
    if password := environ.get("CB_MAIL_PASSWORD"):
        return Credentials(user, password)
    if path := environ.get("CB_MAIL_PASSWORD_FILE"):
        return Credentials(user, _private(Path(path)).partition("\n")[0].rstrip("\r"))
    if password := _from_netrc(netrc or Path.home() / ".netrc", user, host):
        return Credentials(user, password)
    if password := (keyring or _keyring)(host, user):
        return Credentials(user, password)
    raise AuthError(
        f"no password for {user} at {host} (CB_MAIL_PASSWORD, CB_MAIL_PASSWORD_FILE, ~/.netrc, the keyring, "
        "or --password-command)"
    )


def _output(command: str) -> str:
    words = shlex.split(command)
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise AuthError(f"the password command {words[:1]} failed: {type(error).__name__}") from error
    if not (password := done.stdout.partition("\n")[0].rstrip("\r")):
        raise AuthError(f"the password command {words[:1]} prints nothing")
    return password


def _private(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise AuthError(f"{path}: others can read it (chmod 600 {path})")
            return file.read(1 << 20)
    except (OSError, UnicodeDecodeError) as error:
        raise AuthError(f"{path}: {getattr(error, 'strerror', None) or 'not text in UTF-8'}") from error


def _from_netrc(path: Path, user: str, host: str) -> str | None:
    if not path.is_file():
        return None
    import netrc

    _private(path)
    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (netrc.NetrcParseError, OSError) as error:
        raise AuthError(f"{path}:{getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', error)}") from error
    return found[2] if found and found[0] == user else None


def _keyring(service: str, user: str) -> str | None:
    try:
        import keyring
    except ImportError:
        return None
    try:
        password: str | None = keyring.get_password(service, user)
    except keyring.errors.KeyringError:
        return None  # there is none on this machine: no password found is said by the caller
    return password
