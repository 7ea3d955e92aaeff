"""Damages files as an attacker or a bad disk would: each mutation follows from its seed alone."""

import random
from collections.abc import Callable, Sequence

_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEADER_BYTES = 4096


def mutated(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """One to four mutations of `data`. others: files from which parts are spliced in."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = chance.choice(_KINDS)(data, others, chance)
    return data or b"\0"


def _flip_bytes(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    made = bytearray(data)
    for _each in range(chance.choice((1, 4, 64))):
        if made:
            made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
    return bytes(made)


def _truncate(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _splice(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(others)
    at, begin = chance.randrange(len(data) + 1), chance.randrange(len(other))
    return data[:at] + other[begin : begin + chance.choice((16, 1024, len(other)))] + data[at:]


def _set_field(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    """Writes an extreme number of one, two or four bytes into the header, or into the index at the end of an MP4."""
    made, size = bytearray(data), chance.choice((1, 2, 4))
    low = 0 if chance.random() < 0.7 else max(0, len(made) - _HEADER_BYTES)
    at = low + chance.randrange(max(1, min(_HEADER_BYTES, len(made) - low)))
    value = chance.choice(_EXTREMES) & ((1 << 8 * size) - 1)
    made[at : at + size] = value.to_bytes(size, chance.choice(("big", "little")))
    return bytes(made)


def _repeat(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    begin, at = chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)
    return data[:at] + data[begin : begin + chance.choice((4, 256, 65536))] + data[at:]


def _blank(data: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    begin, size = chance.randrange(len(data) + 1), chance.choice((4, 256, 4096))
    return data[:begin] + bytes(len(data[begin : begin + size])) + data[begin + size :]


_KINDS: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    _flip_bytes,
    _truncate,
    _splice,
    _set_field,
    _set_field,
    _repeat,
    _blank,
)
