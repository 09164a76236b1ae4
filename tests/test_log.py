"""The log: whole lines that say who wrote them, none lost, and nothing stops for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path
from textwrap import dedent

import loguru
import pytest

from tests.conftest import NewService
from tests.service import Service, eventually

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (?P<level>[A-Z]+) +"
    r"(?P<process>[a-z]+(-[a-z]+)?([-.]\d+)?)\[(?P<pid>\d+)\] (?P<text>.*)"
)

IDLE = """
    def poll():
        pass
"""

SAYS = """
    import logging, sys
    from naruto import WorkerProcess

    class Says(WorkerProcess):
        def on_start(self):
            print("printed", 1)
            print("two\\nlines")
            print("on stderr", file=sys.stderr)
            logging.debug("a detail")
            logging.info("logged at info")
            logging.getLogger("shop").error("logged %s", "an error")
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("caught")

        def business(self):
            pass

        def on_stop(self, reason):
            print("without a newline", end="")
"""


def _parsed(text: str) -> list[dict[str, str]]:
    parsed = []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        assert match, f"no head on {line!r}"
        parsed.append(match.groupdict())
    return parsed


def _ended(service: Service, status: int = 0) -> list[dict[str, str]]:
    """Stop a foreground service; return its log, parsed."""
    assert service.command("stop").returncode == status
    service.wait()
    return _parsed(_rest(service))


def _rest(service: Service) -> str:
    service.wait_for(" ends$")
    return service.log


class TestForm:
    """One line a record, and each line says when, how bad, and who."""

    def test_every_line_has_its_head(self, new_service: NewService) -> None:
        """Through start, reload and stop, each line carries time, level, name and pid."""
        service = new_service({"shop.py": IDLE}).start("shop:poll", "--workers", "2")
        master, workers = service.pid, service.pids()
        assert service.command("reload").returncode == 0
        workers |= service.pids()
        lines = _ended(service)
        assert {int(line["pid"]) for line in lines if line["process"] == "master"} == {master}
        others = {line["process"]: int(line["pid"]) for line in lines}
        others.pop("master")
        assert set(others) <= {"default-0", "default-1"}
        assert set(others.values()) <= workers

    def test_tracebacks_too(self, new_service: NewService) -> None:
        """A traceback is many lines, each found by a grep for the worker's name."""
        source = """
            def poll():
                raise ValueError("one\\ntwo")
        """
        service = new_service({"shop.py": source})
        service.start("shop:poll").wait_for("] two$")
        lines = [line for line in _ended(service) if line["process"] == "default-0"]
        texts = [line["text"] for line in lines if line["level"] == "ERROR"]
        assert texts[0].startswith("business() raised")
        assert texts[1].startswith("Traceback")
        assert texts[texts.index("ValueError: one") + 1] == "two"

    def test_a_signal_is_named_with_its_sender(self, new_service: NewService) -> None:
        """A shutdown by signal says which, and from what pid and user."""
        service = new_service({"shop.py": IDLE}).start("shop:poll")
        service.signal("TERM")
        assert service.wait() == 0
        assert re.search(rf"TERM .*from pid {os.getpid()} of user \w+", _rest(service))


