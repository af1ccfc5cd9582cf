"""Texts without padding: the texts of a batch lie end to end, as one row of tokens through the model's own layers.

transformers passes extra keyword arguments of a model's call down to its attention function. So the layers see one
row [1, tokens, hidden size], and `attend`, registered as an attention function, keeps the texts apart. Behind the last
layer the row becomes what the classifier reads of each text, [texts, 1, hidden size]. The logits are those of a padded
batch. `layout` says where texts lie, `attention` computes within them, `architectures` has what differs between models.
"""

from finegrid.training.fast.unpadded.architectures import PARTS as PARTS
from finegrid.training.fast.unpadded.architectures import fits as fits
from finegrid.training.fast.unpadded.architectures import in_use as in_use
from finegrid.training.fast.unpadded.architectures import inputs_of as inputs_of
from finegrid.training.fast.unpadded.architectures import use_unpadded as use_unpadded
from finegrid.training.fast.unpadded.attention import Attention as Attention
from finegrid.training.fast.unpadded.attention import use_unpadded_attention as use_unpadded_attention
from finegrid.training.fast.unpadded.layout import GROUP_COST as GROUP_COST
from finegrid.training.fast.unpadded.layout import GROUP_SCORES as GROUP_SCORES
from finegrid.training.fast.unpadded.layout import LONGEST_ROUNDING as LONGEST_ROUNDING
from finegrid.training.fast.unpadded.layout import TOKENS_ROUNDING as TOKENS_ROUNDING
from finegrid.training.fast.unpadded.layout import concatenate as concatenate
from finegrid.training.fast.unpadded.layout import group_texts as group_texts
from finegrid.training.fast.unpadded.layout import lay_out as lay_out
from finegrid.training.fast.unpadded.layout import positions_after as positions_after
from finegrid.training.fast.unpadded.layout import rounded as rounded
from finegrid.training.fast.unpadded.layout import scores as scores
