package sctp

// fairQueueing shares the capacity fairly. Each turn of a stream starts, in virtual time, where
// its last one ended, and lasts as long as its bytes take at the stream's share; the turn that
// would end first is next, so that a short message does not wait for a long one.
//
// Now, in virtual time, is the mean of where the turns of all streams start that
// have something to send, by weight (as in EEVDF: Stoica and Abdel-Wahab, 1995). So it goes on
// while they take turns, and who is behind it has had less than its share. A stream that had nothing to
// send starts now, or later if it has not paid yet for what it sent before; what it did not
// use is not made up for. If it has paid, it goes before all that were not idle, with one
// message, or a quantum of it: by the end of its turn alone it might wait, beside many streams with messages
// as long, for a round of them.
//
// A turn of a stream that keeps having something to send is a quantum, not a chunk: what
// leaves at once need not be mixed finely, and messages that come one after the other are
// sent, and put together, at less cost (32 streams with messages of 16 KiB take a quarter less
// CPU time).
//
// Virtual time is counted in 1/256 byte at weight 1, and lasts for 2^55 bytes at least.
type fairQueueing struct {
	weighted bool   // by the priorities of the streams
	weights  uint32 // of all that have something to send
	now      uint64
	excess   int64  // what now is too early by, times weights: 0 <= excess < weights
	last     uint64 // the latest start of any turn
}

// weight returns the weight of a stream.
func (f *fairQueueing) weight(s *outStream) uint32 {
	if !f.weighted {
		return 1
	}
	return max(1, uint32(s.priority))
}

// rank returns when the turn of a stream would end that sends its first message, of
// which a quantum counts; those that were idle are before all others.
func (f *fairQueueing) rank(s *outStream) uint64 {
	n := 0
	if m := s.head; m != nil && s.turn < inTurn {
		n = min(len(m.payload), f.quantum(s)) - m.sent
	} else if m != nil {
		n = min(len(m.payload)-m.sent, f.quantum(s))
	}
	return s.turn&inTurn + s.start + uint64(max(0, n))<<8/uint64(f.weight(s))
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

func (f *fairQueueing) enter(s *outStream) bool {
	idle := s.start <= f.now
	if f.weights == 0 {
		s.start, f.weights = f.now, f.weight(s)
		return idle
	}
	s.start = max(s.start, f.now)
	f.join(s)
	return idle
}

func (f *fairQueueing) leave(s *outStream) {
	w := f.weight(s)
	f.weights -= w
	if f.weights == 0 { // everything was sent: all start anew
		f.now, f.excess = f.last, 0
		return
	}
	f.excess -= int64(w) * int64(s.start-f.now)
	f.settle()
}

func (f *fairQueueing) join(s *outStream) {
	w := f.weight(s)
	f.weights += w
	f.excess += int64(w) * int64(s.start-f.now)
	f.settle()
}

// prioritize keeps what a stream has not paid yet, in bytes: it pays at its new share.
func (f *fairQueueing) prioritize(s *outStream, priority uint16) {
	waits, old := s.index > 0, uint64(f.weight(s))
	if waits {
		f.leave(s)
	}
	s.priority = priority
	if w := uint64(f.weight(s)); s.start > f.now {
		owes := s.start - f.now
		s.start = f.now + owes/w*old + owes%w*old/w
		f.last = max(f.last, s.start)
	}
	if waits {
		f.join(s)
	}
}

func (f *fairQueueing) charge(s *outStream, n int) {
	w := f.weight(s)
	cost := uint64(n)<<8 + uint64(s.rest)
	lasts := cost / uint64(w)
	s.start += lasts
	s.rest = uint32(cost % uint64(w))
	f.last = max(f.last, s.start)
	if f.weights == w { // it is alone
		f.now = s.start
		return
	}
	f.excess += int64(lasts) * int64(w)
	f.settle()
}

// settle lets time pass until now is the mean again.
func (f *fairQueueing) settle() {
	w := int64(f.weights)
	if f.excess >= 0 && f.excess < w {
		return
	}
	d := f.excess / w
	if f.excess < d*w { // rounded down
		d--
	}
	f.now += uint64(d)
	f.excess -= d * w
}
