"""How many floating-point operations a grid needs, of whoever trains it."""

from pathlib import Path
from typing import NamedTuple

import torch
from measurements import Work
from transformers import AutoConfig, PretrainedConfig

from finegrid.config.cell import plans
from finegrid.config.definition import Config
from finegrid.config.modes import EVERYTHING
from finegrid.data.tokens import load_split


class Encoder(NamedTuple):
    """The sizes of an encoder like BERT's."""

    layers: int
    hidden: int
    intermediate: int

    @classmethod
    def of(cls, config: PretrainedConfig) -> "Encoder":
        """Read the sizes from a model's configuration, in which DistilBERT has a name of its own for the last."""
        intermediate = getattr(config, "intermediate_size", None) or config.hidden_dim
        return cls(config.num_hidden_layers, config.hidden_size, intermediate)

    def weight_flops(self, lengths: torch.Tensor) -> int:
        """Count the operations of products with weights, forward, for texts of these lengths, int64 [texts]."""
        weights = self.layers * (4 * self.hidden**2 + 2 * self.hidden * self.intermediate)
        return 2 * weights * int(lengths.sum())

    def attention_flops(self, lengths: torch.Tensor) -> int:
        """Count the operations of attention, forward, for texts of these lengths, int64 [texts]."""
        return 4 * self.layers * self.hidden * int((lengths**2).sum())


def count_work(config: Config, run_folder: Path) -> Work:
    """Count what a grid needs: tokens, and multiplications and additions of its products.

    Forward, a text of t tokens takes 2 t W + 4 t^2 L h: W = L (4 h^2 + 2 h i) are the weights of L layers, h wide and
    i in between; attention multiplies each pair of tokens twice. Backward takes twice as much, for the gradients of
    both factors; a product with frozen weights once. A mode is either of everything, or of biases from the first layer
    up, which need the gradient of every layer.

    All tokens count in all layers, though the last could do with the first of each text. Nothing is counted for
    padding, embeddings, the classifier, or what a step does besides products. `run_folder` is results/<run>, after the
    grid ran.
    """
    tokens = training = validation = cells = 0
    for plan in plans(config):
        encoder = Encoder.of(AutoConfig.from_pretrained(run_folder / "base_model" / plan.model.name))
        data = run_folder / "data" / config.tokenizer_of(plan.model.name) / plan.task.name
        lengths, held_out = (load_split(data, name)[0].lengths for name in ("train", "validation"))
        passes = len(plan.cells()) * config.training.epochs
        of_weights = 3 if plan.mode.train == tuple(EVERYTHING) else 2
        cells += len(plan.cells())
        tokens += passes * int(lengths.sum())
        training += passes * (of_weights * encoder.weight_flops(lengths) + 3 * encoder.attention_flops(lengths))
        validation += passes * (encoder.weight_flops(held_out) + encoder.attention_flops(held_out))
    return Work(cells=cells, tokens=tokens, training_flops=training, validation_flops=validation)
