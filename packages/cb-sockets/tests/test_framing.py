"""The framings: what each puts on the wire, reads from it, and refuses."""

from __future__ import annotations

import pickle
import tracemalloc

import pytest
from cb_sockets import (
    ConnectFailed,
    Delimited,
    Fixed,
    Framing,
    FramingError,
    IncompleteMessage,
    InvalidMessage,
    LengthPrefixed,
    MessageTooLarge,
    PeerClosed,
    Raw,
    UntilEOF,
    parse_framing,
)

ALL = [Fixed(5), Delimited(b"\r\n", 100), LengthPrefixed(max_size=100), UntilEOF(100), Raw(7)]


@pytest.mark.parametrize(
    ("framing", "messages", "wire"),
    [
        (Fixed(2), [b"ab", b"cd"], "61626364"),
        (Delimited(), [b"ab", b"", b"c"], "61620a0a630a"),
        (Delimited(b"\r\n"), [b"a\r", b"\n"], "610d0d0a0a0d0a"),
        (LengthPrefixed(1), [b"hi"], "026869"),
        (LengthPrefixed(2), [b"hi", b""], "000268690000"),
        (LengthPrefixed(2, "little"), [b"hi"], "02006869"),
        (LengthPrefixed(3), [b"hi"], "0000026869"),
        (LengthPrefixed(8, "little"), [b"h"], "010000000000000068"),
        (LengthPrefixed(2, adjust=-2), [b"hi"], "00046869"),
        (LengthPrefixed(1, adjust=1), [b"hi"], "016869"),
        (UntilEOF(), [b"all"], "616c6c"),
        (Raw(2), [b"abc"], "616263"),
    ],
)
def test_wire_format(framing: Framing, messages: list[bytes], wire: str) -> None:
    """Each framing writes the bytes that its name promises, one by one or all at once."""
    assert framing.encode_many(messages).hex() == wire
    assert b"".join(framing.encode(message) for message in iter(messages)).hex() == wire
    assert framing.encode_many(iter(messages)).hex() == wire


@pytest.mark.parametrize("width", range(1, 9))
@pytest.mark.parametrize("byteorder", ["big", "little"])
def test_length_widths(width: int, byteorder: str) -> None:
    """A prefix of every width and byte order reads back what it wrote, up to the largest length it can hold."""
    framing = LengthPrefixed(width, byteorder, max_size=70_000)  # type: ignore[arg-type]
    largest = min(70_000, 256**width - 1)
    messages = [b"", b"x", b"y" * 255, b"z" * largest]
    assert framing.decoder().feed(framing.encode_many(messages)) == messages
    with pytest.raises(MessageTooLarge) as refused:
        framing.encode(b"z" * (largest + 1))
    assert (refused.value.size, refused.value.limit) == (largest + 1, largest)


