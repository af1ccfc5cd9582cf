"""The quick import of transformers."""

import json
import sys

import torch
from conftest import REPOSITORY, run
from transformers import AutoModelForSequenceClassification, BertConfig

HEAVY = ["scipy", "sympy", "torch._dynamo", "torch._inductor", "torch.distributed.tensor", "torch.distributed.fsdp"]
SIZE = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXTS = [[1, 2, 3], [4, 5, 0]]

# What a cell does, from its imports to a step; prints logits and modules. Then what was hidden has to be found again.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
from finegrid.modeling.lean_transformers import lean
torch.manual_seed(0)
with lean():
    from transformers.models.auto import AutoConfig, AutoModelForSequenceClassification
    config = AutoConfig.for_model("bert", **json.loads(sys.argv[2]))
    model = AutoModelForSequenceClassification.from_config(config).eval()
assert type(sys.modules["transformers"]).__name__ == "Unopened"
ids = torch.tensor(json.loads(sys.argv[3]))
logits = model(input_ids=ids, attention_mask=(ids != 0).long()).logits
from finegrid.training.optimiser import AdamW
optimiser = AdamW(list(model.parameters()), 0.0)
logits.sum().backward()
optimiser.step(1e-3, 1.0)
print(json.dumps([logits.tolist(), sorted(sys.modules)]))

from finegrid.training.fast import unpadded
import scipy.optimize, transformers.masking_utils
assert transformers.BertModel is type(model.bert) and transformers.models.bert.BertModel is transformers.BertModel
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist() == [2, 2]
with transformers.masking_utils.TransformGetItemToIndex():
    pass
assert torch.distributed.is_available() and torch.compiler.disable.__module__ == "torch.compiler"
"""


def test_a_lean_import_gives_the_same_model_without_what_is_heavy_and_hides_nothing_afterwards():
    arguments = (REPOSITORY / "scripts", json.dumps(SIZE), json.dumps(TEXTS))
    done = run(sys.executable, "-c", PROGRAM, *arguments, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    logits, modules = json.loads(done.stdout)
    assert not set(HEAVY) & set(modules)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(BertConfig(**SIZE)).eval()
    ids = torch.tensor(TEXTS)
    assert logits == model(input_ids=ids, attention_mask=(ids != 0).long()).logits.tolist()


# A process that has asked a whole transformers what is installed, then loads a model: a test, or a user's own script.
AFTER_A_WHOLE_IMPORT = """
import sys
sys.path.insert(0, sys.argv[1])
from transformers import AutoConfig
from transformers.utils import is_accelerate_available
assert is_accelerate_available()
from finegrid.modeling.lean_transformers import lean
with lean():
    from transformers.models.bert.modeling_bert import BertModel
"""


def test_after_a_whole_import_it_can_be_used_too():
    done = run(sys.executable, "-c", AFTER_A_WHOLE_IMPORT, REPOSITORY / "scripts", cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
