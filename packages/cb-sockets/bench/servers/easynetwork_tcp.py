"""easynetwork: an incremental serializer, a StreamProtocol and a request handler, as in its echo tutorial."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, Callable, Generator

from easynetwork.protocol import StreamProtocol
from easynetwork.serializers.abc import AbstractIncrementalPacketSerializer
from easynetwork.serializers.tools import GeneratorStreamReader
from easynetwork.servers import AsyncTCPNetworkServer
from easynetwork.servers.handlers import AsyncStreamClient, AsyncStreamRequestHandler

from servers import BACKLOG, PREFIX, echo


class LengthPrefixSerializer(AbstractIncrementalPacketSerializer[bytes, bytes]):
    """4 bytes of length, then the body."""

    def incremental_serialize(self, packet: bytes, /) -> Generator[bytes]:
        yield len(packet).to_bytes(PREFIX, "big") + packet

    def incremental_deserialize(self) -> Generator[None, bytes, tuple[bytes, bytes]]:
        reader = GeneratorStreamReader()
        prefix = yield from reader.read_exactly(PREFIX)
        body = yield from reader.read_exactly(int.from_bytes(prefix, "big"))
        return body, reader.read_all()


class Echo(AsyncStreamRequestHandler[bytes, bytes]):
    """Answers every packet with itself."""

    async def handle(self, client: AsyncStreamClient[bytes]) -> AsyncGenerator[None, bytes]:
        request = yield
        await client.send_packet(echo(request))


def serve(announce: Callable[[int], None], tls: ssl.SSLContext | None) -> None:
    """Serve on asyncio."""
    logging.getLogger("easynetwork").setLevel(logging.WARNING)

    async def main() -> None:
        protocol = StreamProtocol(LengthPrefixSerializer())
        tcp = AsyncTCPNetworkServer("127.0.0.1", 0, protocol, Echo(), "asyncio", ssl=tls, backlog=BACKLOG)
        async with tcp as server:
            announce(server.get_addresses()[0].port)
            await server.serve_forever()

    asyncio.run(main())
