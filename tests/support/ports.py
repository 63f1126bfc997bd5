"""Ports of the loopback address."""

import socket


def free_port() -> int:
    """One that nothing listens on at this moment."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
