"""Hydra knows segsweep's schema and plugins in this process and nowhere else."""

import subprocess
import sys

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper

from segsweep.plugins.launcher import SegsweepLauncher
from segsweep.plugins.register import register_plugins, register_schema
from segsweep.plugins.sweeper import SegsweepSweeper


def test_schema_has_the_name_that_the_config_includes():
    """`base_config` has every key of the schema."""
    register_schema()
    node = ConfigStore.instance().load("base_config.yaml").node

    assert {"model", "loss", "trainer", "sweep", "slots"} <= {str(key) for key in node}


def test_plugins_are_registered():
    """Hydra finds both classes."""
    register_plugins()

    assert SegsweepSweeper in Plugins.instance().discover(Sweeper)
    assert SegsweepLauncher in Plugins.instance().discover(Launcher)


def test_other_hydra_applications_do_not_load_them():
    """Hydra alone, in another process, finds no plugin of segsweep."""
    code = (
        "import sys; from hydra.core.plugins import Plugins;"
        "print([one.__name__ for one in Plugins.instance().discover()"
        " if one.__module__.startswith('segsweep')], 'segsweep' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[] False\n"
