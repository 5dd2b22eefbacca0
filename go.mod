module github.com/sluice-rtc/sluice

go 1.25.0

require (
	github.com/pion/dtls/v2 v2.2.12
	github.com/pion/ice/v2 v2.3.38
	github.com/pion/logging v0.2.4
	github.com/pion/mdns v0.0.12
	github.com/pion/sdp/v3 v3.0.20
	github.com/pion/stun v0.6.1
	github.com/pion/transport/v2 v2.2.10
	github.com/pion/turn/v2 v2.1.6
	golang.org/x/net v0.58.0
	golang.org/x/sys v0.47.0
	rsc.io/qr v0.2.0
)

require (
	github.com/google/uuid v1.3.1 // indirect
	github.com/pion/randutil v0.1.0 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	github.com/wlynxg/anet v0.0.3 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/crypto v0.55.0 // indirect
)
