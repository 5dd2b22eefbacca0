package sctp

import "time"

// agenda holds one appointment for each association that waits for a time, in a
// heap. An appointment may come too early: a deadline that moves away, as most do
// with each packet, costs nothing, and the appointment is postponed when its time has come.
type agenda struct {
	clock *clock // of the associations
	heap  []appointment
	place []int32 // in the heap, by slot; noSlot: no appointment
	moves uint64  // appointments moved, ever
}

// fanOut is how many appointments are below one in the heap. They lie side by side, in a line of memory or two, and four make
// the way down, which an appointment goes that is postponed, half as long as two.
const fanOut = 4

type appointment struct {
	at   instant
	slot int32
}

// before orders appointments: by time, and for one time by slot.
func (p *appointment) before(q *appointment) bool {
	return p.at < q.at || p.slot < q.slot && p.at == q.at
}

// grow makes room for one more slot.
func (g *agenda) grow() { g.place = append(g.place, noSlot) }

// first returns the time of the first appointment.
func (g *agenda) first() (time.Time, bool) {
	if len(g.heap) == 0 {
		return time.Time{}, false
	}
	return g.clock.time(g.heap[0].at), true
}

// due takes the first appointment off the agenda, if its time has come, and returns whose it is; else noSlot.
func (g *agenda) due(now instant) int32 {
	if len(g.heap) == 0 || g.heap[0].at.After(now) {
		return noSlot
	}
	first := g.heap[0].slot
	g.remove(first)
	return first
}

// atLatest sees to it that a slot's appointment is not after a time.
func (g *agenda) atLatest(slot int32, at instant) {
	i := int(g.place[slot])
	switch {
	case i < 0:
		i = len(g.heap)
		g.heap = append(g.heap, appointment{at, slot})
	case !at.Before(g.heap[i].at):
		return
	}
	g.up(i, appointment{at, slot})
}

// remove cancels the appointment of a slot, if there is one.
func (g *agenda) remove(slot int32) {
	i := int(g.place[slot])
	if i < 0 {
		return
	}
	g.place[slot] = noSlot
	last := len(g.heap) - 1
	moved := g.heap[last]
	g.heap = g.heap[:last]
	if i == last {
		return
	}
	if i > 0 && moved.before(&g.heap[(i-1)/fanOut]) {
		g.up(i, moved)
	} else {
		g.down(i, moved)
	}
}

// up puts an appointment at place i of the heap, or nearer to its top.
func (g *agenda) up(i int, p appointment) {
	for i > 0 {
		parent := (i - 1) / fanOut
		if !p.before(&g.heap[parent]) {
			break
		}
		g.put(i, g.heap[parent])
		i = parent
	}
	g.put(i, p)
}

// down puts an appointment at place i of the heap, or further from its top.
func (g *agenda) down(i int, p appointment) {
	for {
		child := fanOut*i + 1
		if child >= len(g.heap) {
			break
		}
		for other := child + 1; other < min(fanOut*i+1+fanOut, len(g.heap)); other++ {
			if g.heap[other].before(&g.heap[child]) {
				child = other
			}
		}
		if !g.heap[child].before(&p) {
			break
		}
		g.put(i, g.heap[child])
		i = child
	}
	g.put(i, p)
}

func (g *agenda) put(i int, p appointment) {
	g.moves++
	g.heap[i] = p
	g.place[p.slot] = int32(i)
}
