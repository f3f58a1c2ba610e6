"""The dashboards in .grafana, held against the metrics that the hooks emit and a Prometheus that scraped them."""
