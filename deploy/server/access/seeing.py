"""What a request is answered from: the service as whoever sends it sees it.

A route gets the service from here alone, so that none can answer about a source that its user may not see.
"""

from typing import Annotated

from fastapi import Depends, Request

from deploy.server.access.people import person_of
from deploy.server.service import Service


async def _seen(request: Request) -> Service:
    service: Service = request.app.state.service
    return service.seen_by(person_of(request).sources)


Seen = Annotated[Service, Depends(_seen)]
