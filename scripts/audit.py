#!/usr/bin/env python3
"""Look up every pinned package among the known vulnerabilities, by pip-audit and PyPI's service: `make audit`.

Exit status 0 if none is known, 1 if some are, each told in a line, and 2, with one line, if not every package could
be looked up: silence of the service is no all-clear.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

# No other package is here: it runs in an environment that has pip-audit alone.
from finegrid import errors
from finegrid.errors import InputError
from finegrid.files import parse_json

PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.!+]+)")


def main() -> None:
    arguments = parse_arguments()
    pins = read_pins(arguments.constraints)
    found = [
        f"{name}=={pins[name]}: {each['id']} ({', '.join(each['aliases']) or 'no other name'}); "
        f"mended in {', '.join(each['fix_versions']) or 'no version yet'}"
        for name, vulnerabilities in audit(arguments.constraints, pins).items()
        for each in vulnerabilities
    ]
    if found:
        print("\n".join(found))
        sys.exit(1)
    print(f"{len(pins)} packages, no known vulnerability")


def read_pins(path) -> dict[str, str]:
    """Return the version of every package of a file of `name==version` lines. Raises InputError on any other line."""
    pins = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            pin = PIN.fullmatch(line.strip())
            if pin is None:
                raise InputError(f"{path}: {line!r} pins no version; expected name==version")
            pins[normalised(pin[1])] = pin[2]
    return pins


def normalised(name: str) -> str:
    """Return the one spelling of a package's name."""
    return re.sub("[-_.]+", "-", name).lower()


def audit(path, pins: dict[str, str]) -> dict[str, list[dict]]:
    """Return the known vulnerabilities of every pinned package. Raises InputError unless all could be looked up."""
    if importlib.util.find_spec("pip_audit") is None:
        raise InputError("the package pip-audit is not installed here; `make audit` installs it")
    command = ["-m", "pip_audit", "--requirement", path, "--no-deps", "--disable-pip", "--format", "json"]
    done = subprocess.run(
        [sys.executable, *command, "--progress-spinner", "off"], capture_output=True, text=True, check=False
    )
    try:
        answers = parse_json(done.stdout, "pip-audit")["dependencies"]
    except InputError:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise InputError(f"the vulnerability service cannot be asked; pip-audit says: {said}") from None
    known = {normalised(each["name"]): each["vulns"] for each in answers if "vulns" in each}
    unknown = [name for name in pins if name not in known]
    if unknown:
        raise InputError(
            f"{len(unknown)} of {len(pins)} packages of {path} could not be looked up, such as {unknown[0]}: the "
            "service does not answer for them, so nothing is known of them"
        )
    return known


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("constraints", help="file of pinned versions: constraints.txt")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
