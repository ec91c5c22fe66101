"""What a metric of the user's own may be called, and the expression that finds it in a training job's log.

Bounds are SageMaker's (MetricDefinition: Name 1 to 255 characters, Regex 1 to 500). Beyond them an expression has to
hold exactly one group, and nothing whose search can take time that doubles with every character of a line.
"""

from __future__ import annotations

import re

LONGEST_NAME, LONGEST_EXPRESSION = 255, 500
_NAME = re.compile(r"[^\x00-\x1f\x7f]+")
_REPEATS = re.compile(r"[*+]|\{\d*,?\d*\}")
_QUANTIFIER = re.compile(r"[*+?]|\{\d*,?\d*\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


def name(text: str) -> str:
    """``text``; ``ValueError`` when it is no name of a metric."""
    if not 1 <= len(text) <= LONGEST_NAME or not _NAME.fullmatch(text):
        raise ValueError(f"accepted are 1 to {LONGEST_NAME} characters on one line")
    return text


def expression(text: str) -> str:
    """``text``; ``ValueError`` says what is wrong with it as an expression that finds a number.

    >>> expression("auc=([0-9.]+);")
    'auc=([0-9.]+);'
    """
    if not 1 <= len(text) <= LONGEST_EXPRESSION:
        raise ValueError(f"accepted are 1 to {LONGEST_EXPRESSION} characters")
    try:
        groups = re.compile(text).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"no regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"it has {groups} groups; accepted is one, around the number, such as auc=([0-9.]+)")
    if re.search(r"(?<!\\)[*+]\?\)$", text):
        raise ValueError("it ends with a group that takes as little as it can; accepted is such as auc=([0-9.]+)")
    if explodes(text):
        raise ValueError(
            "a part that is repeated holds something that is repeated, optional or one of several, and searching a "
            "long line could take for ever; accepted is such as auc=([0-9.]+)"
        )
    return text


def explodes(text: str) -> bool:
    """Whether a group that is repeated holds a repetition, an option or alternatives: the shape of all expressions
    whose search backtracks exponentially (and of some that don't). ``text`` compiles.

    >>> explodes("(?:[0-9]+)+x"), explodes("(?:a|a)*x"), explodes("v=([0-9]+(?:e[0-9]+)?)")
    (True, True, False)
    """
    open_groups = [False]  # of each group that is open: whether its content can match in several ways
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == "[" and (found := _CLASS.match(text, at)):
            at = found.end()
        elif text[at] == "(":
            open_groups.append(False)
            at += 2 if text.startswith("(?", at) else 1  # the question mark is no option
        elif text[at] == ")" and len(open_groups) > 1:
            several = open_groups.pop()
            at += 1
            if several and _REPEATS.match(text, at):
                return True
            open_groups[-1] = open_groups[-1] or several
        else:
            quantifier = _QUANTIFIER.match(text, at)
            if quantifier or text[at] == "|":
                open_groups[-1] = True
            at = quantifier.end() if quantifier else at + 1
    return False
