"""`GET /health`: whether this process can answer, for a load balancer or a supervisor; it asks no password.

A chat process keeps nothing but the sessions of its own visitors, in memory. So several of them, on one
machine or many, may share an index behind a balancer that keeps each visitor with one process (sticky
sessions): a call of the API is two requests too, the second of which asks for what the first began.
"""

from __future__ import annotations

import logging
import time
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from index import InputError
from qa import ArticleQA

PATH = "/health"

logger = logging.getLogger(__name__)


class Health:
    """The state of a chat process.

    Args:
        engine: over the documents that every visitor begins with.
    """

    def __init__(self, engine: ArticleQA) -> None:
        self._engine = engine
        self._began = time.monotonic()
        self.route = Route(PATH, self._respond)

    def _respond(self, _: Request) -> JSONResponse:
        """JSON: `status`, `version` and `seconds` up; with 503 where the index cannot be read.

        Why not is logged, not told, as nobody had to give a password. Run in a thread by Starlette, as the
        index may be on a server that is away.
        """
        seconds = round(time.monotonic() - self._began, 1)
        facts = {"status": "ok", "version": version("article-qa"), "seconds": seconds}
        try:
            self._engine.reach()
        except InputError as error:
            logger.warning("%s", error)
            return JSONResponse(facts | {"status": "unavailable"}, 503)
        return JSONResponse(facts)
