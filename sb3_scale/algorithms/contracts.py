"""What each kind of part must give in each method, checked while a model takes a trial step."""

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from typing import Any

import torch as th
from torch import nn

from sb3_scale.built import Built
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.guard import told
from sb3_scale.learning.batch import Batch
from sb3_scale.specs import DiscreteActor, DiscreteCritic, Spec

BATCH = 2
"""Transitions of the trial step."""

Shape = tuple[int | None, ...]
"""Sizes, nothing for any."""

Rule = Callable[..., list[Shape]]
"""From a part and the arguments of its method to the shapes that it may give."""


def _same(made: Built, x: th.Tensor, *rest: Any) -> list[Shape]:
    return [tuple(x.shape)]


def _estimates(made: Built, x: th.Tensor, *rest: Any) -> list[Shape]:
    return [(*x.shape[:-1], 1)]


def _targets(made: Built, x: th.Tensor, *rest: Any) -> list[Shape]:
    return [(x.shape[1], None), (*x.shape[:2], None)]


RULES: Mapping[str, Mapping[str, Rule]] = {
    "norm": {"forward": _same},
    "network": {"forward": lambda made, x, *_: [(*x.shape[:-1], made.part.out_features)]},
    "value": {
        "distribution": _same,
        "expectation": _estimates,
        "mean": _estimates,
        "bootstrap": lambda made, x, *_: [(*x.shape[:-1], None)],
        "errors": _estimates,
    },
    "reduction": {
        "target": _targets,
        "actor": lambda made, x, *_: [tuple(x.shape[1:])],
    },
    "loss": {"forward": lambda made, *_: [()]},
    "critic": {
        "forward": lambda made, x, *_: [(None, len(x), made.part.value.n_outputs)],
        "mean": _estimates,
        "judge": lambda made, x, *_: [(x.shape[1], 1)],
        "bootstrap": _targets,
        "td_errors": lambda made, x, *_: [(x.shape[1],)],
    },
    "actor": {"forward": lambda made, x, *_: [(len(x), made.context[1])]},
    "extractor": {"forward": lambda made, x, *_: [(len(_tensors([x])[0]), made.part.features_dim)]},
}
"""Of methods that give one tensor."""

DISCRETE_RULES: Mapping[type[Spec], Mapping[str, Rule]] = {
    DiscreteActor: {
        "forward": lambda made, x, *_: [(len(x), 1)],
        "log_probs": lambda made, x, *_: [(len(x), made.context[1])],
    },
    DiscreteCritic: {
        **RULES["critic"],
        "all_outputs": lambda made, x, *_: [
            (None, len(x), made.context[1], made.part.value.n_outputs)
        ],
        "taken": lambda made, x, *_: [(*x.shape[:2], x.shape[3])],
        "judge_all": lambda made, x, *_: [tuple(x.shape[1:3])],
        "bootstrap_all": _targets,
    },
}
"""The same of parts for discrete actions."""

TYPES = {th.float32, th.float16, th.bfloat16}
"""What products with float32 give, in mixed precision too."""

INDEX_TYPES = {th.int64}
"""Of discrete actions."""

LOSS_TYPES = {*TYPES, th.float64}
"""A loss is only differentiated."""

DIFFERENTIABLE = {
    ("norm", "forward"),
    ("network", "forward"),
    ("critic", "forward"),
    ("critic", "judge"),
    ("reduction", "actor"),
    ("critic", "all_outputs"),
    ("critic", "taken"),
    ("critic", "judge_all"),
    ("actor", "forward"),
    ("actor", "log_probs"),
    ("loss", "forward"),
}
"""Through what gradients must pass."""


FORWARD, SAMPLED = "forward", "action_log_prob, as actions"
"""What gives the actions of an actor, in messages."""


def watch(made: Built) -> None:
    """
    Check each call of a part from now on; who restores the attributes of the part ends it.

    :param made: a part of a policy
    """
    rules = DISCRETE_RULES.get(type(made.spec)) or RULES.get(made.kind, {})
    for method, rule in rules.items():
        _wrap(made, method, partial(_check_rule, made, method, rule))
    if made.kind == "actor" and made.part.stochastic:
        _wrap(made, "action_log_prob", partial(_check_sample, made))
    if made.kind == "extractor":
        _wrap(made, "actor_inputs", partial(_check_actor_inputs, made))
        _wrap(made, "critic_inputs", partial(_check_critic_inputs, made))
    if made.kind == "transform":
        _wrap(made, "forward", partial(_check_batch, made))