@pytest.mark.parametrize(
    ("framing", "message", "error"),
    [
        (Fixed(4), b"abc", InvalidMessage),
        (Fixed(4), b"abcde", InvalidMessage),
        (Delimited(), b"two\nlines", InvalidMessage),
        (Delimited(b"aa"), b"a", InvalidMessage),
        (Delimited(b"\n", 3), b"four", MessageTooLarge),
        (LengthPrefixed(max_size=3), b"four", MessageTooLarge),
        (LengthPrefixed(adjust=3), b"ab", InvalidMessage),
        (UntilEOF(3), b"four", MessageTooLarge),
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_encode_refuses(framing: Framing, message: bytes, error: type[FramingError], kind: type) -> None:
    """A message that the other side could not read back is refused before a byte of it is produced."""
    with pytest.raises(error):
        framing.encode(kind(message))


def test_only_one_until_eof() -> None:
    """A stream carries one message that its end delimits, not two."""
    with pytest.raises(InvalidMessage, match="only one message"):
        UntilEOF().encode_many([b"a", b"b"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Fixed(0), "size must be at least 1"),
        (lambda: Delimited(b""), "must not be empty"),
        (lambda: Delimited(b"\n", 0), "max_size must be at least 1"),
        (lambda: LengthPrefixed(0), "width must be 1 to 8"),
        (lambda: LengthPrefixed(9), "width must be 1 to 8"),
        (lambda: LengthPrefixed(4, "middle"), "byteorder must be"),  # type: ignore[arg-type]
        (lambda: UntilEOF(0), "max_size"),
        (lambda: Raw(0), "size"),
    ],
)
def test_impossible_framings(make: type, words: str) -> None:
    """A framing that cannot be is a ValueError where it is made."""
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("framing", [*ALL, LengthPrefixed(3), LengthPrefixed(8, "little", 4)], ids=str)
def test_framings_are_values(framing: Framing) -> None:
    """A framing can be compared, used as a key and sent to another process."""
    twin = pickle.loads(pickle.dumps(framing))
    assert twin == framing
    assert hash(twin) == hash(framing)
    assert twin.encode(b"12345") == framing.encode(b"12345")


@pytest.mark.parametrize(
    ("text", "framing"),
    [
        ("line", Delimited()),
        ("crlf", Delimited(b"\r\n")),
        ("null", Delimited(b"\0")),
        ("delim:0d0a", Delimited(b"\r\n")),
        ("fixed:16", Fixed(16)),
        ("raw", Raw()),
        ("raw:16", Raw(16)),
        ("eof", UntilEOF()),
        ("len:4", LengthPrefixed()),
        ("len:2be", LengthPrefixed(2)),
        ("len:8le", LengthPrefixed(8, "little")),
        ("len:4be-4", LengthPrefixed(4, adjust=-4)),
        ("len:1+3", LengthPrefixed(1, adjust=3)),
    ],
)
def test_parse_framing(text: str, framing: Framing) -> None:
    """Every form of a framing's name on the command line gives that framing."""
    assert parse_framing(text) == framing


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lines",
        "line:x",
        "eof:1",
        "delim:",
        "delim:zz",
        "fixed",
        "fixed:0",
        "fixed:x",
        "raw:-1",
        "len",
        "len:",
        "len:9",
        "len:4xe",
        "len:4be-",
        "len:4be-x",
        "len:44",
        "len:x",
    ],
)
def test_parse_framing_refuses(text: str) -> None:
    """Anything else is a ValueError of one line that lists the forms."""
    with pytest.raises(ValueError, match="len:4be") as refused:
        parse_framing(text)
    assert "\n" not in str(refused.value)


def test_parse_framing_limit() -> None:
    """The limit of a message goes into the framings that have one."""
    for text in ("line", "eof", "len:4be", "delim:00"):
        assert parse_framing(text, max_size=7).max_size == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("framing", "stream", "partial", "expected"),
    [
        (Fixed(4), b"abcdef", b"ef", 4),
        (Delimited(), b"a\nbc", b"bc", None),
        (LengthPrefixed(2), b"\0", b"\0", None),
        (LengthPrefixed(2), b"\0\4ab", b"\0\4ab", 6),
        (LengthPrefixed(2, "little", -2), b"\x0a\0ab", b"\x0a\0ab", 10),
        (LengthPrefixed(2), b"\x20\0" + b"x" * 5000, b"\x20\0" + b"x" * 5000, 8194),
        (LengthPrefixed(3, "little", -3), b"\x03\x20\0" + b"x" * 5000, b"\x03\x20\0" + b"x" * 5000, 8195),
    ],
)
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_incomplete(framing: Framing, stream: bytes, partial: bytes, expected: int | None, kind: type) -> None:
    """A stream that ends inside a message says how much came and how much was to come, and stays in error."""
    decoder = framing.decoder()
    decoder.feed(kind(stream))
    assert decoder.buffered == len(partial)
    with pytest.raises(IncompleteMessage, match="ended inside a message") as first:
        decoder.feed_eof()
    assert (first.value.partial, first.value.expected) == (partial, expected)
    for again in (decoder.feed_eof, lambda: decoder.feed(b"more")):
        with pytest.raises(IncompleteMessage) as later:
            again()
        assert (later.value.partial, later.value.expected) == (partial, expected)


