package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

var record = flag.Bool("record", false, "write the descriptions of ../testdata/sdp/sessions anew")

// negotiations are what TestRecord records: each is run in a page with two
// RTCPeerConnections a and b. say(from, to, answerer) carries an offer and the answer,
// which answerer may prepare.
var negotiations = []struct{ name, config, js string }{
	{"data", `{}`, `a.createDataChannel('x'); await say(a, b); await say(a, b); await say(b, a);`},
	{"data-restart", `{}`, `a.createDataChannel('x'); await say(a, b);
		a.restartIce(); await say(a, b); b.restartIce(); await say(b, a);`},
	{"av-data-balanced", `{bundlePolicy: 'balanced'}`, `media(a); a.createDataChannel('x'); await say(a, b);`},
	{"av-data-max-compat", `{bundlePolicy: 'max-compat'}`, `media(a); a.createDataChannel('x'); await say(a, b);`},
	{"av-data-max-bundle", `{bundlePolicy: 'max-bundle'}`, `media(a); a.createDataChannel('x'); await say(a, b);
		a.restartIce(); await say(a, b);`},
	{"av-declined", `{}`, `media(a); a.createDataChannel('x');
		await say(a, b, () => b.getTransceivers().forEach(t => t.stop())); await say(a, b); await say(b, a);`},
	{"data-then-av", `{}`, `a.createDataChannel('x'); await say(a, b); media(a); await say(a, b);
		a.getTransceivers().forEach(t => t.stop()); await say(a, b); a.addTransceiver('audio'); await say(a, b);`},
	{"audio-then-data", `{}`, `a.addTransceiver('audio'); await say(a, b); a.createDataChannel('x'); await say(a, b);`},
	{"audio-declined-then-data", `{}`, `a.addTransceiver('audio');
		await say(a, b, () => b.getTransceivers().forEach(t => t.stop())); a.createDataChannel('x'); await say(a, b);`},
	{"tag-stopped", `{}`, `media(a); a.createDataChannel('x'); await say(a, b);
		a.getTransceivers()[0].stop(); await say(a, b);`},
	{"offer-to-receive", `{}`, `a.createDataChannel('x'); await say(a, b, null, {offerToReceiveAudio: true});`},
}

// addresses are those that a description should not show.
var addresses = regexp.MustCompile(`\b(10|172|192)\.\d+\.\d+\.\d+\b|\b(fd|fe80|2[0-9a-f]{3}):[0-9a-f:]+`)

// TestRecord writes down what browsers say to each other: see README.txt beside the files.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("it records with -record only")
	}
	const js = `const [config, script] = args;
		const a = new RTCPeerConnection(eval('(' + config + ')')), b = new RTCPeerConnection(), said = [];
		const media = pc => { pc.addTransceiver('audio'); pc.addTransceiver('video'); };
		const say = async (from, to, prepare, options) => {
			await from.setLocalDescription(await from.createOffer(options));
			said.push({by: from === a ? 'a' : 'b', type: 'offer', sdp: from.localDescription.sdp});
			await to.setRemoteDescription(from.localDescription);
			if (prepare) prepare();
			await to.setLocalDescription(await to.createAnswer());
			said.push({by: to === a ? 'a' : 'b', type: 'answer', sdp: to.localDescription.sdp});
			await from.setRemoteDescription(to.localDescription);
		};
		await eval('(async () => {' + script + '})()');
		a.close(); b.close();
		return said;`
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		for _, n := range negotiations {
			t.Run(n.name, func(t *testing.T) {
				var said []struct{ By, Type, SDP string }
				openPage(t, testContext(t), b).do(&said, js, n.config, n.js)
				dir := filepath.Join("..", "testdata", "sdp", "sessions", string(b.Kind)+"-"+n.name)
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				for i, s := range said {
					name := fmt.Sprintf("%d-%s-%s.sdp", i+1, s.By, s.Type)
					text := addresses.ReplaceAllString(s.SDP, "192.0.2.1")
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	})
}
