package web

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// again is a body whose text stands already, and is given to the encoder or not.
type again struct {
	text    []byte
	through bool
}

func (a again) JSON() []byte {
	if a.through {
		return nil
	}
	return a.text
}

func (a again) MarshalJSONTo(e *jsontext.Encoder) error { return e.WriteValue(a.text) }

// page is about what a list of 20 products says.
func page(t testing.TB) []byte {
	t.Helper()
	products := make([]map[string]any, 20)
	for i := range products {
		products[i] = map[string]any{"title": strings.Repeat("lamp ", 10), "tags": []string{"a", "b", "c"}, "price": map[string]any{"amount": 1999, "currency": "USD"}, "description": strings.Repeat("what it is for; ", 20)}
	}
	text, err := json.Marshal(map[string]any{"items": products}, json.Deterministic(true))
	require.NoError(t, err)
	return text
}

func TestWhatIsWrittenAlreadyGoesOutAsItIs(t *testing.T) {
	t.Parallel()
	text := page(t)
	for name, through := range map[string]bool{"as it is": false, "by the encoder": true} {
		var out bytes.Buffer
		require.NoError(t, encode(&out, &again{text, through}), name)
		require.Equal(t, string(text), out.String(), name)
	}
	var out bytes.Buffer
	require.NoError(t, encode(&out, again{text: []byte(" {} ")}))
	require.Equal(t, " {} ", out.String(), "nobody looks at it again")
}

func BenchmarkWritten(b *testing.B) {
	text := page(b)
	for name, through := range map[string]bool{"as it is": false, "by the encoder": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				if err := encode(&out, again{text, through}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
