"""The plan: all that decides which rows a source gives, and how the work is spread; from TOML and flags."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import cattrs
import tomli_w
from cattrs.v import format_exception

from operators.checkpoints.files import find_checkpoint, fingerprint, is_checkpoint
from operators.codes.config import CodesConfig
from operators.detailclip.config import DetailConfig, file_revision
from operators.encoders.catalogue import model_card
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.catalogue import PROPOSERS
from operators.proposals.config import ProposalConfig
from operators.representatives.config import RepresentativesConfig
from operators.runtime.registry import settings_key
from operators.tracking.tracker import TrackConfig
from pipeline.live.live_config import LiveConfig
from pipeline.plan.operator_settings import register_operators
from pipeline.reading.keyframe_stream import ReadConfig
from schemas import require
from schemas.errors import PlanError, RegionLakeError
from schemas.ids import digest
from schemas.vectors import VectorSpace


@dataclass(frozen=True, slots=True)
class ThumbnailConfig:
    """The JPEG kept of each keyframe. max_side_px: of its longer side. quality: of JPEG, 1 to 100."""

    max_side_px: int = 640
    quality: int = 85

    def __post_init__(self) -> None:
        require.at_least(16, max_side_px=self.max_side_px)
        require.within("[1, 100]", quality=self.quality)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How the work is spread; no row depends on it.

    segment_s: length of the pieces in which a video is read, retried and committed.
    read_timeout_s: a decoder without progress for this long is killed.
    readers, proposers, embedders: Ray actors of each stage; 0 means: from the cluster's CPUs, and from its GPUs for
        stages that hold models.
    compile: torch.compile makes the passes of a checkpoint on a GPU; the first batches wait for it. The embedded
        model, and any model on a CPU, run as they are.
    """

    segment_s: float = 300.0
    read_timeout_s: float = 60.0
    readers: int = 0
    proposers: int = 0
    embedders: int = 0
    compile: bool = False

    def __post_init__(self) -> None:
        require.above(0, segment_s=self.segment_s, read_timeout_s=self.read_timeout_s)
        require.at_least(0, readers=self.readers, proposers=self.proposers, embedders=self.embedders)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done with every source. `hash` covers all that rows depend on, and not `run` and `live`.

    model: name of a model card (`regionlake models`).
    patches: whether the dense grid of patch vectors of each keyframe is kept as well.
    detail: what fuses the details of a keyframe into one vector, for searches by it.
    representatives: what stands for the patches of a keyframe, for a search among a few vectors of each.
    """

    model: str = "everyday"
    patches: bool = False
    detail: DetailConfig = field(default_factory=DetailConfig)
    representatives: RepresentativesConfig = field(default_factory=RepresentativesConfig)
    read: ReadConfig = field(default_factory=ReadConfig)
    proposals: ProposalConfig = field(default_factory=ProposalConfig)
    regions: RegionVectorsConfig = field(default_factory=RegionVectorsConfig)
    thumbnails: ThumbnailConfig = field(default_factory=ThumbnailConfig)
    tracks: TrackConfig = field(default_factory=TrackConfig)
    codes: CodesConfig = field(default_factory=CodesConfig)
    run: RunConfig = field(default_factory=RunConfig)
    live: LiveConfig = field(default_factory=LiveConfig)

    def __post_init__(self) -> None:
        if self.tracks.propagation.model and not self.proposals.masks_are_made:
            raise PlanError(
                f"tracks.propagation.model carries masks, and none are made by {', '.join(self.proposals.use)}: add a "
                "proposer such as segments or masks, or set proposals.box_masks.by"
            )

    @property
    def space(self) -> VectorSpace:
        """The vector space of the plan's model. Raises ModelError for an unknown one."""
        return model_card(self.model).space

    @property
    def hash(self) -> str:
        """12 hexadecimal digits; equal plans give equal rows from equal bytes."""
        content = asdict(self)
        del content["run"], content["live"], content["read"]["decode_threads"], content["model"]
        proposals = content["proposals"] = _proposals_in_use(self.proposals)
        for name in {"grabcut", "sam"} - {self.proposals.box_masks.by}:
            del proposals["box_masks"][name]
        if self.detail.model:
            content["detail"] = file_revision(Path(self.detail.model))
        else:
            del content["detail"]
        content["representatives"] = self.representatives.in_use()
        if not content["representatives"]:
            del content["representatives"]
        if not self.tracks.propagation.model:
            del content["tracks"]["propagation"]
        if self.codes.model:
            from operators.codes.model import CodeModel  # its features need a model's code: most plans have no codes

            content["codes"]["model"] = CodeModel.load(Path(self.codes.model)).fingerprint
        else:
            del content["codes"]
        _weights_for_names(proposals)
        _weights_for_names(content["tracks"])
        weights = replace(self.space, model="")  # the same ones in another folder make the same vectors
        return digest("plan", repr(content), weights.to_json())[:12]

    def to_toml(self) -> str:
        """The plan as the TOML file that makes it."""
        return tomli_w.dumps(_without_none(_converter(class_paths=True).unstructure(self)))


