"""What MkDocs asks when it builds the site: equations, and pages that no file of docs holds."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import equations
import module_pages
import results_pages

DOCS = Path(__file__).parent
ROOT = DOCS.parent
OUTSIDE = {"contributing.md": "CONTRIBUTING.md", "changes.md": "CHANGELOG.md"}
"""Pages of the site whose files lie beside docs."""


def on_config(config: MkDocsConfig) -> None:
    """
    :param config: of the site, which learns what a block of ``math`` is
    """
    options = config.mdx_configs.setdefault("pymdownx.superfences", {})
    options["custom_fences"] = [{"name": "math", "class": "math", "format": equations.fence}]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """
    :param files: of the site, to which the made ones come
    :param config: of the site
    """
    made = dict(module_pages.pages((DOCS / "public-modules.md").read_text()))
    made |= results_pages.pages()
    made |= {name: from_the_root(ROOT / source) for name, source in OUTSIDE.items()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))


def from_the_root(path: Path) -> str:
    """
    :param path: of a page beside docs
    :return: its text, with links as they are from docs
    """
    return re.sub(r"\]\(docs/", "](", path.read_text())


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """
    :param markdown: of a page
    :param page: what MkDocs knows of it
    :return: the text to build
    """
    return module_pages.linked(markdown) if page.url == "public-modules/" else markdown


def on_page_content(html: str, **_: Any) -> str:
    """
    :param html: of a page
    :return: the same without the roles of Sphinx, which docstrings have before a name
    """
    return re.sub(r":(?:attr|class|func|meth|mod):(?=<code>)", "", html)
