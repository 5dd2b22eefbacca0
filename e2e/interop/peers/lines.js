'use strict';
// The peer of core.js as a program: JSON lines on standard input and output.
const {createInterface} = require('node:readline');
const {makePeer} = require('./core.js');

const write = object => process.stdout.write(JSON.stringify(object) + '\n');

// serve runs a peer on an RTCPeerConnection until standard input ends.
module.exports.serve = (name, version, RTCPeerConnection, options) => {
  const peer = makePeer(RTCPeerConnection, write, options);
  createInterface({input: process.stdin})
    .on('line', async line => write(await peer(JSON.parse(line))))
    .on('close', () => process.exit(0));
  write({event: 'ready', name, version});
};
