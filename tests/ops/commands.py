"""Running `helpdesk` as an operator does, with nothing but the given configuration.

A command that ends by itself runs in this process, which spares a second of imports; one that is to be signalled gets a
process of its own.
"""

import io
import json
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest

from helpdesk_api import cli
from tests.stage import SaidHere, Services


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    out: str
    said: str

    @property
    def told(self) -> Any:  # noqa: ANN401 - whatever the command prints.
        """Give what it printed for scripts."""
        return json.loads(self.out)


def environment(services: Services | None, **more: str) -> dict[str, str]:
    """Give an environment that holds nothing of this one's configuration."""
    of_services = {} if services is None else {
        "HELPDESK_DATABASE_URL": services.app_url,
        "HELPDESK_MIGRATION_DATABASE_URL": services.owner_url,
        "HELPDESK_REDIS_URL": services.redis_url,
        "HELPDESK_SECRET_KEY": "a secret for tests that signs nothing of worth",
    }  # fmt: skip
    # Nor of a product that runs in this directory: commands would find its database.
    place = {"HELPDESK_DATA_DIR": "nowhere"}
    return {"PATH": os.environ["PATH"], "HOME": "", **place, **of_services, **more}


def command(*arguments: str) -> list[str]:
    """Give the words that start `helpdesk`."""
    return [sys.executable, "-m", "helpdesk_api", *arguments]


def helpdesk(*arguments: str, env: Mapping[str, str]) -> Outcome:
    """Run a command to its end."""
    out, said = io.StringIO(), SaidHere()
    code: Any = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(said):
        for name in os.environ.keys() - env.keys():
            patch.delenv(name)
        for name, value in env.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["helpdesk", *arguments])
        # Otherwise it stays what this process has found out first.
        patch.setattr("tempfile.tempdir", None)
        # The command line replaces it with its own.
        patch.setattr(sys, "excepthook", sys.excepthook)
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    return Outcome(code or 0, out.getvalue(), said.getvalue())
