"""TLS that proves who the server is, and logins that nobody on the way can read."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from cb_mail import AsyncClient, AuthError, Client, Credentials, Message, Result, TLSError, auth
from cb_mail.credentials import find_credentials
from cb_mail.testing import Server

MAIL = Message("a@example.com", "b@example.org", "s", "t")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context that trusts it, and only it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> Callable[..., Path]:
    """A function that makes certificate and key in a file."""

    def make(name: str = "127.0.0.1", *, issuer: trustme.CA = authority, expired: bool = False) -> Path:
        until = datetime(2020, 1, 1, tzinfo=UTC) if expired else None
        made = issuer.issue_cert(name, not_before=datetime(2019, 1, 1, tzinfo=UTC), not_after=until)
        path = tmp_path / "server.pem"
        made.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    return make


@pytest.fixture(params=["blocking", "asyncio"])
def send(request: pytest.FixtureRequest) -> Callable[..., Result]:
    """Both clients, as one function."""

    def blocking(url: str, **options: Any) -> Result:
        with Client(url, **options) as client:
            return client.send(MAIL)

    def with_asyncio(url: str, **options: Any) -> Result:
        async def run() -> Result:
            async with AsyncClient(url, **options) as client:
                return await client.send(MAIL)

        return asyncio.run(run())

    return blocking if request.param == "blocking" else with_asyncio


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_verified(send: Any, certificate: Any, trusting: ssl.SSLContext, implicit: bool) -> None:
    """A certificate of an authority that is trusted, for that name: the message goes, and goes in TLS."""
    with Server(certificate=certificate(), implicit=implicit) as server:
        assert send(server.url, tls="implicit" if implicit else "starttls", context=trusting).ok
        assert server.wait(1)[0].tls


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
@pytest.mark.parametrize("what", ["not trusted", "expired", "another name"])
def test_refused(send: Any, certificate: Any, trusting: ssl.SSLContext, implicit: bool, what: str) -> None:
    """An unknown authority, an expired certificate, another host's: nothing is sent, and the reason is said."""
    made = {
        "not trusted": lambda: certificate(issuer=trustme.CA()),
        "expired": lambda: certificate(expired=True),
        "another name": lambda: certificate("mail.example.com"),
    }[what]()
    with Server(certificate=made, implicit=implicit, users={"u": "p"}) as server:
        for context in (trusting, None):
            with pytest.raises(TLSError, match="certificate is not good: "):
                send(
                    server.url,
                    tls="implicit" if implicit else "starttls",
                    context=context,
                    credentials=Credentials("u", "p"),
                )
        assert server.messages == []


def test_starttls_taken_out(send: Any, certificate: Any, trusting: ssl.SSLContext) -> None:
    """Somebody between takes STARTTLS out of the answer: nothing is sent, not even the login."""
    with Server(certificate=certificate(), hide=["STARTTLS"]) as server, pytest.raises(TLSError, match="no STARTTLS"):
        send(server.url, tls="starttls", context=trusting, credentials=Credentials("u", "p"))
    with (
        Server(certificate=certificate(), faults=["STARTTLS:454"]) as server,
        pytest.raises(TLSError, match="refuses STARTTLS"),
    ):
        send(server.url, tls="starttls", context=trusting)


def test_plain_text_behind_starttls_is_not_believed() -> None:
    """What comes with the answer to STARTTLS, before TLS: an error."""
    from cb_mail.reply import Replies
    from cb_mail.session import READ, Opening, Write, open_session

    steps = open_session(Opening(), Replies())
    assert next(steps) is READ
    assert isinstance(steps.send(b"220 mx\r\n"), Write)
    assert next(steps) is READ
    assert steps.send(b"250-mx\r\n250 STARTTLS\r\n") == Write([b"STARTTLS\r\n"])
    assert next(steps) is READ
    with pytest.raises(TLSError, match="somebody may be between"):
        steps.send(b"220 Go ahead\r\n250 AUTH PLAIN\r\n")


