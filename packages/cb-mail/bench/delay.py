"""A line with a round trip of so many milliseconds: ``delay.py PORT MS`` prints its own port, and forwards to PORT."""

from __future__ import annotations

import asyncio
import sys


class Half(asyncio.Protocol):
    """One side: what comes in goes out on the other side, half a round trip later."""

    other: Half | None = None
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(float(sys.argv[2]) / 2000, self.forward, data)

    def forward(self, data: bytes) -> None:
        if self.other:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other:
            asyncio.get_running_loop().call_later(float(sys.argv[2]) / 2000, self.other.transport.close)


class Near(Half):
    """The side of who connects."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self.task = asyncio.ensure_future(self.connect())

    async def connect(self) -> None:
        _, far = await asyncio.get_running_loop().create_connection(Half, "127.0.0.1", int(sys.argv[1]))
        self.other, far.other = far, self
        self.transport.resume_reading()


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Near, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
