package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/bench/internal/pionpair"
	"github.com/sluice-rtc/sluice/datachannel"
)

// The whole of WebRTC: offer and answer in this process, host candidates on the loopback
// interface, one channel. Both stacks have their defaults beyond that; connect returns
// when both ends may send.

const connectTimeout = 20 * time.Second

var errTimeout = errors.New("not connected in time")

// await waits for a channel to be closed.
func await(done <-chan struct{}) error {
	timer := time.NewTimer(connectTimeout)
	defer timer.Stop() // else it would stay for as long, and be what the collector has most of
	select {
	case <-done:
		return nil
	case <-timer.C:
		return errTimeout
	}
}

// A sluiceChannel is an end of a channel of ours.
type sluiceChannel struct {
	*datachannel.Channel
	pc *sluice.PeerConnection
}

func (e *sluiceChannel) send(_ int, p []byte) error {
	return e.WriteMessage(context.Background(), p, false)
}

func (e *sluiceChannel) receive(f func(stream int, p []byte)) {
	e.OnMessage(func(m datachannel.Message) { f(0, m.Data) })
}

func (e *sluiceChannel) close() { e.pc.Close() }

// overLoopback is a Config of ours.
func overLoopback() sluice.Config {
	return sluice.Config{IncludeLoopback: true, NetworkTypes: []string{"udp4"}, IPFilter: net.IP.IsLoopback}
}

func sluiceFull(int) (a, b end, err error) {
	cfg := overLoopback()
	var pcs [2]*sluice.PeerConnection
	for i := range pcs {
		if pcs[i], err = sluice.NewPeerConnection(cfg); err != nil {
			return nil, nil, err
		}
	}
	ea, eb := &sluiceChannel{pc: pcs[0]}, &sluiceChannel{pc: pcs[1]}
	var open [2]chan struct{}
	for i := range open {
		open[i] = make(chan struct{})
	}
	pcs[1].OnDataChannel(func(ch *datachannel.Channel) {
		eb.Channel = ch
		ch.OnOpen(func() { close(open[1]) })
	})
	if ea.Channel, err = pcs[0].CreateDataChannel("bench", nil); err != nil {
		return nil, nil, err
	}
	ea.OnOpen(func() { close(open[0]) })
	offer, err := pcs[0].CreateOffer()
	if err == nil {
		err = pcs[0].SetLocalDescription(offer)
	}
	if err != nil {
		return nil, nil, err
	}
	<-pcs[0].GatheringComplete()
	if err := pcs[1].SetRemoteDescription(*pcs[0].LocalDescription()); err != nil {
		return nil, nil, err
	}
	answer, err := pcs[1].CreateAnswer()
	if err == nil {
		err = pcs[1].SetLocalDescription(answer)
	}
	if err != nil {
		return nil, nil, err
	}
	<-pcs[1].GatheringComplete()
	if err := pcs[0].SetRemoteDescription(*pcs[1].LocalDescription()); err != nil {
		return nil, nil, err
	}
	return ea, eb, errors.Join(await(open[0]), await(open[1]))
}

// A pionChannel is an end of a channel of pion/webrtc, which takes all that it is given.
type pionChannel struct {
	*webrtc.DataChannel
	pc  *webrtc.PeerConnection
	low chan struct{}
}

func (e *pionChannel) send(_ int, p []byte) error {
	if err := e.Send(p); err != nil {
		return err
	}
	for e.BufferedAmount() > bufferSize {
		<-e.low
	}
	return nil
}

func (e *pionChannel) receive(f func(stream int, p []byte)) {
	e.OnMessage(func(m webrtc.DataChannelMessage) { f(0, m.Data) })
}

func (e *pionChannel) close() { e.pc.Close() }

// take makes ch the channel of the end; opened is closed once it is open.
func (e *pionChannel) take(ch *webrtc.DataChannel, opened chan struct{}) {
	e.DataChannel = ch
	ch.SetBufferedAmountLowThreshold(bufferSize / 2)
	ch.OnBufferedAmountLow(func() {
		select {
		case e.low <- struct{}{}:
		default:
		}
	})
	ch.OnOpen(func() { close(opened) })
}

// pionSettings are the same of pion/webrtc.
func pionSettings() (s webrtc.SettingEngine) {
	s.SetIncludeLoopbackCandidate(true)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetIPFilter(net.IP.IsLoopback)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetSCTPMaxMessageSize(maxMessage)
	s.LoggerFactory = pionpair.QuietLog()
	return s
}

func pionFull(int) (a, b end, err error) {
	api := webrtc.NewAPI(webrtc.WithSettingEngine(pionSettings()))
	var pcs [2]*webrtc.PeerConnection
	for i := range pcs {
		if pcs[i], err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
			return nil, nil, err
		}
	}
	ea := &pionChannel{pc: pcs[0], low: make(chan struct{}, 1)}
	eb := &pionChannel{pc: pcs[1], low: make(chan struct{}, 1)}
	var open [2]chan struct{}
	for i := range open {
		open[i] = make(chan struct{})
	}
	pcs[1].OnDataChannel(func(ch *webrtc.DataChannel) { eb.take(ch, open[1]) })
	ch, err := pcs[0].CreateDataChannel("bench", nil)
	if err != nil {
		return nil, nil, err
	}
	ea.take(ch, open[0])
	offer, err := pcs[0].CreateOffer(nil)
	if err != nil {
		return nil, nil, err
	}
	gathered := webrtc.GatheringCompletePromise(pcs[0])
	if err := pcs[0].SetLocalDescription(offer); err != nil {
		return nil, nil, err
	}
	<-gathered
	if err := pcs[1].SetRemoteDescription(*pcs[0].LocalDescription()); err != nil {
		return nil, nil, err
	}
	answer, err := pcs[1].CreateAnswer(nil)
	if err != nil {
		return nil, nil, err
	}
	gathered = webrtc.GatheringCompletePromise(pcs[1])
	if err := pcs[1].SetLocalDescription(answer); err != nil {
		return nil, nil, err
	}
	<-gathered
	if err := pcs[0].SetRemoteDescription(*pcs[1].LocalDescription()); err != nil {
		return nil, nil, err
	}
	return ea, eb, errors.Join(await(open[0]), await(open[1]))
}
