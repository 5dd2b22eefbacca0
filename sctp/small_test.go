package sctp

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// smallRun is two associations with SmallConfig that send each other what they can over a
// link of 1 Mbit/s that loses packets, in virtual time.
type smallRun struct {
	t    *testing.T
	net  *netsim.Network
	link netsim.Link
	now  time.Time
	rng  *rand.Rand
	load *smallLoad

	ends    [2]*Association
	sent    [2][8][]byte // payload, by stream
	got     [2][8][]byte
	arrived int        // bytes
	most    *footprint // of either end
	done    bool       // nothing more is sent
}

// smallLoad says what is sent and read.
type smallLoad struct {
	desc      string
	sizes     []int // one of them
	streams   int
	oneWay    bool
	server    bool // the end that receives has a Config with defaults, and is not measured
	send      int  // SendBuffer of who sends, bytes; 0: SmallConfig's
	unordered bool
	expire    bool          // messages are given up after 300 ms
	readEvery time.Duration // 0: at once
}

var smallLoads = []smallLoad{
	{desc: "telemetry", sizes: []int{1000}, streams: 1, oneWay: true},
	{desc: "telemetry in small messages", sizes: []int{20}, streams: 1, oneWay: true},
	{desc: "telemetry to a server", sizes: []int{1000}, streams: 1, oneWay: true, server: true},
	{desc: "telemetry to a server, SendBuffer 16 KiB", sizes: []int{1000}, streams: 1, oneWay: true, server: true, send: 16 << 10},
	{desc: "small messages to a server, SendBuffer 16 KiB", sizes: []int{1, 20, 100}, streams: 8, oneWay: true, server: true, send: 16 << 10},
	{desc: "both ways", sizes: []int{1000}, streams: 2},
	{desc: "small messages", sizes: []int{1, 20, 100}, streams: 8},
	{desc: "messages that count just as what they are", sizes: []int{260, 390}, streams: 8},
	{desc: "large messages", sizes: []int{4000, 7000}, streams: 3},
	{desc: "any size", sizes: []int{1, 20, 100, 500, 1200, 4000}, streams: 8},
	{desc: "unordered", sizes: []int{1, 20, 100, 500, 1200, 4000}, streams: 8, unordered: true},
	{desc: "with lifetime", sizes: []int{1, 20, 100, 500, 1200, 4000}, streams: 8, expire: true},
	{desc: "read late", sizes: []int{1, 20, 100, 500, 1200, 4000}, streams: 8, readEvery: 300 * time.Millisecond},
	{desc: "small messages, read late", sizes: []int{20, 200, 260}, streams: 8, readEvery: 300 * time.Millisecond},
}

// TestSmallConfig: an association never takes more than SmallFootprint, whatever it sends
// and receives while packets get lost, and everything arrives.
func TestSmallConfig(t *testing.T) {
	sending := 5 * time.Second
	if raceDetector { // there is one goroutine
		sending = time.Second
	}
	for _, load := range smallLoads {
		for _, chunks := range []string{"DATA", "I-DATA"} {
			t.Run(load.desc+"/"+chunks, func(t *testing.T) {
				r := newSmallRun(t, &load, chunks == "DATA", &smallLinks[0])
				rate := r.run(sending)
				t.Logf("%.2f Mbit/s; at most %v", rate, r.most)
				for i := range smallLinks[1:] {
					newSmallRun(t, &load, chunks == "DATA", &smallLinks[1+i]).run(sending / 5)
				}
			})
		}
	}
}

// smallLinks are what it holds over; the rate is measured over the first.
var smallLinks = []netsim.Conditions{
	{Latency: 20 * time.Millisecond, Rate: 125_000, Queue: 16 << 10, Loss: 0.05},
	{Latency: 100 * time.Millisecond, Rate: 1_000_000, Queue: 64 << 10, Loss: 0.15},
	{Latency: 50 * time.Millisecond, Rate: 125_000, Queue: 32 << 10, Loss: 0.10, Reorder: 0.2, ReorderDelay: 100 * time.Millisecond},
}

// run lets the two send for so long, in virtual time, and returns how much arrived meanwhile, in Mbit/s;
// in the end all has.
func (r *smallRun) run(sending time.Duration) float64 {
	for r.ends[0].State() != Established || r.ends[1].State() != Established {
		r.step()
	}
	start, before := r.now, r.arrived
	for r.now.Before(start.Add(sending)) {
		r.step()
	}
	rate := float64(r.arrived-before) * 8 / 1e6 / sending.Seconds()
	r.done = true
	for r.ends[0].out.messages+r.ends[1].out.messages > 0 {
		r.step()
		if r.now.After(start.Add(20*sending + time.Minute)) {
			r.t.Fatal("does not end")
		}
	}
	r.read(true)
	r.check()
	return rate
}