@pytest.mark.parametrize("framing", [f for f in ALL if not isinstance(f, UntilEOF)], ids=str)
def test_end_between_messages(framing: Framing) -> None:
    """A stream that ends between two messages is no error."""
    decoder = framing.decoder()
    assert decoder.feed(framing.encode(b"12345")) == [b"12345"]
    assert decoder.buffered == 0
    assert decoder.feed_eof() == []


def test_until_eof() -> None:
    """All bytes until the end of the stream are one message; no bytes are none."""
    decoder = UntilEOF().decoder()
    assert decoder.feed(b"one ") == decoder.feed(b"message") == []
    assert decoder.buffered == 11
    assert decoder.feed_eof() == [b"one message"]
    assert UntilEOF().decoder().feed_eof() == []


@pytest.mark.parametrize(
    ("framing", "stream", "completed", "size"),
    [
        (LengthPrefixed(max_size=4), b"\0\0\0\2ab\0\0\0\5abcde", [b"ab"], 5),
        (LengthPrefixed(3, "little", max_size=4), b"\2\0\0ab\5\0\0abcde", [b"ab"], 5),
        (Delimited(b"\n", 4), b"ab\nabcde\nx\n", [b"ab"], 5),
        (Delimited(b"\n", 4), b"ab\ncd\nabcdefg", [b"ab", b"cd"], 7),
        (UntilEOF(4), b"abcde", [], 5),
    ],
)
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_limit(framing: Framing, stream: bytes, completed: list[bytes], size: int, kind: type) -> None:
    """Above the limit there is an error, with the messages before it; later calls repeat it without them."""
    decoder = framing.decoder()
    with pytest.raises(MessageTooLarge, match="limit of 4") as first:
        decoder.feed(kind(stream))
    assert first.value.completed == completed
    assert (first.value.size, first.value.limit) == (size, 4)
    for again in (decoder.feed_eof, lambda: decoder.feed(b"a\n")):
        with pytest.raises(MessageTooLarge) as later:
            again()
        assert later.value.completed == []
        assert later.value.size == size


def test_limit_is_exact() -> None:
    """A message of exactly the limit passes, its delimiter being no part of it."""
    for framing in (LengthPrefixed(max_size=5), Delimited(b"\r\n", 5)):
        decoder = framing.decoder()
        got = [message for byte in framing.encode(b"12345") for message in decoder.feed(bytes([byte]))]
        assert got == [b"12345"]


@pytest.mark.parametrize("claim", [2**32 - 1, 2**24 + 1])
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_claim_costs_no_memory(claim: int, kind: type) -> None:
    """A length that claims 4 GB is refused at once and nothing is allocated for it."""
    decoder = LengthPrefixed().decoder()
    stream = kind(claim.to_bytes(4, "big") + b"x" * 60_000)
    tracemalloc.start()
    try:
        with pytest.raises(MessageTooLarge) as refused:
            decoder.feed(stream)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.size == claim
    assert decoder.buffered == 0
    assert peak < 100_000  # at most what had come already


def test_claim_within_limit_allocates_only_what_came() -> None:
    """A length within the limit reserves nothing either: memory follows the bytes that have come."""
    decoder = LengthPrefixed(max_size=2**32).decoder()
    tracemalloc.start()
    try:
        assert decoder.feed((2**32 - 1).to_bytes(4, "big") + b"x" * 10_000) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoder.buffered == 10_004
    assert peak < 100_000


