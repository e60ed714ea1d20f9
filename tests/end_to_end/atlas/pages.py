"""A browser that looks at the atlas, labels that are hard to show, and what tests ask a page."""

import json
import time
from urllib.parse import quote

BINARY, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync"]  # fmt: skip
UNESCAPED = "!'()*~"  # what encodeURIComponent leaves and quote would not
NASTY = [
    '</script><script>document.title = "run"</script>',
    "<img src=x onerror=\"document.title = 'run'\"> & 'quoted', \"twice\"",
    "two\nlines, and a comma",
    "שלום 🦔 مرحبا",
    "100%/?#",
    "100%/?#",
]
TEXT = "return document.querySelector('main').textContent"
FOLLOW = """const [address, done] = arguments, main = document.querySelector("main");
const shown = new MutationObserver(() => {
  if (main.dataset.shown === address) { shown.disconnect(); done(main.dataset.took); }
});
shown.observe(main, { attributeFilter: ["data-took"] });
location.hash = address;"""


class Browser:
    """A browser that keeps what the page says and asks for."""

    def __init__(self, profile):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = BINARY
        for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def open(self, path):
        self.driver.get(f"file://{path}")
        self.wait("return document.querySelector('main').dataset.took")

    def go(self, address):
        """Follow an address; the milliseconds until its view stood."""
        self.run("location.hash = arguments[0]", address)
        self.wait("return document.querySelector('main').dataset.shown === location.hash")
        return float(self.run("return document.querySelector('main').dataset.took"))

    def wait(self, script, seconds=10):
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"waited in vain: {script}"
            time.sleep(0.01)

    def heading(self):
        return self.run("return document.querySelector('h1').textContent")

    def numbers(self):
        return self.run(
            "return Object.fromEntries([...document.querySelectorAll('.at-theta [data-name]')]"
            ".map((e) => [e.dataset.name, e.querySelector('dd').textContent]))"
        )

    def theta(self, value):
        self.run(
            "const slider = document.getElementById('theta'); slider.value = arguments[0];"
            "for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind))", value,
        )  # fmt: skip

    def busy(self):
        """Seconds of a processor that the page's main thread has had: other work does not count."""
        self.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        found = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return next(each["value"] for each in found if each["name"] == "TaskDuration")

    def moves(self, addresses):
        """Milliseconds from node to node, the least of each, which other work slows least: of the
        page's main thread, and on the clock."""
        busy, took = [], []
        for address in addresses:
            before = self.busy()
            took.append(float(self.driver.execute_async_script(FOLLOW, address)))
            busy.append(1000 * (self.busy() - before))
        return min(busy), min(took)

    def requests(self):
        """Addresses asked for, other than the file itself and what the page made."""
        entries = (json.loads(entry["message"]) for entry in self.driver.get_log("performance"))
        events = [entry["message"] for entry in entries]
        sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
        asked = [each["request"]["url"] for each in sent if each["documentURL"].startswith("file:")]
        return [url for url in asked if not url.startswith(("file:", "blob:", "data:"))]


def label_address(name, index=None):
    number = "" if index is None else f"{index}/"
    return f"#label/{number}{quote(name, safe=UNESCAPED)}"
