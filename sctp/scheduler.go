package sctp

// Scheduler says which stream sends next (RFC 8260, section 3). Where the peer
// supports I-DATA a turn is one chunk, so that messages of several streams are under
// way at the same time, or, where the way is shared fairly, some more that go back to back;
// else it is one message.
type Scheduler uint8

// The schedulers.
const (
	// WeightedFairQueueing shares the capacity in proportion to the priorities of
	// the streams (3.6).
	WeightedFairQueueing Scheduler = iota
	// FirstComeFirstServed keeps the order of the calls of Send (3.1).
	FirstComeFirstServed
	// RoundRobin lets the streams take turns (3.2).
	RoundRobin
	// RoundRobinPacket lets them take turns packet by packet, and puts the data of
	// one stream only into a packet, so that a lost packet holds up no other (3.3).
	RoundRobinPacket
	// StrictPriority serves a stream only when those of higher priority have
	// nothing to send. Equal ones take turns (3.4).
	StrictPriority
	// FairCapacity gives each stream the same capacity (3.5).
	FairCapacity
)

// DefaultPriority is the priority of a stream for which none was set: "normal" in
// RFC 8831, section 6.4.
const DefaultPriority uint16 = 256

// scheduler is what the schedulers differ in: how they rank the streams that have
// something to send.
type scheduler interface {
	// rank returns the rank of a stream with something to send. The lowest is next;
	// of equal ones that whose turn is longest ago.
	rank(s *outStream) uint64
	// returns reports whether a stream that has something to send again has had less than
	// its share meanwhile. Of those with the same rank it goes first.
	returns(s *outStream) bool
	// quantum returns after how many bytes, of chunks that are sent at the same time, a turn
	// ends at the latest; 0: with each chunk.
	quantum(s *outStream) int
	// charge says that a stream has sent n bytes in its turn.
	charge(s *outStream, n int)
	// idle says that nobody has anything to send any more.
	idle()
}

// scheduler returns a scheduler, which is fair if it can be: that has no memory of its own then.
func (s Scheduler) scheduler(fair *fairQueueing) scheduler {
	switch s {
	case FirstComeFirstServed:
		return firstCome{}
	case RoundRobin, RoundRobinPacket:
		return roundRobin{}
	case StrictPriority:
		return strictPriority{}
	case FairCapacity:
		*fair = fairQueueing{}
	default:
		*fair = fairQueueing{weighted: true}
	}
	return fair
}

// forgetful is a scheduler to which what was sent makes no difference.
type forgetful struct{}

func (forgetful) returns(*outStream) bool { return false }
func (forgetful) quantum(*outStream) int  { return 0 }
func (forgetful) charge(*outStream, int)  {}
func (forgetful) idle()                   {}

type firstCome struct{ forgetful }

func (firstCome) rank(s *outStream) uint64 { return s.head.arrival }

type roundRobin struct{ forgetful }

func (roundRobin) rank(*outStream) uint64 { return 0 }

type strictPriority struct{ forgetful }

func (strictPriority) rank(s *outStream) uint64 { return uint64(^s.priority) }

// fairQueueing is start-time fair queueing (Goyal, Vin and Cheng, 1996). Each turn
// of a stream starts, in virtual time, where its last one ended, or now if it had
// nothing to send then; it lasts as long as the bytes take at the stream's share.
// The turn that starts first is next, and now is when that was. So a stream that
// was idle is served at once, but what it did not use is not made up for.
//
// A turn of a stream that keeps having something to send is a quantum, not a chunk: what
// leaves at once need not be mixed finely, and messages that come one after the other are
// sent, and put together, at less cost (32 streams with messages of 16 KiB take a quarter less
// CPU time). One that was idle has its first turn before those that were not, of one chunk,
// so that it waits for no quantum.
//
// Virtual time is counted in 1/256 byte at weight 1 and begins anew when everything
// was sent: it lasts for 2^56 bytes in between.
type fairQueueing struct {
	weighted bool // by the priorities of the streams
	now      uint64
	period   uint64 // counts how often time began anew
}

func (f *fairQueueing) rank(s *outStream) uint64 {
	if s.period != f.period {
		s.period, s.start, s.rest = f.period, 0, 0
	}
	s.start = max(s.start, f.now)
	return s.start
}

func (f *fairQueueing) returns(s *outStream) bool {
	return s.period != f.period || s.start <= f.now
}

// fullQuantum is the quantum of the priorities from DefaultPriority up: the size into which
// applications cut what they send on data channels, mostly.
const fullQuantum = 16 << 10

func (f *fairQueueing) quantum(s *outStream) int {
	if !f.weighted || s.priority >= DefaultPriority {
		return fullQuantum
	}
	return fullQuantum / int(DefaultPriority) * int(s.priority)
}

func (f *fairQueueing) charge(s *outStream, n int) {
	if n == 0 {
		return
	}
	f.now = s.start
	weight := uint64(1)
	if f.weighted {
		weight = max(1, uint64(s.priority))
	}
	cost := uint64(n)<<8 + s.rest
	s.start += cost / weight
	s.rest = cost % weight
}

func (f *fairQueueing) idle() {
	f.now = 0
	f.period++
}
