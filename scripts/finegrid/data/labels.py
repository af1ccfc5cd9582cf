"""What the labels of a task mean: numbers of a regression, or classes by name, by number or by position.

It is decided once for all files of a task, so no two files are read in different ways.
"""

import contextlib
import re
from decimal import Decimal, InvalidOperation

import numpy as np

from finegrid.config.definition import Task
from finegrid.data.readers import MOST_LISTED, FileRows, and_more, is_missing
from finegrid.errors import InputError
from finegrid.records import LabelReading

NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
HIDDEN = {Decimal(-1), "-1"}  # as the hub's data sets spell it
LARGEST = float(np.finfo(np.float32).max)  # a regression's labels are kept as float32


class Labels:
    """How to turn the labels of a task's files into numbers."""

    def __init__(self, task: Task, parts: list[list[FileRows]]):
        """Decide it from the files of all parts of all splits that have labels.

        Raises InputError, which names a file and its rows, if a label is missing or not allowed, if labels are names in
        one row and positions in another, or if every label of a part is -1.
        """
        self.task, self.key = task, label_key
        self.classes = self._class_numbers()
        self.none = {self.key(label) for label in task.unlabelled or ()} - self.classes.keys()
        self._spelled = {id(file): self._spell(file) for part in parts for file in part}
        self._files = [file for part in parts for file in part]
        for part in parts:
            self._check_not_hidden(part)
        if task.unlabelled is None:
            self._refuse({""})
        known = set().union(*self._spelled.values()) - {""}
        known = {label for label in known if self.key(label) not in self.none}
        self.reading: LabelReading | None = None  # of a regression none
        if task.regression:
            self.numbers = {label: float(label) for label in known if NUMBER.fullmatch(label)}
            self.numbers = {label: number for label, number in self.numbers.items() if abs(number) <= LARGEST}
            self._refuse(known - self.numbers.keys())
        else:
            self.reading, self.numbers = self._read(known)

    def of(self, file: FileRows) -> tuple[np.ndarray, list[int]]:
        """Return the labels of a file's rows, and which rows these are: all but those without a label.

        Classes are int64 [rows], the numbers of a regression float32 [rows].
        """
        spelled = self._spelled[id(file)]
        rows = [row for row, label in enumerate(spelled) if label in self.numbers]
        kind = np.float32 if self.task.regression else np.int64
        return np.array([self.numbers[spelled[row]] for row in rows], dtype=kind), rows

    def _spell(self, file: FileRows) -> list[str]:
        """Return a file's labels as text, '' where there is none.

        Names that the file itself has for its integers (in the form of the package datasets) stand for them, if any is
        a class of the task: the task may list its classes in another order.
        """
        spelled = ["" if is_missing(label) else str(label).strip() for label in file.labels]
        names = [name.strip() for name in file.class_names or ()]
        keys = [self.key(name) for name in names]
        if self.classes.keys().isdisjoint(keys) or (keys == list(self.classes) and not self.has_numbers):
            return spelled
        of_position = {str(position): name for position, name in enumerate(names)}
        return [of_position.get(label, label) for label in spelled]

    @property
    def has_numbers(self) -> bool:
        """Whether one of the classes is named by a number, so that a number cannot be a position."""
        return any(isinstance(key, Decimal) for key in self.classes)

    def _class_numbers(self) -> dict:
        names = [name.strip() for name in self.task.classes or ()]
        classes = {self.key(name): number for number, name in enumerate(names)}
        if len(classes) < len(names):  # 1 and 01 are two classes, so they are not numbers
            self.key = str
            classes = {name: number for number, name in enumerate(self.task.classes)}
        return classes

    def _read(self, known: set[str]) -> tuple[LabelReading, dict[str, int]]:
        named = {label: self.classes[self.key(label)] for label in known if self.key(label) in self.classes}
        if len(named) == len(known):
            all_numbers = all(isinstance(key, Decimal) for key in self.classes)
            return "as numbers" if all_numbers else "by name", named
        positions = {} if self.has_numbers else self._positions(known)
        self._refuse(known - named.keys() - positions.keys())
        if named:
            name, position = self._first(named.keys()), self._first(positions.keys() - named.keys())
            raise InputError(f"{name}, and {position}; expected names in all files, or positions in all")
        if 0 not in positions.values():
            raise InputError(
                f"{self._first(known)}, and no label is 0, from where positions count; expected {self._allowed()}"
            )
        return "as positions", positions

    def _positions(self, known: set[str]) -> dict[str, int]:
        allowed = {Decimal(number): number for number in range(len(self.classes))}
        keys = {label: label_key(label) for label in known}
        return {label: allowed[key] for label, key in keys.items() if key in allowed}

    def _first(self, labels) -> str:
        file, row = next(
            (file, row) for file in self._files for row, label in enumerate(self._spelled[id(file)]) if label in labels
        )
        return f"{file.name}: the label of row {row} is {self._spelled[id(file)][row]!r}"

    def _check_not_hidden(self, part: list[FileRows]) -> None:
        keys = {self.key(label) for file in part for label in self._spelled[id(file)]}
        if len(keys) == 1 and keys <= HIDDEN and not keys <= self.classes.keys():
            raise InputError(
                f"{part[0].name}: every label is -1, as in a test split with hidden labels; name the split 'hidden'"
            )

    def _refuse(self, labels: set[str]) -> None:
        """Raise InputError for the first file that has one of these labels."""
        for file in self._files:
            spelled = self._spelled[id(file)]
            rows = [row for row, label in enumerate(spelled) if label in labels]
            if rows:
                first = spelled[rows[0]]
                listed = ", ".join(map(str, rows[:MOST_LISTED]))
                none = self.task.unlabelled is None and (not first or (self.task.classes and self.key(first) in HIDDEN))
                raise InputError(
                    f"{file.name}: row{'s' if len(rows) > 1 else ''} {listed}{and_more(rows)}: the label of row "
                    f"{rows[0]} is {repr(first) if first else 'missing'}; expected {self._allowed()}"
                    + ("; 'drop_unlabelled: true' leaves out rows without a label" if none else "")
                )

    def _allowed(self) -> str:
        if self.task.regression:
            return "a number"
        listed = f"{', '.join(self.task.classes[:MOST_LISTED])}{and_more(self.task.classes)}"
        return f"one of {listed}" if self.has_numbers else f"0 to {len(self.classes) - 1} or one of {listed}"


def label_key(label: str) -> Decimal | str:
    """Return what two spellings of one label share: 1, 1.0, 01 and 1e0 are a number; True and true a truth."""
    if NUMBER.fullmatch(label):
        with contextlib.suppress(InvalidOperation):  # an exponent of 20 digits
            return Decimal(label)
    return label.lower() if label.lower() in ("true", "false") else label
