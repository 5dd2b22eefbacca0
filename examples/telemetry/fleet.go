package main

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// A fleet is what the server knows of its gateways: a bounded number of them, and
// of each a bounded amount.
type fleet struct {
	max int

	mu       sync.Mutex
	gateways map[string]*member
	alarms   []fleetAlarm // the last ones, oldest first
	counts   counts
}

// counts are those of all gateways.
type counts struct {
	Readings  uint64 `json:"readings"`  // that came in, at once or later
	Backlog   uint64 `json:"backlog"`   // of these, from a journal
	Alarms    uint64 `json:"alarms"`    // each once
	Repeated  uint64 `json:"repeated"`  // entries of journals that came again
	Malformed uint64 `json:"malformed"` // messages that were none
}

// Bounds of what is kept of a gateway, and of the list of alarms.
const (
	maxSensors = 16
	maxTrail   = 40
	maxAlarms  = 20
)

var errFull = errors.New("there are too many gateways")

// member is one gateway.
type member struct {
	name    string
	boot    string
	leave   func() // ends its connection; nil while offline
	visit   int    // counts its connections
	since   time.Time
	sensors map[string]float64
	first   string    // the sensor whose trail is shown
	trail   []float64 // its last values
	low     uint64    // numbers of readings: before the first
	high    uint64    // the highest
	have    uint64    // how many came in
	alarms  progress
	backlog progress
}

// progress is how far a journal has come.
type progress struct {
	id string
	n  uint64
}

// take tells whether number n of the journal is new, and notes it.
func (p *progress) take(n uint64) bool {
	if n <= p.n {
		return false
	}
	p.n = n
	return true
}

// begin goes on with the journal, or begins another.
func (p *progress) begin(id string) {
	if p.id != id {
		*p = progress{id: id}
	}
}

// fleetAlarm is an alarm with its gateway.
type fleetAlarm struct {
	Gateway string `json:"gateway"`
	alarm
}

func newFleet(max int) *fleet { return &fleet{max: max, gateways: map[string]*member{}} }

// join takes a gateway that connects, for which visit is its number. A connection that it
// had before is left.
func (f *fleet) join(q connectRequest, leave func()) (m *member, visit int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m = f.gateways[q.Name]; m == nil {
		if len(f.gateways) >= f.max && !f.forgetOne() {
			return nil, 0, errFull
		}
		m = &member{name: q.Name, sensors: map[string]float64{}}
		f.gateways[q.Name] = m
	}
	if m.leave != nil {
		go m.leave()
	}
	if m.boot != q.Boot {
		m.boot, m.low, m.high, m.have = q.Boot, 0, 0, 0
	}
	m.alarms.begin(q.Alarms)
	m.backlog.begin(q.Backlog)
	m.since, m.leave = time.Now(), leave
	m.visit++
	return m, m.visit, nil
}

// forgetOne makes room: the gateway that is offline for the longest time goes.
// f.mu is held.
func (f *fleet) forgetOne() bool {
	var oldest *member
	for _, m := range f.gateways {
		if m.leave == nil && (oldest == nil || m.since.Before(oldest.since)) {
			oldest = m
		}
	}
	if oldest == nil {
		return false
	}
	delete(f.gateways, oldest.name)
	return true
}

// left is told that a connection of the gateway has ended.
func (f *fleet) left(m *member, visit int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.visit == visit {
		m.since, m.leave = time.Now(), nil
	}
}

// reading takes one.
func (f *fleet) reading(m *member, r reading, late bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Readings++
	if late {
		f.counts.Backlog++
	}
	if m.have == 0 {
		m.low = r.N - 1
	}
	m.low, m.high = min(m.low, r.N-1), max(m.high, r.N)
	m.have++
	if _, known := m.sensors[r.Sensor]; !known && len(m.sensors) >= maxSensors {
		return
	}
	if late && r.N < m.high {
		return // the sensor has a newer value
	}
	m.sensors[r.Sensor] = r.Value
	if m.first == "" {
		m.first = r.Sensor
	}
	if r.Sensor == m.first {
		if len(m.trail) == maxTrail {
			m.trail = slices.Delete(m.trail, 0, 1)
		}
		m.trail = append(m.trail, r.Value)
	}
}

// alarm takes one.
func (f *fleet) alarm(m *member, a alarm) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Alarms++
	if len(f.alarms) == maxAlarms {
		f.alarms = slices.Delete(f.alarms, 0, 1)
	}
	f.alarms = append(f.alarms, fleetAlarm{m.name, a})
}

// once tells whether an entry of a journal is new.
func (f *fleet) once(p *progress, n uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.take(n) {
		return true
	}
	f.counts.Repeated++
	return false
}

func (f *fleet) malformed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Malformed++
}

// snapshot is what the page shows.
type snapshot struct {
	Time     int64         `json:"time"`
	Online   int           `json:"online"`
	Known    int           `json:"known"`
	Counts   counts        `json:"counts"`
	Gateways []gatewayView `json:"gateways"` // the first ones by name
	Alarms   []fleetAlarm  `json:"alarms"`   // the newest first
}

// gatewayView is a row.
type gatewayView struct {
	Name    string             `json:"name"`
	Online  bool               `json:"online"`
	Since   int64              `json:"since"`
	Sensors map[string]float64 `json:"sensors"`
	Sensor  string             `json:"sensor"` // that of the trail
	Trail   []float64          `json:"trail"`
	Have    uint64             `json:"have"`
	Lost    uint64             `json:"lost"` // readings that did not come, or not yet
}

// maxRows bounds a snapshot.
const maxRows = 100

func (f *fleet) snapshot() snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := snapshot{Time: time.Now().UnixMilli(), Known: len(f.gateways), Counts: f.counts, Gateways: []gatewayView{}, Alarms: slices.Clone(f.alarms)}
	slices.Reverse(s.Alarms)
	for _, m := range f.gateways {
		if m.leave != nil {
			s.Online++
		}
	}
	names := slices.Sorted(maps.Keys(f.gateways))
	for _, name := range names[:min(maxRows, len(names))] {
		m := f.gateways[name]
		v := gatewayView{Name: name, Online: m.leave != nil, Since: m.since.UnixMilli(), Sensors: maps.Clone(m.sensors),
			Sensor: m.first, Trail: slices.Clone(m.trail), Have: m.have}
		if sent := m.high - m.low; sent > m.have {
			v.Lost = sent - m.have
		}
		s.Gateways = append(s.Gateways, v)
	}
	return s
}

// close ends all connections.
func (f *fleet) close() {
	f.mu.Lock()
	var all []func()
	for _, m := range f.gateways {
		if m.leave != nil {
			all = append(all, m.leave)
		}
	}
	f.mu.Unlock()
	for _, leave := range all {
		leave()
	}
}
