"""Collectors on the nodes of a real cluster, of which some are lost."""

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from counted_env import check_streams, counted
from small_models import make
from stable_baselines3.common.callbacks import BaseCallback

from sb3_scale import SAC

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = pytest.mark.slow

HEALTH = {
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_timeout_ms": "100",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_initial_delay_ms": "0",
}
"""A node is dead after three seconds without an answer."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without room for collectors, and two nodes with room for two of them each."""
    for name, value in HEALTH.items():
        monkeypatch.setenv(name, value)
    found = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    try:
        found.workers = [found.add_node(num_cpus=2, resources={"worker": 2}) for _ in range(2)]
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


class LoseNode(BaseCallback):
    """Kills a node a moment after new weights were sent to its collectors."""

    def __init__(self, cluster: Any, at: int) -> None:
        super().__init__()
        self.cluster, self.at = cluster, at
        self.pids: set[int] = set()
        self.thread: threading.Thread | None = None

    def _on_step(self) -> bool:
        self.pids |= {info["pid"] for info in self.locals["infos"]}
        return True

    def _on_rollout_end(self) -> None:
        if self.num_timesteps >= self.at and self.thread is None:
            self.thread = threading.Thread(target=self.kill)
            self.thread.start()

    def kill(self) -> None:
        time.sleep(0.02)
        self.cluster.remove_node(self.cluster.workers[0], allow_graceful=False)


def test_a_node_lost_while_weights_are_pulled_costs_no_transition(
    cluster: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    lose = LoseNode(cluster, at=100)
    wide = {"name": "mlp", "width": 2048, "depth": 2}
    settings = {
        "name": "ray",
        "collectors": 2,
        "fragment_length": 8,
        "address": cluster.address,
        "resources": {"worker": 1},
    }
    model = make(
        SAC,
        counted(2, wait=0.02),
        parts={"actor": {"name": "squashed-gaussian", "network": wide}},
        train_freq=8,
        buffer_size=4000,
        collector=settings,
    )
    begun = time.monotonic()
    model.learn(601, lose)
    assert time.monotonic() - begun < 90
    assert lose.thread is not None
    lose.thread.join()
    assert sorted(check_streams(model, 601)) == [1, 2]
    assert len(lose.pids) == 3
    told = capfd.readouterr().err
    # One of the two; until Ray knows of the loss a replacement may be sent to the same node.
    assert len(set(re.findall(r"collector (\d) is replaced: ", told))) == 1, told
    # Those that are left are not the training's to end.
    assert not ray.is_initialized()
    assert all(node.any_processes_alive() for node in cluster.list_all_nodes())
