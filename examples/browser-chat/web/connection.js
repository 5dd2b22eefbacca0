// One connection to the room, made again when it is lost: signalling by one
// POST, then the channels "chat" (reliable) and "live" (unreliable).

const GATHER_MS = 2000;
const SIGNAL_MS = 20000;
const OPEN_MS = 20000;
const WELCOME_MS = 15000;
const SHAKY_MS = 6000; // a new connection is quicker than the browser's patience with the old one
const BACKOFF_S = [1, 2, 4, 8, 15];

/** What went wrong, with a sentence for people and whether trying again helps. */
class Trouble extends Error {
  constructor(code, text, final = false) {
    super(text);
    this.code = code;
    this.final = final;
  }
}

const FINAL_BYES = new Set(['replaced', 'left', 'protocol', 'flood']);

/**
 * States, given to onState(state, {code, text, seconds}):
 *   connecting  the first attempt, or another one
 *   open        channels are open, the room has said welcome
 *   shaky       the network is silent; it may come back by itself
 *   waiting     trouble; another attempt in `seconds`
 *   ended       trouble that another attempt does not cure by itself
 */
export class Connection {
  pc = null;
  chat = null;
  live = null;
  state = 'new';
  #attempt = 0; // counts connections; events of an older one are ignored
  #failures = 0;
  #timer = 0;
  #limit = 0;

  /** @param {{hello: () => object, onEvent: (e: object) => void, onLive: (m: object) => void, onState: Function}} owner */
  constructor(owner) {
    this.owner = owner;
    addEventListener('online', () => this.retry());
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.retry());
    addEventListener('pagehide', () => this.#drop());
    addEventListener('pageshow', (e) => e.persisted && this.start());
  }

  async start() {
    this.#drop();
    const me = ++this.#attempt;
    const fail = (t) => me === this.#attempt && this.#fail(t);
    this.#setState('connecting');
    if (typeof RTCPeerConnection === 'undefined') {
      fail(new Trouble('webrtc', 'This browser has WebRTC switched off or lacks it. The room needs it.', true));
      return;
    }
    const pc = this.pc = new RTCPeerConnection();
    this.chat = pc.createDataChannel('chat');
    this.live = pc.createDataChannel('live', { ordered: false, maxRetransmits: 0 });
    this.chat.onmessage = (e) => me === this.#attempt && this.#event(JSON.parse(e.data));
    this.live.onmessage = (e) => me === this.#attempt && this.owner.onLive(JSON.parse(e.data));
    try {
      await this.#signal(pc);
      if (me !== this.#attempt) return;
      await this.#opened(pc);
      if (me !== this.#attempt) return;
    } catch (err) {
      fail(err instanceof Trouble ? err : new Trouble('browser', `The browser could not connect: ${err.message}`));
      return;
    }
    this.chat.onclose = () => fail(new Trouble('lost', 'The connection to the room was lost.'));
    pc.onconnectionstatechange = () => {
      if (me !== this.#attempt) return;
      if (pc.connectionState === 'failed') fail(new Trouble('lost', 'The connection to the room was lost: the network path is gone (ICE failed).'));
      if (pc.connectionState === 'closed') fail(new Trouble('lost', 'The connection to the room was lost.'));
      if (pc.connectionState === 'disconnected' && this.state === 'open') {
        this.#setState('shaky', { code: 'shaky', text: 'The room is silent. Waiting whether the network recovers.' });
        this.#limit = setTimeout(() => fail(new Trouble('lost', 'The connection to the room was lost.')), SHAKY_MS);
      }
      if (pc.connectionState === 'connected' && this.state === 'shaky') {
        clearTimeout(this.#limit);
        this.#setState('open');
      }
    };
    this.#limit = setTimeout(() => fail(new Trouble('silent', 'The room does not answer although the connection stands.')), WELCOME_MS);
    this.send(this.owner.hello());
  }

  /** Sends a request; false when there is no connection. */
  send(request) {
    if (this.chat?.readyState !== 'open') return false;
    this.chat.send(JSON.stringify(request));
    return true;
  }

  /** Opens the channel of a file. */
  openFile(id) {
    const channel = this.pc.createDataChannel(`file:${id}`);
    channel.binaryType = 'arraybuffer';
    return channel;
  }

  /** Tries again now, if it waits. */
  retry() {
    if (this.state === 'waiting') this.start();
  }

  async #signal(pc) {
    await pc.setLocalDescription();
    await gathered(pc);
    let answer;
    try {
      const response = await fetch('/api/join', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(pc.localDescription),
        signal: AbortSignal.timeout(SIGNAL_MS),
      });
      answer = await response.json().catch(() => null);
      if (!response.ok) {
        throw new Trouble(answer?.code ?? 'http', answer?.reason ?? `The server refused the connection (HTTP ${response.status}).`);
      }
      if (answer === null) throw new Trouble('http', 'The server sent an answer that is none.');
    } catch (err) {
      if (err instanceof Trouble) throw err;
      throw new Trouble('unreachable', navigator.onLine === false
        ? 'This device is offline.'
        : `The server at ${location.host} cannot be reached. Is it still running?`);
    }
    if (pc.signalingState === 'closed') return;
    await pc.setRemoteDescription(answer);
  }

  /** Waits until both channels are open. */
  #opened(pc) {
    return new Promise((resolve, reject) => {
      const blocked = 'A firewall, a VPN or the browser\u2019s WebRTC settings may block UDP.';
      const limit = setTimeout(() => reject(new Trouble('ice',
        `The server answered, but no connection to it came about within ${OPEN_MS / 1000} s (ICE: ${pc.iceConnectionState}). ${blocked}`)), OPEN_MS);
      const check = () => {
        if (pc.connectionState === 'failed') {
          clearTimeout(limit);
          reject(new Trouble('ice', `The server answered, but there is no network path to it (ICE: ${pc.iceConnectionState}). ${blocked}`));
        } else if (this.chat.readyState === 'open' && this.live.readyState === 'open') {
          clearTimeout(limit);
          resolve();
        }
      };
      pc.onconnectionstatechange = check;
      this.chat.onopen = check;
      this.live.onopen = check;
      check();
    });
  }

  #event(event) {
    if (event.type === 'welcome') {
      clearTimeout(this.#limit);
      this.#failures = 0;
      this.#setState('open');
    }
    if (event.type === 'bye') {
      this.#fail(new Trouble(event.code, event.reason, FINAL_BYES.has(event.code)));
      return;
    }
    this.owner.onEvent(event);
  }

  #fail(trouble) {
    this.#drop();
    if (trouble.final) {
      this.#setState('ended', { code: trouble.code, text: trouble.message });
      return;
    }
    let seconds = BACKOFF_S[Math.min(this.#failures++, BACKOFF_S.length - 1)];
    const tick = () => {
      if (seconds <= 0) {
        this.start();
        return;
      }
      this.#setState('waiting', { code: trouble.code, text: trouble.message, seconds });
      seconds--;
      this.#timer = setTimeout(tick, 1000);
    };
    tick();
  }

  #drop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#limit);
    this.#attempt++;
    this.pc?.close();
    this.pc = this.chat = this.live = null;
  }

  #setState(state, detail = {}) {
    this.state = state;
    this.owner.onState(state, detail);
  }
}

/** Waits for the candidates; a browser that is slow to finish joins with those it has. */
function gathered(pc) {
  return new Promise((resolve) => {
    const limit = setTimeout(resolve, GATHER_MS);
    const check = () => {
      if (pc.iceGatheringState !== 'complete') return;
      clearTimeout(limit);
      resolve();
    };
    pc.onicegatheringstatechange = check;
    check();
  });
}
