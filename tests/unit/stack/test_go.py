"""Which Go builds what is had only as source."""

from __future__ import annotations

import pytest

from tests.stack import go as module
from tests.stack.go import GoError, go_binary, run_go, why_no_go


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Says which Go is installed: `machine("go1.26.8")`, None for none; nothing is cached, and fetching is noted."""
    monkeypatch.setenv("SYNCLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    fetched = []

    def fetch(folder):
        fetched.append(folder)
        (folder / "go" / "bin").mkdir(parents=True)
        (folder / "go" / "bin" / "go").write_text("#!/bin/sh\necho fetched\n")
        (folder / "go" / "bin" / "go").chmod(0o755)

    monkeypatch.setattr(module, "_fetch", fetch)

    def installed(version):
        if version is not None:
            (tmp_path / "go").write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
            (tmp_path / "go").chmod(0o755)
        return fetched

    return installed


@pytest.mark.parametrize("version", ["go1.25.4", "go1.26.8", "go2.0"])
def test_installed_go_is_used(machine, version, tmp_path):
    """A Go that is new enough is taken, and nothing is fetched."""
    fetched = machine(version)

    assert why_no_go() is None
    assert go_binary() == tmp_path / "go"
    assert fetched == []


@pytest.mark.parametrize("version", [None, "go1.19.8", "devel"])
def test_go_is_fetched_once_where_there_is_none(machine, version):
    """None, an old one or one without a version is no Go: asking says so, and using it fetches another."""
    fetched = machine(version)
    assert "Go 1.25 or later" in why_no_go()
    assert fetched == []

    assert run_go("version") == run_go("version") == "fetched\n"

    assert len(fetched) == 1
    assert why_no_go() is None


def test_failing_command_tells_what_go_said(machine, tmp_path):
    """The error has the command's word and Go's own."""
    machine("go1.26.8")
    (tmp_path / "go").write_text(
        "#!/bin/sh\n[ $1 = version ] && echo go1.26 || { echo no disk >&2; exit 1; }\n"
    )

    with pytest.raises(GoError, match=r"(?s)go build failed.*no disk"):
        run_go("build", "./cmd")
