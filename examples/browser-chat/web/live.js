// The unreliable channel: pointers of the others, and the ping. A lost message
// is not resent, because the next one is worth more.

const POINTER_MS = 50;   // between two positions sent
const FADE_MS = 4000;    // a pointer that rests this long disappears
const PING_MS = 1000;
const PING_LOST_MS = 3000;
const PINGS_KEPT = 60;

export class Pointers {
  #layer;
  #stage;
  #send;
  #shown = new Map(); // member id -> {element, n, timer}
  #last = 0;
  #pending = null;

  /** @param {(m: object) => void} send sends on the live channel, or drops */
  constructor(stage, layer, send) {
    this.#stage = stage;
    this.#layer = layer;
    this.#send = send;
    stage.addEventListener('pointermove', (e) => this.#moved(e));
    stage.addEventListener('pointerleave', () => this.#leave());
  }

  #moved(e) {
    const box = this.#stage.getBoundingClientRect();
    const round = (v) => Math.round(Math.min(1, Math.max(0, v)) * 1e4) / 1e4;
    const position = { x: round((e.clientX - box.left) / box.width), y: round((e.clientY - box.top) / box.height) };
    const wait = this.#last + POINTER_MS - performance.now();
    clearTimeout(this.#pending);
    if (wait <= 0) this.#emit(position);
    else this.#pending = setTimeout(() => this.#emit(position), wait); // the last position counts
  }

  #leave() {
    clearTimeout(this.#pending);
    this.#emit({ off: true });
  }

  #emit(position) {
    this.#last = performance.now();
    this.#send({ t: 'ptr', n: Date.now(), ...position });
  }

  /** A position of somebody came. */
  show({ id, n, x = 0, y = 0, off }, person) {
    let p = this.#shown.get(id);
    if (p && n < p.n) return; // overtaken on the way: the channel is unordered
    if (off || !person) {
      this.remove(id);
      return;
    }
    if (!p) {
      p = { element: pointerElement(), n, timer: 0 };
      p.element.dataset.id = id;
      this.#layer.append(p.element);
      this.#shown.set(id, p);
    }
    p.n = n;
    p.element.dataset.x = x;
    p.element.dataset.y = y;
    p.element.lastElementChild.textContent = person.nick;
    p.element.style.setProperty('--hue', person.hue);
    p.element.style.left = `${x * 100}%`;
    p.element.style.top = `${y * 100}%`;
    clearTimeout(p.timer);
    p.timer = setTimeout(() => this.remove(id), FADE_MS);
  }

  remove(id) {
    const p = this.#shown.get(id);
    if (!p) return;
    clearTimeout(p.timer);
    p.element.remove();
    this.#shown.delete(id);
  }

  clear() {
    for (const id of [...this.#shown.keys()]) this.remove(id);
  }
}

function pointerElement() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 16 20');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', 'M1 1v15.5l4.2-3.9 2.6 6 2.6-1.1-2.6-6 5.7-.3z');
  svg.append(path);
  const element = document.createElement('div');
  element.className = 'pointer';
  const label = document.createElement('span');
  element.append(svg, label);
  return element;
}

/** Pings over the live channel. */
export class Ping {
  rtt = null;     // milliseconds, smoothed
  lost = null;    // share of the last pings without an answer
  #sent = [];     // {n, at, back}
  #n = 0;
  #send;

  constructor(send) {
    this.#send = send;
    setInterval(() => this.#ping(), PING_MS);
  }

  #ping() {
    const ping = { n: ++this.#n, at: performance.now(), back: false };
    if (!this.#send({ t: 'ping', n: ping.n })) return;
    this.#sent.push(ping);
    if (this.#sent.length > PINGS_KEPT) this.#sent.shift();
    const old = this.#sent.filter((p) => performance.now() - p.at > PING_LOST_MS);
    this.lost = old.length ? old.filter((p) => !p.back).length / old.length : null;
  }

  pong(n) {
    const ping = this.#sent.find((p) => p.n === n);
    if (!ping || ping.back) return;
    ping.back = true;
    const rtt = performance.now() - ping.at;
    this.rtt = this.rtt === null ? rtt : 0.7 * this.rtt + 0.3 * rtt;
  }

  reset() {
    this.rtt = this.lost = null;
    this.#sent = [];
  }
}

/** What the browser knows of the connection. @param {RTCPeerConnection} pc */
export async function figures(pc) {
  const report = [...(await pc.getStats()).values()];
  const byId = new Map(report.map((s) => [s.id, s]));
  const transport = report.find((s) => s.type === 'transport');
  const pair = byId.get(transport?.selectedCandidatePairId)
    ?? report.find((s) => s.type === 'candidate-pair' && (s.selected || (s.nominated && s.state === 'succeeded')));
  const local = byId.get(pair?.localCandidateId), remote = byId.get(pair?.remoteCandidateId);
  return {
    rtt: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    // Each side chooses the pair that it sends over, so that nothing may come in over the one selected here.
    sent: transport?.bytesSent ?? total(report, 'bytesSent'),
    received: transport?.bytesReceived ?? total(report, 'bytesReceived'),
    path: local && remote ? `${local.candidateType} \u2192 ${remote.candidateType}, ${local.protocol ?? 'udp'}` : null,
  };
}

function total(report, member) {
  const values = report.filter((s) => s.type === 'candidate-pair').map((s) => s[member] ?? 0);
  return values.length ? values.reduce((a, b) => a + b) : null;
}
