"""Supervisor: supervisord, asked through its socket as supervisorctl would."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xmlrpc.client import ServerProxy

from .base import Adapter, python

if TYPE_CHECKING:
    from ..service import Service


class Supervisor(Adapter):
    """It executes programs; its reload is "restart all": all end before one starts."""

    name = "Supervisor"
    distribution = "supervisor"
    version_command = ("-m", "supervisor.supervisord", "--version")

    def command(self, size: int, home: str, rest: float) -> list[str]:
        """Return the command line, with a configuration written."""
        lines = [
            "[supervisord]",
            "nodaemon = true",
            f"logfile = {home}/log",
            f"pidfile = {home}/pid",
            "[unix_http_server]",
            f"file = {home}/socket",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
            "[program:looping]",
            f"command = {sys.executable} -m bench.programs.looping",
            f"numprocs = {size}",
            "process_name = looping-%(process_num)s",
            "stdout_logfile = NONE",
            "stderr_logfile = NONE",
            "autorestart = true",
        ]
        path = Path(home, "supervisord.conf")
        path.write_text("\n".join(lines))
        return python("supervisor.supervisord", "-c", path)

    def reload(self, service: Service) -> None:
        """Stop all, start all; without waiting for what supervisord calls started (1 s)."""
        from supervisor.xmlrpc import SupervisorTransport  # a peer: not there in the tests

        transport: Any = SupervisorTransport(None, None, f"unix://{service.home}/socket")
        with ServerProxy("http://127.0.0.1", transport) as server:
            server.supervisor.stopAllProcesses()
            server.supervisor.startAllProcesses(False)
