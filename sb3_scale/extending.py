"""For a part that adds parameters to those of the class that it extends."""

import inspect
from collections.abc import Callable, Collection

Constructor = Callable[..., None]

_NAMELESS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def extends(base: type, without: Collection[str] = ()) -> Callable[[Constructor], Constructor]:
    """
    Decorate a constructor that names its own parameters and hands all others on.

    .. code-block:: python

        class Bold(EnsembleCritic):
            @extends(EnsembleCritic)
            def __init__(self, *args: Any, courage: float = 1.0, **options: Any) -> None:
                super().__init__(*args, **options)
                self.courage = courage

    Its signature becomes that of the base and its own parameters, so that a YAML file can set all
    of them, with the texts of both docstrings, and a mistyped one is an error.

    :param base: whose constructor gets what the decorated one does not name
    :param without: parameters of the base that the decorated one sets itself
    :return: the decorator
    """
    theirs = inspect.signature(base.__init__)  # type: ignore[misc]

    def compose(constructor: Constructor) -> Constructor:
        own = [
            parameter
            for name, parameter in inspect.signature(constructor).parameters.items()
            if name != "self" and parameter.kind not in _NAMELESS
        ]
        names = {parameter.name for parameter in own} | set(without)
        kept = [parameter for name, parameter in theirs.parameters.items() if name not in names]
        constructor.__signature__ = theirs.replace(  # type: ignore[attr-defined]
            parameters=[*kept, *(each.replace(kind=each.KEYWORD_ONLY) for each in own)]
        )
        hints = inspect.get_annotations(base.__init__, eval_str=False)  # type: ignore[misc]
        constructor.__annotations__ = {
            **{name: hint for name, hint in hints.items() if name not in without},
            **{each.name: each.annotation for each in own},
            "return": None,
        }
        return constructor

    return compose
