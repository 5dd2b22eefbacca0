package browser

import "testing"

func TestInjectHTML(t *testing.T) {
	const script = `<script src="/.lab/agent.js"></script>`
	for _, c := range []struct{ desc, in, want string }{
		{"head", `<!doctype html><html><head lang="en"><title>`, `<!doctype html><html><head lang="en">` + script + `<title>`},
		{"no head", "<!DOCTYPE html>\n<title>", "<!DOCTYPE html>" + script + "\n<title>"},
		{"header is not head", "<!doctype html><header>", "<!doctype html>" + script + "<header>"},
		{"nothing", "<p>", script + "<p>"},
	} {
		if got := string(injectHTML([]byte(c.in))); got != c.want {
			t.Errorf("%s: got %s, want %s", c.desc, got, c.want)
		}
	}
}

func TestRelax(t *testing.T) {
	for _, c := range []struct{ desc, in, want string }{
		{"extends both", "script-src 'nonce-x'; connect-src ws:",
			"script-src 'nonce-x' 'self' 'unsafe-eval'; connect-src ws: 'self'"},
		{"takes over default-src", "default-src 'none'; img-src *",
			"default-src 'none'; img-src *; script-src 'self' 'unsafe-eval'; connect-src 'self'"},
		{"what is not restricted stays so", "img-src *", "img-src *"},
	} {
		if got := relax(c.in); got != c.want {
			t.Errorf("%s: got %q, want %q", c.desc, got, c.want)
		}
	}
}
