"""
Trainings of RL-Zoo for every combination of settings and seeds: ``sb3-scale sweep``.

:mod:`grid` reads the file, :mod:`axes` combines what it varies, :mod:`settings` finds mistakes,
:mod:`training_folder` knows what a training leaves, :mod:`pool` trains, :mod:`stopping` ends early
what the test of :mod:`adastop` has decided, :mod:`results` and :mod:`heat_map` sum up,
:mod:`output` keeps what they make.
"""
