"""What makes training quick, behind `enable`; the loop computes the same without it, see `training.plain`."""

from finegrid.training.fast.engine import enable as enable
from finegrid.training.fast.inference import predict as predict
from finegrid.training.fast.inference import prepare_for_device as prepare_for_device
