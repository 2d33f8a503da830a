"""Draws the logo for Meltano Hub, our own, as SVG and as PNG: `python -m docs.hub_logo`.

Records on the left go into a contact on the right. Everything is a rectangle with round corners, so that the few
lines here draw the same picture as any reader of the SVG.
"""

from __future__ import annotations

import math
import struct
import typing as t
import zlib
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: t.Final = Path(__file__).parent.parent / "hub"
SIZE: t.Final = 256
"""Width and height of the picture, in pixels."""

_GROUND = "#0b7285"
_WHITE = "#ffffff"
_ACCENT = "#ffd43b"


class Shape(t.NamedTuple):
    """A rectangle with round corners, in pixels; a circle is one whose corners are all of it."""

    x: float
    y: float
    width: float
    height: float
    radius: float
    colour: str

    def coverage(self, x: float, y: float) -> float:
        """Tell how much of the pixel around a point lies inside, 0 to 1, from the point's distance to the edge."""
        aside = abs(x - self.x - self.width / 2) - self.width / 2 + self.radius
        above = abs(y - self.y - self.height / 2) - self.height / 2 + self.radius
        outside = math.hypot(max(aside, 0), max(above, 0))
        return min(max(0.5 - (outside + min(max(aside, above), 0) - self.radius), 0), 1)


SHAPES: t.Final = (
    Shape(0, 0, SIZE, SIZE, 48, _GROUND),
    Shape(28, 72, 76, 20, 10, _WHITE),
    Shape(28, 118, 76, 20, 10, _ACCENT),
    Shape(28, 164, 76, 20, 10, _WHITE),
    Shape(144, 48, 64, 64, 32, _WHITE),
    Shape(124, 128, 104, 80, 40, _WHITE),
)


def svg() -> str:
    """Return the picture as SVG."""
    drawn = "".join(
        f'  <rect x="{one.x}" y="{one.y}" width="{one.width}" height="{one.height}" rx="{one.radius}" '
        f'fill="{one.colour}"/>\n'
        for one in SHAPES
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" height="{SIZE}">\n'
        f"  <title>target-intercom</title>\n{drawn}</svg>\n"
    )


def png() -> bytes:
    """Return the picture as PNG, without its corners.

    Source: the PNG specification, https://www.w3.org/TR/png-3/: a header, one row after the other, an end.
    """
    rows = b"".join(b"\0" + bytes(_row(y + 0.5)) for y in range(SIZE))
    eight_bits, red_green_blue_alpha = 8, 6
    header = struct.pack(">IIBBBBB", SIZE, SIZE, eight_bits, red_green_blue_alpha, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _row(y: float) -> Iterator[int]:
    ground, *others = SHAPES
    for x in range(SIZE):
        colour = _channels(ground.colour)
        for shape in others:
            share = shape.coverage(x + 0.5, y)
            colour = [old + share * (new - old) for old, new in zip(colour, _channels(shape.colour), strict=True)]
        yield from (round(channel) for channel in colour)
        yield round(255 * ground.coverage(x + 0.5, y))


def _channels(colour: str) -> list[float]:
    return [float(channel) for channel in bytes.fromhex(colour.removeprefix("#"))]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "logo.svg").write_text(svg(), encoding="utf-8")
    (FOLDER / "logo.png").write_bytes(png())
