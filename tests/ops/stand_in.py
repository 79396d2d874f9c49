"""Stands in for the `helpdesk` command: the subcommands that `helpdesk up` calls, each doing as little as possible.

Every call is noted in the data directory. STAND_IN_FAILS="worker 78" makes that subcommand end with that code.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Answer /readyz, and on any other path what this process was told by its environment."""

    def do_GET(self) -> None:
        told = {name: value for name, value in os.environ.items() if name.startswith("HELPDESK_")}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}" if self.path == "/readyz" else json.dumps(told).encode())


def main(name: str) -> None:
    with (Path(os.environ["HELPDESK_DATA_DIR"]) / "calls").open("a", encoding="ascii") as calls:
        calls.write(f"{name}\n")
    failing, _, code = os.environ.get("STAND_IN_FAILS", "").partition(" ")
    if failing == name:
        sys.stderr.write(f"{name} has a reason\n")
        sys.exit(int(code))
    if name == "demo":
        sys.stdout.write(json.dumps({"tenant": "Demo", "key": f"hd_{os.getpid()}"}) + "\n")
    if name == "serve":
        HTTPServer((os.environ["HELPDESK_HOST"], int(os.environ["HELPDESK_PORT"])), Handler).serve_forever()
    if name == "worker":
        time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1])
