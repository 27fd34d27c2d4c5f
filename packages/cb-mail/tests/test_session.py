"""What is said before the first message: by a script of replies, without a socket."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable

import pytest
from cb_mail import AuthError, Credentials, ProtocolError, ServerError, TLSError
from cb_mail.reply import Replies
from cb_mail.session import READ, START_TLS, Capabilities, Opening, Write, command, open_session

Answer = bytes | Callable[[bytes], bytes]


def talk(opening: Opening, *answers: Answer) -> tuple[list[bytes], Capabilities]:
    """Open a session with a server that says *answers*; returns what it was told, and what it can do."""
    said: list[bytes] = []
    steps = open_session(opening, Replies())
    left = list(answers)
    try:
        action = next(steps)
        while True:
            if action is READ:
                answer = left.pop(0)
                action = steps.send(answer if isinstance(answer, bytes) else answer(said[-1]))
            else:
                said.append(b"".join(action.data) if isinstance(action, Write) else b"<TLS>")
                assert isinstance(action, Write) or action is START_TLS
                action = next(steps)
    except StopIteration as stop:
        assert not left
        return said, stop.value


OPEN = Opening(helo="me.example", starttls=False, secure=True)
ANNA = Opening(helo="me.example", starttls=False, secure=True, credentials=Credentials("anna", "secret"))


def test_what_a_server_offers() -> None:
    """Keywords of EHLO in capitals, with their words, the first of two; AUTH as servers of the nineties say it."""
    lines = b"250-mx\r\n250-size 1000\r\n250-SIZE 5\r\n250-AUTH=LOGIN PLAIN\r\n250 PIPELINING\r\n"
    said, capabilities = talk(OPEN, b"220 mx ESMTP\r\n", lines)
    assert said == [b"EHLO me.example\r\n"]
    assert capabilities.keywords == {"SIZE": "1000", "AUTH": "LOGIN PLAIN", "PIPELINING": ""}
    assert (capabilities.size, capabilities.auth, capabilities.greeting) == (1000, ("LOGIN", "PLAIN"), "mx ESMTP")
    assert Capabilities("", {"SIZE": "0"}).size is None


def test_a_server_without_ehlo() -> None:
    """HELO, and nothing is offered; where that is refused too, so it is said."""
    said, capabilities = talk(OPEN, b"220 old\r\n", b"500 What\r\n", b"250 old\r\n")
    assert (said, capabilities.keywords) == ([b"EHLO me.example\r\n", b"HELO me.example\r\n"], {})
    with pytest.raises(ServerError, match=r"refuses our name: 550 5\.7\.1 Go away") as caught:
        talk(OPEN, b"220 old\r\n", b"500 What\r\n", b"550 5.7.1 Go away\r\n")
    assert (caught.value.code, caught.value.enhanced) == (550, "5.7.1")


def test_lmtp_has_a_hello_of_its_own() -> None:
    """LHLO, and no other."""
    assert talk(Opening(helo="me", starttls=False, lmtp=True), b"220 l\r\n", b"250 l\r\n")[0] == [b"LHLO me\r\n"]
    with pytest.raises(ServerError, match="refuses our name"):
        talk(Opening(helo="me", starttls=False, lmtp=True), b"220 l\r\n", b"500 What\r\n")


def test_starttls() -> None:
    """The hello is said once more, and what was offered before is forgotten."""
    said, capabilities = talk(
        Opening(helo="me"),
        b"220 mx\r\n",
        b"250-mx\r\n250-OLD\r\n250 STARTTLS\r\n",
        b"220 Go\r\n",
        b"250-mx\r\n250 NEW\r\n",
    )
    assert said == [b"EHLO me\r\n", b"STARTTLS\r\n", b"<TLS>", b"EHLO me\r\n"]
    assert capabilities.keywords == {"NEW": ""}
    with pytest.raises(TLSError, match="refuses STARTTLS: 454 Not now"):
        talk(Opening(helo="me"), b"220 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"454 Not now\r\n")


def test_login_in_two_steps() -> None:
    """AUTH LOGIN: user and password each behind its question."""
    said, _ = talk(
        ANNA, b"220 mx\r\n", b"250-mx\r\n250 AUTH LOGIN\r\n", b"334 VXNlcg==\r\n", b"334 UGFzcw==\r\n", b"235 Ok\r\n"
    )
    assert [b64decode(line) for line in said[2:]] == [b"anna", b"secret"]
    with pytest.raises(AuthError, match=r"refuses anna \(AUTH LOGIN\): 504 No"):
        talk(ANNA, b"220 mx\r\n", b"250-mx\r\n250 AUTH LOGIN\r\n", b"504 No\r\n")


def test_a_token() -> None:
    """XOAUTH2; its refusal comes as a question, which is answered with nothing."""
    opening = Opening(helo="me", starttls=False, secure=True, credentials=Credentials("anna", token="t0k"))
    said, _ = talk(opening, b"220 mx\r\n", b"250-mx\r\n250 AUTH XOAUTH2\r\n", b"235 Ok\r\n")
    assert b64decode(said[1].split()[2]) == b"user=anna\1auth=Bearer t0k\1\1"
    with pytest.raises(AuthError, match=r"refuses anna \(AUTH XOAUTH2\): 535 Expired") as caught:
        talk(opening, b"220 mx\r\n", b"250-mx\r\n250 AUTH XOAUTH2\r\n", b"334 e30=\r\n", b"535 Expired\r\n")
    assert "t0k" not in str(caught.value)


def test_scram() -> None:
    """The password is proved, on both sides, and is not sent."""
    salt, rounds = b"salt", 4096
    salted = hashlib.pbkdf2_hmac("sha256", b"secret", salt, rounds)
    heard: list[bytes] = []

    def challenge(line: bytes) -> bytes:
        heard.append(b64decode(line.split()[2])[3:])
        nonce = heard[0].partition(b"r=")[2] + b"server"
        heard.append(b"r=%b,s=%b,i=%d" % (nonce, b64encode(salt), rounds))
        return b"334 " + b64encode(heard[1]) + b"\r\n"

    def proof(line: bytes) -> bytes:
        final, _, sent = b64decode(line).partition(b",p=")
        signed = b",".join([*heard, final])
        key = hmac.digest(salted, b"Client Key", "sha256")
        wanted = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        assert bytes(a ^ b for a, b in zip(key, wanted, strict=True)) == b64decode(sent)
        mine = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        return b"334 " + b64encode(b"v=" + b64encode(mine)) + b"\r\n"

    hello = b"250-mx\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n"
    said, _ = talk(ANNA, b"220 mx\r\n", hello, challenge, proof, b"235 Ok\r\n")
    assert said[-1] == b"\r\n"
    assert b"secret" not in b"".join(map(b64decode, [said[1].split()[2], *said[2:]]))
    heard.clear()
    with pytest.raises(AuthError, match="before it showed that it knows the password"):
        talk(ANNA, b"220 mx\r\n", hello, challenge, b"235 Ok\r\n")


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([b"250-mx\r\n250 AUTH GSSAPI\r\n"], "offers AUTH GSSAPI; this needs"),
        ([b"250 mx\r\n"], "offers AUTH none"),
        ([b"250-mx\r\n250 AUTH PLAIN\r\n", b"334 \r\n"], "asks for more than AUTH PLAIN has"),
        ([b"250-mx\r\n250 AUTH PLAIN\r\n", b"334 not base64!\r\n"], "asks for more than AUTH PLAIN has"),
        ([b"250-mx\r\n250 AUTH PLAIN\r\n", b"535 5.7.8 No\r\n"], "refuses anna .AUTH PLAIN.: 535 5.7.8 No"),
    ],
)
def test_logins_that_fail(answers: list[bytes], says: str) -> None:
    """What the server did is said; the password is not."""
    with pytest.raises(AuthError, match=says) as caught:
        talk(ANNA, b"220 mx\r\n", *answers)
    assert "secret" not in str(caught.value)


def test_nothing_begins_a_command_of_its_own() -> None:
    """A control in a command is refused, whoever has let it through."""
    assert command("RCPT", "TO:<a@b.c>") == b"RCPT TO:<a@b.c>\r\n"
    with pytest.raises(ProtocolError, match="must not hold a control"):
        command("RCPT", "TO:<a@b.c>\r\nDATA")
    with pytest.raises(ValueError, match="is no host name"):
        Opening(helo="me\r\nRSET")
