"""The reduction."""

import torch

from sb3_scale.nn.reductions import CriticReduction, least


class RandomPair(CriticReduction):
    """
    The target of REDQ; the actor follows the mean of all members.

    :param n_members: size of the ensemble
    """

    def target(self, distributions, means):
        pair = torch.randperm(self.n_members, device=means.device)[:2]
        return least(distributions[pair], means[pair])
