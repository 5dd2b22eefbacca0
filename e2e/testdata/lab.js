'use strict';
// What the tests call in a bare page: peers are RTCPeerConnections by name,
// channels are RTCDataChannels by the name of their peer and their label.
// Nothing here waits by the clock: every event of a peer or channel makes
// until() look again. Time limits are the caller's.
const lab = (() => {
  const peers = new Map(), channels = new Map(), waiting = new Set();

  const happened = () => { for (const look of [...waiting]) look(); };

  // until resolves with the first truthy value of probe.
  const until = probe => new Promise((resolve, reject) => {
    const look = () => {
      try {
        const value = probe();
        if (!value) return;
        waiting.delete(look);
        resolve(value);
      } catch (e) {
        waiting.delete(look);
        reject(e);
      }
    };
    waiting.add(look);
    look();
  });

  const get = (map, key) => {
    if (!map.has(key)) throw new Error(`no ${key}; there are: ${[...map.keys()]}`);
    return map.get(key);
  };

  // ---- peers

  const create = (name, config) => {
    const pc = new RTCPeerConnection(config || {});
    const peer = {pc, candidates: [], gathered: false, states: []};
    peers.set(name, peer);
    pc.onicecandidate = e => {
      if (e.candidate) peer.candidates.push(e.candidate.toJSON());
      else peer.gathered = true;
      happened();
    };
    for (const type of ['connectionstatechange', 'iceconnectionstatechange', 'icegatheringstatechange', 'signalingstatechange']) {
      pc.addEventListener(type, () => {
        peer.states.push(`${type.replace('statechange', '')} ${{
          connectionstatechange: pc.connectionState, iceconnectionstatechange: pc.iceConnectionState,
          icegatheringstatechange: pc.iceGatheringState, signalingstatechange: pc.signalingState}[type]}`);
        happened();
      });
    }
    pc.ondatachannel = e => adopt(name, e.channel, {incoming: true, stateAtEvent: e.channel.readyState});
  };

  // describe makes and sets the local description: an offer, or the answer to
  // the offer that was set. Without trickle it waits for all candidates.
  const describe = async (name, trickle) => {
    const {pc} = get(peers, name);
    await pc.setLocalDescription();
    if (!trickle) await until(() => pc.iceGatheringState === 'complete');
    return pc.localDescription.toJSON();
  };

  // answerAs sets an answer of that type and waits for all candidates.
  const answerAs = async (name, type) => {
    const {pc} = get(peers, name);
    const {sdp} = await pc.createAnswer();
    await pc.setLocalDescription({type, sdp});
    await until(() => pc.iceGatheringState === 'complete');
    return pc.localDescription.toJSON();
  };

  const rollback = name => get(peers, name).pc.setLocalDescription({type: 'rollback'});

  const accept = (name, description) => get(peers, name).pc.setRemoteDescription(description);

  // restart makes the next offer restart ICE; candidates begin anew on both sides.
  const restart = name => { get(peers, name).pc.restartIce(); };
  const regather = name => { Object.assign(get(peers, name), {candidates: [], gathered: false}); };

  // candidates waits for more than the first n and returns the rest, with
  // whether they are the last.
  const candidates = async (name, n) => {
    const peer = get(peers, name);
    await until(() => peer.candidates.length > n || peer.gathered);
    return {candidates: peer.candidates.slice(n), done: peer.gathered};
  };

  const addCandidate = (name, candidate) => get(peers, name).pc.addIceCandidate(candidate);

  const connectionState = (name, ...states) => until(() => {
    const {pc} = get(peers, name);
    return states.includes(pc.connectionState) && pc.connectionState;
  });

  const addMedia = (name, kinds) => {
    for (const kind of kinds) get(peers, name).pc.addTransceiver(kind);
  };

  const stopMedia = name => { for (const t of get(peers, name).pc.getTransceivers()) t.stop(); };

  // directions are those that are negotiated for the media of a peer.
  const directions = name => get(peers, name).pc.getTransceivers().map(t => String(t.currentDirection));

  const closePeer = name => { get(peers, name).pc.close(); };

  const forgetPeer = name => { peers.delete(name); };

  // connection is the RTCPeerConnection of a peer.
  const connection = name => get(peers, name).pc;

  // report says what a failed test wants to know about every peer and channel.
  const report = () => ({
    peers: Object.fromEntries([...peers].map(([name, {pc, states}]) => [name, {
      connection: pc.connectionState, ice: pc.iceConnectionState, signaling: pc.signalingState,
      sctp: pc.sctp && pc.sctp.state, dtls: pc.sctp && pc.sctp.transport.state, states}])),
    channels: Object.fromEntries([...channels].map(([key, c]) => [key, {
      state: c.dc.readyState, id: c.dc.id, events: c.events, received: c.received,
      buffered: c.dc.bufferedAmount}])),
  });

  // ---- channels

  const adopt = (name, dc, extra) => {
    const channel = {dc, events: [], inbox: [], received: 0, ...extra};
    channels.set(`${name}/${dc.label}`, channel);
    dc.binaryType = 'arraybuffer';
    for (const type of ['open', 'closing', 'close', 'error', 'bufferedamountlow']) {
      dc.addEventListener(type, e => {
        channel.events.push(type === 'error' && e.error ? `error ${e.error.errorDetail}` : type);
        happened();
      });
    }
    dc.onmessage = e => {
      channel.received++;
      if (channel.onData) channel.onData(e.data);
      else channel.inbox.push(e.data);
      happened();
    };
    happened();
    return channel;
  };

  const open = (name, label, init) => { adopt(name, get(peers, name).pc.createDataChannel(label, init || {})); };

  // opened waits until the channel is there and open, and returns its
  // properties.
  const opened = async key => {
    const channel = await until(() => channels.get(key));
    await until(() => {
      if (['closing', 'closed'].includes(channel.dc.readyState)) throw new Error(`${key} is ${channel.dc.readyState}`);
      return channel.dc.readyState === 'open';
    });
    return properties(key);
  };

  const properties = key => {
    const {dc, incoming, stateAtEvent} = get(channels, key);
    return {label: dc.label, protocol: dc.protocol, ordered: dc.ordered, negotiated: dc.negotiated, id: dc.id,
      maxRetransmits: dc.maxRetransmits, maxPacketLifeTime: dc.maxPacketLifeTime,
      incoming: !!incoming, stateAtEvent: stateAtEvent || ''};
  };

  // closed waits until the channel is closed and returns its events.
  const closed = async key => {
    const channel = get(channels, key);
    await until(() => channel.dc.readyState === 'closed' && channel.events.includes('close'));
    return channel.events;
  };

  const close = key => { get(channels, key).dc.close(); };

  const forget = key => { channels.delete(key); };

  const count = name => [...channels].filter(([key, c]) => key.startsWith(name + '/') && c.dc.readyState === 'open').length;

  // ---- messages

  // fill makes size bytes from a seed by xorshift32, as its twin in Go does.
  const fill = (size, seed) => {
    const words = new Uint32Array((size + 3) >> 2);
    for (let i = 0, x = seed; i < words.length; i++) {
      x ^= x << 13; x ^= x >>> 17; x ^= x << 5;
      words[i] = x;
    }
    return new Uint8Array(words.buffer, 0, size);
  };

  // payload makes what a message {text, size, seed} carries. Text is made of
  // ASCII letters, so that size is bytes and characters.
  const payload = ({text, size, seed}) => {
    const bytes = fill(size, seed);
    if (!text) return bytes;
    for (let i = 0; i < size; i++) bytes[i] = 97 + (bytes[i] & 15);
    return new TextDecoder().decode(bytes);
  };

  const send = (key, message) => { get(channels, key).dc.send(payload(message)); };
  const sendText = (key, text) => { get(channels, key).dc.send(text); };

  const digest = async bytes => [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))]
    .map(b => b.toString(16).padStart(2, '0')).join('');

  // receive waits for n messages and says what they are, oldest first.
  const receive = async (key, n) => {
    const channel = await until(() => channels.get(key));
    await until(() => {
      if (channel.inbox.length < n && channel.dc.readyState === 'closed') {
        throw new Error(`${key} closed with ${channel.inbox.length} messages of ${n}`);
      }
      return channel.inbox.length >= n;
    });
    return Promise.all(channel.inbox.splice(0, n).map(async data => {
      const text = typeof data === 'string';
      const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data);
      return {text, size: bytes.length, sha256: await digest(bytes), start: text ? data.slice(0, 64) : ''};
    }));
  };

  // bulk sends messages of that size with seeds first, first + 1, ..., keeping
  // the buffered amount between low and high.
  const bulk = async (key, size, count, first, low, high) => {
    const {dc} = get(channels, key);
    dc.bufferedAmountLowThreshold = low;
    let most = 0;
    for (let i = 0; i < count; i++) {
      if (dc.bufferedAmount > high) await until(() => dc.bufferedAmount <= low || dc.readyState !== 'open');
      dc.send(payload({size, seed: first + i}));
      most = Math.max(most, dc.bufferedAmount);
    }
    return most;
  };

  const echo = key => {
    const channel = get(channels, key);
    channel.onData = data => channel.dc.send(data);
  };

  return {create, describe, answerAs, rollback, accept, candidates, addCandidate, restart, regather, connectionState, addMedia, stopMedia, directions, closePeer, forgetPeer, connection, report,
    open, opened, properties, closed, close, forget, count, send, sendText, receive, bulk, echo, until, happened};
})();
