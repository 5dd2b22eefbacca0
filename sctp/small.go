package sctp

// SmallFootprint is the memory in bytes that an association with SmallConfig takes at
// most, on processors of 64 bits. On those of 32 bits it takes a fifth less.
const SmallFootprint = 32 << 10

// SmallConfig returns a Config for devices with little memory: at any time the
// association takes no more than SmallFootprint, with everything that it holds: its own
// state, messages being sent and their payload (SendCopy), and what came in and was not
// read. That holds for a peer that keeps the rules, packets of up to 1500 bytes, and up to
// 8 streams. A message larger than SendBuffer, of which there is one at a time, adds
// its size.
//
// Seed remains to be set. What is in flight to the peer is bounded by SendBuffer, 7 KiB, which
// fills 1 Mbit/s over a round trip of 50 ms; small messages are counted as what they
// really take (Config.Frugal), so that 18 are on their way. With larger buffers and more
// streams, of about 250 bytes each, the footprint grows by as much.
func SmallConfig() Config {
	return Config{
		Frugal:          true,
		ReceiveBuffer:   5 << 10,
		SendBuffer:      7 << 10,
		OutboundStreams: 8,
		InboundStreams:  8,
	}
}