def test_implicit_tls_to_a_plain_port(send: Any) -> None:
    """Said so, with what to look at."""
    with Server() as server, pytest.raises(TLSError, match="is the port one for TLS"):
        send(server.url, tls="implicit")


def test_no_password_in_the_open() -> None:
    """Without TLS a password is only sent on this machine; the default off loopback is STARTTLS."""
    assert Client("smtp://mail.example.com")._settings.plan.opening.starttls
    assert Client("smtps://mail.example.com")._settings.tls == "implicit"
    assert Client("smtp://localhost")._settings.tls == "none"
    opening = Client("smtp://mail.example.com", tls="none", credentials=Credentials("u", "p"))._settings.plan.opening
    assert (opening.secure, opening.starttls) == (False, False)
    from cb_mail.reply import Replies
    from cb_mail.session import READ, Write, open_session

    steps = open_session(opening, Replies())
    assert next(steps) is READ
    hello = steps.send(b"220 mx\r\n")
    assert isinstance(hello, Write)
    assert next(steps) is READ
    with pytest.raises(AuthError, match="others can read"):
        steps.send(b"250-mx\r\n250 AUTH PLAIN\r\n")


@pytest.mark.parametrize("hide", [(), ("CHUNKING", "PIPELINING")])
def test_login(send: Any, hide: Any) -> None:
    """The user is let in with the right password, and told by name where it is wrong, without the password."""
    with Server(users={"änna": "gehäim"}, hide=hide) as server:
        assert send(server.url, credentials=Credentials("änna", "gehäim")).ok
        assert server.wait(1)[0].user == "änna"
        with pytest.raises(AuthError, match=r"refuses änna .AUTH PLAIN.: 535") as caught:
            send(server.url, credentials=Credentials("änna", "wrong"))
        assert "wrong" not in str(caught.value)
        assert len(server.messages) == 1


def test_mechanisms() -> None:
    """The strongest that the server has; a token wants XOAUTH2."""
    password, token = Credentials("u", "p"), Credentials("u", token="t")
    assert auth.choose(["LOGIN", "plain", "SCRAM-SHA-256"], password) == "SCRAM-SHA-256"
    assert auth.choose(["LOGIN"], password) == "LOGIN"
    assert auth.choose(["PLAIN", "XOAUTH2"], token) == "XOAUTH2"
    for offered, who in ((["GSSAPI"], password), ([], password), (["PLAIN"], token)):
        with pytest.raises(AuthError, match="the server offers"):
            auth.choose(offered, who)
    assert next(iter(auth.steps("XOAUTH2", token))) == b"user=u\x01auth=Bearer t\x01\x01"
    assert list(auth.steps("LOGIN", password)) == [b"u", b"p"]


