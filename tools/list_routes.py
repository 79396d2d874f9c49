"""Print the routes of an OpenAPI document, read from standard input, one line each in the order of their paths."""

import json
import sys
from collections.abc import Iterator

METHODS = ("get", "post", "put", "patch", "delete")


def rows(document: dict[str, dict[str, dict[str, dict[str, str]]]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield method, path, operation id and summary of every operation."""
    for path, operations in sorted(document["paths"].items()):
        for method in METHODS:
            if operation := operations.get(method):
                yield method.upper(), path, operation.get("operationId", "-"), operation.get("summary", "")


def main() -> None:
    """Print the table, its columns as wide as their longest cell."""
    table = list(rows(json.load(sys.stdin)))
    width_of_path = max((len(path) for _, path, _, _ in table), default=0)
    width_of_id = max((len(operation_id) for _, _, operation_id, _ in table), default=0)
    for method, path, operation_id, summary in table:
        print(f"{method:<6} {path:<{width_of_path}}  {operation_id:<{width_of_id}}  {summary}".rstrip())
    print(f"{len(table)} routes")


if __name__ == "__main__":
    main()
