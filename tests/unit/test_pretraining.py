"""The bundled model: what is checked in is what its recipe makes."""

import shutil

import numpy as np
import pytest
import recipe as pretraining
import torch
from conftest import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st
from model_card import model_card
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from finegrid.errors import InputError
from finegrid.files import read_yaml, sha256
from finegrid.modeling import bundled
from finegrid.sealed import read_record

RECIPE = pretraining.Recipe(**read_yaml(REPOSITORY / "scripts" / "pretraining" / "recipe.yaml"))
SMALL = RECIPE.model_copy(update={"tokens_per_batch": 1024})


def read_provenance() -> pretraining.Provenance:
    return read_record(pretraining.Provenance, bundled.FOLDER / "provenance.json")


@pytest.fixture(scope="module")
def package():
    return pretraining.load_package()


def test_the_checked_in_model_is_that_of_the_recipe():
    bundled.check_bundled_model()
    provenance = read_provenance()
    identity = pretraining.identify(RECIPE)
    assert {key: getattr(provenance, key) for key in pretraining.Identity.model_fields} == dict(identity), (
        "make pretrain, and check its result in"
    )
    assert provenance.loss.rows[-1][0] == RECIPE.steps


def test_the_checked_in_folder_is_whole_and_small():
    folder = bundled.FOLDER
    provenance = read_provenance()
    assert {path.name for path in folder.iterdir()} == {*provenance.files, "provenance.json"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12e6
    assert (folder / "README.md").read_text(encoding="utf-8") == model_card(provenance)


def test_the_checked_in_model_is_a_bert_tiny_for_transformers(package):
    folder = bundled.FOLDER
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float16}
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_386_178
    assert (model.config.hidden_dropout_prob, model.config.attention_probs_dropout_prob) == (0.1, 0.1)
    assert AutoTokenizer.from_pretrained(folder).get_vocab() == package[0].get_vocab()


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """A copy of the checked-in folder that is used in its place."""
    shutil.copytree(bundled.FOLDER, tmp_path / "model")
    monkeypatch.setattr(bundled, "FOLDER", tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "README.md"])
def test_an_altered_file_is_refused(own_folder, tmp_path, name):
    content = bytearray((own_folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (own_folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: sha256 is"):
        bundled.make_bundled_model(tmp_path / "base_model")


def test_cells_start_from_its_weights_in_float32(tmp_path):
    bundled.make_bundled_model(tmp_path)
    shipped, used = (load_file(folder / "model.safetensors") for folder in (bundled.FOLDER, tmp_path))
    assert shipped.keys() == used.keys()
    for name, tensor in used.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, shipped[name].float())


def test_the_random_model_is_untrained_and_always_the_same(tmp_path):
    for name in ("one", "two"):
        bundled.make_random_model(tmp_path / name)
    assert sha256(tmp_path / "one" / "model.safetensors") == sha256(tmp_path / "two" / "model.safetensors")
    words = AutoModel.from_pretrained(tmp_path / "one").embeddings.word_embeddings.weight
    assert words.std().item() == pytest.approx(0.02, rel=0.02)  # as BERT draws them
    assert words.dtype == torch.float32


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.integers(0, 5))
def test_an_epoch_reads_a_piece_of_every_text(lengths, epoch):
    batches = pretraining.epoch_batches(lengths, SMALL, epoch)
    crops = [crop for batch in batches for crop in batch]
    assert sorted(crop.text for crop in crops) == list(range(len(lengths)))
    for crop in crops:
        assert 1 <= crop.length <= 510
        assert 0 <= crop.start <= lengths[crop.text] - crop.length
    for batch in batches:
        assert len(batch) == 1 or sum(crop.length + 2 for crop in batch) <= SMALL.tokens_per_batch
        assert [crop.length for crop in batch] == sorted((crop.length for crop in batch), reverse=True)
    assert batches == pretraining.epoch_batches(lengths, SMALL, epoch)


def test_the_losses_are_those_of_transformers_on_padded_texts(package):
    """All tokens are predicted, the whole vocabulary at choice: the same, written out over a padded batch."""
    tokenizer, words = package
    random = np.random.default_rng(0)
    texts = [random.integers(1000, 30_000, length) for length in (40, 33, 7)]
    counts = torch.bincount(torch.from_numpy(np.concatenate(texts)), minlength=len(words))
    student = pretraining.Student(
        tokenizer, words, counts, SMALL.model_copy(update={"vocabulary": len(words), "masked_tokens": 1.0})
    )
    masked_loss, bag_loss = student.losses(texts, torch.Generator().manual_seed(5))

    inputs = torch.zeros(3, 42, dtype=torch.long)
    for row, text in zip(inputs, texts, strict=True):
        row[: len(text) + 2] = torch.tensor([student.cls, *text, student.sep])
    generator = torch.Generator().manual_seed(5)
    chance = torch.rand(80 + 6, generator=generator)
    flat = torch.cat([row[row != 0] for row in inputs])
    body = (flat != student.cls) & (flat != student.sep)
    hidden = flat.masked_fill(body & (chance < 0.8), tokenizer.mask_token_id)
    replaced = body & (chance >= 0.9)
    hidden[replaced] = torch.randint(len(words), (int(replaced.sum()),), generator=generator)
    seen = inputs.clone()
    seen[inputs != 0] = hidden
    plain = student.model
    plain.set_attn_implementation("eager")
    output = plain(input_ids=seen, attention_mask=(inputs != 0).long(), output_hidden_states=True)
    labels = inputs.masked_fill((inputs == student.cls) | (inputs == student.sep) | (inputs == 0), -100)
    expected = cross_entropy(output.prediction_logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(masked_loss, expected)

    pooled = plain.bert(input_ids=seen, attention_mask=(inputs != 0).long()).pooler_output
    table = plain.bert.embeddings.word_embeddings.weight
    scores = (student.bag(pooled) @ table.T + student.bag_bias).log_softmax(-1)
    weights = ((counts + 1) / (counts + 1).sum()).rsqrt()
    of_texts = [
        -(scores[row, text] * weights[text]).sum() / weights[text].sum()
        for row, text in enumerate(map(torch.from_numpy, texts))
    ]
    torch.testing.assert_close(bag_loss, torch.stack(of_texts).mean())
