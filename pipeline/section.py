"""The base class of every config section."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Part of the configuration: immutable, and an unknown key is an error.

    Fields have no defaults: a value stands in one place only, the YAML file of its group.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())
