"""A metric of the user's own, named as `package.METRIC` on the command line."""

from collections.abc import Sequence

from segsweep.config.allow import allowed_by_flag, granted, how_to_allow
from segsweep.config.targets import imported
from segsweep.config.trusted import is_in
from segsweep.errors import ConfigError
from segsweep.metrics import Metric, add_metric


def metric_name(word: str, allow: Sequence[str] = ()) -> str:
    """Return the name of the metric that *word* says, a plain name or `package.METRIC`.

    The latter is imported and joins the table of metrics.

    Raises:
        ConfigError: the user does not allow the package, it cannot be imported, or what is there
            is not a metric from counts.

    """
    if "." not in word:
        return word
    where, package = f"--metric {word}", word.split(".")[0]
    with allowed_by_flag():
        if not is_in(word, tuple(granted(allow))):
            raise ConfigError(
                f"{where}: package {package!r} is not trusted; if it is yours, "
                f"{how_to_allow(package)}"
            )
    try:
        found = imported(word, where)
    except SystemExit as error:
        raise ConfigError(f"{where}: cannot be imported (it ends Python)") from error
    if not isinstance(found, Metric):
        raise ConfigError(f"{where}: is not a segsweep.metrics.Metric; docs/extending.md shows one")
    return own_metric(found)


def own_metric(metric: str | Metric) -> str:
    """Return the name of a metric; a `Metric` joins the table. ConfigError if it cannot."""
    return metric if isinstance(metric, str) else add_metric(metric)
