"""JMESPath over JSON that strangers send, with expressions that tenants write: bounded in every direction.

The `jmespath` package parses and evaluates; it trusts both sides. Here an expression is short and shallow, and an
evaluation pays for every step it takes and for everything it makes out of a budget, so that neither can hold up the
process or fill its memory. What an expression is asked for, and what is made of the answer, is for its owner to say.
"""

import json
from functools import lru_cache
from typing import Any, Final

from jmespath.exceptions import JMESPathError
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

LONGEST: Final = 1_000
_DEEPEST: Final = 48
# About a tenth of a second of evaluation.
BUDGET: Final = 100_000
_LETTERS_OF_A_STEP: Final = 16

# Nodes whose result is made anew; every other one gives a part of what was there before.
_MAKING: Final = frozenset(
    {
        *("multi_select_list", "multi_select_dict", "literal", "function_expression", "flatten"),
        *("projection", "value_projection", "filter_projection", "slice"),
    }
)
# Everything that the package lets through for expressions and values that its own errors do not foresee.
_FAILURES: Final = (JMESPathError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

Node = dict[str, Any]


class ExpressionError(Exception):
    """An expression that cannot be read, or that gives nothing usable; the message is for whoever wrote it."""


class Budget:
    """How much several evaluations together may still cost."""

    def __init__(self, steps: int = BUDGET) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Pay; raises ExpressionError when nothing is left."""
        self._left -= steps
        if self._left < 0:
            message = "takes too long for a message of this size"
            raise ExpressionError(message)

    def weigh(self, value: object) -> None:
        """Pay for a value with all that is in it, however often the same part is in it."""
        waiting = [value]
        while waiting:
            part = waiting.pop()
            match part:
                case str():
                    self.spend(1 + len(part) // _LETTERS_OF_A_STEP)
                case list():
                    self.spend(1 + len(part))
                    waiting.extend(part)
                case dict():
                    self.spend(1 + len(part))
                    waiting.extend(part.values())
                case _:
                    self.spend(1)


def check_expression(text: str) -> str:
    """Give back an expression that can be used; raises ValueError."""
    try:
        _parsed(text)
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    return text


def evaluate(text: str, value: object, budget: Budget) -> Any:
    """Give what an expression finds in a value; raises ExpressionError."""
    interpreter = _Bounded(budget)
    try:
        found = interpreter.visit(_parsed(text), value)
        # A reference to an expression (`&name`) is no value, and infinity no number that JSON knows.
        json.dumps(found, allow_nan=False)
    except _FAILURES as error:
        message = f"cannot be evaluated: {_shortened(str(error) or type(error).__name__)}"
        raise ExpressionError(message) from error
    return found


@lru_cache(maxsize=2_000)
def _parsed(text: str) -> Node:
    if len(text) > LONGEST:
        message = f"is longer than {LONGEST} characters"
        raise ExpressionError(message)
    try:
        tree: Node = Parser().parse(text).parsed
    except _FAILURES as error:
        message = f"is no JMESPath expression: {_shortened(str(error) or type(error).__name__)}"
        raise ExpressionError(message) from None
    _check_depth(tree)
    return tree


def _check_depth(tree: Node) -> None:
    level = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in node.get("children", ()) if isinstance(child, dict)]
        if not level:
            return
    message = f"is nested deeper than {_DEEPEST} levels"
    raise ExpressionError(message)


def _shortened(text: str) -> str:
    return " ".join(text.split())[:200]


class _Bounded(TreeInterpreter):  # type: ignore[misc]  # the package is not typed.
    """Evaluate, paying for every step and for everything that is made."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget

    def visit(self, node: Node, *args: Any, **kwargs: Any) -> Any:
        """Take one step."""
        self._budget.spend(1)
        result = super().visit(node, *args, **kwargs)
        if node["type"] in _MAKING:
            self._budget.weigh(result)
        return result

    def visit_function_expression(self, node: Node, value: Any) -> Any:
        """Call a function; the only one whose result may be far larger than its arguments pays before it is made."""
        arguments = [self.visit(child, value) for child in node["children"]]
        for argument in arguments:
            self._budget.weigh(argument)
        if node["value"] == "join" and len(arguments) > 1:
            glue, parts = arguments[0], arguments[1]
            if isinstance(glue, str) and isinstance(parts, list):
                self._budget.spend(len(glue) * len(parts) // _LETTERS_OF_A_STEP)
        return self._functions.call_function(node["value"], arguments)
