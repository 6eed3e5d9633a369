"""The rules that users choose by name; their settings are in `settings.SETTINGS` under the same names."""

from pipeline.registry import Registry
from stages.shared.curation.blocklist import blocklist
from stages.shared.curation.c4 import c4
from stages.shared.curation.gopher_quality import gopher_quality
from stages.shared.curation.gopher_repetition import gopher_repetition
from stages.shared.curation.language import language
from stages.shared.curation.mojibake import mojibake
from stages.shared.curation.personal_data import personal_data
from stages.shared.curation.script import script
from stages.shared.curation.verdict import Rule

RULES: Registry[Rule] = Registry(
    "curation rule",
    {
        "mojibake": mojibake,
        "script": script,
        "language": language,
        "c4": c4,
        "gopher_quality": gopher_quality,
        "gopher_repetition": gopher_repetition,
        "personal_data": personal_data,
        "blocklist": blocklist,
    },
)
