"""Serve the desk, where a team sees whom to call first and why, and the JSON API.

python serve.py --demo                          the desk with a demo user; prints a link that works once
python serve.py user add ana --role lead        who may sign in; then: python serve.py --port 8080
python serve.py key add crm --scope feedback    a key for a program
python serve.py backup cases.bak                all cases in one file; restore puts them back; audit checks the log
python serve.py --set desk=configs/ours.yaml    other rules of the desk
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config

# Heavy imports stand where they are used: /readyz answers while the model loads.


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C, or do what a command says; return the exit code (0 done, 2 bad input or config)."""
    options = parser().parse_args(arguments)
    from pipeline.config import ConfigError, load

    try:
        if options.command:
            from pipeline.web import commands

            for line in commands.run(options, load(options.config, options.set)):
                print(line)
            return 0
        with listen(options.host, options.port, demo=options.demo) as listener:
            return serve(options, load(options.config, options.set), listener)
    except (ConfigError, ValueError) as error:
        print(f"serve.py: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    from pipeline.web.commandline import add_commands

    out = argparse.ArgumentParser(
        prog="serve.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    out.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    out.add_argument("--port", type=int, default=8000, help="port; 0 takes a free one (default: %(default)s)")
    out.add_argument("--config", default="configs/default.yaml", help="settings (default: %(default)s)")
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting; repeatable")
    out.add_argument("--model", default="champion", help="alias, version or URI of the model (default: %(default)s)")
    out.add_argument("--demo", action="store_true", help="a user without a password, on this machine alone")
    add_commands(out)
    return out


def listen(host: str, port: int, *, demo: bool) -> socket.socket:
    """Return a socket that listens; raise ValueError with one sentence where that cannot be."""
    if not 0 <= port <= 65535:
        raise ValueError(f"--port takes a number from 0 to 65535; got {port}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if demo and not ipaddress.ip_address(address[0]).is_loopback:
            raise ValueError(f"--demo has no passwords, so it is served on this machine alone; got --host {host}")
        return socket.create_server(address, family=family)
    except (socket.gaierror, UnicodeError):
        raise ValueError(f"--host {host!r} is no address of this machine; try 127.0.0.1") from None
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        raise ValueError(f"cannot listen on {host}, port {port}: {reason}; try another --port") from None


def serve(options: argparse.Namespace, config: Config, listener: socket.socket) -> int:
    """Open the store, load the model in the background, and answer until stopped."""
    import uvicorn

    from pipeline.web.running import running

    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what stops a service ends like Ctrl-C, with code 0
    with running(config, options.model, address, os.environ, demo=options.demo) as (app, said):
        print(f"Amends is on {address} (Ctrl-C stops it)", *said, sep="\n", flush=True)
        quiet = {"log_level": "warning", "server_header": False, "proxy_headers": False}
        # Longer than proxies keep a connection that nobody uses: else they send into one that we close.
        server = uvicorn.Server(uvicorn.Config(app, timeout_keep_alive=75, **quiet))  # type: ignore[arg-type]
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
