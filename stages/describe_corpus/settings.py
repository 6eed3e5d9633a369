"""What describe_corpus sees of the configuration."""

from pipeline.section import Section


class DescribeCorpusSettings(Section):
    """Settings of describe_corpus."""

    language_name: str
    base_model_name: str
