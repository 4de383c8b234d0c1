"""A SLURM cluster of one node on loopback for tests, without systemd and cgroups.

python tests/slurm/cluster.py up FOLDER      start it and print the environment variables to use it
python tests/slurm/cluster.py status FOLDER  show nodes and queue
python tests/slurm/cluster.py down FOLDER    end all jobs and daemons, remove FOLDER

It needs munged, slurmctld and slurmd (Debian: apt-get install slurm-wlm munge). It writes only
below FOLDER and uses free ports and its own munge key, so it does not disturb a real cluster. It
has no accounting database; the script `sacct` in this folder replaces SLURM's.
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
# a requeued job also waits for cred_expire seconds before it starts again
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
    """The cluster cannot be started here; the message says why."""


def missing() -> str:
    """Return why no cluster can be started on this machine; "" if it can."""
    absent = [name for name in PROGRAMS if _which(name) is None]
    return f"no {', '.join(absent)} here (apt-get install slurm-wlm munge)" if absent else ""


def up(folder: Path, cpus: int = 2) -> dict[str, str]:
    """Start the cluster in *folder*; return the environment variables to use it.

    Raises ClusterError if a program is missing or does not start.
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
        _wait_until(lambda: "idle" in _output(["sinfo", "-h", "-o", "%T"], environment), folder)
    except BaseException:
        down(folder)
        raise
    return environment


def variables(folder: Path) -> dict[str, str]:
    """Return the environment variables with which SLURM's commands use this cluster."""
    path = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)])
    return {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}


def down(folder: Path) -> None:
    """End all jobs and daemons of the cluster in *folder* and remove the folder."""
    if (folder / "slurmctld.pid").exists():
        user = pwd.getpwuid(os.getuid()).pw_name
        for more in ([], ["--signal=KILL"]):
            _output(["scancel", f"--user={user}", *more], variables(folder))
        with contextlib.suppress(ClusterError):
            _wait_until(lambda: not _output(["squeue", "-h"], variables(folder)), folder, 15)
    for name in ("slurmd", "slurmctld", "munged"):
        _end(folder / f"{name}.pid")
    if (folder / "slurm.conf").exists():
        shutil.rmtree(folder, ignore_errors=True)


def status(folder: Path) -> str:
    """Return the nodes and the queue as SLURM shows them."""
    return "\n".join(_output([name], variables(folder)) for name in ("sinfo", "squeue"))


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
    # --force: otherwise it refuses a folder below /tmp, which others may write to
    _start(["munged", "--force", *words], {})


def _start(command: list[str], environment: dict[str, str]) -> None:
    """Start a program that puts itself in the background."""
    full = [str(_which(command[0])), *command[1:]]
    done = subprocess.run(
        full, env=os.environ | environment, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        raise ClusterError(f"{command[0]} did not start: {done.stderr.strip()}")


def _end(pid_file: Path) -> None:
    """End the process with the id in *pid_file*: SIGTERM, then SIGKILL after 10 s."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            time.sleep(0.1)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return  # it has ended or was never started


def _output(command: list[str], environment: dict[str, str]) -> str:
    """Return what a SLURM command printed."""
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _wait_until(condition: Callable[[], bool], folder: Path, seconds: float = 30) -> None:
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
