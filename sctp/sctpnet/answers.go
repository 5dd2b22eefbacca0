package sctpnet

import (
	"time"

	"github.com/sluice-rtc/sluice/internal/udpsock"
)

// answers says which packets of those that come in together are answered at once. RFC 9260,
// section 6.2, wants a SACK for every second packet. Sent for each, they would be most of what a receiver does at
// high rates, and one of them says as much as several that leave together. But senders let out a
// burst of 4 packets for each SACK (Max.Burst: section 6.1, D), so that one that gets a single SACK for all
// that it has in flight would never have more than that in flight.
//
// So there is one for every second packet where the sender may be waiting for that: when nothing came in for
// quietTime. Else a few packets have two: a read brings at most eight that were sent one
// by one, and batches that are answered once would stay at four of them, each of which costs the reader a wake-up.
// Larger ones have one: they are of a sender that sends many at a time.
type answers struct {
	last  time.Time // when something came in
	every int       // of so many packets from now on every second one is answered
}

const (
	quietTime = 4 * time.Millisecond
	// quietPackets is how many packets after such a time have more SACKs.
	quietPackets = 256

	minSplit, maxSplit = 4, 8 // packets in a batch that has two
)

// came says that something came in.
func (a *answers) came(now time.Time) {
	if now.Sub(a.last) >= quietTime {
		a.every = quietPackets
	}
	a.last = now
}

// growing tells whether what is to be answered of a batch of so many packets of a peer is answered
// after the first of them, too, because the peer may be waiting for more; it is asked once for each packet. The last
// two or three are answered with the batch.
func (a *answers) growing(first, packets int) bool {
	if a.every == 0 {
		return false
	}
	a.every--
	return first%2 == 0 && first+2 <= packets
}

// within is growing where packets may come one by one, so that each batch costs a wake-up.
func (a *answers) within(first, packets int) bool {
	if a.every > 0 {
		return a.growing(first, packets)
	}
	return minSplit <= packets && packets <= maxSplit && first == packets/2
}

// count returns how many datagrams the first runs have that are of the same peer.
func count(runs []udpsock.Run) (n int) {
	for i := range runs {
		if runs[i].From != runs[0].From {
			break
		}
		n += runs[i].Count()
	}
	return n
}
