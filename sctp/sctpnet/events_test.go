package sctpnet

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

func TestEventQueue(t *testing.T) {
	var e events
	next, want := uint16(0), uint16(0)
	push := func(n int) {
		for range n {
			e.push(sctp.Event{Stream: next})
			next++
		}
	}
	pop := func(n int) {
		t.Helper()
		for range n {
			if got := e.pop().Stream; got != want {
				t.Fatalf("got event %d, want %d", got, want)
			}
			want++
		}
	}
	for range 1000 { // never empty: must not grow for ever
		push(7)
		pop(6)
		if e.len() > 100 {
			pop(90)
		}
	}
	if got := cap(e.queue); got > 1024 {
		t.Errorf("capacity %d for at most 107 events", got)
	}
	pop(e.len())
	if e.len() != 0 || e.head != 0 || cap(e.queue) > keptEvents {
		t.Errorf("emptied: length %d, head %d, capacity %d", e.len(), e.head, cap(e.queue))
	}
}

// recorder takes down events, and notices when two come at a time.
type recorder struct {
	events  []sctp.Event
	running bool
	overlap bool
	on      func(*Conn, sctp.Event) // besides
}

func (r *recorder) onEvent(c *Conn, ev sctp.Event) {
	if r.running {
		r.overlap = true
	}
	r.running = true
	r.events = append(r.events, ev)
	if r.on != nil {
		r.on(c, ev)
	}
	r.running = false
}

func (r *recorder) count(kind sctp.EventKind) int {
	n := 0
	for _, ev := range r.events {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}

// OnEvent calls back into the Conn, whose events come after it has returned.
func TestEventsCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var echo recorder
		buf := make([]byte, 4096)
		echo.on = func(c *Conn, ev sctp.Event) {
			switch ev.Kind {
			case sctp.EventConnected:
				if c.State() != sctp.Established {
					t.Error("connected, but not established")
				}
			case sctp.EventReadable:
				for {
					n, info, err := c.TryReadMessage(ev.Stream, buf)
					if err != nil {
						return
					}
					m := sctp.Message{Stream: ev.Stream, PPID: info.PPID, Payload: buf[:n]}
					if err := c.TryWriteMessage(m); err != nil {
						t.Errorf("echo: %v", err)
					}
					c.SetBufferedAmountLowThreshold(ev.Stream, 0)
				}
			}
		}
		pa, pb := pipe()
		b, err := New(pb, Config{OnEvent: echo.onEvent}, false)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Client(background, pa, Config{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			write(t, a, message(uint16(i), 100, byte(i)))
		}
		for i := range 50 {
			if got := read(t, a, uint16(i)); len(got) != 100 || got[0] != byte(i) {
				t.Fatalf("stream %d: got %d bytes", i, len(got))
			}
		}
		if _, err := b.AcceptStream(background); err != ErrEventsElsewhere {
			t.Errorf("AcceptStream: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		<-a.Done()
		<-b.Done()
		if echo.overlap {
			t.Error("two events at a time")
		}
		last := echo.events[len(echo.events)-1]
		if echo.events[0].Kind != sctp.EventConnected || last.Kind != sctp.EventClosed || last.Err != nil {
			t.Errorf("first %v, last %v", echo.events[0], last)
		}
		if n := echo.count(sctp.EventReadable); n != 50 {
			t.Errorf("%d times readable", n)
		}
	})
}

// A slow OnEvent that runs inside a call of the application holds up neither the
// reading goroutine nor other calls, and its events stay bounded.
func TestEventsWhileOneRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		hold := make(chan struct{})
		held := false
		rec.on = func(c *Conn, ev sctp.Event) {
			if ev.Kind == sctp.EventBufferedAmountLow && !held {
				held = true
				<-hold
			}
		}
		p := &pair{t: t}
		p.pa, p.pb = pipe()
		var err error
		if p.b, err = New(p.pb, Config{}, false); err != nil {
			t.Fatal(err)
		}
		if p.a, err = New(p.pa, Config{OnEvent: rec.onEvent}, true); err != nil {
			t.Fatal(err)
		}
		p.established()
		defer p.end()
		synctest.Wait() // or the reading goroutine, with EventConnected in OnEvent, runs it for what is written, too
		writing := result(func() error { return p.a.WriteMessage(background, message(1, 10, 1)) })
		pending(t, writing)
		if got := read(t, p.b, 1); len(got) != 10 {
			t.Fatalf("got %d bytes", len(got))
		}
		// The application's goroutine is in OnEvent; the Conn goes on without it.
		write(t, p.a, message(2, 20, 2))
		if got := read(t, p.b, 2); len(got) != 20 {
			t.Fatalf("got %d bytes", len(got))
		}
		write(t, p.b, message(3, 30, 3))
		if got := read(t, p.a, 3); len(got) != 30 {
			t.Fatalf("got %d bytes", len(got))
		}
		pending(t, writing)
		close(hold)
		if err := <-writing; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if rec.count(sctp.EventBufferedAmountLow) != 2 || rec.count(sctp.EventReadable) != 1 {
			t.Errorf("events: %v", rec.events)
		}
	})
}

