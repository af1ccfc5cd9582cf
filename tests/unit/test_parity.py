"""A cell against transformers' Trainer, on real reviews and the bundled model."""

import pytest
import torch
from torch.utils.data import SequentialSampler
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

from finegrid.config.definition import Draw, Training
from finegrid.config.modes import MODES
from finegrid.config.tasks import TASKS
from finegrid.data import reviews
from finegrid.data.tokens import Split
from finegrid.modeling.bundled import FOLDER
from finegrid.modeling.trainable import set_trainable
from finegrid.training import fast
from finegrid.training.loop import train

BATCH_SIZE, ROWS, EPOCHS = 8, 200, 2


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    split = reviews.load_reviews(Draw.model_validate(TASKS["imdb"]["validation_from_train"]))["train"]
    split = split.select(range(ROWS))
    encoded = AutoTokenizer.from_pretrained(FOLDER)(list(split["text"]), truncation=True, max_length=64)
    return [
        {"input_ids": ids, "labels": label} for ids, label in zip(encoded["input_ids"], split["label"], strict=True)
    ]


def classifier(mode: str):
    set_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        FOLDER, num_labels=2, dtype="float32", hidden_dropout_prob=0, attention_probs_dropout_prob=0
    )
    set_trainable(model, MODES[mode]["train"])
    return model


class RecordingTrainer(Trainer):
    """Keeps the loss of each step, and the order of the rows."""

    def _get_train_sampler(self, train_dataset=None):
        return SequentialSampler(self.train_dataset)

    def compute_loss(self, *args, **kwargs):
        result = super().compute_loss(*args, **kwargs)
        self.losses.append((result[0] if isinstance(result, tuple) else result).item())
        return result


def losses_of_trainer(model, rows: list[dict], learning_rate: float, folder) -> list[float]:
    order = torch.Generator().manual_seed(7)
    read = [row for _ in range(EPOCHS) for row in torch.randperm(len(rows), generator=order).tolist()]
    arguments = TrainingArguments(
        folder,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=learning_rate,
        num_train_epochs=1,
        lr_scheduler_type="linear",
        weight_decay=0,
        max_grad_norm=1.0,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    collator = DataCollatorWithPadding(AutoTokenizer.from_pretrained(FOLDER))
    trainer = RecordingTrainer(model, arguments, collator, [rows[row] for row in read])
    trainer.losses = []
    trainer.train()
    return trainer.losses


def losses_of_finegrid(model, rows: list[dict], learning_rate: float) -> list[float]:
    tokens = [torch.tensor(row["input_ids"], dtype=torch.int32) for row in rows]
    ids, lengths = torch.cat(tokens), torch.tensor([0, *map(len, tokens)])
    labels = torch.tensor([row["labels"] for row in rows])
    split = Split(ids, torch.zeros(len(ids), dtype=torch.uint8), lengths.cumsum(0), labels)
    engine = fast.enable(model, split, "cpu", torch.float32, seed=7, weight_decay=0)
    assert engine.batches == "unpadded"
    epochs = train(engine, Training(epochs=EPOCHS), BATCH_SIZE, learning_rate, seed=7)
    return [loss for epoch in epochs for loss in epoch.losses]


@pytest.mark.parametrize(("mode", "learning_rate"), [("full", 3e-4), ("bitfit-head", 3e-3)])
def test_fifty_steps_follow_the_trainer(mode, learning_rate, rows, tmp_path):
    losses = losses_of_finegrid(classifier(mode), rows, learning_rate)
    expected = losses_of_trainer(classifier(mode), rows, learning_rate, tmp_path)
    assert len(losses) == len(expected) == 50
    assert losses == pytest.approx(expected, abs=1e-3)
    assert sum(expected[:20]) - sum(expected[-20:]) > 1  # it learns, so more than the start is compared
