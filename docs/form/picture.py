"""A small PNG of a page: with a palette, since a form has few colours."""

import base64
import json
import struct
import zlib
from hashlib import sha256

from docs.form.browser import Tab

# Decodes the PNG and numbers its colours, with 5 bits a channel: finer shades are not seen.
_NUMBER_COLOURS = """
(async () => {
  const answer = await fetch("data:image/png;base64," + %s);
  const image = await createImageBitmap(await answer.blob());
  const { width, height } = image;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const numbers = new Map();
  let rows = "";
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue] = [0, 1, 2].map((each) => Math.round(data[at + each] * 31 / 255));
    const colour = red << 10 | green << 5 | blue;
    if (!numbers.has(colour)) numbers.set(colour, numbers.size);
    rows += String.fromCharCode(numbers.get(colour));
  }
  if (numbers.size > 256) throw new Error(`The page has ${numbers.size} colours.`);
  return { width, height, colours: [...numbers.keys()], rows: btoa(rows) };
})()
"""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEYWORD = b"page"


def take_picture(tab: Tab, html: str) -> bytes:
    """Return a picture of the whole page, with the checksum of its HTML."""
    found = tab.evaluate(_NUMBER_COLOURS % json.dumps(tab.screenshot()))
    width, height, rows = found["width"], found["height"], base64.b64decode(found["rows"])
    palette = bytes(
        round((colour >> shift & 31) * 255 / 31)
        for colour in found["colours"]
        for shift in (10, 5, 0)
    )
    # Each row begins with the number of its filter: none.
    lines = b"".join(b"\0" + rows[at : at + width] for at in range(0, width * height, width))
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"tEXt", _KEYWORD + b"\0" + checksum_of(html).encode()),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def checksum_of(html: str) -> str:
    """Return the checksum that a picture of a page holds."""
    return sha256(html.encode()).hexdigest()


def page_checksum(picture: bytes) -> str:
    """Return the checksum of the page that a picture was taken of."""
    start = picture.index(b"tEXt" + _KEYWORD + b"\0") + len(b"tEXt" + _KEYWORD + b"\0")
    return picture[start : start + 64].decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