def test_negative_length() -> None:
    """A length field smaller than what it counts of itself is no length, whatever the limit."""
    for framing in (LengthPrefixed(2, adjust=-2), LengthPrefixed(2, adjust=-2, max_size=2**70)):
        decoder = framing.decoder()
        with pytest.raises(InvalidMessage, match="too small for adjust=-2") as refused:
            decoder.feed(b"\0\3x\0\1")
        assert refused.value.completed == [b"x"]
        with pytest.raises(InvalidMessage, match="adjust=-2"):
            decoder.feed(b"")


@pytest.mark.parametrize(
    ("framing", "stream"),
    [
        (Fixed(30_000), b"x" * 29_999),
        (Delimited(), b"x" * 29_999),
        (Delimited(b"xxxxxxxy"), b"x" * 29_999),
        (LengthPrefixed(), (29_999).to_bytes(4, "big") + b"x" * 29_990),
        (UntilEOF(), b"x" * 29_999),
    ],
    ids=lambda value: type(value).__name__,
)
def test_byte_by_byte_is_linear(framing: Framing, stream: bytes) -> None:
    """A large message that comes byte by byte is kept once: its memory is the bytes that came, plus the spare room."""
    decoder = framing.decoder()
    one = [bytes([byte]) for byte in range(256)]
    tracemalloc.start()
    try:
        for byte in stream:
            decoder.feed(one[byte])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoder.buffered == len(stream)
    assert peak < 2.3 * len(stream)  # a bytearray grows by copying into a larger one


def test_delimiter_is_not_searched_twice() -> None:
    """White-box: of what was searched, only as many bytes as a cut delimiter can have are searched again."""

    class Counting(bytearray):
        touched = 0

        def find(self, *args: object) -> int:
            Counting.touched += len(self) - int(args[1])  # type: ignore[call-overload]
            return bytearray.find(self, *args)  # type: ignore[arg-type]

    decoder = Delimited(b"\r\n\r\n").decoder()
    decoder._held = Counting()  # type: ignore[attr-defined]
    for _ in range(20_000):
        decoder.feed(b"abcde")
    assert Counting.touched <= 20_000 * (5 + 3)


def test_equal_frames_guess_is_checked() -> None:
    """Frames that look alike at first and then differ are read as they are."""
    framing = LengthPrefixed(2)
    for odd in (0, 3, 199, 399):
        messages = [b"x" * 60] * 400
        messages[odd] = b"y" * 61
        assert framing.decoder().feed(framing.encode_many(messages)) == messages
    tricky = [b"x" * 60] * 100 + [framing.encode(b"x" * 60) * 2] * 50  # bodies that contain headers
    assert framing.decoder().feed(framing.encode_many(tricky)) == tricky


@pytest.mark.parametrize("framing", ALL, ids=repr)
def test_room_is_for_large_messages_only(framing: Framing) -> None:
    """Between messages, and for a claim of which nothing has come, there is no room to read into, and none is taken."""
    decoder = framing.decoder()
    assert decoder.room() is None
    with pytest.raises(ValueError, match="no large one"):
        decoder.filled(3)
    claim = LengthPrefixed().decoder()
    assert claim.feed((2**24).to_bytes(4, "big")) == []
    assert claim.room() is None


def test_errors_travel_between_processes() -> None:
    """Every error comes back from pickle as it went, with what it knows: worker processes hand them on."""
    refused = MessageTooLarge(9, 5)
    refused.completed = [b"before"]
    for error in (refused, IncompleteMessage(b"ab", 5), ConnectFailed("no"), PeerClosed("gone", clean=True)):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_a_framing_of_ones_own() -> None:
    """A subclass of `Framing` gets `encode` and `encode_many` for its `parts`."""

    class Quoted(Delimited):
        __slots__ = ()

        def parts(self, messages: object) -> list[bytes | bytearray | memoryview]:
            return [b'"%b"\n' % message for message in messages]  # type: ignore[attr-defined]

    assert Quoted().encode_many([b"a", b"b"]) == b'"a"\n"b"\n'
