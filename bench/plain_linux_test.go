package bench

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/selfsign"
	"github.com/pion/ice/v2"

	"github.com/sluice-rtc/sluice/bench/internal/pionpair"
	"github.com/sluice-rtc/sluice/bench/internal/tally"
)

// plainAgents returns two connected ICE agents' connections over loopback.
func plainAgents(t testing.TB) (a, b *ice.Conn) {
	t.Helper()
	var agents [2]*ice.Agent
	for i := range agents {
		agent, err := ice.NewAgent(&ice.AgentConfig{
			NetworkTypes:     []ice.NetworkType{ice.NetworkTypeUDP4},
			CandidateTypes:   []ice.CandidateType{ice.CandidateTypeHost},
			MulticastDNSMode: ice.MulticastDNSModeDisabled,
			IncludeLoopback:  true,
			IPFilter:         func(ip net.IP) bool { return ip.IsLoopback() },
			LoggerFactory:    pionpair.QuietLog(),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { agent.Close() })
		agents[i] = agent
	}
	for i, agent := range agents {
		other := agents[1-i]
		err := agent.OnCandidate(func(c ice.Candidate) {
			if c == nil {
				return
			}
			copied, err := ice.UnmarshalCandidate(c.Marshal())
			if err == nil {
				err = other.AddRemoteCandidate(copied)
			}
			if err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := agent.GatherCandidates(); err != nil {
			t.Fatal(err)
		}
	}
	connected := make(chan *ice.Conn)
	go func() {
		ufrag, pwd, err := agents[0].GetLocalUserCredentials()
		if err != nil {
			t.Error(err)
		}
		c, err := agents[1].Accept(context.Background(), ufrag, pwd)
		if err != nil {
			t.Error(err)
		}
		connected <- c
	}()
	ufrag, pwd, err := agents[1].GetLocalUserCredentials()
	if err != nil {
		t.Fatal(err)
	}
	if a, err = agents[0].Dial(context.Background(), ufrag, pwd); err != nil {
		t.Fatal(err)
	}
	return a, <-connected
}

// plainDTLS returns both ends of DTLS of the library, over its ICE.
func plainDTLS(t testing.TB) (client, server *dtls.Conn) {
	t.Helper()
	a, b := plainAgents(t)
	cert, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	cfg := &dtls.Config{
		Certificates:       []tls.Certificate{cert},
		CipherSuites:       []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		InsecureSkipVerify: true,
		LoggerFactory:      pionpair.QuietLog(),
	}
	done := make(chan error)
	go func() {
		var err error
		server, err = dtls.Server(b, cfg)
		done <- err
	}()
	client, err = dtls.Client(a, cfg)
	if err2 := <-done; err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

// newPlainCarrier is what the two libraries do without us.
func newPlainCarrier(t testing.TB) *carrier {
	tx, rx := plainDTLS(t)
	c := &carrier{arrived: tally.New(), send: func(frames [][]byte) {
		for _, f := range frames {
			if _, err := tx.Write(f[roomBefore : len(f)-roomAfter]); err != nil {
				t.Error(err)
			}
		}
	}}
	go func() {
		buf := make([]byte, 8192)
		for {
			n, err := rx.Read(buf)
			if err != nil {
				return
			}
			c.arrived.Arrive(n)
		}
	}()
	return c
}
