"""The dashboards in .grafana, compared with the metrics that the hooks emit and that a Prometheus has scraped."""
