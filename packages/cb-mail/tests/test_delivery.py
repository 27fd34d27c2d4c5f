"""What becomes of each receiver, over a real server that does everything wrong that a server can."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cb_mail import (
    Address,
    AsyncClient,
    Attachment,
    Client,
    ConnectError,
    Message,
    ProtocolError,
    RawMessage,
    Result,
    ServerError,
    UnknownOutcome,
    send,
)
from cb_mail.testing import Server
from mail_support import Lmtp, until

EXTENSIONS = [(), ("CHUNKING",), ("CHUNKING", "PIPELINING")]
IDS = ["chunking", "pipelining", "plain"]
TEXT = "Dear Änna,\n.\n..dots\n. MAIL FROM:<x@y.z>\nFrom here on\n"


def mail(number: int = 0, to: str | Sequence[str] = "b@example.org", **more: Any) -> Message:
    """Make a message."""
    return Message("Me Ä <a@example.com>", to, f"Nr. {number} ä", TEXT, f"<p>{number}</p>", **more)


def states(result: Result) -> list[tuple[str, str, int]]:
    """Return what became of each receiver, in short."""
    return [(one.recipient, one.state, one.code) for one in result.recipients]


@pytest.fixture(params=["blocking", "asyncio"])
def deliver(request: pytest.FixtureRequest) -> Callable[..., list[Result]]:
    """Both clients, as one function: URL, messages and options in, results out."""

    def blocking(url: str, messages: Sequence[Any], **options: Any) -> list[Result]:
        with Client(url, **options) as client:
            return list(client.send_many(messages))

    def with_asyncio(url: str, messages: Sequence[Any], **options: Any) -> list[Result]:
        async def run() -> list[Result]:
            async with AsyncClient(url, **options) as client:
                return [result async for result in client.send_many(messages)]

        return asyncio.run(run())

    return blocking if request.param == "blocking" else with_asyncio


@pytest.mark.parametrize("hide", EXTENSIONS, ids=IDS)
@pytest.mark.parametrize("window", [1, 2, 16])
@pytest.mark.parametrize("eight_bit", [True, False])
def test_arrives_byte_for_byte(deliver: Any, hide: Sequence[str], window: int, eight_bit: bool) -> None:
    """Whatever the server can do: every message once, in order, as it is; dots, 8 bit and all."""
    messages = [mail(number) for number in range(25)]
    with Server(hide=[*hide, *([] if eight_bit else ["8BITMIME"])]) as server:
        results = deliver(server.url, messages, window=window, max_per_connection=10)
        assert [result.message_id for result in results] == [one.message_id for one in messages]
        assert all(result.ok for result in results)
        caught = server.wait(25)
    for one, message in zip(caught, messages, strict=True):
        again = [line for line in one.data.split(b"\r\n") if b"=_" not in line]
        expected = [line for line in message.as_bytes(eight_bit=eight_bit).split(b"\r\n") if b"=_" not in line]
        assert again == expected
        assert one.chunked == (not hide)
        assert ("BODY=8BITMIME" in one.parameters) == eight_bit


@pytest.mark.parametrize("hide", EXTENSIONS, ids=IDS)
def test_one_of_several_receivers(deliver: Any, hide: Sequence[str]) -> None:
    """Each receiver has an answer of their own; the others get the message."""
    to = ["a@x.org", "bad@x.org", "later@x.org", "b@x.org"]
    faults = ["RCPT:550:bad@*", "RCPT:451:later@*"]
    with Server(hide=hide, faults=faults) as server:
        results = deliver(server.url, [mail(1, to), mail(2)], window=4)
        assert [one.recipients for one in server.wait(2)] == [("a@x.org", "b@x.org"), ("b@example.org",)]
    assert states(results[0]) == [
        ("a@x.org", "accepted", 250),
        ("bad@x.org", "refused", 550),
        ("later@x.org", "deferred", 451),
        ("b@x.org", "accepted", 250),
    ]
    assert not results[0].ok
    assert results[1].ok
    with pytest.raises(ServerError, match=r"bad@x\.org: refused") as caught:
        results[0].raise_for_refused()
    assert (caught.value.code, caught.value.transient) == (550, False)


@pytest.mark.parametrize("hide", EXTENSIONS, ids=IDS)
@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("MAIL:550:first=1", "refused"),
        ("MAIL:451:first=1", "deferred"),
        ("RCPT:550:first=1", "refused"),
        ("RCPT:450:first=1", "deferred"),
        ("EOM:554:first=1", "refused"),
        ("EOM:452:first=1", "deferred"),
    ],
)
def test_a_refusal_hurts_nobody_else(deliver: Any, hide: Sequence[str], fault: str, state: str) -> None:
    """Refused at any point: that message has it, those around are delivered, nothing is left over."""
    with Server(hide=hide, faults=[fault]) as server:
        results = deliver(server.url, [mail(number) for number in range(6)], window=6)
        assert [one.state for result in results for one in result.recipients] == [state, *["accepted"] * 5]
        assert len(server.wait(5)) == 5


@pytest.mark.parametrize("hide", EXTENSIONS[1:], ids=IDS[1:])
def test_data_is_refused(deliver: Any, hide: Sequence[str]) -> None:
    """DATA may be refused after receivers were accepted."""
    with Server(hide=hide, faults=["DATA:451:first=1"]) as server:
        results = deliver(server.url, [mail(number) for number in range(3)], window=4)
        assert [one.state for result in results for one in result.recipients] == ["deferred", "accepted", "accepted"]


@pytest.mark.parametrize("hide", EXTENSIONS, ids=IDS)
def test_cut_after_the_end_is_unknown(deliver: Any, hide: Sequence[str]) -> None:
    """Cut between a message's end and the answer: unknown, never sent again; the rest goes on over a new connection."""
    with Server(hide=hide, faults=["EOM:cut:first=1"]) as server:
        results = deliver(server.url, [mail(number) for number in range(4)], window=1)
        found = [one.state for result in results for one in result.recipients]
        assert found == ["unknown", "accepted", "accepted", "accepted"]
        assert len(server.wait(3)) == 3
    with pytest.raises(UnknownOutcome, match="may double it"):
        results[0].raise_for_refused()


