"""The answers of a Prometheus in a file, from which `make screenshots` draws the pictures of the dashboards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.dashboards.dashboards import Dashboard, Target
from tests.dashboards.server import Series

__all__ = ["record"]


def record(
    path: Path,
    dashboards: Sequence[Dashboard],
    ask: Callable[[Target], Sequence[Series]],
    *,
    start: float,
    end: float,
    step: float,
    scraped: str,
    chosen: Mapping[str, str],
) -> None:
    """Write the answers for all panels of these dashboards.

    Args:
        ask: puts a query.
        scraped: what the Prometheus has scraped; the pictures say it.
        chosen: what the variables show, by their names; the others show that everything is chosen.
    """
    path.write_text(
        json.dumps(
            {
                "start": start,
                "end": end,
                "step": step,
                "scraped": scraped,
                "chosen": chosen,
                "answers": {
                    dashboard.uid: {
                        panel.id: {
                            target.ref: [{"labels": one.labels, "points": one.points} for one in ask(target)]
                            for target in panel.targets
                        }
                        for panel in dashboard.panels
                    }
                    for dashboard in dashboards
                },
            }
        ),
        encoding="utf-8",
    )
