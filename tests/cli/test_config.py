"""Config shows what is in effect, and --check judges it before a service has to."""

from __future__ import annotations

import os
import re

import pytest

from tests.conftest import NewService
from tests.service import Service

SHOP = """
    from naruto import WorkerProcess

    class Base(WorkerProcess):
        max_errors = 7
        interval = "50ms"

    class Orders(Base):
        interval = "3s"

        def business(self):
            pass

    def poll():
        pass
"""

SETTINGS = """
    name = "shop"
    stop_timeout = "1m"
    [groups.orders]
    target = "shop:Orders"
    workers = 5
    [groups.mail]
    target = "shop:poll"
    stop_timeout = "5s"
"""


def _shown(service: Service, *args: str, **environ: str) -> dict[str, tuple[str, str]]:
    """Return what config shows: setting to value and origin."""
    done = service.naruto("config", *args, **environ)
    assert done.returncode == 0, done.stderr
    rows = [re.split(r" {2,}", line.strip()) for line in done.stdout.splitlines()[1:]]
    return {row[0]: (row[1], row[2]) for row in rows}


def test_each_value_with_its_origin(new_service: NewService) -> None:
    """Command line, environment, file, class attribute, default: each is named."""
    service = new_service({"shop.py": SHOP, "naruto.toml": SETTINGS})
    shown = _shown(service, "--log-level", "debug", NARUTO_MAX_INTERVAL="9s")
    assert shown["log_level"] == ("debug", "command line")
    assert shown["groups.orders.max_interval"] == ("9", "environment NARUTO_MAX_INTERVAL")
    assert shown["name"] == ("shop", "naruto.toml")
    assert shown["groups.orders.stop_timeout"] == ("60", "naruto.toml")
    assert shown["groups.mail.stop_timeout"] == ("5", "naruto.toml")
    assert shown["groups.orders.interval"] == ("3", "class attribute")
    assert shown["groups.orders.max_errors"] == ("7", "class attribute")
    assert shown["groups.mail.interval"] == ("0.2", "default")
    assert shown["groups.mail.workers"] == ("1", "default")


def test_what_counts_more_than_a_class_attribute(new_service: NewService) -> None:
    """A class attribute stands between defaults and file."""
    service = new_service({"shop.py": SHOP})
    shown = _shown(service, "shop:Orders", "--interval", "100ms")
    assert shown["groups.default.interval"] == ("0.1", "command line")


def test_what_workers_are_given(new_service: NewService) -> None:
    """Tables, masks and codes are shown as they may be written; a directory is the group's."""
    toml = 'exit_codes = [0, 2]\nenvironment.TZ = "UTC"\n' + SETTINGS.replace("    ", "")
    toml += 'directory = "elsewhere"\nenvironment.B = "two words"\n'
    files = {"shop.py": SHOP, "elsewhere/shop.py": SHOP, "naruto.toml": toml}
    service = new_service(files)
    shown = _shown(service, "--limits", "core=0 nproc=unlimited", NARUTO_UMASK="27")
    assert shown["groups.mail.limits"] == ("core=0 nproc=unlimited", "command line")
    assert shown["groups.mail.environment"] == ("TZ=UTC B='two words'", "naruto.toml")
    assert shown["groups.orders.environment"] == ("TZ=UTC", "naruto.toml")
    assert shown["groups.mail.umask"] == ("027", "environment NARUTO_UMASK")
    assert shown["groups.mail.exit_codes"] == ("0,2", "naruto.toml")
    assert shown["groups.mail.directory"] == (str(service.home / "elsewhere"), "naruto.toml")
    assert shown["groups.orders.directory"] == (shown["directory"][0], "default")
    assert shown["groups.orders.nice"] == ("none", "default")
    assert shown["exit_with_parent"] == ("false", "default")


def test_check_of_no_target(new_service: NewService) -> None:
    """In a wrong directory it is the demo that is good, and that is said on stderr."""
    done = new_service({}).naruto("config", "--check")
    assert done.returncode == 0 and "built-in demo" in done.stderr
    done = new_service({"shop.py": SHOP, "naruto.toml": SETTINGS}).naruto("config", "--check")
    assert done.returncode == 0 and not done.stderr


