"""Training resumes after any epoch, bit for bit as if it had never stopped."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import ENGINES, enable, load, mode_of, save_base_model, tiny_split

from finegrid.config.definition import Training
from finegrid.config.modes import EVERYTHING
from finegrid.records import EpochScore
from finegrid.training import resume
from finegrid.training.loop import train
from finegrid.training.progress import Found

SETTINGS = Training(epochs=4, warmup=0.1)
MODES = {
    **{name: mode_of(name) for name in ("full", "bitfit", "linear-probe")},
    "random": mode_of("random", train=EVERYTHING, random={"parameters": 300, "seed": 0}),
    "lora": mode_of("lora", peft={"peft_type": "LORA", "r": 2, "target_modules": ["query"]}),
    "adalora": mode_of("adalora", peft={"peft_type": "ADALORA", "init_r": 4, "target_r": 1, "tfinal": 3}),
}
FOUND = Found(
    history=(EpochScore(epoch=1, score=0.1 + 0.2, scores={"accuracy": 0.1 + 0.2}, loss=1 / 3),),
    curve=((1, 0.7), (2, None)),
    tokens=100,
    seconds=1.5,
)


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    return save_base_model(tmp_path_factory.mktemp("base_model"))


def start(base_model, mode: str, kind: str):
    """Return a new engine; the same each time."""
    return enable(kind, load(base_model, MODES[mode]), tiny_split(), seed=1, weight_decay=0)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("mode", MODES)
def test_training_resumes_bit_for_bit(base_model, mode, kind, tmp_path):
    engine, validation, whole = start(base_model, mode, kind), tiny_split(8), []
    for epoch in train(engine, SETTINGS, 5, 1e-2, seed=1):
        engine.predict(validation)  # as a cell does between its epochs
        whole.append(epoch.losses)
        resume.save(tmp_path / f"{len(whole)}", epoch.state, FOUND, "cell")
    assert len({tuple(losses) for losses in whole}) == 4
    for done in (1, 3):
        again = start(base_model, mode, kind)
        torch.rand(done)  # another process has drawn other numbers
        state, found = resume.load(tmp_path / f"{done}", "cell")
        assert found == FOUND
        epochs = list(train(again, SETTINGS, 5, 1e-2, seed=1, state=state))
        assert [epoch.number for epoch in epochs] == list(range(done + 1, 5))
        assert [epoch.losses for epoch in epochs] == whole[done:]
        for name, parameter in engine.model.state_dict().items():
            assert torch.equal(parameter, again.model.state_dict()[name]), name
        assert (engine.predict(validation) == again.predict(validation)).all()


@pytest.fixture
def kept(base_model, tmp_path):
    path = tmp_path / "resume.safetensors"
    epoch = next(train(start(base_model, "bitfit", "fast"), SETTINGS, 5, 1e-2, seed=1))
    resume.save(path, epoch.state, FOUND, "cell")
    return path


def test_the_file_of_another_cell_is_not_used(kept, capsys):
    assert resume.load(kept, "another cell") == (None, Found())
    assert f"{kept}: from other settings" in capsys.readouterr().out
    kept.unlink()
    assert resume.load(kept, "cell") == (None, Found())
    assert capsys.readouterr().out == ""


def test_a_damaged_file_is_named_and_not_used(kept, capsys):
    content = kept.read_bytes()

    @given(st.integers(0, len(content) * 8 - 1))
    def flipped(bit):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        kept.write_bytes(damaged)
        assert resume.load(kept, "cell") == (None, Found())
        assert capsys.readouterr().out.startswith(f"{kept}: ")

    @given(st.integers(0, len(content) - 1))
    def truncated(length):
        kept.write_bytes(content[:length])
        assert resume.load(kept, "cell") == (None, Found())
        assert f"{kept}: damaged" in capsys.readouterr().out

    flipped()
    truncated()
