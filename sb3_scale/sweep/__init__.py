"""
Trainings of RL-Zoo for every combination of settings and seeds: ``sb3-scale sweep``.

:mod:`grid` reads and checks the file, :mod:`runs` knows the folders, :mod:`pool` trains,
:mod:`results` and :mod:`heat_map` sum up.
"""
