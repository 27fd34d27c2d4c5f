"""To the MTA of this machine by its ``sendmail`` program, which every MTA has. It queues and tries again."""

from __future__ import annotations

import subprocess

from cb_mail.delivery import Sendable
from cb_mail.errors import ConnectError
from cb_mail.mime import flat
from cb_mail.result import RecipientResult, Result, State

__all__ = ["pipe"]

_DEFERRED = frozenset({69, 71, 75})  # sysexits: try again


def pipe(message: Sendable, program: str = "sendmail", *, timeout: float = 300) -> Result:
    """Give *message* to *program*; it takes all receivers, or none.

    Raises:
        ConnectError: There is no such program, or it does not end in *timeout* seconds.
    """
    envelope = message.envelope()
    sender = envelope.sender.addr if envelope.sender else "<>"
    recipients = [one.addr for one in envelope.recipients]
    eol = b"".join(flat(message.pieces(eight_bit=True, utf8=message.needs_smtputf8))).replace(b"\r\n", b"\n")
    try:
        done = subprocess.run(
            [program, "-i", "-f", sender, "--", *recipients],
            input=eol,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise ConnectError(f"{program}: {error.strerror} (is a mail server installed here?)") from error
    except subprocess.TimeoutExpired as error:
        raise ConnectError(f"{program}: no end in {timeout:g} s") from error
    said = done.stderr.decode("utf-8", "replace").strip().replace("\n", "; ")
    state: State = "accepted" if done.returncode == 0 else "refused"
    if done.returncode in _DEFERRED:
        state = "deferred"
    text = "" if done.returncode == 0 else f"{program} ended with {done.returncode}: {said}"
    return Result(message.message_id, tuple(RecipientResult(one, state, text=text) for one in recipients))
