"""Where a hyperparameter tuning job looks next: Optuna behind SageMaker's strategies and ranges.

Bayesian is TPE, Random and Hyperband's sampling are Optuna's, Hyperband ends trials by successive halving over its
brackets (https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html); Grid walks every
combination once. Scaling and its bounds: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import optuna

Kind = Literal["integer", "continuous", "categorical"]
#: a range that spans this factor or more is searched by its logarithm when the scaling is Auto
_WIDE = 10.0
_REDUCTION = 3


def _good(trials: int) -> int:
    """How many of the trials so far TPE takes for good: a quarter. Optuna's own tenth learns too little from the dozen
    trials that a tuning job usually has (docs/decisions/0017-searching-with-optuna.md has the measurement)."""
    return min(25, math.ceil(trials / 4))


@dataclass(frozen=True)
class Range:
    """One tunable hyperparameter. ``low`` and ``high`` count for numbers, ``values`` for categories."""

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 0.0
    scaling: str = "Auto"
    values: tuple[str, ...] = ()

    @property
    def logarithmic(self) -> bool:
        wide = self.low > 0 and self.high / self.low >= _WIDE
        return self.scaling == "Logarithmic" or (self.scaling == "Auto" and wide)

    def suggest(self, trial: optuna.Trial) -> str:
        """The trial's value, as SageMaker passes hyperparameters: text."""
        if self.kind == "categorical":
            return str(trial.suggest_categorical(self.name, self.values))
        if self.kind == "integer":
            return str(trial.suggest_int(self.name, int(self.low), int(self.high), log=self.logarithmic))
        if self.scaling == "ReverseLogarithmic":
            return repr(1.0 - trial.suggest_float(self.name, 1.0 - self.high, 1.0 - self.low, log=True))
        return repr(trial.suggest_float(self.name, self.low, self.high, log=self.logarithmic))

    def distribution(self) -> optuna.distributions.BaseDistribution:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.kind == "categorical":
            return CategoricalDistribution(self.values)
        if self.kind == "integer":
            return IntDistribution(int(self.low), int(self.high), log=self.logarithmic)
        if self.scaling == "ReverseLogarithmic":
            return FloatDistribution(1.0 - self.high, 1.0 - self.low, log=True)
        return FloatDistribution(self.low, self.high, log=self.logarithmic)

    def known(self, text: str) -> Any:
        """A parent's value in this range's own terms, or None when it lies outside."""
        if self.kind == "categorical":
            return text if text in self.values else None
        try:
            number = float(text)
        except ValueError:
            return None
        if not math.isfinite(number) or not self.low <= number <= self.high:
            return None
        if self.kind == "integer":
            return int(number) if number.is_integer() else None
        return 1.0 - number if self.scaling == "ReverseLogarithmic" else number


@dataclass(frozen=True)
class Earlier:
    """A finished trial of a parent: where the search has been before."""

    values: Mapping[str, str]
    objective: float


class Search:
    """``ask`` gives the next trial's values, ``tell`` what came of it. Not thread-safe: its owner holds a lock.

    ``resources`` are Hyperband's smallest and largest number of epochs. ``seed`` None searches differently each time.
    """

    def __init__(
        self,
        strategy: str,
        ranges: Sequence[Range],
        maximize: bool,
        trials: int,
        seed: int | None = None,
        resources: tuple[int, int] | None = None,
        earlier: Sequence[Earlier] = (),
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # it goes with Optuna 6; requirements/region.in stays below
        warnings.filterwarnings("ignore", message="`gamma` has been deprecated", category=FutureWarning)
        self._ranges = list(ranges)
        self._grid: Iterator[tuple[str, ...]] | None = None
        if strategy == "Grid":
            self._grid = itertools.product(*(each.values for each in self._ranges))
        sampler: optuna.samplers.BaseSampler
        if strategy in ("Bayesian", "Hyperband"):
            # a third of the trials at random, at most Optuna's own ten; parallel trials keep away from one another
            startup = max(3, min(10, trials // 3))
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, gamma=_good, constant_liar=True)
        else:
            sampler = optuna.samplers.RandomSampler(seed=seed)
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if resources is not None:
            low, high = resources
            pruner = optuna.pruners.HyperbandPruner(low, high, _REDUCTION)
        self._study = optuna.create_study(
            sampler=sampler, pruner=pruner, direction="maximize" if maximize else "minimize", study_name="tuning"
        )
        self._open: dict[int, optuna.Trial] = {}
        for each in earlier:
            self._remember(each)

    def _remember(self, earlier: Earlier) -> None:
        import optuna

        params, distributions = {}, {}
        for each in self._ranges:
            value = each.known(earlier.values[each.name]) if each.name in earlier.values else None
            if value is not None:
                params[each.name], distributions[each.name] = value, each.distribution()
        if params and math.isfinite(earlier.objective):
            self._study.add_trial(
                optuna.create_trial(params=params, distributions=distributions, value=earlier.objective)
            )

    def ask(self) -> tuple[int, dict[str, str]] | None:
        """A trial's number and its values; None when a grid has no combination left."""
        if self._grid is not None:
            combination = next(self._grid, None)
            if combination is None:
                return None
            trial = self._study.ask()
            values = {each.name: value for each, value in zip(self._ranges, combination, strict=True)}
        else:
            trial = self._study.ask()
            values = {each.name: each.suggest(trial) for each in self._ranges}
        self._open[trial.number] = trial
        return trial.number, values

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Whether Hyperband gives the trial up after ``epoch`` (from 1)."""
        trial = self._open.get(number)
        if trial is None or not math.isfinite(value):
            return False
        trial.report(value, epoch)
        return bool(trial.should_prune())  # False without Hyperband

    def tell(self, number: int, value: float | None, ended_early: bool = False) -> None:
        """``value`` None: the trial failed, or was stopped before it said anything."""
        from optuna.trial import TrialState

        trial = self._open.pop(number)
        if value is None or not math.isfinite(value):
            self._study.tell(trial, state=TrialState.FAIL)
        elif ended_early:
            self._study.tell(trial, state=TrialState.PRUNED)  # its last report counts
        else:
            self._study.tell(trial, value)
