"""Where Optuna keeps the studies of a sweep: SQLite by default, any database, or a journal file."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep.errors import ConfigError
from segsweep.store.paths import SweepPaths
from segsweep.system.optuna_log import quietly

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

DRIVERS = {"postgresql": "psycopg", "mysql": "mysqlclient"}
"""Database -> the package that connects to it."""


def open_storage(address: str | None, sweep: SweepPaths) -> "BaseStorage":
    """Return the storage at *address*, by default the sweep's own; made if it does not exist.

    Raises ConfigError, without the password in the address, if it cannot be opened.
    """
    from optuna.storages import get_storage
    from sqlalchemy.exc import SQLAlchemyError

    if address is None:
        sweep.root.mkdir(parents=True, exist_ok=True)
        address = f"sqlite:///{sweep.search}"
    try:
        with quietly():
            return get_storage(_storage(address))  # with a cache of the trials that have ended
    except (ImportError, OSError, SQLAlchemyError, RuntimeError, ValueError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        needs = next(
            (
                f"; needs pip install {package}"
                for name, package in DRIVERS.items()
                if address.startswith(name) and isinstance(error, ImportError)
            ),
            "",
        )
        raise ConfigError(
            f"search.storage={masked(address)}: cannot be opened ({masked(reason)}){needs}; give a "
            "database URL, such as postgresql+psycopg://user@host/name, or the path of a file"
        ) from error


def _storage(address: str) -> "BaseStorage":
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    if "://" in address:
        storage = RDBStorage(address)
        if address.startswith("sqlite"):
            _commit_fast(storage.engine)
        return storage
    path = Path(address).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


def _commit_fast(engine: "Engine") -> None:
    """Let SQLite write ahead: a commit, one per epoch, then does not wait for the disk.

    After a power cut the last trials may be missing, never half there. Their runs are finished, so
    the same command takes their results without training them again.
    """
    from sqlalchemy import event

    def prepare(connection: "DBAPIConnection", _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    event.listen(engine, "connect", prepare)
    engine.dispose()  # connections of before


def masked(text: str) -> str:
    """Return *text* with the password of each address in it replaced by stars."""
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)
