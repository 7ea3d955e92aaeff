"""Pins that expire: the lake's own, and a file beside the lake that says when the service removes them."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_lock import file_lock
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.pinned_places import place_of_hit
from pipeline.lake.upkeep.pins import Pin, Pins
from pipeline.live.status.state_folder import StateFolder
from pipeline.runtime.threads import SupervisedThread
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.errors import LakeError, RegionLakeError

_LOOK_S = 30.0


class PinKeeper:
    """Pins shots, and removes the pins that have expired, in a thread of its own.

    A pin that no service removes stays: nothing is ever removed too early. A pin that is there already keeps the later
    of the two times, or has none, as before. Raises LakeError as Pins does, and where the file of times cannot be
    changed.
    """

    def __init__(self, lake: Lake, *, time: TimeSource = REAL_TIME, look_s: float = _LOOK_S) -> None:
        self._lake = lake
        self._time = time
        self._look_s = look_s
        self._state = StateFolder.of(lake.uri)
        self._news = threading.Condition()
        self._ended = False
        self.error: str | None = None
        self._thread = SupervisedThread("pins", self._run)

    @property
    def path(self) -> Path:
        """JSON: ids of pins, and when they expire."""
        return self._state.path / "pins-that-expire.json"

    def add(self, frame_id: str, *, expires: datetime | None) -> Pin:
        """Pins the shot of a keyframe. Raises QueryError where there is no such keyframe."""
        pins = Pins(self._lake, time=self._time)
        place = place_of_hit(self._lake, frame_id)
        known = {pin.id for pin in pins.read()}
        (pin,) = pins.add([place])

        def change(times: Mapping[str, datetime]) -> dict[str, datetime]:
            before = times.get(pin.id)
            rest = {id: when for id, when in times.items() if id != pin.id}
            if expires is None or (pin.id in known and before is None):
                return rest
            return rest | {pin.id: expires if before is None else max(before, expires)}

        self._change(change)
        return pin

    def read(self) -> list[tuple[Pin, datetime | None]]:
        """All pins, oldest first, with the time at which each expires."""
        times = self._times()
        return [(pin, times.get(pin.id)) for pin in Pins(self._lake).read()]

    def remove(self, pin_id: str) -> bool:
        """Returns whether there was this pin."""
        removed = Pins(self._lake).remove([pin_id])
        self._change(lambda times: {id: when for id, when in times.items() if id != pin_id})
        return removed > 0

    def remove_expired(self) -> int:
        """Returns how many pins were removed."""
        now = self._time.utc()
        gone = [id for id, when in self._times().items() if when <= now]
        if not gone:
            return 0
        removed = Pins(self._lake).remove(gone)
        self._change(lambda times: {id: when for id, when in times.items() if id not in gone})
        return removed

    def close(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify_all()
        self._thread.end()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            try:
                self.remove_expired()
                self.error = None
            except RegionLakeError as error:  # the lake may come back
                self.error = str(error)
            with self._news:
                self._news.wait_for(lambda: self._ended, self._look_s)

    def _times(self) -> dict[str, datetime]:
        try:
            return {id: datetime.fromisoformat(when) for id, when in json.loads(self.path.read_text()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise LakeError(f"{self.path} says when pins expire, and cannot be read: {error}") from None

    def _change(self, change: Callable[[Mapping[str, datetime]], dict[str, datetime]]) -> None:
        self._state.make_own()
        try:
            with file_lock(self.path):
                before = self._times()
                after = change(before)
                if after != before:
                    with atomic_write(self.path) as path:
                        path.write_text(json.dumps({id: when.isoformat() for id, when in sorted(after.items())}))
        except OSError as error:
            raise LakeError(f"{self.path} says when pins expire, and cannot be changed: {error}") from None
