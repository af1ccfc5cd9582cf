"""A repository of every architecture that a base model may have, as base_model.py takes it."""

import pytest
import torch
from safetensors.torch import load_file
from tiny_repository import make_base_model, tiny_repository
from transformers import AutoModel

from finegrid.modeling.architectures import ACCEPTED
from finegrid.modeling.classifier import load_classifier

DRAWN = ("pooler.dense.bias", "pooler.dense.weight")  # of Nomic BERT and GTE, whose AutoModel has no pooler


@pytest.mark.parametrize("kind", ACCEPTED)
def test_an_encoder_arrives_as_transformers_loads_it(kind, tmp_path):
    repository = tiny_repository(tmp_path / "mirror", kind)
    folder = make_base_model(repository)
    found, expected = load_file(folder / "model.safetensors"), AutoModel.from_pretrained(repository).state_dict()
    assert found.keys() - set(DRAWN) == expected.keys() - set(DRAWN)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    load_classifier(folder, 2, seed=0)
