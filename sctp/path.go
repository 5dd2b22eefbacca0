package sctp

import "time"

// path is one way to the peer: its congestion window, round-trip time and
// failure detection are its own (RFC 9260, sections 6.3, 7 and 8).
type path struct {
	id     PathID
	mtu    int // largest SCTP packet, bytes
	pmtu   pmtud
	cc     congestionController
	rto    rtoEstimator
	t3     timer // T3-rtx
	hb     heartbeat
	errors int // consecutive, of this path
	down   bool

	burst   int       // bytes of new data sent at this opportunity
	burstAt time.Time // when it began
}

// paths are all the ways to the peer, and the failures that they have seen in
// a row together (RFC 9260, section 8.1).
type paths struct {
	list   []path
	errors int
}

func (p *paths) init(cfg *Config) {
	*p = paths{list: make([]path, 1)}
	p.list[0].cc = new(reno)
	p.list[0].init(cfg)
}

func (p *path) init(cfg *Config) {
	mtu := cfg.MTU &^ 3
	*p = path{id: p.id, mtu: mtu, cc: p.cc}
	p.pmtu.init(mtu, cfg.MaxMTU&^3)
	p.cc.init(initialWindow(p.pmdcs()), p.pmdcs())
	p.rto.init(cfg)
}

// setMTU takes another size of the largest packet.
func (p *path) setMTU(mtu int) {
	p.mtu = mtu &^ 3
	p.cc.resize(p.pmdcs())
}

// changed forgets what was known of a path that goes another way now. Its timers
// run on.
func (p *path) changed(cfg *Config) {
	p.mtu = p.pmtu.base
	p.pmtu.stop()
	p.pmtu.init(p.mtu, p.pmtu.limit)
	p.cc.init(initialWindow(p.pmdcs()), p.pmdcs())
	p.rto.init(cfg)
}

// restart starts all paths anew for a restarted association.
func (p *paths) restart(cfg *Config) {
	for i := range p.list {
		p.list[i].init(cfg)
	}
	p.errors = 0
}

// primary returns the path that data is sent on.
func (p *paths) primary() *path { return &p.list[0] }

// get returns the path with the given id, nil if there is none.
func (p *paths) get(id PathID) *path {
	if int(id) < len(p.list) {
		return &p.list[id]
	}
	return nil
}

// failed counts a timeout on a path and reports whether the path went down by it.
func (p *paths) failed(on *path, limit int) bool {
	p.errors++
	on.errors++
	if on.down || on.errors <= limit {
		return false
	}
	on.down = true
	return true
}

// answered records that the peer acknowledged something on a path; it reports
// whether the path came up by it.
func (p *paths) answered(on *path) bool {
	p.errors, on.errors = 0, 0
	was := on.down
	on.down = false
	return was
}

// stopTimers stops whatever runs on a path.
func (p *paths) stopTimers() {
	for i := range p.list {
		p.list[i].t3.stop()
		p.list[i].hb.stop()
		p.list[i].pmtu.stop()
	}
}

func (p *paths) deadline() (at time.Time, on bool) {
	for i := range p.list {
		at, on = p.list[i].t3.earlier(at, on)
		at, on = p.list[i].hb.timer.earlier(at, on)
		at, on = p.list[i].pmtu.timer.earlier(at, on)
	}
	return at, on
}

// pmdcs returns the largest DATA chunk, header and padding included, that fits
// a packet (RFC 9260, section 1.3).
func (p *path) pmdcs() int { return (p.mtu - commonHeader) &^ 3 }
