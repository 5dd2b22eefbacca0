package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// A server's view of setting up: connections over the whole of WebRTC, all on one UDP port. The
// clients are a process of their own, and always of our stack, so that what is
// measured is the server alone.

// A call is a line between the two: an offer and its number, the answer to it, or, with
// neither, that the client has heard the server and hangs up.
type call struct {
	ID  int
	SDP string
}

// A callTaker makes the server's end of a connection, which sends a message when its channel is open.
type callTaker func(offer string) (answer string, hangUp func(), err error)

// serve has so many clients at a time connect, one after the other each, and hang up.
func serve(answer callTaker, j job) (report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	clients := exec.Command(self, "sluice", "full", "clients", fmt.Sprintf("count=%d", j.count))
	clients.Stderr = os.Stderr
	to, err := clients.StdinPipe()
	if err != nil {
		return nil, err
	}
	from, err := clients.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := clients.Start(); err != nil {
		return nil, err
	}
	s := server{answer: answer, to: json.NewEncoder(to), from: json.NewDecoder(from), calls: make(map[int]func())}
	if _, err = s.serve(warmUp(j)); err == nil {
		m := start()
		var served int
		if served, err = s.serve(j.duration); err == nil {
			var u syscall.Rusage
			syscall.Getrusage(syscall.RUSAGE_SELF, &u)
			r := append(m.stop(int64(served), 0), figure{"memory", float64(u.Maxrss << 10)})
			to.Close()
			return r, clients.Wait()
		}
	}
	clients.Process.Kill()
	return nil, errors.Join(err, clients.Wait())
}

type server struct {
	answer callTaker
	from   *json.Decoder
	failed error // of an answer

	mu    sync.Mutex
	to    *json.Encoder
	calls map[int]func() // that are there, to hang up
}

// serve answers for a time, and returns how many have been served.
func (s *server) serve(d time.Duration) (served int, err error) {
	for deadline := time.Now().Add(d); time.Now().Before(deadline); {
		var c call
		if err := s.from.Decode(&c); err != nil {
			return served, err
		}
		if c.SDP != "" {
			go s.take(c)
			continue
		}
		served++
		s.mu.Lock()
		hangUp, err := s.calls[c.ID], s.failed
		delete(s.calls, c.ID)
		s.mu.Unlock()
		if err != nil {
			return served, err
		}
		go hangUp()
	}
	return served, nil
}

// take answers a call.
func (s *server) take(c call) {
	answer, hangUp, err := s.answer(c.SDP)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.calls[c.ID] = hangUp
		err = s.to.Encode(call{c.ID, answer})
	}
	s.failed = errors.Join(s.failed, err)
}

// serveSluice is a server of ours.
func serveSluice(j job) (report, error) {
	mux, err := sluice.NewUDPMux(sluice.UDPMuxConfig{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		return nil, err
	}
	cfg := overLoopback()
	cfg.UDPMux = mux
	return serve(func(offer string) (string, func(), error) {
		pc, err := sluice.NewPeerConnection(cfg)
		if err != nil {
			return "", nil, err
		}
		pc.OnDataChannel(func(ch *datachannel.Channel) { ch.OnOpen(func() { ch.SendText("hello") }) })
		if err := pc.SetRemoteDescription(sluice.SessionDescription{Type: sluice.SDPTypeOffer, SDP: offer}); err != nil {
			return "", nil, err
		}
		answer, err := pc.CreateAnswer()
		if err == nil {
			err = pc.SetLocalDescription(answer)
		}
		if err != nil {
			return "", nil, err
		}
		<-pc.GatheringComplete()
		return pc.LocalDescription().SDP, func() { pc.Close() }, nil
	}, j)
}

// servePion is one of pion/webrtc.
func servePion(j job) (report, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	s := pionSettings()
	s.SetICEUDPMux(webrtc.NewICEUDPMux(s.LoggerFactory.NewLogger("ice"), conn))
	api := webrtc.NewAPI(webrtc.WithSettingEngine(s))
	return serve(func(offer string) (string, func(), error) {
		pc, err := api.NewPeerConnection(webrtc.Configuration{})
		if err != nil {
			return "", nil, err
		}
		pc.OnDataChannel(func(ch *webrtc.DataChannel) { ch.OnOpen(func() { ch.SendText("hello") }) })
		if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
			return "", nil, err
		}
		answer, err := pc.CreateAnswer(nil)
		if err != nil {
			return "", nil, err
		}
		gathered := webrtc.GatheringCompletePromise(pc)
		if err := pc.SetLocalDescription(answer); err != nil {
			return "", nil, err
		}
		<-gathered
		return pc.LocalDescription().SDP, func() { pc.Close() }, nil
	}, j)
}

// clients makes calls until its input ends.
func clients(j job) (report, error) {
	var (
		mu      sync.Mutex
		to      = json.NewEncoder(os.Stdout)
		answers = make([]chan string, j.count)
		failed  = make(chan error, j.count)
	)
	say := func(c call) error {
		mu.Lock()
		defer mu.Unlock()
		return to.Encode(c)
	}
	for i := range answers {
		answers[i] = make(chan string, 1)
		go func() {
			for {
				if err := makeCall(i, answers[i], say); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	go func() {
		for from := json.NewDecoder(os.Stdin); ; {
			var c call
			if err := from.Decode(&c); err != nil {
				os.Exit(0) // nobody listens any more
			}
			answers[c.ID] <- c.SDP
		}
	}()
	return nil, <-failed
}

// makeCall connects, waits for a message, and hangs up.
func makeCall(id int, answers <-chan string, say func(call) error) error {
	pc, err := sluice.NewPeerConnection(overLoopback())
	if err != nil {
		return err
	}
	defer pc.Close()
	ch, err := pc.CreateDataChannel("bench", nil)
	if err != nil {
		return err
	}
	offer, err := pc.CreateOffer()
	if err == nil {
		err = pc.SetLocalDescription(offer)
	}
	if err != nil {
		return err
	}
	<-pc.GatheringComplete()
	if err := say(call{id, pc.LocalDescription().SDP}); err != nil {
		return err
	}
	if err := pc.SetRemoteDescription(sluice.SessionDescription{Type: sluice.SDPTypeAnswer, SDP: <-answers}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	if _, err := ch.ReadMessage(ctx); err != nil {
		return err
	}
	return say(call{ID: id})
}
