"""The embedded model: what is checked in is what its recipe makes, and making it survives being killed."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from conftest import REPOSITORY, run
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from finegrid.modeling import bundled as embedded_model
from finegrid import pretraining
from finegrid.errors import InputError
from finegrid.files import sha256
from finegrid.model_card import model_card

RECIPE = yaml.safe_load((REPOSITORY / "config" / "pretraining.yaml").read_text(encoding="utf-8"))
SMALL = {**RECIPE, "texts": 60, "steps": 9, "tokens_per_batch": 1024, "report_steps": 1}


@pytest.fixture(scope="module")
def package():
    return pretraining.load_package()


def test_the_checked_in_model_is_that_of_the_recipe(package):
    provenance = embedded_model.check_embedded_model()
    made_of = pretraining.identify(RECIPE)
    assert {key: provenance[key] for key in made_of} == made_of, "make pretrain, and check its result in"
    texts = pretraining.read_texts(package[0], RECIPE["texts"])
    assert provenance["texts"] == {
        "rows": len(texts.tokens),
        "tokens": sum(map(len, texts.tokens)),
        "sha256": texts.sha256,
    }
    assert provenance["loss"]["rows"][-1][0] == RECIPE["steps"]


def test_the_checked_in_folder_is_whole_and_small():
    folder = embedded_model.FOLDER
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert {path.name for path in folder.iterdir()} == {*provenance["files"], "provenance.json"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12e6
    assert (folder / "README.md").read_text(encoding="utf-8") == model_card(provenance)


def test_the_checked_in_model_is_a_bert_tiny_for_transformers(package):
    folder = embedded_model.FOLDER
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float16}
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_386_178
    assert (model.config.hidden_dropout_prob, model.config.attention_probs_dropout_prob) == (0.1, 0.1)
    assert AutoTokenizer.from_pretrained(folder).get_vocab() == package[0].get_vocab()


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """A copy of the checked-in folder that is used in its place."""
    shutil.copytree(embedded_model.FOLDER, tmp_path / "model")
    monkeypatch.setattr(embedded_model, "FOLDER", tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "README.md"])
def test_an_altered_file_is_refused(own_folder, tmp_path, name):
    content = bytearray((own_folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (own_folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: sha256 is"):
        embedded_model.make_embedded_model(tmp_path / "backbone")


def test_cells_start_from_its_weights_in_float32(tmp_path):
    embedded_model.make_embedded_model(tmp_path)
    shipped, used = (load_file(folder / "model.safetensors") for folder in (embedded_model.FOLDER, tmp_path))
    assert shipped.keys() == used.keys()
    for name, tensor in used.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, shipped[name].float())


def test_the_random_model_is_untrained_and_always_the_same(tmp_path):
    for name in ("one", "two"):
        embedded_model.make_random_model(tmp_path / name)
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
        assert len(batch) == 1 or sum(crop.length + 2 for crop in batch) <= SMALL["tokens_per_batch"]
        assert [crop.length for crop in batch] == sorted((crop.length for crop in batch), reverse=True)
    assert batches == pretraining.epoch_batches(lengths, SMALL, epoch)


def test_the_losses_are_those_of_transformers_on_padded_texts(package):
    """All tokens are predicted, the whole vocabulary at choice: the same, written out over a padded batch."""
    tokenizer, words = package
    random = np.random.default_rng(0)
    texts = [random.integers(1000, 30_000, length) for length in (40, 33, 7)]
    counts = torch.bincount(torch.from_numpy(np.concatenate(texts)), minlength=len(words))
    student = pretraining.Student(tokenizer, words, counts, {**SMALL, "vocabulary": len(words), "masked_tokens": 1.0})
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


def pretrain(folder, recipe) -> list[str]:
    return [
        *(sys.executable, str(REPOSITORY / "scripts" / "pretrain.py"), str(recipe)),
        *("--checkpoint", str(folder / "checkpoint.pt"), "--output", str(folder / "model")),
    ]


def test_killed_pretraining_goes_on_to_the_same_model(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(SMALL))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = run(*pretrain(whole, recipe), cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    with subprocess.Popen(pretrain(killed, recipe), stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("step 3 of 9"):  # its checkpoint, or that of step 2, is there
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "model").exists()

    done = run(*pretrain(killed, recipe), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "going on after step" in done.stdout
    assert "step 1 of 9" not in done.stdout
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (killed / "model" / name).read_bytes() == (whole / "model" / name).read_bytes()
    losses = [json.loads((folder / "model" / "provenance.json").read_text())["loss"] for folder in (whole, killed)]
    assert losses[0] == losses[1]
