package sctp

import "crypto/sha256"

// common is what the associations of an Endpoint share; one by itself has its own.
type common struct {
	clock clock
	rng   random
	// secret is the key of the cookies; zero: there was none yet. That of an Endpoint depends on the
	// peer, and is put here for each packet that needs one.
	secret [32]byte
	cfg    Config // complete, and not to be changed
	kept   pools
}

// newCommon returns what so many associations need that are busy at the same time, with a
// configuration that is complete. Its seed is the source of all randomness.
func newCommon(cfg *Config, associations int) *common {
	c := &common{cfg: *cfg}
	c.rng.key = &c.cfg.Seed
	c.kept.init(cfg, associations)
	return c
}

// pool returns the pools, nil where memory is short.
func (c *common) pool() *pools {
	if c.cfg.Frugal {
		return nil
	}
	return &c.kept
}

// cookieKey returns the key of the cookies.
func (c *common) cookieKey() *[32]byte {
	if c.secret == [32]byte{} {
		c.secret = c.rng.block()
	}
	return &c.secret
}

// random makes random numbers of a key and their own number, by SHA-256: it is little, and what
// there is of it to do, too: tags, keys of cookies, and nonces.
type random struct {
	key   *[32]byte
	words uint64    // made, of 8 bytes, of which 4 are a block
	rest  [3]uint64 // of the block that words come from, all but the first
}

// block returns 32 random bytes, which tell nothing about those before and after.
func (r *random) block() [32]byte {
	number := (r.words + 3) / 4
	r.words = 4*number + 4
	var b [40]byte
	copy(b[:], r.key[:])
	be.PutUint64(b[32:], number)
	return sha256.Sum256(b[:])
}

// Uint64 returns a random number, of which a block has four.
func (r *random) Uint64() uint64 {
	if i := r.words % 4; i > 0 {
		r.words++
		return r.rest[i-1]
	}
	b := r.block()
	r.words -= 3
	for i := range r.rest {
		r.rest[i] = be.Uint64(b[8*i+8:])
	}
	return be.Uint64(b[:])
}
