"""Pages that take 50 to 200 ms each, always the same for the same page: ``slow_server.py FOLDER``; prints its port."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path


def delay(path: str) -> float:
    return 0.05 + 0.15 * int.from_bytes(hashlib.sha256(path.encode()).digest()[:4]) / 2**32


async def main(folder: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                await asyncio.sleep(delay(path))
                body = (folder / path[1:]).read_bytes()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
