"""Checks of norms."""

import torch

from sb3_scale.testing.networks import check_layer
from sb3_scale.testing.part_under_test import BATCH, MEMBERS, Subject

NORMALIZED = 32
"""Width, which 16 groups divide."""


def check_norm(subject: Subject) -> None:
    """
    :param subject: a norm
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Norm`
    """
    for n_members in (1, MEMBERS):
        module = subject.build_module(NORMALIZED, n_members)
        check_layer(subject, module, NORMALIZED, n_members, NORMALIZED)
        for training in (True, False):
            what = f"forward of a constant input with training={training}"
            constant = torch.ones(n_members, BATCH, NORMALIZED)
            output = subject.call(what, module, constant, training)
            subject.tensor(what, output, (n_members, BATCH, NORMALIZED))
