"""The tokenizer of a repository: texts become what transformers makes of them, alone, in pairs and in batches."""

import io
import json

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.numpy import load_file
from tiny_repository import make_base_model, tiny_repository, tiny_tokenizer, write
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finegrid.config.definition import Task
from finegrid.data.splits import Rows
from finegrid.data.tokenise import load_tokenizer, tokenise
from finegrid.data.tokens import Split
from finegrid.errors import InputError
from finegrid.modeling.classifier import build_classifier
from finegrid.training import fast

TEXTS = ["the film was good", "a bad Plot, was it?", "no", "the naïve ending of a long film without any plot to follow"]
ROBERTA = {"type_vocab_size": 1, "pad_token_id": 1}
BERT_TOKENIZER = {"tokenizer_class": "BertTokenizer"}


@pytest.fixture
def repository(tmp_path):
    return tiny_repository(tmp_path / "mirror")


def task_of(max_length: int = 32, pair: bool = False) -> Task:
    text = ["text", "other"] if pair else ["text"]
    return Task(
        name="mine",
        source="files",
        text=text,
        label="label",
        classes=["a", "b"],
        metrics=["accuracy"],
        max_length=max_length,
    )


def prepared(base_model, tmp_path, texts=TEXTS, pair: bool = False, max_length: int = 32, split: str = "train"):
    """Tokenise texts, or each with the next one as a pair, as prepare.py does; return what cells read."""
    columns = {"text": texts, "label": [0] * len(texts)} | ({"other": [*texts[1:], texts[0]]} if pair else {})
    task = task_of(max_length, pair)
    rows = Rows(Dataset.from_dict(columns), parts={split: len(texts)}, origin="here")
    path = tmp_path / f"{split}.safetensors"
    tokenise(load_tokenizer(base_model, task), rows, task, path)
    return path


def test_a_vocabulary_of_sentencepiece_is_read(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    repository, model = tiny_repository(tmp_path / "mirror", "deberta-v2"), io.BytesIO()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (repository / name).unlink()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 50),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
        **{"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3},
        **{"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"},
    )
    (repository / "spm.model").write_bytes(model.getvalue())
    assert_tokens(repository, tmp_path)


def assert_tokens(repository, tmp_path, pair: bool = False, max_length: int = 32):
    """Check that prepared texts are what the repository's tokenizer makes of them."""
    path = prepared(make_base_model(repository), tmp_path, pair=pair, max_length=max_length)
    split = load_file(path)
    expected = AutoTokenizer.from_pretrained(repository)(
        TEXTS, [*TEXTS[1:], TEXTS[0]] if pair else None, truncation=True, max_length=max_length
    )
    found = [part.tolist() for part in np.split(split["input_ids"], split["offsets"][1:-1])]
    assert found == expected["input_ids"]
    types = expected.get("token_type_ids", [[0] * len(ids) for ids in expected["input_ids"]])
    assert split["token_type_ids"].tolist() == [each for row in types for each in row]


SETTINGS = {
    "as they are": {},
    "cut on the left": {"truncation_side": "left"},
    "padded on the left": {"padding_side": "left"},
    "cased": {**BERT_TOKENIZER, "do_lower_case": False},
    "lower case": {**BERT_TOKENIZER, "do_lower_case": True},
    "accents kept": {**BERT_TOKENIZER, "strip_accents": False},
    "special tokens in texts are text": {"split_special_tokens": True},
    "types": {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]},
    "another name of the file": {"fast_tokenizer_files": ["tokenizer.4.0.0.json", "tokenizer.json"]},
    "code of its own": {"tokenizer_class": "MyTokenizer", "auto_map": {"AutoTokenizer": ["mine.MyTokenizer", None]}},
}


@pytest.mark.parametrize("pair", [False, True], ids=["texts", "pairs"])
@pytest.mark.parametrize("name", SETTINGS)
def test_prepared_texts_are_those_of_the_repository_s_tokenizer(tmp_path, name, pair):
    repository = tiny_repository(tmp_path / "mirror", settings=SETTINGS[name])
    (repository / "tokenizer.4.0.0.json").write_bytes((repository / "tokenizer.json").read_bytes())
    assert_tokens(repository, tmp_path, pair, max_length=12)


