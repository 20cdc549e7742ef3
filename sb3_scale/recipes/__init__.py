"""
Recipes: complete settings for any environment with their kind of spaces, chosen by name.

A recipe is a file of RL-Zoo's settings with a ``default``, so that RL-Zoo, ``sb3_scale.recipe`` and
a text editor read the same. Beside RL-Zoo's keys, settings may have ``recipe`` (what to start
from), ``gamma: auto``, ``action_repeat`` and paths with dots; :mod:`sb3_scale.recipes.resolve`
makes plain settings of them.
"""
