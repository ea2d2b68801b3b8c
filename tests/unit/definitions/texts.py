"""Small definitions that hold together, to be broken one at a time."""

from __future__ import annotations

from pathlib import Path

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: airport_delay
version: 1.0.0
status: active
team: {name: flight-ops}
schema:
  - name: airport_delay
    logicalType: object
    physicalType: topic
    properties:
      - {name: airport, logicalType: string, required: true, primaryKey: true}
      - {name: event_time, logicalType: timestamp, required: true}
      - name: delay
        logicalType: number
        required: false
        logicalTypeOptions: {minimum: -120, maximum: 1000}
      - {name: departures, logicalType: integer, required: true}
slaProperties:
  - {property: latency, value: 5, unit: s}
customProperties:
  - {property: syncline.partitions, value: 2}
"""

WEATHER = """\
apiVersion: v3.2.0
kind: DataContract
id: weather
version: 1.0.0
status: active
team: {name: met}
schema:
  - name: weather
    logicalType: object
    physicalType: topic
    properties:
      - {name: station, logicalType: integer, required: true, primaryKey: true}
      - {name: event_time, logicalType: timestamp, required: true}
      - {name: temp, logicalType: number, required: true}
slaProperties:
  - {property: frequency, value: 1, unit: h}
"""

BUNDLE = """\
apiVersion: syncline/v1
kind: Bundle
name: flight_inputs
owner: flight-ops
features:
  - {view: airport_delay@1, as: origin, keys: {airport: origin}, features: [delay]}
  - {view: airport_delay@1, as: dest, keys: {airport: dest}}
  - {view: weather@1}
"""

SUBSCRIPTION = """\
apiVersion: syncline/v1
kind: Subscription
name: delay-predictor
bundle: flight_inputs
policy: {compatible: 1}
labels: {env: test}
freshness: {origin: 5 s, weather: 2 h}
model: {name: delay, version: "12"}
required: true
"""

CONTRACT_FILE = "contracts/airport_delay.odcs.yaml"
WEATHER_FILE = "contracts/weather.odcs.yaml"
BUNDLE_FILE = "bundles/flight_inputs.yaml"
SUBSCRIPTION_FILE = "subscriptions/delay_predictor.yaml"

WHOLE = {
    CONTRACT_FILE: CONTRACT,
    WEATHER_FILE: WEATHER,
    BUNDLE_FILE: BUNDLE,
    SUBSCRIPTION_FILE: SUBSCRIPTION,
}


def changed(text: str, *replacements: tuple[str, str]) -> str:
    """The text with each (old, new) replaced once; an old text that is not there is a fault of the test."""
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write the files under `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