@pytest.mark.parametrize("hide", EXTENSIONS, ids=IDS)
@pytest.mark.parametrize("point", ["MAIL", "RCPT"])
def test_cut_before_the_end_is_sent_again(deliver: Any, hide: Sequence[str], point: str) -> None:
    """What certainly was not delivered goes out once more. With chunks its end may have been written: unknown."""
    with Server(hide=hide, faults=[f"{point}:cut:first=1"]) as server:
        results = deliver(server.url, [mail(number) for number in range(3)], window=1)
        found = [one.state for result in results for one in result.recipients]
        assert found == ["accepted" if hide else "unknown", "accepted", "accepted"]
        assert len(server.messages) == found.count("accepted")


@pytest.mark.parametrize("hide", EXTENSIONS, ids=IDS)
@pytest.mark.parametrize("window", [2, 4, 8])
def test_no_more_than_the_window_is_unknown(deliver: Any, hide: Sequence[str], window: int) -> None:
    """Cut in the middle of many: at most so many are unknown, each named, and no other is lost or doubled."""
    messages = [mail(number) for number in range(40)]
    with Server(hide=hide, faults=["EOM:cut:5%"], seed=window) as server:
        results = deliver(server.url, messages, window=window)
        caught = [line for one in server.messages for line in one.data.split(b"\r\n") if line.startswith(b"Message-ID")]
    assert len(caught) == len(set(caught))
    assert {one.message_id for one in messages} == {result.message_id for result in results}
    unknown = {result.message_id for result in results if result.of("unknown")}
    accepted = {result.message_id for result in results if result.ok}
    assert unknown | accepted == {one.message_id for one in messages}
    assert {f"Message-ID: {one}".encode() for one in accepted} <= set(caught)


