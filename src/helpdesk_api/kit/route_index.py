"""Finds the routes of a request by the collection that its path names, before anything is matched by pattern.

The framework asks each router in turn, and each asks its routes: a collection that stands last is found by hundreds of
patterns, which cost more than the query that follows. Nearly every path begins with `/v1/` and a word of its own, so
that word leads to the few routers that know it. Whatever is not found here (an unknown path, a method that is not
possible) goes the framework's way and gets its answer.
"""

from collections import defaultdict
from collections.abc import Iterable

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

_FOUND = "helpdesk.route"


class RouteIndex(BaseRoute):
    """Stands before all routers of an application and leads to the one that answers."""

    def __init__(self) -> None:
        self._routes: dict[str, list[BaseRoute]] = defaultdict(list)

    def add(self, router: APIRouter, included: BaseRoute) -> None:
        """Know a router, and what stands for it in the application, by the collections of its paths."""
        for collection in dict.fromkeys(_collection(path) for path in _paths(router)):
            self._routes[collection].append(included)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match what one of the collection's routers matches in full, in their order."""
        for route in self._routes.get(_collection(scope["path"]), ()):
            match, found = route.matches(scope)
            if match == Match.FULL:
                return match, {**found, _FOUND: route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to the router that was found."""
        route: BaseRoute = scope[_FOUND]
        await route.handle(scope, receive, send)


def include(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Include routers, and put an index of them before them."""
    index = RouteIndex()
    app.router.routes.append(index)
    for router in routers:
        app.include_router(router)
        index.add(router, app.router.routes[-1])


def _paths(router: APIRouter) -> list[str]:
    return [route.path for route in router.routes if isinstance(route, Route)]


def _collection(path: str) -> str:
    """Give the second part of a path: `tickets` of `/v1/tickets/{id}`."""
    return path.split("/", 3)[2] if path.startswith("/v1/") else ""
