module github.com/sluice-rtc/sluice/bench

go 1.25.0

require (
	github.com/pion/logging v0.2.4
	github.com/pion/sctp v1.12.1
	github.com/sluice-rtc/sluice v0.0.0
)

require (
	github.com/pion/randutil v0.1.0 // indirect
	github.com/pion/transport/v5 v5.1.4 // indirect
)

replace github.com/sluice-rtc/sluice => ../

// The version that pion/sctp asks for is not in every mirror; this one has what it uses.
replace github.com/pion/transport/v5 => github.com/pion/transport/v5 v5.0.0
