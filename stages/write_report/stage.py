"""write_report: results.json for programs, report.html for people."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.stage import Execution, Metrics
from stages.shared.artifact import run_id, write_json
from stages.write_report.page import Report, render_page
from stages.write_report.results import build_results
from stages.write_report.settings import WriteReportSettings
from stages.write_report.systems import read_systems
from stages.write_report.tuning import tuning_figures


def write_report(settings: WriteReportSettings, inputs: Mapping[str, Path], out: Path, execution: Execution) -> Metrics:
    """Write results.json and report.html."""
    run = run_id(out)
    systems = read_systems(settings.systems, inputs)
    results = build_results(settings, systems, run)
    if tuned := tuning_figures(inputs):
        results["tuning"] = tuned
    write_json(out / "results.json", results)
    page = render_page(Report(settings, results, systems, inputs))
    (out / "report.html").write_text(page, encoding="utf-8")
    return {
        "summary": results["summary"],
        **{f"{s['name']}_bits_per_byte": s["bits_per_byte"] for s in results["systems"]},
    }