def test_check_says_yes(new_service: NewService) -> None:
    """Good settings and targets: one line and 0; nothing runs, nothing is made."""
    service = new_service({"shop.py": SHOP, "naruto.toml": SETTINGS})
    done = service.naruto("config", "--check")
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    assert {path.name for path in service.home.iterdir()} <= {
        *("shop.py", "naruto.toml", "__pycache__"),
    }


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        ("def other(): pass", 2, "no 'Orders' in {home}/shop.py"),
        ("Orders = 5", 2, "nothing to call"),
        ("class Orders: pass", 2, "no WorkerProcess"),
        ("import nowhere", 1, "No module named 'nowhere'"),
        ("def Orders(: pass", 1, "SyntaxError"),
        ("raise RuntimeError('x' * 50_000)", 1, "RuntimeError: xxx"),
        ("raise SystemExit('at import')", 1, "at import"),
        ("import os; os._exit(3)", 1, "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", 1, "signal KILL"),
        ("print('by the module')\ndef Orders(): yield", 2, "is a generator"),
    ],
)
@pytest.mark.parametrize("args", [[], ["--check"]])
def test_bad_target(
    new_service: NewService, source: str, status: int, said: str, args: list[str]
) -> None:
    """The target is imported, in a child: whatever it does there is told, and harms nothing."""
    service = new_service({"shop.py": source})
    done = service.naruto("config", "shop:Orders", *args)
    assert done.returncode == status, done.stderr
    assert said.format(home=service.home) in done.stderr
    assert "naruto/checking.py" not in done.stderr
    assert not service.alive()


@pytest.mark.parametrize(
    "attribute",
    ['interval = "soon"', "interval = -1", "max_errors = 0", "interval = object()"],
)
@pytest.mark.parametrize("command", ["config", "start"])
def test_bad_class_attribute(new_service: NewService, attribute: str, command: str) -> None:
    """What a class sets is judged like any setting: the class and the attribute are named."""
    source = f"""
        from naruto import WorkerProcess

        class Orders(WorkerProcess):
            {attribute}

            def business(self):
                pass
    """
    service = new_service({"shop.py": source})
    done = service.naruto(command, "shop:Orders", "--run-dir", str(service.run_dir))
    assert done.returncode in (1, 2) if command == "start" else done.returncode == 2
    assert "Orders" in done.stderr and attribute.split()[0] in done.stderr
    assert "Traceback" not in done.stderr
    assert not service.alive()


def test_a_misspelt_variable(new_service: NewService) -> None:
    """NARUTO_WORKER is a warning with what may have been meant, no error."""
    service = new_service({"shop.py": SHOP})
    done = service.naruto("config", "shop:poll", NARUTO_WORKER="5")
    assert done.returncode == 0
    assert "NARUTO_WORKER is not a setting; did you mean NARUTO_WORKERS?" in done.stderr


@pytest.mark.parametrize("workers", ["0", "many"])
def test_bad_settings(new_service: NewService, workers: str) -> None:
    """What is no setting is refused before any target is loaded."""
    source = "open('loaded', 'w')\ndef poll(): pass"
    service = new_service({"shop.py": source})
    done = service.naruto("config", "--check", "shop:poll", "--workers", workers)
    assert done.returncode == 2 and f"--workers {workers}" in done.stderr
    assert not (service.home / "loaded").exists()


def test_a_target_is_loaded_with_what_its_group_is_given(new_service: NewService) -> None:
    """Environment and user are the group's: who checks has no more rights than who works."""
    source = """
        import os
        assert os.environ["DB"] == "here"
        print(f"imported by {os.geteuid()}", file=open("/dev/stderr", "w"))

        def poll():
            pass
    """
    service = new_service({"shop.py": source})
    service.home.chmod(0o755)
    done = service.naruto("config", "--check", "shop:poll", "--environment", "DB=here")
    assert done.returncode == 0, done.stderr
    assert f"imported by {os.geteuid()}" in done.stderr
    assert service.naruto("config", "--check", "shop:poll").returncode == 1
