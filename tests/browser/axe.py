"""What axe-core says of a page: https://github.com/dequelabs/axe-core, as its Python package brings it."""

from __future__ import annotations

from functools import cache
from importlib import resources

from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""Tags of the rules that are asked: WCAG 2.2 AA with all before it, and axe's own advice."""
ASK = """(tags) => axe.run(document, { runOnly: tags, resultTypes: ["violations"] }).then(
  ({ violations }) => violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.target.join(" ")} ${node.any.map((one) => one.message)}`)))"""


@cache
def _source() -> str:
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """Return a line for each element of a page that breaks a rule, the rule's name first."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_source())
    found: list[str] = page.evaluate(ASK, RULES)
    return found
