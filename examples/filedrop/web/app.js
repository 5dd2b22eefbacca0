// Fetches the file that the link stands for. See protocol.go for what travels.

import { SHA256 } from './sha256.js';
import { Parts } from './parts.js';

const REPORT_EACH = 256 * 1024;
const OPEN_MS = 20000;
const SILENT_MS = 8000; // after which a connection is given up
const REST_S = [0.5, 1, 2, 4, 8, 15];

const $ = id => document.getElementById(id);

/** Trouble that another try does not mend. */
class Final extends Error {}

function size(n) {
  for (const unit of ['bytes', 'kB', 'MB', 'GB']) {
    if (n < 1000) return unit === 'bytes' ? `${n} bytes` : `${n.toFixed(1)} ${unit}`;
    n /= 1000;
  }
  return `${n.toFixed(1)} TB`;
}

function state(name, text) {
  document.body.dataset.state = name;
  $('status').textContent = text;
}

/** One fetch of one file, over as many connections as it takes. */
class Fetch {
  info = null;
  parts = null;
  failures = 0;
  rate = 0; // bytes in a second, smoothed

  async run() {
    for (;;) {
      const before = this.parts?.length ?? 0;
      try {
        await this.connect();
        return;
      } catch (err) {
        if ((this.parts?.length ?? 0) > before) this.failures = 0;
        if (err instanceof Final) throw err;
        const rest = REST_S[Math.min(this.failures++, REST_S.length - 1)];
        state('waiting', `${err.message}; trying again`);
        await new Promise(resolve => setTimeout(resolve, rest * 1000));
      }
    }
  }

  /** Resolves when the file is complete and verified. */
  async connect() {
    if (typeof RTCPeerConnection === 'undefined') throw new Final('This browser has WebRTC switched off, or lacks it.');
    const pc = new RTCPeerConnection();
    try {
      const channel = pc.createDataChannel('file');
      channel.binaryType = 'arraybuffer';
      const messages = new Inbox(pc, channel);
      await signal(pc);
      const info = JSON.parse(await messages.next(OPEN_MS));
      if (this.info && this.info.sha256 !== info.sha256) throw new Final('The sender offers another file now. Open the link again.');
      if (!this.info) {
        this.info = info;
        this.parts = await Parts.open(info.sha256, info.size);
        this.show();
      }
      await this.receive(channel, messages);
      await this.verify(channel);
    } finally {
      pc.close();
    }
  }

  async receive(channel, messages) {
    document.body.dataset.resumed = this.parts.length;
    channel.send(JSON.stringify({ from: this.parts.length }));
    let reported = this.parts.length, since = performance.now(), then = reported;
    while (this.parts.length < this.info.size) {
      const bytes = await messages.next(SILENT_MS);
      if (typeof bytes === 'string' || this.parts.length + bytes.byteLength > this.info.size) throw new Final('The sender sends something else.');
      await this.parts.add(new Uint8Array(bytes));
      if (this.parts.length - reported < REPORT_EACH) continue;
      reported = this.parts.length;
      channel.send(JSON.stringify({ have: reported }));
      const now = performance.now();
      if (now - since > 250) {
        this.rate = (this.rate + (reported - then) / (now - since) * 1000) / (this.rate ? 2 : 1);
        since = now;
        then = reported;
      }
      this.show();
    }
  }

  show() {
    const { name, size: total } = this.info, have = this.parts.length;
    $('name').textContent = name;
    $('size').textContent = size(total);
    $('progress').value = total ? have / total : 1;
    document.body.dataset.have = have;
    document.title = `${total ? Math.floor(have / total * 100) : 100} % ${name}`;
    state('receiving', this.rate ? `${size(have)} are here, ${size(this.rate)} in a second` : `${size(have)} are here`);
  }

  async verify(channel) {
    this.show();
    state('verifying', 'checking that nothing is missing');
    const file = await this.parts.file();
    const sum = new SHA256();
    for (let at = 0; at < file.size; at += 1 << 20) {
      sum.update(new Uint8Array(await file.slice(at, at + (1 << 20)).arrayBuffer()));
    }
    const hex = sum.hex(), verified = hex === this.info.sha256;
    channel.send(JSON.stringify({ verified }));
    if (!verified) {
      await this.parts.drop();
      throw new Final('What arrived is not the file: its SHA-256 differs.');
    }
    await drained(channel);
    const save = $('save');
    save.href = URL.createObjectURL(file);
    save.download = this.info.name;
    save.dataset.sha256 = hex;
    save.dataset.size = file.size;
    save.hidden = false;
    $('proof').textContent = `SHA-256 ${hex}`;
    $('proof').hidden = false;
    state('done', 'The file is complete and verified.');
  }
}

/** The messages of a channel, one after the other; it ends with the connection. */
class Inbox {
  #queue = [];
  #wake = null;
  #trouble = null;

  constructor(pc, channel) {
    const end = text => {
      this.#trouble ??= new Error(text);
      this.#wake?.();
    };
    // Chromium may hand over messages before the channel is open, and can be answered.
    const opened = new Promise(open => { channel.onopen = open; });
    channel.onmessage = async e => {
      await opened;
      this.#queue.push(e.data);
      this.#wake?.();
    };
    channel.onclose = () => end('The connection was closed');
    pc.onconnectionstatechange = () => pc.connectionState === 'failed' && end('The connection was lost');
  }

  async next(ms) {
    if (this.#queue.length === 0 && !this.#trouble) {
      let timer;
      await new Promise(resolve => {
        this.#wake = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.#wake = null;
    }
    if (this.#queue.length > 0) return this.#queue.shift();
    throw this.#trouble ?? new Error('The sender is silent');
  }
}

async function signal(pc) {
  await pc.setLocalDescription();
  if (pc.iceGatheringState !== 'complete') {
    await new Promise(resolve => {
      const look = () => pc.iceGatheringState === 'complete' && resolve();
      pc.addEventListener('icegatheringstatechange', look);
      setTimeout(resolve, 2000);
    });
  }
  let answer;
  try {
    answer = await fetch('/api/offer', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ key: location.hash.slice(1), offer: pc.localDescription }),
      signal: AbortSignal.timeout(OPEN_MS),
    });
  } catch {
    throw new Error('The sender cannot be reached');
  }
  if (!answer.ok) {
    const text = await answer.text();
    throw answer.status < 500 ? new Final(text) : new Error(text);
  }
  await pc.setRemoteDescription(await answer.json());
}

/** Waits until what was sent is out, so that closing does not lose it. */
async function drained(channel) {
  for (let i = 0; i < 50 && channel.readyState === 'open' && channel.bufferedAmount > 0; i++) {
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  await new Promise(resolve => setTimeout(resolve, 200));
}

async function start() {
  $('again').hidden = true;
  state('connecting', 'connecting to the sender');
  try {
    await new Fetch().run();
  } catch (err) {
    state('failed', err.message);
    $('again').hidden = false;
  }
}

$('again').onclick = start;
start();