def test_truncation_and_padding_inside_tokenizer_json_do_not_hold_beside_the_task_s(repository, tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.enable_truncation(6, stride=2, direction="left")
    tokenizer.enable_padding(length=32, direction="left", pad_token="[PAD]")
    tokenizer.save(str(repository / "tokenizer.json"))
    assert_tokens(repository, tmp_path, max_length=12)


# Pairs


@pytest.mark.parametrize(
    ("kind", "settings", "changes"),
    [
        ("bert", BERT_TOKENIZER, {}),
        ("bert", {}, {}),  # a tokenizer that names no token types: transformers gives the model none
        ("electra", BERT_TOKENIZER, {}),
        ("distilbert", BERT_TOKENIZER, {}),
        ("gpt2", {}, {}),
        ("gpt2", {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}, {}),
        ("xlnet", {"padding_side": "left"}, {}),
        ("xlnet", {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}, {}),
        ("mobilebert", BERT_TOKENIZER, {}),
        ("modernbert", {}, {}),
    ],
)
def test_logits_of_pairs_in_a_batch_are_those_of_transformers(tmp_path, kind, settings, changes):
    repository = tiny_repository(tmp_path / "mirror", kind, settings, **changes)
    folder = make_base_model(repository)
    path = prepared(folder, tmp_path, pair=True)
    model, split = build_classifier(folder, 2, seed=0).eval(), as_split(path)
    expected = alone(repository, model)
    fast.prepare_for_device(model, "cpu")
    logits = fast.predict(model, split, "cpu", torch.float32)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-3 * expected.std(0).max())


def alone(repository, model) -> np.ndarray:
    """Return the logits of transformers for each pair alone, with the head of a cell's model."""
    own, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(repository),
        AutoTokenizer.from_pretrained(repository),
    )
    own.load_state_dict({**own.state_dict(), **model.state_dict()})
    logits = []
    for first, second in zip(TEXTS, [*TEXTS[1:], TEXTS[0]], strict=True):
        inputs = tokenizer([first], [second], truncation=True, max_length=32, return_tensors="pt")
        if own.config.model_type == "distilbert":  # takes no token types, though its tokenizer gives some
            inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            logits.append(own.eval()(**inputs).logits[0].numpy())
    return np.stack(logits)


def as_split(path):
    return Split(*(torch.from_numpy(load_file(path)[name]) for name in Split._fields))


def test_a_model_with_one_token_type_reads_pairs_with_that_type(tmp_path):
    """BERT's tokenizer under RoBERTa, as in KLUE: transformers fails for the type 1."""
    repository = tiny_repository(tmp_path / "mirror", "roberta", BERT_TOKENIZER, **ROBERTA)
    path = prepared(make_base_model(repository), tmp_path, pair=True)
    assert not load_file(path)["token_type_ids"].any()


def test_more_token_types_than_the_model_has_are_told(tmp_path):
    settings = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
    repository = tiny_repository(tmp_path / "mirror", settings=settings)
    content = json.loads((repository / "tokenizer.json").read_text())
    pair = content["post_processor"]["pair"]
    pair[-1]["SpecialToken"]["type_id"] = 2
    write(repository / "tokenizer.json", content)
    base_model = make_base_model(repository)
    prepared(base_model, tmp_path)
    with pytest.raises(InputError, match=r"gives tokens the type 2, but the model has types below 2 only"):
        prepared(base_model, tmp_path, pair=True)


# Texts


@pytest.mark.parametrize(("pair", "least"), [(False, 3), (True, 5)])
def test_special_tokens_leave_room_for_a_text(repository, tmp_path, pair, least):
    base_model = make_base_model(repository)
    prepared(base_model, tmp_path, pair=pair, max_length=least)
    with pytest.raises(InputError, match=rf"tasks\.mine\.max_length: {least - 1}, .* expected {least} or more"):
        load_tokenizer(base_model, task_of(least - 1, pair))


def test_a_text_without_tokens_is_told(tmp_path):
    repository = tiny_repository(tmp_path / "mirror", "gpt2")
    content = json.loads((repository / "tokenizer.json").read_text())
    write(repository / "tokenizer.json", {**content, "post_processor": None})
    base_model = make_base_model(repository)
    with pytest.raises(InputError, match=r"tasks\.mine: row 1 of test has no tokens"):
        prepared(base_model, tmp_path, ["the film", "", "good"], split="test")


def test_texts_of_which_the_vocabulary_knows_nothing_are_told(repository, tmp_path):
    base_model = make_base_model(repository)
    texts = ["映画 良", "悪 映画"]
    prepared(base_model, tmp_path, texts, split="test")
    with pytest.raises(InputError, match="knows no word of the training texts of task mine"):
        prepared(base_model, tmp_path, texts)
    prepared(base_model, tmp_path, [*texts, "good"])


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_base_model_whose_tokenizer_is_damaged_is_told(repository, name):
    base_model = make_base_model(repository)
    (base_model / name).write_text("{")
    with pytest.raises(InputError, match=rf"{name}: not "):
        load_tokenizer(base_model, task_of())
