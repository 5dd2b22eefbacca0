//go:build !js

package sluice

import "slices"

// This file is the ICE restart of a Transport.

// maxPastRemotes is how many generations of the peer are remembered, to know what comes late.
const maxPastRemotes = 8

// earlyCandidate is a candidate of a generation of the peer that is not known yet.
type earlyCandidate struct {
	ufrag, line string
}

// RestartICE begins to look for a new path, for instance when the network has
// changed: new credentials, and candidates that are gathered anew. Send the new
// Parameters (or LocalParameters) to the peer, which passes them to its
// SetRemoteParameters, and pass what it sends back to SetRemoteParameters here.
// Until the new path is found everything goes on over the old one.
//
// It is a *StateError before Start, and ErrClosed when the Transport has ended.
func (t *Transport) RestartICE() error {
	t.renewing.Lock()
	defer t.renewing.Unlock()
	return t.restartICE("")
}

// SetICEServers replaces Config.ICEServers for the candidates that are gathered after the next ICE restart, by either side:
// credentials of TURN servers are often good for some hours only. Those of Start are those of Config. The error
// is a *ConfigError, and then nothing has changed, or ErrClosed.
func (t *Transport) SetICEServers(servers []ICEServer) error {
	uris, err := t.core.cfg.serverURIs(servers)
	if err != nil {
		return err
	}
	return t.core.ice.setServers(uris)
}

// restartICE begins a restart that answers the peer's, if it names one.
func (t *Transport) restartICE(answers string) error {
	t.mu.Lock()
	started := t.remote != nil
	t.mu.Unlock()
	if !started {
		return &StateError{Op: "RestartICE", Reason: "the Transport was not started"}
	}
	if err := t.core.restartICE(newICECredentials(t.core.cfg.ICEUfragPrefix)); err != nil {
		return err
	}
	t.mu.Lock()
	t.answers = answers
	t.mu.Unlock()
	return nil
}

// SetRemoteParameters takes parameters that the peer sent after those given to
// Start. If they begin an ICE restart, this side restarts, too, and gathers: send
// its Parameters or LocalParameters to the peer. If they answer a restart of this
// side, the new path is looked for. Two sides that restart at the same time
// answer each other. Further candidates for the present generation are added;
// late answers to a restart that was given up for another are ignored, and so are
// parameters that were in use before.
//
// Errors: *ParameterError, *CandidateError; *StateError before Start; ErrClosed.
func (t *Transport) SetRemoteParameters(remote TransportParameters) error {
	t.renewing.Lock()
	defer t.renewing.Unlock()
	next, err := t.checkRemote(remote)
	if err != nil {
		return err
	}
	t.mu.Lock()
	renewed := next != t.remote.iceCredentials
	t.mu.Unlock()
	local := t.core.localCredentials()
	switch {
	case t.wasRemote(next):
		t.core.log.Infof("ignored parameters from before the peer's last ICE restart")
		return nil
	case remote.Answers != "" && remote.Answers != local.ufrag:
		t.core.log.Infof("ignored the answer to an ICE restart that was given up")
		return nil
	case remote.Answers != "" && renewed && !t.core.ice.restarting():
		if !t.core.amendICE(next) {
			t.core.log.Infof("ignored a second answer to an ICE restart")
			return nil
		}
		if err := t.useRemote(next); err != nil {
			return err
		}
	case renewed:
		if err := t.continueICE(next); err != nil {
			return err
		}
	}
	for _, line := range remote.Candidates {
		if err := t.core.addRemoteCandidate(line); err != nil {
			return err
		}
	}
	return nil
}

// checkRemote verifies that the parameters are of the connection in use.
func (t *Transport) checkRemote(remote TransportParameters) (iceCredentials, error) {
	c := iceCredentials{remote.UsernameFragment, remote.Password}
	if err := c.validate(); err != nil {
		return c, err
	}
	for _, line := range remote.Candidates {
		if _, _, err := canonicalCandidate(line); err != nil {
			return c, &CandidateError{Candidate: line, Err: err}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.remote == nil:
		return c, &StateError{Op: "SetRemoteParameters", Reason: "the Transport was not started"}
	case !sameFingerprints(t.remote.fingerprints, remote.Fingerprints):
		return c, &ParameterError{Name: "fingerprints", Rule: "must stay: another certificate is another connection (RFC 8842, section 3.1)"}
	}
	return c, nil
}

// continueICE looks for the path of a new generation of both sides.
func (t *Transport) continueICE(remote iceCredentials) error {
	if !t.core.ice.restarting() {
		if err := t.restartICE(remote.ufrag); err != nil {
			return err
		}
	}
	if err := t.core.continueICE(remote); err != nil {
		return err
	}
	return t.useRemote(remote)
}

// useRemote goes on with the peer's credentials of the generation that was continued:
// with the candidates that came before them, and those of our own.
func (t *Transport) useRemote(remote iceCredentials) error {
	t.mu.Lock()
	if t.remote.iceCredentials != remote {
		if len(t.past) == maxPastRemotes {
			t.past = slices.Delete(t.past, 0, 1)
		}
		t.past = append(t.past, t.remote.iceCredentials)
	}
	r := *t.remote
	r.iceCredentials = remote
	t.remote = &r
	early := t.early
	t.early = nil
	t.mu.Unlock()
	if err := t.core.gather(); err != nil {
		return err
	}
	for _, c := range early {
		if c.ufrag != remote.ufrag {
			continue
		}
		if err := t.core.addRemoteCandidate(c.line); err != nil {
			return err
		}
	}
	return nil
}

// wasRemote tells whether these were credentials of the peer, and are no more. Signalling
// may deliver late, and twice.
func (t *Transport) wasRemote(c iceCredentials) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Contains(t.past, c)
}

// AddRemoteCandidate takes a candidate of the peer; the empty string is the end
// of them. One of a kind that cannot be used is ignored (RFC 8839, section 5.1);
// what is no candidate is a *CandidateError. One that names the user fragment of
// a restart waits for SetRemoteParameters, one from before a restart is ignored.
func (t *Transport) AddRemoteCandidate(candidate string) error {
	if _, _, err := canonicalCandidate(candidate); err == nil {
		ufrag := candidateUfrag(candidate)
		t.mu.Lock()
		wait := ufrag != "" && t.remote != nil && ufrag != t.remote.ufrag
		late := slices.ContainsFunc(t.past, func(c iceCredentials) bool { return c.ufrag == ufrag })
		if wait && !late && len(t.early) < maxRemoteCandidates {
			t.early = append(t.early, earlyCandidate{ufrag, candidate})
		}
		t.mu.Unlock()
		if wait {
			return nil
		}
	}
	return t.core.addRemoteCandidate(candidate)
}

// candidateUfrag returns the user fragment that a candidate names among its
// extensions, if it does.
func candidateUfrag(line string) string {
	f := splitCandidate(line)
	if i := slices.Index(f, "ufrag"); i >= 8 && i+1 < len(f) {
		return f[i+1]
	}
	return ""
}