def test_scram_as_in_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of RFC 7677, section 3, octet by octet."""
    monkeypatch.setattr("cb_mail.auth.secrets.token_urlsafe", lambda _: "rOprNGfwEbeRWgbNEkqO")
    steps = auth.steps("SCRAM-SHA-256", Credentials("user", "pencil"))
    assert next(steps) == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    nonce = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    proof = steps.send(b"r=" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    assert proof == b"c=biws,r=" + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert steps.send(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") == b""


@pytest.mark.parametrize(
    "challenge", [b"r=other,s=QUJD,i=4096", b"r={},s=QUJD,i=4096", b"r={}x,s=QUJD,i=99999999", b"nonsense"]
)
def test_scram_with_a_server_that_cheats(challenge: bytes) -> None:
    """Another nonce, none of its own, rounds without an end: no proof is given."""
    steps = auth.steps("SCRAM-SHA-256", Credentials("u", "p"))
    nonce = next(steps).rpartition(b"r=")[2]
    with pytest.raises(AuthError, match="breaks the rules"):
        steps.send(challenge.replace(b"{}", nonce))


def test_scram_server_has_to_know_the_password() -> None:
    """A server that cannot show it is not believed."""
    steps = auth.steps("SCRAM-SHA-256", Credentials("u", "p"))
    nonce = next(steps).rpartition(b"r=")[2]
    steps.send(b"r=" + nonce + b"x,s=QUJD,i=4096")
    with pytest.raises(AuthError, match="cannot show"):
        steps.send(b"v=" + b64encode(b"x" * 32))


def test_scram_against_an_independent_server() -> None:
    """The proof is the one that a server, written after RFC 5802 apart from ours, works out."""
    steps = auth.steps("SCRAM-SHA-256", Credentials("u,=", "pässword"))
    first = next(steps).removeprefix(b"n,,")
    assert first.startswith(b"n=u=2C=3D,r=")
    challenge = b"r=" + first.rpartition(b"r=")[2] + b"SERVER,s=" + b64encode(b"salty") + b",i=4096"
    final = steps.send(challenge)
    bare, _, proof = final.rpartition(b",p=")
    salted = hashlib.pbkdf2_hmac("sha256", "pässword".encode(), b"salty", 4096)
    stored = hashlib.sha256(hmac.new(salted, b"Client Key", "sha256").digest()).digest()
    signature = hmac.new(stored, first + b"," + challenge + b"," + bare, "sha256").digest()
    client_key = bytes(a ^ b for a, b in zip(b64decode(proof), signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored


def test_where_passwords_come_from(tmp_path: Path) -> None:
    """A command, the environment, a file, netrc, the keyring: in this order; private files only."""
    find = find_credentials
    secret = tmp_path / "secret"
    secret.write_text("from a file\nmore\n")
    secret.chmod(0o600)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine mail.example.com login u password from-netrc\n")
    netrc.chmod(0o600)
    nothing = tmp_path / "nothing"

    def ring(service: str, user: str) -> str | None:
        return "from the keyring" if (service, user) == ("mail.example.com", "u") else None

    def found(**given: Any) -> str:
        return find("u", "mail.example.com", **({"environ": {}, "netrc": nothing, "keyring": ring} | given)).password

    assert found(command="echo 'from a command'", environ={"CB_MAIL_PASSWORD": "x"}) == "from a command"
    assert found(environ={"CB_MAIL_PASSWORD": "from the environment"}) == "from the environment"
    assert found(environ={"CB_MAIL_PASSWORD_FILE": str(secret)}) == "from a file"
    assert found(netrc=netrc) == "from-netrc"
    assert found() == "from the keyring"
    assert find("u", "h", environ={"CB_MAIL_TOKEN": "t"}).token == "t"
    with pytest.raises(AuthError, match=r"no password for u at h .CB_MAIL_PASSWORD"):
        find("u", "h", environ={}, netrc=netrc, keyring=ring)


def test_places_that_are_not_private(tmp_path: Path) -> None:
    """A password that others can read is not used; each error names the place and never the password."""
    open_file = tmp_path / "open"
    open_file.write_text("machine h login u password hunter2\n")
    open_file.chmod(0o644)
    for given in ({"environ": {"CB_MAIL_PASSWORD_FILE": str(open_file)}}, {"environ": {}, "netrc": open_file}):
        with pytest.raises(AuthError, match=r"others can read it .chmod 600") as caught:
            find_credentials("u", "h", **given)  # type: ignore[arg-type]
        assert "hunter2" not in str(caught.value)
    for command in ("false", "no-such-command-here", "true"):
        with pytest.raises(AuthError, match="password command"):
            find_credentials("u", "h", command=command)
    with pytest.raises(AuthError, match="No such file"):
        find_credentials("u", "h", environ={"CB_MAIL_PASSWORD_FILE": os.devnull + "x"})
    broken = tmp_path / "broken"
    broken.write_text("machine\n")
    broken.chmod(0o600)
    with pytest.raises(AuthError, match=r"broken:\d: "):
        find_credentials("u", "h", environ={}, netrc=broken)


def test_shown_nowhere() -> None:
    """Neither password nor token stands in a repr."""
    assert repr(Credentials("u", "hunter2", "tok")) == "Credentials(user='u')"
    for bad in ("a\nb", "a\rb", "a\0b"):
        with pytest.raises(AuthError, match="line end or NUL"):
            Credentials("u", bad)
