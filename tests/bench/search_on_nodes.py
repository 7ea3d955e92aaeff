"""A search over shards on three Ray nodes, of which one is killed under load: every answer is that of one process.

    python -m tests.bench.search_on_nodes [--regions 50000] [--seconds 20]

The nodes are separate Ray nodes (raylet and workers) of this machine. Clients ask without a pause; a node that holds a
part is killed with its actor after a third of the time. Prints how many answers there were, how many had
a part from the lake, and how long that lasted. Fails where an answer differs or is refused.
"""

import argparse
import tempfile
import threading
import time

import ray
from ray.cluster_utils import Cluster

from pipeline.search.searcher import Searcher
from pipeline.search.shards.ray_shards import RayShards
from schemas.query import Query
from schemas.vectors import VectorSpace
from tests.bench.search import REGIONS_A_FRAME, make_lake
from tests.pipeline.search.drawn import DrawnEncoder

NODES = CLIENTS = 3
BOX = (0.2, 0.2, 0.8, 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    space = VectorSpace("synthetic", "1", 128, "none")
    with tempfile.TemporaryDirectory() as folder:
        lake = make_lake(folder, space, frames=options.regions // REGIONS_A_FRAME)
        encoder = DrawnEncoder(space)
        queries = [Query(text="a thing"), Query(text="x", box=BOX, norm="zscore"), Query(text="y", box=BOX, norm="rrf")]
        alone = Searcher(lake, encoder)
        expected = [alone.search(query).hits for query in queries]
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes = [cluster.add_node(num_cpus=1) for _ in range(NODES - 1)]
        ray.init(cluster.address, log_to_driver=False)
        shards = RayShards(lake, patience_s=60.0)
        try:
            searcher = shards.searcher(encoder)
            first = searcher.search(queries[0])
            print(f"{shards.count} nodes, {first.shards} parts, {first.candidates:,} regions and frames")
            answers: list[tuple[float, bool]] = []
            wrong: list[object] = []
            began = time.perf_counter()

            def ask(number: int) -> None:
                while time.perf_counter() - began < options.seconds and not wrong:
                    query = number % len(queries)
                    try:
                        found = searcher.search(queries[query])
                    except Exception as error:
                        wrong.append(error)
                        return
                    if found.hits != expected[query]:
                        wrong.append(found)
                    answers.append((time.perf_counter() - began, bool(found.from_lake)))
                    number += 1

            clients = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(options.seconds / 3)
            cluster.remove_node(nodes[0], allow_graceful=False)
            killed_s = time.perf_counter() - began
            for client in clients:
                client.join()
        finally:
            shards.close()
            ray.shutdown()
            cluster.shutdown()
        if wrong:
            raise SystemExit(f"an answer differs or was refused: {wrong[0]}")
        away = [at for at, from_lake in answers if from_lake]
        print(f"a node was killed after {killed_s:.1f} s; {len(answers)} answers, all equal to those of one process")
        if not away:
            raise SystemExit("no answer had a part from the lake: the node that was killed held none; run it again")
        back = [at for at, from_lake in answers if not from_lake and at > away[-1]]
        print(
            f"{len(away)} of them had a part from the lake, from {away[0]:.1f} to {away[-1]:.1f} s; {len(back)} later"
        )


if __name__ == "__main__":
    main()
