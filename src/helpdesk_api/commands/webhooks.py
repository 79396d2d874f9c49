"""`helpdesk webhooks`: what developers of receivers need on their own machine."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from helpdesk_api.commands.frame import AsJSON, CommandError, print_json
from helpdesk_api.ops.replay_client import APIError
from helpdesk_api.ops.webhook_listener import Forwarded, Tunnel, listening
from helpdesk_api.webhooks.payload_versions import PAYLOAD_VERSIONS
from helpdesk_api.webhooks.signing import SECRET_PREFIX, SigningKeys, new_secret, sign

app = typer.Typer(no_args_is_help=True, help="Receive a tenant's webhooks on this machine.")


@app.callback()
def group() -> None:
    """Keep `listen` a command of its own, also while there is no other."""


def _secret(text: str) -> str:
    try:
        sign([SigningKeys(text)], "msg", 0, b"")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text if text.startswith(SECRET_PREFIX) else SECRET_PREFIX + text


def _version(name: str) -> str:
    if name not in PAYLOAD_VERSIONS.names:
        message = f"there are the payload versions {', '.join(PAYLOAD_VERSIONS.names)}"
        raise typer.BadParameter(message)
    return name


@app.command("listen")
def listen(
    *,
    forward: Annotated[str, typer.Option(metavar="URL", help="Where the receiver listens on this machine.")],
    key: Annotated[str, typer.Option(envvar="HELPDESK_KEY", help="An API key that may follow the feed: events:read.")],
    url: Annotated[str, typer.Option(envvar="HELPDESK_URL", help="The server.")] = "http://127.0.0.1:8000",
    event_type: Annotated[
        list[str] | None,
        typer.Option("--type", help="Such as ticket.created or ticket.*; repeat it for more.", show_default="all"),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(parser=_secret, metavar="SECRET", help="What signs; without, one is made and printed."),
    ] = None,
    after: Annotated[
        str, typer.Option(metavar="CURSOR", help="Where to begin: a cursor of an earlier run, or `end` for what comes.")
    ] = "end",
    payload_version: Annotated[
        str, typer.Option(parser=_version, metavar="DATE", help="In which form, as of an endpoint.")
    ] = PAYLOAD_VERSIONS.newest,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many events.")] = None,
    as_json: AsJSON = False,
) -> None:
    """Forward what happens to a tenant to a local receiver, signed like webhooks, and show it live.

    Nothing has to reach this machine from outside. Each event is tried once; Ctrl-C ends it and prints the cursor that
    --after goes on from.
    """
    signing = SigningKeys(secret or new_secret())
    tunnel = Tunnel(url, key, forward, signing, tuple(event_type or ()), payload_version)
    console = Console(stderr=as_json, highlight=False)
    console.print(
        Text(f"Forwarding {', '.join(tunnel.event_types) or 'every event'} of {url} to {forward}"), soft_wrap=True
    )
    console.print(Text(f"Signed with {signing.secret}"), soft_wrap=True)
    try:
        cursor = asyncio.run(_listen(tunnel, after, limit, console, as_json=as_json))
    except APIError as error:
        raise CommandError(str(error)) from error
    console.print(Text(f"To go on from here: --after {cursor}"), soft_wrap=True)


async def _listen(tunnel: Tunnel, after: str, limit: int | None, console: Console, *, as_json: bool) -> str:
    def show(forwarded: Forwarded) -> None:
        if as_json:
            print_json(_told(forwarded))
        else:
            console.print(_line(forwarded), soft_wrap=True)

    def lost(trouble: str) -> None:
        console.print(Text(trouble, "yellow"), soft_wrap=True)

    async with listening(tunnel, after=after) as listener:
        # Ctrl-C cancels this: what was forwarded of a page that is not finished comes again, which receivers expect.
        with suppress(asyncio.CancelledError):
            await listener.follow(show, lost, limit=limit)
        return listener.cursor


def _told(forwarded: Forwarded) -> dict[str, object]:
    event = forwarded.event
    return {
        "id": event["id"],
        "type": event["type"],
        "object_id": event["object_id"],
        "status": forwarded.status,
        "error": forwarded.error,
        "duration_ms": round(1_000 * forwarded.seconds),
    }


def _line(forwarded: Forwarded) -> Text:
    event = forwarded.event
    outcome = str(forwarded.status or forwarded.error)
    return Text.assemble(
        (datetime.now(UTC).strftime("%H:%M:%SZ"), "dim"),
        f"  {event['type']:<32} {event['object_type']} {event['object_id']}  ",
        (outcome, "green" if forwarded.succeeded else "bold red"),
        (f"  {round(1_000 * forwarded.seconds)} ms", "dim"),
    )
