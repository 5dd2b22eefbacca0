package sluice

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"syscall/js"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/internal/webjs"
)

// A PeerConnection negotiates a connection by offer and answer. Here it is the
// browser's RTCPeerConnection, for data channels only. Its methods may be called from
// any goroutine, and from its events.
//
// Those that the browser answers by a promise (CreateOffer, CreateAnswer,
// SetLocalDescription, SetRemoteDescription, AddICECandidate, Stats) wait for it, and so
// must not be called on the goroutine of a js.Func, for whose end the browser waits.
//
// Events run one at a time, in order, on a goroutine of their own. None follows Close.
type PeerConnection struct {
	pc       js.Value
	session  *datachannel.Session
	events   eventQueue
	unlisten []func()
	ctx      context.Context // ends with Close: promises of a closed connection are never settled
	cancel   context.CancelFunc
	waiting  acceptQueue // has a lock of its own

	mu         sync.Mutex
	closed     bool
	on         peerConnectionEvents
	ice        ICEConnectionState
	gathering  ICEGatheringState
	connection ConnectionState
	gathered   chan struct{}  // closed when gathering is complete
	gatherings int            // how often that has begun
	regathers  bool           // that it begins again is certain, and not told yet
	sctp       *SCTPTransport // the latest, nil before there is one
}

// NewPeerConnection returns a PeerConnection that has not negotiated yet. The error is
// a *ConfigError, or errors.ErrUnsupported where there is no RTCPeerConnection, as in a
// worker.
func NewPeerConnection(cfg Config) (*PeerConnection, error) {
	configuration, err := cfg.toJS()
	if err != nil {
		return nil, err
	}
	class := js.Global().Get("RTCPeerConnection")
	if !webjs.Is(class) {
		return nil, errNoPeerConnection
	}
	object, err := webjs.Try(func() js.Value { return class.New(configuration) })
	if err != nil {
		return nil, serverError(err)
	}
	pc := &PeerConnection{
		pc: object, ice: ICEConnectionStateNew, gathering: ICEGatheringStateNew, connection: ConnectionStateNew,
		gathered: make(chan struct{}), waiting: newAcceptQueue(),
	}
	pc.ctx, pc.cancel = context.WithCancel(context.Background())
	pc.session = datachannel.NewBrowserSession(object, datachannel.Config{
		MaxBufferedAmount: cfg.MaxBufferedAmount,
		OnChannel:         pc.handleChannel,
		Logger:            cfg.Logger,
	})
	pc.listen(pc.handleCandidate, "icecandidate")
	pc.listen(pc.handleState, "signalingstatechange", "iceconnectionstatechange", "icegatheringstatechange",
		"connectionstatechange", "negotiationneeded")
	return pc, nil
}

func (pc *PeerConnection) listen(f func(js.Value), types ...string) {
	pc.unlisten = append(pc.unlisten, webjs.Listen(pc.pc, f, types...))
}

// Close ends the connection at once: every channel is closed without further events.
// Closing again does nothing.
//
// What was sent and the peer does not have yet is lost. To have it delivered first, close the
// channels, and wait until each is Done.
func (pc *PeerConnection) Close() error {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.closed {
		return nil
	}
	pc.closed = true
	pc.on = peerConnectionEvents{}
	pc.events.close()
	pc.cancel()
	select {
	case <-pc.gathered:
	default:
		close(pc.gathered)
	}
	pc.session.Abort("closed")
	for _, remove := range pc.unlisten {
		remove()
	}
	for t := pc.sctp; t != nil; t = t.former {
		t.unlisten()
	}
	pc.pc.Call("close")
	return nil
}

// CreateDataChannel creates a channel; a nil init is a reliable, ordered one. It
// connects when the connection does; the first one asks for a negotiation
// (OnNegotiationNeeded). The errors are those of W3C's createDataChannel:
// *InvalidStateError, *TypeError, *OperationError.
func (pc *PeerConnection) CreateDataChannel(label string, init *datachannel.Init) (*datachannel.Channel, error) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if err := pc.usable("CreateDataChannel"); err != nil {
		return nil, err
	}
	return pc.session.CreateChannel(label, init)
}

// RestartICE asks for new candidates and a new path (W3C's restartIce).
func (pc *PeerConnection) RestartICE() {
	if pc.usableNow("RestartICE") == nil {
		pc.pc.Call("restartIce")
	}
}

// SetICEServers replaces Config.ICEServers for the candidates that are gathered from now on (W3C's
// setConfiguration); those that were gathered stay until ICE is restarted. The error is an *InvalidStateError after
// Close, or a *ConfigError, and then nothing has changed.
func (pc *PeerConnection) SetICEServers(servers []ICEServer) error {
	if err := pc.usableNow("SetICEServers"); err != nil {
		return err
	}
	configuration := pc.pc.Call("getConfiguration")
	configuration.Set("iceServers", serversToJS(servers))
	if _, err := webjs.Try(func() js.Value { return pc.pc.Call("setConfiguration", configuration) }); err != nil {
		return serverError(err)
	}
	return nil
}

