package sctp

import (
	"net/netip"
	"time"
)

// cookieKeys are the keys of an Endpoint's cookies. A key is in use for an hour,
// and opens cookies for one more (RFC 9260, section 5.1.3). The key of a cookie is
// made of the one in use and the address of the peer, so that a cookie is good for
// the address that it was sent to and no other.
type cookieKeys struct {
	keys  [2][32]byte // the one in use, and the one before
	n     int         // how many there are
	since time.Time   // when the one in use was made
}

// cookieKeyLife is how long a key is in use.
const cookieKeyLife = time.Hour

// rotate makes a new key if it is time to.
func (k *cookieKeys) rotate(now time.Time, rng *random) {
	age := now.Sub(k.since)
	if k.n > 0 && age < cookieKeyLife {
		return
	}
	k.keys[1] = k.keys[0]
	k.n = min(k.n+1, 2)
	if age >= 2*cookieKeyLife { // nobody needed one for so long
		k.n = 1
	}
	k.keys[0] = rng.block()
	k.since = now
}

// bound returns key i for the cookies of a peer.
func (k *cookieKeys) bound(i int, peer netip.AddrPort) [32]byte {
	var b [18]byte
	ip := peer.Addr().As16()
	copy(b[:], ip[:])
	be.PutUint16(b[16:], peer.Port())
	return hmacSHA256(&k.keys[i], append(b[:], peer.Addr().Zone()...))
}

// open opens a cookie of a peer, and returns its key.
func (k *cookieKeys) open(peer netip.AddrPort, b []byte) (c cookie, key [32]byte, ok bool) {
	if len(b) != cookieLen {
		return cookie{}, key, false
	}
	for i := range k.n {
		key = k.bound(i, peer)
		if c, ok = openCookie(&key, b); ok {
			return c, key, true
		}
	}
	return cookie{}, key, false
}
