'use strict';
// libwebrtc in Node.
const {RTCPeerConnection} = require('@roamhq/wrtc');
require('../lines.js').serve('@roamhq/wrtc', require('@roamhq/wrtc/package.json').version, RTCPeerConnection, {noLimit: 65535});
