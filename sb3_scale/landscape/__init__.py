"""
The critic's loss around its weights: ``sb3-scale landscape``.

:mod:`checkpoint` loads a run, :mod:`directions` draws two directions, :mod:`surface` evaluates,
:mod:`pictures` draws.

Source: Li et al., "Visualizing the Loss Landscape of Neural Nets", 2018, and Ota et al., "Training
Larger Networks for Deep Reinforcement Learning", 2021, appendix A.3.
"""
