import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpdesk_api.domain.errors import Kind, MalformedError
from helpdesk_api.kit.strict_json import (
    DuplicateKeyError,
    EmptyBodyError,
    InvalidEncodingError,
    InvalidJSONError,
    NestedTooDeepError,
    NumberOutOfRangeError,
    UnstorableCharacterError,
    loads,
)

HOSTILE = {
    "nothing": (b"", EmptyBodyError),
    "white space only": (b" \r\n\t", EmptyBodyError),
    "a byte order mark": (b'\xef\xbb\xbf{"a": 1}', InvalidEncodingError),
    "UTF-16 with a mark": ('{"a": 1}'.encode("utf-16"), InvalidEncodingError),
    "UTF-16 without a mark": ('{"a": 1}'.encode("utf-16-le"), InvalidEncodingError),
    "UTF-32 without a mark": ('{"a": 1}'.encode("utf-32-be"), InvalidEncodingError),
    "Latin-1": ('"Müller"'.encode("latin-1"), InvalidEncodingError),
    "an overlong encoding": (b'"\xc0\xaf"', InvalidEncodingError),
    "a surrogate encoded in UTF-8": (b'"\xed\xa0\x80"', InvalidEncodingError),
    "a raw NUL in a string": (b'"a\0b"', InvalidEncodingError),
    "truncated object": (b'{"a": ', InvalidJSONError),
    "truncated string": (b'{"a": "b', InvalidJSONError),
    "truncated escape": (b'"\\u12', InvalidJSONError),
    "trailing text": (b"{} {}", InvalidJSONError),
    "trailing comma": (b"[1,]", InvalidJSONError),
    "single quotes": (b"{'a': 1}", InvalidJSONError),
    "a comment": (b"{} // yes", InvalidJSONError),
    "a raw newline in a string": (b'"a\nb"', InvalidJSONError),
    "a leading zero": (b"[01]", InvalidJSONError),
    "a bare word": (b"undefined", InvalidJSONError),
    "a form feed as white space": (b"\x0c1", InvalidJSONError),
    "mismatched brackets beyond the depth limit": (b"[}" * 40, InvalidJSONError),
    "a key twice": (b'{"a": 1, "a": 1}', DuplicateKeyError),
    "a key twice, once escaped": (b'{"a": 1, "\\u0061": 2}', DuplicateKeyError),
    "a key twice, deep inside": (b'[{"x": {"b": 1, "c": 2, "b": 3}}]', DuplicateKeyError),
    "NaN": (b'{"a": NaN}', NumberOutOfRangeError),
    "Infinity": (b"Infinity", NumberOutOfRangeError),
    "-Infinity": (b"[-Infinity]", NumberOutOfRangeError),
    "1e999": (b'{"a": 1e999}', NumberOutOfRangeError),
    "-1e999": (b"-1e999", NumberOutOfRangeError),
    "2^63": (str(2**63).encode(), NumberOutOfRangeError),
    "-2^63 - 1": (str(-(2**63) - 1).encode(), NumberOutOfRangeError),
    "2^70": (str(2**70).encode(), NumberOutOfRangeError),
    "an integer of 10,000 digits": (b"9" * 10_000, NumberOutOfRangeError),
    "depth 33": (b"[" * 33 + b"]" * 33, NestedTooDeepError),
    "depth 1,000": (b"[" * 1_000 + b"]" * 1_000, NestedTooDeepError),
    "depth 100,000": (b"[" * 100_000 + b"]" * 100_000, NestedTooDeepError),
    "depth 100,000 in objects": (b'{"a":' * 100_000, NestedTooDeepError),
    "depth after a string full of quotes and brackets": (b'["\\"]]]]", ' + b"[" * 40, NestedTooDeepError),
    "400,000 escaped quotes in a string without end": (b"[" * 32 + b'"[' + b'\\"' * 400_000, InvalidJSONError),
    "an escaped NUL": (b'"a\\u0000b"', UnstorableCharacterError),
    "an escaped NUL in a key": (b'{"a\\u0000": 1}', UnstorableCharacterError),
    "a lone high surrogate": (b'{"a": ["\\ud800"]}', UnstorableCharacterError),
    "a lone low surrogate": (b'"\\uDC00"', UnstorableCharacterError),
    "surrogates in the wrong order": (b'"\\udc00\\ud800"', UnstorableCharacterError),
    "a lone surrogate in a key": (b'{"\\uDBFF": 1}', UnstorableCharacterError),
}


