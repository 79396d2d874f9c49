"""The headers of a download: whatever a file holds, a browser saves it and runs none of it."""

import unicodedata
from collections.abc import Mapping
from urllib.parse import quote

from helpdesk_api.domain.file_names import UNKNOWN
from helpdesk_api.files.schemas import File

_UNQUOTED = frozenset('"\\%')


def download_headers(file: File) -> Mapping[str, str]:
    """Give the headers that a file is sent with.

    The type that its sender named is not among them: no browser is told that something is a page. That none is to
    guess is said by the edge of the process, with every answer.
    """
    return {
        "content-type": UNKNOWN,
        "content-length": str(file.size_bytes),
        "content-disposition": disposition(file.name),
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, no-cache",
        "etag": f'"{file.sha256}"',
    }


def disposition(name: str) -> str:
    """Say that a file is to be saved, and under which name (RFC 6266, RFC 8187)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "replace").decode()
    fallback = "".join("_" if letter in _UNQUOTED or letter == "?" else letter for letter in plain)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe='')}"
