"""Addresses: what is one, what is none, how it is written."""

from __future__ import annotations

import pytest
from cb_mail import Address, AddressError

GOOD = [
    "a@b",
    "sender@example.com",
    "o'brien+tag=x@mail.example.co.uk",
    '"john doe"@example.com',
    '"a@b"@example.com',
    "user@[127.0.0.1]",
    "user@[IPv6:::1]",
    "user@xn--bcher-kva.example",
    "user@bücher.example",
    "jörg@example.com",
    f"{'x' * 64}@example.com",
]
BAD = [
    "",
    "a",
    "@b",
    "a@",
    "a b@c",
    "a@b c",
    "a@b@c",
    ".a@b",
    "a.@b",
    "a..b@c",
    "a@-b.c",
    "a@b..c",
    "a@b_c.d",
    "a@[300.1.1.1]",
    "a@[IPv6:zz]",
    "a,b@c",
    "a;b@c",
    "<a@b>x",
    '"a@b',
    f"{'x' * 65}@example.com",
    f"a@{'x' * 64}.com",
    f"{'x' * 60}@{'y' * 60}.{'z' * 60}.{'w' * 60}.{'v' * 60}.com",
    "a@ex\u202eample.com",
    "a@exam\u2028ple.com",
    "a@\ud800.com",
]


@pytest.mark.parametrize("text", GOOD)
def test_addresses(text: str) -> None:
    """What RFC 5321 and 6531 allow is an address, and stays as it was written."""
    assert Address(text).addr == text


@pytest.mark.parametrize("text", BAD)
def test_no_addresses(text: str) -> None:
    """Everything else is refused, with the text in the error."""
    with pytest.raises(AddressError):
        Address(text)


@pytest.mark.parametrize(
    ("text", "addr", "name", "written"),
    [
        ("a@example.com", "a@example.com", "", "a@example.com"),
        ("Ann <a@example.com>", "a@example.com", "Ann", "Ann <a@example.com>"),
        ('"Ann, Ltd." <a@example.com>', "a@example.com", "Ann, Ltd.", '"Ann, Ltd." <a@example.com>'),
        ('"say \\"hi\\"" <a@example.com>', "a@example.com", 'say "hi"', '"say \\"hi\\"" <a@example.com>'),
        ("Jörg <a@example.com>", "a@example.com", "Jörg", "=?utf-8?b?SsO2cmc=?= <a@example.com>"),
        ("  <a@example.com> ", "a@example.com", "", "a@example.com"),
    ],
)
def test_read_and_written(text: str, addr: str, name: str, written: str) -> None:
    """A name is quoted or encoded where it must be, and reading gives it back."""
    address = Address.parse(text)
    assert (address.addr, address.name, address.header()) == (addr, name, written)


def test_lists() -> None:
    """Commas part addresses, except in a quoted name."""
    listed = Address.parse_list('a@b.c, "Ann, Ltd." <d@e.f>,, g@h.i,')
    assert [one.addr for one in listed] == ["a@b.c", "d@e.f", "g@h.i"]
    for text in ('"open <a@b>', "Ann <a@b", 'a@b, x"y'):
        with pytest.raises(AddressError, match="has no end"):
            Address.parse_list(text)


def test_other_letters() -> None:
    """A domain has a form in ASCII; a local part has none, and says so."""
    assert Address("user@Bücher.example").ascii == "user@xn--bcher-kva.example"
    assert not Address("user@bücher.example").needs_smtputf8
    assert Address("jörg@example.com").needs_smtputf8
    with pytest.raises(AddressError, match="no SMTPUTF8"):
        Address("jörg@example.com").ascii  # noqa: B018 - it raises


def test_with_name() -> None:
    """The book's `format_mail`, as it was meant."""
    assert Address("sender@example.com").with_name().header() == "sender <sender@example.com>"
    assert Address("sender@example.com").with_name("Me").header() == "Me <sender@example.com>"


def test_too_long_to_read() -> None:
    """A megabyte of a name is refused at once."""
    with pytest.raises(AddressError, match="too many"):
        Address.parse("x" * 1_000_000 + " <a@b.c>")
