package sctptrace

import (
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Qlog writes every event as a record of a qlog file; see the package comment. It
// may be used by several associations at once.
//
// Each event is one Write; a bufio.Writer makes fewer of them.
type Qlog struct {
	mu    sync.Mutex
	w     io.Writer
	title string
	start time.Time
	rec   record
	err   error
}

// NewQlog returns a Qlog that writes to w. The title is for people.
func NewQlog(w io.Writer, title string) *Qlog { return &Qlog{w: w, title: title} }

// Err returns the first error of writing. Nothing is written after it.
func (q *Qlog) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// names are those of the events.
var names = [...]string{
	sctp.TracePacketSent:     "packet_sent",
	sctp.TracePacketReceived: "packet_received",
	sctp.TracePacketDropped:  "packet_dropped",
	sctp.TraceState:          "state_updated",
	sctp.TraceMetrics:        "metrics_updated",
	sctp.TraceRecovery:       "recovery_updated",
	sctp.TraceLost:           "chunk_lost",
	sctp.TraceRetransmit:     "chunk_retransmitted",
	sctp.TraceDataDropped:    "data_dropped",
	sctp.TraceAbandoned:      "message_abandoned",
	sctp.TraceTimer:          "timer_expired",
	sctp.TraceNotify:         "event",
}

// Trace writes an event.
func (q *Qlog) Trace(e sctp.TraceEvent) {
	if int(e.Kind) >= len(names) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.start.IsZero() {
		q.start = e.Time
		q.header()
	}
	r := &q.rec
	r.begin()
	r.ms("time", e.Time.Sub(q.start))
	r.text("name", "sctp:"+names[e.Kind])
	if e.Tag != 0 {
		r.text("group_id", tag(e.Tag))
	}
	r.open("data", '{')
	r.event(&e)
	r.close('}')
	q.write()
}

// header writes the record that describes the file.
func (q *Qlog) header() {
	r := &q.rec
	r.begin()
	r.text("file_schema", "urn:ietf:params:qlog:file:sequential")
	r.text("serialization_format", "application/qlog+json-seq")
	if q.title != "" {
		r.any("title", q.title)
	}
	r.open("trace", '{')
	r.open("vantage_point", '{')
	r.text("type", "unknown")
	r.close('}')
	r.open("common_fields", '{')
	r.text("time_format", "relative_to_epoch")
	r.open("reference_time", '{')
	r.text("clock_type", "system")
	r.text("epoch", q.start.UTC().Format(time.RFC3339Nano))
	r.close('}')
	r.close('}')
	r.open("event_schemas", '[')
	r.item("https://github.com/sluice-rtc/sluice/sctp/sctptrace")
	r.close(']')
	r.close('}')
	q.write()
}

func (q *Qlog) write() {
	q.rec.b = append(q.rec.b, '}', '\n')
	if q.err == nil {
		_, q.err = q.w.Write(q.rec.b)
	}
}

// event adds what the comment of its kind names.
func (r *record) event(e *sctp.TraceEvent) {
	switch e.Kind {
	case sctp.TracePacketSent, sctp.TracePacketReceived:
		r.number("path", int64(e.Path))
		r.packet(e.Packet)
	case sctp.TracePacketDropped:
		r.number("path", int64(e.Path))
		r.number("length", int64(len(e.Packet)))
		r.text("reason", e.Reason.String())
	case sctp.TraceState:
		r.text("old", e.Before.String())
		r.text("new", e.State.String())
	case sctp.TraceMetrics:
		r.number("path", int64(e.Path))
		r.metrics(&e.Metrics)
	case sctp.TraceRecovery:
		r.truth("recovering", e.On)
	case sctp.TraceLost, sctp.TraceRetransmit, sctp.TraceDataDropped:
		r.number("tsn", int64(e.TSN))
		r.number("stream", int64(e.Stream))
		if e.Kind == sctp.TraceRetransmit {
			r.number("count", int64(e.Count))
		}
		if e.Kind == sctp.TraceDataDropped {
			r.text("reason", e.Reason.String())
		}
	case sctp.TraceAbandoned:
		r.number("stream", int64(e.Stream))
		r.message(e.Message)
		r.text("reason", e.Reason.String())
		r.truth("begun", e.On)
	case sctp.TraceTimer:
		r.text("timer", e.Timer.String())
	case sctp.TraceNotify:
		r.notify(&e.Event)
	}
}

func (r *record) metrics(m *sctp.PathStats) {
	r.number("cwnd", int64(m.CongestionWindow))
	r.number("ssthresh", int64(m.SlowStartThreshold))
	r.number("bytes_in_flight", int64(m.FlightSize))
	r.number("mtu", int64(m.MTU))
	if m.SRTT > 0 {
		r.ms("smoothed_rtt", m.SRTT)
		r.ms("rtt_variance", m.RTTVar)
		r.ms("latest_rtt", m.LatestRTT)
	}
	r.ms("rto", m.RTO)
	if m.Errors > 0 {
		r.number("errors", int64(m.Errors))
	}
	if m.Down {
		r.truth("down", true)
	}
}

func (r *record) notify(e *sctp.Event) {
	r.text("event", e.Kind.String())
	r.number("path", int64(e.Path))
	r.number("stream", int64(e.Stream))
	r.message(e.Message)
	if e.Begun {
		r.truth("begun", true)
	}
	if e.Err != nil {
		r.any("error", e.Err.Error())
	}
}

// A record is a JSON object that is being written.
type record struct{ b []byte }

// begin begins a record of a JSON text sequence.
func (r *record) begin() { r.b = append(r.b[:0], 0x1E, '{') }

// key begins a member.
func (r *record) key(k string) {
	r.comma()
	r.b = append(r.b, '"')
	r.b = append(r.b, k...)
	r.b = append(r.b, '"', ':')
}

func (r *record) comma() {
	if c := r.b[len(r.b)-1]; c != '{' && c != '[' {
		r.b = append(r.b, ',')
	}
}

func (r *record) open(k string, bracket byte) {
	r.key(k)
	r.b = append(r.b, bracket)
}

func (r *record) close(bracket byte) { r.b = append(r.b, bracket) }

// text adds a member whose value has no characters to escape.
func (r *record) text(k, v string) {
	r.key(k)
	r.b = append(append(append(r.b, '"'), v...), '"')
}

// item adds such an element.
func (r *record) item(v string) {
	r.comma()
	r.b = append(append(append(r.b, '"'), v...), '"')
}

// any adds a member with any text.
func (r *record) any(k, v string) {
	r.key(k)
	quoted, err := json.Marshal(v)
	if err != nil {
		quoted = []byte(`""`)
	}
	r.b = append(r.b, quoted...)
}

func (r *record) number(k string, v int64) {
	r.key(k)
	r.b = strconv.AppendInt(r.b, v, 10)
}

// element adds a number to an array.
func (r *record) element(v int64) {
	r.comma()
	r.b = strconv.AppendInt(r.b, v, 10)
}

func (r *record) truth(k string, v bool) {
	r.key(k)
	r.b = strconv.AppendBool(r.b, v)
}

// ms adds a duration in milliseconds.
func (r *record) ms(k string, d time.Duration) {
	r.key(k)
	r.b = strconv.AppendFloat(r.b, float64(d)/1e6, 'f', -1, 64)
}

// message adds the ID of a message that has one.
func (r *record) message(id uint64) {
	if id != 0 {
		r.key("message")
		r.b = strconv.AppendUint(r.b, id, 10)
	}
}

// tag writes a verification tag.
func tag(t uint32) string {
	const digits = "0123456789abcdef"
	var b [8]byte
	for i := range b {
		b[i] = digits[t>>(28-4*i)&15]
	}
	return string(b[:])
}
