"""Cores, memory, disk and GPUs, read from system files made by hand and from this machine."""

import os
import shutil
import subprocess
import sys

import pytest

from segsweep.system import machine
from segsweep.system.machine import (
    available_memory_mb,
    cpu_model,
    fingerprint,
    free_disk_mb,
    gpus,
    oom_kills,
    usable_cores,
)

GB = 2**30
UNLIMITED = 9223372036854771712
"""How control groups of version 1 write "no limit"."""
SMI = """0, GPU-4f1c0a52-0000-1111-2222-333344445555, NVIDIA H100 80GB HBM3, 81079
1, GPU-4f9d7b10-6666-7777-8888-9999aaaabbbb, NVIDIA H100 80GB HBM3, 1024
2, GPU-c2a8e0d4-1234-1234-1234-123412341234, NVIDIA GB10, [N/A]
"""


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Return a function that writes system files and returns their root; 8 cores, no SLURM."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path

    return write


def meminfo(total, available):
    """Return the text of /proc/meminfo for amounts in GB."""
    return f"MemTotal: {total * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {available * 2**20} kB"


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Return a function that puts a fake `nvidia-smi` that prints *text* first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine._all_gpus.cache_clear()
    fingerprint.cache_clear()

    def put(text, code=0):
        program = folder / "nvidia-smi"
        (folder / "output").write_text(text)
        program.write_text(
            f"#!/bin/sh\necho \"$@\" >> '{folder}/calls'\ncat '{folder}/output'\nexit {code}\n"
        )
        program.chmod(0o755)
        return folder / "calls"

    yield put
    machine._all_gpus.cache_clear()
    fingerprint.cache_clear()


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"sys/fs/cgroup/user/job/cpu.max": "max 100000"}, 8),
        ({"sys/fs/cgroup/user/job/cpu.max": "300000 100000"}, 3),
        ({"sys/fs/cgroup/user/job/cpu.max": "150000 100000"}, 2),
        ({"sys/fs/cgroup/user/job/cpu.max": "20000 100000"}, 1),
        ({"sys/fs/cgroup/user/cpu.max": "400000 100000"}, 4),
        (
            {
                "sys/fs/cgroup/user/cpu.max": "200000 100000",
                "sys/fs/cgroup/user/job/cpu.max": "600000 100000",
            },
            2,
        ),
        ({"sys/fs/cgroup/other/cpu.max": "100000 100000"}, 8),
    ],
)
def test_cores_within_quotas_of_version_2(files, cores, system):
    """The smallest quota of the group and its parents limits the cores, rounded up."""
    root = system(**{"proc/self/cgroup": "0::/user/job", **files})

    assert usable_cores(root) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("250000", 3), ("100000", 1)])
