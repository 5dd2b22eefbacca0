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
// Seed remains to be set. Small messages are counted as what they really take
// (Config.Frugal), so that 18 are on their way at most. With larger buffers and more streams, of
// about 250 bytes each, the footprint grows by as much.
//
// What may be on its way, 5 KiB of ReceiveBuffer between two of them, is what limits the rate: over 1 Mbit/s with
// a round trip of 50 ms and 5 % loss, half of that arrives, and two thirds with a peer that has more room. A device that
// sends much and receives little can have a SendBuffer of 16 KiB, with which it takes 27 KB while
// nothing comes in, and most of what the loss leaves of the link.
func SmallConfig() Config {
	return Config{
		Frugal:          true,
		ReceiveBuffer:   5 << 10,
		SendBuffer:      7 << 10,
		OutboundStreams: 8,
		InboundStreams:  8,
	}
}
