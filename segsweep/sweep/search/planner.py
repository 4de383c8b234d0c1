"""Plans the runs that a search asks for while it is running: trials, and runs at chosen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from segsweep.sweep import session
from segsweep.sweep.planning import user_code
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.plan import PlannedRun, plan_run
from segsweep.sweep.planning.sweep_choices import with_choices, with_trainer
from segsweep.sweep.search.settings import Settings
from segsweep.sweep.search.space import Value, words_of


@dataclass
class Planner:
    """Plans runs from the words of the command's own runs."""

    composer: Composer
    settings: Settings
    lean: bool = False
    """Whether runs save memory, because it is short."""

    def trial(self, base: PlannedRun, values: Mapping[str, Value], study: str) -> PlannedRun:
        """Return the trial of the cell of *base* at *values*."""
        words = [
            "kind=trial",
            f"seed={self.settings.seed}",
            f"trainer.epochs={self.settings.epochs(base.config)}",
            "trainer.preview_every=0",
            "keep=none",
            f"search.study='{study}'",
        ]
        return self._planned(base, values, words)

    def final(self, base: PlannedRun, values: Mapping[str, Value]) -> PlannedRun:
        """Return the run *base* at *values*: the same run as if these had been given."""
        return self._planned(base, values, ["search.pruner=none"])

    def _planned(
        self, base: PlannedRun, values: Mapping[str, Value], more: Sequence[str]
    ) -> PlannedRun:
        filled = f"search.filled=[{','.join(values)}]"
        words = [*base.words, *words_of(values), *more, filled]
        with user_code.in_processes():
            run = replace(plan_run(*self.composer.composed(words)), words=base.words)
        if (choices := session.current.choices) is not None:
            (run,) = with_choices([run], choices)
        if self.lean and run.config.trainer.lean == "auto":
            run = with_trainer(run, {"lean": "on"})
        return run