def test_the_server_closes_in_between(deliver: Any) -> None:
    """421 is no refusal: the message goes over the next connection."""
    for hide in EXTENSIONS:
        with Server(hide=hide, faults=["MAIL:421:first=1"]) as server:
            results = deliver(server.url, [mail(number) for number in range(3)], window=1)
            assert all(result.ok for result in results)
            assert len(server.wait(3)) == 3


def test_more_receivers_than_one_transaction_takes(deliver: Any) -> None:
    """452 for the receivers beyond the server's limit: they get it in the next transaction, and none is doubled."""
    to = [f"r{number}@x.org" for number in range(25)]
    for hide in EXTENSIONS:
        with Server(hide=hide, recipients=10) as server:
            results = deliver(server.url, [mail(1, to), mail(2)], window=4)
            assert all(result.ok for result in results)
            assert {result.message_id: len(result.recipients) for result in results}[results[0].message_id]
            got = [one for message in server.wait(4) for one in message.recipients if one.endswith("@x.org")]
        assert sorted(got) == sorted(to)


def test_a_server_that_takes_no_command_with_the_end_of_a_message() -> None:
    """Haraka answers 503 to each of them: the message goes once more, alone, and so do those behind it."""
    from cb_mail.delivery import Outcome
    from cb_mail.delivery import deliver as plan
    from cb_mail.reply import Replies
    from cb_mail.session import READ, Capabilities, Write

    steps = plan([mail(1), mail(2), mail(3)], Capabilities("mx", {"PIPELINING": ""}), Replies(), window=4)
    wire, answers, results = [], b"", []
    try:
        action = next(steps)
        while True:
            if isinstance(action, Outcome):
                results.append(action.result)
                action = next(steps)
            elif isinstance(action, Write):
                sent = b"".join(action.data)
                wire.append(sent)
                _, end, behind = sent.rpartition(b"\r\n.\r\n")
                answers += b"250 Queued\r\n" * bool(end)
                if end and behind:
                    answers += b"503 pipelined after end of DATA\r\n" * behind.count(b"\r\n")
                elif behind:
                    answers += b"250 Ok\r\n" * (behind.count(b"\r\n") - 1) + b"354 Go\r\n"
                action = next(steps)
            else:
                assert action is READ
                action, answers = steps.send(answers), b""
    except StopIteration:
        assert [result.ok for result in results] == [True, True, True]
    assert [sent.count(b"MAIL FROM:<a@") for sent in wire] == [1, 1, 1, 0, 1, 0]


def test_a_late_answer_is_unknown(deliver: Any) -> None:
    """The answer to the end does not come in time: unknown, and said so."""
    with Server(faults=["EOM:delay=30"]) as server:
        (result,) = deliver(server.url, [mail()], timeout=2)
    assert result.recipients[0].state == "unknown"
    assert "no answer in time" in result.recipients[0].text


def test_a_server_that_stalls(deliver: Any) -> None:
    """No answer to a command: tried twice, nothing was sent."""
    with Server(faults=["MAIL:stall"], hide=["CHUNKING"]) as server, pytest.raises(ConnectError, match="in time"):
        deliver(server.url, [mail()], timeout=0.2)
    with Server(faults=["CONNECT:stall"]) as server, pytest.raises(ConnectError, match="in time"):
        deliver(server.url, [mail()], timeout=0.2)


def test_a_server_without_an_end(deliver: Any) -> None:
    """An endless reply is cut off after 64 KiB."""
    with Server(faults=["EHLO:endless"]) as server, pytest.raises(ProtocolError, match="without an end"):
        deliver(server.url, [mail()])


