"""Data Docs: one validation as a page of HTML, laid out by Great Expectations' own renderer.

Great Expectations escapes only some of what it prints. So in everything that comes from data or declarations, the
special characters of HTML are replaced by stand-ins before it renders, and become HTML entities afterwards.

A page is one file that loads nothing from elsewhere and runs no script: its style is inside it, sections fold without a
script, and what Great Expectations draws with Vega is a table. Great Expectations is imported when the first page is
made, not when this module is imported.
"""

import html
import os
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from feature_platform.ground.errors import InvalidDeclaration
from feature_platform.ground.shortening import shorten
from feature_platform.quality.data_docs_templates import TEMPLATES
from feature_platform.quality.validation import Validation

LONGEST = 500
_NAME = re.compile(r"[\w.=-]+(?:/[\w.=-]+)*")


def data_docs_page(validation: Validation, folder: Path, *, run: str, at: datetime) -> Path:
    """Write the page of a validation to `folder/<asset>/<run>.html`, where `<asset>` is the validation's name.

    An existing page is replaced as a whole: a reader sees the old one or the new one.

    Args:
        validation: what was found; one that expected nothing gives a page that says so.
        folder: where pages are stored, for instance `<root>/data_docs`; made if it is missing.
        run: distinguishes the pages of one asset, for instance the run's id; a partition may be part of it.
        at: when the data was judged.

    Raises:
        InvalidDeclaration: the name of the asset or of the run cannot be a file name.

    Example:
        >>> import tempfile, datetime, polars as pl
        >>> from feature_platform.declarations.expectation import Expect
        >>> from feature_platform.quality.validation import validate
        >>> rule = Expect("expect_column_values_to_not_be_null", column="fare")
        >>> validation = validate(pl.LazyFrame({"fare": [1, None]}), [rule], name="views/rides")
        >>> now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        >>> folder = Path(tempfile.mkdtemp())
        >>> data_docs_page(validation, folder, run="run-1", at=now).relative_to(folder).as_posix()
        'views/rides/run-1.html'
    """
    page = folder / f"{_file_name(validation.name)}/{_file_name(run)}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    aside = page.with_name(f".{page.name}.{os.getpid()}")
    aside.write_text(render_page(validation, run=run, at=at), encoding="utf-8")
    aside.replace(page)
    return page


def render_page(validation: Validation, *, run: str, at: datetime) -> str:
    """Return the page of a validation as HTML."""
    from feature_platform.quality import session  # Great Expectations, quietly

    result = session.suite_result(_hide_markup(_with_run(validation, run, at)))
    renderer, view = _renderer(), _view()
    document = renderer.render(result)
    header = document.sections[0].content_blocks[0].subheader.string_template
    header["styling"]["params"].pop("expectation_suite_name", None)  # a link to a page that is not there
    page: str = view.render(document, show_how_to_buttons=False)
    return _restore_markup(page)


_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#39;", "`": "&#96;", "$": "&#36;"}
_ASIDE = {sign: chr(0xE000 + position) for position, sign in enumerate(_ENTITIES)}  # characters for private use
_PUT_ASIDE = str.maketrans(dict.fromkeys(_ASIDE.values(), "�") | _ASIDE)
_OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "IN", "NOT_IN")


def _hide_markup(value: Any) -> Any:
    """Replace the special characters of HTML by stand-ins in every text, names of keys included.

    The operator of a row condition stays as it is: Great Expectations has to recognize it.
    """
    if isinstance(value, str):
        return shorten(value, LONGEST).translate(_PUT_ASIDE)
    if isinstance(value, dict):
        return {
            _hide_markup(key): inner if key == "operator" and inner in _OPERATORS else _hide_markup(inner)
            for key, inner in value.items()
        }
    return [_hide_markup(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _restore_markup(page: str) -> str:
    """Replace the stand-ins by HTML entities, also those that Python or JSON wrote as escapes."""
    for sign, character in _ASIDE.items():
        escape = f"\\u{ord(character):04x}"
        page = page.replace(character, _ENTITIES[sign]).replace(escape, _ENTITIES[sign])
    return page


def _with_run(validation: Validation, run: str, at: datetime) -> dict[str, Any]:
    """Return the suite result with its run and asset, where the renderer looks for them."""
    suite: Mapping[str, Any] = validation.gx_result or _NOTHING
    meta = {
        **suite["meta"],
        "run_id": {"run_name": run, "run_time": at.isoformat()},
        "batch_spec": {"data_asset_name": validation.name},
    }
    results = [_with_trace(_with_observed_value(result)) for result in suite["results"]]
    return {**suite, "suite_name": validation.name, "meta": meta, "results": results}


def _with_observed_value(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a result whose counts of distinct values are its observed value.

    The renderer takes any count for a count of rows, and fails.
    """
    facts: Mapping[str, Any] = result.get("result") or {}
    if "unexpected_count" not in facts or "element_count" in facts:
        return result
    kinds = {"unexpected": "partial_unexpected_list", "missing": "partial_missing_list"}
    lists = [f"{kind}: {', '.join(map(str, facts[key]))}" for kind, key in kinds.items() if facts.get(key)]
    return {**result, "result": {"observed_value": "; ".join(lists) or "all as expected"}}


def _with_trace(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result with a text as its trace: the renderer fails where a result that raised has none."""
    raised: Mapping[str, Any] = result.get("exception_info") or {}
    trace = raised.get("exception_traceback") or raised.get("exception_message") or ""
    return {**result, "exception_info": {**raised, "exception_traceback": trace}} if raised else dict(result)


_NOTHING: Mapping[str, Any] = {
    "success": True,
    "results": [],
    "statistics": {
        "evaluated_expectations": 0,
        "successful_expectations": 0,
        "unsuccessful_expectations": 0,
        "success_percent": None,
    },
    "meta": {},
}


@cache
def _renderer() -> Any:
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    return ValidationResultsPageRenderer(run_info_at_end=True)


@cache
def _view() -> Any:
    """Return Great Expectations' view, with our templates in place of those that load scripts and styles."""
    from great_expectations.render.view import DefaultJinjaPageView
    from jinja2 import ChoiceLoader, DictLoader, pass_context

    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([DictLoader(TEMPLATES), view.env.loader])
    original = view.render_content_block

    @pass_context
    def render(context: object, block: object, **options: object) -> object:
        return original(context, _escape_block(block), **options)

    view.env.filters["render_content_block"] = render
    return view


def _escape_block(block: object) -> object:
    """Escape bare text in a block; Great Expectations prints it as it is, and a value or a name may hold markup."""
    if isinstance(block, dict) and isinstance(block.get("string_template"), dict):
        template = block["string_template"]
        text = str(template["template"]).replace("<", "&lt;").replace(">", "&gt;")
        return {**block, "string_template": {**template, "template": text}}
    if isinstance(block, list):
        texts = [_escape_block(each) if isinstance(each, dict) else html.escape(str(each)) for each in block]
        return texts if any(isinstance(each, dict) for each in block) else ", ".join(map(str, texts))
    return html.escape(block) if isinstance(block, str) else block


def _file_name(text: str) -> str:
    if not _NAME.fullmatch(text) or any(part.strip(".") == "" for part in text.split("/")):
        raise InvalidDeclaration(
            f"The Data Docs page of `{text}`",
            "does not make a file name",
            "Use letters, digits, `.`, `_`, `-` and `=`, parts joined by `/`.",
        )
    return text