def _proposals_in_use(config: ProposalConfig) -> dict[str, Any]:
    """Settings of the proposers that run, by their own names, wherever their classes lie; those built in go first."""
    by_name = {each.name: asdict(each) for each in config.in_use}
    place = {name: i for i, name in enumerate(PROPOSERS.built_in)}
    ordered = sorted(by_name, key=lambda name: (place.get(name, len(place)), name))
    settings = {settings_key(name): by_name[name] for name in ordered}
    return {"use": tuple(by_name), **settings, "refine": asdict(config.refine), "box_masks": asdict(config.box_masks)}


def _weights_for_names(settings: dict[str, object]) -> None:
    """Puts the weights in place of the models' names, and drops how many go through them at once.

    Raises ModelError for a model that is not there.
    """
    for key, value in list(settings.items()):
        if isinstance(value, dict):
            _weights_for_names(value)
        elif key == "model" and isinstance(value, str) and value and is_checkpoint(value):
            settings[key] = fingerprint(find_checkpoint(value))
        elif key == "batch" or key.endswith("_per_batch"):
            del settings[key]


def load_plan(path: Path | None = None, *, overrides: Sequence[str] = ()) -> Plan:
    """The default plan, changed by a TOML file and then by `key.path=value` overrides (values as in TOML).

    Raises PlanError naming the key that is unknown or has a wrong value.
    """
    settings: dict[str, object] = {}
    if path is not None:
        try:
            settings = tomllib.loads(path.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise PlanError(f"plan {path} cannot be read: {error}") from error
    for override in overrides:
        _merge(settings, _parse_override(override))
    try:
        return _converter(class_paths=True).structure(settings, Plan)
    except cattrs.BaseValidationError as error:
        problems = "; ".join(cattrs.transform_error(error, path="plan", format_exception=_problem))
        raise PlanError(f"{problems}; `regionlake plan` prints every key with its default") from error


_TOML_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text"}


@cache
def _converter(*, class_paths: bool) -> cattrs.Converter:
    """class_paths: see `register_operators`."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    _strict(converter, bool)
    _strict(converter, int)
    _strict(converter, float, int)
    _strict(converter, str)
    register_operators(converter, class_paths=class_paths)
    return converter


def _strict(converter: cattrs.Converter, kind: type, *also: type) -> None:
    """Takes values of that type alone: bool("no") is True, and int(3.7) is 3."""

    def structure(value: object, _: type) -> object:
        if type(value) not in (kind, *also):
            raise PlanError(f"{value!r} is no {_TOML_NAMES[kind]}")
        return kind(value)

    converter.register_structure_hook(kind, structure)


def _problem(error: BaseException, kind: type | None) -> str:
    if isinstance(error, RegionLakeError):  # our own checks say more than cattrs' "invalid value"
        return str(error)
    if get_origin(kind) is Literal:
        return f"{str(error).partition(' not in ')[0]!r} is none of {', '.join(get_args(kind))}"
    return format_exception(error, kind)


def _parse_override(override: str) -> dict[str, object]:
    key, equals, value = override.partition("=")
    if not equals:
        raise PlanError(f"an override is key.path=value, got {override!r}")
    try:
        return tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError:
        try:
            return tomllib.loads(f'{key} = "{value}"')  # a bare word is meant as a string
        except tomllib.TOMLDecodeError as error:
            raise PlanError(f"override {override!r} cannot be read: {error}") from error


def _merge(into: dict[str, object], changes: Mapping[str, object]) -> None:
    for key, value in changes.items():
        below = into.get(key)
        if isinstance(value, Mapping) and isinstance(below, dict):
            _merge(below, value)
        else:
            into[key] = value


def _without_none(value: object) -> dict[str, object]:
    """TOML has no null: a key left out is None."""
    assert isinstance(value, Mapping)
    return {k: _without_none(v) if isinstance(v, Mapping) else v for k, v in value.items() if v is not None}
