package netsim

import "time"

// A parcel is one copy of a packet on its way.
type parcel struct {
	at   time.Duration // arrival
	seq  uint64        // breaks ties: first sent, first delivered
	link Link
	dir  Dir
	end  bool   // no packet: the sender has closed its end
	data []byte // owned by the network
}

// flight holds the parcels on their way: a binary heap, earliest arrival first.
// The zero value is empty.
type flight struct {
	heap []parcel
	seq  uint64
}

func (f *flight) less(i, j int) bool {
	if f.heap[i].at != f.heap[j].at {
		return f.heap[i].at < f.heap[j].at
	}
	return f.heap[i].seq < f.heap[j].seq
}

// push adds a parcel and gives it its sequence number.
func (f *flight) push(p parcel) {
	p.seq = f.seq
	f.seq++
	f.heap = append(f.heap, p)
	for i := len(f.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !f.less(i, parent) {
			return
		}
		f.heap[i], f.heap[parent] = f.heap[parent], f.heap[i]
		i = parent
	}
}

// next returns the earliest arrival.
func (f *flight) next() (time.Duration, bool) {
	if len(f.heap) == 0 {
		return 0, false
	}
	return f.heap[0].at, true
}

// pop removes the earliest parcel if it has arrived by now.
func (f *flight) pop(now time.Duration) (parcel, bool) {
	if len(f.heap) == 0 || f.heap[0].at > now {
		return parcel{}, false
	}
	first := f.heap[0]
	n := len(f.heap) - 1
	f.heap[0] = f.heap[n]
	f.heap[n] = parcel{}
	f.heap = f.heap[:n]
	for i := 0; ; {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && f.less(child+1, child) {
			child++
		}
		if !f.less(child, i) {
			break
		}
		f.heap[i], f.heap[child] = f.heap[child], f.heap[i]
		i = child
	}
	return first, true
}
