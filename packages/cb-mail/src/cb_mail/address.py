"""Addresses: read, checked, written. RFC 5321 (4.1.2), RFC 5322 (3.4), RFC 6531 for what is not ASCII."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from cb_mail.errors import AddressError
from cb_mail.header import phrase
from cb_mail.text import one_line, shown

__all__ = ["Address", "address_of", "addresses_of", "split", "split_list"]

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\x80-\U0010ffff]+"
_LOCAL: Final = re.compile(rf'{_ATOM}(?:\.{_ATOM})*|"(?:[ !#-\[\]-~]|\\[ -~])*"')
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# The usual kind, for which one test answers all questions.
_PLAIN: Final = re.compile(
    rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]{{1,30}}(?:\.[A-Za-z0-9_+-]{{1,30}})?@{_LABEL}(?:\.{_LABEL}){{0,2}}"
)
_NAMED: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^"<>]*?))\s*<([^<>]*)>\s*')
_ONE: Final = re.compile(r'(?:[^",<]|"(?:[^"\\]|\\.)*"|<[^>]*>)*')
_LONGEST: Final = 1000  # characters of a name and an address
_MOST: Final = 254  # octets of an address in a path (RFC 5321, erratum 1690)


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox: ``addr`` as ``local@domain``, and the name that is shown with it.

    Args:
        addr: In Unicode or ASCII; the local part as it is, quoted where it must be; the domain a name, or an address
            literal (``[127.0.0.1]``, ``[IPv6:::1]``). At most 254 octets, 64 of them before the ``@``.
        name: What is shown. Empty for none.

    Raises:
        AddressError: One of them must not stand in a message, or *addr* is none.

    >>> str(Address("sender@example.com").with_name())
    'sender <sender@example.com>'
    """

    addr: str
    name: str = ""

    def __post_init__(self) -> None:
        if self.name:
            one_line("name", self.name, AddressError)
        if not (_PLAIN.fullmatch(self.addr) and len(self.addr) <= 180):
            _check(self.addr)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``local@domain``, ``Name <local@domain>`` or ``"Name, quoted" <local@domain>``.

        Raises:
            AddressError: It is none of these.
        """
        name, addr = split(text)
        return cls(addr, name)

    @classmethod
    def parse_list(cls, text: str) -> tuple[Self, ...]:
        """Read addresses with commas between them; a comma in a quoted name is part of it."""
        return tuple(cls(addr, name) for name, addr in map(split, split_list(text)))

    def with_name(self, name: str = "") -> Self:
        """Return the same mailbox under *name*, or under its own local part."""
        return type(self)(self.addr, name or self.addr.rpartition("@")[0])

    @property
    def local(self) -> str:
        """What stands before the last ``@``."""
        return self.addr.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """What stands behind the last ``@``."""
        return self.addr.rpartition("@")[2]

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can be given it: its local part is not ASCII (RFC 6531)."""
        return not (self.addr.isascii() or self.local.isascii())

    @property
    def ascii(self) -> str:
        """The address with its domain in A-labels (``xn--…``), for servers without SMTPUTF8.

        Raises:
            AddressError: The local part is not ASCII: there is no such form.
        """
        if self.addr.isascii():
            return self.addr
        if self.needs_smtputf8:
            raise AddressError(f"{self.addr}: the server has no SMTPUTF8, which the part before the @ needs")
        return f"{self.local}@{_a_labels(self.addr, self.domain)}"

    def header(self, *, utf8: bool = False) -> str:
        """Return it as it stands in a header: ASCII, or with *utf8* as RFC 6532 has it."""
        addr = self.addr if utf8 else self.ascii
        return f"{phrase(self.name, utf8=utf8)} <{addr}>" if self.name else addr

    def __str__(self) -> str:
        return self.header(utf8=True)


def _check(addr: str) -> None:
    one_line("address", addr, AddressError)
    local, at, domain = addr.rpartition("@")
    if not at:
        raise AddressError(f"{shown(addr)} is no address: there is no @ in it (write local@domain)")
    if not _LOCAL.fullmatch(local):
        raise AddressError(f"{shown(addr)} is no address: {shown(local)} must not stand before the @ (or quote it)")
    if domain.startswith("[") and domain.endswith("]"):
        _check_literal(addr, domain[1:-1])
        a_labels = domain
    else:
        a_labels = domain if domain.isascii() else _a_labels(addr, domain)
        if not _DOMAIN.fullmatch(a_labels):
            raise AddressError(f"{shown(addr)} is no address: {shown(domain)} is no domain")
    if len(local.encode()) > 64 or len(local.encode()) + 1 + len(a_labels) > _MOST:
        raise AddressError(f"{shown(addr)} is too long (64 octets before the @, {_MOST} in all)")


def _check_literal(addr: str, literal: str) -> None:
    try:
        if literal.lower().startswith("ipv6:"):
            ipaddress.IPv6Address(literal[5:])
        else:
            ipaddress.IPv4Address(literal)
    except ValueError as error:
        raise AddressError(f"{shown(addr)} is no address: {error} (like [127.0.0.1] or [IPv6:::1])") from error


def _a_labels(addr: str, domain: str) -> str:
    import idna

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise AddressError(f"{shown(addr)} is no address: {shown(domain)} is no domain: {error}") from error


def split(text: str) -> tuple[str, str]:
    """Take one address with its name apart, without a look at what they are."""
    one_line("address", text, AddressError)
    if len(text) > _LONGEST:
        raise AddressError(f"address: {len(text):,} characters are too many: {shown(text)}")
    if not (found := _NAMED.fullmatch(text)):
        return "", text.strip()
    quoted, bare, addr = found.groups()
    return (re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare), addr.strip()


def split_list(text: str) -> list[str]:
    """Take a list of addresses apart at its commas."""
    listed, place = [], 0
    while place < len(text):
        found = _ONE.match(text, place)
        end = found.end() if found else place
        if end < len(text) and text[end] != ",":
            raise AddressError(f"{shown(text)}: the {text[end]} at character {end + 1} has no end (close it)")
        if one := text[place:end].strip():
            listed.append(one)
        place = end + 1
    return listed


def address_of(given: Address | str) -> Address:
    """Return an address, read from text where it is text."""
    return given if isinstance(given, Address) else Address.parse(given)


def addresses_of(given: Address | str | Iterable[Address | str]) -> tuple[Address, ...]:
    """Return addresses: one, several, or a text with commas between them."""
    if isinstance(given, Address):
        return (given,)
    if isinstance(given, str):
        return Address.parse_list(given)
    return tuple(address_of(one) for one in given)
