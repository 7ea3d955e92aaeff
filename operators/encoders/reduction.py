"""Short vectors: a projection of a model's vectors to fewer dimensions.

The columns of the projection are the directions in which the model's vectors of pictures have most of their length
(principal components, not centred; Jolliffe, Principal Component Analysis, 2002, section 3.6). Without centring, the
product of two vectors is approximated as well as any projection of that many dimensions can (Eckart and Young, 1936),
whether the other vector is of a picture or of words.
"""

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from operators.encoders.card import ModelCard
from operators.runtime.atomic_write import atomic_write
from operators.runtime.blas_threads import one_blas_thread
from schemas import require
from schemas.errors import InvalidValueError, ModelError
from schemas.ids import digest
from schemas.vectors import VectorArray, VectorSpace

FIRST = "first"  # the name of the reductions of models whose own dimensions are ordered
_FORMAT = "regionlake.reduction.1"
_SUFFIX = re.compile(rf"/({FIRST}|pca-[0-9a-f]{{12}})$")
_FIT = "make one with: regionlake lab train reduction"
_ORTHONORMAL = 1e-3  # of float32 columns that were computed in float64


@dataclass(frozen=True, slots=True, eq=False)
class Reduction:
    """Shortens vectors of one space, and normalises them again.

    matrix: float32 (D, d), with orthonormal columns in order of variance, so that its first columns are a reduction.
    full: the space of the vectors that it shortens, of dimension D.
    name: "first", or "pca-" and the hash of the file from which it was read; it is part of the revision of `space`.
    """

    matrix: VectorArray
    full: VectorSpace
    name: str

    def __post_init__(self) -> None:
        rows, columns = self.matrix.shape
        if self.matrix.dtype != np.float32 or rows != self.full.dimension or not 1 <= columns <= rows:
            raise InvalidValueError(
                f"the matrix of a reduction of {self.full} must be float32 ({self.full.dimension}, d), "
                f"got {self.matrix.dtype} {self.matrix.shape}"
            )

    @classmethod
    def of_first(cls, card: ModelCard, dimensions: int) -> Self:
        """The first dimensions of a model whose own are ordered. Raises ModelError for any other model."""
        if not card.nested:
            raise ModelError(
                f"the dimensions of {card.name} are not in an order of importance, so its vectors cannot be cut at "
                f"{dimensions}: fit a reduction (regionlake lab train reduction --model {card.name} --data DIR "
                f"--dimensions {dimensions} --out FILE.safetensors), and add --set regions.reduction=FILE.safetensors"
            )
        return cls(np.eye(card.space.dimension, dtype=np.float32), card.space, FIRST).first(dimensions)

    @classmethod
    def from_bytes(cls, data: bytes, *, file: str) -> Self:
        """Reads a reduction from the content of its file. file: its name, for errors.

        Raises ModelError if the content is not a reduction.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            matrix = load(data)["matrix"]
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            full = VectorSpace(**json.loads(header["__metadata__"][_FORMAT]))
            made = cls(matrix, full, f"pca-{digest(data)[:12]}")
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{file} is not a reduction: {error}; {_FIT}") from error
        if not np.allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=_ORTHONORMAL):
            raise ModelError(f"{file} is not a reduction: its columns are not orthonormal; {_FIT}")
        return made

    @classmethod
    def load(cls, file: str) -> Self:
        """Reads a reduction. file: a path, or the URL of one that a lake in a bucket has, s3://….

        Raises ModelError if it cannot be read.
        """
        try:
            if "://" in file:
                import fsspec  # a search of a folder does not wait for it

                filesystem, path = fsspec.core.url_to_fs(file)
                data: bytes = filesystem.cat_file(path)
            else:
                data = Path(file).read_bytes()
        except (OSError, ValueError, ImportError) as error:
            raise ModelError(f"{file} cannot be read as a reduction: {error}; {_FIT}") from error
        return cls.from_bytes(data, file=file)

    @property
    def dimensions(self) -> int:
        """Length of the short vectors."""
        return int(self.matrix.shape[1])

    @property
    def space(self) -> VectorSpace:
        """The space of the short vectors, which is that of no other model and of no other reduction."""
        return replace(self.full, revision=f"{self.full.revision}/{self.name}", dimension=self.dimensions)

    def first(self, dimensions: int) -> Self:
        """A reduction to the first of its dimensions. Raises ModelError where it has not so many."""
        if not 1 <= dimensions <= self.dimensions or dimensions >= self.full.dimension:
            most = min(self.dimensions, self.full.dimension - 1)
            raise ModelError(
                f"regions.dimensions is {dimensions}, but {self.name} of {self.full.model} gives 1 to {most}; 0 keeps "
                f"all {self.full.dimension}"
            )
        return replace(self, matrix=np.ascontiguousarray(self.matrix[:, :dimensions]))

    @one_blas_thread()
    def __call__(self, vectors: VectorArray) -> VectorArray:
        """float32 (N, D) → float32 (N, d), L2-normalised. A vector depends on no other in the same call."""
        # in float64: what the size of a batch changes in its last bits is never seen in float32
        short: NDArray[np.float64] = vectors.astype(np.float64) @ self.matrix.astype(np.float64)
        length = np.linalg.norm(short, axis=1, keepdims=True)
        unit: VectorArray = np.divide(short, length, out=np.zeros_like(short), where=length > 0).astype(np.float32)
        return unit


def to_bytes(matrix: VectorArray, full: VectorSpace) -> bytes:
    """The content of the file of a reduction: its matrix, and the space that it shortens."""
    from safetensors.numpy import save

    # a single entry, because safetensors writes several in an order that differs from run to run
    return save({"matrix": np.ascontiguousarray(matrix)}, metadata={_FORMAT: json.dumps(asdict(full), sort_keys=True)})


def save_reduction(path: Path, matrix: VectorArray, full: VectorSpace) -> Reduction:
    """Writes a reduction to a file, and returns it as it is read from there."""
    data = to_bytes(matrix, full)
    with atomic_write(path) as made:
        made.write_bytes(data)
    return Reduction.from_bytes(data, file=str(path))


def reduction_name(space: VectorSpace) -> str | None:
    """The name of the reduction that made the vectors of a space; None for a model's own vectors."""
    found = _SUFFIX.search(space.revision)
    return None if found is None else found[1]


