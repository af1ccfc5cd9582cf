"""Unpadded batches against transformers' own BertForSequenceClassification on padded ones."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import split_of
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForSequenceClassification

from finegrid.data.tokens import collate
from finegrid.training.fast import unpadded
from finegrid.training.fast.dropout import Dropout, replace_dropout


def bert_tiny(dropout: float = 0.0) -> BertForSequenceClassification:
    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=512,
            initializer_range=0.2,  # attention that is far from even
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    )


def texts(lengths: list[int]):
    random = np.random.default_rng(0)
    split = split_of([random.integers(1000, 30_000, length).tolist() for length in lengths])
    kinds = np.concatenate([np.arange(length) > length / 2 for length in lengths])
    return split._replace(token_type_ids=torch.from_numpy(kinds.astype(np.uint8)), labels=split.labels % 2)


# Long and short, alike and not; single tokens; the longest there is.
LENGTHS = [[512, 37, 300, 300, 12, 511, 2], [8] * 20, [1, 1, 1], [60, 61, 62, 63, 64, 65, 20, 1], [512]]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_logits_and_gradients_are_those_of_padded_batches(lengths):
    split = texts(lengths)
    padded, model = bert_tiny(), bert_tiny()
    unpadded.use_unpadded(model)
    padded.train()
    model.train()
    rows, inputs = unpadded.concatenate(split, torch.arange(len(lengths)), heads=2)
    logits = model(**inputs).logits
    expected = padded(**collate(split, rows, "cpu")).logits
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)

    cross_entropy(logits, split.labels[rows]).backward()
    cross_entropy(expected, split.labels[rows]).backward()
    whole = math.sqrt(sum(parameter.grad.norm() ** 2 for parameter in padded.parameters()))
    for (name, parameter), other in zip(model.named_parameters(), padded.parameters(), strict=True):
        # Where the gradient is 0 (a key's bias moves all scores of a query alike) what is left is rounding.
        allowed = max(1e-4 * other.grad.norm().item(), 1e-6 * whole)
        assert (parameter.grad - other.grad).norm() <= allowed, name


@given(st.lists(st.integers(1, 600), min_size=1, max_size=40), st.integers(1, 12))
def test_a_layout_holds_every_text_and_little_padding(lengths, heads):
    lengths = sorted(lengths, reverse=True)
    layout = unpadded.lay_out(torch.tensor(lengths), heads)
    assert layout.starts.tolist() == [sum(lengths[:text]) for text in range(len(lengths))]
    assert [text for group in layout.groups for text in range(group.texts.start, group.texts.stop)] == list(
        range(len(lengths))
    )
    for group in layout.groups:
        mine = lengths[group.texts]
        start, stop = sum(lengths[: group.texts.start]), sum(lengths[: group.texts.stop])
        assert group.rows == slice(start * heads, stop * heads)
        assert len(set(group.place.tolist())) == (stop - start) * heads
        texts, longest = group.size
        assert texts == len(mine)
        assert max(mine) <= longest < max(mine) * (1 + unpadded.LONGEST_ROUNDING) + 8
        area = len(mine) * heads * longest**2
        assert len(mine) == 1 or area <= unpadded.GROUP_SCORES
        # Each of the doublings that made it added at most so much padding.
        assert area <= sum(unpadded.scores([length], heads) for length in mine) + len(mine) * unpadded.GROUP_COST


def test_attention_dropout_is_that_of_a_plain_attention():
    """The same masks through attention that is written out plainly: the same values and gradients."""
    random = np.random.default_rng(0)
    lengths = torch.tensor([9, 8, 4])
    layout = unpadded.lay_out(lengths, heads=2)
    query, key, value = (torch.from_numpy(random.normal(size=(21, 2, 4))).float().requires_grad_() for _ in range(3))
    dropout, same = (Dropout(0.3, np.random.Generator(np.random.SFC64(1))) for _ in range(2))
    result = unpadded.Attention.apply(query, key, value, layout, False, 0.5, dropout)

    parts = []
    for group in layout.groups:
        texts, longest = group.size
        mask = same.draw((texts, 2, longest, longest)).ones(torch.float32)
        for text, start in enumerate(layout.starts[group.texts].tolist()):
            length = int(lengths[group.texts][text])
            q, k, v = (tensor[start : start + length].transpose(0, 1) for tensor in (query, key, value))
            weights = (q @ k.mT * 0.5).softmax(-1) * mask[text, :, :length, :length] / 0.7
            parts.append((weights @ v).transpose(0, 1))
    expected = torch.cat(parts)
    torch.testing.assert_close(result, expected)
    weight = torch.from_numpy(random.normal(size=result.shape)).float()
    gradients = torch.autograd.grad((result * weight).sum(), (query, key, value))
    torch.testing.assert_close(gradients, torch.autograd.grad((expected * weight).sum(), (query, key, value)))


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_masks_have_the_rate_and_no_memory(p, dtype):
    dropout = Dropout(p, np.random.Generator(np.random.SFC64(3)))
    first, second = (dropout.draw((1000, 999)).ones(dtype).double() for _ in range(2))
    assert set(first.unique().tolist()) == {0.0, 1.0}
    drawn = first.numel()
    deviation = math.sqrt(p * (1 - p) / drawn)
    for mask in (first, second):
        assert abs((1 - mask).mean().item() - p) < 5 * deviation
    # Independent: of its neighbour in the row, of the element below, of the next mask.
    centred, other = first - first.mean(), second - second.mean()
    for a, b in ((centred[:, 1:], centred[:, :-1]), (centred[1:], centred[:-1]), (centred, other)):
        assert abs((a * b).mean().item()) < 5 * p * (1 - p) / math.sqrt(a.numel())


def test_dropout_keeps_the_mean_and_only_in_training():
    dropout = Dropout(0.1, np.random.Generator(np.random.SFC64(3)))
    ones = torch.ones(400, 500)
    assert dropout(ones).mean().item() == pytest.approx(1, abs=5e-3)
    assert set(dropout(ones).unique().tolist()) == {0.0, (torch.tensor(1.0) / torch.tensor(0.9)).item()}
    assert dropout.eval()(ones) is ones


def test_every_dropout_of_the_model_is_replaced():
    model = bert_tiny(0.1)
    replace_dropout(model, seed=0)
    assert not [module for module in model.modules() if type(module) is torch.nn.Dropout]
    assert sum(type(module) is Dropout for module in model.modules()) == 8
