"""Hydra's own config of a launcher, as its installed plugin registers it."""

import importlib.util

import pytest
from omegaconf import DictConfig

from segsweep.plugins.register import register_schema
from segsweep.sweep.planning.compose import compose


def launcher_config(name: str, *words: str) -> DictConfig:
    """Return the composed `hydra.launcher`; skip the test if the plugin is not installed."""
    extra = name.partition("_")[0]
    plugin = f"hydra_plugins.hydra_{extra}_launcher"
    if extra != "basic" and importlib.util.find_spec(plugin) is None:
        pytest.skip(f"not installed: segsweep[{extra}]")
    register_schema()
    config: DictConfig = compose([f"hydra/launcher={name}", *words]).hydra.launcher
    return config
