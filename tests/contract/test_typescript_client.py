"""The TypeScript client that an integrator would generate: it compiles strictly and works against a running server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stage import Client

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / "tools" / "client" / "node_modules" / ".installed-lock"


@pytest.mark.skipif(not INSTALLED.exists(), reason="`make client` installs the compiler and then runs this")
def test_the_generated_client_creates_a_ticket(api: Client) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "typescript_client.py", "create-ticket"],
        env={**os.environ, "HELPDESK_URL": str(api.base_url), "HELPDESK_KEY": api.key},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    printed = json.loads(done.stdout[done.stdout.index("\n{\n") :])
    (ticket,) = api.get("/v1/tickets").json()["data"]
    assert printed["id"] == ticket["id"]
    assert ticket["subject"] == "The printer on the second floor is out of toner"
