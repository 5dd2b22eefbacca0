package sctp

// SmallFootprint is the memory in bytes that an association with SmallConfig takes at
// most, on processors of 64 bits. On those of 32 bits it takes a fifth less.
const SmallFootprint = 32 << 10

// SmallConfig returns a Config for devices with little memory: at any time the
// association takes no more than SmallFootprint, with everything that it holds: its own
// state, messages being sent and their payload (SendCopy), and what came in and was not
// read. Seen in simulations were 31,100 bytes at most. It holds for a peer that keeps the rules, packets of up to 1500 bytes, and up to
// 8 streams. A message larger than SendBuffer, of which there is one at a time, adds
// its size.
//
// Seed remains to be set. Small messages are counted as what they really take
// (Config.Frugal), so that 18 are on their way at most. With larger buffers and more streams, of
// about 250 bytes each, the footprint grows by as much.
//
// What may be on its way, 7 KiB, is what limits the rate: over 1 Mbit/s with a round trip of 40 ms and 5 % loss each way
// 0.7 Mbit/s arrive, or 1.1 in both directions together. A device that
// sends much and receives little can have a SendBuffer of 16 KiB, with which it takes 27 KB while
// nothing comes in, and to a peer with more room sends 0.83 of the 0.92 Mbit/s that headers and loss leave of the link.
func SmallConfig() Config {
	return Config{
		Frugal:          true,
		ReceiveBuffer:   7 << 10,
		SendBuffer:      7 << 10,
		OutboundStreams: 8,
		InboundStreams:  8,
	}
}
