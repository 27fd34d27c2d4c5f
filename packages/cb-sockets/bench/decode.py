"""The framing core alone, without I/O: ours against what others read length-prefixed frames with.

    python decode.py [ROUNDS]

Each decoder gets the same chunks in interleaved rounds, after a check that it finds exactly the right messages. Twisted
calls a method per message and StreamReader resumes a coroutine for each: that is their interface, and part of the cost.
The coroutine is resumed directly, without an event loop around it, which flatters StreamReader.
"""

from __future__ import annotations

import asyncio
import importlib.util
import random
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from statistics import median

from house.tables import Table

OURS = "cb-sockets"
PREFIX = 4
LIMIT = 64 * 2**20
Decode = Callable[[Iterable[bytes], list[bytes] | None], None]
"""Feed all chunks; keep the messages where a list is given (a check, not a measurement)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Frames in chunks, as reads would deliver them: about 1 MB, fed again and again.

    A server decodes what the kernel has just copied, while it is still in the cache; a stream of many megabytes laid
    out beforehand would measure main memory instead.
    """

    name: str
    messages: list[bytes]
    chunk: int
    times: int

    def chunks(self) -> list[bytes]:
        """The stream, cut."""
        whole = b"".join(len(message).to_bytes(PREFIX, "big") + message for message in self.messages)
        return [whole[start : start + self.chunk] for start in range(0, len(whole), self.chunk)] * self.times

    def frames(self) -> int:
        """Messages in all."""
        return len(self.messages) * self.times

    def size(self) -> int:
        """Their bytes, without prefixes."""
        return sum(map(len, self.messages)) * self.times


def streams(share: float = 1.0) -> list[Stream]:
    """What is measured; `share` of the usual length."""
    source = random.Random(7)
    small = [source.randbytes(64) for _ in range(15_000)]
    mixed = [source.randbytes(source.randint(16, 1500)) for _ in range(1_400)]
    big = [source.randbytes(4 * 2**20)]
    return [
        Stream("64 B, 64 KiB chunks", small, 64 * 1024, max(1, int(6 * share))),
        Stream("64 B, 1460 B chunks", small, 1460, max(1, int(6 * share))),
        Stream("16-1500 B, 64 KiB chunks", mixed, 64 * 1024, max(1, int(20 * share))),
        Stream("16-1500 B, 1460 B chunks", mixed, 1460, max(1, int(20 * share))),
        Stream("4 MiB, 64 KiB chunks", big, 64 * 1024, max(2, int(10 * share))),
    ]


def ours(chunks: Iterable[bytes], keep: list[bytes] | None) -> None:
    """LengthPrefixed's decoder."""
    from cb_sockets import LengthPrefixed

    feed = LengthPrefixed(width=PREFIX, byteorder="big", max_size=LIMIT).decoder().feed
    for chunk in chunks:
        messages = feed(chunk)
        if keep is not None:
            keep += messages


def twisted(chunks: Iterable[bytes], keep: list[bytes] | None) -> None:
    """Int32StringReceiver."""
    from twisted.protocols.basic import Int32StringReceiver

    class Silent(Int32StringReceiver):
        MAX_LENGTH = LIMIT

        def stringReceived(self, string: bytes) -> None:
            pass

    receiver = Silent()
    if keep is not None:
        receiver.stringReceived = keep.append
    for chunk in chunks:
        receiver.dataReceived(chunk)


def stream_reader(chunks: Iterable[bytes], keep: list[bytes] | None) -> None:
    """asyncio.StreamReader.readexactly."""
    loop = asyncio.new_event_loop()
    reader = asyncio.StreamReader(loop=loop)

    async def consume() -> None:
        while True:
            message = await reader.readexactly(int.from_bytes(await reader.readexactly(PREFIX), "big"))
            if keep is not None:
                keep.append(message)

    consumer: Coroutine[object, None, None] = consume()
    consumer.send(None)
    for chunk in chunks:
        reader.feed_data(chunk)
        consumer.send(None)
    consumer.close()
    loop.close()


