"""A cluster takes only ports that nobody listens on."""

import socket
from collections.abc import Iterator

import pytest

from orchestrator.errors import LaunchError
from slurm.cluster.config import ClusterConfig
from slurm.cluster.ports import check_ports, with_free_ports


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody else's server, within a block that was free."""
    config = with_free_ports(ClusterConfig(port=25_000, nodes=4))
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", config.port + 3))
        server.listen()
        yield server


def test_a_taken_port_is_named(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(LaunchError) as caught:
        check_ports((port, port - 1))
    assert caught.value.what == f"ports are in use: {port}"


def test_a_block_with_a_taken_port_is_passed_over(listener: socket.socket) -> None:
    first = listener.getsockname()[1] - 3
    assert first >= 25_000  # where the fixture's search began
    assert with_free_ports(ClusterConfig(port=first, nodes=4)).port > first
    assert with_free_ports(ClusterConfig(port=first, nodes=1)).port == first
