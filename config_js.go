package sluice

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-rtc/sluice/internal/webjs"
)

// UDPMux is what it is elsewhere in name only: a browser has no sockets to share.
type UDPMux struct{ _ struct{} }

// errNoPeerConnection matches errors.ErrUnsupported.
var errNoPeerConnection = fmt.Errorf("sluice: there is no RTCPeerConnection here: %w", errors.ErrUnsupported)

// toJS writes an RTCConfiguration. What would restrict the browser and cannot is a
// *ConfigError; what would tune it is ignored: timeouts, SCTP, MaxMessageSize,
// the announcement of SNAP, the treatment of loopback and of .local names.
func (cfg *Config) toJS() (map[string]any, error) {
	for _, f := range []struct {
		field string
		set   bool
	}{
		{"NetworkTypes", len(cfg.NetworkTypes) > 0},
		{"InterfaceFilter", cfg.InterfaceFilter != nil},
		{"IPFilter", cfg.IPFilter != nil},
		{"PortMin", cfg.PortMin != 0},
		{"PortMax", cfg.PortMax != 0},
		{"UDPMux", cfg.UDPMux != nil},
		{"PublicAddresses", len(cfg.PublicAddresses) > 0},
		{"ICELite", cfg.ICELite},
		{"ICEUfragPrefix", cfg.ICEUfragPrefix != ""},
		{"ICEServerRoots", cfg.ICEServerRoots != nil},
	} {
		if f.set {
			return nil, &ConfigError{Field: f.field, Rule: "cannot be set in a browser"}
		}
	}
	switch {
	case cfg.MaxBufferedAmount < 0:
		return nil, &ConfigError{Field: "MaxBufferedAmount", Rule: "must not be negative"}
	case cfg.Certificate != nil && !cfg.Certificate.Expires().After(time.Now()):
		return nil, &ConfigError{Field: "Certificate", Rule: "has expired"}
	}
	m := map[string]any{}
	switch cfg.ICETransportPolicy {
	case "":
	case ICETransportPolicyAll, ICETransportPolicyRelay:
		m["iceTransportPolicy"] = string(cfg.ICETransportPolicy)
	default:
		return nil, &ConfigError{Field: "ICETransportPolicy", Rule: `must be "all" or "relay"`}
	}
	if cfg.Certificate != nil {
		m["certificates"] = []any{cfg.Certificate.object}
	}
	m["iceServers"] = serversToJS(cfg.ICEServers)
	return m, nil
}

// serversToJS makes a sequence of RTCIceServer.
func serversToJS(servers []ICEServer) []any {
	list := []any{} // nil would be null, which is no sequence
	for _, s := range servers {
		var urls []any
		for _, u := range s.URLs {
			urls = append(urls, u)
		}
		list = append(list, map[string]any{"urls": urls, "username": s.Username, "credential": s.Credential})
	}
	return list
}

// serverError is why the browser does not take ICEServers.
func serverError(err error) error {
	return &ConfigError{Field: "ICEServers", Rule: "must please the browser, which says: " + err.Error()}
}

// callError names an exception like the W3C does.
func callError(op string, err error) error {
	var e *webjs.Exception
	if !errors.As(err, &e) {
		return err
	}
	switch e.Name {
	case "InvalidStateError":
		return &InvalidStateError{Op: op, Reason: e.Message}
	case "TypeError":
		return &TypeError{Op: op, Reason: e.Message}
	case "InvalidModificationError":
		return &InvalidModificationError{Op: op, Reason: e.Message}
	case "InvalidAccessError":
		return &InvalidAccessError{Op: op, Err: &SDPError{Rule: e.Message, content: true}}
	case "RTCError": // of a description
		line := 0
		if n := e.Value.Get("sdpLineNumber"); webjs.Is(n) {
			line = n.Int()
		}
		return descriptionError(op, &SDPError{Line: line, Rule: e.Message})
	}
	return &OperationError{Op: op, Reason: e.Message, Err: err}
}