def file_reduction_name(file: str) -> str:
    """The name of the reduction in a file, which depends on its content alone. Raises ModelError as `load`."""
    return Reduction.load(file).name


def is_reduced(space: VectorSpace, full: VectorSpace) -> bool:
    """Whether vectors of `space` are shortened vectors of `full`, by whatever reduction."""
    name = reduction_name(space)
    return name is not None and replace(
        space, revision=space.revision.removesuffix(f"/{name}"), dimension=full.dimension
    ).comparable(full)


def principal_directions(vectors: VectorArray, *, dimensions: int) -> tuple[VectorArray, VectorArray]:
    """The directions of the longest components of vectors, in order.

    vectors: float32 (N, D), N ≥ dimensions. Returns float32 (D, dimensions) with orthonormal columns, and float32
    (dimensions,): the share of the squared length of all vectors along each.
    """
    require.at_least(1, dimensions=dimensions)
    if len(vectors) < dimensions or vectors.shape[1] < dimensions:
        raise InvalidValueError(
            f"{dimensions} directions need as many vectors of at least that length, got {vectors.shape}"
        )
    wide = vectors.astype(np.float64)
    values, columns = np.linalg.eigh(wide.T @ wide)
    values, columns = values[::-1][:dimensions], columns[:, ::-1][:, :dimensions]
    # the sign of an eigenvector is arbitrary: the largest entry of each is positive
    columns = columns * np.sign(columns[np.abs(columns).argmax(axis=0), np.arange(dimensions)])
    return columns.astype(np.float32), (values / np.sum(wide**2)).astype(np.float32)


def require_space(reduction: Reduction, space: VectorSpace) -> None:
    """Raises ModelError unless a reduction shortens vectors of `space`."""
    if not reduction.full.comparable(space):
        raise ModelError(
            f"the reduction {reduction.name} was fitted to vectors of {reduction.full}, not of {space}: "
            "use that model, or fit one for this model (regionlake lab train reduction)"
        )
