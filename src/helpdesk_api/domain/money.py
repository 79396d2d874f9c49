"""Money: amounts in the smallest unit of their currency, lines with discount and VAT, and what they add up to.

There is one rule of rounding, and one place for it. What a line comes to is reckoned exactly and rounded where it
becomes an amount of money: the value of the line, its discount, its VAT. A half goes away from zero, so that a line and
its correction always cancel out. Totals are sums of what the lines say and are never rounded again: every part of a
document adds up by itself, and so does a document with its corrections.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from helpdesk_api.domain.errors import InvalidError

NOTHING: Final = Decimal(0)
_HUNDRED: Final = 100

# ISO 4217: every currency that people pay with, by how many decimals its smallest unit is of.
_OF_NONE: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_OF_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"
_OF_TWO: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP "
    "CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES "
    "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK "
    "NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB "
    "TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
CURRENCIES: Final = {
    name: decimals for decimals, names in ((0, _OF_NONE), (2, _OF_TWO), (3, _OF_THREE)) for name in names.split()
}


class UnknownCurrencyError(InvalidError):
    """There is no such currency in ISO 4217."""

    code = "unknown_currency"
    title = "There is no such currency"


class DiscountTooLargeError(InvalidError):
    """A discount takes away more than there is."""

    code = "discount_too_large"
    title = "The discount is more than the line comes to"


@dataclass(frozen=True, slots=True)
class Line:
    """So much of something at a price; a percentage is taken off first, and an amount of what is left then.

    Of labour the quantity is a fraction of an hour, which may have no end as a decimal.
    """

    quantity: Decimal | Fraction
    price: Decimal
    vat_rate: Decimal
    discount_percent: Decimal = NOTHING
    discount_amount: Decimal = NOTHING


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a line comes to: without VAT, the VAT, and both; `discount` is what was taken off the price that is said."""

    discount: Decimal
    net: Decimal
    vat: Decimal
    gross: Decimal

    def __neg__(self) -> "Amounts":
        """Give what takes it back."""
        return Amounts(-self.discount, -self.net, -self.vat, -self.gross)


@dataclass(frozen=True, slots=True)
class RateTotal:
    """What the lines of one rate of VAT come to."""

    vat_rate: Decimal
    net: Decimal
    vat: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """What all lines come to, and that by rate of VAT, the lowest first."""

    net: Decimal
    vat: Decimal
    gross: Decimal
    by_rate: tuple[RateTotal, ...]


def decimals_of(currency: str) -> int:
    """Tell how many decimals amounts in a currency have; raises UnknownCurrencyError."""
    if currency not in CURRENCIES:
        message = f"There is no currency {currency!r}."
        raise UnknownCurrencyError(message, pointer="/currency")
    return CURRENCIES[currency]


def rounded(value: Fraction | Decimal, currency: str) -> Decimal:
    """Round to the smallest unit of a currency, a half away from zero."""
    decimals = decimals_of(currency)
    return Decimal(_whole(Fraction(value) * 10**decimals)).scaleb(-decimals)


def smallest_units(amount: Decimal, currency: str) -> int:
    """Give an amount as a whole number of the smallest unit of its currency, as ledgers count."""
    return _whole(Fraction(amount) * 10 ** decimals_of(currency))


def amounts_of(line: Line, currency: str, *, prices_include_vat: bool) -> Amounts:
    """Reckon what a line comes to; raises DiscountTooLargeError and UnknownCurrencyError."""
    value = rounded(Fraction(line.quantity) * Fraction(line.price), currency)
    percentage = rounded(Fraction(value) * Fraction(line.discount_percent) / _HUNDRED, currency)
    discount = percentage + rounded(line.discount_amount, currency)
    if not min(value, NOTHING) <= discount <= max(value, NOTHING):
        message = f"A discount of {discount} is more than the {value} that the line comes to."
        raise DiscountTooLargeError(message, pointer="/discount_amount")
    said, rate = value - discount, Fraction(line.vat_rate)
    if prices_include_vat:
        vat = rounded(Fraction(said) * rate / (_HUNDRED + rate), currency)
        return Amounts(discount, said - vat, vat, said)
    vat = rounded(Fraction(said) * rate / _HUNDRED, currency)
    return Amounts(discount, said, vat, said + vat)


def totals(lines: Iterable[tuple[Decimal, Amounts]]) -> Totals:
    """Add up lines of one currency, each with its rate of VAT."""
    by_rate: dict[Decimal, list[Amounts]] = defaultdict(list)
    for rate, amounts in lines:
        by_rate[rate].append(amounts)
    parts = tuple(
        RateTotal(
            rate,
            sum((each.net for each in by_rate[rate]), NOTHING),
            sum((each.vat for each in by_rate[rate]), NOTHING),
            sum((each.gross for each in by_rate[rate]), NOTHING),
        )
        for rate in sorted(by_rate)
    )
    return Totals(
        sum((part.net for part in parts), NOTHING),
        sum((part.vat for part in parts), NOTHING),
        sum((part.gross for part in parts), NOTHING),
        parts,
    )


def _whole(value: Fraction) -> int:
    """Round to a whole number, a half away from zero."""
    magnitude = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return magnitude if value >= 0 else -magnitude