def _wrap(made: Built, method: str, check: Callable[[Any, list[Any]], None]) -> None:
    call = getattr(made.part, method)

    @wraps(call)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            given = [*args, *kwargs.values()]
            if not args:
                given = list(inspect.signature(call).bind(**kwargs).arguments.values())
            before = [tensor._version for tensor in _tensors(given)]
            found = call(*args, **kwargs)
            changed = before != [tensor._version for tensor in _tensors(given)]
        except (Sb3ScaleError, KeyboardInterrupt):
            raise
        # The code is a stranger's; whatever it raises becomes one sentence that names the part.
        except BaseException as error:
            raise Sb3ScaleError(f"{_label(made)} fails in {method}: {told(error)}") from error
        if changed:
            raise Sb3ScaleError(
                f"{_label(made)} changes its input in place in {method}; allowed: a new tensor"
            )
        check(found, given)
        return found

    setattr(made.part, method, checked)


def _tensors(given: Iterable[Any]) -> list[th.Tensor]:
    found: list[th.Tensor] = []
    for each in given:
        if isinstance(each, th.Tensor):
            found.append(each)
        elif isinstance(each, Batch):
            found.extend(each.tensors())
        elif isinstance(each, Mapping):
            found.extend(_tensors(each.values()))
    return found


def _kind(found: Any) -> str:
    return "nothing" if found is None else f"an object of type {type(found).__name__}"


def _label(made: Built) -> str:
    return f"{made.kind} '{made.name}'"


def _check_rule(made: Built, method: str, rule: Rule, found: Any, given: list[Any]) -> None:
    _check_tensor(made, method, found, given, rule(made, *given))


def _check_tensor(
    made: Built, method: str, found: Any, given: list[Any], shapes: list[Shape]
) -> None:
    if not isinstance(found, th.Tensor):
        raise Sb3ScaleError(f"{_label(made)} gives {_kind(found)} in {method}; allowed: a tensor")
    if not any(_fits(tuple(found.shape), shape) for shape in shapes):
        allowed = " or ".join(map(_written, shapes))
        raise Sb3ScaleError(
            f"{_label(made)} gives the shape {_written(tuple(found.shape))} in {method} for a "
            f"batch of {BATCH}; allowed: {allowed}"
        )
    source = _tensors(given)[0]
    if found.device != source.device:
        raise Sb3ScaleError(
            f"{_label(made)} gives a tensor on {found.device} in {method}; allowed: "
            f"{source.device}, that of its input"
        )
    index = isinstance(made.spec, DiscreteActor) and method in (FORWARD, SAMPLED)
    allowed_types = INDEX_TYPES if index else LOSS_TYPES if made.kind == "loss" else TYPES
    if found.dtype not in allowed_types:
        wanted = "torch.int64" if index else "torch.float32"
        raise Sb3ScaleError(f"{_label(made)} gives {found.dtype} in {method}; allowed: {wanted}")
    if index:
        _check_indices(made, method, found)
        return
    if not math.isfinite(found.detach().sum().item()):
        raise Sb3ScaleError(
            f"{_label(made)} gives a number that is not finite in {method}; allowed: finite numbers"
        )
    if (made.kind, method) in DIFFERENTIABLE and not found.requires_grad and _learns(made, given):
        raise Sb3ScaleError(
            f"{_label(made)} cuts the gradient in {method}; allowed: outputs that depend on inputs "
            "and parameters by differentiable functions"
        )


def _check_indices(made: Built, method: str, found: th.Tensor) -> None:
    n_actions = made.context[1]
    if not bool(((found >= 0) & (found < n_actions)).all()):
        raise Sb3ScaleError(
            f"{_label(made)} gives the index {int(found.flatten()[0])} in {method}; allowed: 0 to "
            f"{n_actions - 1}"
        )


def _learns(made: Built, given: list[Any]) -> bool:
    """Whether a gradient would be recorded, were it not cut."""
    if not th.is_grad_enabled():
        return False
    parameters = made.part.parameters() if isinstance(made.part, nn.Module) else ()
    return any(each.requires_grad for each in (*_tensors(given), *parameters))


