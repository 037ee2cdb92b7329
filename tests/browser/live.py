#!/usr/bin/env python3
"""Uses the page of ser-serve in Chromium, as a person with a microphone would, and says as JSON what it saw.

    live.py CHROMIUM OUT SER_SERVE CHECKPOINT CLIP.wav SILENCE.wav

CLIP.wav is what Chromium hears instead of a microphone, over and over; it ends with 0.2 s of silence, since it clicks where
it begins again. Screenshots go to the folder OUT. Only Python's own library is used.
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from check import LOOK, Browser


class Server:
    """ser-serve, on the port that it had before when it is started again."""

    def __init__(self, program, checkpoint):
        # Twice, so that there is another one to choose.
        self.command, self.port = [program, "--checkpoint", checkpoint, "--checkpoint", checkpoint], 0
        self.start()

    def start(self):
        command = [*self.command, "--bind", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = "http://" + self.process.stdout.readline().strip().split("//")[1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def end(self):
        self.process.terminate()
        self.process.wait()


class Page:
    """The page in a browser of its own."""

    def __init__(self, chromium, profile, url, *flags):
        self.browser = Browser(chromium, profile, ["--use-fake-device-for-media-stream", *flags])
        self.show(1280, "light")
        self.browser.open(url)
        self.wait("document.querySelector('#model').options.length > 0")

    def show(self, width, scheme):
        call = self.browser.call
        call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 2 if width < 500 else 1, "mobile": width < 500}
        call("Emulation.setDeviceMetricsOverride", size)

    def wait(self, condition, seconds=30):
        """Until `condition` is true in the page; its last value."""
        until = time.monotonic() + seconds
        while not (value := self.browser.evaluate(condition)):
            if time.monotonic() > until:
                raise SystemExit(f"never true: {condition}; the page says {self.browser.evaluate('document.body.innerText')}")
            time.sleep(0.1)
        return value

    def text(self, identity):
        return self.browser.evaluate(f"document.getElementById('{identity}').textContent")

    def problem(self, words):
        return self.wait(f"document.getElementById('problem').textContent.includes({json.dumps(words)})"
                         " && document.getElementById('problem').textContent")  # fmt: skip

    def press(self, key, code, text=""):
        for kind in ("keyDown", "keyUp"):
            self.browser.call("Input.dispatchKeyEvent", {
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text if kind == "keyDown" else "",
            })  # fmt: skip

    def reach(self, identity):
        """Goes there with the Tab key alone."""
        for _ in range(12):
            if self.browser.evaluate("document.activeElement.id") == identity:
                return
            self.press("Tab", 9)
        raise SystemExit(f"#{identity} cannot be reached with the Tab key")

    def shot(self, path):
        height = self.browser.evaluate("document.documentElement.scrollHeight")
        width = self.browser.evaluate("document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.browser.call("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(shot["data"]))

    def wrong(self):
        """What a reader would stumble over; this page, unlike a report, has scripts."""
        return [what for what in self.browser.evaluate(LOOK)["wrong"] if what != "foreign elements"]

    def errors(self):
        """What the console complains of."""
        for event in self.browser.events:
            parameters = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown" or parameters.get("entry", {}).get("level") == "error":
                yield json.dumps(parameters)[:400]

    def close(self):
        self.browser.process.terminate()
        self.browser.process.wait()


def shots(page, out, name, found):
    for width, scheme in ((1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")):
        page.show(width, scheme)
        time.sleep(0.7)
        found["wrong"].extend(f"{name}-{width}-{scheme}: {what}" for what in page.wrong())
        page.shot(out / f"{name}-{width}-{scheme}.png")
    page.show(1280, "light")


# Lets answers of the first model come late and with a label of their own.
SLOW = """
const [first] = document.getElementById("model").options;
const fetched = window.fetch;
window.fetch = async (path, options) => {
  if (!path.startsWith("/v1/predict") || !path.endsWith(`=${first.value}`)) return fetched(path, options);
  const answer = await (await fetched(path, { ...options, signal: undefined })).json();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  window.late = true;
  return new Response(JSON.stringify({ ...answer, label: "of_the_first_model" }));
};
"""


def switch(page):
    """What is shown of a recording when another model is chosen before the first one has answered."""
    page.browser.evaluate(f"(() => {{ {SLOW} }})()")
    choose = "(() => {{ const m = document.getElementById('model'); m.selectedIndex = {}; m.dispatchEvent(new Event('change')); }})()"
    page.browser.evaluate(choose.format(0))
    time.sleep(0.3)
    page.browser.evaluate(choose.format(1))
    page.wait("document.querySelectorAll('#passages tr').length && window.late")
    time.sleep(0.5)
    return page.text("recording-answer")


# A microphone that takes a while to open, and whose tracks are kept.
SLOW_MICROPHONE = """
window.tracks = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (asked) => {
  const media = await open(asked);
  await new Promise((resolve) => setTimeout(resolve, 500));
  window.tracks.push(...media.getTracks());
  return media;
};
"""

# Streams that are refused before they open, and recordings that are too long for a single answer.
REFUSING = """
window.sockets = 0;
window.WebSocket = class {
  constructor() {
    window.sockets += 1;
    setTimeout(() => this.onclose(), 10);
  }
  close() {}
};
const fetched = window.fetch;
window.fetch = async (path, options) => {
  if (!path.startsWith("/v1/predict")) return fetched(path, options);
  return new Response(JSON.stringify({ error: "the recording lasts too long" }), { status: 413 });
};
"""


def choose(page, file):
    """Chooses a recording, as a person would."""
    document = page.browser.call("DOM.getDocument")["root"]["nodeId"]
    node = page.browser.call("DOM.querySelector", {"nodeId": document, "selector": "#file"})["nodeId"]
    page.browser.call("DOM.setFileInputFiles", {"nodeId": node, "files": [file]})


def press_while_opening(page):
    """What the button says while the microphone opens, what the page says once it is pressed again, and whether it is off."""
    click = "document.getElementById('listen').click()"
    page.browser.evaluate(f"(() => {{ {SLOW_MICROPHONE} }})()")
    page.browser.evaluate(click)
    opening = page.text("listen")
    page.browser.evaluate(click)
    page.wait("window.tracks.length")
    time.sleep(0.5)
    states = page.browser.evaluate("window.tracks.map((track) => track.readyState)")
    return {"opening": opening, "answer": page.text("answer"), "button": page.text("listen"), "tracks": states}


def refuse(page, clip):
    """What is said of a stream that the server refuses, and of a recording with nothing but a timeline."""
    page.browser.evaluate(f"(() => {{ {REFUSING} }})()")
    page.browser.evaluate("document.getElementById('listen').click()")
    refused = page.problem("refuses the stream")
    time.sleep(2)
    sockets = page.browser.evaluate("window.sockets")
    page.browser.evaluate("document.getElementById('listen').click()")
    choose(page, clip)
    page.wait("document.querySelectorAll('#passages tr').length")
    too_long = [page.text("recording-answer"), page.text("recording-certainty")]
    return {"stream": refused, "sockets": sockets, "too_long": too_long}


def listen(page, server, clip, out, found):
    page.reach("listen")
    page.press("Enter", 13, "\r")
    page.wait("document.querySelector('#bars .chosen') !== null")
    answers = []
    until = time.monotonic() + 8
    while time.monotonic() < until:
        answers.append(page.text("answer"))
        time.sleep(0.25)
    found["answers"] = answers
    found["certainty"] = page.text("certainty")
    found["about"] = page.text("about")
    found["announced"] = page.text("announcement")
    time.sleep(8)
    shots(page, out, "live", found)

    # A recording beside it.
    choose(page, clip)
    page.wait("document.querySelectorAll('#passages tr').length")
    found["recording"] = page.text("recording-answer")
    found["passages"] = page.browser.evaluate("document.querySelectorAll('#passages tr').length")
    found["plays"] = page.wait("document.getElementById('player').duration > 0")
    shots(page, out, "recording", found)
    found["switched"] = switch(page)
    found["errors"] = list(page.errors())

    # The server goes and comes back.
    server.end()
    found["lost"] = page.problem("The server is gone")
    page.shot(out / "lost-1280-light.png")
    server.start()
    page.wait("document.getElementById('problem').hidden && document.querySelector('#bars .chosen') !== null")
    page.reach("listen")
    page.press("Enter", 13, "\r")
    found["stopped"] = page.text("answer")


def main():
    chromium, out, program, checkpoint, clip, silence = sys.argv[1:]
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    found = {"wrong": []}
    server = Server(program, checkpoint)
    allow = "--use-fake-ui-for-media-stream"
    try:
        for name, flags in (
            ("heard", (allow, f"--use-file-for-fake-audio-capture={clip}")),
            ("refused", (allow, f"--use-file-for-fake-audio-capture={clip}")),
            ("silent", (allow, f"--use-file-for-fake-audio-capture={silence}")),
            ("denied", ("--deny-permission-prompts",)),
        ):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                page = Page(chromium, profile, server.url, *flags)
                try:
                    if name == "heard":
                        listen(page, server, clip, out, found)
                        continue
                    if name == "refused":
                        found["pressed"] = press_while_opening(page)
                        found["refused"] = refuse(page, clip)
                        continue
                    page.browser.evaluate("document.getElementById('listen').click()")
                    found[name] = page.problem("no sound" if name == "silent" else "may not use a microphone")
                    page.show(360, "light")
                    time.sleep(0.5)
                    found["wrong"].extend(f"{name}: {what}" for what in page.wrong())
                    page.shot(out / f"{name}-360-light.png")
                finally:
                    page.close()
    finally:
        server.end()
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
