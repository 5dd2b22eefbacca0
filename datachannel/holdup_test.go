package datachannel

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// serial is a pair that does not interleave, as with a browser.
func serial() setup {
	cfg := Config{MaxMessageSize: -1, SCTP: sctp.Config{NoInterleaving: true, SendBuffer: 256 << 10}}
	return setup{a: cfg, b: cfg}
}

// Without interleaving a message in parts holds up all others, which do not take the room in
// the send buffer that it needs to go on: several are written at a time, and small ones
// beside them, on many channels.
func TestMessageWritersWithoutInterleaving(t *testing.T) {
	bubble(t, serial(), func(t *testing.T, p *pair) {
		const writers, size = 5, 2 << 20
		ctx, cancel := timeout(time.Hour)
		defer cancel()
		done := make(chan error, 3*writers)
		var ends [writers][4]*Channel
		for i := range ends {
			ends[i][0], ends[i][1] = p.open("", nil)
			ends[i][2], ends[i][3] = p.open("", nil)
		}
		for i, end := range ends {
			a, b, other, otherB := end[0], end[1], end[2], end[3]
			data := bytes.Repeat([]byte("h\u00e9\u2713\U0001F600"), size/10)
			go func() {
				w := value(a.NextWriter(ctx, i%2 == 0))(t)
				_, err := io.Copy(struct{ io.Writer }{w}, bytes.NewReader(data))
				done <- errors.Join(err, w.Close())
			}()
			go func() {
				r := value(b.NextReader(ctx))(t)
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
				}
				done <- nil
			}()
			go func() {
				for range 300 {
					check(t, other.WriteMessage(ctx, make([]byte, 5000), false))
				}
			}()
			go func() {
				for range 300 {
					value(otherB.ReadMessage(ctx))(t)
				}
				done <- nil
			}()
		}
		for range cap(done) {
			check(t, <-done)
		}
	})
}

// Whatever ends a message in parts, those that it held up go on.
func TestHeldUpGoesOn(t *testing.T) {
	for desc, end := range map[string]func(a, b *Channel, w *MessageWriter){
		"abort":       func(_, _ *Channel, w *MessageWriter) { w.Abort() },
		"end":         func(_, _ *Channel, w *MessageWriter) { w.Close() },
		"close":       func(a, _ *Channel, _ *MessageWriter) { a.Close() },
		"peer closes": func(_, b *Channel, _ *MessageWriter) { b.Close() },
		"failure": func(a, _ *Channel, _ *MessageWriter) {
			a.s.lock()
			a.fail(channelError("test", nil))
			a.s.unlock()
		},
	} {
		t.Run(desc, func(t *testing.T) {
			bubble(t, serial(), func(t *testing.T, p *pair) {
				a, b := p.open("", nil)
				other, otherB := p.open("", nil)
				w := value(a.NextWriter(background, false))(t)
				value(w.Write(make([]byte, 2*partSize)))(t)
				check(t, other.SendText("waits"))
				late := value(p.a.CreateChannel("late", nil))(t)
				check(t, late.SendText("waits, too"))
				netsim.Elapse(time.Minute)
				value(w.Write(make([]byte, 5*partSize)))(t) // those that wait are not in its way
				end(a, b, w)
				wantMessage(t, otherB, "waits", true)
				lateB := value(p.b.Accept(background))(t)
				wantMessage(t, lateB, "waits, too", true)
				if p.a.blocked.len()+len(p.a.aside) > 0 {
					t.Error("a channel waits still")
				}
			})
		})
	}
}

// The peer's limit, which a message that was begun before could not know, is kept to.
func TestMessageWriterLimitLate(t *testing.T) {
	for desc, sizes := range map[string][]int{
		"one call":   {20 * partSize},
		"at the end": {partSize, 1000},
	} {
		t.Run(desc, func(t *testing.T) {
			written := make(chan error, 1)
			cfg := setup{paramsA: Params{RemoteMaxMessageSize: partSize}}
			var ch *Channel
			cfg.before = func(p *pair) {
				ch = value(p.a.CreateChannel("", nil))(t)
				go func() {
					w, err := ch.NextWriter(background, false)
					for _, n := range sizes {
						if err == nil {
							_, err = w.Write(make([]byte, n))
						}
					}
					written <- errors.Join(err, w.Close())
				}()
				synctest.Wait()
			}
			bubble(t, cfg, func(t *testing.T, p *pair) {
				var typ *TypeError
				if err := <-written; !errors.As(err, &typ) {
					t.Errorf("written: %v", err)
				}
				if n := ch.Stats().BytesSent; n > partSize {
					t.Errorf("%d bytes were sent, and the peer accepts %d", n, partSize)
				}
			})
		})
	}
}

// A channel that was opened, written to and closed while its OPEN had to wait delivers what was sent on it:
// behind a message in parts, or a send buffer that is full. One without messages never was.
func TestCloseWhileHeldUp(t *testing.T) {
	for desc, hold := range map[string]func(a *Channel) (release func()){
		"by a message in parts": func(a *Channel) func() {
			w := value(a.NextWriter(background, false))(t)
			value(w.Write(make([]byte, 2*partSize)))(t)
			return func() { check(t, w.Close()) }
		},
		"by a full buffer": func(a *Channel) func() {
			for range 10 {
				check(t, a.Send(make([]byte, 100_000)))
			}
			return func() {}
		},
	} {
		t.Run(desc, func(t *testing.T) {
			bubble(t, serial(), func(t *testing.T, p *pair) {
				a, _ := p.open("", nil)
				release := hold(a)
				var closed []*Channel
				for i := range 10 {
					ch := value(p.a.CreateChannel("", nil))(t)
					if i > 0 {
						check(t, ch.SendText("sent"))
					}
					check(t, ch.Close())
					closed = append(closed, ch)
				}
				release()
				for range closed[1:] {
					ch := p.accept(p.b)
					wantMessage(t, ch, "sent", true)
				}
				settle()
				for _, ch := range closed {
					wantState(t, ch, Closed)
				}
				if n := p.b.Stats().ChannelsAccepted; n != uint64(len(closed)) { // with the first
					t.Errorf("%d channels were accepted", n)
				}
			})
		})
	}
}
