package netsim

import "time"

// Elapse lets d of virtual time pass. It is for tests in a testing/synctest
// bubble, where waiting takes no real time, and refuses to run anywhere else.
func Elapse(d time.Duration) {
	if now := time.Now(); now.Year() > 2020 { // a bubble begins with the year 2000
		panic("netsim: BUG: Elapse outside a bubble would wait for real")
	}
	<-time.After(d)
}
