#!/usr/bin/env python3
"""Opens pages in Chromium and says, as JSON, what a reader would stumble over.

    check.py CHROMIUM OUT PAGE.html...

Every page is shown at 360 and 1280 CSS pixels, light and dark, and as it is printed. Screenshots (`NAME-360-light.png`
and so on) and a PDF go to the folder OUT. Only Python's own library is used: Chromium speaks the DevTools protocol over
a pair of pipes.
"""

import base64
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

# What is wrong with the page as it stands, in words.
LOOK = r"""
(() => {
  const wrong = [];
  const say = (what, element) => wrong.push(what + ': ' + (element.outerHTML || '').slice(0, 160));
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width)
    wrong.push(`the page is ${document.documentElement.scrollWidth} px wide on a screen of ${width}`);
  for (const element of document.querySelectorAll('main *')) {
    if (element.closest('svg') && element.tagName !== 'svg') continue;
    const box = element.getBoundingClientRect();
    if (box.width && !element.parentElement.closest('.scroll') && (box.right > width + 1 || box.left < -1))
      say(`reaches from ${box.left} to ${box.right} on a screen of ${width}`, element);
  }

  const channels = text => (text.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = channels(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let texts = 0;
  for (const element of document.querySelectorAll('main *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !element.getClientRects().length) continue;
    const svg = element.closest('svg');
    if (svg && element.tagName !== 'text') continue;
    texts += 1;
    let under = ground(svg || element);
    if (svg) {
      const box = element.getBoundingClientRect();
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      for (const shape of svg.querySelectorAll('rect:not(.frame):not(.outline)')) {
        const at = shape.getBoundingClientRect();
        if (at.left <= x && x <= at.right && at.top <= y && y <= at.bottom) under = channels(getComputedStyle(shape).fill);
      }
    }
    const style = getComputedStyle(element);
    const [a, b] = [luminance(channels(svg ? style.fill : style.color)), luminance(under)].map(l => l + 0.05);
    const contrast = Math.max(a, b) / Math.min(a, b);
    if (contrast < 4.5) say(`contrast ${contrast.toFixed(2)}`, element);
  }

  // Drawn text that leaves its picture or runs into other text.
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect();
    if (!frame.width) continue;
    const drawn = [...svg.querySelectorAll('text')].map(text => [text, text.getBoundingClientRect()]);
    for (const [text, box] of drawn)
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        say('text leaves its picture', text);
    const level = drawn.filter(([text]) => !text.hasAttribute('transform'));
    level.forEach(([text, a], i) => level.slice(i + 1).forEach(([, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 0.35 * Math.min(a.height, b.height)) say('texts run into one another', text);
    }));
    if (!svg.querySelector(':scope > title')) say('a picture without a title', svg);
  }

  const levels = [...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]));
  if (levels[0] !== 1 || levels.filter(l => l === 1).length !== 1 || levels.some((l, i) => i && l > levels[i - 1] + 1))
    wrong.push('headings skip a level: ' + levels);
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
  if (new Set(ids).size !== ids.length) wrong.push('ids occur twice');
  for (const link of document.querySelectorAll('a[href^="#"]'))
    if (!document.getElementById(link.hash.slice(1))) say('a link to nowhere', link);
  for (const cell of document.querySelectorAll('th')) if (!cell.scope) say('a heading of a table without scope', cell);
  for (const player of document.querySelectorAll('audio')) if (!player.ariaLabel) say('a player without a name', player);
  if (document.querySelectorAll('script, iframe, link, img, object, embed').length) wrong.push('foreign elements');
  return { wrong, texts, height: document.documentElement.scrollHeight };
})()
"""

# A recording plays, in fact.
PLAY = r"""
(async () => {
  const player = document.querySelector('audio');
  if (!player) return 'no player';
  player.muted = true;
  return new Promise(resolve => {
    player.addEventListener('loadedmetadata', () => resolve(player.duration > 0 ? 'plays' : 'is empty'));
    player.addEventListener('error', () => resolve('error: ' + player.error.message));
    setTimeout(() => resolve('nothing happened'), 5000);
    player.load();
  });
})()
"""


