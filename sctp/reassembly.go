package sctp

import (
	"slices"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// fragment is a received DATA or I-DATA chunk.
type fragment struct {
	tsn wire.TSN
	// number orders the fragments of a message: the FSN of I-DATA, the TSN of DATA,
	// where fragments have consecutive ones.
	number     wire.FSN
	begin, end bool // first, last fragment of its message
	immediate  bool // the peer wants it acknowledged at once
	info       inInfo
	payload    []byte
}

// read reads a DATA or I-DATA chunk. The number of the message in DATA is its
// SSN, which inbound.number completes.
func (f *fragment) read(c wire.Chunk) error {
	var flags wire.DataFlags
	if c.Type() == wire.TypeIData {
		d, err := c.IDataView()
		if err != nil {
			return err
		}
		flags = d.Flags()
		f.tsn, f.number, f.payload = d.TSN(), d.FSN(), d.Payload()
		f.info.stream, f.info.mid, f.info.ppid = d.Stream(), d.MID(), d.PPID()
	} else {
		d, err := c.DataView()
		if err != nil {
			return err
		}
		flags = d.Flags()
		f.tsn, f.number, f.payload = d.TSN(), wire.FSN(d.TSN()), d.Payload()
		f.info.stream, f.info.mid, f.info.ppid = d.Stream(), wire.MID(d.SSN()), d.PPID()
	}
	f.begin, f.end = flags&wire.FlagBegin != 0, flags&wire.FlagEnd != 0
	f.immediate = flags&wire.FlagImmediate != 0
	f.info.unordered = flags&wire.FlagUnordered != 0
	return nil
}

// runList joins fragments to messages (RFC 9260, section 6.9; RFC 8260, section
// 2.2.3). What is incomplete is kept as sorted runs of adjoining fragments. Those in
// DATA chunks stand in one list for all streams, by TSN: without loss there is one
// run in it, which grows at its end. Those in I-DATA stand in a list of their stream,
// ordered before unordered, by MID and then FSN: one run there, too.
type runList struct{ runs []fragmentRun }

// fragmentRun is a part of a message, without a gap in it.
type fragmentRun struct {
	first, last wire.FSN
	begin, end  bool       // the first or last fragment of the message is in it
	partial     bool       // msg is already in the hands of the reader
	msg         *inMessage // never nil
}

// before reports whether message a precedes b in the list of their stream.
func (a *inInfo) before(b *inInfo) bool {
	if a.unordered != b.unordered {
		return b.unordered
	}
	return a.mid.Before(b.mid)
}

// same reports whether fragments with these properties can belong together.
func (a *inInfo) same(b *inInfo) bool {
	return a.stream == b.stream && a.unordered == b.unordered && a.mid == b.mid
}

// ends reports whether the run ends before a fragment.
func (r *fragmentRun) ends(f *fragment, interleaved bool) bool {
	if info := &r.msg.info; interleaved && !info.same(&f.info) {
		return info.before(&f.info)
	}
	return r.last.Before(f.number)
}

// search returns the index of the first run that ends at the fragment or later.
func (l *runList) search(f *fragment, interleaved bool) int {
	lo, hi := 0, len(l.runs)
	if hi == 0 || l.runs[hi-1].ends(f, interleaved) {
		return hi
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if l.runs[mid].ends(f, interleaved) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// find returns the index of the first run of a message or of one behind it, in the
// list of a stream.
func (l *runList) find(unordered bool, mid wire.MID) int {
	key := inInfo{unordered: unordered, mid: mid}
	lo, hi := 0, len(l.runs)
	for lo < hi {
		middle := int(uint(lo+hi) >> 1)
		if l.runs[middle].msg.info.before(&key) {
			lo = middle + 1
		} else {
			hi = middle
		}
	}
	return lo
}

// ordered returns how many runs are of ordered messages, in the list of a stream.
func (l *runList) ordered() int {
	lo, hi := 0, len(l.runs)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); l.runs[mid].msg.info.unordered {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// maxRuns bounds a list to what a peer that keeps the rules makes of it: a run of
// TSNs begins with the end of a message at most, and ends with a beginning.
const maxRuns = 2*maxTSNRuns + 1

// fits reports whether a fragment can stand by itself before run i: only in I-DATA can
// it be there already, or be behind the end of its message or before its beginning, or
// so far from its neighbours that their order would be lost as numbers wrap.
func (l *runList) fits(i int, f *fragment) bool {
	if i < len(l.runs) {
		n := &l.runs[i]
		if n.msg.info.same(&f.info) && (n.begin || f.end || n.first.AtOrBefore(f.number) || n.first.Since(f.number) > maxTSNSpan) {
			return false
		}
	}
	if i > 0 {
		p := &l.runs[i-1]
		if p.msg.info.same(&f.info) && (p.end || f.begin || f.number.Since(p.last) > maxTSNSpan) {
			return false
		}
	}
	return true
}

// assemble puts a fragment into a list and returns the index of the run that it is now
// part of; false means that it was not taken. The message of a run is complete when
// begin and end are set.
func (in *inbound) assemble(l *runList, f *fragment) (int, bool) {
	i := l.search(f, in.interleaved)
	extends, precedes := false, false
	if i > 0 && !f.begin {
		p := &l.runs[i-1]
		extends = p.last.Next() == f.number && !p.end && p.msg.info.same(&f.info)
	}
	if i < len(l.runs) && !f.end {
		n := &l.runs[i]
		precedes = f.number.Next() == n.first && !n.begin && n.msg.info.same(&f.info)
	}
	switch {
	case extends:
		p := &l.runs[i-1]
		p.msg.append(in.hold(f))
		p.last, p.end = f.number, f.end
		in.recent.grew(p.msg, f.tsn)
		if precedes {
			n := &l.runs[i]
			in.recent.join(p.msg, n.msg)
			p.msg.join(n.msg)
			p.last, p.end = n.last, n.end
			in.pool.freeReceived(n.msg)
			l.remove(i)
		}
		return i - 1, true
	case precedes:
		n := &l.runs[i]
		n.msg.prepend(in.hold(f))
		if f.begin {
			n.msg.info.ppid = f.info.ppid
		}
		n.first, n.begin, n.msg.first = f.number, f.begin, f.number
		in.recent.grew(n.msg, f.tsn)
		return i, true
	case in.interleaved && !l.fits(i, f):
		return 0, false
	}
	m := in.pool.received(f.info)
	m.first = f.number
	m.append(in.hold(f))
	l.insert(i, fragmentRun{first: f.number, last: f.number, begin: f.begin, end: f.end, msg: m})
	in.recent.add(m, f.tsn)
	return i, true
}

func (l *runList) insert(i int, r fragmentRun) {
	l.runs = append(l.runs, fragmentRun{})
	copy(l.runs[i+1:], l.runs[i:])
	l.runs[i] = r
}

func (l *runList) remove(i int) {
	n := len(l.runs) - 1
	copy(l.runs[i:], l.runs[i+1:])
	l.runs[n] = fragmentRun{}
	l.runs = l.runs[:n]
	l.trim()
}

// keepRuns is for how many runs a list keeps memory, whatever is in it.
const keepRuns = 64

// trim gives back memory that a list had use for once: there is one for each of 65536 streams, and a
// peer may fill one after the other.
func (l *runList) trim() {
	if cap(l.runs) > keepRuns && len(l.runs) < cap(l.runs)/4 {
		l.runs = slices.Clone(l.runs)
	}
}
