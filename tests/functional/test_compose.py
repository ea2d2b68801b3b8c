"""docker-compose.yml, as Compose reads it: nobody else can reach it, and its commands are commands of ours."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click
import pytest
import yaml

from tests.stack.apicurio import APICURIO_VERSION
from tests.stack.compose import ComposeError, compose_config, why_no_compose
from tests.stack.jaeger import JAEGER_VERSION
from tests.stack.kafka import KAFKA_VERSION

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
GRAFANA = ROOT / "deploy" / "grafana"
ROLES = ("agent", "coordinator", "publisher")
OTHERS = ("kafka", "registry", "jaeger", "prometheus", "grafana")


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
    """Servers, the definitions applied, an agent, a coordinator and a publisher."""
    assert set(config["services"]) == {"apply", *ROLES, *OTHERS}
    assert set(ours(config)) == {"apply", *ROLES}


def test_ports_are_for_this_machine(config):
    """Every published port is bound to the loopback address: what serves people, and none of ours."""
    published = {
        name: [(port["host_ip"], port["target"]) for port in service["ports"]]
        for name, service in config["services"].items()
        if service.get("ports")
    }

    assert published == {
        "kafka": [("127.0.0.1", 9092)],
        "registry": [("127.0.0.1", 8080)],
        "jaeger": [("127.0.0.1", 16686)],
        "prometheus": [("127.0.0.1", 9090)],
        "grafana": [("127.0.0.1", 3000)],
    }


def test_images_are_pinned(config):
    """Each image of others has a full version, the one that the tests start where they start it."""
    versions = dict(config["services"][name]["image"].rsplit(":", 1) for name in OTHERS)

    assert all(re.fullmatch(r"v?\d+\.\d+\.\d+", version) for version in versions.values()), versions
    assert versions["apache/kafka"] == KAFKA_VERSION
    assert versions["apicurio/apicurio-registry"] == APICURIO_VERSION
    assert versions["jaegertracing/jaeger"] == JAEGER_VERSION


def test_files_are_there_and_only_read(config):
    """What a container is given from here exists, and it cannot write to it; the configurations that are named, too."""
    inside = {}
    for name, service in config["services"].items():
        for volume in service.get("volumes", []):
            assert volume["type"] == "bind"
            assert volume["read_only"], (name, volume)
            assert Path(volume["source"]).exists(), (name, volume)
            inside[name, volume["target"]] = Path(volume["source"])

    assert inside["jaeger", config["services"]["jaeger"]["command"][1]].is_file()
    [named] = [word for word in config["services"]["prometheus"]["command"] if "config.file" in word]
    assert inside["prometheus", named.partition("=")[2]].is_file()
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "syncline.yml").read_text())
    assert ("grafana", provider["providers"][0]["options"]["path"]) in inside


def test_starts_in_order(config):
    """Nothing is applied before the servers are healthy, and nothing runs before it is applied."""
    services = config["services"]

    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    for server in ("kafka", "registry"):
        assert services["apply"]["depends_on"][server]["condition"] == "service_healthy"
    for server in OTHERS:
        assert services[server]["healthcheck"]["test"]
    for role in ROLES:
        assert services[role]["depends_on"]["apply"]["condition"] == "service_completed_successfully"


def test_containers_of_ours_can_do_little(config):
    """No capability, no new privileges, no writing outside the store; and the image is not run by root."""
    watchers = ("jaeger", "prometheus", "grafana")
    for service in (*ours(config).values(), *(config["services"][name] for name in watchers)):
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
    """Each variable that a service of ours has is one that a role reads, or OpenTelemetry's own."""
    from syncline.settings import AgentSettings

    known = {f"SYNCLINE_{name.upper()}" for name in AgentSettings.model_fields}

    for service in ours(config).values():
        assert set(service["environment"]) <= known | {"OTEL_EXPORTER_OTLP_ENDPOINT"}


def test_every_role_is_scraped(config):
    """Prometheus has the address on which each role serves its metrics, under the role's job."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "targets" / "compose.yml").read_text())
    scraped = {group["labels"]["job"]: group["targets"] for group in groups}

    served = {}
    for role in ROLES:
        host, _, port = config["services"][role]["environment"]["SYNCLINE_METRICS"].rpartition(":")
        assert host == "0.0.0.0"
        served[f"syncline-{role}"] = [f"{role}:{port}"]
    assert scraped == served


def test_spans_go_to_jaeger(config):
    """Every role sends to the port on which Jaeger takes OTLP over HTTP, on an address that others reach."""
    jaeger = config["services"]["jaeger"]
    receiver = yaml.safe_load((ROOT / "deploy" / "jaeger" / "jaeger.yaml").read_text())["receivers"]["otlp"]

    endpoint = receiver["protocols"]["http"]["endpoint"]
    assert endpoint == "${env:JAEGER_LISTEN_HOST:-127.0.0.1}:${env:JAEGER_OTLP_HTTP_PORT:-4318}"
    assert jaeger["environment"] == {"JAEGER_LISTEN_HOST": "0.0.0.0"}
    for role in ROLES:
        assert config["services"][role]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4318"


def test_grafana_finds_its_sources(config):
    """Its data sources are services here, dashboards name no others, and exemplars lead to Jaeger."""
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "syncline.yml").read_text())
    by_uid = {source["uid"]: source for source in sources["datasources"]}

    assert {uid: source["url"] for uid, source in by_uid.items()} == {
        "syncline-prometheus": "http://prometheus:9090",
        "syncline-jaeger": "http://jaeger:16686",
    }
    links = by_uid["syncline-prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert {link["name"] for link in links} == {"trace_id"}
    assert {link.get("datasourceUid") for link in links} == {None, "syncline-jaeger"}
    # What is filled in from the environment is given to it.
    variables = set(re.findall(r"(?<!\$)\$\{(\w+)\}", json.dumps(sources)))
    assert variables <= set(config["services"]["grafana"]["environment"])
    for file in (GRAFANA / "dashboards").glob("*.json"):
        named = set(re.findall(r'"uid": "(syncline-(?:prometheus|jaeger)[^"]*)"', file.read_text()))
        assert named <= set(by_uid), file.name
