"""The content of a lost file of a run, from what else is known of the run."""

import json

from segsweep.config.run_config import FrozenConfig
from segsweep.store.json_files import Result


def environment_text(config: FrozenConfig, result: Result) -> str:
    """Return an environment.json with what config and result know of the run; a mark says so."""
    trainer, device = config.trainer, result.device or config.device
    chosen = trainer.precision
    if chosen == "auto":
        chosen = trainer.cpu_precision or "" if device == "cpu" else ""
    known = {
        "device": device,
        "threads": config.threads or None,
        "precision": chosen or None,
        "segsweep": result.version,
        "git_commit": result.git_commit,
        "restored": "made again from config and result: the file was damaged",
    }
    return json.dumps({key: value for key, value in known.items() if value}, indent=1) + "\n"
