from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monitor.config.root import LimitsConfig
from monitor.reference import BuildSettings, InvalidReferenceError, Reference, build_reference
from monitor.reference.readers import open_file
from monitor.reference.wire import checksum
from tests.references import make_rows, model_config, write_lines

GOLDEN = Path(__file__).parent.parent / "golden" / "reference-v1.json"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    path = write_lines(tmp_path_factory.mktemp("rows") / "rows.jsonl", make_rows(3000))
    with closing(open_file(path, model_config(), LimitsConfig())) as rows:
        return build_reference(BuildSettings.of(model_config()), rows.batches, source="three thousand rows", created=0)


def test_the_golden_file_still_loads_and_comes_back_byte_for_byte() -> None:
    golden = Reference.load(GOLDEN)
    assert golden.to_json() == GOLDEN.read_bytes()
    assert (golden.model, golden.rows, list(golden.versions)) == ("fraud", 3000, ["9", "10"])
    assert golden.columns["country"].bins.to_dict()["categories"] == ["de", "fr", "NA"]
    flags = golden.flags("flagged", "9")
    assert flags is not None
    assert flags.tolist() == [1884, 216]


def test_a_saved_reference_is_loaded_unchanged(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "r.json"
    reference.save(path)
    loaded = Reference.load(path)
    assert loaded == reference
    assert loaded.to_json() == reference.to_json()
    assert [entry.name for entry in path.parent.iterdir()] == ["r.json"]


def test_saving_over_a_folder_fails_and_leaves_nothing_behind(reference: Reference, tmp_path: Path) -> None:
    (tmp_path / "r.json").mkdir()
    with pytest.raises(OSError, match=r"r\.json"):
        reference.save(tmp_path / "r.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.json"]


def test_the_file_is_readable(reference: Reference) -> None:
    lines = reference.to_json().decode().splitlines()
    assert [line.strip().split(":")[0] for line in lines[1:5]] == ['"format"', '"version"', '"checksum"', '"model"']
    assert sum('"counts": [' in line and line.endswith("],") for line in lines) >= len(reference.columns)
    assert not any(word in reference.to_json().decode() for word in ("id-1", "prediction_id"))


def test_a_file_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidReferenceError, match=r"none\.json: cannot be read: .*driftline reference build"):
        Reference.load(tmp_path / "none.json")


def test_every_cut_of_the_file_is_told_from_the_whole(reference: Reference, tmp_path: Path) -> None:
    data = reference.to_json()
    path = tmp_path / "r.json"
    for end in (0, 1, 100, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:end])
        with pytest.raises(InvalidReferenceError, match=r"r\.json: not readable as JSON.*copy the file again"):
            Reference.load(path)


def test_an_edited_count_is_noticed(reference: Reference) -> None:
    document = json.loads(reference.to_json())
    document["columns"]["score"]["counts"][3] += 1
    with pytest.raises(InvalidReferenceError, match="checksum"):
        Reference.from_json(json.dumps(document).encode())


def test_a_later_format_asks_for_an_upgrade(reference: Reference) -> None:
    document = json.loads(reference.to_json()) | {"version": 2, "surprise": True}
    with pytest.raises(InvalidReferenceError, match=r"version 2.*upgrade Driftline"):
        Reference.from_json(json.dumps(document).encode())


@pytest.mark.parametrize(
    "text", ["[]", "1", "{}", '{"format": "other"}', '{"format": "driftline.reference"}', "[" * 99999]
)
def test_other_json_is_no_reference(text: str) -> None:
    with pytest.raises(InvalidReferenceError):
        Reference.from_json(text.encode())


def _set(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("columns", "score", "counts", value=[1, 2, 3]),
        _set("columns", "score", "counts", 0, value=-1),
        _set("columns", "score", "counts", 0, value=1.5),
        _set("columns", "score", "counts", 0, value=2**70),
        _set("columns", "score", "bins", "edges", 3, value=-1.0),
        _set("columns", "score", "bins", "edges", 3, value=float("nan")),
        _set("columns", "score", "bins", "kind", value="vector"),
        _set("columns", "score", "bins", value={}),
        _set("columns", "score", "apart", value={"rows": 1}),
        _set("columns", "score", "by_day", value={"2023-11-13": [1]}),
        _set("columns", "score", "by_day", value={"2029-01-01": []}),
        _set("columns", "city", "bins", "rare", value=None),
        _set("flags", "flagged", "counts", value=[1, 2]),
        _set("versions", "9", "counts", "stranger", value=[1]),
        _set("volume", "rows", value=[]),
        _set("created", value="yesterday"),
        _set("decision", value="score is high"),
        _set("rows", value="many"),
        _set("model", value=None),
    ],
)
def test_a_sealed_file_that_contradicts_itself_is_refused(
    reference: Reference, change: Callable[[dict[str, Any]], None]
) -> None:
    document = json.loads(reference.to_json())
    change(document)
    try:
        document["checksum"] = checksum(document)
    except ValueError:
        document["checksum"] = ""
    with pytest.raises(InvalidReferenceError):
        Reference.from_json(json.dumps(document).encode())


def test_edges_belong_to_a_column_and_counts_to_a_version(reference: Reference) -> None:
    assert reference.edges_identity("amount") == reference.columns["amount"].bins.identity
    nine, ten = reference.cells("amount", "9"), reference.cells("amount", "10")
    assert nine is not None
    assert ten is not None
    assert (nine + ten == reference.columns["amount"].counts).all()


def test_a_new_version_inherits_features_from_all_and_the_score_from_the_last(reference: Reference) -> None:
    features, score, last = reference.cells("age", "11"), reference.cells("score", "11"), reference.cells("score", "10")
    assert features is not None
    assert score is not None
    assert last is not None
    assert (features == reference.columns["age"].counts).all()
    assert (score == last).all()
    assert int(score.sum()) == 900


def test_what_the_reference_does_not_hold_is_none(reference: Reference) -> None:
    assert reference.cells("nothing", "9") is None
    assert reference.rate("nothing", "9", "missing") is None
    assert reference.rate("age", "9", "unseen") is None
    assert reference.flags("error", "9") is None
