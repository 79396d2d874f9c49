"""JMESPath with bounds: whatever the expression and whatever the value, the answer comes soon and is JSON."""

import time

import pytest

from helpdesk_api.kit.expressions import Budget, ExpressionError, check_expression, evaluate

ALERT = {"labels": {"job": "http", "severity": "page"}, "values": [1, 2, 3], "text": "x" * 500_000}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("labels.job", "http"),
        ("labels.missing", None),
        ("contains(['critical', 'page'], labels.severity) && 'urgent' || 'normal'", "urgent"),
        ('join(`"\\n"`, [labels.job, labels.missing, labels.severity][?@])', "http\npage"),
        ("values[?@ > `1`]", [2, 3]),
        ("{kind: labels.job}", {"kind": "http"}),
    ],
)
def test_expressions_find_what_the_language_says(expression: str, found: object) -> None:
    assert evaluate(check_expression(expression), ALERT, Budget()) == found


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "a[",
        "a b",
        "length(@",
        "!" * 900,
        "[" * 900,
        "`" + "[" * 400,
        "a" * 1_001,
        "a||" * 300 + "a",
        "\0",
        "'",
        "@.@",
    ],
)
def test_what_is_no_expression_or_too_deep_is_refused_when_it_is_written(expression: str) -> None:
    with pytest.raises(ValueError, match=r"JMESPath|longer|deeper"):
        check_expression(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "|".join(["[@,@][]"] * 20),
        "|".join(["[@,@]"] * 30) + "|to_string(@)",
        "[" + ",".join(["text"] * 400) + "]",
        "join(text, values[].to_string(@)) | [@,@,@,@] | join(text, @)",
        "floor(to_number('1e999'))",
        "to_number('1e999')",
        "`NaN`",
        "&labels",
        "values[::0]",
        "abs(text)",
        "nothing(@)",
        "values[*].sort_by(@, &@)",
    ],
)
def test_what_costs_too_much_or_gives_no_json_is_refused_soon(expression: str) -> None:
    begun = time.process_time()

    with pytest.raises(ExpressionError):
        evaluate(expression, ALERT, Budget())

    assert time.process_time() - begun < 1


def test_several_evaluations_share_what_they_may_cost() -> None:
    budget = Budget(20)
    assert evaluate("values", ALERT, budget) == [1, 2, 3]

    with pytest.raises(ExpressionError, match="takes too long"):
        evaluate("[values, values, values, values, values, values]", ALERT, budget)
