"""
Trainings side by side: ``sb3-scale compare``.

:mod:`evaluations` holds what a training showed, :mod:`sources` finds trainings in folders and
files, :mod:`origins` how each was made, :mod:`published` figures of others. :mod:`ranges`
normalises returns, :mod:`scores` finds where trainings can be compared, :mod:`statistics` has the
statistics with their bootstrap, :mod:`curves` those over a training, :mod:`summary` all of it in
tables. :mod:`figures` draws, :mod:`svg` makes a drawing follow the page's colours, :mod:`page` and
:mod:`files` write.
"""
