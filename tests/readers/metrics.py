"""Reads metrics with Prometheus's own Python client and prints them as JSON: families, and of each its samples
with their exemplars.

    metrics.py open|plain FILE
"""

import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

read = {"open": open_parser, "plain": parser}[sys.argv[1]].text_string_to_metric_families
families = []
with open(sys.argv[2], encoding="utf-8") as file:
    text = file.read()
for family in read(text):
    samples = []
    for sample in family.samples:
        exemplar = sample.exemplar and {"labels": sample.exemplar.labels, "value": sample.exemplar.value}
        samples.append({"name": sample.name, "labels": sample.labels, "value": sample.value, "exemplar": exemplar})
    families.append({"name": family.name, "type": family.type, "help": family.documentation, "samples": samples})
print(json.dumps(families))
