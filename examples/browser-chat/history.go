//go:build !js

package main

// history is the bounded memory of the room: the newest entries, whose
// encoded sizes stay below limitBytes together.
type history struct {
	limit, limitBytes int // entries, bytes
	lines             []line
	bytes             int
	seq               int64 // of the newest entry ever
}

type line struct {
	entry   *entry
	encoded []byte // the event as sent
}

// add numbers the entry, stores it and returns the encoded event.
func (h *history) add(e *entry) []byte {
	h.seq++
	e.Seq = h.seq
	b := encode(event{Type: "entry", Entry: e})
	h.lines = append(h.lines, line{e, b})
	h.bytes += len(b)
	for len(h.lines) > h.limit || h.bytes > h.limitBytes && len(h.lines) > 1 {
		h.bytes -= len(h.lines[0].encoded)
		h.lines[0] = line{}
		h.lines = h.lines[1:]
	}
	return b
}

// after returns the encoded entries newer than seq, oldest first.
func (h *history) after(seq int64) [][]byte {
	var out [][]byte
	for _, l := range h.lines {
		if l.entry.Seq > seq {
			out = append(out, l.encoded)
		}
	}
	return out
}

// gone marks the file as no longer on offer.
func (h *history) gone(id string) {
	for i, l := range h.lines {
		if l.entry.File != nil && l.entry.File.ID == id {
			l.entry.File.Gone = true
			b := encode(event{Type: "entry", Entry: l.entry})
			h.bytes += len(b) - len(l.encoded)
			h.lines[i].encoded = b
		}
	}
}
