"""``cb-map VERB FIELDS [FILE]...`` without options, as it is most often called: runs without waiting for click.

Importing click takes longer than a megabyte of records. What is run is the same, so the output is; what is not as
plain as this, a mistake included, is left to click.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

VERBS = ("omit", "pick", "redact")


def plain(words: Sequence[str]) -> Callable[[], int | None] | None:
    """What the words ask for, None where click should read them."""
    if len(words) < 2 or words[0] not in VERBS or any(word[:1] == "-" and word != "-" for word in words[1:]):
        return None
    from cb_map import transforms
    from cb_map.running import Settings, run_transform

    verb, fields, *files = words
    try:
        transform = getattr(transforms, verb)(*fields.split(","))
    except ValueError:
        return None
    return lambda: run_transform(Settings(files=tuple(files)), transform)
