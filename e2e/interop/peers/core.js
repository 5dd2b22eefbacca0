'use strict';
// A peer of the interop tests on the W3C's RTCPeerConnection, in a browser or in Node.
// Package interop describes the commands and events. makePeer returns the function that carries out
// a command; emit gets the events. Where the library takes no Uint8Array, options.binary makes of
// one what it takes; options.noLimit is what it has for a limit that there is not, beside null.
(() => {
  const maxPayload = 1 << 20;
  const noise = (() => {
    const words = new Uint32Array((maxPayload + (1 << 16)) / 4);
    for (let i = 0, x = 1; i < words.length; i++) {
      x ^= x << 13; x ^= x >>> 17; x ^= x << 5;
      words[i] = x;
    }
    return new Uint8Array(words.buffer);
  })();
  const payload = (n, size) => noise.subarray(n & 0xffff, (n & 0xffff) + size);
  const textPayload = (n, size) => new TextDecoder().decode(payload(n, size).map(b => 97 + (b & 15)));

  const table = Uint32Array.from({length: 256}, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? n >>> 1 ^ 0xedb88320 : n >>> 1;
    return n;
  });
  const crc32 = bytes => {
    let crc = -1;
    for (const b of bytes) crc = table[(crc ^ b) & 255] ^ crc >>> 8;
    return (crc ^ -1) >>> 0;
  };

  const equal = (a, b) => {
    if (typeof Buffer !== 'undefined') return Buffer.compare(a, b) === 0;
    if (a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  };

  const pause = ms => new Promise(done => setTimeout(done, ms));

  const makePeer = (RTCPeerConnection, emit, options = {}) => {
    let pc, number, channels = new Map();
    const limit = n => n === undefined || n === options.noLimit ? null : n;
    const binary = options.binary || (bytes => bytes); // what send takes

    const adopt = (dc, incoming) => {
      const report = (event, more) => emit({event, pc: mine, label: dc.label, ...more});
      const mine = number, ch = {dc, checking: false, received: 0, wrong: 0};
      let open = false;
      channels.set(dc.label, ch);
      dc.binaryType = 'arraybuffer';
      const opened = () => {
        if (open) return;
        open = true;
        report('open', {protocol: dc.protocol, stream: dc.id, incoming, negotiated: dc.negotiated, ordered: dc.ordered,
          maxRetransmits: limit(dc.maxRetransmits), maxPacketLifeTime: limit(dc.maxPacketLifeTime)});
      };
      dc.onopen = opened;
      dc.onclose = () => report('close');
      dc.onmessage = ({data}) => {
        const text = typeof data === 'string';
        if (ch.checking && text) {
          ch.checking = false;
          report('checked', {received: ch.received, wrong: ch.wrong});
          return;
        }
        const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data.buffer || data, data.byteOffset || 0, data.byteLength);
        if (!ch.checking) {
          opened();
          report('message', {text, size: bytes.length, crc: crc32(bytes)});
          return;
        }
        if (bytes.length > maxPayload || !equal(bytes, payload(ch.received, bytes.length))) ch.wrong++;
        ch.received++;
      };
      if (dc.readyState === 'open') opened();
    };

    // local waits for all candidates.
    const local = async description => {
      await pc.setLocalDescription(description);
      const mine = pc;
      while (mine.iceGatheringState !== 'complete') await pause(5);
      return {sdp: mine.localDescription.sdp};
    };

    const bulk = async ({dc}, {size, ms}) => {
      let sent = 0;
      for (const end = performance.now() + ms; performance.now() < end;) {
        if (dc.bufferedAmount > 1 << 20) { await pause(2); continue; }
        dc.send(binary(payload(sent++, size)));
        if (sent % 16 === 0) await pause(0);
      }
      dc.send('end');
      return {sent};
    };

    const ops = {
      new: command => {
        if (pc) pc.close();
        number = command.pc;
        channels = new Map();
        pc = new RTCPeerConnection({iceServers: []});
        const mine = number, one = pc;
        pc.onconnectionstatechange = () => emit({event: 'state', pc: mine, state: one.connectionState});
        pc.ondatachannel = e => adopt(e.channel, true);
      },
      offer: async () => local(await pc.createOffer()),
      answer: async ({sdp}) => {
        await pc.setRemoteDescription({type: 'offer', sdp});
        return local(await pc.createAnswer());
      },
      accept: ({sdp}) => pc.setRemoteDescription({type: 'answer', sdp}),
      open: ({label, ordered, protocol, maxRetransmits, maxPacketLifeTime, negotiated, stream}) => {
        const init = {ordered};
        for (const [name, value] of Object.entries({protocol, maxRetransmits, maxPacketLifeTime, negotiated, id: stream})) {
          if (value !== undefined) init[name] = value;
        }
        adopt(pc.createDataChannel(label, init), false);
      },
      send: ({label, from, count, size, text}) => {
        const {dc} = channels.get(label);
        for (let i = 0; i < count; i++) dc.send(text ? textPayload(from + i, size) : binary(payload(from + i, size)));
      },
      check: ({label}) => { channels.get(label).checking = true; },
      bulk: command => bulk(channels.get(command.label), command),
      close: ({label}) => channels.get(label).dc.close(),
      end: () => pc.close(),
    };

    return async command => {
      try {
        return {id: command.id, ...await ops[command.op](command)};
      } catch (e) {
        return {id: command.id, error: String(e && e.stack || e)};
      }
    };
  };

  if (typeof module !== 'undefined') module.exports = {makePeer, payload};
  else globalThis.makePeer = makePeer;
})();