@pytest.mark.parametrize("place", ["docker/abc", ""])
def test_cores_within_quotas_of_version_1(quota, cores, place, system):
    """The same for version 1; in a container the path may be the host's."""
    folder = f"sys/fs/cgroup/cpu/{place}"
    files = {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": "100000"}
    root = system(**{"proc/self/cgroup": "4:cpu,cpuacct:/docker/abc", **files})

    assert usable_cores(root) == cores


@pytest.mark.parametrize(
    ("names", "cores"),
    [
        ({"SLURM_CPUS_PER_TASK": "3"}, 3),
        ({"SLURM_CPUS_ON_NODE": "5"}, 5),
        ({"SLURM_CPUS_PER_TASK": "2", "SLURM_CPUS_ON_NODE": "5"}, 2),
        ({"SLURM_CPUS_PER_TASK": "64"}, 8),
        ({"SLURM_CPUS_ON_NODE": "4(x2)"}, 8),
    ],
)
def test_cores_allocated_by_slurm(names, cores, system, monkeypatch):
    """SLURM's allocation limits the cores and never adds any."""
    root = system()
    for name, value in names.items():
        monkeypatch.setenv(name, value)

    assert usable_cores(root) == cores


def test_cores_of_this_process():
    """A process bound to one core has one usable core."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no CPU affinity")
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from segsweep.system.machine import usable_cores; print(usable_cores())"
    )

    assert python(script) == "1"


@pytest.mark.parametrize(
    ("files", "available"),
    [
        ({}, 40),
        ({"memory.max": "max", "memory.current": 9 * GB}, 40),
        ({"memory.max": 16 * GB, "memory.current": 9 * GB}, 7),
        (
            {
                "memory.max": 16 * GB,
                "memory.current": 9 * GB,
                "memory.stat": f"anon 5\nactive_file {2 * GB}\ninactive_file {3 * GB}",
            },
            12,
        ),
        ({"../memory.max": 8 * GB, "../memory.current": 5 * GB}, 3),
        ({"memory.high": 10 * GB, "memory.max": "max", "memory.current": 4 * GB}, 6),
        ({"memory.max": 4 * GB, "memory.current": 5 * GB}, 0),
        ({"memory.max": 500 * GB, "memory.current": 5 * GB}, 40),
        ({"memory.max": 16 * GB}, 16),
    ],
)
def test_memory_within_a_group_of_version_2(files, available, system):
    """The smaller of what the group has left, cache not counted, and what the system has."""
    own = {f"sys/fs/cgroup/user/job/{name}": text for name, text in files.items()}
    root = system(
        **{
            "sys/fs/cgroup/user/job/cgroup.procs": "1",
            "proc/self/cgroup": "0::/user/job",
            "proc/meminfo": meminfo(64, 40),
            **own,
        }
    )

    assert available_memory_mb(root) == available * 1024


def test_memory_within_a_group_of_version_1(system):
    """Version 1 uses other file names, and a very large number for no limit."""
    top = "sys/fs/cgroup/memory"
    root = system(
        **{
            "proc/self/cgroup": "9:name=systemd:/\n4:memory:/pool/job\n0::/",
            "proc/meminfo": meminfo(64, 40),
            f"{top}/memory.limit_in_bytes": UNLIMITED,
            f"{top}/memory.usage_in_bytes": 20 * GB,
            f"{top}/pool/memory.limit_in_bytes": 12 * GB,
            f"{top}/pool/memory.usage_in_bytes": 10 * GB,
            f"{top}/pool/memory.stat": f"active_file 7\ntotal_active_file {GB}",
            f"{top}/pool/job/memory.limit_in_bytes": UNLIMITED,
            f"{top}/pool/job/memory.usage_in_bytes": 2 * GB,
        }
    )

    assert available_memory_mb(root) == 3 * 1024


def test_memory_of_this_machine():
    """Less memory is available than is installed."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20

    assert 0 < available_memory_mb() < installed


def test_unknown_memory_is_infinite(system):
    """Without any system file no run is refused for memory."""
    assert available_memory_mb(system()) == float("inf")


def test_memory_of_a_mac(system, tmp_path, monkeypatch):
    """Free, inactive, speculative and purgeable pages times the page size from `vm_stat`."""
    program = tmp_path / "vm_stat"
    program.write_text(
        "#!/bin/sh\necho 'Mach Virtual Memory Statistics: (page size of 16384 bytes)'\n"
        "echo 'Pages free:               1000.'\necho 'Pages active:             9999.'\n"
        "echo 'Pages inactive:           2000.'\necho 'Pages speculative:         300.'\n"
        "echo 'Pages wired down:         9999.'\necho 'Pages purgeable:            40.'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys, "platform", "darwin")

    assert available_memory_mb(system()) == 3340 * 16384 / 2**20


@pytest.mark.parametrize("below", ["", "new", "new/folder/of/mine"])
def test_disk_of_a_folder_that_does_not_exist_yet(below, tmp_path):
    """The free space is that of the nearest existing parent."""
    free = shutil.disk_usage(tmp_path).free / 2**20

    assert free_disk_mb(tmp_path / below) == pytest.approx(free, rel=0.05)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, 0),
        ({"sys/fs/cgroup/a/memory.events": "low 0\noom 7\noom_kill 3"}, 3),
        ({"sys/fs/cgroup/memory/b/memory.oom_control": "under_oom 0\noom_kill 2"}, 2),
        ({"proc/vmstat": "pgfault 9\noom_kill 11"}, 11),
        ({"sys/fs/cgroup/a/memory.events": "oom_kill 3", "proc/vmstat": "oom_kill 11"}, 3),
    ],
)
def test_kills_by_the_system_when_memory_runs_out(files, kills, system):
    """Counted by the control group, of either version, else by the machine."""
    assert oom_kills(system(**{"proc/self/cgroup": "4:memory:/b\n0::/a", **files})) == kills


