package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// A TagShard is a part of all verification tags. Several Endpoints, on as many cores or
// machines, share one address if each chooses its tags from a part of its own: whatever
// hands out the packets then finds the Endpoint of each in the packet (ShardOf), also
// when NAT has given the peer another port.
type TagShard struct {
	// Bits is how many of the first bits of a tag say whose it is. Default 0: all tags
	// belong to one. At most 12: the rest is what an attacker who does not see the packets
	// has to guess.
	Bits uint8
	// Index is what these bits are, below 1<<Bits.
	Index uint32
}

// maxShardBits bounds TagShard.Bits.
const maxShardBits = 12

// ShardOf returns the TagShard.Index of the Endpoint that an SCTP packet is for, where tags
// have so many bits for it. False means that the packet names none: it is an INIT, which any
// Endpoint may take, so long as those from one address and port go to the same; or an ABORT
// or SHUTDOWN COMPLETE with the tag that its sender was addressed by (the T bit, RFC 9260,
// section 8.5.1), which goes where INITs from there do; or it is no SCTP packet.
func ShardOf(packet []byte, bits uint8) (index uint32, ok bool) {
	p, err := wire.ParsePacket(packet)
	if err != nil || p.VTag() == 0 {
		return 0, false
	}
	it := p.Chunks()
	if c, ok := it.Next(); ok && c.Flags()&wire.FlagT != 0 && (c.Type() == wire.TypeAbort || c.Type() == wire.TypeShutdownComplete) {
		return 0, false
	}
	return p.VTag() >> (32 - min(bits, 32)), true
}

// random makes of random numbers a verification tag of the shard, which is not 0 (RFC 9260,
// section 5.3.1), and an initial TSN.
func (s TagShard) random(next func() uint64) (tag uint32, tsn wire.TSN) {
	for {
		x := next()
		if tag = uint32(x)>>s.Bits | s.Index<<(32-s.Bits); tag != 0 {
			return tag, wire.TSN(x >> 32)
		}
	}
}
