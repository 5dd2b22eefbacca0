package sctp

import "math"

// peerWindow is the sender's view of the peer's receive window (RFC 9260,
// section 6.2.1): what the last SACK advertised, less what is outstanding.
type peerWindow struct {
	advertised int  // bytes
	probing    bool // the window is closed; T3-rtx paces probes (RFC 9260, section 6.1, rule A)
	probe      bool // a probe may be sent
	answered   bool // a SACK came in since DATA, or a FORWARD-TSN, went out last
}

// room returns how many bytes of payload may be sent.
func (w *peerWindow) room(flightPayload int) int { return max(0, w.advertised-flightPayload) }

// update takes the window that a SACK advertises and reports whether it opened
// one that was being probed.
func (w *peerWindow) update(aRwnd uint32) (opened bool) {
	advertised := windowBytes(aRwnd)
	opened = w.probing && advertised > w.advertised
	w.advertised, w.answered = advertised, true
	if opened {
		w.probing, w.probe = false, false
	}
	return opened
}

// windowBytes converts a window advertised in a chunk to an int of 32 bits too.
func windowBytes(aRwnd uint32) int { return int(min(aRwnd, math.MaxInt32)) }
