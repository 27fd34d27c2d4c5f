"""A handler for `cb-sockets serve --handler gps:reply`: reads NMEA 0183 sentences, answers with JSON."""

from __future__ import annotations

import json
from functools import reduce


def reply(sentence: bytes) -> bytes:
    """Check a sentence's checksum; answer with its kind, time and position in degrees where it has them."""
    body, _, checksum = sentence.decode("ascii").removeprefix("$").partition("*")
    if reduce(lambda total, letter: total ^ ord(letter), body, 0) != int(checksum, 16):
        return json.dumps({"error": "checksum does not match", "sentence": body}).encode()
    kind, *fields = body.split(",")
    answer: dict[str, object] = {"kind": kind}
    for index, value in enumerate(fields):
        if value in ("N", "S", "E", "W") and fields[index - 1]:
            number = float(fields[index - 1])
            degrees = int(number / 100) + number % 100 / 60
            if value in "NS":
                answer["latitude"] = round(degrees if value == "N" else -degrees, 5)
            elif "longitude" not in answer:
                answer["longitude"] = round(degrees if value == "E" else -degrees, 5)
    return json.dumps(answer).encode()
