//go:build !js

package sluice

import (
	"fmt"
	"slices"
	"strings"
)

// AddICECandidate adds a candidate that the peer trickled. An empty Candidate
// says that no more follow. Candidates of a kind that cannot be used, and those
// of sections without a transport for data, are accepted and ignored.
//
// Errors: *TypeError without SDPMid and SDPMLineIndex; *InvalidStateError before
// SetRemoteDescription; *OperationError for a section or a UsernameFragment that
// the remote description does not have, a malformed candidate, and more than 256
// candidates.
func (pc *PeerConnection) AddICECandidate(c ICECandidateInit) error {
	const op = "AddICECandidate"
	if c.Candidate != "" && c.SDPMid == nil && c.SDPMLineIndex == nil {
		return &TypeError{Op: op, Reason: "neither SDPMid nor SDPMLineIndex is set"}
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if err := pc.usable(op); err != nil {
		return err
	}
	if pc.remote() == nil {
		return &InvalidStateError{Op: op, Reason: "no remote description"}
	}
	line, ufrag := "", ""
	if c.Candidate != "" {
		value := strings.TrimPrefix(strings.TrimPrefix(c.Candidate, "a="), "candidate:")
		parsed, err := parseCandidate(value)
		if err != nil {
			return &OperationError{Op: op, Reason: "malformed candidate", Err: err}
		}
		if parsed.component != 1 {
			return nil // RTCP of a media section
		}
		line, ufrag = "candidate:"+value, parsed.ufrag
	}
	if c.UsernameFragment != nil {
		ufrag = *c.UsernameFragment
	}
	return pc.addCandidate(op, c, line, ufrag)
}

// addCandidate finds the remote description that the candidate belongs to, the
// pending one first. The caller holds pc.mu.
func (pc *PeerConnection) addCandidate(op string, c ICECandidateInit, line, ufrag string) error {
	err := error(&InvalidStateError{Op: op, Reason: "no remote description"})
	for _, r := range []*appliedRemote{pc.pendingRemote, pc.currentRemote} {
		if r == nil {
			continue
		}
		var section int
		if section, err = r.sectionFor(op, c, ufrag); err != nil {
			continue
		}
		return pc.takeCandidate(op, r, remoteCandidate{section, line})
	}
	return err
}

// sectionFor returns the index of the section that the candidate names, -1 for
// all of them.
func (r *appliedRemote) sectionFor(op string, c ICECandidateInit, ufrag string) (int, error) {
	index := -1
	switch {
	case c.SDPMid != nil:
		if index = r.desc.sectionOf(*c.SDPMid); index < 0 {
			return 0, opError(op, "no section with mid %q", *c.SDPMid)
		}
	case c.SDPMLineIndex != nil:
		if index = int(*c.SDPMLineIndex); index >= len(r.desc.sections) {
			return 0, opError(op, "no section %d", index)
		}
	}
	if ufrag == "" {
		return index, nil
	}
	known := func(s section) bool { return s.ice.ufrag == ufrag }
	if index < 0 && slices.ContainsFunc(r.desc.sections, known) || index >= 0 && known(r.desc.sections[index]) {
		return index, nil
	}
	// A bundled section may leave its ufrag to the carrier (RFC 8843, section 7.1.3).
	if index >= 0 && r.desc.sections[index].ice.ufrag == "" && r.peer != nil && r.peer.ice.ufrag == ufrag {
		return index, nil
	}
	return 0, opError(op, "username fragment %q is not of the remote description", ufrag)
}

// takeCandidate records the candidate and passes it on if it is for our transport.
func (pc *PeerConnection) takeCandidate(op string, r *appliedRemote, c remoteCandidate) error {
	if slices.Contains(r.trickled, c) {
		return nil
	}
	if len(r.trickled) >= maxCandidates {
		return opError(op, "more than %d candidates", maxCandidates)
	}
	r.trickled = append(r.trickled, c)
	if r.peer == nil || pc.peer == nil || pc.peer.restarts(r.peer) || c.section >= 0 && c.section != r.peer.index {
		return nil // connect passes on what waits
	}
	return pc.passCandidate(op, c.line)
}

// passCandidate gives a candidate to ICE, each once. The caller holds pc.mu.
func (pc *PeerConnection) passCandidate(op, line string) error {
	if pc.passed[line] || len(pc.passed) > 2*maxCandidates {
		return nil
	}
	if pc.passed == nil {
		pc.passed = make(map[string]bool)
	}
	pc.passed[line] = true
	if err := pc.core.addRemoteCandidate(line); err != nil {
		return &OperationError{Op: op, Reason: "candidate refused", Err: err}
	}
	return nil
}

// insertCandidates adds a=candidate and a=end-of-candidates lines at the end of
// the sections they belong to.
func insertCandidates(text string, candidates []remoteCandidate) string {
	if len(candidates) == 0 {
		return text
	}
	var b strings.Builder
	section := -1
	flush := func() {
		for _, c := range candidates {
			if section < 0 || c.section != section && c.section >= 0 {
				continue
			}
			if c.line == "" {
				b.WriteString("a=end-of-candidates\r\n")
			} else {
				fmt.Fprintf(&b, "a=%s\r\n", c.line)
			}
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "m=") {
			flush()
			section++
		}
		b.WriteString(line)
		if !strings.HasSuffix(line, "\n") {
			b.WriteString("\r\n")
		}
	}
	flush()
	return b.String()
}
