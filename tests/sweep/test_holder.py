"""The content of a lock's file: written, read back, and damaged."""

import os
import socket
from dataclasses import replace

from segsweep.sweep.holder import read_holder, this_process, write_holder


def test_written_holder_is_read_back(tmp_path):
    """A shorter text replaces a longer one completely."""
    path, me = tmp_path / "lock", this_process()
    path.write_text("x" * 1000)
    descriptor = os.open(path, os.O_RDWR)
    write_holder(descriptor, replace(me, slots=12, silent=3.0))
    os.close(descriptor)

    assert read_holder(path) == replace(me, slots=12)


def test_empty_and_damaged_files_name_nobody(tmp_path):
    """Also a holder without pid."""
    path = tmp_path / "lock"
    texts = ("", "{", '{"host": "a"}', "[]", '{"pid": null}')
    found = [path.write_text(text) and read_holder(path) for text in texts[1:]]
    path.write_text("")

    assert found == [None] * 4
    assert read_holder(path) is None


def test_token_differs_for_each_holder():
    """Two holders of one process are different holders."""
    assert this_process().token != this_process().token


def test_local_is_this_machine_and_container():
    """The same pid elsewhere is another process."""
    me = this_process()

    assert me.is_local()
    assert not replace(me, host="gpu3").is_local()
    assert not replace(me, boot="b").is_local()
    assert not replace(me, namespace="pid:[1]").is_local()


def test_text_for_messages():
    """An unreadable time is printed as it is."""
    me = replace(this_process(), pid=4711, since="yesterday")

    assert str(me) == f"pid 4711 on host {socket.gethostname()} since yesterday"
