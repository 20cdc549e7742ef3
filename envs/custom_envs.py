"""
Lets RL-Zoo find this project's environments and algorithms.

RL-Zoo imports a top-level module with exactly this name, if there is one, before it looks an
environment up. Gymnasium 1.x has no entry points for environments, so this is the only place
where an installed package is asked.
"""

from sb3_scale.zoo import install

install()
