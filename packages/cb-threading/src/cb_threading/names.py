"""From a URL to the URL that is requested, and to the name of a file that cannot leave its folder."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

__all__ = ["Names", "destination", "host_key", "normalised", "redirected"]

Names = Literal["path", "host", "flat", "hash"]
RESERVED = ".cb-threading"

# What most URLs look like: nothing in them has to be looked at twice.
_PLAIN = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?(?::[1-9][0-9]{0,4})?(?:/[\w~-][\w.~-]*)+", re.ASCII
)
_PATH = "!$%&'()*+,/:;=@~"  # and what is never quoted
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")
_UNSAFE = re.compile(rb"[\x00-\x1f\x7f/]")
_LONGEST = 200  # bytes of a name; file systems take 255


def normalised(url: str) -> str:
    """The URL as it is requested: ASCII, without dot segments and fragment; ValueError where it cannot be.

    >>> normalised("HTTP://Example.com/a/../b c".replace(" ", "%20") + "#top")
    'http://example.com/b%20c'
    """
    if _PLAIN.fullmatch(url):
        return url
    from urllib.parse import quote, urlsplit  # a list of plain URLs does not need it: a tenth of the start

    if found := _FORBIDDEN.search(url):
        raise ValueError(f"a URL cannot hold {found[0]!r} (write it as %{ord(found[0]):02X})")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is not a URL (it must begin with http:// or https://)")
    if "@" in parts.netloc:
        raise ValueError(
            f"{parts.scheme}://...@{parts.netloc.rpartition('@')[2]} holds a password (give it as a header)"
        )
    host, port = parts.hostname or "", parts.port  # a ValueError of its own: out of range
    if not host.isascii():
        host = _ascii(host)
    if ":" in host:
        host = f"[{host}]"
    elif not host or len(host) > 253 or any(not 0 < len(label) < 64 for label in host.rstrip(".").split(".")):
        raise ValueError(f"{host!r} is not the name of a host")
    path = quote(_without_dots(parts.path), safe=_PATH) or "/"
    query = f"?{quote(parts.query, safe=_PATH + '?')}" if parts.query else ""
    return f"{parts.scheme}://{host}{f':{port}' if port is not None else ''}{path}{query}"


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(f"{host!r} is not the name of a host ({error})") from None


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4: dot segments are taken out before a path is requested."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if segments[-1] in (".", "..") and kept else "")


def host_key(url: str) -> str:
    """Scheme, host and port: those to be polite to."""
    end = url.find("/", 8)
    return url if end < 0 else url[:end]


def redirected(url: str, location: str) -> str:
    """Where a redirect leads; ValueError where one must not follow it."""
    from urllib.parse import quote, urljoin

    target = normalised(urljoin(url, quote(location.strip(), safe=_PATH + "?#[]")))
    if url.startswith("https:") and not target.startswith("https:"):
        raise ValueError(f"redirect from https to {target} (refused)")
    return target


def destination(url: str, names: Names = "path") -> str:
    """The file's name for a normalised URL, with slashes.

    path: as the URL's path, ``index.html`` where it ends with a slash, the query after a question mark. host: the same
    in a folder for each host. flat: the last part alone. hash: of the URL, with its ending.

    >>> destination("http://example.com/a/b/?q=1"), destination("http://example.com/%2e%2e/x", "host")
    ('a/b/index.html?q=1', 'example.com/%2E%2E/x')
    """
    if names == "path" and "?" not in url and "%" not in url and _PLAIN.fullmatch(url):
        tail = url[url.index("/", 8) + 1 :]
        if len(tail) < _LONGEST:
            return tail
    from urllib.parse import unquote_to_bytes, urlsplit

    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    segments = [segment for segment in parts.path.split("/")[1:-1] if segment]
    segments.append((parts.path.rpartition("/")[2] or "index.html") + query)
    if names == "hash":
        ending = re.search(r"\.[A-Za-z0-9]{1,8}$", parts.path)
        return hashlib.sha256(url.encode()).hexdigest()[:32] + (ending[0] if ending else "")
    if names == "flat":
        segments = segments[-1:]
    if names == "host":
        segments.insert(0, parts.netloc)
    return "/".join(_safe(unquote_to_bytes(segment)) for segment in segments)


def _safe(segment: bytes) -> str:
    """One part of a path: no slash, no control character, not ``..``, not ours, not too long."""
    raw = _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], segment)
    name = raw.decode("utf-8", "replace")
    if name in (".", ".."):
        return "%2E" * len(name)
    if name == RESERVED:
        return f"%2E{name[1:]}"
    if len(encoded := name.encode()) > _LONGEST:
        mark = hashlib.sha256(encoded).hexdigest()[:8]
        return f"{encoded[:_LONGEST].decode('utf-8', 'ignore')}~{mark}"
    return name
