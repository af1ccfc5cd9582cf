"""The last layer's attention, of which only the result for each text's first token is used, in float32.

So no token needs a key or a value. Let Wk x + bk be the key and Wv x + bv the value of a token x, q the query and p the
weights of a head. The scores are (Wk' q) x, as q bk is the same for all tokens of a text, and the result is
Wv (sum of p x) + bv (sum of p). That leaves products with x itself: for each text and head, not for each token.
"""

import torch

from finegrid.training.fast.bert.batch import Batch
from finegrid.training.fast.bert.layers import Draw, Heads, Linear, scaled


def attend(heads: Heads, linears: tuple[Linear, ...], states: torch.Tensor, batch: Batch, draw: Draw) -> tuple:
    """Attend from the first token of each text: from states [tokens, hidden size] to [texts, hidden size].

    `linears` are the query's, scaled for the scores, the key's and the value's.
    """
    of_query, of_key, of_value = linears
    texts, width = len(batch.starts), states.shape[1]
    first = states.index_select(0, batch.starts)
    query = torch.addmm(of_query.bias, first, of_query.weight.t()).mul_(of_query.scale)
    query = query.view(texts, heads.count, heads.size).transpose(0, 1)  # [heads, texts, head size]
    probe = torch.bmm(query, by_head(of_key.weight, heads))  # [heads, texts, hidden size]
    padded = states.index_select(0, batch.pad_texts).view(texts, -1, width)
    scores = torch.bmm(probe.transpose(0, 1), padded.mT)  # [texts, heads, longest]
    if batch.padding is not None:
        scores.masked_fill_(batch.padding, float("-inf"))
    weights = torch._softmax(scores, -1, False)
    of_dropout = scaled(draw(weights.shape))
    kept = weights if of_dropout is None else weights * of_dropout
    mixed = torch.bmm(kept, padded)  # [texts, heads, hidden size]
    total = kept.sum(-1, keepdim=True)
    context = torch.bmm(mixed.transpose(0, 1), by_head(of_value.weight, heads).mT).transpose(0, 1)
    context = torch.addcmul(context, total, of_value.bias.view(heads.count, heads.size)).reshape(texts, width)
    return context, (first, query, probe, padded, weights, of_dropout, kept, mixed, total)


def backward(heads: Heads, linears: tuple[Linear, ...], gradient: torch.Tensor, batch: Batch, saved: tuple) -> tuple:
    """Return the gradients of the states, but for those of the first tokens as queries, and of these."""
    of_query, of_key, of_value = linears
    first, query, probe, padded, weights, of_dropout, kept, mixed, total = saved
    texts, width = gradient.shape
    gradient = gradient.view(texts, heads.count, heads.size)
    by_heads = gradient.transpose(0, 1)  # [heads, texts, head size]
    of_mixed = torch.bmm(by_heads, by_head(of_value.weight, heads)).transpose(0, 1)  # [texts, heads, hidden size]
    of_total = (gradient * of_value.bias.view(heads.count, heads.size)).sum(-1, keepdim=True)
    of_kept = torch.bmm(of_mixed, padded.mT) + of_total
    if of_dropout is not None:
        of_kept *= of_dropout
    of_scores = torch._softmax_backward_data(of_kept, weights, -1, torch.float32)
    of_probe = torch.bmm(of_scores, padded).transpose(0, 1)  # [heads, texts, hidden size]
    query_gradient = torch.bmm(of_probe, by_head(of_key.weight, heads).mT).transpose(0, 1).reshape(texts, width)
    query_gradient *= of_query.scale
    if of_query.weight_gradient is not None:
        of_query.weight_gradient.addmm_(query_gradient.t(), first)
    if of_query.bias_gradient is not None:
        of_query.bias_gradient.add_(query_gradient.sum(0))
    if of_key.weight_gradient is not None:
        by_head(of_key.weight_gradient, heads).baddbmm_(query.mT, of_probe)
    if of_value.weight_gradient is not None:
        by_head(of_value.weight_gradient, heads).baddbmm_(by_heads.mT, mixed.transpose(0, 1))
    if of_value.bias_gradient is not None:
        of_value.bias_gradient.add_((gradient * total).sum(0).flatten())
    # Both ways in which the states are read: as keys by the probes, as values by the weights.
    of_padded = torch.bmm(
        torch.cat([of_scores, kept], 1).mT, torch.cat([probe.transpose(0, 1), of_mixed], 1)
    )  # [texts, longest, hidden size]
    of_states = of_padded.flatten(0, 1).index_select(0, batch.unpad_texts)
    of_states[batch.real :] = 0
    return of_states, query_gradient @ of_query.weight


def by_head(weight: torch.Tensor, heads: Heads) -> torch.Tensor:
    """View a weight [hidden size, hidden size] as [heads, head size, hidden size]."""
    return weight.view(heads.count, heads.size, -1)
