"""
Trainings side by side: ``sb3-scale compare``.

:mod:`evaluations` holds what a training showed, :mod:`sources` finds trainings in folders and
files, :mod:`folders` follows links, :mod:`texts` reads tables, :mod:`origins` how each was made,
:mod:`published` figures of others. :mod:`alike` sees whether those of a label differ in seeds
alone. :mod:`ranges` normalises returns, :mod:`scores` finds where trainings can be compared,
:mod:`statistics` has the statistics with their bootstrap, :mod:`curves` those over a training,
:mod:`summary` all of it in tables.
:mod:`drawings` lists what :mod:`figures` draws in the colours of :mod:`palette`, :mod:`svg` makes
it follow those of the page, :mod:`markup` makes tables texts, :mod:`page` and :mod:`files` write.
"""
