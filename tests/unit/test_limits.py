"""The memory and time that a cell asks for."""

import pytest
from every_architecture import tiny_config

from finegrid.config import limits
from finegrid.config.limits import Size, Work, layers_and_width, memory_mb, minutes, seconds, size_of
from finegrid.modeling.architectures import ACCEPTED
from finegrid.training.fast import micro_batches

TINY, MINILM = Size(4_386_178, 2, 128, 2), Size(22_713_602, 6, 384, 12)
LONG = Work(train_tokens=20_000 * 300, train_rows=20_000, validation_tokens=5_000 * 300, longest=512)


@pytest.mark.parametrize("kind", ACCEPTED)
def test_the_size_of_every_architecture_is_known(kind):
    config = tiny_config(kind).to_dict()
    assert layers_and_width(config) == (2, 16)
    assert size_of(config, 1000) == Size(1000, 2, 16, size_of(config, 0).heads)
    assert 1 <= size_of(config, 0).heads <= 2


def test_what_is_not_known_is_taken_for_bert_base():
    assert layers_and_width({"num_hidden_layers": "two"}) == (None, None)
    assert size_of({}, 5) == Size(5, 12, 768, 12)


@pytest.mark.parametrize(
    ("size", "batch_size", "longest", "measured"), [(TINY, 64, 128, 500), (TINY, 16, 512, 600), (MINILM, 16, 512, 4200)]
)
def test_more_memory_is_asked_for_than_was_measured_but_not_far_more(size, batch_size, longest, measured):
    assert measured < memory_mb(size, batch_size, longest) < 2 * measured


@pytest.mark.parametrize("change", [{"parameters": 10**9}, {"layers": 12}, {"width": 768}, {"heads": 12}])
def test_larger_models_ask_for_more(change):
    larger = TINY._replace(**change)
    assert memory_mb(larger, 16, 512) > memory_mb(TINY, 16, 512)
    if not {"parameters", "heads"} & change.keys():  # most parameters are embeddings, which take no time
        assert minutes(larger, LONG, 4, 16) > minutes(TINY, LONG, 4, 16)


def test_a_batch_of_micro_batches_takes_no_more_memory():
    assert micro_batches.TOKENS_AT_ONCE["cpu"] == limits.TOKENS_AT_ONCE
    assert memory_mb(TINY, 64, 128) == memory_mb(TINY, 1024, 128) > memory_mb(TINY, 16, 128)


def test_time_is_in_whole_hours():
    assert minutes(TINY, Work(0, 0, 0, 8), 4, 16) == 60
    assert minutes(MINILM, LONG, 4, 16) % 60 == 0


@pytest.mark.parametrize(
    ("size", "work", "epochs", "batch_size", "measured"),
    [
        (TINY, Work(5_512_001, 20_000, 682_865, 512), 4, 8, 225),
        (TINY, Work(5_512_001, 20_000, 682_865, 512), 4, 64, 210),
        (MINILM, Work(123_863, 1000, 61_872, 128), 2, 16, 53),
    ],
)
def test_a_cell_is_told_to_take_what_was_measured_or_a_little_more(size, work, epochs, batch_size, measured):
    assert measured < seconds(size, work, epochs, batch_size, 1.5e12) < 1.4 * measured


def test_small_batches_take_longer_and_a_quick_core_less():
    assert seconds(TINY, LONG, 4, 8, 100e9) > seconds(TINY, LONG, 4, 64, 100e9)
    assert seconds(MINILM, LONG, 4, 16, 200e9) < 0.7 * seconds(MINILM, LONG, 4, 16, 100e9)
    assert seconds(TINY, LONG, 8, 16, 100e9) == pytest.approx(2 * seconds(TINY, LONG, 4, 16, 100e9), rel=0.01)
