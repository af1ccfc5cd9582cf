"""The quick import of transformers still avoids something."""

import sys

from conftest import REPOSITORY, run

PROGRAM = "import sys; from transformers import BertForSequenceClassification; print(*sys.modules)"


def test_a_plain_import_brings_what_is_heavy():
    done = run(sys.executable, "-c", PROGRAM, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert {"scipy", "sympy", "torch._dynamo", "torch.distributed.tensor"} & set(done.stdout.split())
