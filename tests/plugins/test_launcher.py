"""Where runs execute follows from Hydra's launcher."""

from hydra._internal.core_plugins.basic_launcher import BasicLauncher

from segsweep.plugins.launcher import SegsweepLauncher, place_of
from segsweep.plugins.register import register_schema
from segsweep.sweep.places.hydra_launchers import HydraPlace
from segsweep.sweep.places.launchers.basic import LAUNCHER
from segsweep.sweep.places.local import Local
from segsweep.sweep.planning.compose import compose


def test_own_launcher_executes_in_slots_of_this_machine():
    """The config does not matter."""
    register_schema()

    assert isinstance(place_of(SegsweepLauncher(), compose([])), Local)


def test_other_launchers_execute_their_own_jobs():
    """The place gets the launcher, its config, and its description by name."""
    register_schema()
    launcher = BasicLauncher()
    place = place_of(launcher, compose(["hydra/launcher=basic"]))

    assert isinstance(place, HydraPlace)
    assert (place.launcher, place.known) == (launcher, LAUNCHER)
