package sctp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"strings"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// cookie is the content of a State Cookie: all that is needed to set up the
// association when it comes back, so that nothing is kept until then (RFC 9260,
// section 5.1.3). It holds nothing that the peer did not send or is not told.
type cookie struct {
	created             time.Time
	life                time.Duration // in whole milliseconds on the wire, rounded up
	localPort, peerPort uint16
	localTag            uint32
	localTSN            wire.TSN
	localTie, peerTie   uint32 // tags of the association that existed, or 0
	peer                peerInit
}

// peerInit is what a peer's INIT or INIT ACK said.
type peerInit struct {
	forwardTSN   bool // partial reliability, by the chunks that go with interleaving or without
	interleaving bool // I-DATA is used instead of DATA
	reconfig     bool
	zeroChecksum bool // it accepts zero checksums under our method
	ecn          bool // so do we
	nrSack       bool // so do we
	pads         bool // it skips a PAD chunk: see knowsPad
	tag          uint32
	window       uint32
	outStreams   uint16
	inStreams    uint16
	initialTSN   wire.TSN
}

const (
	cookieName  = "sluice\x00"
	cookieMagic = cookieName + "\x02"                         // the last byte is the version of the format
	cookieBody  = 8 + 4 + 4 + 4 + 4 + 8 + 4 + 4 + 4 + 4 + 4   // at most 55, so that with the key and its end it is two blocks of SHA-256
	cookieLen   = len(cookieMagic) + cookieBody + sha256.Size // a multiple of 4, so that padding cannot be mistaken
)

var be = binary.BigEndian

// seal appends the cookie to b, authenticated with key but for the first bytes, which are
// always the same.
func (c *cookie) seal(b []byte, key *[32]byte) []byte {
	b = append(b, cookieMagic...)
	start := len(b)
	b = be.AppendUint64(b, uint64(c.created.UnixNano()))
	b = be.AppendUint32(b, uint32((c.life+time.Millisecond-1)/time.Millisecond))
	b = be.AppendUint16(b, c.localPort)
	b = be.AppendUint16(b, c.peerPort)
	b = be.AppendUint32(b, c.localTag)
	b = be.AppendUint32(b, uint32(c.localTSN))
	b = be.AppendUint32(b, c.localTie)
	b = be.AppendUint32(b, c.peerTie)
	b = be.AppendUint32(b, c.peer.tag)
	b = be.AppendUint32(b, c.peer.window)
	b = be.AppendUint16(b, c.peer.outStreams)
	b = be.AppendUint16(b, c.peer.inStreams)
	b = be.AppendUint32(b, uint32(c.peer.initialTSN))
	b = be.AppendUint32(b, c.peer.features())
	mac := hmacSHA256(key, b[start:])
	return append(b, mac[:]...)
}

// openCookie checks the length of a cookie, how it begins, and, in constant time, the MAC,
// before anything else in it is looked at.
func openCookie(key *[32]byte, b []byte) (cookie, bool) {
	if len(b) != cookieLen || string(b[:len(cookieMagic)]) != cookieMagic {
		return cookie{}, false
	}
	body, sealed := b[len(cookieMagic):][:cookieBody], b[len(cookieMagic)+cookieBody:]
	mac := hmacSHA256(key, body)
	if subtle.ConstantTimeCompare(sealed, mac[:]) != 1 {
		return cookie{}, false
	}
	c := cookie{
		created:   time.Unix(0, int64(be.Uint64(body))),
		life:      time.Duration(be.Uint32(body[8:])) * time.Millisecond,
		localPort: be.Uint16(body[12:]),
		peerPort:  be.Uint16(body[14:]),
		localTag:  be.Uint32(body[16:]),
		localTSN:  wire.TSN(be.Uint32(body[20:])),
		localTie:  be.Uint32(body[24:]),
		peerTie:   be.Uint32(body[28:]),
		peer: peerInit{
			tag:        be.Uint32(body[32:]),
			window:     be.Uint32(body[36:]),
			outStreams: be.Uint16(body[40:]),
			inStreams:  be.Uint16(body[42:]),
			initialTSN: wire.TSN(be.Uint32(body[44:])),
		},
	}
	c.peer.setFeatures(be.Uint32(body[48:]))
	return c, true
}

// staleness returns how long the cookie has been expired, 0 if it is valid.
func (c *cookie) staleness(now time.Time) time.Duration {
	return max(0, now.Sub(c.created)-c.life)
}

// hmacSHA256 is HMAC (RFC 2104) with SHA-256. That of the standard library makes six
// objects, which takes most of its time for a message as short as a cookie.
func hmacSHA256(key *[32]byte, message []byte) [32]byte {
	var b [sha256.BlockSize + cookieBody]byte
	copy(b[:], innerPad)
	subtle.XORBytes(b[:], b[:len(key)], key[:])
	sum := sha256.Sum256(append(b[:sha256.BlockSize], message...))
	copy(b[:], outerPad)
	subtle.XORBytes(b[:], b[:len(key)], key[:])
	return sha256.Sum256(append(b[:sha256.BlockSize], sum[:]...))
}

// innerPad and outerPad are what HMAC adds the key to.
var (
	innerPad = strings.Repeat("\x36", sha256.BlockSize)
	outerPad = strings.Repeat("\x5c", sha256.BlockSize)
)

const (
	featureForwardTSN = 1 << iota
	featureReconfig
	featureZeroChecksum
	featureECN
	featureNRSack
	featureInterleaving
	featurePad
)

func (p *peerInit) features() (f uint32) {
	if p.forwardTSN {
		f |= featureForwardTSN
	}
	if p.reconfig {
		f |= featureReconfig
	}
	if p.zeroChecksum {
		f |= featureZeroChecksum
	}
	if p.ecn {
		f |= featureECN
	}
	if p.nrSack {
		f |= featureNRSack
	}
	if p.interleaving {
		f |= featureInterleaving
	}
	if p.pads {
		f |= featurePad
	}
	return f
}

func (p *peerInit) setFeatures(f uint32) {
	p.forwardTSN = f&featureForwardTSN != 0
	p.reconfig = f&featureReconfig != 0
	p.zeroChecksum = f&featureZeroChecksum != 0
	p.interleaving = f&featureInterleaving != 0
	p.ecn = f&featureECN != 0
	p.nrSack = f&featureNRSack != 0
	p.pads = f&featurePad != 0
}