@pytest.mark.parametrize(("raw", "refusal"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_input_is_refused_with_its_own_code(raw: bytes, refusal: type[MalformedError]) -> None:
    with pytest.raises(MalformedError) as caught:
        loads(raw)

    assert type(caught.value) is refusal
    assert caught.value.kind is Kind.MALFORMED
    assert len(caught.value.detail) <= 160
    assert caught.value.detail.isprintable()


ACCEPTED = {
    "an object": (b'{"a": [1, -2.5, "x", true, false, null]}', {"a": [1, -2.5, "x", True, False, None]}),
    "any type at the top": (b' "x" ', "x"),
    "the largest integer": (str(2**63 - 1).encode(), 2**63 - 1),
    "the smallest integer": (str(-(2**63)).encode(), -(2**63)),
    "an emoji as a surrogate pair": (b'"\\ud83d\\ude00"', "😀"),
    "an emoji in UTF-8": ('"😀"'.encode(), "😀"),
    "an escaped backslash before u0000": (b'"\\\\u0000"', "\\u0000"),
    "an escaped backslash before ud800": (b'["\\\\ud800"]', ["\\ud800"]),
    "the same key in two objects": (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
    "many brackets in a string": (b'["' + b"[{" * 100 + b'"]', ["[{" * 100]),
    "many objects side by side": (b"[" + b",".join([b"{}"] * 100) + b"]", [{}] * 100),
}


@pytest.mark.parametrize(("raw", "value"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_plain_json_becomes_its_value(raw: bytes, value: object) -> None:
    assert loads(raw) == value


def test_thirty_two_levels_are_read() -> None:
    value = loads(b'{"a":[' * 16 + b"]}" * 16)

    assert json.dumps(value, separators=(",", ":")) == '{"a":[' * 16 + "]}" * 16


def test_a_syntax_error_tells_line_and_column() -> None:
    with pytest.raises(InvalidJSONError) as caught:
        loads(b'{\n  "a" 1}')

    assert caught.value.detail == "The body is not JSON at line 2, column 7: Expecting ':' delimiter."
    assert caught.value.params == {"line": 2, "column": 7}


def test_an_encoding_error_tells_the_byte() -> None:
    with pytest.raises(InvalidEncodingError) as caught:
        loads(b'{"a": "\xff"}')

    assert caught.value.detail == "The body is not UTF-8 at byte 7."
    assert caught.value.params == {"byte": 7}


def test_a_duplicate_key_is_named_in_safe_characters() -> None:
    with pytest.raises(DuplicateKeyError) as caught:
        loads(b'{"a": 0, "\\u001b[2J\\ud800": 1, "\\u001b[2J\\ud800": 2}')

    assert caught.value.detail == "The key '\\x1b[2J\\ud800' stands twice in one object."


def test_a_long_number_is_shown_by_its_beginning() -> None:
    with pytest.raises(NumberOutOfRangeError) as caught:
        loads(b"[" + b"7" * 1_000 + b"]")

    assert caught.value.detail == f"The integer '{'7' * 40}'… does not fit into 64 bits."


def test_an_unstorable_text_is_found_by_its_pointer() -> None:
    with pytest.raises(UnstorableCharacterError) as caught:
        loads(b'{"items": [0, {"a/b~c": "ok \\u0000"}]}')

    assert caught.value.detail == "The text holds U+0000 at index 3, which cannot be stored."
    assert [error.pointer for error in caught.value.errors] == ["/items/1/a~1b~0c"]


_JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(derandomize=True, database=None, max_examples=150, deadline=None)
@given(value=_JSON_VALUES, ensure_ascii=st.booleans())
def test_whatever_the_standard_library_writes_is_read_back(value: object, *, ensure_ascii: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=ensure_ascii).encode()) == value


@settings(derandomize=True, database=None, max_examples=300, deadline=None)
@given(raw=st.binary(max_size=60) | st.text('[]{}":,\\u0d81eE+-.9 tfn').map(str.encode))
def test_any_bytes_are_read_or_refused_as_malformed(raw: bytes) -> None:
    try:
        value = loads(raw)
    except MalformedError:
        return

    assert not isinstance(value, float) or math.isfinite(value)
    json.dumps(value, ensure_ascii=False).encode()
