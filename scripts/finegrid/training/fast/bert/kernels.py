"""The elementwise parts of BERT's step: compiled ones where there are any, otherwise their twins in torch."""

from finegrid.training.fast.bert import compiled, twins

chosen = compiled if compiled.LIBRARY else twins
NAME = "C" if compiled.LIBRARY else "torch"
