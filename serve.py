"""Serve the desk, where a team sees whom to call first and why, and the JSON API.

python serve.py --demo                          the desk on http://127.0.0.1:8000, on this machine alone
python serve.py --port 8080                     the API without the desk
python serve.py --model models:/amends-triage/3 --set store.url=sqlite:///data/local/other.db
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import signal
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config

# Heavy imports stand where they are used: `--help` answers at once, and so does /readyz while the model loads.


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C; return the exit code (0 stopped, 2 bad input or config)."""
    options = parser().parse_args(arguments)
    try:
        listener = listen(options.host, options.port, demo=options.demo)
    except ValueError as error:
        print(f"serve.py: {error}", file=sys.stderr)
        return 2
    from pipeline.config import ConfigError, load

    with listener:
        try:
            return serve(options, load(options.config, options.set), listener)
        except ConfigError as error:
            print(f"serve.py: {error}", file=sys.stderr)
            return 2


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    out = argparse.ArgumentParser(
        prog="serve.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    out.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    out.add_argument("--port", type=int, default=8000, help="port; 0 takes a free one (default: %(default)s)")
    out.add_argument("--config", default="configs/default.yaml", help="settings (default: %(default)s)")
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting; repeatable")
    out.add_argument("--model", default="champion", help="alias, version or URI of the model (default: %(default)s)")
    out.add_argument("--demo", action="store_true", help="open the desk without sign-in, on this machine alone")
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

    from pipeline.followup.store import Store
    from pipeline.web.app import create_app
    from pipeline.web.scorer import Loading, Scorer

    def scorer() -> Scorer:
        from pipeline.triage import scoring

        return scoring.Scorer.load(options.model, config)

    store, loading = Store.open(config.store.url), Loading(scorer)
    host, port = listener.getsockname()[:2]
    app = create_app(store=store, scorer=loading, demo=options.demo, loopback=ipaddress.ip_address(host).is_loopback)
    loading.start()
    print(f"Amends is on http://{f'[{host}]' if ':' in host else host}:{port} (Ctrl-C stops it)", flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False, proxy_headers=False))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what stops a service ends like Ctrl-C, with code 0
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
