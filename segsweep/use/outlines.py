"""Makes the outlines of a finished run again, from its weights and the test images."""

from segsweep.errors import SegsweepError
from segsweep.store.paths import RunPaths
from segsweep.store.records import OUTLINES_AGAIN, add_reading, read_split
from segsweep.system.clock import time_text
from segsweep.system.files import write_json
from segsweep.training.build import batches_of
from segsweep.training.dataset import prepared_data
from segsweep.training.evaluate import score_images
from segsweep.training.outlines import Outlines
from segsweep.use.network import Way, open_network


def remake_outlines(paths: RunPaths) -> str:
    """Write outlines.json of a finished run again; return why that is impossible, else "".

    The test images are read once more, which is logged; no number depends on it.
    """
    try:
        network = open_network(paths, Way())
        prepared = prepared_data(network.config)
        parts = {row["id"]: row["split"] for row in read_split(paths.split)}
    except SegsweepError as error:
        return str(error)
    ids = [sample.id for sample in prepared.samples]
    rows = [row for row, name in enumerate(ids) if parts.get(name) == "test"]
    outlines = Outlines(prepared.masks, ids)
    add_reading(paths.test_reads, time_text(), OUTLINES_AGAIN, len(rows))
    score_images(
        network.model,
        batches_of(network.config, prepared, rows, network.placement),
        threshold=network.config.threshold,
        on_prediction=outlines.add,
        autocast=network.placement.autocast(),
    )
    write_json(paths.outlines, outlines.values)
    return ""
