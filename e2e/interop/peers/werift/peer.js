'use strict';
// werift, all of it TypeScript.
const {readFileSync} = require('node:fs');
const {join} = require('node:path');
const {RTCPeerConnection} = require('werift');
const manifest = process.env.NODE_PATH.split(':').map(dir => join(dir, 'werift', 'package.json'))[0];
require('../lines.js').serve('werift', JSON.parse(readFileSync(manifest, 'utf8')).version, RTCPeerConnection, {binary: Buffer.from});
