"""Word embeddings whose training costs what the texts use, not what the vocabulary holds.

Without weight decay, AdamW never changes a row that never had a gradient. So only the rows of tokens in the training
split are trained, and only the rows of a batch are written and cleared in the gradient. The numbers are those of
training all rows.
"""

import torch

from finegrid.data.tokens import Split
from finegrid.modeling.sparse_subset import entries_of


class Lookup(torch.autograd.Function):
    """Rows of word embeddings, [...] to [..., hidden size]; their gradient is added to the parameter's as it comes."""

    @staticmethod
    def forward(ctx, weight, ids, embedding):
        ctx.ids, ctx.embedding = ids.flatten(), embedding
        return weight.index_select(0, ctx.ids).unflatten(0, ids.shape)

    @staticmethod
    def backward(ctx, gradient):
        ctx.embedding.add_gradient(ctx.ids, gradient.flatten(0, -2))
        return None, None, None


def trains_whole(model: torch.nn.Module) -> bool:
    """Whether all rows of the word embeddings train, which UsedRows requires."""
    module = model.get_input_embeddings()
    # A module of another type, such as an adapter's, does more than look up.
    return type(module) is torch.nn.Embedding and module.weight.requires_grad and entries_of(module.weight) is None


class UsedRows:
    """Within `with used_rows:` the word embeddings of a model hold only the rows that `split` uses.

    `split`: the split with its tokens renumbered accordingly. `part`: the parameter [used rows, hidden size].
    """

    def __init__(self, model: torch.nn.Module, split: Split):
        self.module = model.get_input_embeddings()
        self.whole = self.module.weight
        # The padding token and those before it keep their numbers, as models look for it by its number.
        first = torch.arange((model.config.pad_token_id or 0) + 1, dtype=split.input_ids.dtype)
        used = torch.cat([first, split.input_ids]).unique()
        self.split = split._replace(input_ids=torch.searchsorted(used, split.input_ids, out_int32=True))
        self.rows = used.long().to(self.whole.device)
        self.part = torch.nn.Parameter(self.whole.detach()[self.rows])
        self.gradient = torch.zeros_like(self.part)  # reused, as allocating it takes longer than a small batch
        self.written = []  # int64 [tokens] each: the rows of `gradient` that may not be 0

    def __enter__(self):
        self.module.weight = self.part
        self.module.forward = lambda ids: Lookup.apply(self.part, ids, self)

    def __exit__(self, *_):
        del self.module.forward
        self.module.weight = self.whole
        self.whole.data[self.rows] = self.part.data

    def read(self) -> None:
        """Read the used rows from the whole embeddings."""
        self.part.data.copy_(self.whole.data[self.rows])

    def lookup(self, ids: torch.Tensor) -> torch.Tensor:
        """Return rows `ids` [tokens]: [tokens, hidden size]."""
        return self.part.index_select(0, ids)

    def add_gradient(self, ids: torch.Tensor, gradient: torch.Tensor) -> None:
        """Add the gradient [tokens, hidden size] of rows `ids` [tokens] to the parameter's, which may be None."""
        if self.part.grad is None:
            for rows in self.written:
                self.gradient.index_fill_(0, rows, 0)
            self.written.clear()
            self.part.grad = self.gradient
        add_rows(self.gradient, ids, gradient, self.module.padding_idx)
        self.written.append(ids)


def add_rows(whole: torch.Tensor, rows: torch.Tensor, gradient: torch.Tensor, padding: int | None) -> None:
    """Add the gradient [tokens, hidden size] of `rows` [tokens] to that of embeddings, whose `padding` row has none."""
    whole.index_add_(0, rows, gradient)
    if padding is not None:
        whole[padding] = 0
