"""A story broken off after effect n, without telling again what went before.

Up to its nth effect it goes as it goes undisturbed. So it is told once, with a copy of everything before each delivery;
the crash takes place in the last copy that is before it, and the story goes on from there to its end.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.support.flow import Flow

#: what people do before the world comes to rest again
Step = Callable[[Flow], object]


@dataclass
class Rehearsal:
    """``steps`` on ``flow``, each followed by all that comes of it; ``flow`` is the undisturbed end."""

    flow: Flow
    steps: Sequence[Step]
    #: (effects so far, steps begun, the flow there)
    _marks: list[tuple[int, int, Flow]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = self.effects
        for begun, step in enumerate(self.steps, 1):
            step(self.flow)
            self.flow.play(watch=lambda begun=begun: self._mark(begun))  # type: ignore[misc]

    def _mark(self, begun: int) -> None:
        self._marks.append((self.effects, begun, copy.deepcopy(self.flow)))

    @property
    def effects(self) -> int:
        return len(self.flow.world.effects)

    @property
    def numbers(self) -> range:
        """Of the effects that the story has, to break off after."""
        return range(self.before + 1, self.effects + 1)

    def broken_off(self, after: int) -> Flow:
        """The end of the story when a process ends after this effect."""
        _, begun, flow = next(mark for mark in reversed(self._marks) if mark[0] < after)
        flow = copy.deepcopy(flow)
        flow.world.crash_after = after
        flow.play()
        for step in self.steps[begun:]:
            step(flow)
            flow.play()
        assert flow.world.crash_after is None, "the crash took place"
        return flow
