"""A SLURM cluster of one node on loopback, of Debian's slurm-wlm and munge."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

PLACE = Path("/etc/slurm")
CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
MinJobAge=3600
ReturnToService=2
SchedulerParameters=sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000 Gres=gpu:1 State=UNKNOWN
PartitionName=short Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP
"""


def why_none() -> str | None:
    """Say why no cluster can be started here; None if one can."""
    missing = [name for name in ("slurmctld", "slurmd", "munged") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)}: not installed (Debian's packages slurm-wlm and munge)"
    if (PLACE / "slurm.conf").exists():
        return "this machine belongs to a cluster already"
    return "the cluster's daemons have to be started by root" if os.geteuid() else None


@contextlib.contextmanager
def cluster(folder: Path):
    """Start a cluster of one node of two processors, 8 GB and one GPU by name only; until the end of the block."""
    host = socket.gethostname().split(".")[0]
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in (one, other)]
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    # Where jobs look for it, as the executor takes SLURM's variables out of their environment, SLURM_CONF too.
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "slurm.conf").write_text(CONFIGURATION.format(host=host, ports=ports, folder=folder))
    (PLACE / "gres.conf").write_text("Name=gpu File=/dev/null\n")
    if call("munge", "--no-input", check=False).returncode:
        os.makedirs("/run/munge", exist_ok=True)
        shutil.chown("/run/munge", "munge", "munge")
        call("setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", "munged")
    try:
        call("slurmctld")
        call("slurmd")
        call("sbatch", "--wait", "--output=/dev/null", "--wrap=true")  # returns when the node has run it
        yield
    finally:
        call("scancel", "--user=root", check=False)
        for daemon in ("slurmd", "slurmctld"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                os.kill(int((folder / f"{daemon}.pid").read_text()), signal.SIGTERM)
        for name in ("slurm.conf", "gres.conf"):
            (PLACE / name).unlink()


def call(*command, check=True) -> subprocess.CompletedProcess:
    """Run a command of SLURM's, its output captured as text."""
    return subprocess.run(command, check=check, capture_output=True, text=True)


def records() -> list[dict[str, str]]:
    """Return what SLURM keeps of its jobs, `scontrol show job`, a dictionary for each."""
    lines = call("scontrol", "show", "job", "--oneliner").stdout.splitlines()
    return [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines if line.startswith("JobId=")]
