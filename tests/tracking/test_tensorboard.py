"""What TensorBoard's own reader finds in the files is what the runs' files say."""

import pytest

from tracker_contract import Contract

pytest.importorskip("tensorboard", reason="not installed: segsweep[tensorboard]")


class TestTensorBoard(Contract):
    """A folder per run below the sweep's folder `tensorboard`."""

    name = "tensorboard"

    def test_page_of_hyperparameters_knows_settings_and_end(self, sweep, new_run, follower):
        """Its own parser reads what the page shows."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.plugins.hparams import api_pb2, metadata

        run = new_run("loss=dice", optimizer__lr=0.002)
        watch = follower(self.name)
        watch.add(run.name)
        run.train(1)
        run.leave(failure={"cause": "raised", "error": "no", "attempts": 1})
        watch.close()
        events = EventAccumulator(str(sweep.tensorboard / run.name))
        events.Reload()
        plugin = events.PluginTagToContent("hparams")
        start = metadata.parse_session_start_info_plugin_data(
            plugin[metadata.SESSION_START_INFO_TAG]
        )
        end = metadata.parse_session_end_info_plugin_data(plugin[metadata.SESSION_END_INFO_TAG])

        assert start.hparams["lr"].number_value == 0.002
        assert start.hparams["loss"].string_value == "dice"
        assert end.status == api_pb2.STATUS_FAILURE
