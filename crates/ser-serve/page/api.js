// Requests to the server this page came from.

let token = sessionStorage.getItem("ser-token") ?? "";

/** What the server refused, with its status and, where it is busy, when to come back. */
export class Refusal extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export function setToken(given) {
  // No token holds spaces. A header is trimmed on its way, which would hide one; the name of a protocol is not.
  token = given.trim();
  sessionStorage.setItem("ser-token", token);
}

/** The JSON that the server answers `path` with. */
export async function ask(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Refusal(0, "The server does not answer. Start ser-serve again, then reload this page.");
  }
  const said = await response.json().catch(() => ({}));
  if (response.ok) return said;
  throw new Refusal(response.status, said.error ?? `The server answered ${response.status}.`, said.retry_after_s);
}

/** Whether the server is there, and has room for a stream. */
export async function readiness() {
  try {
    return await (await fetch("/readyz")).json();
  } catch {
    return null;
  }
}

/** A stream to the server. A browser can set no header there, so the token goes as the name of a protocol. */
export function openStream() {
  const bytes = new TextEncoder().encode(token);
  const encoded = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const protocols = token ? ["ser.v1", `ser.bearer.${encoded}`] : ["ser.v1"];
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(`${scheme}//${location.host}/v1/stream`, protocols);
}
