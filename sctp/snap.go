package sctp

import (
	"bytes"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// This file sets up an association without a handshake on the wire (SNAP,
// draft-hancke-tsvwg-snap): each side sends its INIT chunk, the token, by the
// signalling that sets up the transport below, and takes the other's.

// maxInitToken bounds the tokens that are looked at, in bytes. Ours have less
// than 100.
const maxInitToken = 4 << 10

// An InitTokenError says why a token of the peer cannot be used. The association
// is what it was: Connect sets it up with a handshake.
type InitTokenError struct{ Reason string }

func (e *InitTokenError) Error() string { return "sctp: INIT token: " + e.Reason }

// snapState says whether tokens have set up the association.
type snapState uint8

const (
	snapNone    snapState = iota // a handshake has, or will
	snapUnheard                  // no packet of the peer came in yet: it may have to fall back
	snapHeard
)

// InitToken returns the INIT chunk of the association that New makes of cfg: what
// the peer needs for Association.ConnectWithToken. Seed and whatever else is
// announced in an INIT must be the same when the association is made; ports and
// timers may change.
func InitToken(cfg Config) ([]byte, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	rng := random{key: &cfg.Seed}
	tag, tsn := cfg.TagShard.random(rng.Uint64) // what newAssociation draws first
	return appendInitToken(make([]byte, 0, usualInitToken), newInit(&cfg, tag, tsn), &cfg), nil
}

// InitToken returns the INIT chunk that Connect would send, header included,
// padding excluded. Asking for it changes nothing, and it stays the same until
// the association is established.
func (a *Association) InitToken() []byte { // snap-c
	return appendInitToken(make([]byte, 0, usualInitToken), a.localInit(), a.cfg)
}

// usualInitToken is room for a token of ours, bytes.
const usualInitToken = 64

// appendInitToken appends the token to b, which is empty.
func appendInitToken(b []byte, in wire.Init, cfg *Config) []byte {
	b = appendInit(b, wire.TypeInit, in, cfg, nil, wire.Params{}, 0)
	return b[:int(b[2])<<8|int(b[3])]
}

// CheckInitToken returns an *InitTokenError if an association would refuse the
// token.
func CheckInitToken(token []byte) error {
	_, err := readToken(token, &Config{})
	return err
}

// ConnectWithToken establishes the association by the tokens of both sides, of
// which this side's InitToken was sent to the peer: no INIT, INIT ACK, COOKIE
// ECHO or COOKIE ACK is sent, EventConnected comes at once, and so may data. The
// peer must do the same. One that could not, and begins a handshake, is answered
// as long as nothing else was heard of it; what was sent until then goes out again.
//
// It returns an *InitTokenError if the token does not hold what an INIT must;
// ErrAlreadyStarted or ErrClosed as Connect does.
func (a *Association) ConnectWithToken(now time.Time, peer []byte) error {
	var own [usualInitToken]byte
	switch {
	case a.ended:
		return ErrClosed
	case a.state != Closed:
		return ErrAlreadyStarted
	case bytes.Equal(peer, appendInitToken(own[:0], a.localInit(), a.cfg)): // some peers mirror attributes that they do not know
		return &InitTokenError{"it is the token of this side"}
	}
	f, err := readToken(peer, a.cfg)
	if err != nil {
		return err
	}
	a.peer, a.id.peerTag = f.peer, f.peer.tag
	a.peer.pads = true // who knows SNAP is not of those without
	a.establish(a.clock.read(now), a.paths.primary())
	a.hs.snap = snapUnheard
	a.observe(a.clock.read(now))
	return nil
}

// readToken reads a token, and applies the rules for an INIT that is received
// (RFC 9260, section 3.3.2). Unknown parameters are not reported: there is no
// chunk to do it with.
func readToken(token []byte, cfg *Config) (initFacts, error) {
	bad := func(reason string) (initFacts, error) { return initFacts{}, &InitTokenError{reason} }
	if len(token) > maxInitToken {
		return bad("it is too long")
	}
	c, err := wire.ParseChunk(token)
	if err != nil {
		return bad("it is not one chunk")
	}
	in, err := c.Init()
	switch {
	case err != nil:
		return bad("it is not an INIT chunk")
	case in.Tag == 0: // 9260-3.3.2-a
		return bad("Initiate Tag 0")
	case in.OutStreams == 0 || in.InStreams == 0: // 9260-3.3.2-b
		return bad("no streams")
	case in.ARwnd < minWindow:
		return bad("a window below 1500 bytes")
	}
	f := readInit(in, cfg)
	switch {
	case f.hostName != nil: // 9260-3.3.2.1-a
		return bad("a Host Name Address parameter")
	case f.malformed:
		return bad("malformed parameters")
	}
	return f, nil
}

// fallBack takes the handshake of a peer that was given our token and could not
// use it, or whose token this is not. Nothing else was heard of it, so this is no
// restart: what was sent until now was not taken, and is sent again. If it now
// announces something else than in its token, it is one after all.
func (a *Association) fallBack(now instant, path *path, k *cookie) {
	if k.localTag != a.id.localTag || !a.peer.agrees(&k.peer) {
		a.restart(now, path, k)
		return
	}
	a.adopt(now, k)
	a.hs.finish()
	a.window.advertised = windowBytes(a.peer.window) // T3-rtx may be pacing probes of it
	a.tsns.init(a.peer.initialTSN)
	a.reconfig.peer.next = wire.ReqSeq(a.peer.initialTSN)
	a.sent.markAllLost(now)
	a.sent.rate.forgive()
	a.forward.advance(now, &a.sent, path.rto.srtt)
	a.reconfig.own.again()
	if a.state == ShutdownSent {
		a.closer.want()
	}
	a.answered(path) // that it did not answer until now says nothing of the path
}

// agrees reports whether an association set up with p goes on with q.
func (p *peerInit) agrees(q *peerInit) bool {
	return (p.features()^q.features())&^featurePad == 0 && p.inStreams == q.inStreams && p.outStreams == q.outStreams
}
