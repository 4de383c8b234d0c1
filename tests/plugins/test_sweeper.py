"""The sweeper instantiates the launcher that the command line chooses."""

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.types import HydraContext

from segsweep.plugins.launcher import SegsweepLauncher
from segsweep.plugins.register import register_plugins, register_schema
from segsweep.plugins.sweeper import SegsweepSweeper
from segsweep.sweep.planning.compose import compose


def set_up(*words: str) -> SegsweepSweeper:
    """Return a sweeper after Hydra's setup with a command line."""
    register_schema()
    register_plugins()
    sweeper = SegsweepSweeper({"seed": "0,1"})
    context = HydraContext(config_loader=None, callbacks=None)
    sweeper.setup(hydra_context=context, task_function=print, config=compose(words))
    return sweeper


def test_launcher_follows_the_command_line():
    """Segsweep's own by default, or one of Hydra's."""
    assert isinstance(set_up().launcher, SegsweepLauncher)
    assert isinstance(set_up("hydra/launcher=basic").launcher, BasicLauncher)


def test_params_are_kept():
    """Overrides from the sweeper's config."""
    assert set_up().params == {"seed": "0,1"}
