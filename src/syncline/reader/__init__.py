"""How a model gets its input: values of one release, from one moment of the store, with the age of each."""

from __future__ import annotations

from syncline.reader.feature_reader import FeatureReader
from syncline.reader.model_input import ModelInput
from syncline.reader.model_inputs import ModelInputs
from syncline.reader.source import Source
from syncline.reader.status import Status

__all__ = ["FeatureReader", "ModelInput", "ModelInputs", "Source", "Status"]
