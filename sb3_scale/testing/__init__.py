"""
Checks for plugin authors: whether a part keeps the contract of its kind.

.. code-block:: python

    from sb3_scale.testing import check_component


    def test_my_critic():
        check_component("critic", "my-critic")

The contracts are in :mod:`sb3_scale.protocols`. A failure is an ``AssertionError`` with one
sentence that names the part and what is wrong.
"""

from sb3_scale.testing.component import check_component
from sb3_scale.testing.training import check_trains

__all__ = ["check_component", "check_trains"]
