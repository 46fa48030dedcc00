"""Every error that this suite raises, under one base.

RerankError
├── InvalidInputError (ValueError)        a query, passage or option that is not allowed
├── ModelError (RuntimeError)             the model could not be made ready
│   ├── ModelNotFoundError (FileNotFoundError)   no such folder, hub id or revision
│   ├── ModelAccessError (PermissionError)       private or gated: a token is needed
│   ├── HubUnreachableError (ConnectionError)    the hub failed or must not be contacted
│   ├── NotACrossEncoderError (ValueError)       a model, but without a ranking head
│   ├── LabelRequiredError (ValueError)          a head with several columns, none chosen
│   ├── UnsafeWeightsError (ValueError)          no safetensors weights
│   ├── BundleError (ValueError)                 a compiled bundle that does not fit its manifest
│   └── UnsupportedOptionError (ValueError)      the model cannot run with the chosen options
├── DatasetUnreachableError (ConnectionError)  a dataset to measure on could not be downloaded
├── MissingExtraError (ImportError)       an optional dependency is not installed, or broken
├── ScoringError (RuntimeError)           the model failed, or gave NaN or infinity
│   └── ServerError (ConnectionError)            a rerank server failed, refused, or gave no scores
├── QueueFullError (RuntimeError)         too many pairs already wait for the model
├── ScoringTimeoutError (TimeoutError)    not scored within the timeout
├── ScorerClosedError (RuntimeError)      used after close()
└── ForkedProcessError (RuntimeError)     a model loaded before a fork was used after it
"""

__all__ = [
    "BundleError",
    "DatasetUnreachableError",
    "ForkedProcessError",
    "HubUnreachableError",
    "InvalidInputError",
    "LabelRequiredError",
    "MissingExtraError",
    "ModelAccessError",
    "ModelError",
    "ModelNotFoundError",
    "NotACrossEncoderError",
    "QueueFullError",
    "RerankError",
    "ScorerClosedError",
    "ScoringError",
    "ScoringTimeoutError",
    "ServerError",
    "UnsafeWeightsError",
    "UnsupportedOptionError",
]


class RerankError(Exception):
    """The base of all errors of this suite; catch it to catch them all."""


class InvalidInputError(RerankError, ValueError):
    """A query, passage, number or option is not allowed; nothing was scored."""


class ModelError(RerankError, RuntimeError):
    """The model could not be made ready; catch this error around `warm_up()`."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """The folder, hub id or revision does not exist."""


class ModelAccessError(ModelError, PermissionError):
    """The hub refused access, because the model is private or gated and needs a token."""


class HubUnreachableError(ModelError, ConnectionError):
    """The hub failed or must not be contacted, so the model cannot be downloaded."""


class NotACrossEncoderError(ModelError, ValueError):
    """The model loads, but has no trained head that scores a pair of texts."""


class LabelRequiredError(ModelError, ValueError):
    """The head has several columns and the `label` option does not choose one of them."""


class UnsafeWeightsError(ModelError, ValueError):
    """The model has no safetensors weights; pickled weights can run code and are not loaded."""


class BundleError(ModelError, ValueError):
    """A compiled bundle is damaged, changed or of another version; compile it again."""


class UnsupportedOptionError(ModelError, ValueError):
    """This model cannot run with the chosen backend, precision, device or remote-code option."""


class DatasetUnreachableError(RerankError, ConnectionError):
    """A dataset to measure on is not on disk and could not be downloaded."""


class MissingExtraError(RerankError, ImportError):
    """An optional dependency is not installed, or cannot be imported here.

    The message has the pip command.
    """


class ScoringError(RerankError, RuntimeError):
    """The model failed or gave NaN or infinity, or a single pair did not fit into memory."""


class ServerError(ScoringError, ConnectionError):
    """The server of an `HttpScorer` cannot be reached, refused, or did not give the scores."""


class QueueFullError(RerankError, RuntimeError):
    """More pairs wait for the model than `max_queue_pairs` allows, or than its server takes."""


class ScoringTimeoutError(RerankError, TimeoutError):
    """The scores were not ready in time; pairs that were not yet in a batch are dropped."""


class ScorerClosedError(RerankError, RuntimeError):
    """The scorer was used after `close()`."""


class ForkedProcessError(RerankError, RuntimeError):
    """The model was loaded before the process forked; load it in the child instead."""
