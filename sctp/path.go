package sctp

// path is one way to the peer: its congestion window, round-trip time and
// failure detection are its own (RFC 9260, sections 6.3, 7 and 8).
type path struct {
	hb      heartbeat
	pmtu    pmtud
	id      PathID
	down    bool
	ecn     ecn
	mtu     int   // largest SCTP packet, bytes
	errors  int32 // consecutive, of this path
	burst   int32 // bytes of new data sent at this opportunity, if it is not paced
	rto     rtoEstimator
	t3      timer // T3-rtx
	pacer   pacer
	rack    rack
	burstAt instant // when it began
	cc      congestionController
	cubic   cubic // cc, if it is that: in one piece of memory with the rest
}

// paths are all the ways to the peer, and the failures that they have seen in
// a row together (RFC 9260, section 8.1).
type paths struct {
	errors int
	list   [1]path
}

func (p *paths) init(cfg *Config, seed uint64) {
	path := &p.list[0]
	path.cc = cfg.CongestionControl.newController(&path.cubic, seed)
	path.init(cfg)
}

// init sets up a path of which only the congestion control is set.
func (p *path) init(cfg *Config) {
	p.mtu = cfg.MTU &^ 3
	p.pmtu.init(p.mtu, cfg.MaxMTU&^3)
	p.begin(cfg)
}

// begin begins to find out what the path can take.
func (p *path) begin(cfg *Config) {
	window := cfg.InitialWindow
	set(&window, initialWindow(p.pmdcs()))
	p.cc.init(window, p.pmdcs())
	p.rto.init(cfg)
}

// mayBurst reports whether one more packet of new data may go at this opportunity
// (9260-6.1-c), of which limit is the most packets, when the path is not paced. It is
// counted in bytes, so that small messages need not wait for the peer, and what the
// application sends later is another opportunity.
func (p *path) mayBurst(now instant, limit int) bool {
	if now.Sub(p.burstAt) >= clockGranularity {
		p.burst, p.burstAt = 0, now
	}
	return int(p.burst) < limit*p.pmdcs()
}

// sent takes note of a packet with n bytes of data, of which fresh go out for the first
// time; limit is as for mayBurst.
func (p *path) sent(now instant, n, fresh, limit int) {
	if rate := p.cc.pacing(); rate > 0 {
		p.pacer.sent(now, n, rate, max(limit*p.pmdcs(), sendQuantum(rate, p.pmdcs())))
	}
	p.burst += int32(fresh)
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
	p.pmtu.init(p.mtu, int(p.pmtu.limit))
	p.rack.minRTT, p.rack.tlp = minRTT{}, tailProbe{}
	p.begin(cfg)
}

// restart starts all paths anew for a restarted association.
func (p *paths) restart(cfg *Config) {
	for i := range p.list {
		on := &p.list[i]
		*on = path{id: on.id, cc: on.cc}
		on.init(cfg)
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
	if on.down || int(on.errors) <= limit {
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
		p.list[i].rack.timer.stop()
		p.list[i].hb.stop()
		p.list[i].pacer.timer.stop()
		p.list[i].pmtu.stop()
	}
}

func (p *paths) deadline() (at instant, on bool) {
	for i := range p.list {
		at, on = p.list[i].t3.earlier(at, on)
		at, on = p.list[i].rack.timer.earlier(at, on)
		at, on = p.list[i].hb.timer.earlier(at, on)
		at, on = p.list[i].pacer.timer.earlier(at, on)
		at, on = p.list[i].pmtu.timer.earlier(at, on)
	}
	return at, on
}

// pmdcs returns the largest DATA chunk, header and padding included, that fits
// a packet (RFC 9260, section 1.3).
func (p *path) pmdcs() int { return (p.mtu - commonHeader) &^ 3 }