class TestUserCode:
    """What user code prints and logs lands in the log, with the worker's name."""

    def test_lands_in_the_log(self, new_service: NewService) -> None:
        """Prints, stderr and logging, each at its level, of INFO and above."""
        lines = _ended(new_service({"shop.py": SAYS}).start("shop:Says"))
        said = [(e["level"], e["text"]) for e in lines if e["process"] == "default-0"]
        for expected in [
            ("INFO", "printed 1"),
            ("INFO", "two"),
            ("INFO", "lines"),
            ("WARNING", "on stderr"),
            ("INFO", "root: logged at info"),
            ("ERROR", "shop: logged an error"),
            ("ERROR", "root: caught"),
            ("ERROR", "ZeroDivisionError: division by zero"),
            ("INFO", "without a newline"),
        ]:
            assert said.count(expected) == 1, expected
        assert not any("a detail" in text for _, text in said)

    @pytest.mark.parametrize("level", ["", ", level=logging.DEBUG"])
    def test_own_configuration_of_logging_counts(
        self, new_service: NewService, level: str
    ) -> None:
        """Who configures logging gets exactly that: its format, its level, no second copy."""
        source = f"""
            import logging

            logging.basicConfig(format="mine: %(message)s"{level})

            def poll():
                logging.debug("debugged")
                logging.info("informed")
                logging.warning("warned")
        """
        service = new_service({"shop.py": source}).start("shop:poll")
        service.wait_for("warned")
        texts = {line["text"] for line in _ended(service) if line["process"] == "default-0"}
        expected = ["mine: debugged", "mine: informed"] if level else []
        assert sorted(t for t in texts if "ed" in t) == [*expected, "mine: warned"]

    def test_a_program_prints_past_it(self, new_service: NewService) -> None:
        """Output of a subprocess goes where the log goes, as it is."""
        source = """
            import os

            def poll():
                os.system("echo from a shell")
        """
        service = new_service({"shop.py": source}).start("shop:poll")
        assert service.wait_for("from a shell") == "from a shell\n"

    def test_strange_text(self, new_service: NewService) -> None:
        """Markup, braces, colours, surrogates and NULs are written, whatever they are."""
        source = r"""
            def poll():
                print("{not} a <red>format</red> %s")
                print("caf\u00e9 \udcff \x00|")
        """
        service = new_service({"shop.py": source}).start("shop:poll")
        service.wait_for(r"\{not\} a <red>format</red> %s$")
        assert "café \\udcff \x00|" in service.wait_for("caf")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--log-level", "error"], {"ERROR"}),
        (["--log-level", "Warning"], {"WARNING", "ERROR"}),
        ([], {"INFO", "WARNING", "ERROR"}),
    ],
)
def test_log_level(new_service: NewService, given: list[str], shown: set[str]) -> None:
    """Less than --log-level is not written, by master and worker alike."""
    service = new_service({"shop.py": SAYS})
    service.start("shop:Says", *given, wait_until="ZeroDivisionError")
    assert service.command("stop").returncode == 0
    service.wait()
    assert {line["level"] for line in _parsed(_all(service))} == shown


def _all(service: Service) -> str:
    """Everything that a service which has ended has written."""
    while service._next() is not None:
        pass
    return service.log


class TestFile:
    """--log-file: one file for all, that may be taken away at any time."""

    COUNTS = """
        from naruto import WorkerProcess

        class Counts(WorkerProcess):
            interval = "1ms"
            n = 0

            def business(self):
                for _ in range(5):
                    print(f"line {self.index} {self.n} {'x' * (self.n * 997 % 9000)}.")
                    self.n += 1

            def on_stop(self, reason):
                print(f"count {self.index} {self.n}")
    """

    def test_not_a_line_is_lost_or_torn(self, new_service: NewService, tmp_path: Path) -> None:
        """Moved and deleted under the load of four workers: every line is somewhere, once."""
        service = new_service({"shop.py": self.COUNTS})
        log, files = tmp_path / "a.log", []
        args = "shop:Counts", "--workers", "4", "--log-file", str(log)
        _daemon(service, *args)
        for number in range(8):
            eventually(lambda: _has_lines_of_all(log))
            files.append(log.open())  # keeps what is deleted readable
            if number % 2:
                log.unlink()
            else:
                log.rename(tmp_path / f"a.log.{number}")
        assert service.command("stop").returncode == 0
        text = "".join(file.read() for file in [*files, log.open()])
        lines = [line["text"] for line in _parsed(text)]
        whole = re.compile(r"line (\d) (\d+) x*\.")
        seen = Counter((int(m[1]), int(m[2])) for t in lines if (m := whole.fullmatch(t)))
        counts = dict(map(int, t.split()[1:]) for t in lines if t.startswith("count "))
        assert sorted(counts) == [0, 1, 2, 3]
        assert seen == Counter((index, n) for index in counts for n in range(counts[index]))
        assert not [t for t in lines if t.startswith("line ") and not whole.fullmatch(t)]

    def test_output_of_programs_follows(self, new_service: NewService, tmp_path: Path) -> None:
        """What is printed past the log goes to the new file, too."""
        source = """
            import os

            def poll():
                print("mark")
                os.system("echo by a shell; echo on its stderr >&2")
        """
        service, log = new_service({"shop.py": source}), tmp_path / "a.log"
        _daemon(service, "shop:poll", "--log-file", str(log))
        log.rename(tmp_path / "old")
        eventually(lambda: _assert_in("by a shell\non its stderr\n", log))
        assert service.command("stop").returncode == 0

    def test_directory_removed(self, new_service: NewService, tmp_path: Path) -> None:
        """Without a place for the log work goes on; with the place the log is back."""
        directory = tmp_path / "logs"
        directory.mkdir()
        log = directory / "a.log"
        service = new_service({"shop.py": self.COUNTS})
        service.start("shop:Counts", "--log-file", str(log), wait_until="")
        eventually(lambda: _assert_in(" is up", log))
        shutil.rmtree(directory)
        loops = service.workers()[0]["loops"]
        eventually(lambda: _assert(service.workers()[0]["loops"] > loops))
        assert service.command("reload").returncode == 0
        directory.mkdir()
        eventually(lambda: _assert_in("line 0", log))
        assert service.command("stop").returncode == 0
        assert service.wait() == 0

    def test_disk_full(self, new_service: NewService) -> None:
        """A full disk stops neither start nor work nor stop."""
        service = new_service({"shop.py": self.COUNTS})
        _daemon(service, "shop:Counts", "--log-file", "/dev/full")
        eventually(lambda: _assert(service.workers()[0]["loops"] > 1))
        assert service.command("reload").returncode == 0
        assert service.command("stop").returncode == 0
        assert not service.alive()

    def test_nobody_reads_it_any_more(self, new_service: NewService) -> None:
        """A foreground log whose reader has gone (``| head``) stops nothing."""
        service = new_service({"shop.py": self.COUNTS})
        reader, writer = os.pipe()
        command = [sys.executable, "-m", "naruto", "start", "shop:Counts"]
        master = subprocess.Popen(
            [*command, "--run-dir", str(service.run_dir)],
            cwd=service.home,
            env=service.environ,
            stderr=writer,
            stdout=writer,
        )
        os.close(writer)
        with open(reader) as lines:
            assert any(" is up" in line for line in lines)
        loops = service.workers()[0]["loops"]
        eventually(lambda: _assert(service.workers()[0]["loops"] > loops))
        assert service.command("stop").returncode == 0
        assert master.wait() == 0


