// Files: what this page offers, and what it receives. Bytes go through in a
// window that the other end acknowledges, so that neither this page nor the
// room holds more than that of them.

import { SHA256 } from './sha256.js';

const CHUNK = 16 << 10;        // bytes of a message: chat passes between two of them
const SLICE = 1 << 20;         // bytes read from the file at a time
const BUFFERED_HIGH = 256 << 10; // bytes in the channel before sending pauses
const BUFFERED_LOW = 64 << 10;  // bytes at which it goes on
const ACK = 64 << 10;
const FOLD = 8 << 20;          // bytes kept as buffers before the browser may move them to disk
const STALL_MS = 90000;

export class Transfers {
  limits = { file: 0, window: 1 << 19 };
  held = new Map();     // id -> File
  #offered = new Map(); // ref -> File, until the room has given an id
  #active = new Map();  // key -> Transfer

  /** @param {{connection: () => Connection, changed: (t: Transfer) => void}} owner */
  constructor(owner) {
    // A run that another one of the same file has replaced is no longer shown.
    this.owner = { ...owner, changed: (t) => this.#active.get(t.key) === t && owner.changed(t) };
  }

  /** Offers a file to the room; returns an error text, or null. */
  offer(file, ref) {
    if (this.limits.file && file.size > this.limits.file) {
      return `${file.name} is larger than this room allows.`;
    }
    this.#offered.set(ref, file);
    if (!this.owner.connection().send({ type: 'offer', ref, name: file.name, size: file.size })) {
      this.#offered.delete(ref);
      return `${file.name} was not offered: there is no connection to the room.`;
    }
    return null;
  }

  /** The room has put our file on offer. */
  accepted(ref, id) {
    const file = this.#offered.get(ref);
    if (!file) return;
    this.#offered.delete(ref);
    this.held.set(id, file);
  }

  refused(ref) {
    this.#offered.delete(ref);
  }

  gone(id) {
    this.held.delete(id);
  }

  /** The room calls for a file of ours. */
  send(id) {
    const file = this.held.get(id);
    if (!file) return;
    this.#run(new Upload(id, file, this.limits.window, this.owner), this.owner.connection());
  }

  /** Starts to receive a file. */
  receive(id, name, size) {
    if (this.#active.get(`receive ${id}`)?.busy) return;
    this.#run(new Download(id, name, size, this.owner), this.owner.connection());
  }

  receipt(receipt) {
    this.#active.get(`send ${receipt.file}`)?.receipt(receipt);
  }

  /** Bytes that wait in the channels of files. */
  get buffered() {
    let sum = 0;
    for (const t of this.#active.values()) if (t.busy) sum += t.channel?.bufferedAmount ?? 0;
    return sum;
  }

  dismiss(transfer) {
    if (transfer.busy) transfer.cancel();
    else if (this.#active.get(transfer.key) === transfer) this.#active.delete(transfer.key);
  }

  #run(transfer, connection) {
    transfer.receipts = this.#active.get(transfer.key)?.receipts ?? [];
    this.#active.set(transfer.key, transfer);
    transfer.run(connection).then(
      () => transfer.set('done'),
      (err) => transfer.fail(err.message));
  }
}

/** What both directions have: state, progress, speed. */
class Transfer {
  state = 'waiting'; // waiting, active, done, failed
  bytes = 0;
  note = '';
  sha256 = '';
  verified = null; // true or false once known
  rate = 0;        // bytes per second
  #shown = 0;
  #mark = { at: 0, bytes: 0 };

  constructor(direction, id, name, size, owner) {
    Object.assign(this, { direction, id, name, size, owner, key: `${direction} ${id}` });
  }

  get busy() {
    return this.state === 'waiting' || this.state === 'active';
  }

  set(state) {
    this.state = state;
    this.owner.changed(this);
  }

  fail(text) {
    this.note = text;
    this.set('failed');
  }

  progress(bytes) {
    this.bytes = bytes;
    const now = performance.now();
    if (this.state === 'waiting') {
      this.state = 'active';
      this.#mark = { at: now, bytes };
    }
    if (now - this.#mark.at > 500) {
      const rate = (bytes - this.#mark.bytes) / (now - this.#mark.at) * 1000;
      this.rate = this.rate ? 0.6 * this.rate + 0.4 * rate : rate;
      this.#mark = { at: now, bytes };
    }
    if (now - this.#shown > 100 || bytes === this.size) {
      this.#shown = now;
      this.owner.changed(this);
    }
  }

  cancel() {
    if (this.channel?.readyState === 'open') this.channel.send(JSON.stringify({ abort: 'stopped by the other side' }));
    this.stop?.(new Error('You stopped it.'));
    this.channel?.close();
  }
}

class Upload extends Transfer {
  receipts = []; // {nick, ok, sha256, note}
  #acked = 0;
  #wake = () => {};
  #error = null;
  #closed = false;

  constructor(id, file, window, owner) {
    super('send', id, file.name, file.size, owner);
    this.file = file;
    this.window = window;
  }

  async run(connection) {
    const channel = this.channel = connection.openFile(this.id);
    this.owner.changed(this);
    channel.bufferedAmountLowThreshold = BUFFERED_LOW;
    channel.onopen = channel.onbufferedamountlow = () => this.#wake();
    channel.onclose = () => { this.#closed = true; this.#wake(); };
    channel.onmessage = (e) => this.#control(JSON.parse(e.data));
    this.stop = (err) => { this.#error = err; this.#wake(); };
    try {
      await this.#until(() => channel.readyState === 'open');
      await this.#sendAll(channel);
      await this.#until(() => this.#closed, true);
      if (this.#acked !== this.size) throw this.#error ?? new Error('The connection ended.');
    } catch (err) {
      if (channel.readyState === 'open') channel.send(JSON.stringify({ abort: 'the sender stopped' }));
      throw err;
    } finally {
      channel.close();
    }
  }

  async #sendAll(channel) {
    const hash = new SHA256();
    let sent = 0;
    for (let at = 0; at < this.size; at += SLICE) {
      let slice;
      try {
        slice = new Uint8Array(await this.file.slice(at, at + SLICE).arrayBuffer());
      } catch {
        throw new Error('The file cannot be read any more.');
      }
      for (let from = 0; from < slice.length; from += CHUNK) {
        const chunk = slice.subarray(from, from + CHUNK);
        await this.#until(() => sent + chunk.length - this.#acked <= this.window && channel.bufferedAmount < BUFFERED_HIGH);
        channel.send(chunk);
        hash.update(chunk);
        sent += chunk.length;
      }
    }
    this.sha256 = hash.hex();
    channel.send(JSON.stringify({ end: { size: sent, sha256: this.sha256 } }));
  }

  #control(control) {
    if (control.abort) this.#error = new Error(control.abort);
    if (control.ack > this.#acked) {
      this.#acked = control.ack;
      this.progress(this.#acked);
    }
    this.#wake();
  }

  /** Waits for a condition, an error, or the end of the channel. */
  async #until(condition, closing = false) {
    while (!condition()) {
      if (this.#error) throw this.#error;
      if (this.#closed && !closing) throw new Error('The connection ended.');
      await new Promise((resolve, reject) => {
        const limit = setTimeout(() => reject(new Error('No progress for too long.')), STALL_MS);
        this.#wake = () => { clearTimeout(limit); resolve(); };
      });
    }
    if (this.#error) throw this.#error;
  }

  receipt(receipt) {
    this.receipts = [...this.receipts.slice(-9), receipt];
    this.owner.changed(this);
  }
}

class Download extends Transfer {
  blob = null;
  #hash = new SHA256();
  #acked = 0;
  #parts = [];
  #partBytes = 0;
  #blobs = [];

  constructor(id, name, size, owner) {
    super('receive', id, name, size, owner);
  }

  run(connection) {
    const channel = this.channel = connection.openFile(this.id);
    this.owner.changed(this);
    return new Promise((resolve, reject) => {
      this.stop = reject;
      // Chromium may hand over messages while the channel is still connecting, and
      // nothing can be sent on it: they wait for the open event.
      const opened = new Promise((open) => { channel.onopen = open; });
      channel.onmessage = async (e) => {
        await opened;
        try {
          if (typeof e.data !== 'string') this.#take(new Uint8Array(e.data));
          else if (this.#control(JSON.parse(e.data))) resolve();
        } catch (err) {
          reject(err);
        }
      };
      channel.onclose = () => reject(new Error('The connection ended.'));
    }).finally(() => { this.#parts = this.#blobs = []; });
  }

  #take(bytes) {
    const received = this.bytes + bytes.length;
    if (received > this.size) {
      this.cancel();
      throw new Error('More bytes came than were announced.');
    }
    this.#hash.update(bytes);
    this.#parts.push(bytes);
    this.#partBytes += bytes.length;
    if (this.#partBytes >= FOLD) this.#fold();
    this.progress(received);
    if (received - this.#acked >= ACK && this.channel.readyState === 'open') {
      this.#acked = received;
      this.channel.send(JSON.stringify({ ack: received }));
    }
  }

  /** Hands the buffers to the browser, which may keep them on disk. */
  #fold() {
    this.#blobs.push(new Blob(this.#parts));
    this.#parts = [];
    this.#partBytes = 0;
  }

  #control(control) {
    if (control.abort) throw new Error(control.abort);
    if (!control.end) return false;
    this.sha256 = this.#hash.hex();
    this.verified = this.bytes === control.end.size && this.sha256 === control.end.sha256;
    const note = this.verified ? '' : 'the SHA-256 differs, the file is damaged';
    this.channel.send(JSON.stringify({ receipt: { ok: this.verified, sha256: this.sha256, note } }));
    if (!this.verified) throw new Error('The SHA-256 differs: the file is damaged and was not saved.');
    this.#fold();
    // Never a type that a browser would open in this origin.
    this.blob = new Blob(this.#blobs, { type: 'application/octet-stream' });
    return true;
  }
}
