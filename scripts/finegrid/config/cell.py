"""The grid: a plan for every (model, task, mode), and a cell for every batch size, learning rate and seed of it."""

import itertools
from pathlib import Path

from finegrid.config.definition import Config, Mode, Task, Training
from finegrid.config.model import Model
from finegrid.config.types import BatchSize, LearningRate, Record, Seed

# The folders of a (model, task, mode) and of a cell below the folder of the run. The rules use the same strings as
# wildcard patterns, so a path has one spelling and is never parsed: identity is in the JSON.
MODE_FOLDER = "cells/{model}/{task}/{mode}"
CELL_FOLDER = MODE_FOLDER + "/bs{batch_size}_lr{learning_rate}_seed{seed}"
# The chosen setting with a confirming seed. The path holds no setting, so it is known before one is chosen.
CONFIRM_FOLDER = MODE_FOLDER + "/confirm/seed{seed}"
# What the setting that validation chose reaches on the test split.
CHOSEN_FOLDER = MODE_FOLDER + "/chosen"


class Cell(Record):
    """One training: everything that its result depends on, but for code, data, weights and machine."""

    model: Model
    task: Task
    mode: Mode
    training: Training
    batch_size: BatchSize
    learning_rate: LearningRate
    seed: Seed

    @property
    def setting(self) -> tuple[int, str]:
        """What validation chooses: batch size and learning rate."""
        return self.batch_size, self.learning_rate

    def folder(self, run_folder) -> Path:
        """Return the folder that holds the results of the cell."""
        return Path(run_folder, CELL_FOLDER.format(**self.wildcards))

    @property
    def wildcards(self) -> dict[str, str | int]:
        """The names that tell the cells of a run apart, as the paths have them."""
        return {
            "model": self.model.name,
            "task": self.task.name,
            "mode": self.mode.name,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
        }


class Plan(Record):
    """All cells of one (model, task, mode)."""

    run: str
    model: Model
    task: Task
    mode: Mode
    training: Training
    batch_sizes: tuple[BatchSize, ...]
    learning_rates: tuple[LearningRate, ...]
    learning_rates_key: str  # where the configuration has them
    seeds: tuple[Seed, ...]
    confirming_seeds: tuple[Seed, ...] = ()

    @property
    def tested_seeds(self) -> tuple[int, ...]:
        """The seeds with which the chosen setting is tested and compared: the confirming ones, if there are any."""
        return self.confirming_seeds or self.seeds

    @property
    def key(self) -> tuple[str, str, str]:
        """The names of the model, the task and the mode."""
        return self.model.name, self.task.name, self.mode.name

    @property
    def wildcards(self) -> dict[str, str]:
        """The same names, as the paths have them."""
        return dict(zip(("model", "task", "mode"), self.key, strict=True))

    def cell(self, batch_size: int, learning_rate: str, seed: int) -> Cell:
        """Return one cell of the plan."""
        return Cell(
            model=self.model,
            task=self.task,
            mode=self.mode,
            training=self.training,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
        )

    def cells(self) -> list[Cell]:
        """List every batch size with every learning rate with every seed."""
        return list(itertools.starmap(self.cell, itertools.product(self.batch_sizes, self.learning_rates, self.seeds)))

    def tested_folder(self, cell: Cell, run_folder) -> Path:
        """Return the folder of a cell of the chosen setting that is tested."""
        if not self.confirming_seeds:
            return cell.folder(run_folder)
        return Path(run_folder, CONFIRM_FOLDER.format(**self.wildcards, seed=cell.seed))

    def folder(self, run_folder) -> Path:
        """Return the folder of the (model, task, mode)."""
        return Path(run_folder, MODE_FOLDER.format(**self.wildcards))

    def chosen_folder(self, run_folder) -> Path:
        """Return the folder of what the chosen setting reaches on the test split."""
        return Path(run_folder, CHOSEN_FOLDER.format(**self.wildcards))


def plans(config: Config) -> list[Plan]:
    """List the plans of a configuration, in its order."""
    return [
        Plan(
            run=config.run,
            model=model.model,
            task=task,
            mode=mode.mode,
            training=config.training,
            batch_sizes=config.batch_sizes,
            learning_rates=model.learning_rates.get(mode.name, mode.learning_rates),
            learning_rates_key=f"models.{model.name}.learning_rates.{mode.name}"
            if mode.name in model.learning_rates
            else f"modes.{mode.name}.learning_rates",
            seeds=config.seeds,
            confirming_seeds=config.confirm.seeds if config.confirm else (),
        )
        for model in config.models.values()
        for task in config.tasks.values()
        for mode in config.modes.values()
    ]
