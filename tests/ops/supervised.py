"""A process that supervises three stand-ins, for tests that signal it: tells their process ids, then waits for its end.

Its argument is a directory for logs. The first stand-in says that it stops, the second dies of the polite request, the
third ignores it.
"""

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL

from helpdesk_api.ops.supervisor import Child, Supervisor
from helpdesk_api.ops.supervisor_launch import launched
from tests.ops.processes import once_written

STAND_INS = {
    "first": "signal.signal(signal.SIGTERM, lambda *_: (print('first stops', flush=True), sys.exit()))",
    "second": "",
    "third": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
}


async def main(directory: Path) -> None:
    supervisor = Supervisor(told=lambda text: _write(sys.stderr.fileno(), text), grace=timedelta(seconds=0.5))
    async with supervisor.stopping_on_signals():
        for name, habit in STAND_INS.items():
            script = f"import signal, sys, time\n{habit}\nprint('{name} runs', flush=True)\ntime.sleep(600)"
            argv = launched((sys.executable, "-c", script), death_signal=SIGKILL)
            child = Child(name, argv, os.environ, directory / f"{name}.log")
            await supervisor.start(child, is_ready=once_written(child.log_path))
        _write(sys.stdout.fileno(), json.dumps(supervisor.pids))
        await supervisor.wait()
        await supervisor.stop()


def _write(descriptor: int, line: str) -> None:
    os.write(descriptor, f"{line}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