def _daemon(service: Service, *args: str) -> None:
    done = service.naruto("start", "-d", "--run-dir", str(service.run_dir), *args)
    assert done.returncode == 0, done.stderr


def _has_lines_of_all(log: Path) -> None:
    text = log.read_text() if log.exists() else ""
    assert all(f" line {index} " in text for index in range(4))


def _assert_in(text: str, log: Path) -> None:
    assert log.exists() and text in log.read_text()


def _assert(fact: bool) -> None:
    assert fact


class TestLoguru:
    """What user code logs through loguru lands in the log, and naruto itself needs none."""

    SAYS = """
        import importlib.util, sys

        print("loaded before:", "loguru" in sys.modules)
        assert importlib.util.find_spec("loguru")  # who only asks meets nobody
        from loguru import logger

        logger.info("at import")

        def poll():
            logger.debug("a detail")
            logger.warning("a warning {}", 1)
            try:
                1 / 0
            except ZeroDivisionError:
                logger.exception("caught")
            print("printed")
            {more}
            sys.exit(0)
    """

    def _said(self, new_service: NewService, more: str = "", *options: str) -> list[str]:
        service = new_service({"shop.py": self.SAYS.replace("{more}", more)})
        service.start("shop:poll", "--restart", "never", *options)
        service.wait()
        return [
            f"{line['level']} {line['text']}"
            for line in _parsed(_rest(service))
            if line["process"] != "master"
        ]

    @pytest.mark.parametrize("preload", ["--no-preload", "--preload"])
    def test_lands_in_the_log_once(self, new_service: NewService, preload: str) -> None:
        """Each record at its level, with its traceback, and none twice."""
        said = self._said(new_service, "", preload)
        assert said[:2] == ["INFO loaded before: False", "INFO at import"]
        for line in ("WARNING a warning 1", "ERROR caught", "INFO printed"):
            assert said.count(line) == 1
        assert said.count("ERROR ZeroDivisionError: division by zero") == 1
        assert not any("a detail" in line for line in said)

    def test_a_user_who_removes_all_sinks(self, new_service: NewService) -> None:
        """What the user makes of loguru costs none of naruto's own lines."""
        more = "logger.remove(); logger.info('nowhere'); print('still here'); 1 / 0"
        service = new_service({"shop.py": self.SAYS.replace("{more}", more)})
        service.start("shop:poll").wait_for("ERROR .* business.. raised")
        said = [line["text"] for line in _ended(service)]
        assert "still here" in said and "nowhere" not in said

    def test_from_a_zip_file(self, new_service: NewService) -> None:
        """There one loader has all modules; they are imported as ever."""
        imports = """
            import sys, importlib.util
            sys.path.insert(0, "all.zip")
            assert importlib.util.find_spec("loguru")
            import early, late
        """
        service = new_service({"shop.py": dedent(imports) + dedent(IDLE)})
        with zipfile.ZipFile(service.home / "all.zip", "w") as file:
            for source in Path(loguru.__file__).parent.glob("*.py"):
                file.write(source, f"loguru/{source.name}")
            file.writestr("late.py", "import loguru; loguru.logger.info(loguru.__file__)")
            file.writestr("early.py", "print('imported as ever')")
        service.start("shop:poll").wait_for("imported as ever")
        said = [line["text"] for line in _ended(service)]
        assert sum("all.zip/loguru/__init__.py" in text for text in said) == 1

    def test_a_master_has_none(self, new_service: NewService) -> None:
        """It is dear to import, and what the master has mapped every fork copies."""
        service = new_service({"shop.py": IDLE}).start("shop:poll", "--workers", "1")
        for pid in (service.pid, *service.pids()):
            assert "_asyncio" not in Path(f"/proc/{pid}/maps").read_text()  # loguru imports it
        _ended(service)


