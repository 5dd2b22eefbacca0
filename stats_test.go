package sluice

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The report of a connection in JSON: every object under its id, with W3C's members, and
// references to objects that are there (stats-pc, stats-tr, stats-sctp, stats-dc).
func TestStatsReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newVirtualPair(t)
		ch := p.channel(p.a)
		p.wantReport(p.a, map[StatsType][]string{
			StatsTypePeerConnection: {"dataChannelsOpened", "dataChannelsClosed", "dataChannelsRequested", "dataChannelsAccepted"},
			StatsTypeTransport: {"packetsSent", "packetsReceived", "bytesSent", "bytesReceived", "iceRole", "iceState",
				"iceLocalUsernameFragment", "dtlsState", "dtlsRole", "selectedCandidatePairChanges", "localCertificateId"},
			StatsTypeCertificate: {"fingerprint", "fingerprintAlgorithm", "base64Certificate"},
			StatsTypeDataChannel: {"label", "protocol", "state", "messagesSent", "bytesSent", "messagesReceived", "bytesReceived"},
		})
		p.connect()
		must(t, ch.Send(make([]byte, 1000)))
		p.settle()
		p.settle()
		report := p.wantReport(p.a, map[StatsType][]string{
			StatsTypePeerConnection: {"dataChannelsOpened"},
			StatsTypeTransport:      {"selectedCandidatePairId", "tlsVersion", "dtlsCipher", "remoteCertificateId"},
			StatsTypeSCTPTransport: {"transportId", "smoothedRoundTripTime", "congestionWindow", "receiverWindow", "mtu",
				"unackData"},
			StatsTypeCandidatePair: {"transportId", "localCandidateId", "remoteCandidateId", "state", "nominated", "packetsSent",
				"packetsReceived", "bytesSent", "bytesReceived", "totalRoundTripTime", "currentRoundTripTime",
				"requestsSent", "requestsReceived", "responsesSent", "responsesReceived", "consentRequestsSent",
				"lastPacketSentTimestamp", "lastPacketReceivedTimestamp", "packetsDiscardedOnSend", "bytesDiscardedOnSend"},
			StatsTypeLocalCandidate: {"transportId", "address", "port", "protocol", "candidateType", "priority", "foundation",
				"usernameFragment"},
			StatsTypeRemoteCandidate: {"transportId", "address", "port", "protocol", "candidateType", "priority"},
			StatsTypeCertificate:     {"fingerprint"},
			StatsTypeDataChannel:     {"dataChannelIdentifier"},
		})
		tr := report["transport"]
		if v := tr["tlsVersion"]; v != "FEFD" {
			t.Errorf("tlsVersion %v", v)
		}
		pair := report[tr["selectedCandidatePairId"].(string)]
		if pair["packetsSent"] != tr["packetsSent"] || pair["bytesReceived"] != tr["bytesReceived"] {
			t.Errorf("the only pair has sent %v packets, the transport %v", pair["packetsSent"], tr["packetsSent"])
		}
		if of := report["data-channel-1"]; of["state"] != "open" || of["dataChannelIdentifier"] != 1. || of["messagesSent"] != 1. || of["bytesSent"] != 1000. {
			t.Errorf("channel %v", of)
		}
	})
}

// wantReport makes a report, checks what all objects have, and that those of each type
// are there with such members.
func (p *virtualPair) wantReport(pc *PeerConnection, want map[StatsType][]string) map[string]map[string]any {
	p.Helper()
	s := pc.Stats()
	text, err := json.Marshal(s.Report())
	must(p, err)
	var report map[string]map[string]any
	must(p, json.Unmarshal(text, &report))
	found := make(map[StatsType]bool)
	for id, object := range report {
		typ := StatsType(object["type"].(string))
		found[typ] = true
		if object["id"] != id || object["timestamp"] != float64(time.Now().UnixMicro())/1000 {
			p.Errorf("%s: %v", id, object)
		}
		for _, member := range want[typ] {
			if _, ok := object[member]; !ok {
				p.Errorf("%s has no %s: %v", id, member, object)
			}
		}
		for _, reference := range []string{"transportId", "localCandidateId", "remoteCandidateId", "selectedCandidatePairId", "localCertificateId", "remoteCertificateId"} {
			if to, ok := object[reference].(string); ok && report[to] == nil {
				p.Errorf("%s of %s is %q, which is not there", reference, id, to)
			}
		}
	}
	for typ := range want {
		if !found[typ] {
			p.Errorf("there is no %s in %s", typ, text)
		}
	}
	if len(found) != len(want) {
		p.Errorf("types %v", found)
	}
	return report
}

// A replaced association leaves its counts, and its successor has objects of its own
// (stats-pc).
func TestStatsOfReplacedAssociation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newVirtualPair(t)
		p.channel(p.a)
		p.connect()
		p.settle()
		p.a.mu.Lock()
		next, err := p.a.newLink()
		must(t, err)
		p.a.replaceLink(next, errors.New("withdrawn"))
		p.a.mu.Unlock()
		p.settle()
		p.channel(p.a)
		s := p.a.Stats()
		if c := s.PeerConnection; c.DataChannelsOpened != 1 || c.DataChannelsClosed != 1 || c.DataChannelsRequested != 2 {
			t.Errorf("%+v", c)
		}
		if len(s.DataChannels) != 1 || s.DataChannels[0].ID != "data-channel-2-1" || s.Transport.ID != "transport-2" {
			t.Errorf("%+v, %+v", s.DataChannels, s.Transport)
		}
	})
}

func TestStatsTimestamp(t *testing.T) {
	want := StatsTimestamp{time.UnixMicro(1_700_000_000_123_456)}
	text, err := json.Marshal(want)
	var got StatsTimestamp
	if err := errors.Join(err, json.Unmarshal(text, &got)); err != nil || string(text) != "1700000000123.456" || !got.Equal(want.Time) {
		t.Errorf("%s, %v, %v", text, got, err)
	}
	if err := json.Unmarshal([]byte(`"now"`), &got); err == nil {
		t.Error("a string is taken")
	}
}

// What an RTCSctpTransportStats says is of this direction: the window that the peer advertises, and the chunks that
// it is yet to acknowledge (stats-sctp).
func TestSCTPTransportStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{}
		cfg.SCTP.ReceiveBuffer = 300_000
		p := newVirtualPairWith(t, cfg)
		ch := p.channel(p.a)
		p.connect()
		p.settle()
		must(t, ch.Send(make([]byte, 3000)))
		open := func(window int) bool { return window > 299_000 && window <= 300_000 }
		s := p.a.Stats().SCTPTransport
		if s.UnackData != 3 || !open(s.ReceiverWindow) || s.CongestionWindow < 3000 || s.MTU < 1100 || s.SmoothedRoundTripTime < 0.02 || s.SmoothedRoundTripTime > 0.1 {
			t.Errorf("with a message on its way: %+v", s)
		}
		p.settle() // nobody reads it
		if near, far := p.a.Stats().SCTPTransport, p.b.Stats().SCTPTransport; near.UnackData != 0 || near.ReceiverWindow != 297_000 ||
			far.UnackData != 0 || !open(far.ReceiverWindow) {
			t.Errorf("with a message that nobody has read: %+v at its sender, %+v at its receiver", near, far)
		}
	})
}
