"""The quick import of transformers."""

import json
import sys

from conftest import REPOSITORY, run

HEAVY = ["scipy", "sympy", "torch._dynamo", "torch._inductor", "torch.distributed.tensor", "torch.distributed.fsdp"]

# What a cell does, from its imports to a step, or the same model by a plain import; prints logits and heavy modules.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from contextlib import nullcontext
import torch
from finegrid.modeling.lean_transformers import lean
torch.manual_seed(0)
size = dict(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
with lean() if sys.argv[2] == "lean" else nullcontext():
    from transformers import AutoModelForSequenceClassification, BertConfig
    model = AutoModelForSequenceClassification.from_config(BertConfig(**size)).eval()
ids = torch.tensor([[1, 2, 3], [4, 5, 0]])
logits = model(input_ids=ids, attention_mask=(ids != 0).long()).logits
if sys.argv[2] == "lean":
    from finegrid.training.optimiser import AdamW
    optimiser = AdamW(list(model.parameters()), 0.0)
    logits.sum().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step(1e-3)
print(json.dumps([logits.tolist(), sorted(sys.modules)]))
if sys.argv[2] == "lean":  # what was hidden is found again
    from finegrid.training.fast import unpadded
    import scipy.optimize, transformers.masking_utils
    assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist() == [2, 2]
    with transformers.masking_utils.TransformGetItemToIndex():
        pass
    assert torch.distributed.is_available() and torch.compiler.disable.__module__ == "torch.compiler"
"""


def test_a_lean_import_gives_the_same_model_without_what_is_heavy_and_hides_nothing_afterwards():
    logits, modules = {}, {}
    for kind in ("lean", "plain"):
        done = run(sys.executable, "-c", PROGRAM, REPOSITORY / "scripts", kind, cwd=REPOSITORY)
        assert done.returncode == 0, done.stderr
        logits[kind], modules[kind] = json.loads(done.stdout)
    assert logits["lean"] == logits["plain"]
    assert not set(HEAVY) & set(modules["lean"])
    assert set(HEAVY) & set(modules["plain"])  # else there is nothing left to avoid
