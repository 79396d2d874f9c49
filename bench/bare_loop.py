"""The floor of webhooks: a loop that posts bodies with httpx2, one after the other over one connection."""

import asyncio
import json
import sys
from pathlib import Path

import httpx2

HEADERS = {"content-type": "application/json", "user-agent": "bench"}


async def main(port: str, contents: list[bytes]) -> None:
    """Post every body."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        for content in contents:
            answer = await client.post(f"http://127.0.0.1:{port}/hooks", content=content, headers=HEADERS)
            answer.raise_for_status()


if __name__ == "__main__":
    bodies = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    asyncio.run(main(sys.argv[1], [body.encode() for body in bodies]))
