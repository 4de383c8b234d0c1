"""Headless Chromium from the distribution, driven by Selenium; nothing is downloaded.

Debian and Ubuntu: `apt-get install chromium chromium-driver`, `pip install selenium`.
"""

import base64
import json
import shutil
from pathlib import Path

import pytest

HEADLESS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
QUIET = ("--disable-background-networking", "--disable-component-update", "--no-first-run")
WIDTHS = (400, 1600)
HEIGHT = 900


def open_browser(downloads: Path):
    """Return a driver; skip the test if there is no browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no browser: install chromium and chromium-driver")
    selenium = pytest.importorskip("selenium.webdriver", reason="no selenium: pip install selenium")
    options = selenium.ChromeOptions()
    options.binary_location = browser
    for word in (*HEADLESS, *QUIET):
        options.add_argument(word)
    several = {"profile.default_content_setting_values.automatic_downloads": 1}
    folder = {"download.default_directory": str(downloads)}
    options.add_experimental_option("prefs", {**folder, **several})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return selenium.Chrome(options=options, service=selenium.ChromeService(driver))


class Tab:
    """One page in the browser."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path: Path, width: int = 1600, dark: bool = False) -> None:
        """Clear the logs, then load a file in a window of *width*, in light or dark mode."""
        metrics = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        self.driver.get("about:blank")
        self.console_messages()
        self.requests()
        self.driver.get(path.as_uri())

    def console_messages(self) -> list[str]:
        """Return the console's messages since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the network addresses requested since the last call; local ones do not count."""
        messages = [
            json.loads(row["message"])["message"] for row in self.driver.get_log("performance")
        ]
        addresses = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        inside = ("file:", "data:", "blob:", "about:", "chrome:")
        return [address for address in addresses if not address.startswith(inside)]

    def js(self, script: str, *values):
        """Run a script in the page and return its result."""
        return self.driver.execute_script(script, *values)

    def scroll_through(self) -> None:
        """Bring every part of the page into view once."""
        script = (
            "const done = arguments[0]; let y = 0; const step = () => {"
            " if (y > document.body.scrollHeight) { scrollTo(0, 0); setTimeout(done, 50); return; }"
            " scrollTo(0, y); y += innerHeight; setTimeout(step, 15); }; step();"
        )
        self.driver.execute_async_script(script)

    def picture(self, path: Path, height: int = 0) -> None:
        """Save the page as a PNG: all of it, or the top of that many pixels."""
        width, whole = self.js("return [innerWidth, document.documentElement.scrollHeight]")
        height = min(height, whole) if height else whole
        self._save(path, {"x": 0, "y": 0, "width": width, "height": height, "scale": 1})

    def picture_of(self, path: Path, heading: str, margin: int = 14) -> None:
        """Save the part of the page below the first heading that begins so, heading included."""
        x, y, width, height = self.js(
            "const head = [...document.querySelectorAll('h2, h3')]"
            ".find(one => one.textContent.trim().startsWith(arguments[0]));"
            "const [top, end] = [head, head.nextElementSibling]"
            ".map(one => one.getBoundingClientRect());"
            "return [end.left + scrollX, top.top + scrollY, end.width, end.bottom - top.top];",
            heading,
        )
        self._save(path, _around(x, y, width, height, margin))

    def picture_of_figure(self, path: Path, name: str, margin: int = 14) -> None:
        """Save a figure of the page without its buttons."""
        x, y, width, height = self.js(
            "const figure = document.getElementById('figure-' + arguments[0]);"
            "figure.querySelector('.save')?.remove();"
            "const box = figure.getBoundingClientRect();"
            "return [box.left + scrollX, box.top + scrollY, box.width, box.height];",
            name,
        )
        self._save(path, _around(x, y, width, height, margin))

    def _save(self, path: Path, clip: dict[str, float]) -> None:
        wanted = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", wanted)
        path.write_bytes(base64.b64decode(taken["data"]))


def _around(x: float, y: float, width: float, height: float, margin: int) -> dict[str, float]:
    """Return a clip around a box of the page, enlarged."""
    size = {"width": width + 2 * margin, "height": height + 2 * margin}
    return {"x": x - margin, "y": y - margin, **size, "scale": 1.5}