// Accept waits for a channel that the peer opens while OnDataChannel is not set, and
// returns it open, unless it was closed while it waited. Up to 1024 wait; further ones are closed. The
// error is that of ctx or, after Close and when none is left, an *InvalidStateError.
func (pc *PeerConnection) Accept(ctx context.Context) (*datachannel.Channel, error) {
	if ch, err := pc.waiting.accept(ctx, pc.ctx.Done()); ch != nil || err != nil {
		return ch, err
	}
	return nil, pc.usableNow("Accept")
}

// usable returns the error for a closed connection. The caller holds pc.mu.
func (pc *PeerConnection) usable(op string) error {
	if pc.closed {
		return &InvalidStateError{Op: op, Reason: "the connection is closed"}
	}
	return nil
}

func (pc *PeerConnection) usableNow(op string) error {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.usable(op)
}

// call calls a method of the browser's object that returns a promise, and waits for it.
func (pc *PeerConnection) call(op, method string, args ...any) (js.Value, error) {
	if err := pc.usableNow(op); err != nil {
		return js.Undefined(), err
	}
	promise, err := webjs.Try(func() js.Value { return pc.pc.Call(method, args...) })
	if err != nil {
		return js.Undefined(), callError(op, err)
	}
	v, err := webjs.Await(pc.ctx, promise)
	switch {
	case pc.ctx.Err() != nil:
		return js.Undefined(), pc.usableNow(op)
	case err != nil:
		return js.Undefined(), callError(op, err)
	}
	return v, nil
}

// CreateOffer returns an offer of what is wanted now. In the signaling states other than
// stable and have-local-offer it is an *InvalidStateError.
func (pc *PeerConnection) CreateOffer(options ...OfferOption) (SessionDescription, error) {
	v, err := pc.call("CreateOffer", "createOffer", map[string]any{"iceRestart": slices.Contains(options, ICERestart)})
	if err != nil {
		return SessionDescription{}, err
	}
	return *fromJS(v), nil
}

// CreateAnswer returns the answer to the offer that was set. Without one it is an
// *InvalidStateError.
func (pc *PeerConnection) CreateAnswer() (SessionDescription, error) {
	v, err := pc.call("CreateAnswer", "createAnswer")
	if err != nil {
		return SessionDescription{}, err
	}
	return *fromJS(v), nil
}

// SetLocalDescription applies what CreateOffer or CreateAnswer returned last, unchanged.
// With an empty SDP it creates the description itself, with an empty Type, too, the one
// that is due. Setting a description starts gathering; setting an answer starts the
// connection.
//
// Errors: *InvalidStateError, *InvalidModificationError, *TypeError, *OperationError.
func (pc *PeerConnection) SetLocalDescription(d SessionDescription) error {
	const op = "SetLocalDescription"
	if err := d.Type.check(op); d.Type != "" && err != nil {
		return err
	}
	init := map[string]any{}
	if d.Type != "" {
		init["type"] = string(d.Type)
	}
	if d.SDP != "" {
		init["sdp"] = d.SDP
	}
	begun := pc.beginsGathering()
	_, err := pc.call(op, "setLocalDescription", init)
	if d.Type != SDPTypeRollback { // which goes back to credentials of before
		begun()
	}
	pc.handleNegotiated()
	return err
}

// beginsGathering is to be called before a local description is set, and what it returns afterwards: with other
// credentials of ICE the browser gathers again, but says so only later.
func (pc *PeerConnection) beginsGathering() (set func()) {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	before, ufrag := pc.gatherings, localUfrag(pc.LocalDescription())
	return func() {
		pc.mu.Lock()
		defer pc.mu.Unlock()
		now := localUfrag(pc.LocalDescription())
		if !pc.closed && pc.gathering == ICEGatheringStateComplete && pc.gatherings == before && now != "" && now != ufrag {
			pc.regathers = true
			pc.gathered = make(chan struct{})
		}
	}
}

// localUfrag returns the first user fragment of ICE in a description, "" if there is none.
func localUfrag(d *SessionDescription) string {
	if d == nil {
		return ""
	}
	_, after, _ := strings.Cut(d.SDP, "\na=ice-ufrag:")
	ufrag, _, _ := strings.Cut(after, "\r")
	return ufrag
}

// SetRemoteDescription applies a description of the peer. An offer that meets an offer of
// ours rolls ours back. An answer starts the connection.
//
// Errors: *RTCError for text that is no SDP, *InvalidAccessError for a description that
// cannot be; *InvalidStateError, *TypeError, *OperationError.
func (pc *PeerConnection) SetRemoteDescription(d SessionDescription) error {
	const op = "SetRemoteDescription"
	if err := d.Type.check(op); err != nil {
		return err
	}
	before := pc.SignalingState()
	_, err := pc.call(op, "setRemoteDescription", map[string]any{"type": string(d.Type), "sdp": d.SDP})
	pc.handleNegotiated()
	return refusal(op, before, d, err)
}

