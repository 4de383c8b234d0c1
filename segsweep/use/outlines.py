"""Makes the outlines of a finished run again, from its weights and the test images."""

from segsweep.data.batches import Batches
from segsweep.data.tiled_batches import TiledBatches
from segsweep.errors import SegsweepError
from segsweep.store.paths import RunPaths
from segsweep.store.records import OUTLINES_AGAIN, add_reading, read_split
from segsweep.system.clock import time_text
from segsweep.system.files import write_json
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
        outputs = str(paths.root.resolve().parents[2])
        prepared = prepared_data(network.config.with_values({"outputs": outputs}))
        parts = {row["id"]: row["split"] for row in read_split(paths.split)}
    except SegsweepError as error:
        return str(error)
    ids = [sample.id for sample in prepared.samples]
    rows = [row for row, name in enumerate(ids) if parts.get(name) == "test"]
    placement = network.placement
    batches = Batches(
        prepared.images,
        prepared.masks,
        rows,
        network.config.trainer.batch,
        placement.torch_device,
        placement.layout,
        ignores=prepared.ignores,
    )
    if network.tiling is not None:
        batches = TiledBatches.of(batches, network.tiling)
    outlines = Outlines(prepared.masks, ids)
    add_reading(paths, time_text(), OUTLINES_AGAIN, len(rows))
    score_images(
        network.model,
        batches,
        threshold=network.config.threshold,
        on_prediction=outlines.add,
        autocast=placement.autocast(),
    )
    write_json(paths.outlines, outlines.values)
    return ""
