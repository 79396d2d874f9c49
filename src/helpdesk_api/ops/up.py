"""`helpdesk up`: the whole product on one machine, from an empty directory to a panel with an address and a key.

This module holds the frame: settings, the lock, the port, and supervision until somebody asks to stop or a child cannot
be kept. The steps in between are in `up_steps`, what is shown in `panel`.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from helpdesk_api.ops.embedded import EmbeddedError, make_data_dir
from helpdesk_api.ops.embedded_engine import free_port, port_is_free
from helpdesk_api.ops.panel import Screen
from helpdesk_api.ops.supervisor import ChildFailedError, StoppedError, Supervisor
from helpdesk_api.ops.up_commands import CommandFailedError
from helpdesk_api.ops.up_lock import only_instance
from helpdesk_api.ops.up_running import chosen_data_dir, told_while_running
from helpdesk_api.ops.up_steps import Plan, start_product
from helpdesk_api.settings import EXIT_BAD_CONFIGURATION, ConfigurationError, load_settings

HELPDESK = (sys.executable, "-m", "helpdesk_api")


def up(
    *,
    data_dir: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    with_demo: bool = True,
    with_logs: bool = False,
    as_json: bool = False,
    environ: Mapping[str, str] = os.environ,
    helpdesk: tuple[str, ...] = HELPDESK,
) -> int:
    """Run the product until it is told to stop and return the exit code: 0 stopped, 1 failed, 78 bad configuration.

    What is not given comes from the environment. `with_logs` shows what the children write; `as_json` prints one line
    for scripts on standard output, once all is ready, and everything else on standard error; `helpdesk` is the command
    that the children are subcommands of.
    """
    screen = Screen(Console(stderr=as_json, highlight=False))
    try:
        settings = load_settings(environ)
        place = data_dir or chosen_data_dir(environ)
        make_data_dir(place)
        plan = Plan(
            data_dir=place.resolve(),
            host=host or settings.host,
            port=(settings.port if port is None else port) or free_port(),
            with_demo=with_demo,
            settings=settings,
            environ=environ,
            helpdesk=helpdesk,
        )
        with only_instance(plan.data_dir, plan.url), told_while_running(plan.data_dir):
            _require_free_port(plan)
            return asyncio.run(_run(plan, screen, with_logs=with_logs, as_json=as_json))
    except ConfigurationError as error:
        screen.say_problem("\n".join(error.problems))
        return EXIT_BAD_CONFIGURATION
    except (EmbeddedError, OSError) as error:
        screen.say_problem(str(error))
        return 1


def _require_free_port(plan: Plan) -> None:
    if not port_is_free(plan.host, plan.port):
        message = (
            f"port {plan.port} on {plan.host} is taken by another program; "
            f"choose another with HELPDESK_PORT or --port, for example HELPDESK_PORT={free_port()}"
        )
        raise EmbeddedError(message)


async def _run(plan: Plan, screen: Screen, *, with_logs: bool, as_json: bool) -> int:
    supervisor = Supervisor(told=screen.say, heard=screen.say_line_of if with_logs else lambda _name, _line: None)
    exit_code = 0
    async with supervisor.stopping_on_signals():
        try:
            running = await supervisor.unless_stopped(start_product(plan, supervisor, screen))
            if as_json:
                sys.stdout.write(running.as_json() + "\n")
                sys.stdout.flush()
            else:
                screen.show(running)
            await supervisor.wait()
        except StoppedError:
            pass
        except (ChildFailedError, CommandFailedError, EmbeddedError, OSError) as error:
            screen.say_problem(str(error))
            exit_code = 1
        if supervisor.pids:
            with screen.step(f"Stopping {', '.join(reversed(supervisor.pids))}", done="stopped"):
                await supervisor.stop()
    return exit_code
