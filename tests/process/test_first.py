"""The shortest way through everything: start, status, reload, stop."""

from __future__ import annotations

from tests.conftest import NewService

SHOP = """
    from naruto import WorkerProcess

    class Orders(WorkerProcess):
        interval = "20ms"

        def business(self):
            pass
"""


def test_a_service_starts_is_reloaded_and_stops(new_service: NewService) -> None:
    """Five workers start, a reload gives five new pids, a stop leaves nothing."""
    service = new_service({"shop.py": SHOP}).start("shop:Orders", "--workers", "5")
    before = service.pids()
    assert len(before) == 5
    done = service.command("reload")
    assert done.returncode == 0, done.stderr
    after = service.pids()
    assert len(after) == 5 and not before & after
    assert service.command("stop").returncode == 0
    assert service.wait() == 0
    assert not service.alive()
    assert not service.run_dir.exists()
