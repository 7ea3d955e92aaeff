"""Finds the follower that writes a lake by its lease, and hands work over to it."""

import socket
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from pipeline.forget.places import Place
from pipeline.forget.run import Forgotten, forgotten_from_json, places_to_json
from pipeline.lake.lease.holder import Holder
from pipeline.lake.lease.writer_lease import writer_of
from pipeline.lake.local_folder import local_folder
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.upkeep_status import UpkeepStatus, upkeep_from_json
from pipeline.live.handed.handed_json import config_to_json, error_from_json
from pipeline.live.handed.local_socket import connect
from pipeline.live.handed.messages import receive, send
from pipeline.live.status.state_folder import StateFolder
from schemas.errors import LakeError


class FollowerEndedError(LakeError):
    """The follower ended before it had answered; the same call may be repeated with the lake's next writer."""


class FollowerLink:
    """A connection to the process that holds a lake's lease. Its calls come one after the other."""

    def __init__(self, connection: socket.socket, holder: Holder) -> None:
        self.holder = holder
        self._connection = connection

    def call(self, name: str, tables: Sequence[pa.Table] = (), **arguments: object) -> Any:
        """Has the follower do something; returns its answer, which is JSON, and raises its error.

        Raises FollowerEndedError where the follower ended meanwhile.
        """
        try:
            send(self._connection, {"call": name, **arguments}, tables)
            answer = receive(self._connection)
        except (OSError, ValueError) as error:
            raise FollowerEndedError(f"process {self.holder} ended: {error}") from error
        if answer is None:
            raise FollowerEndedError(f"process {self.holder} ended")
        if "error" in answer.body:
            raise error_from_json(answer.body["error"])
        return answer.body["answer"]

    def upkeep(self, config: UpkeepConfig) -> UpkeepStatus:
        """Has the follower do a pass of upkeep with these settings."""
        return upkeep_from_json(self.call("upkeep", config=config_to_json(config)))

    def forget(self, places: Sequence[Place], *, pinned: bool) -> Forgotten:
        """Has the follower forget places."""
        return forgotten_from_json(self.call("forget", places=places_to_json(places), pinned=pinned))

    def close(self) -> None:
        self._connection.close()


def find_follower(lake: str) -> FollowerLink | None:
    """A link to the follower that writes a lake on this machine as this user; None where there is none.

    Raises LakeError where the follower is of another release, or a bucket cannot be read.
    """
    folder = local_folder(lake)
    if folder is not None and not folder.is_dir():
        return None
    lake = lake if folder is None else str(folder.resolve())
    holder = writer_of(lake)
    if holder is None or not holder.here:
        return None
    connection = connect(StateFolder.of(lake).path)
    if connection is None:
        return None
    link = FollowerLink(connection, holder)
    try:
        hello = link.call("hello")
    except FollowerEndedError:
        link.close()
        return None
    if hello["lease"] != holder.number:  # of a lake that was here before, or it changed hands just now
        link.close()
        return None
    if hello["version"] != version("regionlake"):
        link.close()
        raise LakeError(
            f"process {holder} writes the lake {lake} with RegionLake {hello['version']}, this is "
            f"{version('regionlake')}: work is handed over within one release only; restart the follower"
        )
    return link
