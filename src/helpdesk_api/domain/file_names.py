"""What a file is called, and what it says that it is: names made harmless, media types read, first bytes recognised.

Nothing is ever stored or looked up under the name of a file; it is only shown and offered to whoever saves the file.
What a file says that it is decides nothing either.
"""

import re
import unicodedata
from typing import Final

LONGEST: Final = 200
UNNAMED: Final = "file"
UNKNOWN: Final = "application/octet-stream"

_LONGEST_SUFFIX: Final = 20
# Controls, line ends, halves of characters, and what turns the direction of the text around it, or hides.
_LEFT_OUT: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SEPARATOR: Final = re.compile(r"[/\\\u2044\u2215\uff0f\uff3c]")
_PART: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE: Final = re.compile(f"{_PART}/{_PART}")

# Where the bytes stand, the bytes, and what they are the beginning of.
_SIGNATURES: Final = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftyp", "video/mp4"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"#!", "text/x-script"),
)
_MARKUP: Final = {b"<svg": "image/svg+xml", b"<html": "text/html", b"<!doctype html": "text/html", b"<?xml": "text/xml"}
RECOGNISED_WITHIN: Final = 512


def harmless_name(given: str) -> str:
    """Give what is kept of a name: its last part, in one line, in NFC, of at most `LONGEST` characters.

    What is too long loses the end of its stem and keeps its suffix. Of which nothing is left is called `file`.
    """
    plain = _LEFT_OUT.sub("", unicodedata.normalize("NFC", given))
    name = _SEPARATOR.split(plain)[-1].strip().rstrip(". ")
    if len(name) > LONGEST:
        stem, dot, suffix = name.rpartition(".")
        kept = f"{dot}{suffix}" if stem and len(suffix) <= _LONGEST_SUFFIX else ""
        name = name[: LONGEST - len(kept)] + kept
    return name or UNNAMED


def declared_media_type(header: str | None) -> str:
    """Give the media type that a Content-Type names, in lower case and without parameters; `UNKNOWN` for nonsense."""
    named = (header or "").partition(";")[0].strip()
    return named.lower() if _MEDIA_TYPE.fullmatch(named) else UNKNOWN


def recognised_media_type(beginning: bytes) -> str | None:
    """Give what the first bytes of a file tell that it is, or None when they tell nothing."""
    for place, signature, media_type in _SIGNATURES:
        if beginning.startswith(signature, place):
            return media_type
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((media_type for tag, media_type in _MARKUP.items() if text.startswith(tag)), None)