def test_a_server_that_does_not_want_to_talk(deliver: Any) -> None:
    """A greeting of 554 is its own error; the message was not sent."""
    with Server(faults=["CONNECT:554"]) as server, pytest.raises(ServerError, match="does not want to talk: 554"):
        deliver(server.url, [mail()])


def test_nobody_there(deliver: Any) -> None:
    """Refused, or no such host: one line that names host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectError, match=rf"127.0.0.1:{port}: connection refused"):
        deliver(f"smtp://127.0.0.1:{port}", [mail()])
    with pytest.raises(ConnectError, match=r"nowhere.invalid:25: "):
        deliver("smtp://nowhere.invalid:25", [mail()])


def test_no_server_of_mail() -> None:
    """Another protocol's server is recognised."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with listener, pytest.raises(ProtocolError, match="not SMTP"):
        send(mail(), f"smtp://127.0.0.1:{listener.getsockname()[1]}")
    thread.join()


def test_other_letters_before_the_at(deliver: Any) -> None:
    """With SMTPUTF8 they go as they are; without, that message alone is refused, and nothing of it is sent."""
    odd = Message("jörg@example.com", "анна@пример.example", "Ä", "t")
    with Server() as server:
        (result,) = deliver(server.url, [odd])
        assert result.ok
        (caught,) = server.wait(1)
        assert (caught.sender, caught.recipients) == ("jörg@example.com", ("анна@пример.example",))
        assert "SMTPUTF8" in caught.parameters
        assert "From: jörg@example.com".encode() in caught.data
    with Server(hide=["SMTPUTF8"]) as server:
        refused, fine = deliver(server.url, [odd, Message("a@bücher.example", "b@example.org", "s", "t")], window=4)
        assert states(refused) == [("анна@пример.example", "refused", 0)]
        assert "SMTPUTF8" in refused.recipients[0].text
        assert fine.ok
        assert server.wait(1)[0].sender == "a@xn--bcher-kva.example"


def test_too_large(deliver: Any) -> None:
    """Larger than the server says: refused without sending it. It does not say: refused by it."""
    large = mail(attachments=[Attachment(b"x" * 100_000, "x.bin")])
    for hide in (*EXTENSIONS, ("SIZE",), ("SIZE", "CHUNKING")):
        with Server(hide=hide, size=50_000) as server:
            refused, fine = deliver(server.url, [large, mail()])
            assert refused.recipients[0].state == "refused"
            assert fine.ok
            assert len(server.wait(1)) == 1


