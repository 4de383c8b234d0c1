"""Clusters that exist for one test."""

from collections.abc import Iterator

import pytest

from clusters import ray_environment, slurm_environment


@pytest.fixture
def ray() -> Iterator[dict[str, str]]:
    """Yield the environment for the Ray launcher."""
    with ray_environment() as environment:
        yield environment


@pytest.fixture
def slurm() -> Iterator[dict[str, str]]:
    """Yield the environment of a SLURM cluster."""
    with slurm_environment() as environment:
        yield environment
