"""Sample-ratio mismatch: do the lanes get the shares of traffic that they were to get?

When they don't, something assigns, drops or logs the lanes differently, and no comparison of their outcomes means what
it says. The test may be looked at any time: the Bayes factor of "any shares" (a Dirichlet distribution around the
planned ones) against the planned shares is a likelihood ratio, so one over it is an always-valid p-value, exactly and
for any number of exposures (Lindon & Malek 2022, Anytime-Valid Inference for Multinomial Count Data, NeurIPS 35).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sluicegate.domain.numbers import TINY

#: what the Dirichlet distribution's parameters add up to: shares are expected within a few percent of the planned ones
CONCENTRATION = 500.0
#: below it the experiment is invalid; strict, because it ends an experiment over its own machinery
ALPHA = 0.001


def p_value(exposures: Mapping[str, float], shares: Mapping[str, float]) -> float:
    """Of the planned ``shares`` (by lane, their sum 1), given the exposures counted in each lane: as many as subjects
    that ask once would have made (Rao & Scott 1981; ``clumps``)."""
    log_factor = math.lgamma(CONCENTRATION) - math.lgamma(
        CONCENTRATION + sum(exposures.get(lane, 0) for lane in shares)
    )
    for lane, share in shares.items():
        count = exposures.get(lane, 0)
        log_factor += math.lgamma(CONCENTRATION * share + count) - math.lgamma(CONCENTRATION * share)
        log_factor -= count * math.log(share)
    return min(1.0, math.exp(-min(log_factor, -math.log(TINY))))
