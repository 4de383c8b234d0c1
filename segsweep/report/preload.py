"""Imported in a running sweep's thread: what writing a report needs, imported before any signal.

A native library such as pandas crashes when its import is interrupted and repeated.
"""

import importlib
import pkgutil

from pandas import DataFrame

import segsweep.data.groups  # noqa: F401  of images that were evaluated elsewhere
from segsweep import report, stats

for package in (stats, report):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
frame = DataFrame({"cell": ["a"], "seed": [0], "iou": [0.5]})  # whose methods are loaded late
frame.pivot(index="cell", columns="seed", values="iou").to_csv()
frame.to_dict()
