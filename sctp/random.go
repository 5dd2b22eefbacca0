package sctp

import "math/rand/v2"

// random is the randomness of an association after its beginning: a key that is another
// after each number. A generator that is ready to go takes ten times the memory, and
// what is drawn is rare: nonces, and the tags of peers that restart.
type random struct{ key [32]byte }

// init takes the key from a generator.
func (r *random) init(from *rand.ChaCha8) {
	for i := 0; i < len(r.key); i += 8 {
		be.PutUint64(r.key[i:], from.Uint64())
	}
}

// Uint64 returns a number that tells nothing about those before and after it.
func (r *random) Uint64() uint64 {
	g := rand.NewChaCha8(r.key)
	r.init(g)
	return g.Uint64()
}
