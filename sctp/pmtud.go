package sctp

import (
	"encoding/binary"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// pmtud finds the largest packet that a path carries (RFC 8899, sections 5 and
// 6.2): it asks with probes, which are a HEARTBEAT and a PAD, or a long HEARTBEAT, alone in a packet
// of the size in question, and needs no word of the network. A lost probe is no
// sign of congestion, and no error of the path.
//
// The least size is the base (MIN_PLPMTU is BASE_PLPMTU). A path that does not
// carry it, or whose peer does not answer, is left at it, and the network may
// fragment (section 5.2, ERROR).
//
// All sizes are those of SCTP packets, in bytes; what UDP and DTLS add is up to
// who configures the limit.
type pmtud struct {
	low    int // largest size known to pass
	size   int // PROBED_SIZE
	nonce  uint64
	sentAt instant
	limit  uint16 // MAX_PLPMTU; at most base: no search
	high   uint16 // smallest that did not pass; more than limit if none
	tries  uint8  // PROBE_COUNT

	// A black hole swallows large packets while the peer is there.
	losses   uint8    // of marked packets in a row, weighed
	fellFrom uint16   // size at which the last one was found
	fellAt   instant  // when
	mark     wire.TSN // a chunk in a large packet that was sent
	marked   bool     // whose fate is not known

	state    pmtudState
	due      bool  // a probe is to be sent
	awaiting bool  // one was sent and not answered yet
	noPad    bool  // probes are without PAD: see knowsPad
	timer    timer // PROBE_TIMER while a probe is on its way, else PMTU_RAISE_TIMER
	base     int   // BASE_PLPMTU
}

// pmtudState is a state of RFC 8899, section 5.2.
type pmtudState uint8

const (
	pmtudDisabled  pmtudState = iota
	pmtudBase                 // is the base carried, and does the peer answer?
	pmtudSearching            // for a larger size
	pmtudComplete             // SEARCH_COMPLETE
	pmtudError                // the base is not known to be carried
)

const (
	maxProbes      = 3                 // MAX_PROBES, of one size
	pmtuRaiseTimer = 600 * time.Second // PMTU_RAISE_TIMER
	minProbeTimer  = time.Second       // least PROBE_TIMER

	// minProbeGain is the least increase worth a probe.
	minProbeGain = 32

	// What losses of large packets weigh, with none in between that arrived, and how
	// much of it is taken for a black hole.
	lossByTimeout = 3
	lossBySack    = 1
	blackHole     = 6
)

// commonSizes are SCTP packets that fit common paths: Ethernet with IPv4 and
// IPv6 under UDP alone, the same under DTLS, with PPPoE or TURN, and tunnels.
var commonSizes = [...]int{1472, 1452, 1432, 1408, 1380, 1352, 1300}

func (d *pmtud) init(base, limit int) {
	*d = pmtud{base: base, limit: uint16(max(limit, 0)), noPad: d.noPad} // what the peer is stays
}

// begin starts the search once the peer is known to be there.
func (d *pmtud) begin() {
	if int(d.limit) <= d.base {
		return
	}
	d.low, d.high = d.base, d.limit+1
	d.state = pmtudBase
	d.probe(d.base)
}

func (d *pmtud) stop() {
	d.timer.stop()
	d.due, d.awaiting = false, false
}

// probe asks for a probe of the given size.
func (d *pmtud) probe(size int) {
	d.size, d.tries, d.due, d.awaiting = size, 0, true, false
	d.timer.stop()
}

// unfragmented reports whether packets must not be fragmented: since the base is
// known to be carried. Probes never may be.
func (d *pmtud) unfragmented() bool { return d.state == pmtudSearching || d.state == pmtudComplete }

// append appends the probe that is due. // RFC 8899, section 6.2.1.2
func (d *pmtud) append(now instant, p *builder, id PathID, nonce uint64, rto time.Duration) {
	var info [heartbeatInfoLen]byte
	binary.BigEndian.PutUint64(info[:], nonce)
	info[8] = byte(id)
	binary.BigEndian.PutUint16(info[10:], uint16(d.size))
	if d.noPad {
		long := append(info[:], make([]byte, p.room()-8-heartbeatInfoLen)...)
		p.b = wire.AppendHeartbeat(p.b, wire.TypeHeartbeat, long)
	} else {
		p.b = wire.AppendHeartbeat(p.b, wire.TypeHeartbeat, info[:])
		p.b = wire.AppendPad(p.b, p.room())
	}
	d.nonce, d.sentAt, d.due, d.awaiting = nonce, now, false, true
	// Section 5.1.1 wants more than 15 s where nothing is known of the path. RTO
	// is what we know: no answer takes longer. // 8899-5.1-a
	d.timer.start(now, max(rto, minProbeTimer))
}

// answered takes the information of a HEARTBEAT ACK; ok says that it is the answer
// to the probe, after which d.low is the MTU, and rtt how long it took.
func (d *pmtud) answered(now instant, info []byte) (rtt time.Duration, ok bool) {
	if !d.awaiting || len(info) < heartbeatInfoLen || binary.BigEndian.Uint64(info) != d.nonce ||
		int(binary.BigEndian.Uint16(info[10:])) != d.size {
		return 0, false
	}
	d.low, d.state = d.size, pmtudSearching
	d.next(now)
	return now.Sub(d.sentAt), true
}

// expire takes an expiry of the timer. // RFC 8899, section 5.2
func (d *pmtud) expire(now instant) {
	if !d.awaiting { // PMTU_RAISE_TIMER
		d.high = d.limit + 1
		if d.state == pmtudError {
			d.state = pmtudBase
			d.probe(d.base)
			return
		}
		d.state = pmtudSearching
		d.next(now)
		return
	}
	d.awaiting = false
	if d.tries++; d.tries < maxProbes {
		d.due = true
		return
	}
	if d.state == pmtudBase {
		d.state = pmtudError
		d.timer.start(now, pmtuRaiseTimer)
		return
	}
	d.high = uint16(d.size)
	d.next(now)
}

// next probes the next size, or ends the search until PMTU_RAISE_TIMER expires.
func (d *pmtud) next(now instant) {
	if size := d.choose(); size > 0 {
		d.probe(size)
		return
	}
	d.state, d.awaiting = pmtudComplete, false
	d.timer.stop()
	if d.low < int(d.limit) {
		d.timer.start(now, pmtuRaiseTimer)
	}
}

// choose returns the size to probe next: all at once if nothing speaks against it,
// then what is common below the limit, then the middle of the common sizes, at last
// that of the range; 0 if there is too little to gain (RFC 8899, section 5.3.2).
func (d *pmtud) choose() int {
	limit, high := int(d.limit), int(d.high)
	if high > limit {
		if d.low == limit {
			return 0
		}
		return limit
	}
	first, n := 0, 0 // of the common sizes in question
	for i, size := range commonSizes {
		if size >= high {
			first = i + 1
		} else if size-d.low >= minProbeGain {
			n++
		}
	}
	switch {
	case n > 0 && high == limit:
		return commonSizes[first]
	case n > 0:
		return commonSizes[first+n/2]
	}
	if half := (d.low + high) / 2 &^ 3; half-d.low >= minProbeGain {
		return half
	}
	return 0
}

// sent takes note of a packet with data that must stay whole; t is a chunk in it. It is
// large if it is more than half of what every path is taken to carry, or should be.
func (d *pmtud) sent(size int, t wire.TSN) {
	if !d.marked && size > min(d.base, defaultMTU)/2 {
		d.marked, d.mark = true, t
	}
}

// passed takes note that the peer has the chunk of the large packet.
func (d *pmtud) passed() { d.marked, d.losses = false, 0 }

// gone takes note that the fate of the large packet will not be known.
func (d *pmtud) gone() { d.marked = false }

// repeated takes note that a chunk was sent once more without being lost. Of a packet
// with it nobody knows which one arrives.
func (d *pmtud) repeated(t wire.TSN) {
	if d.marked && d.mark == t {
		d.gone()
	}
}

// lost takes note of the loss of the marked packet, if there is one, and reports
// whether there is a black hole by now, so that the MTU is the base again, and the
// search begins anew (RFC 8899, section 4.3). Losses of small packets mean nothing
// here, and one of each flight counts: T3-rtx may never expire while small packets
// pass, since large ones are sent again and again meanwhile.
func (d *pmtud) lost(now instant, mtu int, weight uint8) bool {
	if !d.marked {
		return false
	}
	d.marked = false
	if d.losses += weight; d.losses < blackHole {
		return false
	}
	d.losses = 0
	again := mtu == int(d.fellFrom) && now.Sub(d.fellAt) < pmtuRaiseTimer
	d.fellFrom, d.fellAt = uint16(mtu), now
	d.begin()
	if again && mtu > d.base { // probes pass, and data does not: lower, for a time (section 5.3.3)
		d.high = uint16(mtu)
	}
	return true
}
