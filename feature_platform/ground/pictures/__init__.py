"""Pictures: SVG text from numbers, coloured by the page's own style, with a sentence for those who do not see it."""
