"""The languages that people are answered in, and which of them a request asks for (RFC 9110 section 12.5.4)."""

import re
from typing import Final, Literal

Language = Literal["en", "ru", "es"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "ru", "es")

_RANGE: Final = re.compile(r"([a-zA-Z]{1,8}|\*)(?:-[a-zA-Z0-9]{1,8})*(?:\s*;\s*[qQ]=(0(?:\.\d{1,3})?|1(?:\.0{1,3})?))?")


def preferred(accepted: str | None, *, otherwise: Language) -> Language:
    """Give the language that a header `Accept-Language` prefers; `otherwise` when it names none that we speak.

    What cannot be read in the header is passed over: an answer in another language is still an answer.
    """
    weights: dict[str, float] = {}
    for part in (accepted or "").split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is not None:
            weights.setdefault(found[1].lower(), float(found[2] or 1))
    spoken = {language: weights.get(language, 0.0) for language in LANGUAGES}
    best = max(spoken, key=lambda language: (spoken[language], language == otherwise))
    return best if spoken[best] > 0 else otherwise
