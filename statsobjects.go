package sluice

import (
	"fmt"

	"github.com/sluice-rtc/sluice/datachannel"
)

// add adds the counters of another session.
func (s *PeerConnectionStats) add(o PeerConnectionStats) {
	s.DataChannelsOpened += o.DataChannelsOpened
	s.DataChannelsClosed += o.DataChannelsClosed
	s.DataChannelsRequested += o.DataChannelsRequested
	s.DataChannelsAccepted += o.DataChannelsAccepted
}

// peerConnectionStats are the counters of a session.
func peerConnectionStats(d datachannel.Stats) PeerConnectionStats {
	return PeerConnectionStats{
		DataChannelsOpened: d.ChannelsOpened, DataChannelsClosed: d.ChannelsClosed,
		DataChannelsRequested: d.ChannelsRequested, DataChannelsAccepted: d.ChannelsAccepted,
	}
}

// addSession fills in what the session knows.
func (s *Stats) addSession(d datachannel.Stats) {
	s.SCTP = d.SCTP
	s.PeerConnection = peerConnectionStats(d)
	if a := &d.SCTP; a.MTU > 0 {
		s.SCTPTransport = SCTPTransportStats{
			SmoothedRoundTripTime: a.SRTT.Seconds(), CongestionWindow: a.CongestionWindow, ReceiverWindow: a.PeerAdvertisedWindow,
			MTU: a.MTU, UnackData: a.UnackedDataChunks, StreamsRefused: d.StreamsRefused,
		}
	}
	for _, ch := range d.Channels {
		s.DataChannels = append(s.DataChannels, DataChannelStats{ChannelStats: ch})
	}
}

// identify fills in what all objects have. number is that of the core.
func (s *Stats) identify(number int) {
	of := func(t StatsType) StatsObject {
		o := StatsObject{string(t), t, StatsTimestamp{s.Timestamp}}
		if number > 1 && t != StatsTypePeerConnection {
			o.ID += fmt.Sprintf("-%d", number)
		}
		return o
	}
	s.PeerConnection.StatsObject = of(StatsTypePeerConnection)
	s.Transport.StatsObject = of(StatsTypeTransport)
	if s.SCTPTransport.MTU > 0 {
		s.SCTPTransport.StatsObject, s.SCTPTransport.TransportID = of(StatsTypeSCTPTransport), s.Transport.ID
	}
	also := func(o *StatsObject, t StatsType) { // which has an ID
		o.Type, o.Timestamp = t, s.Transport.Timestamp
	}
	for i := range s.CandidatePairs {
		p := &s.CandidatePairs[i]
		also(&p.StatsObject, StatsTypeCandidatePair)
		p.TransportID = s.Transport.ID
	}
	for i := range s.LocalCandidates {
		c := &s.LocalCandidates[i]
		also(&c.StatsObject, StatsTypeLocalCandidate)
		c.TransportID = s.Transport.ID
	}
	for i := range s.RemoteCandidates {
		c := &s.RemoteCandidates[i]
		also(&c.StatsObject, StatsTypeRemoteCandidate)
		c.TransportID = s.Transport.ID
	}
	for i := range s.Certificates {
		also(&s.Certificates[i].StatsObject, StatsTypeCertificate)
	}
	for i := range s.DataChannels {
		ch := &s.DataChannels[i]
		ch.StatsObject = of(StatsTypeDataChannel)
		ch.ID += fmt.Sprintf("-%d", ch.Serial)
	}
}
