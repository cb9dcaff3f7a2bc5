"""A page: one HTML text that needs nothing from elsewhere, no script, in light and dark."""

from html import escape
from pathlib import Path

from feature_platform.ground.pictures.style import COLOURS, SHAPES

_LAYOUT = """* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif }
main { max-width: 1060px; margin: 0 auto; padding: 36px 24px 64px }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -.01em }
h2 { font-size: 17px; margin: 36px 0 10px }
p { margin: 0 0 10px } .soft, .tick, .label { color: var(--soft) }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 22px 0 8px }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px }
.tile b { display: block; font-size: 26px; line-height: 1.25; font-variant-numeric: tabular-nums }
.tile span { color: var(--soft); font-size: 13px }
.tile.bad b { color: var(--bad) } .tile.good b { color: var(--good) }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 500; font-size: 12.5px; color: var(--soft); padding: 6px 12px 6px 0;
  border-bottom: 1px solid var(--rule) }
td { padding: 7px 12px 7px 0; border-bottom: 1px solid var(--rule); vertical-align: middle }
tr:last-child td { border-bottom: 0 }
.n { text-align: right } .wide { overflow-x: auto }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 4px 18px;
  margin: 10px 0 }
.card > summary { cursor: pointer; padding: 9px 0; display: flex; gap: 10px; align-items: center; font-weight: 600 }
.card > summary .soft { font-weight: 400 }
.inside { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 28px; padding: 4px 0 16px }
@media (max-width: 760px) { .inside { grid-template-columns: minmax(0, 1fr) } }
.badge { font-size: 12px; font-weight: 600; border-radius: 99px; padding: 1px 9px; border: 1px solid currentColor;
  white-space: nowrap }
.badge.bad { color: var(--bad) } .badge.good { color: var(--good) } .badge.odd { color: var(--odd) }
code { font: 13.5px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin: 0 5px 0 14px;
  vertical-align: -1px }
.picture { display: block; width: 100%; height: auto; overflow: visible }
.picture.small { width: 120px; height: 30px } .picture.meter { width: 140px; height: 10px }
"""
STYLE = COLOURS + _LAYOUT + SHAPES


class HtmlPage(str):
    """The text of a page; a notebook shows it as it is.

    >>> HtmlPage("<p>Hello</p>").startswith("<p>")
    True
    """

    __slots__ = ()

    def save(self, path: str | Path) -> Path:
        """Write the page to a file."""
        file = Path(path)
        file.write_text(self, encoding="utf-8")
        return file

    def _repr_html_(self) -> str:
        """Show the page in a frame of its own, so that its style and the notebook's do not mix."""
        return f'<iframe srcdoc="{escape(self)}" style="width:100%;height:720px;border:0"></iframe>'


def html_page(title: str, body: str) -> HtmlPage:
    """Return a whole page around its body; `body` is HTML, the title is text."""
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
    )
    return HtmlPage(f"{head}<body><main>{body}</main></body></html>\n")


def html_table(head: str, rows: str) -> str:
    """Return a table that scrolls in itself when the page is narrow; head and rows are HTML."""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
