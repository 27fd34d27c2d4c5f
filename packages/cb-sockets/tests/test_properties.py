"""Whatever the messages and however the stream is cut: the same messages come out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from cb_sockets import Delimited, Fixed, Framing, FramingError, InvalidMessage, LengthPrefixed, Raw, UntilEOF
from cb_sockets.decoders import Buffer
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS: list[Callable[[bytes], Buffer]] = [bytes, bytearray, memoryview]
# Sizes around what the decoders treat differently: nothing, small, equal runs, above 4096, above one read.
SIZES = st.sampled_from([0, 1, 2, 3, 10, 60, 60, 60, 255, 1023, 1024, 4095, 4096, 4097, 9000])


@st.composite
def framings(draw: st.DrawFn) -> Framing:
    """Any framing that carries more than one message."""
    kind = draw(st.sampled_from(["fixed", "delimited", "length"]))
    if kind == "fixed":
        return Fixed(draw(st.integers(1, 5000)))
    if kind == "delimited":
        return Delimited(draw(st.text("ab\r\n", min_size=1, max_size=4)).encode())
    width = draw(st.integers(1, 8))
    adjust = draw(st.sampled_from([0, 0, -width, 1, 100]))
    return LengthPrefixed(width, draw(st.sampled_from(["big", "little"])), adjust)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Framing, list[bytes]]:
    """A framing, and messages that it can carry."""
    framing = draw(framings())
    messages: list[bytes] = []
    if isinstance(framing, Delimited):
        candidates = draw(st.lists(st.text("ab\r\nx", max_size=12), max_size=12))
        messages = [text.encode() for text in candidates]
    else:
        sizes = [framing.size] * draw(st.integers(0, 6)) if isinstance(framing, Fixed) else draw(st.lists(SIZES))
        seed = draw(st.integers(0, 255))
        messages = [bytes([(seed + number) % 256]) * size for number, size in enumerate(sizes)]
    sendable = []
    for message in messages:
        try:
            framing.encode(message)
        except FramingError:
            continue
        sendable.append(message)
    # Runs of equal frames take a way of their own in the decoder.
    return framing, sendable * draw(st.sampled_from([1, 1, 2, 30]))


def decode(framing: Framing, chunks: Iterable[Buffer]) -> list[bytes]:
    """All messages of a stream that comes in these chunks, then ends."""
    decoder = framing.decoder()
    messages = [message for chunk in chunks for message in decoder.feed(chunk)]
    return messages + decoder.feed_eof()


def cut(stream: bytes, places: Iterable[int], kinds: list[Callable[[bytes], Buffer]]) -> list[Buffer]:
    """The stream in pieces, as bytes, bytearrays and views in turn."""
    edges = [0, *sorted(places), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    return [kinds[number % len(kinds)](piece) for number, piece in enumerate(pieces)]


@given(conversations(), st.data())
@settings(max_examples=200, deadline=None)
def test_any_slicing(conversation: tuple[Framing, list[bytes]], data: st.DataObject) -> None:
    """What was encoded comes back, in any slicing and as any kind of buffer."""
    framing, messages = conversation
    stream = framing.encode_many(messages)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    kinds = data.draw(st.permutations(KINDS))
    assert decode(framing, cut(stream, places, kinds)) == messages


@given(st.lists(st.integers(0, 30_000), max_size=6), st.data())
@settings(max_examples=200, deadline=None)
def test_read_into_its_room(sizes: list[int], data: st.DataObject) -> None:
    """A reader that puts a large body's bytes where the decoder says gets the same messages, in any slicing."""
    framing = LengthPrefixed()
    messages = [random.Random(size).randbytes(size) for size in sizes]
    stream = rest = framing.encode_many(messages)
    decoder = framing.decoder()
    received: list[bytes] = []
    places = iter(data.draw(st.lists(st.integers(1, 9000), max_size=20)))
    while rest:
        count = next(places, len(rest))
        room = decoder.room()
        if room is None:
            received += decoder.feed(rest[:count])
        else:
            with room:
                count = min(count, len(room), len(rest))
                room[:count] = rest[:count]
            received += decoder.filled(count)
        rest = rest[count:]
        held = len(stream) - len(rest) - len(framing.encode_many(received))
        assert decoder.buffered == held
    assert received == messages
    assert decoder.feed_eof() == []


@given(st.binary(max_size=300), st.data())
@settings(max_examples=100, deadline=None)
def test_any_slicing_of_one_message(body: bytes, data: st.DataObject) -> None:
    """Raw chunks join to the stream, and a message until the end of the stream is the stream, in any slicing."""
    chunks = cut(body, data.draw(st.lists(st.integers(0, len(body)), max_size=20)), KINDS)
    assert b"".join(decode(Raw(7), chunks)) == body
    assert all(0 < len(chunk) <= 7 for chunk in decode(Raw(7), chunks))
    assert decode(UntilEOF(), chunks) == ([body] if body else [])