class TestLibrary:
    """Used by a program, naruto is silent unless it is asked to speak."""

    EMBEDS = """
        import sys
        from naruto import Manager

        options = dict(arg.split("=") for arg in sys.argv[1:])
        print("before", flush=True)
        status = Manager("shop:poll", run_dir="run", **options).run()
        print("after", status)
    """
    PRINTS = """
        import sys

        printed = False

        def poll():
            global printed
            if not printed:
                print("untouched", flush=True)
                print("by stderr", file=sys.stderr, flush=True)
                printed = True
    """

    def test_run_prints_nothing(self, new_service: NewService) -> None:
        """An embedded service logs nothing, and what workers print passes as it is."""
        service = new_service({"shop.py": self.PRINTS, "program.py": self.EMBEDS})
        service.run([sys.executable, "program.py"], wait_until="by stderr")
        assert service.command("reload").returncode == 0
        assert service.command("stop").returncode == 0
        assert service.wait() == 0
        pair = ["untouched", "by stderr"]
        assert _all(service).split("\n") == ["before", *pair, *pair, "after 0", ""]

    def test_asked_to(self, new_service: NewService) -> None:
        """With a log level it logs, each line once, beside what the program does itself."""
        service = new_service({"shop.py": self.PRINTS, "program.py": self.EMBEDS})
        service.run([sys.executable, "program.py", "log_level=info"], wait_until=" is up: ")
        service.wait_for("by stderr")
        assert service.command("stop").returncode == 0
        assert service.wait() == 0
        *_, log = (text := _all(service)).partition("before\n")
        assert text.count(" is up: ") == text.count("untouched") == 1
        assert len(_parsed(log.replace("after 0\n", ""))) > 3

    def test_orders_print_nothing(self, new_service: NewService) -> None:
        """A program that gives orders to a service hears of them by return values alone."""
        service = new_service({"shop.py": IDLE}).start("shop:poll")
        program = """
            from naruto import Manager

            manager = Manager(run_dir="run")
            assert manager.status()["state"] == "running"
            assert isinstance(manager.reload(), str)
            assert isinstance(manager.stop(), str)
        """
        service.write("orders.py", program)
        done = subprocess.run(
            [sys.executable, "orders.py"],
            cwd=service.home,
            env=service.environ,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_the_programs_own_loguru(self, new_service: NewService) -> None:
        """The sinks of a program that uses loguru itself see nothing of naruto, and stay."""
        program = """
            from loguru import logger
            from naruto import Manager

            Manager("shop:poll", run_dir="run").run()
            logger.info("the program's own")
        """
        service = new_service({"shop.py": IDLE, "program.py": program})
        service.run([sys.executable, "program.py"], wait_until="")
        eventually(lambda: _assert(service.pipe().exists()))
        assert service.command("stop").returncode == 0
        assert service.wait() == 0
        lines = _all(service).splitlines()
        assert len(lines) == 1 and lines[0].endswith("the program's own")
