"""Flags of a query: catches an option that is declared and cannot be given, or that sets another field."""

import typer
from typer.testing import CliRunner

from deploy.cli.query_options import QueryFields, flag_of, takes_query, with_flags
from schemas.options import options_of
from schemas.query import Query, WeightedMethod

WRITTEN = {
    "text": "a dog",
    "box": "0,0,0.5,1",
    "zones": "gate=0,.5 .4,.5 .4,1",
    "min_inside": "0.8",
    "image": __file__,
    "roi": "0,0,1,0.5",
    "frame": "0123",
    "points": "0.1,0.2",
    "not_points": "0.3,0.4",
    "prompt": "a tail",
    "prompt_box": "0,0,0.25,1",
    "text_weight": "0.25",
    "not_text": "a cat",
    "not_weight": "0.75",
    "not_rois": "0,0,0.5,0.5",
    "like": "cdef",
    "unlike": "ba98",
    "not_frames": "4567",
    "then": "a car",
    "then_box": "0.5,0,1,1",
    "within_s": "3",
    "methods": "global:0.5",
    "fuse": "weighted",
    "candidates": "7",
    "geometry": "giou",
    "norm": "zscore",
    "weight": "0.125",
    "prior": "0.625",
    "min_confidence": "0.6",
    "source": "gate",
    "source_ids": "89ab",
    "since": "1:30",
    "until": "90.5",
    "k": "3",
}


def fields_of(words: list[str], *, standing: bool = False) -> QueryFields:
    found: list[QueryFields] = []

    @takes_query(standing=standing)
    def command(query_fields: QueryFields) -> None:
        found.append(query_fields)

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return found[0]


def test_every_option_of_a_query_is_a_flag_that_reaches_its_field() -> None:
    for each in options_of(Query):
        words = [WRITTEN[each.field]] if each.field == "text" else [flag_of(each), WRITTEN[each.field]]
        query_fields = fields_of(words)
        assert query_fields[each.field] != each.default, each.field
        others = {other.field: other.default for other in options_of(Query) if other.field != each.field}
        assert {
            name: value for name, value in query_fields.items() if name != each.field and value != others[name]
        } == {}


def test_values_have_the_types_of_their_fields() -> None:
    words = ["a dog", "--point", "0.1,0.2", "--point", "0.3,0.4", "--image", __file__, "--since", "1:30"]
    query_fields = fields_of([*words, "--method", "global:0.5", "--not-roi", "0,0,0.5,0.5"])
    query = Query(**query_fields)
    assert query.points == ((0.1, 0.2), (0.3, 0.4))
    assert query.not_rois == ((0.0, 0.0, 0.5, 0.5),)
    assert query.since == 90.0
    assert query.methods == (WeightedMethod("global", 0.5),)


def test_a_watch_takes_what_one_frame_can_answer_and_nothing_else() -> None:
    query_fields = fields_of(["a dog", "--box", "0,0,1,1"], standing=True)
    assert {*query_fields} <= {each.field for each in options_of(Query) if each.standing}
    assert not {*query_fields} & {"then", "methods", "since", "k"}


def test_the_former_name_of_a_flag_is_still_taken() -> None:
    assert fields_of(["a dog", "--rank", "global", "--method", "regions"])["methods"] == (
        WeightedMethod("regions"),
        WeightedMethod("global"),
    )


def test_errors_name_flags_and_leave_other_words_alone() -> None:
    assert with_flags("give `image`, `text` or `not_rois`; see `frame_id`, and `k`") == (
        "give --image, TEXT or --not-roi; see `frame_id`, and -k"
    )
