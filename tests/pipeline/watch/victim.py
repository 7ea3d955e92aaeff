"""A watcher for tests to kill: in a module of its own, so that a process that has imported it can be forked."""

from multiprocessing.connection import Connection
from pathlib import Path

from pipeline.lake.lake import Lake
from pipeline.runtime.backoff import BackoffConfig
from pipeline.watch.deliveries import Deliveries
from pipeline.watch.watch_state import WatchState
from pipeline.watch.webhook import Webhook, WebhookConfig
from tests.pipeline.watch.watching import EVERYTHING, watcher

QUICK = BackoffConfig(first_s=0.01, longest_s=0.05)


def watch(lake: str, folder: str, url: str, opened: Connection | None = None, once: bool = False) -> None:
    """Continues from the state in the folder, a new one from the lake's beginning. Sends to `opened` when it begins."""
    state = WatchState(Path(folder) / "watch.sqlite")
    webhook = Webhook(WebhookConfig(url, timeout_s=2.0))
    dead = Path(folder) / "dead.jsonl"
    deliveries = Deliveries(state, webhook, dead_letter=dead, give_up_s=60.0, pauses=QUICK)
    watching = watcher(Lake.open(lake), Path(folder), (EVERYTHING,), since="start", state=state, deliveries=deliveries)
    if opened is not None:
        opened.send(True)
    watching.run(lambda: False, once=once)
    state.close()