def test_no_gpu_without_nvidia_smi(smi, tmp_path, monkeypatch):
    """A machine without `nvidia-smi` has no GPU; nothing is raised."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    assert gpus() == []


def test_gpus_of_the_machine(smi):
    """Every GPU with its id and memory, infinite if unknown; nvidia-smi runs once."""
    calls = smi(SMI)
    first = gpus()
    gpus()

    assert [gpu.visible for gpu in first] == [line.split(", ")[1] for line in SMI.splitlines()]
    assert [gpu.free_mb for gpu in first[:2]] == [81079, 1024]
    assert first[2].free_mb == float("inf")
    assert first[0].name == "NVIDIA H100 80GB HBM3"
    assert len(calls.read_text().splitlines()) == 1
    assert "memory.free" in calls.read_text()


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        ("1", [("1", 1024)]),
        ("1,0", [("1", 1024), ("0", 81079)]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,7,1", [("0", 81079)]),
        ("GPU-4f9d", [("GPU-4f9d7b10-6666-7777-8888-9999aaaabbbb", 1024)]),
        ("GPU-4f", []),
        ("0, MIG-3eb8", [("0", 81079), ("MIG-3eb8", float("inf"))]),
    ],
)
def test_gpus_visible_to_this_process(visible, found, smi, monkeypatch):
    """CUDA_VISIBLE_DEVICES is read as CUDA does: an entry that fits no GPU ends the list."""
    smi(SMI)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert [(gpu.visible, gpu.free_mb) for gpu in gpus()] == found


@pytest.mark.parametrize(
    ("text", "code"), [("", 0), (SMI, 9), ("NVIDIA-SMI has failed because of this\n", 0)]
)
def test_failing_driver_means_no_gpu(text, code, smi):
    """If nvidia-smi fails or prints no table, there is no GPU."""
    smi(text, code)

    assert gpus() == []


def test_name_of_the_processor(system):
    """The first model name in /proc/cpuinfo; this machine has one too."""
    text = "processor : 0\nmodel name\t: AMD EPYC 9654 96-Core\nmodel name\t: other"

    assert cpu_model(system(**{"proc/cpuinfo": text})) == "AMD EPYC 9654 96-Core"
    assert cpu_model()


def test_fingerprint_tells_machines_apart(smi):
    """It contains host, processor and GPUs."""
    smi("")
    without = fingerprint()
    machine._all_gpus.cache_clear()
    fingerprint.cache_clear()
    smi(SMI)

    assert os.uname().nodename in without
    assert cpu_model() in without
    assert fingerprint() != without
    assert "H100" in fingerprint()


def test_neither_torch_nor_numpy_is_imported():
    """The controller reads the machine before it loads anything slow."""
    imports = (
        "from segsweep.system import machine; from segsweep.sweep.processes import slots;"
        "from segsweep.sweep.planning import cost, budget, plan_table"
    )

    assert (
        python(
            f"{imports}; import sys;"
            "print([name for name in ('torch', 'numpy', 'pandas', 'rich') if name in sys.modules])"
        )
        == "[]"
    )


def python(script):
    """Return what *script* prints in a separate process."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
