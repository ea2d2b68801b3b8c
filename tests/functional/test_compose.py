"""docker-compose.yml, as Compose reads it: nobody else can reach it, and its commands are commands of ours."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from tests.stack.compose import ComposeError, compose_config, why_no_compose

FILE = Path(__file__).parents[2] / "docker-compose.yml"


@pytest.fixture(scope="module")
def config():
    """The file as Compose resolves it."""
    missing = why_no_compose()
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return compose_config(FILE)


def ours(config):
    """The services that run this project, by name."""
    return {name: service for name, service in config["services"].items() if "build" in service}


def test_wrong_file_is_refused(config, tmp_path):
    """What checks the file does refuse one with an unknown key, and names it."""
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text("services: {a: {image: x, colour: red}}")

    with pytest.raises(ComposeError, match="colour"):
        compose_config(wrong)


def test_has_every_part(config):
    """Kafka, a registry, the definitions applied, an agent, a coordinator and a publisher."""
    assert set(config["services"]) == {"kafka", "registry", "apply", "agent", "coordinator", "publisher"}
    assert set(ours(config)) == {"apply", "agent", "coordinator", "publisher"}


def test_ports_are_for_this_machine(config):
    """Every published port is bound to the loopback address."""
    published = [port for service in config["services"].values() for port in service.get("ports", [])]

    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_starts_in_order(config):
    """Nothing is applied before the servers are healthy, and nothing runs before it is applied."""
    services = config["services"]

    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    for server in ("kafka", "registry"):
        assert services["apply"]["depends_on"][server]["condition"] == "service_healthy"
        assert services[server]["healthcheck"]["test"]
    for role in ("agent", "coordinator", "publisher"):
        assert services[role]["depends_on"]["apply"]["condition"] == "service_completed_successfully"


def test_containers_of_ours_can_do_little(config):
    """No capability, no new privileges, no writing outside the store; and the image is not run by root."""
    for service in ours(config).values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"]
        assert not service.get("privileged")
    dockerfile = (
        Path(ours(config)["agent"]["build"]["context"]) / ours(config)["agent"]["build"]["dockerfile"]
    )
    users = [line.split()[1] for line in dockerfile.read_text().splitlines() if line.startswith("USER ")]
    assert users[-1] == "10001:10001"


@pytest.mark.parametrize("name", ["apply", "agent", "coordinator", "publisher"])
def test_commands_are_ours(config, monkeypatch, name):
    """Each service's command line is one that the CLI parses, with the variables that the service has."""
    from syncline.cli.main import cli

    service = config["services"][name]
    for variable, value in service["environment"].items():
        monkeypatch.setenv(variable, value)
    inside = {volume["target"]: volume["source"] for volume in service.get("volumes", [])}
    words = [inside.get(word, word) for word in service["command"]]

    command, context = cli, None
    while isinstance(command, click.Group):
        context = command.make_context(command.name, words, parent=context)
        _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
    command.make_context(command.name, words, parent=context)


def test_variables_are_settings(config):
    """Each variable that a service of ours has is one that a role reads."""
    from syncline.settings import AgentSettings

    known = {f"SYNCLINE_{name.upper()}" for name in AgentSettings.model_fields}

    for service in ours(config).values():
        assert set(service["environment"]) <= known
