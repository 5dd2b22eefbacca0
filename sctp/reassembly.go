package sctp

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// reassembler joins the fragments of DATA chunks to messages. Fragments of a
// message have consecutive TSNs (RFC 9260, section 6.9), so what is incomplete
// is kept as runs of adjoining fragments, sorted by TSN. Without loss there is
// one, which grows at its end.
type reassembler struct{ runs []fragmentRun }

// fragmentRun is a part of a message, without a gap in it.
type fragmentRun struct {
	first, last wire.TSN
	begin, end  bool       // the first or last fragment of the message is in it
	partial     bool       // msg is already in the hands of the reader
	msg         *inMessage // never nil
}

// search returns the index of the first run that ends at t or later.
func (r *reassembler) search(t wire.TSN) int {
	n := len(r.runs)
	if n == 0 || r.runs[n-1].last.Before(t) {
		return n
	}
	lo, hi := 0, n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if r.runs[mid].last.Before(t) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// full reports whether there are more runs than a peer that keeps the rules makes:
// a run of TSNs begins with the end of a message at most, and ends with a beginning.
func (r *reassembler) full() bool { return len(r.runs) > 2*maxTSNRuns+1 }

// sameMessage reports whether fragments with these properties can belong together.
func sameMessage(a, b *inInfo) bool {
	return a.stream == b.stream && a.unordered == b.unordered && (a.unordered || a.ssn == b.ssn)
}

// add takes a fragment whose TSN is new and returns the run that it is now part
// of, by index. The message of a whole run is complete when begin and end are set.
func (r *reassembler) add(d *wire.Data, info inInfo, s *segment, pool *inPool) int {
	begin, end := d.Flags&wire.FlagBegin != 0, d.Flags&wire.FlagEnd != 0
	i := r.search(d.TSN)
	extends, precedes := false, false
	if i > 0 && !begin {
		p := &r.runs[i-1]
		extends = p.last.Add(1) == d.TSN && !p.end && sameMessage(&p.msg.info, &info)
	}
	if i < len(r.runs) && !end {
		n := &r.runs[i]
		precedes = d.TSN.Add(1) == n.first && !n.begin && sameMessage(&n.msg.info, &info)
	}
	if extends {
		p := &r.runs[i-1]
		p.msg.append(s)
		p.last, p.end = d.TSN, end
		if precedes {
			n := &r.runs[i]
			p.msg.join(n.msg)
			p.last, p.end = n.last, n.end
			pool.freeMessage(n.msg)
			r.remove(i)
		}
		return i - 1
	}
	if precedes {
		n := &r.runs[i]
		s.next, n.msg.head = n.msg.head, s
		n.msg.size += len(s.buf)
		if begin {
			n.msg.info.ppid = info.ppid
		}
		n.first, n.begin = d.TSN, begin
		return i
	}
	msg := pool.message(info)
	msg.append(s)
	r.runs = append(r.runs, fragmentRun{})
	copy(r.runs[i+1:], r.runs[i:])
	r.runs[i] = fragmentRun{first: d.TSN, last: d.TSN, begin: begin, end: end, msg: msg}
	return i
}

func (r *reassembler) remove(i int) {
	r.runs = append(r.runs[:i], r.runs[i+1:]...)
}
