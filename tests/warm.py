"""Commands of Python in a fork of a process that has imported what they begin with, which is most of their time."""

import atexit
import gc
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path

# The scripts' own modules are those of this repository; Snakemake's do not include finegrid, which the Snakefile finds.
SNAKEMAKE = "import smart_open, snakemake.cli; snakemake.cli.get_argument_parser()"
SCRIPTS = (
    "import finegrid.data.tokens, finegrid.evaluation.metrics, finegrid.modeling.classifier, "
    "finegrid.modeling.trainable, finegrid.training.fast, finegrid.training.loop"
)


@cache
def _server(imports: str) -> subprocess.Popen:
    """Start the process to fork from, which ends with this one."""
    command = [sys.executable, __file__, imports]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)
    return server


def run(imports: str, program, *arguments, cwd, environment: dict[str, str]) -> subprocess.CompletedProcess:
    """Run a Python program as a process of its own; its output is captured as text."""
    server = _server(imports)
    with tempfile.TemporaryDirectory() as folder:
        out, error = (Path(folder, name) for name in ("out", "error"))
        command = [str(program), *map(str, arguments)]
        told = {"command": command, "cwd": str(cwd), "environment": environment, "out": str(out), "error": str(error)}
        print(json.dumps(told), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(command, status, out.read_text(), error.read_text())


def _become(command, cwd, environment, out, error) -> None:
    for number, path in enumerate((os.devnull, out, error)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = command
    sys.path[0] = str(Path(command[0]).parent)
    status = 0
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        traceback.print_exc()
        status = 1
    # Without taking down all that was imported, which is slow.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    exec(sys.argv[1])
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