class Browser:
    """Chromium at the other end of two pipes, with further command-line `flags`."""

    def __init__(self, chromium, profile, flags=()):
        to_browser, self.write_end = os.pipe()
        self.read_end, from_browser = os.pipe()

        def hand_over():
            # The protocol wants descriptors 3 and 4.
            read, write = os.dup(to_browser), os.dup(from_browser)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [
                chromium, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-dev-shm-usage", "--disable-background-networking", "--disable-extensions", "--mute-audio",
                "--autoplay-policy=no-user-gesture-required", "--hide-scrollbars", f"--user-data-dir={profile}",
                *flags, "about:blank",
            ],
            preexec_fn=hand_over, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self.numbers, self.buffer, self.events = itertools.count(1), b"", []
        target = self.call("Target.createTarget", {"url": "about:blank"}, None)["targetId"]
        self.session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True}, None)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def read(self):
        while b"\0" not in self.buffer:
            piece = os.read(self.read_end, 1 << 16)
            if not piece:
                raise SystemExit("Chromium went away")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, parameters=None, session=True):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.read())

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in result:
            raise SystemExit(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def open(self, url):
        self.events.clear()
        self.call("Page.navigate", {"url": url})
        self.wait_for("Page.loadEventFired")

    def complaints(self, url):
        """What the console says, and what was fetched besides the page."""
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                yield f"{method}: {json.dumps(parameters)[:300]}"
            if method == "Network.requestWillBeSent" and parameters["request"]["url"].split("#")[0] != url:
                if parameters["request"]["url"].startswith("data:"):
                    continue  # the icons of Chromium's own players
                yield f"fetched {parameters['request']['url'][:200]}"


def look_at(browser, page, out):
    url, found = page.as_uri(), {"wrong": []}

    def note(where, complaints):
        found["wrong"].extend(f"{where}: {complaint}" for complaint in complaints)

    for width, scheme in itertools.product((360, 1280), ("light", "dark")):
        where = f"{width}-{scheme}"
        browser.call("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 2 if width < 500 else 1, "mobile": width < 500}
        browser.call("Emulation.setDeviceMetricsOverride", size)
        browser.open(url)
        seen = browser.evaluate(LOOK)
        note(where, seen["wrong"])
        browser.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        note(f"{where}, unfolded", browser.evaluate(LOOK)["wrong"])
        browser.evaluate("document.querySelectorAll('details').forEach(details => details.open = false)")
        shot = browser.call("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {
            "x": 0, "y": 0, "width": width, "height": min(seen["height"], 12000), "scale": 1}})  # fmt: skip
        (out / f"{page.stem}-{where}.png").write_bytes(base64.b64decode(shot["data"]))
        note(where, browser.complaints(url))
        found["texts"] = seen["texts"]

    # Print, also by somebody whose screen is dark.
    browser.call("Emulation.setDeviceMetricsOverride", {"width": 794, "height": 1123, "deviceScaleFactor": 1, "mobile": False})
    browser.call("Emulation.setEmulatedMedia", {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    browser.open(url)
    seen = browser.evaluate(LOOK)
    note("print", seen["wrong"])
    found["print_ground"] = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    shot = browser.call("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {
        "x": 0, "y": 0, "width": 794, "height": min(seen["height"], 12000), "scale": 1}})  # fmt: skip
    (out / f"{page.stem}-print.png").write_bytes(base64.b64decode(shot["data"]))
    browser.call("Emulation.setEmulatedMedia", {"media": "", "features": []})
    pdf = base64.b64decode(browser.call("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})["data"])
    (out / f"{page.stem}.pdf").write_bytes(pdf)
    found["pages"] = pdf.count(b"/Type /Page\n") or pdf.count(b"/Type /Page ") or pdf.count(b"/Type/Page/")

    browser.call("Emulation.clearDeviceMetricsOverride")
    browser.open(url)
    found["audio"] = browser.evaluate(PLAY)
    return found


def main():
    chromium, out, *pages = sys.argv[1:]
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(chromium, profile)
        try:
            found = {pathlib.Path(page).stem: look_at(browser, pathlib.Path(page).resolve(), out) for page in pages}
        finally:
            browser.process.terminate()
            browser.process.wait()
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
