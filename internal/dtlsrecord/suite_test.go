package dtlsrecord

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"slices"
	"strings"
	"testing"
)

// unhex reads hexadecimal digits, between which anything may stand that is none.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "", ":", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// 5246-5: the vector that the TLS working group passed around for SHA-256; OpenSSL
// computes the same, and the one for SHA-384.
func TestPRF(t *testing.T) {
	secret := unhex(t, "9bbe436ba940f017b17652849a71db35")
	seed := unhex(t, "a0ba9f936cda311827a6f796ffd5198c")
	for _, c := range []struct {
		desc    string
		newHash func() hash.Hash
		want    string
	}{
		{"SHA-256", sha256.New, `e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9
			c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789ba
			a48082d122ee42c5a72e5a5110fff70187347b66`},
		{"SHA-384", sha512.New384, `dd88775cd827187b67a3f7652b5c13f715791cc46e0274a6d3fb16651103defc544cd8afb68369a2
			19bb918b8b21ddb1`},
	} {
		want := unhex(t, c.want)
		for n := range len(want) + 1 {
			got := make([]byte, n)
			prf(c.newHash, got, secret, "test label", seed[:5], seed[5:])
			if !bytes.Equal(got, want[:n]) {
				t.Errorf("%s, %d bytes: %x", c.desc, n, got)
			}
		}
	}
}

// Test cases 4 and 16 of the specification of GCM that NIST has taken over
// (SP 800-38D): the cipher under the keys is AES-GCM.
func TestGCM(t *testing.T) {
	plain := unhex(t, `d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
		1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39`)
	for _, c := range []struct{ key, want string }{
		{"feffe9928665731c6d6a8f9467308308",
			`42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
			21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091 5bc94fbc3221a5db94fae95ae7121a47`},
		{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
			`522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
			8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662 76fc6ece0f4e1768cddf8853bb2d551b`},
	} {
		aead := newGCM(unhex(t, c.key))
		got := aead.Seal(nil, unhex(t, "cafebabefacedbaddecaf888"), plain, unhex(t, "feedfacedeadbeeffeedfacedeadbeefabaddad2"))
		if !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%d bits: %x", 4*len(c.key), got)
		}
	}
}

// A transcript is what passed in epoch 1 between OpenSSL's s_client and s_server,
// with the secrets that they logged and the keying material that they exported.
type transcript struct {
	suite                              uint16
	master, clientRandom, serverRandom string
	exported                           string // 40 bytes for "EXPORTER-sluice"
	client, server                     []string
}

var transcripts = []transcript{
	{
		suite:        0xC02B,
		master:       "50567e2926fa448d949c96e1f3ed5ba978b2513b8f577455ed3a7943cec3f2464b02b1d80bd8de85044bc10d1d39871a",
		clientRandom: "ab35d41b8cdfbc3fbcf9b0ac906f7feef00592dcf2e6d8cb6dc9ac3d825c6510",
		serverRandom: "0ad56280f1c3c42ad88f2fd2cc5db9aae06c29965f218c5fd56e3d77f52ed806",
		exported:     "64580879443428573bcea1b32391c5ef880fcbfa28e4c266cd118826c0c536856dc1aacdc5242114",
		client: []string{
			"16fefd000100000000000000306725353c9cd871068914bf1670d5de540fdb9257ad921a376f27a543ad8d744fe7d7095a354291eb4162520aaacd4a21",
			"17fefd000100000000000100296725353c9cd87107cc2e43310ef29b311bf25cdd6b2cc321db26a29ab388edd2ef5e4ab702ccc05a60",
			"15fefd0001000000000002001a6725353c9cd871083c69b32d5c191bb05575f3678bf4780aee07",
		},
		server: []string{
			"16fefd00010000000000000030a28cc6af998098824df11e127dbf18426b5bb5d7d860d5661f16bc2a65c2992c77100116c711ef677770dd80b75af289",
			"17fefd00010000000000010029a28cc6af99809883d230a3822a00c46225abce7cb0a076203f0d95fe91f8e81370071c4fffa3c8bdf0",
			"15fefd0001000000000002001aa28cc6af9980988478fd029ec1338fc8b8a7ab28c661b8861ffd",
		},
	},
	{
		suite:        0xC030,
		master:       "0865d617403c3fae64e73ca4b5510f1fda9779c3e229d286d06f126cc145edd373d2108b5af9d7bd95e5badd58052eab",
		clientRandom: "f36453864646dc079f192b1db54574b9844b6e962215d87098a923c47b3be32b",
		serverRandom: "52ef1aeb86b6b955b0cc803324adadaf15cba1b43a734643c0ac8669164899f9",
		exported:     "a6653e85c3071470ff2b893eef9e8ed06ffd7362c8a6ab3a85dc4f9aa5eadb79f64907b440658ddf",
		client: []string{
			"16fefd000100000000000000300d45773541de149166315b1dcc1205c1d2ad701f9427e9c938ebff51ba8864015b7f075143f68545c72cff4b478d499a",
			"17fefd000100000000000100290d45773541de1492ad4545706dc3ee4825600216fc3e938e7c34157315bbbb4a499e2046fa69b95afc",
			"15fefd0001000000000002001a0d45773541de14937a8bffb8ae48546e593eaf89634bb7478f88",
		},
		server: []string{
			"16fefd00010000000000000030f1959b5af04d2a757209bb67a4234b9b4d87bf99338ac4946ed16a9eeab86114aa1bedb88de59785d1526aa2cb8d6acb",
			"17fefd00010000000000010029f1959b5af04d2a7606a69e56a501e6a90db604ab2cd6c613433a20b604c0986fdb17fb16f1c04f1ccf",
			"15fefd0001000000000002001af1959b5af04d2a773ff3b3a48e2d755a70164247bc2858e6a231",
		},
	},
}

