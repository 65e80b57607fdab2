"""Configurations for others' programs: their shape, for the programs are not here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ragtrace.wire import names

DEPLOY = Path(__file__).parents[2] / "deploy"


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def test_a_collectors_pipelines_are_made_of_what_is_there() -> None:
    """Every part that a pipeline names is configured, and every part is in a pipeline."""
    config = read("collector/config.yaml")
    for kind in ("receivers", "processors", "exporters"):
        pipelines = config["service"]["pipelines"].values()
        used = {name for pipeline in pipelines for name in pipeline[kind]}
        assert used == set(config[kind])


def test_a_collector_writes_into_the_tables_that_are_there() -> None:
    """It makes none of its own, and what it acknowledges is written."""
    clickhouse = read("collector/config.yaml")["exporters"]["clickhouse"]
    assert clickhouse["create_schema"] is False
    assert clickhouse["async_insert"] is False
    assert clickhouse["traces_table_name"] == "otel_traces"


def test_a_collector_lets_texts_through_to_the_server_only() -> None:
    """Drawn texts are taken off every span; log records go only where they are sealed."""
    config = read("collector/config.yaml")
    (action,) = config["processors"]["attributes/texts"]["actions"]
    drawn = {
        value.format(i=12)
        for name, value in vars(names).items()
        if name.startswith("OI_") and ("content" in value or "message" in value)
    } | {names.OI_QUERY, names.GEN_AI_QUERY}
    assert action["action"] == "delete" and len(drawn) == 7
    assert all(re.search(action["pattern"], name) for name in drawn)
    assert not re.search(action["pattern"], names.OI_DOCUMENT_ID.format(i=1))
    for name, pipeline in config["service"]["pipelines"].items():
        if name.startswith("traces"):
            assert "attributes/texts" in pipeline["processors"]
        else:
            assert pipeline["exporters"] == ["otlphttp/ragtrace"]


@pytest.mark.parametrize("name", ["clickhouse", "ragtrace", "grafana"])
def test_compose_publishes_on_loopback_only(name: str) -> None:
    """Nothing that is started here can be reached from another machine."""
    service = read("compose.yaml")["services"][name]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_compose_holds_no_secret_and_no_floating_version() -> None:
    """Secrets are asked for; images are pinned, ClickHouse to one that has what is needed."""
    services = read("compose.yaml")["services"]
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|KEY", name):
                assert re.fullmatch(r"\$\{\w+:\?\}", value)
        assert not service.get("image", "x:1").endswith(":latest")
    version = services["clickhouse"]["image"].split(":")[1]
    assert tuple(map(int, version.split("."))) >= (26, 2)
