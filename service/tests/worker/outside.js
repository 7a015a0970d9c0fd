// The world around the Worker, in a test's hands: time, timers, `fetch` and the log.
//
// Differences from the real runtime: time stands still until a test moves it (there it stands still
// between I/O only); `fetch` answers from a list and opens no connection; the Cache API is a map that
// knows `s-maxage` and nothing else; nothing else is replaced.

const RealDate = Date;
let now = RealDate.now();

class ClockDate extends RealDate {
  constructor(...args) {
    super(...(args.length ? args : [now]));
  }
  static now() {
    return now;
  }
}

const timers = new Map();
let lastTimer = 0;
let answers = [];
let requests = [];
let logged = [];

/** A fresh outside, an hour after the last one: nothing that was cached is still good. */
export function reset() {
  now += 3_600_000;
  [answers, requests, logged] = [[], [], []];
  edgeBroken = false;
  timers.clear();
  globalThis.Date = ClockDate;
  globalThis.setTimeout = (callback, delay = 0, ...args) => {
    timers.set(++lastTimer, { at: now + delay, run: () => callback(...args) });
    return lastTimer;
  };
  globalThis.clearTimeout = (id) => void timers.delete(id);
  globalThis.fetch = outboundFetch;
  globalThis.caches = { default: new EdgeCache() };
  listen();
}

class EdgeCache {
  #entries = new Map();
  async match(url) {
    if (edgeBroken) throw new Error("cache unavailable");
    const entry = this.#entries.get(url);
    return entry && entry.until > now ? entry.response.clone() : undefined;
  }
  async put(url, response) {
    if (edgeBroken) throw new Error("cache unavailable");
    if (response.status !== 200) throw new Error(`put of ${response.status}`);
    const [, seconds] = /s-maxage=(\d+)/.exec(response.headers.get("cache-control"));
    this.#entries.set(url, { until: now + seconds * 1000, response });
  }
}
let edgeBroken = false;
/** Whether the Cache API fails. */
export const breakEdge = (broken) => void (edgeBroken = broken);

/** Keeps what goes to the log. The test runner listens there too, and has its place by now. */
function listen() {
  if (console.error.keeps) return;
  const next = console.error;
  console.error = (...args) => {
    logged.push(args.join(" "));
    next(...args);
  };
  console.error.keeps = true;
}

export const currentTime = () => now;

/** Moves time on and lets the timers that are due ring, in their order. */
export async function advance(millis) {
  await settle();
  const until = now + millis;
  for (;;) {
    const due = [...timers].filter(([, timer]) => timer.at <= until);
    if (!due.length) break;
    const [id, timer] = due.reduce((first, next) => (next[1].at < first[1].at ? next : first));
    timers.delete(id);
    now = Math.max(now, timer.at);
    timer.run();
    await settle();
  }
  now = until;
}

/** Lets everything that can happen without the passing of time happen. */
export async function settle() {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

export const timerCount = () => timers.size;
export const log = () => logged.join("\n");

/** The next answer of the other side: a status and a body, or `{"fails": "never" | "refused" | "broken"}`. */
export const answer = (json) => void answers.push(JSON.parse(json));
/** What the other side got, oldest first. */
export const outboundRequests = () => JSON.stringify(requests);

async function outboundFetch(input, init) {
  const request = new Request(input, init);
  const seen = {
    method: request.method,
    url: request.url,
    headers: Object.fromEntries(request.headers),
    body: await request.text(),
    redirect: request.redirect,
    aborted: false,
  };
  requests.push(seen);
  const { fails, status = 200, body = "{}", headers = {} } = answers.shift() ?? {};
  switch (fails) {
    case "refused":
      throw new TypeError(`connect ECONNREFUSED ${request.url}`);
    case "never":
      return new Promise((_, reject) => {
        init.signal.addEventListener("abort", () => {
          seen.aborted = true;
          reject(init.signal.reason);
        });
      });
    case "broken": {
      let sent = false;
      const pull = (controller) => {
        if (sent) controller.error(new TypeError(`terminated ${request.url}`));
        else controller.enqueue(new TextEncoder().encode("{"));
        sent = true;
      };
      return new Response(new ReadableStream({ pull }), { status });
    }
    default:
      return new Response([204, 304].includes(status) ? null : body, { status, headers });
  }
}
