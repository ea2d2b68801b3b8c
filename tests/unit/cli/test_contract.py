"""`syncline contract`: which contract is meant, its forms, its differences, its pages, and a first one from data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from syncline import wiring
from syncline.cli.main import run
from syncline.contracts.codec.avro import avro_text
from syncline.contracts.forms.page import MARK
from syncline.contracts.odcs.document import parse_contract
from syncline.errors import LogUnavailable
from tests.unit.definitions.cluster import Cluster
from tests.unit.definitions.texts import CONTRACT, CONTRACT_FILE, WHOLE, changed, write

NEXT = changed(CONTRACT, ("version: 1.0.0", "version: 1.1.0"), ("maximum: 1000", "maximum: 900"))


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command line in this process, without a cluster; returns (exit code, stdout, stderr)."""

    def unreachable(settings: object) -> object:
        raise LogUnavailable("no broker answered")

    monkeypatch.setattr(wiring, "open_log", unreachable)

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["contract", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of definitions that hold together."""
    return write(tmp_path / "features", WHOLE)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, cli: Any, folder: Path) -> Cluster:
    """A cluster to which the folder was applied; the folder has a next version by now."""
    there = Cluster()
    there.apply(folder)
    monkeypatch.setattr(wiring, "open_log", lambda settings: there.log)
    write(folder, {CONTRACT_FILE: NEXT})
    return there


def test_the_avro_form_of_a_file_and_of_a_reference(cli: Any, folder: Path) -> None:
    """A file and a reference give the same schema; `--compact` is the text that gets registered."""
    code, out, _ = cli("avro", folder / CONTRACT_FILE)
    assert code == 0
    assert json.loads(out)["name"] == "airport_delay"
    for reference in ("airport_delay", "airport_delay@1", "airport_delay@1.0"):
        assert cli("avro", reference, "--folder", folder)[:2] == (0, out)
    compact = avro_text(parse_contract(CONTRACT, file="c"))
    assert cli("avro", "airport_delay", "--folder", folder, "--compact")[1] == compact + "\n"


def test_the_json_schema_is_printed(cli: Any, folder: Path) -> None:
    """The output is a JSON document that other tools take as it is."""
    code, out, _ = cli("json-schema", "weather", "--folder", folder)
    assert code == 0
    assert json.loads(out)["title"] == "weather@1.0"


def test_what_the_folder_lacks_is_found_in_the_catalog(cli: Any, folder: Path, cluster: Cluster) -> None:
    """A version that the folder has left behind is still in the catalog."""
    code, out, _ = cli("avro", "airport_delay@1.0", "--folder", folder)
    assert (code, json.loads(out)["syncline.version"]) == (0, "1.0")
    assert json.loads(cli("avro", "airport_delay", "--folder", folder)[1])["syncline.version"] == "1.1"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("wether", "Did you mean `weather`?"),
        ("weather@7", "There is weather@1.0"),
        ("weather:temp", "a contract is of a whole view, so write weather"),
        ("No View", "is not a reference"),
        ("none.odcs.yaml", "it cannot be read"),
    ],
)
def test_a_contract_that_is_not_there_is_one_sentence(cli: Any, folder: Path, word: str, said: str) -> None:
    """What there is instead is named, and that the catalog could not be asked."""
    code, out, err = cli("avro", word, "--folder", folder)
    assert (code, out) == (1, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_several_majors_must_be_told_apart(cli: Any, folder: Path) -> None:
    """A name that may mean two contracts means neither."""
    write(
        folder,
        {"contracts/airport_delay.v2.odcs.yaml": changed(CONTRACT, ("version: 1.0.0", "version: 2.0.0"))},
    )
    code, _, err = cli("avro", "airport_delay", "--folder", folder)
    assert code == 1
    assert "name one of airport_delay@1, airport_delay@2" in err
    assert cli("avro", "airport_delay@2", "--folder", folder)[0] == 0


def test_the_catalog_alone_will_do(cli: Any, tmp_path: Path, cluster: Cluster) -> None:
    """Without any folder of definitions references are looked up in the catalog, and unknown ones are told."""
    empty = tmp_path / "empty"
    empty.mkdir()
    assert cli("avro", "weather", "--folder", empty)[0] == 0
    code, _, err = cli("avro", "wether", "--folder", empty)
    assert code == 1
    assert "Did you mean `weather`?" in err


def test_a_diff_says_what_changed_and_what_it_asks_for(cli: Any, folder: Path, cluster: Cluster) -> None:
    """One line a difference, with its level; `--detailed-exitcode` tells whether there are any."""
    arguments = ("diff", "airport_delay@1.0", folder / CONTRACT_FILE, "--folder", folder)
    code, out, _ = cli(*arguments)
    assert code == 0
    assert out.startswith("airport_delay@1.0 → airport_delay@1.1\n  ~ delay: ")
    assert "(MINOR)" in out
    assert out.endswith("1 difference: a new MINOR is asked for.\n")
    assert cli(*arguments, "--detailed-exitcode")[0] == 2
    code, out, _ = cli(*arguments, "--output", "json")
    document = json.loads(out)
    assert (document["old"], document["new"], document["level"]) == (
        "airport_delay@1.0",
        "airport_delay@1.1",
        "MINOR",
    )
    (change,) = document["changes"]
    assert (change["what"], change["is_feature"], change["level"]) == ("delay", True, "MINOR")


def test_equal_contracts_differ_in_nothing(cli: Any, folder: Path) -> None:
    """No difference, and exit code 0 with `--detailed-exitcode`, too."""
    code, out, _ = cli("diff", "weather", "weather@1", "--folder", folder, "--detailed-exitcode")
    assert code == 0
    assert "No differences." in out
    document = json.loads(cli("diff", "weather", "weather@1", "--folder", folder, "--output", "json")[1])
    assert (document["level"], document["changes"]) == ("NONE", [])


def test_pages_are_written_from_the_folder(cli: Any, folder: Path) -> None:
    """A page a view and an index; without a catalog they say so."""
    code, out, err = cli("docs", folder)
    assert (code, out) == (0, "")
    assert "The catalog could not be reached" in err
    pages = folder / "contract-pages"
    assert sorted(path.name for path in pages.iterdir()) == ["README.md", "airport_delay.md", "weather.md"]
    page = (pages / "airport_delay.md").read_text("utf-8")
    assert (
        "`delay-predictor` (policy compatible 1, model delay 12, must acknowledge breaking releases)" in page
    )
    assert "The catalog could not be reached: history and readers are those of the folder." in page
    assert "[weather@1.0](weather.md)" in (pages / "README.md").read_text("utf-8")
    before = {path.name: path.read_bytes() for path in pages.iterdir()}
    assert cli("docs", folder)[0] == 0
    assert {path.name: path.read_bytes() for path in pages.iterdir()} == before


def test_pages_tell_the_history_of_the_catalog(
    cli: Any, folder: Path, tmp_path: Path, cluster: Cluster
) -> None:
    """Each version with day, actor, reason and its differences; what is not registered yet is told as such."""
    target = tmp_path / "pages"
    assert cli("docs", folder, "airport_delay", "--output-dir", target)[0] == 0
    assert sorted(path.name for path in target.iterdir()) == ["README.md", "airport_delay.md"]
    page = (target / "airport_delay.md").read_text("utf-8")
    newest, _, oldest = page.partition("### 1.1 (not registered)")[2].partition("### 1.0 (")
    assert "- **MINOR** `delay`: " in newest
    assert "UTC, by ada@example.org)" in oldest
    assert "a test" in oldest
    assert "| `flight_inputs`" in page


def test_two_majors_have_two_pages(cli: Any, folder: Path) -> None:
    """The newest MAJOR has the view's name; both lead to each other."""
    write(
        folder,
        {"contracts/airport_delay.v2.odcs.yaml": changed(CONTRACT, ("version: 1.0.0", "version: 2.0.0"))},
    )
    assert cli("docs", folder, "--offline")[0] == 0
    pages = folder / "contract-pages"
    assert "[airport_delay@1](airport_delay.v1.md)" in (pages / "airport_delay.md").read_text("utf-8")
    assert "[airport_delay@2](airport_delay.md)" in (pages / "airport_delay.v1.md").read_text("utf-8")


def test_what_others_wrote_is_never_replaced(cli: Any, folder: Path) -> None:
    """A folder that holds anything else than pages of ours is left as it is."""
    target = write(folder / "docs", {"notes.md": "mine"})
    code, _, err = cli("docs", folder, "--offline", "--output-dir", target)
    assert code == 1
    assert "notes.md was not written by `syncline contract docs`" in err
    assert [path.name for path in target.iterdir()] == ["notes.md"]


def test_a_failure_leaves_the_earlier_pages(cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody meets half of the pages: when one cannot be written the folder stays as it was."""
    assert cli("docs", folder, "--offline")[0] == 0
    pages = folder / "contract-pages"
    before = {path.name: path.read_bytes() for path in pages.iterdir()}
    whole = Path.write_text

    def failing(path: Path, *args: Any, **kwargs: Any) -> int:
        if path.name == "weather.md":
            raise OSError(28, "No space left on device")
        return whole(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", failing)
    code, _, err = cli("docs", folder, "--offline")
    assert code == 1
    assert "nothing was written" in err
    assert {path.name: path.read_bytes() for path in pages.iterdir()} == before
    assert sorted(path.name for path in folder.iterdir()) == [
        "bundles",
        "contract-pages",
        "contracts",
        "subscriptions",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{folder}", "wether"), "Did you mean `weather`?"),
        (("no/such/folder",), "neither a folder nor a reference"),
        (("{empty}",), "there is no contract"),
        (("{folder}", "weather:temp"), "a contract is of a whole view"),
    ],
)
def test_pages_about_nothing_are_one_sentence(
    cli: Any, folder: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """A view that is not there, or a folder without contracts, is named; nothing is written."""
    empty = tmp_path / "empty"
    empty.mkdir()
    target = tmp_path / "pages"
    arguments = [word.format(folder=folder, empty=empty) for word in words]
    code, _, err = cli("docs", *arguments, "--offline", "--output-dir", target)
    assert code == 1
    assert said in err
    assert not target.exists()


def data_file(folder: Path) -> Path:
    """A Parquet file from which a contract can be inferred."""
    path = folder / "airport delays.parquet"
    moments = pa.array(
        [1_800_000_000_000_000 + row * 60_000_000 for row in range(120)], pa.timestamp("us", tz="UTC")
    )
    parquet.write_table(pa.table({"airport": ["EWR"] * 120, "ts": moments, "delay": [1.5] * 120}), path)
    return path


def test_what_is_inferred_passes_validate_as_it_stands(cli: Any, tmp_path: Path, capsys: Any) -> None:
    """The contract is printed, or written where it was asked for, and then is one of a folder's definitions."""
    file = data_file(tmp_path)
    code, out, err = cli("infer", file)
    assert (code, err) == (0, "")
    assert parse_contract(out, file="printed").view == "airport_delays"
    target = tmp_path / "contracts/airport_delays.odcs.yaml"
    target.parent.mkdir()
    code, printed, err = cli("infer", file, "--out", target, "--owner", "flight-ops")
    assert (code, printed) == (0, "")
    assert "airport_delays@1.0, 1 feature" in err
    assert run(["validate", str(tmp_path)]) == 0


def test_a_file_is_overwritten_only_when_asked_to(cli: Any, tmp_path: Path) -> None:
    """An existing file stays as it is without --force."""
    file, target = data_file(tmp_path), tmp_path / "mine.yaml"
    target.write_text("mine")
    code, _, err = cli("infer", file, "--out", target)
    assert code == 1
    assert "--force" in err
    assert target.read_text() == "mine"
    assert cli("infer", file, "--out", target, "--force")[0] == 0
    assert target.read_text("utf-8").startswith("# A first contract")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["airport delays.parquet", "mine.yaml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.csv",), "none.csv: it cannot be read: No such file or directory"),
        (("{file}", "--view", "Not A View"), "cannot name a view"),
        (("{file}", "--owner", " "), "no team is named"),
        (("{file}", "--key", "airprt"), "Did you mean `airport`?"),
        (("{file}", "--out", "{folder}/none/there.yaml"), "none/there.yaml: No such file or directory"),
    ],
)
def test_bad_input_to_infer_is_one_message(
    cli: Any, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """The file, or the option, is named with what to do; exit 1, nothing written."""
    file = data_file(tmp_path)
    code, out, err = cli("infer", *(word.format(file=file, folder=tmp_path) for word in arguments))
    assert (code, out) == (1, "")
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["airport delays.parquet"]


def test_pages_are_marked(folder: Path, cli: Any) -> None:
    """Each page says that it is generated, which is how a later run knows it."""
    cli("docs", folder, "--offline")
    assert all(path.read_text("utf-8").startswith(MARK) for path in (folder / "contract-pages").iterdir())
