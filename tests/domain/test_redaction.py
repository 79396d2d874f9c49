"""Taking values out of texts: whole values only, in any case, and in JSON only within strings."""

import pytest

from helpdesk_api.domain.redaction import Redactor, is_telling

REDACTOR = Redactor(["Luca Ferri", "luca@alpine.example", "+390669821234", 'Jo "Ace" O\\Neil'])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Luca Ferri called", "[erased] called"),
        ("LUCA FERRI, luca  ferri", "[erased], [erased]"),
        ("Luca\nFerri", "[erased]"),
        ("Luca Ferrini", "Luca Ferrini"),
        ("Gianluca Ferri", "Gianluca Ferri"),
        ("mail Luca@Alpine.example.", "mail [erased]."),
        ("<luca@alpine.example>", "<[erased]>"),
        ("x.luca@alpine.example", "x.luca@alpine.example"),
        ("luca@alpine.example.org", "luca@alpine.example.org"),
        ("tel:+390669821234", "tel:[erased]"),
        ("+3906698212345", "+3906698212345"),
        ("nothing of the kind", "nothing of the kind"),
        ("", ""),
    ],
)
def test_a_value_is_taken_out_where_it_stands_as_a_whole(text: str, left: str) -> None:
    assert REDACTOR.text(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"a": "Luca Ferri", "n": 1.10}', '{"a": "[erased]", "n": 1.10}'),
        ('["Jo \\"Ace\\" O\\\\Neil", null]', '["[erased]", null]'),
        ('{"n": 0.12345678901234567890, "s": "caf\u00e9"}', '{"n": 0.12345678901234567890, "s": "caf\u00e9"}'),
        ('{"a": ["x", "luca@alpine.example!"]}', '{"a": ["x", "[erased]!"]}'),
        ("[]", "[]"),
    ],
)
def test_in_json_only_strings_change_and_numbers_stay_as_they_were_written(text: str, left: str) -> None:
    assert REDACTOR.json(text) == left


def test_without_values_nothing_changes() -> None:
    assert Redactor(["", "  "]).text("Luca Ferri") == "Luca Ferri"


@pytest.mark.parametrize(
    ("value", "telling"),
    [("Luca Ferri", True), ("Luca", False), ("a@b.example", True), ("+390669821234", True), ("112", False)],
)
def test_a_single_word_and_a_short_number_tell_of_too_many(value: str, telling: bool) -> None:  # noqa: FBT001 - a case.
    assert is_telling(value) is telling
