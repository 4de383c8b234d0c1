"""A SLURM cluster of one node on loopback, for tests: no systemd, no cgroups, nothing left behind.

python tests/slurm/cluster.py up FOLDER      start it, print the variables that name it
python tests/slurm/cluster.py status FOLDER  nodes and queue
python tests/slurm/cluster.py down FOLDER    end every job and daemon, remove FOLDER

It needs munged, slurmctld and slurmd (Debian: apt-get install slurm-wlm munge). Everything it
writes is below FOLDER, its ports are free ones and its munge key is its own, so it stands beside
a real cluster. It has no accounting; the `sacct` beside this file answers for it.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "sinfo")
SBIN = "/usr/sbin:/sbin"
HERE = Path(__file__).resolve().parent
CONFIG = """\
ClusterName=segsweep
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# cred_expire is also how long a requeued job waits before it starts again
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=2
MinJobAge=3600
ReturnToService=2
SlurmctldTimeout=60
SlurmdTimeout=60
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SchedulerParameters=sched_interval=2,sched_min_interval=0
NodeName=localhost NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} RealMemory={memory_mb}
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
PartitionName=short Nodes=ALL MaxTime=1 State=UP
"""


class ClusterError(Exception):
    """The cluster cannot be started here; the text says why."""


def missing() -> str:
    """Return why no cluster can be had on this machine; "" where it can."""
    absent = [name for name in PROGRAMS if _which(name) is None]
    return f"no {', '.join(absent)} here (apt-get install slurm-wlm munge)" if absent else ""


def up(folder: Path, cpus: int = 2) -> dict[str, str]:
    """Start the cluster in *folder*; return the environment variables that lead to it.

    Raises ClusterError where a program is missing or does not come up.
    """
    if reason := missing():
        raise ClusterError(reason)
    if folder.exists() and any(folder.iterdir()):
        raise ClusterError(f"{folder} is not empty; give a new folder")
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    _write_config(folder, cpus)
    environment = variables(folder)
    try:
        _start_munge(folder)
        _start(["slurmctld", "-i", "-f", str(folder / "slurm.conf")], environment)
        _start(["slurmd", "-N", "localhost", "-f", str(folder / "slurm.conf")], environment)
        _until(lambda: "idle" in _said(["sinfo", "-h", "-o", "%T"], environment), folder)
    except BaseException:
        down(folder)
        raise
    return environment


def variables(folder: Path) -> dict[str, str]:
    """Return what must stand in the environment of SLURM's commands: this cluster's names."""
    path = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)])
    return {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}


def down(folder: Path) -> None:
    """End all jobs and daemons of the cluster in *folder* and remove the folder."""
    if (folder / "slurmctld.pid").exists():
        user = pwd.getpwuid(os.getuid()).pw_name
        for more in ([], ["--signal=KILL"]):
            _said(["scancel", f"--user={user}", *more], variables(folder))
        with contextlib.suppress(ClusterError):
            _until(lambda: not _said(["squeue", "-h"], variables(folder)), folder, 15)
    for name in ("slurmd", "slurmctld", "munged"):
        _end(folder / f"{name}.pid")
    if (folder / "slurm.conf").exists():
        shutil.rmtree(folder, ignore_errors=True)


def status(folder: Path) -> str:
    """Return the nodes and the queue as SLURM shows them."""
    return "\n".join(_said([name], variables(folder)) for name in ("sinfo", "squeue"))


def _write_config(folder: Path, cpus: int) -> None:
    controller_port, node_port = _free_ports(2)
    text = CONFIG.format(
        folder=folder,
        user=pwd.getpwuid(os.getuid()).pw_name,
        controller_port=controller_port,
        node_port=node_port,
        cpus=min(cpus, os.cpu_count() or 1),
        memory_mb=_memory_mb() * 3 // 4,
    )
    (folder / "slurm.conf").write_text(text)
    sacct = folder / "bin/sacct"
    shutil.copyfile(HERE / "sacct", sacct)
    sacct.chmod(0o755)


def _start_munge(folder: Path) -> None:
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    paths = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
    paths |= {"log-file": "munged.log", "seed-file": "munged.seed"}
    words = [f"--{option}={folder / name}" for option, name in paths.items()]
    # --force: a folder below /tmp may be written by others, which it would refuse
    _start(["munged", "--force", *words], {})


def _start(command: list[str], environment: dict[str, str]) -> None:
    """Start a program that goes on in the background by itself."""
    full = [str(_which(command[0])), *command[1:]]
    done = subprocess.run(
        full, env=os.environ | environment, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        raise ClusterError(f"{command[0]} did not start: {done.stderr.strip()}")


def _end(pid_file: Path) -> None:
    """End the process whose number stands in *pid_file*: asked first, killed after 10 s."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            time.sleep(0.1)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return  # it has ended, or never began


def _said(command: list[str], environment: dict[str, str]) -> str:
    """Return what a command of SLURM printed; nothing where it failed."""
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _until(condition: Callable[[], bool], folder: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            logs = [path.read_text()[-500:] for path in sorted(folder.glob("slurm*.log"))]
            raise ClusterError("the cluster does not answer\n" + "\n".join(logs))
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def _which(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), SBIN]))


def _main(words: list[str]) -> int:
    if len(words) != 2 or words[0] not in ("up", "down", "status"):
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(words[1]).resolve()
    if words[0] == "up":
        try:
            environment = up(folder)
        except ClusterError as error:
            print(error, file=sys.stderr)
            return 1
        for name, value in environment.items():
            print(f"export {name}='{value}'")
    elif words[0] == "down":
        down(folder)
    else:
        print(status(folder))
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
