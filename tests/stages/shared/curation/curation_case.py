"""What the tests of the rules share: real documents, languages, and rules as the presets have them."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import TypeAdapter

from stages.shared.curation.batch import Batch
from stages.shared.curation.curate import Curated, curate
from stages.shared.curation.settings import SETTINGS, Rules
from stages.shared.text_settings import LanguageSettings

ROOT = Path(__file__).resolve().parents[4]
DATA = ROOT / "tests" / "data"
DUTCH = LanguageSettings(name="dutch", english_name="Dutch", code="nl", script="Latn", source_code="en")
TATAR = LanguageSettings(name="tatar", english_name="Tatar", code="tt", script="Cyrl", source_code="en")
KLINGON = LanguageSettings(name="klingon", english_name="Klingon", code="tlh", script="Latn", source_code="en")


@cache
def language(code) -> LanguageSettings:
    """Return the facts of the language with a code, as its file has them."""
    for path in sorted((ROOT / "conf" / "language").glob("*.yaml")):
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))["language"]
        if facts["code"] == code:
            return LanguageSettings.model_validate(facts)
    raise LookupError(f"no file of conf/language has the code {code}")


@cache
def pages(name):
    return (DATA / f"{name}.txt").read_text(encoding="utf-8").strip().split("\n\n")


@cache
def web():
    return yaml.safe_load((ROOT / "conf" / "curation" / "web.yaml").read_text(encoding="utf-8"))


def rules(**chosen):
    return TypeAdapter(Rules).validate_python(chosen)


def settings(name, **changed):
    return SETTINGS[name].model_validate(web()[name] | changed)


def one(name, texts, language=DUTCH, **changed) -> Curated:
    """Apply one rule of the web preset, changed."""
    return curate(texts, rules(**{name: web()[name] | changed}), language)


def batch(*texts) -> Batch:
    return Batch(texts)
