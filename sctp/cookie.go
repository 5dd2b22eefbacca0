package sctp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// cookie is the content of a State Cookie: all that is needed to set up the
// association when it comes back, so that nothing is kept until then (RFC 9260,
// section 5.1.3). It holds nothing that the peer did not send or is not told.
type cookie struct {
	created             time.Time
	life                time.Duration
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
	tag          uint32
	window       uint32
	outStreams   uint16
	inStreams    uint16
	initialTSN   wire.TSN
}

const (
	cookieMagic  = "sluice\x00\x01"                              // the last byte is the version of the format
	cookieLen    = 8 + 8 + 8 + 4 + 4 + 4 + 8 + 4 + 4 + 4 + 4 + 4 // with the MAC a multiple of 4, so that padding cannot be mistaken
	cookieMACLen = sha256.Size
)

var be = binary.BigEndian

// seal appends the cookie to b, authenticated with key.
func (c *cookie) seal(b []byte, key *[32]byte) []byte {
	start := len(b)
	b = append(b, cookieMagic...)
	b = be.AppendUint64(b, uint64(c.created.UnixNano()))
	b = be.AppendUint64(b, uint64(c.life))
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

// openCookie checks the length and the MAC of a cookie, in constant time, before
// anything in it is looked at.
func openCookie(key *[32]byte, b []byte) (cookie, bool) {
	if len(b) != cookieLen+cookieMACLen {
		return cookie{}, false
	}
	body := b[:cookieLen]
	mac := hmacSHA256(key, body)
	if subtle.ConstantTimeCompare(b[cookieLen:], mac[:]) != 1 || string(body[:8]) != cookieMagic {
		return cookie{}, false
	}
	c := cookie{
		created:   time.Unix(0, int64(be.Uint64(body[8:]))),
		life:      time.Duration(be.Uint64(body[16:])),
		localPort: be.Uint16(body[24:]),
		peerPort:  be.Uint16(body[26:]),
		localTag:  be.Uint32(body[28:]),
		localTSN:  wire.TSN(be.Uint32(body[32:])),
		localTie:  be.Uint32(body[36:]),
		peerTie:   be.Uint32(body[40:]),
		peer: peerInit{
			tag:        be.Uint32(body[44:]),
			window:     be.Uint32(body[48:]),
			outStreams: be.Uint16(body[52:]),
			inStreams:  be.Uint16(body[54:]),
			initialTSN: wire.TSN(be.Uint32(body[56:])),
		},
	}
	c.peer.setFeatures(be.Uint32(body[60:]))
	return c, true
}

// staleness returns how long the cookie has been expired, 0 if it is valid.
func (c *cookie) staleness(now time.Time) time.Duration {
	return max(0, now.Sub(c.created)-c.life)
}

// hmacSHA256 is HMAC (RFC 2104) with SHA-256. That of the standard library makes six
// objects, which takes most of its time for a message as short as a cookie.
func hmacSHA256(key *[32]byte, message []byte) [32]byte {
	const block = sha256.BlockSize
	var inner, outer [block + cookieLen]byte
	for i := range block {
		inner[i], outer[i] = 0x36, 0x5c
	}
	subtle.XORBytes(inner[:], inner[:], key[:])
	subtle.XORBytes(outer[:], outer[:], key[:])
	sum := sha256.Sum256(append(inner[:block], message...))
	return sha256.Sum256(append(outer[:block], sum[:]...))
}

const (
	featureForwardTSN = 1 << iota
	featureReconfig
	featureZeroChecksum
	featureECN
	featureNRSack
	featureInterleaving
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
	return f
}

func (p *peerInit) setFeatures(f uint32) {
	p.forwardTSN = f&featureForwardTSN != 0
	p.reconfig = f&featureReconfig != 0
	p.zeroChecksum = f&featureZeroChecksum != 0
	p.interleaving = f&featureInterleaving != 0
	p.ecn = f&featureECN != 0
	p.nrSack = f&featureNRSack != 0
}
