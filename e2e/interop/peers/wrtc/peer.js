'use strict';
const {RTCPeerConnection} = require('@roamhq/wrtc');
require('../lines.js').serve('@roamhq/wrtc', require('@roamhq/wrtc/package.json').version, RTCPeerConnection);
