"""Files of published scores: what they hold, and errors that name the file and the key."""

from pathlib import Path

import pytest
import yaml
from comparisons import task

from finegrid.errors import InputError
from finegrid.evaluation.published import read_published, rows_for

PUBLISHED = Path(__file__).parents[2] / "config" / "published.yaml"
SCORE = {"task": "imdb", "metric": "accuracy", "split": "test", "value": 0.5}
SOURCE = {"title": "mine", "read": "p. 1", "model": "m"}


def test_every_published_score_says_where_it_was_read():
    known = read_published([PUBLISHED])
    assert known
    assert all(score.read and score.title for score in known)
    assert {score.split for score in known} == {"validation", "test"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("sources: [", "not YAML"),
        ("{}", r"\(top level\): the key 'sources' is missing"),
        ("[]", r"\(top level\): \[\] is not allowed; expected a mapping"),
        ("sources: []", r"sources: \[\] is not allowed"),
        ("sources: [{title: a, read: b, model: c, scores: []}]", r"sources.0.scores: \[\] is not allowed"),
        ("sources: [{title: =1+1, read: b, model: c, scores: []}]", "sources.0.title: '=1\\+1' is not allowed"),
        ("sources: [{title: a, read: b, model: c, scores: [{task: imdb}]}]", "scores.0: the key 'metric' is missing"),
        ({"value": 88.8}, r"scores.0.value: 88.8 is not allowed; expected a score as a share, not in percent"),
        ({"split": "dev"}, "scores.0.split: 'dev' is not allowed; expected 'validation' or 'test'"),
        ({"metric": "bleu"}, "scores.0.metric: 'bleu' is none of accuracy, f1"),
        ({"learning_rate": "fast"}, "scores.0.learning_rate: learning rate 'fast' is not a positive number"),
        ({"seeds": 0}, "scores.0.seeds: 0 is not allowed"),
        ({"mood": "good"}, "scores.0: unknown key 'mood'; allowed: task, metric, split"),
    ],
)
def test_a_malformed_file_is_refused_in_one_line(content, problem, tmp_path):
    if isinstance(content, dict):
        content = yaml.safe_dump({"sources": [{**SOURCE, "scores": [SCORE | content]}]})
    (tmp_path / "own.yaml").write_text(content)
    with pytest.raises(InputError, match=problem) as raised:
        read_published([tmp_path / "own.yaml"])
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / "own.yaml"))


def test_a_file_of_one_s_own_joins(tmp_path):
    scores = [SCORE | {"learning_rate": 0.0003}, SCORE | {"metric": "accuracy (mismatched)"}, SCORE | {"task": "rte"}]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"sources": [{**SOURCE, "scores": scores}]}))
    [score] = rows_for(read_published([PUBLISHED, tmp_path / "own.yaml"])[-3:], task())
    assert (score.title, score.learning_rate, score.value) == ("mine", "3e-4", 0.5)
