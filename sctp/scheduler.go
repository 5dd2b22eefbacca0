package sctp

// Scheduler says which stream sends next (RFC 8260, section 3). Where the peer
// supports I-DATA a turn is one chunk, so that messages of several streams are under
// way at the same time, or, where the way is shared fairly, some more that go back to back;
// else it is one message. Where it is shared fairly, what a stream sends that has had less than its
// share is next, short messages first.
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
	// enter says that a stream has something to send again, and reports whether it has had less
	// than its share until now: then it is ranked before those that had something all along.
	enter(s *outStream) bool
	// quantum returns after how many bytes, of chunks that are sent at the same time, a turn
	// ends at the latest; 0: with each chunk.
	quantum(s *outStream) int
	// charge says that a stream has sent n bytes in its turn.
	charge(s *outStream, n int)
	// prioritize sets the priority of a stream.
	prioritize(s *outStream, priority uint16)
	// leave says that a stream has nothing to send any more.
	leave(s *outStream)
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

func (forgetful) enter(*outStream) bool                { return false }
func (forgetful) quantum(*outStream) int               { return 0 }
func (forgetful) charge(*outStream, int)               {}
func (forgetful) prioritize(s *outStream, prio uint16) { s.priority = prio }
func (forgetful) leave(*outStream)                     {}

type firstCome struct{ forgetful }

func (firstCome) rank(s *outStream) uint64 { return s.head.arrival }

type roundRobin struct{ forgetful }

func (roundRobin) rank(*outStream) uint64 { return 0 }

type strictPriority struct{ forgetful }

func (strictPriority) rank(s *outStream) uint64 { return uint64(^s.priority) }
