"""Registers segsweep's schema and plugins with Hydra, in this process only.

There is no entry point, so other Hydra applications never load them.
"""


def register_schema() -> None:
    """Store the schema as `base_config`, the name that `conf/config.yaml` includes."""
    from hydra.core.config_store import ConfigStore

    from segsweep.config.schema import Config

    ConfigStore.instance().store(name="base_config", node=Config, replace=True)


def register_plugins() -> None:
    """Register segsweep's sweeper and launcher."""
    from hydra.core.plugins import Plugins

    from segsweep.plugins.launcher import SegsweepLauncher
    from segsweep.plugins.sweeper import SegsweepSweeper

    for plugin in (SegsweepSweeper, SegsweepLauncher):
        Plugins.instance().register(plugin)
