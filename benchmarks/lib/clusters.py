"""Two nodes of Ray on this machine, and the processes of collectors on them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster

_QUICK = {
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_initial_delay_ms": "0",
}
"""A lost node is known after 3 s."""


@contextmanager
def two_nodes(cpus: int) -> Iterator[Callable[[], None]]:
    """
    Within it this process is connected to a cluster of two nodes.

    :param cpus: of each node, as Ray counts them
    :return: takes the second node away
    """
    os.environ.update(_QUICK, RAY_USAGE_STATS_ENABLED="0")
    head = {"num_cpus": cpus, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    node = cluster.add_node(num_cpus=cpus)
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    ray.init(address=cluster.address, **quiet)
    try:
        yield lambda: cluster.remove_node(node, allow_graceful=False)
    finally:
        ray.shutdown()
        stop: Any = cluster.shutdown
        stop()


def collectors() -> list[psutil.Process]:
    """
    :return: processes of the collectors, the oldest first
    """
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            dead = process.status() == psutil.STATUS_ZOMBIE
            if process.name().startswith("ray::_Actor") and not dead:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return sorted(found, key=lambda process: process.create_time())
