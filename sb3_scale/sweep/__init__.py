"""
Trainings of RL-Zoo for every combination of settings and seeds: ``sb3-scale sweep``.

:mod:`grid` reads the file, :mod:`changes` merges what it changes, :mod:`checks` finds mistakes,
:mod:`runs` knows the folders, :mod:`pool` trains, :mod:`results` and :mod:`heat_map` sum up.
"""
