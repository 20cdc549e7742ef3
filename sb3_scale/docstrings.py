"""The ``:param name:`` lines of docstrings, which are what a user reads of each option."""

import inspect
from typing import Any

import docstring_parser


def docstring_parameters(target: Any) -> dict[str, str]:
    """
    :param target: a class or function
    :return: texts of the ``:param name:`` lines of its own docstring
    """
    parsed = docstring_parser.parse(
        getattr(target, "__doc__", None) or "", docstring_parser.DocstringStyle.REST
    )
    texts = {par.arg_name: (par.description or "").replace("``", "`") for par in parsed.params}
    return {name: " ".join(text.split()) for name, text in texts.items()}


def parameter_docs(target: Any) -> dict[str, str]:
    """
    :param target: a class or function
    :return: texts of its ``:param name:`` lines; a class inherits those of its bases
    """
    docs: dict[str, str] = {}
    for owner in reversed(inspect.getmro(target) if inspect.isclass(target) else (target,)):
        docs.update(docstring_parameters(owner))
        if inspect.isclass(target):
            docs.update(docstring_parameters(vars(owner).get("__init__")))
    return docs
