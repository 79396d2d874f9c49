"""What is kept of the name of a file, and what is made of what it says that it is."""

import pytest

from helpdesk_api.domain.file_names import declared_media_type, harmless_name, recognised_media_type

HARMLESS = {
    "report.pdf": "report.pdf",
    "Отчёт 7.pdf": "Отчёт 7.pdf",
    "👩\u200d🔧.png": "👩\u200d🔧.png",
    "cafe\u0301.txt": "caf\u00e9.txt",
    "../../etc/passwd": "passwd",
    "..\\..\\boot.ini": "boot.ini",
    "C:\\Users\\ada\\x.log": "x.log",
    "a\u2215b\uff0fc.txt": "c.txt",
    "a\r\nSet-Cookie: x=1": "aSet-Cookie: x=1",
    "x\x00.php\x00.png": "x.php.png",
    "\u202egnp.exe": "gnp.exe",
    "\u2066a\u2069\ufeff.txt": "a.txt",
    '"quoted".txt': '"quoted".txt',
    "<script>.svg": "<script>.svg",
    "CON": "CON",
    ".htaccess": ".htaccess",
    "  spaced .txt  ": "spaced .txt",
    "dots...": "dots",
    "%2e%2e%2fx": "%2e%2e%2fx",
    "": "file",
    ".": "file",
    "..": "file",
    "/": "file",
    "\x00\u202e": "file",
    "\ud800": "file",
    "a" * 300 + ".tar.gz": "a" * 197 + ".gz",
    "a" * 300: "a" * 200,
    "." + "a" * 300: "." + "a" * 199,
}


@pytest.mark.parametrize("given", HARMLESS, ids=ascii)
def test_a_name_is_made_harmless(given: str) -> None:
    assert harmless_name(given) == HARMLESS[given]
    assert harmless_name(HARMLESS[given]) == HARMLESS[given]


@pytest.mark.parametrize(
    ("header", "media_type"),
    {
        "image/PNG": "image/png",
        "text/html; charset=utf-8": "text/html",
        "application/vnd.ms-excel.sheet.macroEnabled.12": "application/vnd.ms-excel.sheet.macroenabled.12",
        None: "application/octet-stream",
        "": "application/octet-stream",
        "png": "application/octet-stream",
        "text/html\r\nx: y": "application/octet-stream",
        "text/\u0445": "application/octet-stream",
        f"text/{'x' * 200}": "application/octet-stream",
    }.items(),
)
def test_a_declared_media_type_is_read_or_unknown(header: str | None, media_type: str) -> None:
    assert declared_media_type(header) == media_type


@pytest.mark.parametrize(
    ("beginning", "media_type"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\x00", "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (b"PK\x03\x04", "application/zip"),
        (b"MZ\x90\x00", "application/vnd.microsoft.portable-executable"),
        (b"\xef\xbb\xbf \n<!DOCTYPE HTML>", "text/html"),
        (b"<SVG xmlns=", "image/svg+xml"),
        (b"17:02 E0417", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_what_a_file_is(beginning: bytes, media_type: str | None) -> None:
    assert recognised_media_type(beginning) == media_type
