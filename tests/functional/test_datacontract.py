"""`datacontract lint`, the tool of others, accepts the contracts that we hand out as examples."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from syncline.cli.main import cli
from syncline.contracts.odcs.document import parse_contract
from tests.stack.datacontract import DatacontractError, datacontract_lint, datacontract_python

ROOT = Path(__file__).parents[2]
# The first test installs the tool, which takes as long as an index takes.
pytestmark = pytest.mark.timeout(900)
DEMO = ROOT / "src/syncline/demo/definitions/contracts"


@pytest.fixture(scope="module", autouse=True)
def tool():
    """The tool, installed on first use; where it must be there, its absence is a failure."""
    try:
        datacontract_python()
    except DatacontractError as error:
        if os.environ.get("CI") or os.environ.get("SYNCLINE_TEST_STACK") == "local":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def full_example() -> str:
    """The contract that docs/reference/contract.md ends with."""
    page = (ROOT / "docs/reference/contract.md").read_text("utf-8")
    (example,) = [text for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "apiVersion" in text]
    return example


def test_a_wrong_contract_is_refused(tmp_path):
    """What judges our examples does refuse one, and names what is wrong with it."""
    file = tmp_path / "wrong.odcs.yaml"
    file.write_text(full_example().replace("logicalType: vector", "logicalType: tensor"))

    said = datacontract_lint(file)

    assert said is not None
    assert "tensor" in said


@pytest.mark.parametrize("name", sorted(path.name for path in DEMO.glob("*.yaml")))
def test_the_demo_is_accepted(name):
    """Every contract of the demo follows the standard as others read it."""
    assert datacontract_lint(DEMO / name) is None


def test_what_init_writes_is_accepted(tmp_path):
    """The contracts that `syncline init` writes follow the standard as others read it."""
    done = CliRunner().invoke(cli, ["init", str(tmp_path)])
    written = sorted((tmp_path / "contracts").glob("*.odcs.yaml"))

    assert done.exit_code == 0, done.output
    assert written
    assert [said for file in written if (said := datacontract_lint(file)) is not None] == []


def test_the_full_example_is_accepted(tmp_path):
    """The contract that says everything is one, to us and to others."""
    file = tmp_path / "full.odcs.yaml"
    file.write_text(full_example())

    assert parse_contract(full_example(), file=file.name).rules
    assert datacontract_lint(file) is None
