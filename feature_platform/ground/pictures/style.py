"""The colours of pages and pictures, in light and dark, and what the shapes of pictures look like."""

COLOURS = """
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #fff; --ink: #1d232b; --soft: #68727e; --rule: #e4e6e9;
  --reference: #c3c9d1; --current: #2f6fdb; --bad: #c8372d; --good: #2c8a57; --odd: #9a6b00; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1c2026; --ink: #e6e9ed; --soft: #98a2ae;
  --rule: #2c323a; --reference: #545d68; --current: #6ba3ff; --bad: #ff7b70; --good: #5fcf94; --odd: #e0b04a; } }
"""
SHAPES = """svg .reference { fill: var(--reference) } svg .current { fill: var(--current); fill-opacity: .28 }
svg rect.current { fill-opacity: 1 }
svg .current-edge { fill: none; stroke: var(--current); stroke-width: 1.6 }
svg .axis { fill: none; stroke: var(--rule) }
svg .track { fill: var(--rule) } svg .under { fill: var(--soft) } svg .over { fill: var(--bad) }
svg .threshold { fill: none; stroke: var(--ink); stroke-width: 1.5 }
svg text { font: 11.5px system-ui, sans-serif; fill: var(--soft) } svg text.label { fill: var(--ink) }
"""
EMBEDDED = """svg .paper { fill: var(--card); stroke: var(--rule) } svg .ink { fill: var(--ink) }
svg .end { text-anchor: end }
svg text.title { font-size: 15px; font-weight: 600; fill: var(--ink) }
svg text.name { font-size: 12.5px; font-weight: 600; fill: var(--ink) } svg text.fine { font-size: 10.5px }
svg path.bars { fill: var(--current) } svg path.rest { fill: var(--reference) } svg .absent { fill: var(--odd) }
svg .curve { fill: none; stroke: var(--current); stroke-width: 1.5; stroke-linejoin: round }
svg .limit { fill: none; stroke: var(--soft); stroke-dasharray: 4 3 }
svg .alarms { fill: none; stroke: var(--bad); stroke-width: 6; stroke-linecap: round } svg text.bad { fill: var(--bad) }
"""
