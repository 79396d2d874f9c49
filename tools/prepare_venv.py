"""Make the virtual environment that every other command runs in.

Owns the way from a bare Python to a working `.venv`: creation, installation from a hashed lock, and the record that
lets the next call return at once. It runs before anything is installed, so it is limited to the standard library. What
is installed is decided by the lock files; which lock, and whether Python is new enough, by the Makefile.
"""

import argparse
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
BUILD_LOCK = LOCKS / "build.txt"
# The lock named first holds everything that the others after it hold.
COVERS = {"dev": ("dev", "embedded"), "embedded": ("embedded",)}


def main() -> int:
    """Prepare the environment for one lock, say what happens, and answer the exit code."""
    parser = argparse.ArgumentParser(description="Create or update the project's virtual environment.")
    parser.add_argument("lock", choices=sorted(COVERS), help="which lock of requirements/ to install")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the environment lives")
    arguments = parser.parse_args()
    lock: str = arguments.lock
    home: Path = arguments.venv.absolute()
    if is_ready(home, lock):
        return 0
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(home.name + ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        # Another call may have done the work while this one waited.
        if is_ready(home, lock) or prepare(home, lock):
            return 0
    return 1


def prepare(home: Path, lock: str) -> bool:
    """Create the environment where it is missing or was copied from elsewhere, then install the lock into it."""
    began = time.monotonic()
    if not belongs_here(home):
        say(f"Creating the virtual environment {home.name} with Python {sys.version.split()[0]} ...")
        try:
            venv.create(home, clear=True, with_pip=True, symlinks=True)
        except subprocess.CalledProcessError:
            say("Python could not put pip into it. On Debian and Ubuntu that needs the package python3-venv.")
            return False
        (home / ".made-at").write_text(str(home))
    requirements = LOCKS / f"{lock}.txt"
    count = len(re.findall(r"^[a-z0-9].*==", requirements.read_text(), flags=re.MULTILINE))
    say(f"Installing up to {count} locked packages (the first time they are downloaded) ...")
    hashed = ["--require-hashes", "--requirement", str(requirements), "--requirement", str(BUILD_LOCK)]
    if not pip_install(home, *hashed) or not pip_install(
        home, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)
    ):
        return False
    for covered in COVERS[lock]:
        (home / f".ready-{covered}").write_text(fingerprint(covered))
    say(f"The environment is ready ({time.monotonic() - began:.0f} s).")
    return True


def is_ready(home: Path, lock: str) -> bool:
    """Tell whether the environment stands, is this tree's own, and was installed from the lock as it is now."""
    return belongs_here(home) and read(home / f".ready-{lock}") == fingerprint(lock)


def belongs_here(home: Path) -> bool:
    """Tell whether the environment works in this place: a copied or moved one still runs the code it came from."""
    return os.access(home / "bin" / "python", os.X_OK) and read(home / ".made-at") == str(home)


def fingerprint(lock: str) -> str:
    """Name the state of a lock by its content, so that a mere checkout of the same files installs nothing."""
    return hashlib.sha256((LOCKS / f"{lock}.txt").read_bytes() + BUILD_LOCK.read_bytes()).hexdigest()


def pip_install(home: Path, *arguments: str) -> bool:
    """Run one `pip install`, turning its chatter into a counter; where it fails, show its last words."""
    command = [
        str(home / "bin" / "python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "install",
        *arguments,
    ]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    lines: list[str] = []
    collected = 0
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if line.startswith("Collecting "):
                collected += 1
                show_progress(f"  {collected} {line.split()[1].split('==')[0]}")
            elif line.startswith("Installing collected packages"):
                show_progress("  unpacking ...")
    show_progress("")
    if process.returncode == 0:
        return True
    say("pip could not install. Its last words:", *lines[-20:])
    return False


def show_progress(text: str) -> None:
    """Rewrite the last line of a terminal; a log file is spared."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)


def say(*lines: str) -> None:
    """Print at once, also into a pipe."""
    print(*lines, sep="\n  ", flush=True)


def read(path: Path) -> str:
    """Read a small record; a missing one reads as empty."""
    try:
        return path.read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