func (s *transcript) secrets(t testing.TB) *Secrets {
	return &Secrets{Suite: s.suite, Master: [48]byte(unhex(t, s.master)),
		ClientRandom: [32]byte(unhex(t, s.clientRandom)), ServerRandom: [32]byte(unhex(t, s.serverRandom))}
}

// What OpenSSL sealed we open, in either role: keys, nonces and additional data are
// those of RFC 5288 and RFC 6347.
func TestOpenTranscript(t *testing.T) {
	for _, s := range transcripts {
		for _, client := range []bool{true, false} {
			_, opener, err := s.secrets(t).Protection(client)
			if err != nil {
				t.Fatal(err)
			}
			records, message := s.client, "ping from client\n"
			if client {
				records, message = s.server, "pong from server\n"
			}
			var payloads [][]byte
			for _, r := range records {
				payload, err := opener.Open(unhex(t, r))
				if err != nil {
					t.Fatalf("%04X, client=%v: %v", s.suite, client, err)
				}
				payloads = append(payloads, payload)
			}
			finished, data, closing := payloads[0], payloads[1], payloads[2]
			if len(finished) != 24 || finished[0] != 20 || string(data) != message || !slices.Equal(closing, []byte{1, 0}) {
				t.Errorf("%04X, client=%v: %x, %q, %x", s.suite, client, finished, data, closing)
			}
		}
	}
}

// 5705-4: what OpenSSL exported, we export.
func TestExport(t *testing.T) {
	for _, s := range transcripts {
		secrets := s.secrets(t)
		got, err := secrets.Export("EXPORTER-sluice", nil, 40)
		if err != nil || !bytes.Equal(got, unhex(t, s.exported)) {
			t.Errorf("%04X: %x, %v", s.suite, got, err)
		}
		empty, err := secrets.Export("EXPORTER-sluice", []byte{}, 40)
		if err != nil || bytes.Equal(empty, got) {
			t.Errorf("%04X: an empty context is the same as none: %v", s.suite, err)
		}
		for _, label := range reservedLabels {
			if b, err := secrets.Export(label, nil, 12); err == nil {
				t.Errorf("label %q gave %x", label, b)
			}
		}
		for _, bad := range []struct {
			context []byte
			n       int
		}{{make([]byte, 1<<16), 1}, {nil, -1}} {
			if _, err := secrets.Export("EXPORTER-sluice", bad.context, bad.n); err == nil {
				t.Errorf("%d bytes of context, %d wanted: no error", len(bad.context), bad.n)
			}
		}
	}
}

func TestUnknownSuite(t *testing.T) {
	var unknown *SuiteError
	s := Secrets{Suite: 0xC0AC} // AES-CCM
	if _, _, err := s.Protection(true); !errors.As(err, &unknown) || unknown.Suite != s.Suite {
		t.Errorf("Protection: %v", err)
	}
	if _, err := s.Export("EXPORTER-sluice", nil, 1); !errors.As(err, &unknown) {
		t.Errorf("Export: %v", err)
	}
}
