"""The compiled elementwise parts compute what their twins in torch do."""

import numpy as np
import pytest
import torch
from tiny_models import tiny_model, tiny_split

from finegrid.training.fast.bert import compiled, twins
from finegrid.training.fast.bert.batch import Group
from finegrid.training.fast.bert.mask import draw_mask, numbers
from finegrid.training.fast.bert.norm import Norm
from finegrid.training.fast.bert.rows import LazyRows
from finegrid.training.fast.embedding import UsedRows
from finegrid.training.optimiser import AdamW
from finegrid.training.schedule import learning_rate_at

pytestmark = pytest.mark.skipif(not compiled.LIBRARY, reason="there was no compiler as finegrid was installed")
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
MASKED = pytest.mark.parametrize("masked", [True, False])
ROWS, WIDTH = 13, 24
TOLERANCE = {torch.float32: {"rtol": 1e-5, "atol": 1e-6}, torch.bfloat16: {"rtol": 0.01, "atol": 0.01}}


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng([seed, *shape]).normal(size=shape)).to(dtype)


def mask_of(*shape: int):
    return draw_mask(numbers(np.random.Generator(np.random.SFC64(1))), 0.3, shape)


def assert_same(ours, theirs, dtype: torch.dtype) -> None:
    torch.testing.assert_close(ours, theirs, **TOLERANCE[dtype])


@DTYPES
@MASKED
@pytest.mark.parametrize("extra", [True, False])
@pytest.mark.parametrize("trains", [True, False])
def test_adding_and_normalising(dtype, masked, extra, trains):
    results = {}
    for kernels in (compiled, twins):
        gradients = [torch.ones(WIDTH) if trains else None for _ in range(3)]
        norm = Norm(drawn(WIDTH, seed=1), drawn(WIDTH, seed=2), *gradients[:2], 1e-12)
        mask = mask_of(ROWS, WIDTH) if masked else None
        result, low, saved = kernels.add_and_norm(
            drawn(ROWS, WIDTH), drawn(ROWS, WIDTH, seed=3, dtype=dtype), norm, mask
        )
        more = drawn(ROWS, WIDTH, seed=5, dtype=dtype) if extra else None
        back = kernels.add_and_norm_backward(drawn(ROWS, WIDTH, seed=4), more, norm, saved, gradients[2])
        assert (low.dtype, back[1].dtype) == (dtype, dtype)
        results[kernels] = [result, low, *back, *filter(lambda each: each is not None, gradients)]
    for ours, theirs in zip(results[compiled], results[twins], strict=True):
        assert_same(ours, theirs, dtype)


@DTYPES
@pytest.mark.parametrize("trains", [True, False])
def test_gelu(dtype, trains):
    results = {}
    for kernels in (compiled, twins):
        of_bias = torch.ones(WIDTH) if trains else None
        result, saved = kernels.gelu(3 * drawn(ROWS, WIDTH, dtype=dtype))
        gradient = kernels.gelu_backward(drawn(ROWS, WIDTH, seed=1, dtype=dtype), saved, of_bias)
        results[kernels] = [result, gradient, *([of_bias] if trains else [])]
    for ours, theirs in zip(results[compiled], results[twins], strict=True):
        assert_same(ours, theirs, dtype)


@DTYPES
@MASKED
@pytest.mark.parametrize("lengths", [(8, 8), (8, 5)])
def test_softmax(dtype, masked, lengths):
    heads, longest, results = 3, 8, {}
    shape = len(lengths) * heads, longest, longest
    is_real = np.arange(longest) < np.array(lengths)[:, None]
    padding = None if is_real.all() else torch.from_numpy(~is_real)[:, None, None]
    group = Group(np.array(lengths), longest, slice(0, len(lengths) * heads * longest), padding)
    queries = torch.from_numpy(is_real).repeat_interleave(heads, 0)[:, :, None]
    for kernels in (compiled, twins):
        mask = mask_of(*shape) if masked else None
        kept, saved = kernels.softmax(2 * drawn(*shape, dtype=dtype), group, mask)
        kept = kept.clone()
        # The gradient of queries that are padding is 0, and what they attend to is never read.
        gradient = drawn(*shape, seed=1, dtype=dtype) * queries
        results[kernels] = kept * queries, kernels.softmax_backward(gradient, group, saved)
    for ours, theirs in zip(results[compiled], results[twins], strict=True):
        assert_same(ours, theirs, dtype)


@DTYPES
def test_what_is_not_a_number_stays_so(dtype):
    states = torch.full((ROWS, WIDTH), torch.nan)
    norm = Norm(torch.ones(WIDTH), torch.zeros(WIDTH), None, None, 1e-12)
    result, low, _ = compiled.add_and_norm(states, states.to(dtype), norm, None)
    activated, slopes = compiled.gelu(states.to(dtype))
    group = Group(np.array([8]), 8, slice(0, 8), None)
    kept, _ = compiled.softmax(torch.full((1, 8, 8), torch.nan, dtype=dtype), group, None)
    assert all(each.isnan().all() for each in (result, low, activated, slopes, kept))


def test_a_library_of_another_version_is_not_used(monkeypatch):
    monkeypatch.setattr(compiled, "VERSION", compiled.VERSION + 1)
    assert compiled.load() is None


def test_rows_that_do_their_steps_late_move_as_if_they_did_them_at_once():
    """Gaps of up to 250 steps, rows that are never read, a warm-up and a decay of the learning rate."""
    model, split = tiny_model(), tiny_split()
    rows, dense = LazyRows(model, split), UsedRows(model, split)
    optimiser = AdamW([dense.part], weight_decay=0)
    random, count = np.random.default_rng(0), len(dense.part)
    with rows:
        for step in range(300):
            some = torch.from_numpy(random.integers(2, min(count, 12) if step % 250 else count, size=9))
            torch.testing.assert_close(rows.lookup(some), dense.lookup(some).detach(), rtol=0, atol=3e-6)
            for each in (rows, dense):
                each.add_gradient(some, drawn(9, rows.gradient.shape[1], seed=step))
            torch.testing.assert_close(rows.norm(), dense.gradient.norm())
            rate = 0.01 * learning_rate_at(step, 300, 30)
            rows.step(rate, scale=1.0)
            optimiser.step(rate, max_grad_norm=1e9)
            optimiser.zero_grad()
    torch.testing.assert_close(rows.part, dense.part, rtol=0, atol=3e-6)
    for ours, theirs in ((rows.means, optimiser.means[0]), (rows.squares, optimiser.squares[0])):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-9)


def test_masks_are_those_of_the_twin():
    mask = mask_of(3, 5, 7)
    torch.testing.assert_close(compiled.scaled(mask), twins.scaled(mask), rtol=0, atol=0)
