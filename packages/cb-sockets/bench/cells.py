"""The cells of the throughput table: message size, connections, messages in flight on each, TLS or not."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 2**10, 2**20


@dataclass(frozen=True, slots=True)
class Cell:
    """One load. `name` is what --only takes."""

    name: str
    size: int
    connections: int
    depth: int = 1
    tls: bool = False

    def title(self) -> str:
        """The cell in words."""
        size = f"{self.size // MIB} MiB" if self.size >= MIB else f"{self.size // KIB} KiB" if self.size >= KIB else ""
        words = [f"{size or f'{self.size} B'} messages", f"{self.connections} connections"]
        if self.depth > 1:
            words.append(f"{self.depth} in flight on each")
        return ("TLS, " if self.tls else "") + ", ".join(words)


CELLS = (
    Cell("64x100", 64, 100),
    Cell("64x10x64", 64, 10, 64),
    Cell("64Kx10", 64 * KIB, 10),
    Cell("1Mx4", MIB, 4),
    Cell("64x1000", 64, 1000),
    Cell("tls-64x100", 64, 100, tls=True),
    Cell("tls-64Kx10", 64 * KIB, 10, tls=True),
)
MORE_CELLS = (
    Cell("64x1", 64, 1),
    Cell("64x10", 64, 10),
    Cell("1Kx100", KIB, 100),
    Cell("1Kx10x64", KIB, 10, 64),
    Cell("tls-64x10x64", 64, 10, 64, tls=True),
    Cell("tls-1Mx4", MIB, 4, tls=True),
)
GROWTH_BY_SIZE = tuple(Cell(f"{size}x10", size, 10) for size in (64, 4 * KIB, 64 * KIB, MIB))
GROWTH_BY_CONNECTIONS = tuple(Cell(f"64x{connections}", 64, connections) for connections in (10, 100, 1000))