// While OnEvent takes its time, reading pauses before its events are too many.
func TestEventsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams = 3 * maxEvents
		var rec recorder
		hold := make(chan struct{})
		rec.on = func(c *Conn, ev sctp.Event) {
			if ev.Kind == sctp.EventBufferedAmountLow {
				<-hold
			}
		}
		p := &pair{t: t}
		p.pa, p.pb = pipe()
		var err error
		if p.b, err = New(p.pb, Config{}, false); err != nil {
			t.Fatal(err)
		}
		if p.a, err = New(p.pa, Config{OnEvent: rec.onEvent}, true); err != nil {
			t.Fatal(err)
		}
		p.established()
		defer p.end()
		writing := result(func() error { return p.a.WriteMessage(background, message(1, 10, 1)) })
		for id := range uint16(streams) {
			write(t, p.b, message(id, 10, 0))
		}
		netsim.Elapse(10 * time.Second)
		pending(t, writing)
		p.a.mu.Lock()
		if n := p.a.events.len(); n < maxEvents || n > maxEvents+100 {
			t.Errorf("%d events wait", n)
		}
		p.a.mu.Unlock()
		close(hold)
		if err := <-writing; err != nil {
			t.Error(err)
		}
		netsim.Elapse(10 * time.Second)
		synctest.Wait()
		if n := rec.count(sctp.EventReadable); n != streams {
			t.Errorf("%d streams of %d reported", n, streams)
		}
	})
}

// A call of the application does not have to run events without end.
func TestEventsLetCallersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams = 1000
		var rec recorder
		begin := make(chan struct{})
		rec.on = func(c *Conn, ev sctp.Event) {
			if ev.Kind == sctp.EventBufferedAmountLow {
				close(begin)
			}
			netsim.Elapse(time.Millisecond)
		}
		p := &pair{t: t}
		p.pa, p.pb = netsim.Pipe(netsim.PipeConfig{})
		var err error
		if p.b, err = New(p.pb, Config{}, false); err != nil {
			t.Fatal(err)
		}
		if p.a, err = New(p.pa, Config{OnEvent: rec.onEvent}, true); err != nil {
			t.Fatal(err)
		}
		p.established()
		defer p.end()
		flood := result(func() error {
			<-begin
			for id := range uint16(streams) {
				if err := p.b.WriteMessage(background, message(id, 10, 0)); err != nil {
					return err
				}
				netsim.Elapse(500 * time.Microsecond)
			}
			return nil
		})
		netsim.Elapse(time.Second)
		if got := elapsed(func() { write(t, p.a, message(1, 10, 0)) }); got > 2*maxRounds*time.Millisecond {
			t.Errorf("the call took %v", got)
		}
		if err := <-flood; err != nil {
			t.Fatal(err)
		}
		netsim.Elapse(5 * time.Second)
		synctest.Wait()
		if n := rec.count(sctp.EventReadable); n != streams || rec.overlap {
			t.Errorf("%d streams of %d reported, overlap %v", n, streams, rec.overlap)
		}
	})
}

// EventClosed tells what Err does, and comes before Done is closed.
func TestEventClosedBeforeDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		pa, _ := pipe()
		c, err := New(pa, Config{OnEvent: rec.onEvent}, true)
		if err != nil {
			t.Fatal(err)
		}
		netsim.Elapse(time.Millisecond)
		pa.Close()
		<-c.Done()
		if len(rec.events) != 1 || rec.events[0].Kind != sctp.EventClosed || rec.events[0].Err != c.Err() || c.Err() == nil {
			t.Errorf("events %v, Err %v", rec.events, c.Err())
		}
	})
}
