"""How the site is built: Markdown pages of this folder and a reference from docstrings, without a network."""

import sys
from importlib.metadata import version as package_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from reference_pages import write_pages  # noqa: E402 - found by the line above

write_pages(HERE / "reference" / "made")

project = "feature_platform"
author = "the feature_platform team"
add_module_names = False
release = version = package_version("feature-platform")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"feature_platform {release}"
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = True

default_role = "code"  # docstrings quote names as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
napoleon_use_rtype = False

exclude_patterns = ["images"]
suppress_warnings = ["myst.xref_missing"]  # links to files of the repository, whose existence a test asks for