def test_files_are_streamed(deliver: Any, tmp_path: Path) -> None:
    """A file of several blocks arrives whole; one that has gone stops no other message."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 8000)
    message = mail(attachments=[path])
    for hide in EXTENSIONS:
        with Server(hide=hide) as server:
            (result,) = deliver(server.url, [message])
            assert result.ok
            (caught,) = server.wait(1)
            assert len(caught.data) == len(message.as_bytes(eight_bit=True))
    gone = mail(attachments=[path])
    path.unlink()
    for hide in EXTENSIONS:
        with Server(hide=hide) as server:
            refused, fine = deliver(server.url, [gone, mail()])
            assert "large.bin: No such file" in refused.recipients[0].text
            assert fine.ok
            assert len(server.messages) == 1


def test_a_connection_that_died_while_idle(deliver: Any) -> None:
    """Noticed before anything is sent, and made anew."""
    with Server() as server, Client(server.url) as client:
        assert client.send(mail(1)).ok
        server.cut()
        gone = threading.Event()
        for _ in range(500):
            if server.connections == 0:
                break
            gone.wait(0.01)
        assert client.send(mail(2)).ok
        assert len(server.wait(2)) == 2


def test_asked_for_one_by_one() -> None:
    """Messages are made when there is room for them, not before; the generator is left alone afterwards."""
    made = []

    def messages() -> Iterator[Message]:
        for number in itertools.count():
            made.append(number)
            yield mail(number)

    with Server() as server, Client(server.url, window=4) as client:
        results = client.send_many(messages())
        for _ in range(10):
            next(results)
        results.close()  # type: ignore[attr-defined]
    assert len(made) <= 10 + 4


def test_none_waits_for_all_before() -> None:
    """A pause in the messages: all before it are answered."""
    answered: list[Result] = []
    seen = []

    def messages() -> Iterator[Message | None]:
        yield mail(1)
        yield mail(2)
        yield None
        seen.append(len(answered))
        yield mail(3)

    for hide in EXTENSIONS:
        answered.clear()
        with Server(hide=hide) as server, Client(server.url, window=16) as client:
            answered.extend(client.send_many(messages()))
    assert seen == [2, 2, 2]


def test_a_message_that_is_not_ours(deliver: Any) -> None:
    """An .eml goes out byte for byte; nobody as its sender is `<>`."""
    data = b"From: x@example.com\r\nTo: y@example.org\r\nMessage-ID: <1@x>\r\n\r\nbody \xc3\xa4\r\n.\r\n"
    with Server() as server:
        raw = RawMessage(data, None, (Address("b@example.org"),))
        (result,) = deliver(server.url, [raw])
        assert result.ok
        (caught,) = server.wait(1)
        assert (caught.sender, caught.data) == ("", data)


@pytest.mark.parametrize(
    "url", ["ftp://x", "smtp://", "smtp://a:b@host", "smtp://host:99999", "smtp://host/path", "smtp://host?x=1"]
)
def test_what_is_no_server(url: str) -> None:
    """An URL that names none is refused when the client is made, with no password in the error."""
    with pytest.raises(ValueError, match="server") as caught:
        Client(url)
    assert "a:b" not in str(caught.value)


def test_a_connection_that_is_not_there_any_more(deliver: Any) -> None:
    """Cut while nothing was under way: made again, unseen, before the next message."""
    with Server() as server:
        with Client(server.url) as client:
            assert client.send(mail(1)).ok
            server.cut()
            wire = client.wire
            assert wire is not None
            until(lambda: not server.connections)
            assert client.send(mail(2)).ok
            assert client.wire is not wire
        assert len(deliver(server.url, [mail(3)])) == 1
        assert len(server.wait(3)) == 3


def test_a_server_that_says_more_than_it_is_asked() -> None:
    """What nobody asked for cannot be matched: that connection is left, and results stay as they were."""
    from cb_mail.delivery import Outcome
    from cb_mail.delivery import deliver as plan
    from cb_mail.reply import Replies
    from cb_mail.session import READ, Capabilities

    steps = plan([mail(1)], Capabilities("mx", {"PIPELINING": "", "CHUNKING": ""}), Replies())
    assert next(steps) is not READ
    assert next(steps) is READ
    outcome = steps.send(b"250 Ok\r\n" * 4 + b"421 Idle for too long\r\n")
    assert isinstance(outcome, Outcome)
    assert outcome.result.ok
    with pytest.raises(ConnectError, match="more than it is asked"):
        next(steps)


def test_asyncio_over_a_unix_socket(tmp_path: Path) -> None:
    """`AsyncClient` takes lmtp:/// too; a socket that is not there is named."""

    async def run() -> list[Result]:
        async with AsyncClient(f"lmtp://{tmp_path}/s") as client:
            return [await client.send(mail(1)), await client.send(mail(2))]

    with pytest.raises(ConnectError, match=r"/s: no such file or directory"):
        asyncio.run(run())
    with Lmtp(tmp_path / "s") as server:
        assert [result.ok for result in asyncio.run(run())] == [True, True]
        assert len(server.messages) == 2


def test_a_client_that_was_stopped() -> None:
    """Aborted from elsewhere it connects no more; nothing was sent."""
    with Server() as server, Client(server.url) as client:
        assert client.send(mail(1)).ok
        client.abort()
        with pytest.raises(ConnectError, match="stopped"):
            client.send(mail(2))
        assert len(server.messages) == 1
