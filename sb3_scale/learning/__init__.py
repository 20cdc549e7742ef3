"""
One gradient step, in the order of a batch's way through it.

:mod:`~sb3_scale.learning.sampling` draws the batch. An
:class:`~sb3_scale.learning.update.Update` passes it to each learner that is due, and then moves the
targets. The losses of critic and actor are in :mod:`~sb3_scale.learning.actor_critic`; what an
algorithm maximises is its objective, in :mod:`~sb3_scale.learning.soft` or
:mod:`~sb3_scale.learning.deterministic`. Nothing here knows an algorithm of Stable-Baselines3, and
nothing reads a tensor on the host.
"""
