"""The page of sb3-scale compare in a real browser, which asks no network for anything."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from compared_runs import write_table

from sb3_scale.cli import main

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
DOG = {("ours", "dog-run", seed): [10, 20 + seed, 40 + 10 * seed] for seed in range(3)}
DOG |= {("theirs", "dog-run", seed): [5, 10, 20 + seed] for seed in range(3)}

WATCH = """<script>
addEventListener("error", (event) => { document.title = `error: ${event.message}`; });
</script>"""
USE = """<script>
const dialog_ = document.querySelector("dialog");
const figure = () => dialog_.querySelector(".pane").firstElementChild;
const width = () => figure().getBoundingClientRect().width;
const color = () => getComputedStyle(document.body).backgroundColor;
const box_ = document.querySelector("[data-label]");
const part_ = document.querySelector(`[id*="--label-${box_.dataset.label}--"]`);
const found = {figures: document.querySelectorAll("button.open svg").length, color: [color()]};
document.querySelector("button.open").click();
found.open = dialog_.open;
found.paths = figure().querySelectorAll("path").length;
const before = width();
const larger = dialog_.querySelector("[data-zoom='1.25']");
larger.click();
larger.click();
found.zoom = width() / before;
dialog_.querySelector("[data-close]").click();
found.closed = !dialog_.open;
found.shown = getComputedStyle(part_).display;
box_.click();
found.hidden = getComputedStyle(part_).display;
document.getElementById("theme").click();
found.color.push(color());
found.loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
document.body.dataset.found = JSON.stringify(found);
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_figures_open_grow_and_close_curves_hide_and_the_page_is_light_or_dark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compare", str(write_table(Path("dog.csv"), DOG))]) == 0
    source = Path("comparison/index.html").read_text()
    used = source.replace("<head>", f"<head>{WATCH}").replace("</body>", f"{USE}</body>")
    assert used.count("<script>") == source.count("<script>") + 2
    Path("used.html").write_text(used)
    found = in_browser(tmp_path / "used.html")
    assert found["figures"] >= 4
    assert found["open"]
    assert found["closed"]
    assert found["paths"] > 10
    assert found["zoom"] == pytest.approx(1.25**2, rel=0.01)
    assert (found["shown"] != "none", found["hidden"]) == (True, "none")
    light, dark = found["color"]
    assert light != dark
    assert found["loaded"] == []


def in_browser(page: Path) -> dict[str, Any]:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [str(BROWSER), *options, offline, profile, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    kept = re.search(r'data-found="(.*?)"', done.stdout)
    assert kept is not None, title and title[1]
    assert title is not None
    assert "error" not in title[1]
    found: dict[str, Any] = json.loads(unescape(kept[1]))
    return found
