"""How much a guarantee is tested, and the one line that says what came of it."""

import os

SCALE = int(os.environ.get("GUARANTEE_SCALE", "1"))


def tell(name: str, *, n: int, faults: int, lost: int, dup: int, **more: object) -> None:
    """Print what was tried and what was found; pytest shows it with `-s` or `-rP`."""
    figures = {"n": n, "faults": faults, "lost": lost, "dup": dup, **more}
    print(f"\nGUARANTEE {name}", *(f"{key}={value}" for key, value in figures.items()))  # noqa: T201 - for who runs it.