// refusal is why the browser refused a remote description: what is wrong with the state, or
// with the text, is an OperationError in some of them.
func refusal(op string, before SignalingState, d SessionDescription, err error) error {
	var operation *OperationError
	if !errors.As(err, &operation) || d.Type == SDPTypeRollback {
		return err
	}
	if d.Type == SDPTypeOffer && before == SignalingStateHaveLocalOffer {
		before = SignalingStateStable
	}
	if _, wrong := before.next(op, signalingStep{false, d.Type}); wrong != nil {
		return wrong
	}
	if _, wrong := parseDescription(d.SDP); wrong != nil {
		return descriptionError(op, wrong)
	}
	return err
}

// AddICECandidate adds a candidate that the peer trickled. An empty Candidate says that
// no more follow.
//
// Errors: *TypeError without SDPMid and SDPMLineIndex; *InvalidStateError before
// SetRemoteDescription; *OperationError for what does not fit the remote description.
func (pc *PeerConnection) AddICECandidate(c ICECandidateInit) error {
	const op = "AddICECandidate"
	init := map[string]any{"candidate": c.Candidate, "sdpMid": nil, "sdpMLineIndex": nil, "usernameFragment": nil}
	if c.SDPMid != nil {
		init["sdpMid"] = *c.SDPMid
	}
	if c.SDPMLineIndex != nil {
		init["sdpMLineIndex"] = int(*c.SDPMLineIndex)
	}
	if c.UsernameFragment != nil {
		init["usernameFragment"] = *c.UsernameFragment
	}
	_, err := pc.call(op, "addIceCandidate", init)
	if err == nil && pc.RemoteDescription() == nil { // what some browsers let pass
		return &InvalidStateError{Op: op, Reason: "no remote description"}
	}
	return err
}

// SignalingState returns the signaling state.
func (pc *PeerConnection) SignalingState() SignalingState {
	if pc.usableNow("") != nil {
		return SignalingStateClosed
	}
	return SignalingState(pc.pc.Get("signalingState").String())
}

// ConnectionState returns the state of ICE and DTLS together.
func (pc *PeerConnection) ConnectionState() ConnectionState {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.closed {
		return ConnectionStateClosed
	}
	return pc.connection
}

// ICEConnectionState returns the state of ICE.
func (pc *PeerConnection) ICEConnectionState() ICEConnectionState {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.closed {
		return ICEConnectionStateClosed
	}
	return pc.ice
}

// ICEGatheringState returns the state of gathering local candidates.
func (pc *PeerConnection) ICEGatheringState() ICEGatheringState {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.gathering
}

// GatheringComplete returns a channel that is closed when all local candidates
// are known: LocalDescription then needs no trickled candidates beside it. Ask
// for it after SetLocalDescription, which starts gathering. It is closed, too, when there will be none: after the
// rollback of an ICE restart, and after Close.
func (pc *PeerConnection) GatheringComplete() <-chan struct{} {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.gathered
}

// RemoteCertificates returns the peer's certificates in DER, the leaf first, once DTLS is
// connected; nil in browsers that do not tell.
func (pc *PeerConnection) RemoteCertificates() [][]byte {
	if t := pc.SCTP(); t != nil {
		return t.dtls.RemoteCertificates()
	}
	return nil
}

// LocalDescription returns the description that was set last, with the candidates
// gathered since; nil before SetLocalDescription.
func (pc *PeerConnection) LocalDescription() *SessionDescription {
	return fromJS(pc.pc.Get("localDescription"))
}

// CurrentLocalDescription returns the local description of the last negotiation that
// completed, or nil.
func (pc *PeerConnection) CurrentLocalDescription() *SessionDescription {
	return fromJS(pc.pc.Get("currentLocalDescription"))
}

// PendingLocalDescription returns the local description being negotiated, or nil.
func (pc *PeerConnection) PendingLocalDescription() *SessionDescription {
	return fromJS(pc.pc.Get("pendingLocalDescription"))
}

// RemoteDescription returns the description that was set last, with the candidates added
// since; nil before SetRemoteDescription.
func (pc *PeerConnection) RemoteDescription() *SessionDescription {
	return fromJS(pc.pc.Get("remoteDescription"))
}

// CurrentRemoteDescription returns the remote description of the last negotiation that
// completed, or nil.
func (pc *PeerConnection) CurrentRemoteDescription() *SessionDescription {
	return fromJS(pc.pc.Get("currentRemoteDescription"))
}

// PendingRemoteDescription returns the remote description being negotiated, or nil.
func (pc *PeerConnection) PendingRemoteDescription() *SessionDescription {
	return fromJS(pc.pc.Get("pendingRemoteDescription"))
}

// fromJS reads an RTCSessionDescription; nil for null.
func fromJS(v js.Value) *SessionDescription {
	if !webjs.Is(v) {
		return nil
	}
	return &SessionDescription{Type: SDPType(webjs.Text(v.Get("type"))), SDP: webjs.Text(v.Get("sdp"))}
}
