"""Money: lines, VAT, discounts and totals, against a calculation of its own in whole numbers."""

import random
from decimal import Decimal

import pytest

from helpdesk_api.domain.money import (
    CURRENCIES,
    Amounts,
    DiscountTooLargeError,
    Line,
    UnknownCurrencyError,
    amounts_of,
    rounded,
    smallest_units,
    totals,
)
from tests.guarantees.report import SCALE

ACTS = 200 * SCALE
RATES = (0, 4, 5, 7, 10, 19, 20, 21, 22, 25, 27)


def amounts(line: Line, currency: str = "EUR", *, included: bool = False) -> tuple[str, str, str, str]:
    found = amounts_of(line, currency, prices_include_vat=included)
    return str(found.discount), str(found.net), str(found.vat), str(found.gross)


def half_up(numerator: int, denominator: int) -> int:
    """Divide whole numbers, a half away from zero: by the remainder, which the code under test does not look at."""
    sign = 1 if numerator >= 0 else -1
    quotient, remainder = divmod(abs(numerator), denominator)
    return sign * (quotient + (2 * remainder >= denominator))


@pytest.mark.parametrize(
    ("line", "currency", "included", "expected"),
    [
        (Line(Decimal("1.5"), Decimal(80), Decimal(22)), "EUR", False, ("0.00", "120.00", "26.40", "146.40")),
        (Line(Decimal(1), Decimal("0.005"), Decimal(0)), "EUR", False, ("0.00", "0.01", "0.00", "0.01")),
        (Line(Decimal(-1), Decimal("0.005"), Decimal(0)), "EUR", False, ("0.00", "-0.01", "0.00", "-0.01")),
        (Line(Decimal(1), Decimal(100), Decimal(22)), "EUR", True, ("0.00", "81.97", "18.03", "100.00")),
        (Line(Decimal(3), Decimal("33.33"), Decimal(20), Decimal(10)), "USD", False,
         ("10.00", "89.99", "18.00", "107.99")),
        (Line(Decimal(1), Decimal(5), Decimal(10), Decimal(10), Decimal(2)), "EUR", False,
         ("2.50", "2.50", "0.25", "2.75")),
        (Line(Decimal(7), Decimal("142.5"), Decimal(10)), "JPY", False, ("0", "998", "100", "1098")),
        (Line(Decimal("0.333"), Decimal("10.5"), Decimal(5)), "KWD", False, ("0.000", "3.497", "0.175", "3.672")),
    ],
)  # fmt: skip
def test_a_line_comes_to(line: Line, currency: str, *, included: bool, expected: tuple[str, ...]) -> None:
    assert amounts(line, currency, included=included) == expected


def test_a_discount_takes_no_more_than_there_is() -> None:
    whole = Line(Decimal(1), Decimal(5), Decimal(20), Decimal(100))

    assert amounts(whole) == ("5.00", "0.00", "0.00", "0.00")
    with pytest.raises(DiscountTooLargeError):
        amounts(Line(Decimal(1), Decimal(5), Decimal(20), Decimal(0), Decimal("5.01")))


def test_a_currency_is_one_of_iso_4217() -> None:
    with pytest.raises(UnknownCurrencyError):
        rounded(Decimal(1), "XXX")

    assert {CURRENCIES[name] for name in ("JPY", "EUR", "KWD")} == {0, 2, 3}
    assert [smallest_units(Decimal("12.5"), name) for name in ("JPY", "EUR", "KWD")] == [13, 1250, 12500]


def test_acts_agree_to_the_cent_with_a_calculation_in_whole_numbers() -> None:
    """Prices are of six decimals, quantities of three, percentages and rates of two: all in whole numbers here."""
    chance = random.Random(20261122)
    for number in range(ACTS):
        currency, decimals = chance.choice([("JPY", 0), ("EUR", 2), ("USD", 2), ("KWD", 3)])
        included = chance.random() < 0.5
        said: list[tuple[Decimal, Amounts]] = []
        expected: dict[int, list[int]] = {}
        for _ in range(chance.randint(1, 30)):
            quantity, price = chance.randint(1, 50_000), chance.randint(0, 999_999_999)
            percent, rate = chance.choice([0, 0, 500, 3333, 10_000]), chance.choice(RATES) * 100 + chance.randint(0, 50)
            value = half_up(quantity * price * 10**decimals, 10**9)
            off = half_up(value * percent, 10_000)
            amount = chance.randint(0, value - off)
            left = value - off - amount
            vat = half_up(left * rate, 10_000 + rate if included else 10_000)
            sums = expected.setdefault(rate, [0, 0, 0])
            for place, part in enumerate((left - vat, vat, left) if included else (left, vat, left + vat)):
                sums[place] += part
            line = Line(
                Decimal(quantity).scaleb(-3),
                Decimal(price).scaleb(-6),
                Decimal(rate).scaleb(-2),
                Decimal(percent).scaleb(-2),
                Decimal(amount).scaleb(-decimals),
            )
            found = amounts_of(line, currency, prices_include_vat=included)
            said.append((line.vat_rate, found))

        act = totals(said)
        cents = [[smallest_units(each, currency) for each in (part.net, part.vat, part.gross)] for part in act.by_rate]
        assert cents == [expected[rate] for rate in sorted(expected)], f"act {number}"
        assert [smallest_units(each, currency) for each in (act.net, act.vat, act.gross)] == [
            sum(sums) for sums in zip(*expected.values(), strict=True)
        ]
        corrected = totals([*said, *((rate, -each) for rate, each in said)])
        assert {corrected.net, corrected.vat, corrected.gross} == {Decimal(0)}