func newSmallRun(t *testing.T, load *smallLoad, plain bool, conditions *netsim.Conditions) *smallRun {
	r := &smallRun{t: t, now: time.Unix(1_000_000, 0), load: load, rng: rand.New(rand.NewPCG(1, 1)), most: new(footprint)}
	r.net = netsim.New(1, r.now)
	r.link = r.net.AddLink(*conditions, *conditions)
	for i := range r.ends {
		cfg := SmallConfig()
		switch {
		case i == 1 && load.server:
			cfg = Config{}
		case load.send != 0:
			cfg.SendBuffer = load.send
		}
		cfg.Seed, cfg.NoInterleaving = [32]byte{byte(i + 1)}, plain
		var err error
		if r.ends[i], err = New(cfg); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.ends[0].Connect(r.now); err != nil {
		t.Fatal(err)
	}
	r.settle()
	return r
}

// step goes to the next moment at which something happens.
func (r *smallRun) step() {
	next, ok := r.net.Next()
	for _, a := range r.ends {
		if at, on := a.Timeout(); on && (!ok || at.Before(next)) {
			next, ok = at, true
		}
	}
	if !ok {
		r.t.Fatal("nothing happens any more")
	}
	if every := r.load.readEvery; every > 0 { // and the applications begin to read, or stop
		if turn := r.now.Truncate(every).Add(every); turn.Before(next) {
			next = turn
		}
	}
	r.now = next
	for d, ok := r.net.Deliver(r.now); ok; d, ok = r.net.Deliver(r.now) {
		r.ends[1-d.Dir].HandlePacket(r.now, 0, d.Packet)
		r.measure(r.ends[1-d.Dir])
	}
	for _, a := range r.ends {
		if at, on := a.Timeout(); on && !at.After(r.now) {
			a.HandleTimeout(r.now)
		}
	}
	r.settle()
}

// settle lets both applications work, and packets go.
func (r *smallRun) settle() {
	r.read(r.load.readEvery == 0 || r.now.UnixNano()/int64(r.load.readEvery)%2 == 0)
	for i, a := range r.ends {
		for r.sends(i) {
		}
		r.measure(a)
		var buf [2048]byte
		for tx, ok := a.Transmit(r.now, buf[:0]); ok; tx, ok = a.Transmit(r.now, buf[:0]) {
			r.net.Send(r.now, r.link, netsim.Dir(i), tx.Packet)
		}
		r.measure(a)
	}
}

// sends has one end send a message and reports whether it could.
func (r *smallRun) sends(i int) bool {
	if r.done || r.ends[i].State() != Established || i == 1 && r.load.oneWay {
		return false
	}
	stream := r.rng.IntN(r.load.streams)
	payload := make([]byte, r.load.sizes[r.rng.IntN(len(r.load.sizes))])
	for j := range payload {
		payload[j] = byte(r.rng.Uint32())
	}
	m := Message{Stream: uint16(stream), Unordered: r.load.unordered, Payload: payload}
	if r.load.expire {
		m.Reliability.Lifetime = 300 * time.Millisecond
	}
	if err := r.ends[i].SendCopy(r.now, m); err != nil {
		return false
	}
	r.sent[i][stream] = append(r.sent[i][stream], payload...)
	return true
}

// read takes the events, and what came in if the applications are to read.
func (r *smallRun) read(all bool) {
	for i, a := range r.ends {
		for e, ok := a.NextEvent(); ok; e, ok = a.NextEvent() {
			if e.Kind == EventClosed {
				r.t.Fatal(e.Err)
			}
		}
		for s := 0; all && s < r.load.streams; s++ {
			var buf [1000]byte
			for {
				n, _, err := a.Read(r.now, uint16(s), buf[:])
				if err == ErrWouldBlock {
					break
				}
				r.got[i][s] = append(r.got[i][s], buf[:n]...)
				r.arrived += n
			}
		}
	}
}

// measure holds an end to what was promised.
func (r *smallRun) measure(a *Association) {
	if r.load.server && a == r.ends[1] {
		return
	}
	f := footprintOf(a)
	if f.bytes > r.most.bytes {
		r.most = f
	}
	if f.bytes > SmallFootprint {
		r.t.Fatalf("%v", f)
	}
}

// check wants what was sent to have arrived, in order if it should.
func (r *smallRun) check() {
	for i := range r.ends {
		for s := range r.sent[i] {
			sent, got := r.sent[i][s], r.got[1-i][s]
			switch {
			case r.load.expire:
			case r.load.unordered && len(sent) != len(got), !r.load.unordered && !bytes.Equal(sent, got):
				r.t.Errorf("stream %d of end %d: %d bytes arrived of %d, or others", s, i, len(got), len(sent))
			}
		}
	}
}
