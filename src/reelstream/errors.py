"""Every error that reelstream raises on purpose.

    ReelstreamError
    ├── InputError               what the caller gave is wrong
    │   ├── SettingError         a flag, a setting or a work folder that contradicts another
    │   ├── DatasetError         a folder or file of ratings or films that cannot be read
    │   ├── RatingError          one rating that breaks the contract
    │   ├── UnknownItemError     a film that neither the catalogue nor any rating names
    │   └── MissingExtraError    an optional dependency that is not installed
    ├── StorageError             a file or folder that cannot be written or read
    │   ├── AlreadyPublishedError  the name is taken: another writer was first
    │   ├── DamagedError         what lies on disk is not what was published
    │   └── LockedError          another process holds the lock
    ├── BrokerError              the log refused, or cannot be reached
    ├── NoModelSetError          nothing can be answered yet: no model set is in service
    │   └── MissingFamilyError   the set was made before there was the family that should answer
    ├── ApiError                 the REST API cannot be reached, or answered with a problem
    └── FitError                 an engine could not fit
        └── NothingToLearnError  there are no ratings yet that a model may learn from

A message says what was wrong, where, and what to do. Exit codes and HTTP statuses are decided at
the edges (`cli`, `api`).
"""


class ReelstreamError(Exception):
    """Root of the tree: whoever catches it has caught everything that reelstream raises on
    purpose.
    """


class InputError(ReelstreamError):
    """What the caller gave is wrong."""


class SettingError(InputError):
    """A flag, a setting or a work folder that contradicts another."""


class DatasetError(InputError):
    """A folder or file of ratings or films that cannot be read."""


class RatingError(InputError):
    """One rating that breaks the contract; the message is the reason kept beside the rejected
    bytes.
    """


class UnknownItemError(InputError):
    """A film that neither the catalogue nor any rating names."""

    def __init__(self, item_id: int | str) -> None:
        super().__init__(f"film {item_id} is neither in the catalogue nor rated")
        self.item_id = item_id


class MissingExtraError(InputError):
    """An optional dependency that is not installed; the message says how to install it."""


def how_to_install(extra: str) -> str:
    """What a person does about an extra of pyproject.toml that is missing, in the middle of a
    sentence.
    """
    return (
        f"install it with `make venv` in a checkout, or with `pip install 'reelstream[{extra}]'`"
        " beside an installed reelstream"
    )


class StorageError(ReelstreamError):
    """A file or folder that cannot be written or read."""


class AlreadyPublishedError(StorageError):
    """The name is taken: another writer published it first."""


class DamagedError(StorageError):
    """Layout on disk is not what was published."""


class LockedError(StorageError):
    """Another process holds the lock."""


class BrokerError(ReelstreamError):
    """The log refused, or cannot be reached."""


class NoModelSetError(ReelstreamError):
    """Nothing can be answered yet: no model set is in service."""


class MissingFamilyError(NoModelSetError):
    """The model set was made before there was the family that should answer."""


class ApiError(ReelstreamError):
    """The REST API cannot be reached, or answered with a problem."""

    def __init__(
        self, message: str, status: int | None = None, problem_type: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None when nothing answered."""
        self.problem_type = problem_type
        """Which problem it is: the `uri` of a `ProblemType`; None when what answered names none."""


class FitError(ReelstreamError):
    """An engine could not fit."""


class NothingToLearnError(FitError):
    """There are no ratings yet that a model may learn from."""

    def __init__(
        self,
        message: str = (
            "there is no rating to learn from outside the holdout: wait for more batches"
        ),
    ):
        super().__init__(message)