def _check_sample(made: Built, found: Any, given: list[Any]) -> None:
    method = "action_log_prob"
    if not (isinstance(found, tuple) and len(found) == 2):
        raise Sb3ScaleError(
            f"{_label(made)} gives {_kind(found)} in {method}; allowed: actions and their "
            "log-probabilities"
        )
    rows = len(given[0])
    width = 1 if isinstance(made.spec, DiscreteActor) else made.context[1]
    _check_tensor(made, SAMPLED, found[0], given, [(rows, width)])
    _check_tensor(made, f"{method}, as log-probabilities", found[1], given, [(rows, 1)])


def _check_actor_inputs(made: Built, found: Any, given: list[Any]) -> None:
    shape = (len(given[0]), made.part.actor_dim())
    _check_tensor(made, "actor_inputs", found, given, [shape])


def _check_critic_inputs(made: Built, found: Any, given: list[Any]) -> None:
    method, actions = "critic_inputs", given[1]
    if not (isinstance(found, tuple) and len(found) == 2):
        raise Sb3ScaleError(
            f"{_label(made)} gives {_kind(found)} in {method}; allowed: two tensors, of the widths "
            "that critic_dims gives"
        )
    for tensor, width in zip(found, made.part.critic_dims(actions.shape[1]), strict=True):
        _check_tensor(made, method, tensor, given, [(len(actions), width)])


def _check_batch(made: Built, found: Any, given: list[Any]) -> None:
    if not isinstance(found, Batch):
        raise Sb3ScaleError(f"{_label(made)} gives {_kind(found)} in forward; allowed: a Batch")
    copies = found.copies, found.next_copies
    before, after = given[0].kinds(*copies), found.kinds(*copies)
    if before != after:
        wrong = next((pair for pair in after if pair not in before), after)
        raise Sb3ScaleError(
            f"{_label(made)} gives a tensor of {wrong} in forward; allowed: shapes and types of "
            "the batch that it was given, with its 'copies' of observations"
        )


def _fits(found: tuple[int, ...], wanted: Shape) -> bool:
    if len(found) != len(wanted):
        return False
    return all(size in (None, number) for size, number in zip(wanted, found, strict=True))


def _written(shape: Shape) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"


def check_optimizer(made: Built) -> None:
    """
    :param made: an optimiser of a policy's part
    :raises Sb3ScaleError: if it has no learning rate, parameters that are not the part's, or not
        all of those
    """
    own = dict(made.context[0].named_parameters())
    groups = made.part.param_groups
    if not isinstance(groups, list) or any("lr" not in group for group in groups):
        raise Sb3ScaleError(
            f"{_label(made)} has a group of parameters without 'lr'; allowed: groups as those of "
            "torch.optim.Optimizer"
        )
    trained = {id(parameter) for group in groups for parameter in group["params"]}
    if not trained <= {id(parameter) for parameter in own.values()}:
        raise Sb3ScaleError(
            f"{_label(made)} trains parameters that are not those of the module that it was given; "
            "allowed: its parameters"
        )
    left = [name for name, each in own.items() if each.requires_grad and id(each) not in trained]
    if left:
        raise Sb3ScaleError(
            f"{_label(made)} leaves out {len(left)} of the {len(own)} parameters that it was "
            f"given, '{left[0]}' the first; allowed: all of them"
        )


def check_constraint(made: Built) -> None:
    """
    Have the weights obey it once more, and be as they were.

    :param made: a constraint of a policy's part
    :raises Sb3ScaleError: if it puts others in the place of parameters, or makes one of another
        shape or type, or not finite
    """
    layers, *norms = made.context
    named = [(name, each) for layer in layers for name, each in layer.named_parameters()]
    # The parameters of norms are given themselves, so nothing can take their place.
    others = [each for norm in itertools.chain(*norms) for each in norm]
    before = [each.detach().clone() for _, each in named]
    kept = [each.detach().clone() for each in others]
    with th.no_grad():
        made.part.project_()
    for each, value in zip(others, kept, strict=True):
        each.data.copy_(value)
    after = [each for layer in layers for each in layer.parameters()]
    for (name, own), value, found in zip(named, before, after, strict=True):
        as_it_was = found is own and (found.shape, found.dtype) == (value.shape, value.dtype)
        if not as_it_was or not bool(found.isfinite().all()):
            what = f"{found.dtype} of shape {_written(tuple(found.shape))}"
            what += "" if found is own else ", another tensor"
            raise Sb3ScaleError(
                f"{_label(made)} leaves the parameter '{name}' as {what}; allowed: other finite "
                "values in the same tensor"
            )
        own.data.copy_(value)
