"""The vocabulary of a repository: there, of the model, and of a kind that can be used."""

import pytest
from tiny_repository import (
    LETTERS,
    SPECIAL,
    VOCABULARY,
    change,
    make_base_model,
    tiny_repository,
    tiny_tokenizer,
    write,
)
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel

from finegrid.errors import InputError

NOTHING = "the repository has no vocabulary that fits the model"
ROBERTA = {"type_vocab_size": 1, "pad_token_id": 1}


@pytest.fixture
def repository(tmp_path):
    return tiny_repository(tmp_path / "mirror")


def assert_refused(repository, *parts: str):
    with pytest.raises(InputError) as refused:
        make_base_model(repository)
    message = str(refused.value)
    assert "\n" not in message
    assert all(part in message for part in parts), message


def without_tokenizer(repository, **files: str):
    """Replace the tokenizer's files."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (repository / name).unlink()
    for name, content in files.items():
        (repository / name.replace("_", ".", 1)).write_text(content)
    return repository


# The vocabulary


@pytest.mark.parametrize(
    ("kind", "changes", "needed"),
    [
        ("bert", {}, "BertTokenizer needs tokenizer.json, or vocab.txt"),
        ("electra", {}, "vocab.txt"),
        ("deberta-v2", {}, "DebertaV2Tokenizer needs tokenizer.json, or spm.model"),
        ("roberta", ROBERTA, "vocab.json and merges.txt"),
        ("albert", {}, "spiece.model"),
        ("xlm-roberta", ROBERTA, "sentencepiece.bpe.model"),
        ("gpt2", {}, "vocab.json and merges.txt"),
    ],
)
def test_a_repository_without_vocabulary_is_refused(tmp_path, kind, changes, needed):
    assert_refused(without_tokenizer(tiny_repository(tmp_path / "mirror", kind, **changes)), NOTHING, needed)


def test_half_of_a_vocabulary_is_refused(tmp_path):
    repository = without_tokenizer(tiny_repository(tmp_path / "mirror", "roberta", **ROBERTA))
    write(repository / "vocab.json", {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *LETTERS])})
    assert_refused(repository, "someone/tiny", "vocab.json")


@pytest.mark.parametrize("content", ["", "Entry not found", "\n".join(LETTERS), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"])
def test_a_file_that_holds_no_vocabulary_of_the_model_is_refused(repository, content):
    assert_refused(without_tokenizer(repository, vocab_txt=content), NOTHING)


def test_a_vocabulary_of_special_tokens_alone_is_refused(repository):
    tokenizer = Tokenizer(WordLevel({token: i for i, token in enumerate(SPECIAL)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(repository / "tokenizer.json"))
    assert_refused(repository, NOTHING, "turns every word into [UNK]")


def test_a_vocabulary_larger_than_the_embeddings_is_refused(repository):
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([f"<{number}>" for number in range(100 - len(VOCABULARY) + 1)])
    tokenizer.save(str(repository / "tokenizer.json"))
    assert_refused(
        repository, "the vocabulary is larger than the model's embeddings, which have 100 rows", "is number 100"
    )


def test_a_vocabulary_smaller_than_the_embeddings_is_one(tmp_path):
    make_base_model(tiny_repository(tmp_path / "mirror", vocab_size=128))


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_tokenizer_is_named(repository, name):
    (repository / name).write_text("{")
    assert_refused(repository, "its tokenizer (tokenizer.json) cannot be loaded")


def test_a_damaged_sentencepiece_file_is_named(tmp_path):
    repository = without_tokenizer(tiny_repository(tmp_path / "mirror", "deberta-v2"))
    (repository / "spm.model").write_bytes(b"no model")
    assert_refused(repository, "its tokenizer (spm.model) cannot be loaded")


@pytest.mark.parametrize("name", ["PhobertTokenizer", "BertweetTokenizer"])
def test_a_tokenizer_without_a_fast_version_is_refused_with_what_to_do(tmp_path, name):
    repository = without_tokenizer(tiny_repository(tmp_path / "mirror", "roberta", **ROBERTA))
    change(repository / "config.json", tokenizer_class=name)
    (repository / "vocab.txt").write_text("".join(f"{letter}@@ 1\n{letter} 1\n" for letter in LETTERS))
    (repository / "bpe.codes").write_text("t h 1\n")
    assert_refused(repository, f"{name} has no fast version", "tokenizer.json", "PreTrainedTokenizerFast")
    # What the message says works.
    tiny_tokenizer().save(str(repository / "tokenizer.json"))
    write(repository / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"})
    make_base_model(repository)


@pytest.mark.parametrize("name", ["BertJapaneseTokenizer", "XLMTokenizer"])
def test_a_tokenizer_that_may_need_a_package_is_refused_with_what_to_do(repository, name):
    without_tokenizer(repository, vocab_txt="\n".join(VOCABULARY), vocab_json="{}", merges_txt="#version: 0.2\n")
    write(repository / "tokenizer_config.json", {"tokenizer_class": name, "word_tokenizer_type": "mecab"})
    assert_refused(repository, '"tokenizer_class": "PreTrainedTokenizerFast"')
