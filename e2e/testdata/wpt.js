'use strict';
// One end of the rows of package wpt, on peers of the lab. Channels have numbers; each has a
// queue of its events, as their handlers saw the channel. See wptpage_test.go for the other end.
const wpt = (() => {
  const ends = new Map(), channels = new Map(); // by the name of the peer; by number
  let last = 0;

  const queue = () => {
    const items = [];
    let wake = () => {};
    return {
      push: item => { items.push(item); wake(); },
      // take returns what is there, and waits until something is if it should.
      take: async wait => {
        while (wait && items.length === 0) await new Promise(done => { wake = done; });
        return items.splice(0);
      },
      count: () => items.length,
    };
  };

  const encode = bytes => {
    let s = '';
    for (let i = 0; i < bytes.length; i += 8192) s += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(s);
  };
  const decode = s => Uint8Array.from(atob(s), c => c.charCodeAt(0));

  const adopt = (peer, dc) => {
    const n = ++last, events = queue();
    const note = (type, more) => events.push({type, readyState: dc.readyState, bufferedAmount: dc.bufferedAmount, ...more});
    dc.binaryType = 'arraybuffer';
    for (const type of ['open', 'bufferedamountlow', 'closing', 'close']) dc.addEventListener(type, () => note(type));
    dc.onerror = ({error}) => note('error', error ? {name: error.name, errorDetail: error.errorDetail, sctpCauseCode: error.sctpCauseCode} : {});
    dc.onmessage = ({data}) => {
      const text = typeof data === 'string';
      note('message', {text, data: encode(text ? new TextEncoder().encode(data) : new Uint8Array(data))});
    };
    channels.set(n, {peer, dc, events});
    return n;
  };

  // ---- connections

  const end = peer => {
    const e = {incoming: queue(), send: '', close: false};
    ends.set(peer, e);
    lab.connection(peer).ondatachannel = ({channel}) => {
      const state = channel.readyState, n = adopt(peer, channel), {send, close} = e;
      Object.assign(e, {send: '', close: false});
      if (send) channel.send(send);
      if (close) channel.close();
      e.incoming.push({channel: n, state});
    };
  };

  // create returns the channel, or the name of what was thrown.
  const create = (peer, label, init) => {
    try {
      return {channel: adopt(peer, lab.connection(peer).createDataChannel(label, init))};
    } catch (e) {
      return {thrown: e.name};
    }
  };

  const inDataChannel = (peer, send, close) => { Object.assign(ends.get(peer), {send, close}); };
  const accept = peer => ends.get(peer).incoming.take(true);
  const accepted = peer => ends.get(peer).incoming.count();

  const sctp = peer => {
    const {sctp} = lab.connection(peer);
    if (!sctp) return {state: '', size: 0, channels: 0};
    return {state: sctp.state, size: sctp.maxMessageSize === Infinity ? -1 : sctp.maxMessageSize || 0, channels: sctp.maxChannels || 0};
  };

  const forget = peer => {
    lab.forgetPeer(peer);
    ends.delete(peer);
    for (const [n, channel] of channels) if (channel.peer === peer) channels.delete(n);
  };

  // ---- channels

  const attributes = n => {
    const {label, ordered, maxPacketLifeTime, maxRetransmits, protocol, negotiated, id, readyState,
      bufferedAmount, bufferedAmountLowThreshold} = channels.get(n).dc;
    return {label, ordered, maxPacketLifeTime, maxRetransmits, protocol, negotiated, id, readyState,
      bufferedAmount, bufferedAmountLowThreshold};
  };

  // send sends each message as often as it says, in this one task.
  const send = (n, messages) => {
    const {dc} = channels.get(n), amounts = [];
    try {
      for (const {text, data, times} of messages) {
        const bytes = decode(data || ''), message = text ? new TextDecoder('utf-8', {ignoreBOM: true}).decode(bytes) : bytes;
        for (let i = 0; i < times; i++) {
          dc.send(message);
          amounts.push(dc.bufferedAmount);
        }
      }
    } catch (e) {
      return {amounts, thrown: e.name};
    }
    return {amounts};
  };

  const setThreshold = (n, bytes) => { channels.get(n).dc.bufferedAmountLowThreshold = bytes; };
  const close = n => { channels.get(n).dc.close(); };
  const events = (n, wait) => channels.get(n).events.take(wait);

  // ---- settling

  // turns lets other tasks run.
  const turns = async n => { for (let i = 0; i < n; i++) await new Promise(done => { setTimeout(done); }); };

  // pulse makes a negotiated channel that echoes what comes, some tasks later.
  const pulse = (peer, id) => {
    const dc = lab.connection(peer).createDataChannel('', {negotiated: true, id});
    dc.onmessage = async ({data}) => {
      await turns(2);
      if (dc.readyState === 'open') dc.send(data);
    };
  };

  return {end, create, inDataChannel, accept, accepted, sctp, forget, attributes, send, setThreshold, close, events, turns, pulse};
})();
