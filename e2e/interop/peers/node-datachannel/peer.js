'use strict';
// libdatachannel, and usrsctp in it, by its own interface: what follows gives that the
// W3C's shape, as far as core.js needs it.
const {readFileSync} = require('node:fs');
const {join} = require('node:path');
const native = require('node-datachannel');

class Channel {
  constructor(dc) {
    this.dc = dc;
    this.readyState = dc.isOpen() ? 'open' : 'connecting';
    dc.onOpen(() => { this.readyState = 'open'; this.onopen?.(); });
    dc.onClosed(() => { this.readyState = 'closed'; this.onclose?.(); });
    dc.onError(error => console.error(`channel ${this.label}: ${error}`));
    dc.onMessage(data => this.onmessage?.({data}));
    this.label = dc.getLabel();
    this.protocol = dc.getProtocol();
  }

  get id() { return this.dc.getId(); }

  get bufferedAmount() { return this.dc.bufferedAmount(); }

  send(data) {
    if (typeof data === 'string') this.dc.sendMessage(data);
    else this.dc.sendMessageBinary(Buffer.from(data));
  }

  close() { this.dc.close(); }
}

class Connection {
  constructor() {
    this.pc = new native.PeerConnection('peer', {iceServers: [], disableAutoNegotiation: true});
    this.pc.onStateChange(state => { this.connectionState = state; this.onconnectionstatechange?.(); });
    this.pc.onDataChannel(dc => this.ondatachannel?.({channel: new Channel(dc)}));
  }

  get iceGatheringState() { return this.pc.gatheringState(); }

  get localDescription() { return this.pc.localDescription(); }

  createOffer() { return {type: 'offer'}; }

  createAnswer() { return {type: 'answer'}; }

  setLocalDescription({type}) { this.pc.setLocalDescription(type); }

  setRemoteDescription({type, sdp}) { this.pc.setRemoteDescription(sdp, type); }

  createDataChannel(label, {ordered, ...init}) {
    return new Channel(this.pc.createDataChannel(label, {unordered: ordered === false, ...init}));
  }

  close() { this.pc.close(); }
}

const manifest = process.env.NODE_PATH.split(':').map(dir => join(dir, 'node-datachannel', 'package.json'))[0];
require('../lines.js').serve('node-datachannel', `${JSON.parse(readFileSync(manifest, 'utf8')).version} (libdatachannel ${native.getLibraryVersion()})`, Connection);
