"""Reads a file of weights that a config names. Nothing in the file is executed."""

from pathlib import Path

import torch


def read_state(weights_file: Path) -> dict[str, object]:
    """Return the state dict in a file, on the CPU; empty if the file holds something else.

    The file is what `torch.save` wrote or, if its name ends in .safetensors, of that format.
    Raises ValueError, in one line that names the file, if it cannot be read as one.
    """
    safe = weights_file.suffix == ".safetensors"
    try:
        stored = _read_safetensors(weights_file) if safe else _read_torch(weights_file)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"weights_file={weights_file}: cannot be read ({reason})") from error
    except ImportError as error:
        raise ValueError(
            f"weights_file={weights_file}: safetensors is not installed; "
            "pip install 'segsweep[export]'"
        ) from error
    except Exception as error:  # a file of another kind makes the readers fail in many ways
        what = "a file of safetensors" if safe else "what torch.save wrote of a state dict"
        raise ValueError(f"weights_file must be {what}; got {weights_file}") from error
    return stored if isinstance(stored, dict) else {}


def _read_torch(weights_file: Path) -> object:
    return torch.load(weights_file, map_location="cpu", weights_only=True)


def _read_safetensors(weights_file: Path) -> object:
    from safetensors.torch import load

    return load(weights_file.read_bytes())
