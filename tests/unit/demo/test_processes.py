"""Commands and roles that the demo runs: what goes wrong in them ends the demo, with what they said."""

from __future__ import annotations

import pytest

from syncline.demo.processes import RoleProcess, run_command
from syncline.errors import SynclineError
from syncline.settings import ConnectionSettings

SETTINGS = ConnectionSettings.load(prefix="flights", client={})


def test_a_command_gives_what_it_printed():
    """The text on stdout, as an operator would see it."""
    assert run_command(SETTINGS, "--version").startswith("syncline ")


def test_a_command_that_fails_ends_the_demo_with_what_it_said():
    """The code, and the command's own words."""
    with pytest.raises(SynclineError, match=r"(?s)syncline rollout start ended with code 64:.*BUNDLE@N"):
        run_command(SETTINGS, "rollout", "start")


def test_a_role_that_ended_by_itself_ends_the_demo_with_the_end_of_its_log(tmp_path):
    """P10 is about agents that come back: one that is gone must not be waited for in silence."""
    role = RoleProcess(
        SETTINGS, name="coordinator", arguments=("coordinator", "--name", "not a name"), folder=tmp_path
    )

    with role:
        role._process.wait(30)
        with pytest.raises(SynclineError, match=r"(?s)coordinator ended with code 1:.*SYNCLINE_COORDINATOR"):
            role.require_running()
