"""What the program says before it kills anything."""

from __future__ import annotations

import pytest

from tests.kill.__main__ import main
from tests.servers.programs import NatsServer


def test_a_set_up_whose_server_is_missing_is_not_run_and_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(NatsServer, "missing", lambda: "NATS is not installed here")
    assert main(["--setup", "postgresql+nats"]) == 2
    assert "not run: " in (said := capsys.readouterr().out)
    assert "NATS is not installed here" in said


@pytest.mark.parametrize("option", ["--kills=0", "--kills=-1", "--seconds=0", "--seconds=nan"])
def test_a_run_that_would_kill_nobody_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option])
    assert ended.value.code == 2
    assert "is not above 0" in capsys.readouterr().err
