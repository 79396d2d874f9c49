"""The records of a file that is imported: one after the other, whatever their encoding, each of bounded size.

A record is a line, or in CSV as many lines as its quotes span. One that is too long is told of and passed over without
being kept, so that memory does not grow with a cell. What is not UTF-8 becomes it on the way; places in a file are
counted in UTF-8, so that reading can go on where it stopped.
"""

import codecs
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Literal

from helpdesk_api.domain.errors import InvalidError, Refusal

LONGEST_RECORD: Final = 262_144
Encoding = Literal["utf-8", "utf-16", "windows-1251"]
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_QUOTE: Final = b'"'
_MARKED: Final = "helpdesk.marked"


class RecordTooLongError(InvalidError):
    """A row of a file is 262,144 bytes at most."""

    code = "record_too_long"
    title = "The row is too long"


class UnclosedQuoteError(InvalidError):
    """A quote opens in this row and never closes: everything after it belongs to one cell."""

    code = "unclosed_quote"
    title = "A quote is never closed"


class WrongEncodingError(InvalidError):
    """The row is not in the encoding of the file."""

    code = "wrong_encoding"
    title = "The row is in another encoding"


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its text, or why it has none; the line where it begins, and the place and line after it."""

    line: int
    text: str
    refusal: Refusal | None
    end: int
    end_line: int


async def utf8_parts(parts: AsyncIterator[bytes], encoding: Encoding | None) -> AsyncIterator[bytes]:
    """Give the content of a file in UTF-8 without a byte order mark.

    What is not said is told by the mark of UTF-16; all else is taken for UTF-8.
    """
    decoder: codecs.IncrementalDecoder | None = None
    is_first = True
    async for part in parts:
        if is_first:
            is_first = False
            actual = encoding or ("utf-16" if part.startswith(_UTF_16) else "utf-8")
            if actual != "utf-8":
                decoder = codecs.getincrementaldecoder(actual)(errors=_MARKED)
        yield part if decoder is None else decoder.decode(part).encode()
    if decoder is not None and (rest := decoder.decode(b"", final=True)):
        yield rest.encode()


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Let the row, not the file, be refused in which something is no text."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\0", error.end


codecs.register_error(_MARKED, _mark)


class _Pieces:
    """What has been read of one record."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.size = 0
        self.quotes = 0

    def add(self, piece: bytes, *, is_csv: bool) -> None:
        self.size += len(piece)
        if self.size <= LONGEST_RECORD:
            self.kept.append(piece)
        else:
            self.kept.clear()
        if is_csv:
            self.quotes += piece.count(_QUOTE)


async def records(parts: AsyncIterator[bytes], *, is_csv: bool, begin: int = 0, line: int = 1) -> AsyncIterator[Record]:
    """Give the records from a place on, where a line begins; lines with nothing in them are none."""
    place, begins, now = begin, line, line
    left_to_skip = begin
    pieces = _Pieces()
    async for whole in parts:
        part = whole[left_to_skip:]
        left_to_skip -= len(whole) - len(part)
        *ended, rest = part.split(b"\n")
        for piece in ended:
            now += 1
            pieces.add(piece + b"\n", is_csv=is_csv)
            if pieces.quotes % 2 == 0:
                place += pieces.size
                if (record := _record(pieces, begins, place, now)) is not None:
                    yield record
                pieces, begins = _Pieces(), now
        pieces.add(rest, is_csv=is_csv)
    if pieces.size:
        place += pieces.size
        if pieces.quotes % 2:
            message = f"A quote that opens in line {begins} is never closed."
            yield Record(begins, "", UnclosedQuoteError(message), place, now)
        elif (record := _record(pieces, begins, place, now)) is not None:
            yield record


def _record(pieces: _Pieces, begins: int, place: int, now: int) -> Record | None:
    if pieces.size > LONGEST_RECORD:
        message = f"The row is {pieces.size} bytes long; {LONGEST_RECORD} are the most."
        return Record(begins, "", RecordTooLongError(message, params={"most_bytes": LONGEST_RECORD}), place, now)
    raw = b"".join(pieces.kept)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        message = "The row is not UTF-8; say in which `encoding` the file is."
        return Record(begins, "", WrongEncodingError(message), place, now)
    if "\0" in text:
        message = "The row holds what is no text in this encoding; say in which `encoding` the file is."
        return Record(begins, "", WrongEncodingError(message), place, now)
    text = text.removeprefix("\ufeff") if begins == 1 else text
    return Record(begins, text, None, place, now) if text.strip("\r\n") else None
