package sctpnet

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// A sender that lets out four packets for each SACK (Max.Burst) and has all of its flight brought together, as by a card
// or a socket that gathers, is answered so that it can grow; where nothing gathers, batches of many have
// one answer. 9260-6.2-a 9260-6.1-c
func TestAnswersLetSendersGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		limited := Config{SCTP: sctp.Config{CongestionControl: sctp.Reno}}
		a, b, pa, pb := connectPushing(t, h, limited, Config{})
		defer end(a, b)
		pa.mu.Lock()
		each := pa.f
		pa.f = func(packets [][]byte, err error) { // it reads them one by one
			for i := range packets {
				each(packets[i:i+1], err)
			}
		}
		pa.mu.Unlock()
		var held [][]byte
		pb.mu.Lock()
		bring := pb.f
		pb.f = func(packets [][]byte, _ error) {
			for _, p := range packets {
				held = append(held, bytes.Clone(p))
			}
		}
		pb.mu.Unlock()
		got := make(chan struct{})
		go func() {
			defer close(got)
			for {
				if _, _, err := b.ReadMessage(background, 1, make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}()
		go func() {
			for a.WriteMessage(background, message(1, 20_000, 0)) == nil {
			}
		}()
		most := 0
		for range 12 {
			netsim.Elapse(20 * time.Millisecond)
			synctest.Wait()
			together := held
			held = nil
			most = max(most, len(together))
			for len(together) > 0 {
				n := min(len(together), 64)
				bring(together[:n], nil)
				together = together[n:]
			}
			synctest.Wait()
		}
		if most < 60 {
			t.Errorf("at most %d packets in a round trip of 20 ms", most)
		}
		a.Abort("")
		b.Abort("")
		<-got
	})
}

// On UDP sockets, too, what comes together after a pause has a SACK for every second packet. 9260-6.2-a
func TestAnswersOnSockets(t *testing.T) {
	for name, connect := range map[string]func(t testing.TB, cfg Config) (a, b *Conn){"Listener": connectUDP, "Conn": connectUDPConns} {
		a, b := connect(t, Config{})
		answers := &b.reader.answers
		if b.sock != nil {
			answers = &b.sock.reader.answers
		}
		there := func(n int) {
			write(t, a, message(1, n, 0))
			read(t, b, 1)
			write(t, b, message(1, 1, 0)) // behind the SACKs
			read(t, a, 1)
		}
		for range 20 { // the window grows
			there(20_000)
		}
		before := a.Stats()
		b.mu.Lock()
		answers.last = time.Time{}
		b.mu.Unlock()
		there(50_000)
		after := a.Stats()
		sent, came := after.PacketsSent-before.PacketsSent, after.PacketsReceived-before.PacketsReceived
		if sent < 20 || came < sent/2-3 {
			t.Errorf("%s: %d packets came back for %d", name, came, sent)
		}
		end(a, b)
	}
}
