"""The training step of BERT and its relatives by hand: forward and backward in few operations, without autograd.

`parts` says which models those are, `parameters` holds what trains in one vector, `rows` the word embeddings, `batch`
lays texts out, `layers` has the parts of an encoder, `adapted` those with adapters, `model` puts them together, and
`engine` trains and predicts. Tests hold it to the engine by autograd.
"""

from finegrid.training.fast.bert.engine import BertEngine as BertEngine
from finegrid.training.fast.bert.engine import predict as predict
from finegrid.training.fast.bert.parts import fits as fits
