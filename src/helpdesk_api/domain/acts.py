"""Acts: what was done for a client and what it comes to, as a document that is the same bytes for good.

An act is one value, written as canonical JSON: members sorted, no spaces, decimals as text. Its SHA-256 names it. The
table and the page are made from that value and from nothing else, so they too are the same bytes at any time.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

Document = Mapping[str, Any]

_COLUMNS: Final = (
    *("number", "ticket_number", "worked_at", "kind", "code", "name", "quantity", "unit", "minutes", "billing"),
    *("price", "discount", "vat_rate", "net", "vat", "gross", "reverses_id", "id"),
)
_SHOWN: Final = (
    ("number", "No."), ("ticket_number", "Ticket"), ("worked_at", "When"), ("code", "Code"), ("name", "What"),
    ("quantity", "Quantity"), ("unit", "Unit"), ("minutes", "Minutes"), ("billing", "Billing"), ("price", "Price"),
    ("discount", "Discount"), ("vat_rate", "VAT %"), ("net", "Net"), ("vat", "VAT"), ("gross", "Total"),
)  # fmt: skip
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_STYLE: Final = (
    "body{font:14px/1.4 sans-serif;margin:2em}table{border-collapse:collapse;width:100%}"
    "th,td{border-bottom:1px solid #999;padding:.3em .5em;text-align:left;vertical-align:top}"
    "td.n{text-align:right;white-space:nowrap}footer{margin-top:2em;font-size:11px;overflow-wrap:anywhere}"
    "@media print{body{margin:0}}"
)


def canonical(document: Document) -> str:
    """Write a document as canonical JSON."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fingerprint(text: str) -> str:
    """Give the SHA-256 of a text in UTF-8, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def as_csv(document: Document) -> str:
    """Write the lines of a document as CSV (RFC 4180), in which no program takes a text for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*_COLUMNS, "currency"])
    for line in document["lines"]:
        writer.writerow([*(_cell(line[name]) for name in _COLUMNS), document["currency"]])
    return out.getvalue()


def as_page(document: Document, sha256: str) -> str:
    """Write a document as an HTML page to be printed, which loads nothing and runs nothing."""
    title = f"Act {document['number']}"
    head = "".join(f"<th>{escape(label)}</th>" for _, label in _SHOWN)
    rows = "".join(_row([line[name] for name, _ in _SHOWN]) for line in document["lines"])
    totals = "".join(
        _row([f"VAT {part['vat_rate']} %", part["net"], part["vat"], part["gross"]]) for part in document["by_rate"]
    )
    due = _row(["To be paid", document["net"], document["vat"], document["gross"]])
    about = "".join(f"<p>{escape(label)}: {escape(value)}</p>" for label, value in _about(document))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{about}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<h2>{escape(document['currency'])}</h2><table><thead><tr><th></th><th>Net</th><th>VAT</th><th>Total</th></tr>"
        f"</thead><tbody>{totals}{due}</tbody></table><footer>SHA-256 {escape(sha256)}</footer></body></html>\n"
    )


def _about(document: Document) -> Sequence[tuple[str, str]]:
    told = [("Issued", document["issued_at"])]
    if document["company_name"] is not None:
        told.append(("Client", document["company_name"]))
    if document["contract_number"] is not None:
        told.append(("Contract", document["contract_number"]))
    if document["starts_on"] is not None:
        told.append(("Period", f"{document['starts_on']} to {document['ends_on']}"))
    return told


def _row(values: Sequence[str | int | None]) -> str:
    return "<tr>" + "".join(_shown(value) for value in values) + "</tr>"


def _shown(value: str | int | None) -> str:
    text = "" if value is None else str(value)
    kind = ' class="n"' if _NUMBER.fullmatch(text) else ""
    return f"<td{kind}>{escape(text)}</td>"


def _cell(value: str | int | None) -> str:
    text = "" if value is None else str(value)
    # An apostrophe makes it a text; what is a number may begin with a minus.
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text
