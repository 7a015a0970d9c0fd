"""check.py FOLDER SCHEMA: JUnit XML against its schema, Prometheus text by its client library."""

import json
import sys
from pathlib import Path

from lxml import etree
from prometheus_client.parser import text_string_to_metric_families

folder, schema = Path(sys.argv[1]), Path(sys.argv[2])
report = json.loads((folder / "report.json").read_text())

junit = etree.parse(folder / "junit.xml")
etree.XMLSchema(etree.parse(schema)).assertValid(junit)
failures = len(junit.findall(".//failure")) + len(junit.findall(".//error"))
assert failures > 0, "the run failed, JUnit does not say so"

families = {f.name: f for f in text_string_to_metric_families((folder / "metrics.prom").read_text())}
operations = {s.labels["step"]: 0 for s in families["workway_operations"].samples}
for sample in families["workway_operations"].samples:
    operations[sample.labels["step"]] += sample.value
for step in report["scenarios"][0]["steps"]:
    assert operations[step["name"]] == step["scheduled"], (step["name"], operations)
quantiles = [s for s in families["workway_latency_seconds"].samples if s.labels["quantile"] == "0.95"]
assert quantiles and all(s.value >= 0 for s in quantiles), "no p95"
print(f"JUnit valid with {failures} failures; Prometheus: {len(families)} families")
