package sctp

// rest gives back the memory that the components have kept for what comes next: nothing
// has for a heartbeat interval. What is in use stays. An association makes it anew when it
// has something to do again, so that one that is busy allocates nothing, and of many that
// are idle each costs only what it has to remember.
func (a *Association) rest() {
	a.out.rest()
	a.sent.rest()
	if a.sent.span() == 0 { // a recovery may have to be undone
		a.recovery.rest()
		a.paths.primary().rest()
	}
	a.forward.skips = nil
	release(&a.tsns.above.runs)
	a.in.rest()
	a.in.pool.rest()
	a.ack.rest()
	if d := a.reconfig.peer.dealings; d != nil {
		release(&d.due)
	}
	release(&a.control.buf)
	a.events.rest()
}

// release gives up the memory of a list that is empty.
func release[T any](list *[]T) {
	if len(*list) == 0 {
		*list = nil
	}
}

func (o *outbound) rest() {
	o.turns.rest()
	if len(o.low) == 0 {
		o.low = o.few[:0]
	}
	release(&o.drained)
	if l := o.limited; l != nil && len(l.deadlines.list)+len(l.unsent.list)+len(l.begun.list) == 0 {
		o.limited = nil
	}
}

func (q *sentQueue) rest() {
	if q.span() == 0 {
		q.ring, q.gapAcks = nil, nil
		q.rate.rest()
	}
}

func (r *recovery) rest() {
	if !r.active() {
		r.repair = nil
	}
}

// What slow start knows of round trips is old by now, and there is nothing to take back.
func (p *path) rest() { p.cubic.start, p.cubic.saved = nil, nil }

func (in *inbound) rest() {
	release(&in.fragments.runs)
	release(&in.beyond.list)
	for _, s := range in.streams.all() {
		s.waiting = s.waiting.rest()
	}
	if len(in.readable) == 0 {
		in.readable = in.few[:0]
	}
	release(&in.touched)
}

func (q *eventQueue) rest() {
	if q.n == 0 {
		q.ring, q.head = nil, 0
	}
}