@given(st.binary(max_size=200), framings(), st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_any_slicing(stream: bytes, framing: Framing, data: st.DataObject) -> None:
    """Bytes nobody encoded give the same messages and the same kind of error in any slicing."""

    def outcome(chunks: list[Buffer]) -> tuple[list[bytes], type | None]:
        decoder = framing.decoder()
        messages: list[bytes] = []
        try:
            for chunk in chunks:
                messages += decoder.feed(chunk)
            messages += decoder.feed_eof()
        except FramingError as error:
            return messages + error.completed, type(error)
        return messages, None

    chunks = cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=20)), KINDS)
    assert outcome(chunks) == outcome([stream])


@given(st.binary(min_size=1, max_size=4), st.lists(st.binary(max_size=8), max_size=5))
@settings(max_examples=300, deadline=None)
def test_delimited_refuses_exactly_what_would_not_come_back(delimiter: bytes, messages: list[bytes]) -> None:
    """A delimited message is refused if and only if the other side would read something else."""
    framing = Delimited(delimiter)
    for message in messages:
        wire = message + delimiter
        comes_back = wire.split(delimiter) == [message, b""]
        try:
            assert framing.encode(message) == wire
            assert comes_back
        except InvalidMessage:
            assert not comes_back


EVERY_CUT = [
    (Fixed(3), [b"abc", b"def", b"ghi"]),
    (Delimited(b"\r\n"), [b"", b"a\r", b"\nb", b"\r", b"c"]),
    (Delimited(b"\r\n\r\n"), [b"", b"\na", b"\r\n\ra", b"b"]),
    *[
        (LengthPrefixed(width, order, adjust), [b"", b"a", b"bc" * 20, b"", b"d"])
        for width in range(1, 9)
        for order in ("big", "little")
        for adjust in (0, -width)
    ],
    (LengthPrefixed(2), [b"x" * 5000, b"y", b"z" * 4097]),
    (LengthPrefixed(3, "little", -3), [b"x", b"y" * 5000, b""]),
]


@pytest.mark.parametrize(("framing", "messages"), EVERY_CUT, ids=[f"{framing}" for framing, _ in EVERY_CUT])
def test_every_cut(framing: Framing, messages: list[bytes]) -> None:
    """Every cut in two, for each kind of buffer, and every byte on its own, gives the same messages."""
    stream = framing.encode_many(messages)
    step = 1 if len(stream) < 500 else 7
    places = {*range(0, len(stream), step), *range(min(20, len(stream))), *range(4990, min(5020, len(stream)))}
    for place in sorted(places):
        for kinds in (KINDS[:1], KINDS[1:2], KINDS[2:], KINDS[::2], KINDS[::-2]):
            assert decode(framing, cut(stream, [place], kinds)) == messages, place
    for kind in KINDS:
        assert decode(framing, cut(stream, range(len(stream)), [kind])) == messages


def test_every_pair_of_cuts() -> None:
    """Every cut of a short stream in three gives the same messages."""
    for framing, messages in EVERY_CUT[:20]:
        stream = framing.encode_many(messages)
        for first in range(len(stream)):
            for second in range(first, len(stream)):
                assert decode(framing, cut(stream, [first, second], KINDS)) == messages


def random_conversation(source: random.Random) -> tuple[Framing, list[bytes]]:
    """A framing, and messages of sizes that take all ways through its decoder."""
    width = source.randint(1, 8)
    length = LengthPrefixed(width, source.choice(["big", "little"]), source.choice([0, -width]))
    fixed = Fixed(source.choice([1, 5, 64, 5000]))
    framing = source.choice([fixed, length, Delimited(source.choice([b"\n", b"\r\n", b"\0\0\0"]))])
    if isinstance(framing, Fixed):
        sizes = [framing.size] * (1 + 200 // framing.size)
    elif source.random() < 0.2:
        sizes = [source.choice([1, 60, 240])] * 100
    else:
        sizes = [source.choice([0, 1, 30, 64, 64, 240, 247]) for _ in range(source.randint(1, 40))]
        if width > 1 and source.random() < 0.2:
            sizes.append(source.randint(4000, 9000))
    return framing, [source.randbytes(size).translate(NO_DELIMITER) for size in sizes]


NO_DELIMITER = bytes(byte if byte not in b"\n\r\0" else 32 for byte in range(256))


@pytest.mark.faults
def test_random_chunkings(count: Callable[[int, int], int]) -> None:
    """Random streams in random chunks: no wrong message, in a million chunkings where all faults are asked for."""
    seed = random.randrange(2**32)
    source = random.Random(seed)
    for _ in range(count(40, 20_000)):
        framing, messages = random_conversation(source)
        stream = framing.encode_many(messages)
        for _ in range(50):
            places = [source.randint(0, len(stream)) for _ in range(source.choice([0, 1, 2, 5, 20]))]
            kinds = [source.choice(KINDS) for _ in range(3)]
            assert decode(framing, cut(stream, places, kinds)) == messages, f"seed {seed}"
