//go:build !js

package datachannel

// DSCPController is what a net.Conn given to Session.Start implements besides if it can mark
// packets with a codepoint of Differentiated Services, 0 to 63.
type DSCPController interface {
	SetDSCP(codepoint uint8) error
}

// A class is a row of the table of RFC 8837, section 5, for data: as all channels go over one
// association they have one codepoint, that of the highest class among them.
type class uint8

const (
	veryLow class = iota
	low
	medium
	high
	classes
)

// codepoints are those of the classes: LE (RFC 8622, in place of CS1), DF, AF11 and AF21.
var codepoints = [classes]uint8{1, 0, 10, 18}

// classOf returns the class of a priority of RFC 8831, section 6.4.
func classOf(priority uint16) class {
	switch {
	case priority <= 128:
		return veryLow
	case priority <= 256:
		return low
	case priority <= 512:
		return medium
	}
	return high
}

// marking is what the transport is told about priorities.
type marking struct {
	transport DSCPController // nil: it cannot be told
	open      [classes]int   // open channels that this side created
	codepoint uint8          // as the transport was told last
}

// change counts n more channels of a priority.
func (m *marking) change(priority uint16, n int) {
	m.open[classOf(priority)] += n
	best := low
	for c, open := range m.open {
		if open > 0 && (class(c) > best || class(c) == veryLow && m.open[low] == 0) {
			best = class(c)
		}
	}
	if codepoint := codepoints[best]; codepoint != m.codepoint && m.transport != nil {
		m.codepoint = codepoint
		_ = m.transport.SetDSCP(codepoint) // or packets go unmarked
	}
}