def by_hand(chunks: Iterable[bytes], keep: list[bytes] | None) -> None:
    """The usual idiom: a bytearray, int.from_bytes, del at the end of each read."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        messages = []
        start, size = 0, len(buffer)
        while size - start >= PREFIX:
            end = start + PREFIX + int.from_bytes(buffer[start : start + PREFIX], "big")
            if end > size:
                break
            messages.append(bytes(buffer[start + PREFIX : end]))
            start = end
        del buffer[:start]
        if keep is not None:
            keep += messages


def easynetwork(chunks: Iterable[bytes], keep: list[bytes] | None) -> None:
    """StreamProtocol with the serializer of the easynetwork server."""
    from easynetwork.protocol import StreamProtocol
    from servers.easynetwork_tcp import LengthPrefixSerializer

    protocol = StreamProtocol(LengthPrefixSerializer())
    consumer = protocol.build_packet_from_chunks()
    next(consumer)
    for chunk in chunks:
        rest = chunk
        while rest:
            try:
                consumer.send(rest)
                break
            except StopIteration as complete:
                message, rest = complete.value
                if keep is not None:
                    keep.append(message)
                consumer = protocol.build_packet_from_chunks()
                next(consumer)


DECODERS: dict[str, tuple[str, Decode]] = {
    OURS: ("cb_sockets", ours),
    "twisted Int32StringReceiver": ("twisted", twisted),
    "asyncio StreamReader": ("asyncio", stream_reader),
    "bytearray by hand": ("asyncio", by_hand),
    "easynetwork": ("easynetwork", easynetwork),
}
TWISTED, STREAM_READER = "twisted Int32StringReceiver", "asyncio StreamReader"


@dataclass(slots=True)
class Decoded:
    """Seconds by stream, decoder and round, and what is needed to read them."""

    streams: list[Stream]
    seconds: dict[str, dict[str, list[float]]]

    def ratio(self, stream: str, peer: str) -> float | None:
        """How many times as fast as `peer` ours is: the median over the rounds."""
        found = self.seconds.get(stream, {})
        if OURS not in found or peer not in found:
            return None
        return median(theirs / mine for mine, theirs in zip(found[OURS], found[peer], strict=True))

    def gigabytes_per_second(self, stream: Stream, decoder: str) -> float:
        """Median rate of message bytes."""
        return stream.size() / median(self.seconds[stream.name][decoder]) / 1e9


def run(*, rounds: int, share: float, say: Callable[[str], None]) -> Decoded:
    """Check and measure every decoder that can be imported. Raises AssertionError on a wrong message."""
    from cb_sockets.transport import keep_large_blocks

    decoders = {name: decode for name, (module, decode) in DECODERS.items() if importlib.util.find_spec(module)}
    keep_large_blocks()  # for all of them: what glibc does with freed memory would decide the large messages else
    result = Decoded(streams(share), {})
    for stream in result.streams:
        say(f"decoding {stream.name}")
        chunks = stream.chunks()
        for name, decode in decoders.items():
            found: list[bytes] = []
            decode(chunks, found)
            if found != stream.messages * stream.times:
                raise AssertionError(f"{name} decoded {stream.name} wrongly")
        times: dict[str, list[float]] = {name: [] for name in decoders}
        for _ in range(rounds):
            for name, decode in decoders.items():
                begin = time.perf_counter()
                decode(chunks, None)
                times[name].append(time.perf_counter() - begin)
        result.seconds[stream.name] = times
    return result


def tables(result: Decoded) -> list[Table]:
    """A table for each stream."""
    found = []
    for stream in result.streams:
        rows = []
        for name, seconds in result.seconds[stream.name].items():
            ratio = result.ratio(stream.name, name)
            millions = stream.frames() / 1e6
            row = [name, f"{millions / median(seconds):.4g}", f"{millions / max(seconds):.4g}"]
            row.append(f"{result.gigabytes_per_second(stream, name):.2f}")
            row.append(f"{ratio:.2f}" if ratio and name != OURS else "")
            rows.append(row)
        columns = ["decoder", "M frames/s", "min", "GB/s", f"{OURS} ÷"]
        found.append(Table(f"Decoding alone: {stream.name}", columns, rows))
    return found


def main() -> None:
    """Run on its own."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for table in tables(run(rounds=rounds, share=1.0, say=lambda text: print(text, file=sys.stderr))):
        print(table.text(), end="\n\n")


if __name__ == "__main__":
    main()
