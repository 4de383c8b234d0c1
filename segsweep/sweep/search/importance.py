"""How much each searched key mattered in a cell, by Optuna's PED-ANOVA.

It tells by how much the better half of the trials differs from all of them in each key (Watanabe
and others 2023, https://arxiv.org/abs/2304.10255). Of Optuna's evaluators it alone needs no
further package.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from segsweep.system.optuna_log import quietly

if TYPE_CHECKING:
    from segsweep.sweep.search.space import Value

LEAST_TRIALS = 12
"""With fewer, the key that matters most is not found reliably."""


def importance(
    params: Mapping[str, str], trials: Sequence[tuple["Mapping[str, Value]", float]]
) -> dict[str, float] | None:
    """Return key -> its share of what mattered, largest first; None with too few trials.

    Args:
        params: what was searched, as `search.params`.
        trials: values by key, and the validation IoU they led to.

    """
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    from segsweep.sweep.search.space import contains, space_of

    space = space_of(params)
    whole = [(values, score) for values, score in trials if set(space) <= set(values)]
    inside = [(values, score) for values, score in whole if contains(space, values)]
    if len(inside) < LEAST_TRIALS:
        return None
    with quietly():
        study = optuna.create_study(direction="maximize")
        for values, score in inside:
            study.add_trial(
                optuna.create_trial(
                    params={key: values[key] for key in space},
                    distributions=dict(space),
                    value=score,
                )
            )
        if len({score for _, score in inside}) == 1:  # nothing mattered
            return dict.fromkeys(space, 0.0)
        half = PedAnovaImportanceEvaluator(target_quantile=0.5)
        return {
            key: float(share) for key, share in get_param_importances(study, evaluator=half).items()
        }
