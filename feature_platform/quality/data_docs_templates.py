"""The Jinja templates that replace those of Great Expectations which load scripts and styles from elsewhere.

Each has the name of the template that it replaces. All that it prints is escaped: `.j2` files are not escaped by
default.
"""

from collections.abc import Mapping

_STYLE = """
:root { --line: #d9dee3; --soft: #f4f6f8; --ink: #1f2933; --bad: #b42318; --good: #1a7f4b; --warn: #8a6100; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
a { color: #0b5cad; }
header, main { max-width: 1500px; margin: 0 auto; padding: 1rem 1.5rem; }
header { border-bottom: 1px solid var(--line); display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; }
main { display: grid; grid-template-columns: 230px minmax(0, 1fr); gap: 2rem; align-items: start; }
aside { position: sticky; top: 1rem; }
aside ul { list-style: none; padding: 0; margin: .5rem 0; max-height: 70vh; overflow: auto; }
aside li a { display: block; padding: .15rem .5rem; text-decoration: none; overflow-wrap: anywhere; }
aside label { display: block; padding: .5rem; background: var(--soft); border: 1px solid var(--line); }
h4, h5, h6, p { margin: 0; }
h5 { font-size: 1.1rem; }
.h6 { font-weight: 600; }
.alert { padding: .6rem .9rem; border: 1px solid var(--line); background: var(--soft); margin: .4rem 0; }
.alert, aside label { border-radius: 6px; }
.alert-warning { background: #fff6dd; }
.alert-danger { background: #fdecea; }
.ge-section { margin-bottom: 2rem; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0; }
td, th { border-top: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
td .show-scrollbars { overflow: auto; max-height: 60vh; }
tr > td:nth-child(2) { overflow-wrap: anywhere; }
.badge { padding: .05rem .4rem; border-radius: 4px; background: #e6eaee; overflow-wrap: anywhere; }
.badge { font: .9em ui-monospace, monospace; }
.badge-warning { background: #ffe8a3; }
.text-danger { color: var(--bad); } .text-success { color: var(--good); } .text-warning { color: var(--warn); }
.fas { font-style: normal; font-weight: 700; }
.fa-check-circle::before { content: "\\2714"; } .fa-times::before { content: "\\2718"; }
.fa-exclamation-triangle::before { content: "\\26A0"; }
details > summary { cursor: pointer; color: #0b5cad; }
pre, code { white-space: pre-wrap; overflow-wrap: anywhere; }
body:has(#failed-only:checked) tr:has(.hide-succeeded-validation-target-child),
body:has(#failed-only:checked) .hide-succeeded-validation-target { display: none; }
@media (max-width: 800px) { main { grid-template-columns: 1fr; } aside { position: static; } }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{{ page_title | e }}</title>
<style>__STYLE__</style>
</head>
<body>
<header><strong>Data Docs</strong> <span>{{ page_title | e }}</span></header>
<main>
<aside>
<label><input type="checkbox" id="failed-only"> Failed only</label>
<ul>{% for section in sections %}<li><a href="#section-{{ loop.index }}">{{ section["section_name"] | e }}</a></li>
{% endfor %}</ul>
</aside>
<div>
{% for section in sections %}
{% set section_loop = loop -%}
{% include 'section.j2' %}
{% endfor %}
</div>
</main>
</body>
</html>
"""

_COLLAPSE = """<details>
<summary>{{ content_block.get("collapse_toggle_link", "Show more...") | render_content_block }}</summary>
{% for block in content_block["collapse"] %}
{% set content_block_id = content_block_id ~ "-collapse-item-" ~ loop.index %}
{{ block | render_content_block(content_block_id=content_block_id) }}
{% endfor %}
</details>
"""

_GRAPH = """{% include 'content_block_header.j2' %}
{% for rows in content_block["graph"].get("datasets", {}).values() %}{% if rows %}
<table class="table table-sm"><thead><tr>{% for name in rows[0] %}<th>{{ name | e }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for value in row.values() %}<td>{{ value | e }}</td>{% endfor %}</tr>{% endfor %}
</tbody></table>
{% endif %}{% endfor %}
"""

TEMPLATES: Mapping[str, str] = {
    "page.j2": _PAGE.replace("__STYLE__", _STYLE),
    "collapse.j2": _COLLAPSE,
    "graph.j2": _GRAPH,
}
