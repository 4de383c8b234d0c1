"""Register segsweep's schema and plugins with Hydra; no other Hydra application sees them."""


def register_schema() -> None:
    """Put the schema where `conf/config.yaml` finds it, as `base_config`."""
    from hydra.core.config_store import ConfigStore

    from segsweep.config.schema import Config

    ConfigStore.instance().store(name="base_config", node=Config, replace=True)


def register_plugins() -> None:
    """Tell Hydra of our sweeper and launcher; no other Hydra application sees them."""
    from hydra.core.plugins import Plugins

    from segsweep.plugins.launcher import SegsweepLauncher
    from segsweep.plugins.sweeper import SegsweepSweeper

    for plugin in (SegsweepSweeper, SegsweepLauncher):
        Plugins.instance().register(plugin)
