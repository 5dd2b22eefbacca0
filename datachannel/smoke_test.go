package datachannel

import "testing"

func TestSmoke(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("hello", nil)
		check(t, a.Send([]byte("x")))
		check(t, a.SendText("y"))
		wantMessage(t, b, "x", false)
		wantMessage(t, b, "y", true)
		check(t, b.Close())
		settle()
		wantState(t, a, Closed)
		wantState(t, b, Closed)
	})
}
