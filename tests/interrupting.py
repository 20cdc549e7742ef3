"""What somebody does who interrupts one training."""

import signal

from stable_baselines3.common.callbacks import BaseCallback


class Interrupting(BaseCallback):
    """Sends SIGINT to its own process after 50 steps."""

    def _on_step(self) -> bool:
        if self.n_calls == 50:
            signal.raise_signal(signal.SIGINT)
        return True
