"""Its import brings sb3_scale into RL-Zoo: ``--gym-packages sb3_scale.zoo.installed``."""

from sb3_scale.zoo import install

install()
