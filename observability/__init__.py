"""What watches Continuo, as code: objectives, rules, alerts and dashboards, written into the chart's files.

`python -m observability` writes charts/continuo/files/rules.yaml and files/dashboards/*.json anew; with
`--check` it fails where they are not what this says. Knows the metrics by their table
(services/shared/runtime/metrics.py) and nothing else of the services; no service imports it.
"""
