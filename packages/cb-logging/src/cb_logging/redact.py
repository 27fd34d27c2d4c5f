"""Secrets do not belong in a log: found by the key they stand behind, or by their own shape.

Cost: a text without a hit is looked at with a few substring searches, and with no expression. Every expression is
bounded, so that none takes more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cb_logging.errors import ConfigError
from cb_logging.text import text_of

__all__ = ["HINTS", "Redactor"]

# Every text in which one of the expressions below finds something has one of these, and one of those behind it, if
# there are any: a look that costs little.
HINTS: dict[str, tuple[str, ...]] = {
    "=": (),
    ":": (),
    "',": (),
    '",': (),
    "_": ("gh", "pat_", "k_", "npm_", "hf_"),
    "-": ("sk-", "xox", "glpat-", "pypi-", "-----"),
    "eyJ": (),
    "IA": (),
    "AIza": (),
    "SG.": (),
    "earer": (),
}

_KEYS = (
    r"passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|credentials?|session[_-]?id"
)
_VALUE = r"""\\+["'][^"'\\]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:bearer|basic)\s+[^\s,;"'}\]]+|[^\s,;&"')}\]]+"""
_HEADER = r"""(?:set-)?cookie|(?:proxy-)?authorization"""
_SHAPES = (
    r"eyJ[\w-]{8,2000}\.[\w-]{1,4000}(?:\.[\w-]{1,2000})?|"  # JSON Web Token
    r"(?:AKIA|ASIA)[A-Z0-9]{16}|"
    r"AIza[\w-]{30,40}|"
    r"gh[pousr]_\w{20,255}|github_pat_\w{20,255}|glpat-[\w-]{15,80}|"
    r"sk[-_][\w-]{16,200}|[rp]k_(?:live|test)_\w{10,200}|"
    r"xox[abeprs]-[\w-]{10,250}|"
    r"npm_\w{30,60}|pypi-[\w-]{30,250}|hf_\w{30,60}|SG\.[\w-]{16,40}\.[\w-]{16,80}|"
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\w+/=\s\\-]{0,8000}?-----END [A-Z ]{0,20}PRIVATE KEY-----"
)
_PII = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}|\+?\d(?:[ ().-]?\d){6,15}"
_HIDDEN = "***"


def _near(text: str) -> bool:
    """Whether a secret is thinkable; written out, for it runs on every record with a ``:``, ``=``, ``-`` or ``_``."""
    low = text.lower()
    return (
        "pass" in low
        or "token" in low
        or "secret" in low
        or "key" in low
        or "auth" in low
        or "pwd" in low
        or "cookie" in low
        or "session" in low
        or "credential" in low
        or "@" in low
        or "bearer" in low
        or _near_shape(text)
    )


def _near_shape(text: str) -> bool:
    return (
        ("_" in text and ("gh" in text or "pat_" in text or "k_" in text or "npm_" in text or "hf_" in text))
        or ("-" in text and ("sk-" in text or "xox" in text or "glpat-" in text or "pypi-" in text))
        or "SG." in text
        or "eyJ" in text
        or "AKIA" in text
        or "ASIA" in text
        or "AIza" in text
    )


class Redactor:
    """Hides secrets in text and in nested values.

    Args:
        keys: Names beside the built-in ones whose values are hidden too; ``pii`` stands for e-mail addresses and
            numbers of seven digits or more (telephones, cards).

    >>> hide = Redactor()
    >>> hide("login ann password=hunter2 via https://ann:pw@host/x?api_key=k1&page=2")
    'login ann password=*** via https://ann:***@host/x?api_key=***&page=2'
    >>> hide.value({"user": "ann", "db": {"password": "x"}})
    {'user': 'ann', 'db': {'password': '***'}}
    >>> Redactor(["number", "pii"])("{'number': '1234-5678', 'mail': 'ann@example.org'}")
    "{'number': '***', 'mail': '***'}"
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        extra = [key for key in keys if key != "pii"]
        self._always = bool(extra) or "pii" in keys
        if any(not re.fullmatch(r"[\w-]+", key) for key in extra):
            raise ConfigError("redact", extra, "holds what is no key (letters, digits, _ and -)")
        names = "|".join((_KEYS, *(re.escape(key) for key in extra)))
        self._key = re.compile(f"(?:{names}|{_HEADER})(?-i:(?![a-z]))", re.IGNORECASE)
        quote = r"\\*[\"']?"
        self._steps: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
            (re.compile(_SHAPES), _HIDDEN),
            (re.compile(rf"(?i)((?:{_HEADER})(?:{quote}\s*[:=]|\\*[\"'],)\s*b?{quote})[^\"'\r\n\\]+"), rf"\1{_HIDDEN}"),
            (
                re.compile(
                    rf"(?i)((?:{names})(?-i:(?![a-z]))[\w-]{{0,40}}{quote}\s{{0,3}}(?:=>|[=:])\s{{0,3}}b?)({_VALUE})"
                ),
                _hide_value,
            ),
            (re.compile(r"(://[^\s/:@]{0,256}:)[^\s/]{1,512}@"), rf"\1{_HIDDEN}@"),
            (re.compile(r"\b([Bb]earer\s+)[\w.~+/=-]{8,4000}"), rf"\1{_HIDDEN}"),
        ]
        if "pii" in keys:
            self._steps.append((re.compile(_PII), _HIDDEN))

    def __call__(self, text: str) -> str:
        """The text with its secrets hidden."""
        if self.near(text):
            for pattern, instead in self._steps:
                text = pattern.sub(instead, text)
        return text

    def near(self, text: str) -> bool:
        """Whether it is worth looking closer."""
        return self._always or _near(text)

    def hides(self, key: str) -> bool:
        """Whether what stands behind this key is secret."""
        return self._key.search(key) is not None

    def field(self, name: str, value: object) -> str:
        """A field's value as text, hidden if the name says so."""
        return _HIDDEN if self.hides(name) else self(text_of(self.value(value)))

    def value(self, value: Any) -> Any:
        """The same in a value of dicts, lists and text; what is behind a secret's key is hidden whatever it is."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {
                key: _HIDDEN if isinstance(key, str) and self.hides(key) else self.value(one)
                for key, one in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(one) for one in value]
        return value


def _hide_value(match: re.Match[str]) -> str:
    """The key stays, and so do the quotes."""
    value = match[2]
    if value[0] == "\\":  # quotes within quotes: what ends them comes behind the match
        depth = len(value) - len(value.lstrip("\\"))
        return f"{match[1]}{value[: depth + 1]}{_HIDDEN}"
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match[1]}{quote}{_HIDDEN}{quote}"
