#!/usr/bin/env python3
"""Opens an exported page in Chromium, lets it hear and read recordings, and says as JSON what it answered.

    export.py CHROMIUM PAGE OUT < TASK

TASK is JSON: `clips` (files of little-endian f32 samples, each with its rate), `recording` and `silence` (WAV files that stand for
what a microphone hears), `files` (WAV files to open). The folder PAGE is served on localhost by Python's own server of
files. Screenshots go to the folder OUT.
"""

import base64
import functools
import http.server
import itertools
import json
import pathlib
import sys
import tempfile
import threading
import time

import check

# Answers of the model itself for samples that are given as base64.
ASK = """
(async () => {
  const bytes = Uint8Array.from(atob('%s'), character => character.charCodeAt(0));
  const { probabilities, shareAsUnusual } = await ser.ask(new Float32Array(bytes.buffer), %d);
  const plain = value => Number.isFinite(value) ? value : null;
  return { probabilities: probabilities.map(plain), share_as_unusual: plain(shareAsUnusual) };
})()
"""

# The samples of the microphone that were asked about last, the model's answer, and its answer when asked again.
HEARD = """
(async () => {
  const { samples, rate, answer } = ser.heard();
  const { probabilities } = await ser.ask(samples, rate);
  return { samples: [...samples], rate, answers: [answer.probabilities, probabilities] };
})()
"""


# Keeps what microphones give, to see whether it ends.
COUNT = """
globalThis.streams = [];
const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
media.getUserMedia = async wanted => { const stream = await open(wanted); streams.push(stream); return stream; };
"""

# How many microphones were opened, and how many of their tracks are still on.
MICROPHONES = "[streams.length, streams.flatMap(stream => stream.getTracks()).filter(track => track.readyState === 'live').length]"


class Files(http.server.SimpleHTTPRequestHandler):
    """The page's files, silently."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *_):
        pass


def serve(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://localhost:{server.server_port}/"


class Page:
    """The page in a browser of its own, whose microphone hears `sound`."""

    def __init__(self, chromium, url, profile, sound=None):
        flags = ["--use-fake-device-for-media-stream"]
        if sound:
            flags.append(f"--use-file-for-fake-audio-capture={sound}")
        self.browser, self.url = check.Browser(chromium, profile, flags), url

    def __enter__(self):
        self.browser.open(self.url)
        self.wait("!document.getElementById('listen').disabled")
        return self

    def __exit__(self, *_):
        self.browser.process.terminate()
        self.browser.process.wait()

    def text(self, part):
        return self.browser.evaluate(f"document.getElementById('{part}').textContent")

    def wait(self, condition, seconds=60):
        until = time.monotonic() + seconds
        while not self.browser.evaluate(condition):
            if time.monotonic() > until:
                raise SystemExit(f"waited in vain for {condition}: {self.text('about')} {self.text('state')} {self.text('answer')}")
            time.sleep(0.1)

    def microphone(self, setting):
        permission = {"permission": {"name": "microphone"}, "setting": setting, "origin": self.url.rstrip("/")}
        self.browser.call("Browser.setPermission", permission, None)

    def click(self, part):
        self.browser.evaluate(f"document.getElementById('{part}').click()")

    def listens(self, seconds):
        """What is said in that time, once anything is."""
        self.microphone("granted")
        self.click("listen")
        self.wait("document.getElementById('answer').textContent !== '—'")
        said, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            said.append(self.text("answer"))
            time.sleep(0.1)
        state = self.text("state")
        self.click("listen")
        return {"said": sorted(set(said)), "state": state, "stopped": self.text("state")}

    def clicked_twice(self):
        """Microphones that two clicks at once open, and tracks of them that are on after it was stopped."""
        self.browser.evaluate(COUNT)
        self.browser.evaluate("for (const _ of [1, 2]) document.getElementById('listen').click()")
        self.wait("document.getElementById('listen').textContent === 'Stop'")
        # A second microphone would be there by then.
        time.sleep(1)
        self.click("listen")
        return self.browser.evaluate(MICROPHONES)

    def open(self, path):
        document = self.browser.call("DOM.getDocument")["root"]["nodeId"]
        node = self.browser.call("DOM.querySelector", {"nodeId": document, "selector": "#file"})["nodeId"]
        self.browser.call("DOM.setFileInputFiles", {"nodeId": node, "files": [path]})

    def opens(self, path):
        self.open(path)
        name = json.dumps(pathlib.Path(path).name + ",")
        self.wait(f"document.getElementById('state').textContent.startsWith({name})")
        return {"answer": self.text("answer"), "state": self.text("state"), "rows": self.browser.evaluate(
            "document.querySelectorAll('#windows:not([hidden]) tbody tr').length")}  # fmt: skip

    def opens_over(self, first, then):
        """What is there of `then` in the end when it was opened while `first`, a long one, was being judged."""
        self.browser.evaluate("document.querySelector('#windows tbody').replaceChildren()")
        self.open(first)
        self.wait("document.querySelectorAll('#windows tbody tr').length > 1")
        found = self.opens(then)
        # Time for answers about the first that are still to come.
        rows = "document.querySelectorAll('#windows tbody tr').length"
        before = self.browser.evaluate(rows)
        time.sleep(1)
        asked = self.browser.evaluate(rows) - before
        return found | {"answer": self.text("answer"), "state": self.text("state"), "asked_of_first": asked}

    def complaints(self):
        """What the console says, and what was fetched from elsewhere."""
        for event in self.browser.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                yield f"{method}: {json.dumps(parameters)[:400]}"
            if method == "Network.requestWillBeSent":
                address = parameters["request"]["url"]
                if not address.startswith((self.url, "data:")):
                    yield f"fetched {address}"

    def look(self, out):
        """Screenshots, and what a reader would stumble over."""
        wrong = []
        for width, scheme in itertools.product((360, 1280), ("light", "dark")):
            self.browser.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            self.browser.call("Emulation.setDeviceMetricsOverride", size)
            time.sleep(0.4)
            complaints = self.browser.evaluate(check.LOOK)["wrong"]
            # A report is one file; this page is several.
            wrong.extend(f"{width} px, {scheme}: {it}" for it in complaints if it != "foreign elements")
            shot = self.browser.call("Page.captureScreenshot")
            (out / f"export-{width}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
        self.browser.call("Emulation.clearDeviceMetricsOverride")
        return wrong


def main():
    chromium, folder, out = sys.argv[1:]
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    task, url, found = json.load(sys.stdin), serve(folder), {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        with Page(chromium, url, profile + "/sound", task["recording"]) as page:
            page.browser.call("DOM.enable")
            found["answers"] = []
            for clip, rate in task["clips"]:
                samples = base64.b64encode(pathlib.Path(clip).read_bytes()).decode()
                found["answers"].append(page.browser.evaluate(ASK % (samples, rate)))
            found["files"] = [page.opens(file) for file in task["files"]]
            short, *_, longest = task["files"]
            found["over"] = page.opens_over(longest, short)
            found["wrong"] = page.look(out)
            found["heard"] = page.listens(5) | page.browser.evaluate(HEARD)
            found["microphones"] = page.clicked_twice()
            page.microphone("denied")
            page.click("listen")
            page.wait("document.getElementById('state').textContent.startsWith('The browser does not let')")
            found["complaints"] = list(page.complaints())
        with Page(chromium, url, profile + "/silence", task["silence"]) as page:
            found["silence"] = page.listens(2)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
